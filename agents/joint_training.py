"""Where :func:`train_both` was before it stood beside the other trainings; kept for whoever imports it from here."""

from agents.training.both import train_both

__all__ = ["train_both"]
