"""The presets: functions from random draws to the fields of a market.

Money is in credits of a thousandth of a US dollar, a slot lasts 10 s. Both, and whatever the comments do not give a
source for, are choices; the figures with sources stand in :mod:`~aigc_market_env.scenarios.catalogue`.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import catalogue, radio
from aigc_market_env.scenarios.draws import Draws
from aigc_market_env.scenarios.dynamics import Dynamics
from aigc_market_env.wallets import Wallet, WalletRange

Fields = Mapping[str, FloatArray]
Build = Callable[[Draws, int, int], Fields]
#: One for all MUs, or least and largest, uniform in between.
Satiation = float | tuple[float, float]

SLOT_DURATION = 10.0  # s
#: The paper speaks of heterogeneous QoE requirements; here they can be met. MUs who have something to get done
#: want what it requires and little beyond: with that, they have a share 1 - 2^-k of all satisfaction, a half to 98 %.
OFFICE_SATIATION = 1.0, 6.0
CREDITS_PER_USD = 1000.0
#: Demand under which an MU has to plan when to spend what (docs/wallets.md#demand). With fading alone it would not: one
#: level of spending, known beforehand, earns all that can be earned. Here what a credit is worth changes faster than a
#: wallet fills: requests are worth about half to twice as much as usual, a sixth of them is urgent, and the load rises
#: to 1.6 times the usual and falls to 0.6 times in 32 slots. All of these figures are choices.
PREPAID_DYNAMICS = Dynamics(
    worth_deviation=0.5,
    worth_correlation=0.8,
    urgent_probability=0.05,
    urgent_factor=4.0,
    urgent_slots=4.0,
    load_profile=tuple(round(math.exp(0.5 * math.sin(math.tau * (slot + 0.5) / 32)), 2) for slot in range(32)),
)
#: Wallets that hold what three to eight slots cost and receive 40 to 90 % of it, so that saving is needed, and possible
#: for a few slots only. Drawn in every episode for each MU, so that no plan fits all; an MU may begin with nothing.
PREPAID_WALLETS = WalletRange(
    Wallet(money=0.0, income=0.4, cap=3.0, unit="spending"), Wallet(money=8.0, income=0.9, cap=8.0, unit="spending")
)


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


class Provider(NamedTuple):
    """An ASP of an urban preset: a model on an accelerator, and its slice of the two resources for each MU."""

    model: catalogue.Model
    accelerator: catalogue.Accelerator
    compute_share: float  # of the accelerator's decoding rate, per MU
    bandwidth: float  # MHz per MU
    bandwidth_price: float  # USD per MHz and second, within catalogue.BANDWIDTH_PRICE


CAMPUS_PROVIDERS = (
    Provider(catalogue.QWEN_1_5B, catalogue.L4, 1.0e-2, 0.030, 5e-5),
    Provider(catalogue.LLAMA_8B, catalogue.RTX_4090, 1.2e-2, 0.120, 1e-4),
    Provider(catalogue.QWEN_14B, catalogue.L40S, 1.6e-2, 0.040, 1e-4),
    Provider(catalogue.QWEN_32B, catalogue.A100, 3.0e-2, 0.030, 2e-4),
)
TOWN_PROVIDERS = (
    Provider(catalogue.QWEN_1_5B, catalogue.L4, 1.2e-3, 0.012, 5e-5),
    Provider(catalogue.QWEN_7B, catalogue.RTX_4090, 2.4e-3, 0.020, 1e-4),
    Provider(catalogue.LLAMA_8B, catalogue.RTX_4090, 2.0e-3, 0.030, 5e-5),
    Provider(catalogue.QWEN_14B, catalogue.L40S, 2.0e-3, 0.010, 1e-4),
    Provider(catalogue.QWEN_32B, catalogue.A100, 3.6e-3, 0.012, 2e-4),
)


@cache
def _columns(providers: tuple[Provider, ...], num_asps: int) -> Mapping[str, FloatArray]:
    """The providers' figures as arrays over ASPs; ``scores`` is (task, ASP)."""
    rows = [providers[n % len(providers)] for n in range(num_asps)]
    return {
        "parameters": np.array([row.model.parameters for row in rows]),
        "peak": np.array([row.accelerator.peak for row in rows]),
        "price": np.array([row.accelerator.hourly_price / 3600.0 for row in rows]),
        "share": np.array([row.compute_share for row in rows]),
        "bandwidth": np.array([row.bandwidth for row in rows]),
        "bandwidth_price": np.array([row.bandwidth_price for row in rows]),
        "reasoning_tokens": np.array([row.model.reasoning_tokens for row in rows]),
        "scores": np.array([row.model.accuracy for row in rows]).T,
    }


