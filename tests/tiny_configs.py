"""Configurations of runs that take a fraction of a second."""

from agents.algorithms import ALGORITHMS
from agents.config import LeaderConfig
from agents.documents import with_fields


def made(kind, *, algorithm="ppo", **fields):
    """A configuration by the names of its fields, wherever they stand."""
    return with_fields(kind(algorithm=ALGORITHMS[algorithm]()), fields)


TINY = made(
    LeaderConfig,
    scenario="duo",
    transitions=320,
    markets=8,
    slots=4,
    batch_size=32,
    epochs=1,
    hidden=(8,),
    evaluate_every=200,
    evaluation_slots=4,
    final_evaluation_slots=8,
    checkpoint_seconds=1e-9,
)
