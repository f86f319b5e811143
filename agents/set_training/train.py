"""Training of one network for every market, whichever kind of run that is."""

from pathlib import Path
from typing import Any

from agents.algorithms.set_config import SetConfig
from agents.evaluation.sets import SetEvaluation
from agents.set_training.episode_run import SetEpisodeRun
from agents.set_training.run import SetRun
from agents.torch_settings import one_torch_thread
from agents.training.run import train


@one_torch_thread()
def train_set_policy(
    config: SetConfig, out: Path, *, resume: bool = False
) -> tuple[SetEvaluation[Any], dict[str, Any]]:
    """Train a policy that acts in every market; otherwise like :func:`agents.training.train_leaders`.

    Regret is measured in held-out markets, or episodes of MUs with wallets, by size; while the policy learns, in those
    of the usual size. Torch computes on one thread meanwhile.
    """
    return train(set_run_of(config), config, out, resume=resume)


def set_run_of(config: SetConfig) -> type[SetRun]:
    """The kind of run that a configuration asks for."""
    return SetEpisodeRun if config.wallets else SetRun
