"""Benchmark tasks: markets to train in, frozen ones to be judged in, and a score for any policy (docs/tasks.md)."""

from aigc_market_env.tasks.figures import Estimate, Worst
from aigc_market_env.tasks.judge import fingerprint
from aigc_market_env.tasks.policy import Policy
from aigc_market_env.tasks.score import Score, score
from aigc_market_env.tasks.table import TASKS, make, names
from aigc_market_env.tasks.task import TRAINING_SEEDS, Task

__all__ = [
    "TASKS",
    "TRAINING_SEEDS",
    "Estimate",
    "Policy",
    "Score",
    "Task",
    "Worst",
    "fingerprint",
    "make",
    "names",
    "score",
]
