"""The equilibrium of every slot, as if money were no concern, until it is gone.

    r_t = rewards of solve_equilibrium(market_t)

What happens then is the rule of money's: an MU that cannot pay for a whole slot is served for a share of it, and one
without money posts nothing. It is what MUs without a plan play; this project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Episode, Market, SlotView, Wallet, play_episode, solve_equilibrium
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True)
class UntilGone:
    """The equilibrium of the slot, whatever money there is."""

    name: str = "until_gone"
    label: str = "slot equilibrium until the money is gone"

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play the slots' equilibria."""
        return play_episode(path, _post, wallet)


def _post(view: SlotView) -> FloatArray:
    return solve_equilibrium(view.market, certify=False).rewards
