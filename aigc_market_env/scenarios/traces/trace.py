"""Which part of the measured traces a scenario plays, and in which order (docs/traces.md#order)."""

from dataclasses import dataclass

from aigc_market_env.model.options import positive_number
from aigc_market_env.scenarios.traces.splits import Split, check_split


@dataclass(frozen=True)
class Trace:
    """Measured demand and radio that drive a market.

    Attributes:
        split: ``"training"``, or ``"held_out"``, whose hours, clients and drives training never sees.
        block_slots: mean length of the blocks that are drawn from the trace, in slots, at least 1: after every slot
            another block begins with probability 1 / ``block_slots``, anywhere in the trace (the stationary bootstrap
            of Politis and Romano, J. Am. Stat. Assoc. 89, 1994). None replays the trace in its own order.

    Raises:
        ValueError: there is no such part, or blocks are shorter than a slot.
    """

    split: Split = "training"
    block_slots: float | None = None

    def __post_init__(self) -> None:
        check_split(self.split)
        if self.block_slots is not None and positive_number("block_slots", self.block_slots) < 1.0:
            raise ValueError(f"block_slots = {self.block_slots!r} must be at least 1, or None")
