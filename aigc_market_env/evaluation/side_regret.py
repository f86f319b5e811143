"""Relative regrets of a side in evaluation slots: of all its agents, and of the worst one, by its name."""

from typing import Any, Literal, NamedTuple

import numpy as np

from aigc_market_env import Market, relative_regret
from aigc_market_env.equilibrium.certificate import share_of
from aigc_market_env.model.parameters import FloatArray

#: What stays as it is from slot to slot of one market: whose these are, in all slots, is the same.
_LASTING = ("qoe_requirement", "qoe_weights", "patience", "compute_cost", "bandwidth_cost", "flops_per_token")


class SideRegret(NamedTuple):
    """Relative regrets of the MUs or of the ASPs in S slots; see :func:`~aigc_market_env.relative_regret`.

    Attributes:
        mean: of all agents.
        worst: of the agent that forgoes most of what is its own.
        worst_agent: its name, ``"mu_3"``; in slots that are markets of their own, ``"mu_3 of market 17"``.
        shares: regret of every agent in every slot as a share of what is its own, over all slots. (S, K)
    """

    mean: float
    worst: float
    worst_agent: str
    shares: FloatArray

    def by_agent(self) -> list[float]:
        """The mean of the shares of each agent."""
        means: list[float] = self.shares.mean(axis=0).tolist()
        return means

    def figures(self, name: str) -> dict[str, Any]:
        """The mean under a name, the worst and whose it is under the names that go with it."""
        worst = worst_of(name)
        return {name: self.mean, worst: self.worst, f"{worst}_agent": self.worst_agent}


def side_regret(market: Market, regret: FloatArray, utility: FloatArray, group: Literal["mu", "asp"]) -> SideRegret:
    """Relative regret of a side.

    Args:
        market: the slots' markets. batch (S,)
        regret: of every agent in every slot, credits per slot. (S, K)
        utility: what it is relative to, credits per slot. (S, K)
        group: which side.
    """
    apart, agents = not is_one_market(market), regret.shape[1]
    shape = (1, -1) if apart else regret.shape
    found = relative_regret(regret.reshape(shape), utility.reshape(shape))
    slot, agent = divmod(int(found.agent), agents)
    scale = np.broadcast_to(found.scale.reshape(-1, agents), regret.shape)
    name = f"{group}_{agent}" + (f" of market {slot}" if apart else "")
    return SideRegret(float(found.mean), float(found.worst), name, share_of(regret, scale))


def is_one_market(market: Market) -> bool:
    """Whether slots (S,) are of one market, so that an agent of one slot is that of another."""
    fields = (getattr(market, name) for name in _LASTING)
    return all((values == values[:1]).all() for values in fields)


def worst_of(name: str) -> str:
    """What the regret of the worst agent is called beside the mean one: ``"leader_regret_worst"``."""
    return name.replace("_relative", "_worst")
