"""How satisfied an MU is with the QoE S that all ASPs together deliver to it (docs/market.md#payoffs).

A concave function V(S) = ω log(1 + S/q) and those that go with it; ω is its scale, q its QoE requirement. These are the
only places where the satisfaction is written down: for scalars in compiled loops, and below for arrays of all MUs.
"""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled

_FloatArray = npt.NDArray[np.float64]


@compiled
def value(total: float, scale: float, requirement: float) -> float:
    """V(S), credits per slot."""
    return scale * math.log1p(total / requirement)


@compiled
def vector_value(total: float, scale: float, requirement: float) -> float:
    """V(S) for loops over many MUs, which become vector code; in its last places it may differ from :func:`value`."""
    return scale * elementary.log1p(total / requirement)


@compiled
def marginal(total: float, scale: float, requirement: float) -> float:
    """V'(S), what a further unit of QoE is worth; at S = 0 the bound ω/q above which no reward is worth posting."""
    return scale / (requirement + total)


@compiled
def log_marginal(total: float, scale: float, requirement: float) -> float:
    """Log V'(S); its derivative is -1 over :func:`decay_length`."""
    return -math.log((requirement + total) / scale)


@compiled
def decay_length(total: float, requirement: float) -> float:
    """-V'(S)/V''(S) = q + S, the QoE over which what a further unit is worth falls off."""
    return requirement + total


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


# Arrays of all MUs, outside compiled loops ---------------------------------------------------------------------------


def values(totals: _FloatArray, scales: _FloatArray, requirements: _FloatArray) -> _FloatArray:
    """V(S) of arrays that broadcast; NumPy's logarithm may differ from that of :func:`value` in its last places."""
    satisfied: _FloatArray = scales * np.log1p(totals / requirements)
    return satisfied


def marginals(totals: _FloatArray | float, scales: _FloatArray, requirements: _FloatArray) -> _FloatArray:
    """V'(S) of arrays that broadcast."""
    return scales / (requirements + totals)


def dual_terms(
    log_worths: _FloatArray, totals: _FloatArray, scales: _FloatArray, requirements: _FloatArray
) -> tuple[_FloatArray, _FloatArray]:
    """The conjugate φ(v) = max_S V(S) - v S at log v, and the slope of φ(v) + v·S in log v at the totals S given.

    Unlike :func:`conjugate` it is that of V continued to S > -q, hence smooth, and the same up to v = ω/q.
    """
    worths = np.exp(log_worths)
    conjugates = scales * (np.log(marginals(0.0, scales, requirements)) - log_worths) - scales + requirements * worths
    return conjugates, worths * (requirements + totals) - scales
