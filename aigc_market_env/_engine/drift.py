"""What changes between slots, as compiled loops over one lane: requests and channels (private).

The formulas are those of ``scenarios.dynamics``.
"""

import math

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.slot import NOISE
from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import describe
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import faded, signal_of
from aigc_market_env.scenarios.streams import fill_normals


@compiled_inner
def take_request(i: int, m: int, lanes: Lanes) -> None:
    """Give MU ``m`` the content that its request names."""
    mus, link = lanes.mus[i], lanes.links[i]
    num_mus, source = mus.shape[1], int(mus[at.REQUEST, m])
    mus[at.TOKENS, m] = mus[at.BASE_TOKENS, source]
    mus[at.BITS, m] = mus[at.BASE_BITS, source]
    for first in range(0, link.shape[1], num_mus):
        link[at.ACCURACY, first + m] = link[at.BASE_ACCURACY, first + source]
    describe_mu(i, m, lanes)


@compiled_inner
def describe_mu(i: int, m: int, lanes: Lanes) -> None:
    """Write all that follows from what MU ``m`` is and asks for."""
    mus, asps, link = lanes.mus[i], lanes.asps[i], lanes.links[i]
    wants = satisfaction.Wants(mus[at.OMEGA, m], mus[at.REQUIREMENT, m], mus[at.SATIATION, m])
    mus[at.BOUND, m] = satisfaction.marginal(0.0, wants)
    for n in range(asps.shape[1]):
        k = n * mus.shape[1] + m
        c = qoe.coefficients(
            mus[at.WEIGHT_ACCURACY, m],
            mus[at.WEIGHT_TOKENS, m],
            mus[at.WEIGHT_TIMELINESS, m],
            link[at.ACCURACY, k],
            asps[at.REASONING, n],
            mus[at.TOKENS, m],
            mus[at.PATIENCE, m],
            link[at.LATENCY, k],
            asps[at.SLOT, n],
        )
        describe(link, k, c)


@compiled_inner
def measure_signals(i: int, lanes: Lanes) -> None:
    """Write the signals that the base market's channels stand for."""
    link = lanes.links[i]
    for k in range(link.shape[1]):
        link[at.SIGNAL, k] = signal_of(link[at.BASE_EFFICIENCY, k])


@compiled_inner
def fade(i: int, lanes: Lanes, shadowing_db: float, correlation: float, scratch: FloatArray) -> None:
    """Draw every link's shadow; with ``correlation`` = 0 from its stationary distribution, as an episode begins."""
    link, noise = lanes.links[i], scratch[NOISE]
    innovation = shadowing_db * math.sqrt(1.0 - correlation * correlation)
    fill_normals(lanes.streams, i, noise)
    for k in range(link.shape[1]):
        shadow = correlation * link[at.SHADOW, k] + innovation * noise[k]
        link[at.SHADOW, k] = shadow
        link[at.EFFICIENCY, k] = faded(link[at.BASE_EFFICIENCY, k], link[at.SIGNAL, k], shadow)
