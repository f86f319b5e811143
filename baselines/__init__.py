"""Mechanisms to compare with: each prices and allocates in one market (``Mechanism.run``)."""
