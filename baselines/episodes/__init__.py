"""Mechanisms for whole episodes of MUs with wallets: each posts rewards slot by slot (``EpisodeMechanism.run``)."""

from baselines.episodes.adaptive_pacing import AdaptivePacing
from baselines.episodes.even_spending import EvenSpending
from baselines.episodes.mechanism import EpisodeMechanism
from baselines.episodes.myopic import Myopic
from baselines.episodes.oracle import EpisodeOracle
from baselines.episodes.until_gone import UntilGone

_ALL: tuple[EpisodeMechanism, ...] = (EpisodeOracle(), AdaptivePacing(), EvenSpending(), Myopic(), UntilGone())

#: Every mechanism for episodes by its name, in the order of tables.
EPISODE_MECHANISMS: dict[str, EpisodeMechanism] = {mechanism.name: mechanism for mechanism in _ALL}

__all__ = [
    "EPISODE_MECHANISMS",
    "AdaptivePacing",
    "EpisodeMechanism",
    "EpisodeOracle",
    "EvenSpending",
    "Myopic",
    "UntilGone",
]
