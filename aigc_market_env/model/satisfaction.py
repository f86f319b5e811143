"""How satisfied an MU is with the QoE S that all ASPs together deliver to it (docs/market.md#payoffs).

A concave function V(S) = ω log(1 + S/q) and the three that go with it; ω is its scale, q its QoE requirement.
"""

import math

from aigc_market_env._numerics.compile import compiled


@compiled
def value(total: float, scale: float, requirement: float) -> float:
    """V(S), credits per slot."""
    return scale * math.log1p(total / requirement)


@compiled
def marginal(total: float, scale: float, requirement: float) -> float:
    """V'(S), what a further unit of QoE is worth."""
    return scale / (requirement + total)


@compiled
def inverse_marginal(worth: float, scale: float, requirement: float) -> float:
    """The S >= 0 at which a further unit of QoE is worth ``worth``, or 0 where none ever is."""
    return max(scale / worth - requirement, 0.0)


@compiled
def conjugate(worth: float, scale: float, requirement: float) -> float:
    """max_S V(S) - worth·S, what is left to an MU that buys QoE at that price.

    V(S) <= conjugate(v) + v S for every S and v.
    """
    total = inverse_marginal(worth, scale, requirement)
    return value(total, scale, requirement) - worth * total
