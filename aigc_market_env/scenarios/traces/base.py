"""The market that a trace changes slot by slot: the providers of ``campus``, its users, and requests of the trace."""

from dataclasses import dataclass

import numpy as np

from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.draws import Draws
from aigc_market_env.scenarios.traces import demand, drives
from aigc_market_env.scenarios.traces.splits import Split
from aigc_market_env.scenarios.urban import CAMPUS_PROVIDERS, columns, prefill, urban


@dataclass(frozen=True)
class MeasuredMarket:
    """The providers and users of ``campus`` at load 1, all users asking, before a trace says what it is in a slot.

    Token counts are of requests of one window of one service, links those of slots of drives; base latencies are
    without the way to the ASP and back.

    Attributes:
        split: the part of the trace that they are from.
    """

    split: Split

    def __call__(self, draw: Draws, num_mus: int, num_asps: int) -> dict[str, FloatArray]:
        """The fields of a market."""
        fields = urban(CAMPUS_PROVIDERS, draw, num_mus, num_asps)
        trace, slots = demand.demand_of(self.split), drives.drive_slots(self.split)
        window = demand.asked_window(self.split, draw.uniform(0.0, 1.0))
        columns_of = (demand.FIRST_TOKENS, demand.COUNT_TOKENS)
        first, count = (trace.windows[window, column][..., None] for column in columns_of)
        request = first + np.minimum(np.floor(draw.uniform(0.0, 1.0, num_mus) * count), count - 1.0)
        return fields | {
            "desired_tokens": trace.tokens[request.astype(np.int64)],
            "spectral_efficiency": slots[draw.index(len(slots), num_mus, num_asps), drives.EFFICIENCY],
            "base_latency": np.broadcast_to(prefill(columns(CAMPUS_PROVIDERS, num_asps)), (num_mus, num_asps)),
        }
