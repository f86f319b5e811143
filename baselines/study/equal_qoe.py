"""Ours at the QoE of another mechanism: the fair comparison of costs.

A mechanism that serves less costs less, which is no merit. So ours is moved along the one-parameter family of
equilibria in which all MUs act as if their satisfaction were worth s·ω, until the mean QoE of the MUs is what the other
mechanism delivers in the same market. What is then paid, spent and used is compared; utilities count the true ω. The
equilibria are the pure points that first-order conditions lead to, not certified.
"""

import math
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq

from aigc_market_env import Market, Outcome, solve_equilibrium
from baselines.study.metrics import Figures, outcome_figures

#: Farthest that satisfactions are scaled without satiation, and at most, up or down, and by what factor at a time while
#: looking for a bracket. As worth falls off as (1 + Q/q)^-(k + 1), it takes s^(k + 1) to do what s does at k = 0.
_FARTHEST, _MOST, _FACTOR = 1e4, 1e20, 4.0
#: Accuracy of log s, and the relative difference in QoE up to which it counts as equal. Where the equilibrium jumps as
#: s grows, no s may do.
_ACCURACY, _EQUAL = 1e-7, 1e-4


def scaled_equilibrium(market: Market, scale: float) -> Outcome:
    """What a slot produces when all MUs act as if their satisfaction were worth ``scale`` times as much."""
    acted = market.replace(satisfaction_scale=scale * market.satisfaction_scale)
    played = solve_equilibrium(acted, certify=False).outcome
    return market.outcome(played.rewards, played.compute, played.bandwidth)


def match_qoe(market: Market, qoe: float) -> Figures:
    """Our equilibrium with the mean QoE ``qoe`` over MUs, in a market without batch axes.

    Returns:
        The figures of :func:`outcome_figures` there, ``scale`` s, and ``matched``: whether the QoE is within 1e-4 of
        the one wanted. It is not where capacities do not allow so much, or no equilibrium of the family delivers it.
    """
    if qoe <= 0.0:
        nothing = np.zeros(market.accuracy.shape)
        return outcome_figures(market.outcome(nothing, nothing, nothing)) | {"scale": 0.0, "matched": 1.0}

    def excess(log_scale: float) -> float:
        return float(scaled_equilibrium(market, math.exp(log_scale)).qoe.sum(axis=-1).mean()) - qoe

    farthest = min((1.0 + market.satiation.max()) * math.log(_FARTHEST), math.log(_MOST))
    log_scale = _bracketed_root(excess, farthest)
    found = outcome_figures(scaled_equilibrium(market, math.exp(log_scale)))
    matched = abs((found["mu_qoe"] or 0.0) - qoe) <= _EQUAL * qoe
    return found | {"scale": math.exp(log_scale), "matched": float(matched)}


def _bracketed_root(excess: Callable[[float], float], farthest: float) -> float:
    """Where an increasing function of log s vanishes, or the end of the search where it does not."""
    near, here = 0.0, excess(0.0)
    direction = -math.copysign(math.log(_FACTOR), here)
    while here != 0.0 and abs(near) < farthest:
        far = near + direction
        there = excess(far)
        if here * there <= 0.0:
            return float(brentq(excess, near, far, xtol=_ACCURACY))
        near, here = far, there
    return near
