"""The same spending in every slot, if it is wanted.

    b_t = (m_t + (T - 1 - t) income)/(T - t),    at least m_t + income - cap,    at most m_t

is what an MU may pay in slot t: what it will ever have, spread evenly over the slots left; more, where money would
otherwise be lost to the cap; and no more than there is. In each slot MUs play the equilibrium of a single slot with
these budgets. What a slot is worth, later ones
compared, does not count. This project's choice; also called equal or uniform pacing.
"""

from dataclasses import dataclass

import numpy as np

from aigc_market_env import Episode, Market, SlotView, Wallet, play_episode
from aigc_market_env.model.parameters import FloatArray
from baselines.episodes.slot_budget import equilibrium_on_budget


@dataclass(frozen=True)
class EvenSpending:
    """The equilibrium of the slot with an even share of all money for it."""

    name: str = "even_spending"
    label: str = "even spending"

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play the slots with their budgets."""
        return play_episode(path, _post, wallet)


def _post(view: SlotView) -> FloatArray:
    return equilibrium_on_budget(view.market, slot_budget(view))


def slot_budget(view: SlotView) -> FloatArray:
    """What each MU may pay in the slot, credits. (M,)."""
    left = view.num_slots - view.slot
    even = (view.money + (left - 1) * view.purses.income) / left
    lost = view.money + view.purses.income - view.purses.cap if left > 1 else 0.0
    budget: FloatArray = np.minimum(np.maximum(even, lost), view.money)
    return budget
