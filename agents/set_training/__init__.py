"""Training of one network for every market."""

from agents.set_training.run import make_learner, train_set_policy

__all__ = ["make_learner", "train_set_policy"]
