"""Best responses to the slot alone, with all the money there is.

    r_t = equilibrium of slot t with budgets m_t

Each MU's rewards are best for it in the slot, later slots not counting, under the rule of money: nothing is gained by
posting more than it can pay (docs/wallets.md#the-rule). So this is where learning ends that counts the present slot
alone (gamma 0), and what an MU earns less than by a plan is what planning is worth. Unlike ``until_gone`` it posts what
it can pay for. This project's choice.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Episode, Market, SlotView, Wallet, play_episode
from aigc_market_env.model.parameters import FloatArray
from baselines.episodes.slot_budget import equilibrium_on_budget


@dataclass(frozen=True)
class Myopic:
    """The equilibrium of the slot with all money for it."""

    name: str = "myopic"
    label: str = "myopic best responses"

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play the slots with all the money that there is."""
        return play_episode(path, _post, wallet)


def _post(view: SlotView) -> FloatArray:
    return equilibrium_on_budget(view.market, view.money)
