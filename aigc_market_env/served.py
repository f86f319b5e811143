"""What happened in a slot, as environments tell it."""

from dataclasses import dataclass
from typing import Self

from aigc_market_env._engine.engine import Engine
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True, eq=False)
class ServedSlot:
    """What happened in the slot served last; of a batch in every lane, with B as the first axis.

    Attributes:
        rewards: credits per QoE. (..., M, N)
        compute: TFLOP/s. (..., M, N)
        bandwidth: MHz. (..., M, N)
        throughput: tokens/s. (..., M, N)
        qoe: QoE delivered. (..., M, N)
        qoe_terms: accuracy, token count and timeliness, summed over ASPs. (..., M, 3)
        prices: effective prices of compute and bandwidth, cost plus shadow price at a best response. (..., N, 2)
        newton_steps: that each ASP's best response took from the last slot's prices; 0 for ASPs as agents. (..., N)
        mu_utility: credits per slot. (..., M)
        asp_profit: credits per slot. (..., N)
        time_share: of the slot, for which each MU was served; below 1 where its wallet did not cover all of what it
            would have paid. Resources, throughput, QoE and payoffs are means over the slot. (..., M)
    """

    rewards: FloatArray
    compute: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray
    qoe: FloatArray
    qoe_terms: FloatArray
    prices: FloatArray
    newton_steps: FloatArray
    mu_utility: FloatArray
    asp_profit: FloatArray
    time_share: FloatArray

    @classmethod
    def of(cls, engine: Engine, lane: int | None = None) -> Self:
        """Copies of what an engine knows of all lanes, or of one."""
        arrays = (engine.quantity(name) for name in _QUANTITIES)
        return cls(*((array if lane is None else array[lane]).copy("C") for array in arrays))


#: What the engine calls the fields of a ServedSlot, in their order.
_QUANTITIES = (
    "rewards",
    "compute",
    "bandwidth",
    "rates",
    "qoe",
    "qoe_terms",
    "board",
    "newton_steps",
    "utility",
    "profit",
    "time_share",
)
