"""How satisfied an MU is with the QoE S that all ASPs together deliver to it (docs/market.md#payoffs).

A concave function of three parameters, the MU's :class:`Wants`,

    V(S) = ω [1 - (1 + S/q)^-k] / k,        V(S) = ω log(1 + S/q) at k = 0,

and those that go with it. These are the only places where the satisfaction is written down: for scalars in compiled
loops, and below for arrays of all MUs. All go through log(1 + S/q), so that small k divide no rounding errors.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled

_FloatArray = npt.NDArray[np.float64]

#: Less than this no further QoE is said to be worth, so that a worth has a logarithm and a product of two is not 0.
_LEAST_WORTH = 1e-150


class Wants(NamedTuple):
    """What an MU makes of QoE."""

    scale: float  # ω, credits per slot
    requirement: float  # q, QoE
    satiation: float  # k, 1; 0 for wants without end


@compiled
def value(total: float, wants: Wants) -> float:
    """V(S), credits per slot."""
    log = math.log1p(total / wants.requirement)
    return wants.scale * log * _mean_decay(wants.satiation * log)


@compiled
def vector_value(total: float, scale: float, requirement: float) -> float:
    """V(S) at k = 0 for loops over many MUs, which become vector code; in its last places it may differ from the above.

    Such a loop cannot be had at other k, which takes an exponential at the precision of its difference from 1.
    """
    return scale * elementary.log1p(total / requirement)


@compiled
def _mean_decay(exponent: float) -> float:
    """(1 - e^-y)/y, the mean of e^-t over 0 <= t <= y; 1 at y = 0."""
    return -math.expm1(-exponent) / exponent if exponent != 0.0 else 1.0


@compiled
def marginal(total: float, wants: Wants) -> float:
    """V'(S), what a further unit of QoE is worth; at S = 0 the bound ω/q above which no reward is worth posting."""
    slope = wants.scale / (wants.requirement + total)
    if wants.satiation == 0.0:
        return slope
    return max(slope * math.exp(-wants.satiation * math.log1p(total / wants.requirement)), _LEAST_WORTH)


@compiled
def bound(scale: float, requirement: float) -> float:
    """V'(0) = ω/q, which is :func:`marginal` at S = 0 whatever the satiation; no reward above it is worth posting."""
    return scale / requirement


@compiled
def log_marginal(total: float, wants: Wants) -> float:
    """Log V'(S); its derivative is -1 over :func:`decay_length`. For vector code, without branches."""
    log = -elementary.log((wants.requirement + total) / wants.scale)
    return log - wants.satiation * elementary.log1p(total / wants.requirement)


@compiled
def decay_length(total: float, wants: Wants) -> float:
    """-V'(S)/V''(S) = (q + S)/(k + 1), the QoE over which what a further unit is worth falls off."""
    return (wants.requirement + total) / (wants.satiation + 1.0)


@compiled
def inverse_marginal(worth: float, wants: Wants) -> float:
    """The S >= 0 at which a further unit of QoE is worth ``worth``, or 0 where none ever is."""
    if wants.satiation == 0.0:
        return max(wants.scale / worth - wants.requirement, 0.0)
    log = math.log(wants.scale / wants.requirement / worth) / (wants.satiation + 1.0)
    return wants.requirement * math.expm1(max(log, 0.0))


@compiled
def conjugate(worth: float, wants: Wants) -> float:
    """max_S V(S) - worth·S, what is left to an MU that buys QoE at that price.

    V(S) <= conjugate(v) + v S for every S and v.
    """
    total = inverse_marginal(worth, wants)
    return value(total, wants) - worth * total


@compiled
def scaled_curvature(worth: float, wants: Wants) -> float:
    """v² V*''(v) of the conjugate V* at v = ``worth``, continued smoothly beyond v = ω/q; ω at k = 0."""
    log = math.log(wants.scale / wants.requirement / worth) / (wants.satiation + 1.0)
    return wants.scale * math.exp(-wants.satiation * log) / (wants.satiation + 1.0)


# Arrays of all MUs, outside compiled loops ---------------------------------------------------------------------------


def relative(totals: _FloatArray, requirements: _FloatArray) -> _FloatArray:
    """S/q, QoE relative to what is required, of arrays that broadcast."""
    return totals / requirements


def values(
    totals: _FloatArray, scales: _FloatArray, requirements: _FloatArray, satiations: _FloatArray | float
) -> _FloatArray:
    """V(S) of arrays that broadcast; NumPy's logarithm may differ from that of :func:`value` in its last places."""
    logs = np.log1p(totals / requirements)
    satisfied: _FloatArray = scales * logs * _mean_decays(satiations * logs)
    return satisfied


def marginals(
    totals: _FloatArray | float, scales: _FloatArray, requirements: _FloatArray, satiations: _FloatArray | float
) -> _FloatArray:
    """V'(S) of arrays that broadcast."""
    decays = np.exp(-satiations * np.log1p(totals / requirements))
    return np.maximum(scales / (requirements + totals) * decays, _LEAST_WORTH)


def dual_terms(
    log_worths: _FloatArray,
    totals: _FloatArray,
    scales: _FloatArray,
    requirements: _FloatArray,
    satiations: _FloatArray | float,
) -> tuple[_FloatArray, _FloatArray]:
    """The conjugate φ(v) = max_S V(S) - v S at log v, and the slope of φ(v) + v·S in log v at the totals S given.

    Unlike :func:`conjugate` it is that of V continued to S > -q, hence smooth, and the same up to v = ω/q. With
    L = log(ω/(q v))/(k + 1) the S chosen has 1 + S/q = e^L, and v (q + S) = ω e^-kL.
    """
    worths = np.exp(log_worths)
    logs = (np.log(marginals(0.0, scales, requirements, satiations)) - log_worths) / (satiations + 1.0)
    exponents = satiations * logs
    spent = scales * np.exp(-exponents)  # at v, with q bought as well
    conjugates = scales * logs * _mean_decays(exponents) - spent + requirements * worths
    return conjugates, worths * (requirements + totals) - spent


def _mean_decays(exponents: _FloatArray) -> _FloatArray:
    """As :func:`_mean_decay`."""
    decays: _FloatArray = np.divide(-np.expm1(-exponents), exponents, out=np.ones_like(exponents), where=exponents != 0)
    return decays
