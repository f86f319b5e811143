"""Users around small cells, each cell with the server of one provider; providers are models on accelerators.

Whatever the comments do not give a source for is a choice; the figures with sources stand in
:mod:`~aigc_market_env.scenarios.catalogue`.
"""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import catalogue, radio
from aigc_market_env.scenarios.draws import Draws

SLOT_DURATION = 10.0  # s
CREDITS_PER_USD = 1000.0


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
def columns(providers: tuple[Provider, ...], num_asps: int) -> Mapping[str, FloatArray]:
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


def urban(providers: tuple[Provider, ...], draw: Draws, num_mus: int, num_asps: int) -> dict[str, FloatArray]:
    """The fields of a market of such users and providers, at load 1.

    The providers' slices are per MU, and shared out when there are more or fewer ASPs than providers, so that demand
    against capacity does not depend on the market's size.
    """
    column = columns(providers, num_asps)
    size = num_mus * len(providers) / num_asps
    decoding = column["peak"] * catalogue.DECODE_UTILISATION  # TFLOP/s
    flops_per_token = _flops_per_token(column)
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
        "base_latency": prefill(column) + draw.uniform(0.05, 0.5, num_mus, num_asps),
    }


def prefill(column: Mapping[str, FloatArray]) -> FloatArray:
    """How long each provider reads a prompt, s. (N,)."""
    work = catalogue.PROMPT_TOKENS * _flops_per_token(column)
    return work / (column["peak"] * catalogue.PREFILL_UTILISATION)


def _flops_per_token(column: Mapping[str, FloatArray]) -> FloatArray:
    """The work for a token, TFLOP. (N,)."""
    return 2e-3 * column["parameters"]