def _urban(providers: tuple[Provider, ...], draw: Draws, num_mus: int, num_asps: int) -> Fields:
    """Users around small cells, each cell with the server of one provider.

    The providers' slices are per MU, and shared out when there are more or fewer ASPs than providers, so that demand
    against capacity does not depend on the market's size.
    """
    column = _columns(providers, num_asps)
    size = num_mus * len(providers) / num_asps
    decoding = column["peak"] * catalogue.DECODE_UTILISATION  # TFLOP/s
    flops_per_token = 2e-3 * column["parameters"]  # TFLOP
    prefill = catalogue.PROMPT_TOKENS * flops_per_token / (column["peak"] * catalogue.PREFILL_UTILISATION)
    distance = np.sqrt(draw.uniform(20.0**2, 150.0**2, num_mus, num_asps))
    line_of_sight = draw.uniform(0, 1, num_mus, num_asps) < radio.line_of_sight_probability(distance)
    task = draw.index(len(catalogue.TASKS), num_mus)
    multimodal = draw.uniform(0, 1, num_mus) < 0.4
    media = draw.log_uniform(*catalogue.MULTIMODAL_BYTES_PER_TOKEN, num_mus)
    return {
        "slot_duration": np.array(SLOT_DURATION),
        "satisfaction_scale": draw.log_uniform(1.0, 4.0, num_mus),
        "qoe_requirement": draw.uniform(0.3, 0.8, num_mus),
        "qoe_weights": draw.simplex(3, num_mus, floor=0.1),
        "desired_tokens": draw.log_normal(catalogue.ANSWER_LOG_MEAN, catalogue.ANSWER_LOG_DEVIATION, num_mus, cut=1.5),
        "patience": draw.log_uniform(4.0, 20.0, num_mus),
        "bits_per_token": 8.0 * np.where(multimodal, media, catalogue.TEXT_BYTES_PER_TOKEN),
        "compute_capacity": size * column["share"] * decoding,
        "bandwidth_capacity": size * column["bandwidth"],
        "compute_cost": CREDITS_PER_USD * SLOT_DURATION * column["price"] / decoding,
        "bandwidth_cost": CREDITS_PER_USD * SLOT_DURATION * column["bandwidth_price"],
        "flops_per_token": flops_per_token,
        "reasoning_tokens": column["reasoning_tokens"],
        "accuracy": column["scores"][task],
        "spectral_efficiency": radio.spectral_efficiency(distance, line_of_sight),
        "base_latency": prefill + draw.uniform(0.05, 0.5, num_mus, num_asps),
    }


def _campus(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return _urban(CAMPUS_PROVIDERS, draw, num_mus, num_asps)


def _town(draw: Draws, num_mus: int, num_asps: int) -> Fields:
    return _urban(TOWN_PROVIDERS, draw, num_mus, num_asps)


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


PRESETS: dict[str, Preset] = {
    "duo": Preset(_duo, 2, 1, False, Dynamics()),
    "campus": Preset(_campus, 8, 4, True, Dynamics()),
    "town": Preset(_town, 20, 5, True, Dynamics()),
    "random": Preset(_random, 8, 4, True, Dynamics()),
    "office": Preset(_campus, 8, 4, True, Dynamics(), OFFICE_SATIATION),
    "prepaid": Preset(_campus, 8, 4, True, PREPAID_DYNAMICS, wallet=PREPAID_WALLETS),
}
