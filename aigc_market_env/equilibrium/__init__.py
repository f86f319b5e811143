"""Equilibria of the market."""
