"""The equilibrium of the episode, computed by one who knows the whole path.

    r_t = equilibrium of slot t at ω/(1 + α_t),  α the prices of money

(:func:`~aigc_market_env.solve_wallet_equilibrium`). No other mechanism here knows later slots. Nothing says that
utilities are highest in an equilibrium: MUs that spend less early leave more to others.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Episode, Market, Wallet, solve_wallet_equilibrium


@dataclass(frozen=True)
class EpisodeOracle:
    """The equilibrium of the whole episode."""

    name: str = "episode_oracle"
    label: str = "equilibrium of the episode (oracle)"

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """The equilibrium, without its certificate."""
        return solve_wallet_equilibrium(path, wallet, certify=False)
