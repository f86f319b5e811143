"""The presets: functions from random draws to the fields of a market.

The markets that a preset gives stay as they are: what measurements say otherwise gets a name with a version.

Money is in credits of a thousandth of a US dollar, a slot lasts 10 s. Both, and whatever the comments do not give a
source for, are choices; the figures with sources stand in :mod:`~aigc_market_env.scenarios.catalogue`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import catalogue, radio
from aigc_market_env.scenarios.draws import Draws
from aigc_market_env.scenarios.dynamics import Dynamics
from aigc_market_env.scenarios.traces.base import MeasuredMarket
from aigc_market_env.scenarios.traces.splits import Split
from aigc_market_env.scenarios.traces.trace import Trace
from aigc_market_env.scenarios.urban import CAMPUS_PROVIDERS, SLOT_DURATION, TOWN_PROVIDERS, Provider, urban
from aigc_market_env.wallets import Wallet, WalletRange

Fields = Mapping[str, FloatArray]
Build = Callable[[Draws, int, int], Fields]
#: One for all MUs, or least and largest, uniform in between.
Satiation = float | tuple[float, float]

#: The paper speaks of heterogeneous QoE requirements; here they can be met. MUs who have something to get done
#: want what it requires and little beyond: with that, they have a share 1 - 2^-k of all satisfaction, a half to 98 %.
OFFICE_SATIATION = 1.0, 6.0
#: Demand under which an MU has to plan when to spend what (docs/wallets.md#demand). With fading alone it would not: one
#: level of spending, known beforehand, earns all that can be earned. Here most requests are small talk, worth more or
#: less from slot to slot, and one in eight is work, worth ten times as much; the load rises to 1.6 times the usual and
#: falls to 0.6 times in 32 slots. Whether a request is work is known when it comes, not before. All are choices.
PREPAID_DYNAMICS = Dynamics(
    worth_deviation=0.25,
    worth_correlation=0.8,
    urgent_probability=0.15,
    urgent_factor=10.0,
    urgent_slots=1.0,
    load_profile=tuple(round(math.exp(0.5 * math.sin(math.tau * (slot + 0.5) / 32)), 2) for slot in range(32)),
)
#: Wallets that receive 20 to 60 % of what a usual slot costs, and hold what 8 to 24 cost: who spends what comes in has
#: next to nothing when work comes, and several slots of work can be saved for. Drawn in every episode for each MU, so
#: that no plan fits all; an MU may begin with nothing.
PREPAID_WALLETS = WalletRange(
    Wallet(money=0.0, income=0.2, cap=8.0, unit="spending"), Wallet(money=24.0, income=0.6, cap=24.0, unit="spending")
)
#: Mean length of blocks drawn from a trace, in slots (a choice): most episodes have none or one new block, and what is
#: correlated over ten slots in the trace stays so but for a twentieth.
BLOCK_SLOTS = 200.0


@dataclass(frozen=True)
class Preset:
    """A family of markets.

    Attributes:
        build: makes a market's fields from draws, M and N, at load 1.
        num_mus: default M.
        num_asps: default N.
        resizable: whether M and N may be chosen.
        dynamics: what changes from slot to slot by default.
        satiation: k of every MU, or the range that it is drawn from, by default.
        wallet: of the MUs, by default.
    """

    build: Build
    num_mus: int
    num_asps: int
    resizable: bool
    dynamics: Dynamics
    satiation: Satiation = 0.0
    wallet: Wallet | WalletRange | None = None


def _campus(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return urban(CAMPUS_PROVIDERS, draw, num_mus, num_asps)


def _town(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return urban(TOWN_PROVIDERS, draw, num_mus, num_asps)


def _with_measured_answers(providers: tuple[Provider, ...], draw: Draws, num_mus: int, num_asps: int) -> Fields:
    """An urban preset whose users want answers as long as those measured, drawn last."""
    fields = dict(urban(providers, draw, num_mus, num_asps))
    return fields | {"desired_tokens": draw.from_quantiles(np.array(catalogue.ANSWER_QUANTILES), num_mus)}


def _campus_v1(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return _with_measured_answers(CAMPUS_PROVIDERS, draw, num_mus, num_asps)


def _town_v1(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return _with_measured_answers(TOWN_PROVIDERS, draw, num_mus, num_asps)


def _duo(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    """Two users, one provider, round numbers, nothing drawn: small enough to check by hand."""
    return {
        "slot_duration": np.array(SLOT_DURATION),
        "satisfaction_scale": np.array([2.0, 1.0]),
        "qoe_requirement": np.array([0.5, 0.5]),
        "qoe_weights": np.array([[0.5, 0.25, 0.25], [0.25, 0.25, 0.5]]),
        "desired_tokens": np.array([200.0, 100.0]),
        "patience": np.array([10.0, 5.0]),
        "bits_per_token": np.array([2000.0, 20000.0]),
        "compute_capacity": np.array([1.0]),
        "bandwidth_capacity": np.array([0.2]),
        "compute_cost": np.array([0.1]),
        "bandwidth_cost": np.array([2.0]),
        "flops_per_token": np.array([0.016]),
        "reasoning_tokens": np.array([200.0]),
        "accuracy": np.array([[0.8], [0.7]]),
        "spectral_efficiency": np.array([[4.0], [2.0]]),
        "base_latency": np.array([[0.2], [0.2]]),
    }


def _random(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    """Everything drawn widely, so that few things can be true of these markets by accident.

    Capacities are drawn around what serving every MU by its share of the ASPs at ``typical`` tokens/s would take.
    """
    typical = 20.0  # tokens/s
    flops_per_token = draw.log_uniform(2e-3, 8e-2, num_asps)
    bits_per_token = draw.log_uniform(5e2, 8e4, num_mus)
    spectral_efficiency = draw.log_uniform(radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY, num_mus, num_asps)
    bandwidth = (bits_per_token[..., None] / (spectral_efficiency * 1e6)).mean(axis=-2)  # per token/s, (N,)
    rate = typical * num_mus / num_asps
    return {
        "slot_duration": draw.log_uniform(1.0, 60.0),
        "satisfaction_scale": draw.log_uniform(0.3, 10.0, num_mus),
        "qoe_requirement": draw.log_uniform(0.1, 1.0, num_mus),
        "qoe_weights": draw.simplex(3, num_mus),
        "desired_tokens": draw.log_uniform(30.0, 1000.0, num_mus),
        "patience": draw.log_uniform(0.5, 20.0, num_mus),
        "bits_per_token": bits_per_token,
        "compute_capacity": rate * flops_per_token * draw.log_uniform(0.3, 3.0, num_asps),
        "bandwidth_capacity": rate * bandwidth * draw.log_uniform(0.3, 3.0, num_asps),
        "compute_cost": draw.log_uniform(0.02, 0.3, num_asps),
        "bandwidth_cost": draw.log_uniform(0.03, 3.0, num_asps),
        "flops_per_token": flops_per_token,
        "reasoning_tokens": draw.log_uniform(50.0, 1000.0, num_asps),
        "accuracy": draw.uniform(0.1, 1.0, num_mus, num_asps),
        "spectral_efficiency": spectral_efficiency,
        "base_latency": draw.log_uniform(0.02, 2.0, num_mus, num_asps),
    }


def _following(split: Split, block_slots: float | None = None) -> Preset:
    return Preset(MeasuredMarket(split), 8, 4, True, Dynamics(shadowing_db=0.0, trace=Trace(split, block_slots)))


PRESETS: dict[str, Preset] = {
    "duo": Preset(_duo, 2, 1, False, Dynamics()),
    "campus": Preset(_campus, 8, 4, True, Dynamics()),
    "town": Preset(_town, 20, 5, True, Dynamics()),
    "random": Preset(_random, 8, 4, True, Dynamics()),
    "office": Preset(_campus, 8, 4, True, Dynamics(), OFFICE_SATIATION),
    "prepaid": Preset(_campus, 8, 4, True, PREPAID_DYNAMICS, wallet=PREPAID_WALLETS),
    "campus_v1": Preset(_campus_v1, 8, 4, True, Dynamics(shadowing_correlation=radio.SLOT_CORRELATION)),
    "town_v1": Preset(_town_v1, 20, 5, True, Dynamics(shadowing_correlation=radio.SLOT_CORRELATION)),
    "traces_v0": _following("training", BLOCK_SLOTS),
    "traces_v0_replay": _following("training"),
    "traces_v0_held_out": _following("held_out", BLOCK_SLOTS),
    "traces_v0_replay_held_out": _following("held_out"),
}
