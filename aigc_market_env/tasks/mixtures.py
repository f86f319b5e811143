"""Mixed equilibria of test slots that are kept in files, because finding them takes minutes.

Kept is what every MU draws from, as found by :func:`~aigc_market_env.solve_equilibrium`; what it is worth, and that it
is an equilibrium, is worked out anew in every score. ``python -m aigc_market_env.tasks --mixtures`` finds them again.
"""

from pathlib import Path

import numpy as np

from aigc_market_env.equilibrium import Equilibrium
from aigc_market_env.files import replacing
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks.task import Task


def path_of(task: Task) -> Path:
    """The file of a task."""
    return Path(__file__).with_name(f"mixtures_{task.name}.npz")


def read_mixtures(task: Task) -> tuple[FloatArray, FloatArray]:
    """Supports (S, M, K, N), credits per QoE, and probabilities (S, M, K) of all S test slots of a task."""
    with np.load(path_of(task), allow_pickle=False) as kept:
        return kept["supports"], kept["probabilities"]


def write_mixtures(task: Task, found: Equilibrium) -> None:
    """Keep what was found in all test slots of a task. batch (S,)."""
    with replacing(path_of(task)) as new, new.open("wb") as file:
        np.savez_compressed(file, supports=found.supports, probabilities=found.probabilities)
