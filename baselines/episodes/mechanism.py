"""What every mechanism for episodes gives: an episode, as it is played under the rule of money.

Those that do not know the future hand :func:`~aigc_market_env.play_episode` a function, which is shown one slot after
another (:class:`~aigc_market_env.SlotView`) and cannot look ahead.
"""

from typing import Protocol

import numpy as np

from aigc_market_env import Episode, Market, Wallet


class EpisodeMechanism(Protocol):
    """A way for MUs with wallets to post rewards over an episode."""

    @property
    def name(self) -> str:
        """In tables and files, such as ``"even_spending"``."""
        ...

    @property
    def label(self) -> str:
        """For people, such as ``"even spending"``."""
        ...

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play one path (T,) with wallets in credits; all randomness comes from ``rng``."""
        ...
