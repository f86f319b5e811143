"""Training of one network for every market."""

from agents.set_training.run import train_set_policy

__all__ = ["train_set_policy"]
