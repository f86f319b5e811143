"""Training of one network for every market."""

from agents.set_training.train import train_set_policy

__all__ = ["train_set_policy"]
