"""Payoffs of order one, whatever a credit is."""

from typing import Any

from aigc_market_env.wrappers.transform import Env, Transform, transformed


def relative_payoffs(env: Env) -> Env:
    """Payoffs in units of what satisfaction is worth: an MU's over its ω, an ASP's over Σω/N.

    ω is that of the market that the episode began from, ``base_market``: a number for each agent and episode, so that
    what is best stays the same. For one critic and one learning rate for all: in credits, payoffs of MUs whose requests
    are worth twice as much are twice as large, and so are everybody's where a credit is half as much. Running means,
    such as those of ``NormalizeReward``, would mix agents. Observations need nothing: they are of order one.

    Args:
        env: one of this package's AEC or Parallel environments, wrapped or not.

    Raises:
        ValueError: ``env`` is something else.

    Examples:
        >>> from aigc_market_env import market_v0, wrappers
        >>> env = wrappers.relative_payoffs(market_v0.parallel_env("campus", asps="best_response"))
        >>> observations, infos = env.reset(seed=0)
    """
    return transformed(env, _Relative())


class _Relative(Transform):
    def begin(self, market_env: Any) -> None:
        worth = market_env.base_market.satisfaction_scale
        self._units = {f"mu_{m}": float(scale) for m, scale in enumerate(worth)}
        num_asps = market_env.scenario.num_asps
        self._units |= {f"asp_{n}": float(worth.sum() / num_asps) for n in range(num_asps)}

    def payoff(self, agent: str, payoff: float) -> float:
        return payoff / self._units[agent]
