"""Evaluation of run folders on slots and markets that training has not seen: what ``evaluate.py`` does."""

from agents.held_out.runs import HeldOut, evaluate_run, evaluate_runs

__all__ = ["HeldOut", "evaluate_run", "evaluate_runs"]
