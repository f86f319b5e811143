"""What changes from slot to slot, whatever anyone does (docs/market.md#from-slot-to-slot, docs/wallets.md#demand).

- **Channel.** Every link carries shadow fading in dB that follows an AR(1) process around zero; its spectral efficiency
  is that of the base market with the signal-to-noise ratio shifted by so many dB.
- **Request.** With a small probability an MU turns to another piece of content: one of those that the MUs of the base
  market ask for, drawn uniformly, with the accuracy that the models reach on it, its desired tokens and its bits a
  token.
- **Worth.** What an MU's requests are worth to it, ω, is that of the base market times a factor. The logarithm of the
  factor follows an AR(1) process around zero; while a request is urgent, a factor comes on top. Requests become urgent
  and usual again by a Markov chain of two states (that of Gilbert 1960, "Capacity of a burst-noise channel", Bell
  System Technical Journal 39(5)).
- **Load.** Capacities are those of the base market over a factor, which follows a profile, over and over; episodes
  begin at a place of it drawn uniformly.
- **Trace.** Instead of all these, measured demand and radio: who asks for how many tokens, how loaded the ASPs are,
  what links carry and how long they take (docs/traces.md).

No action influences any of them. So without wallets the stage game's equilibrium, played in every slot, stays an
equilibrium of the dynamic game. All begin in their stationary distributions, and what does not change draws no numbers.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_inner, over_markets
from aigc_market_env._numerics.elementary import exp, log
from aigc_market_env.model.options import fraction, nonnegative_number
from aigc_market_env.model.parameters import LARGEST, SMALLEST, FloatArray
from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.streams import next_uniform
from aigc_market_env.scenarios.traces.trace import Trace

#: Beyond these, fields of a market could leave the range that numbers are computed with.
MOST_DEVIATION, MOST_FACTOR = 3.0, 1e6
_IMPLEMENTATION, _LOWEST, _HIGHEST = radio.IMPLEMENTATION, radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY
_PER_LOG, _LOG_PER_DB = _IMPLEMENTATION / math.log(2.0), math.log(10.0) / 10.0


@dataclass(frozen=True)
class Dynamics:
    """Parameters of the exogenous dynamics. The default: fading links, requests that stay.

    Attributes:
        shadowing_db: standard deviation of the shadow fading, dB; 0 freezes the channels.
        shadowing_correlation: its correlation from one slot to the next, in [0, 1].
        request_probability: probability that an MU's request changes in a slot, in [0, 1].
        worth_deviation: standard deviation of the logarithm of an MU's worth ω, from 0, which keeps it, to 3.
        worth_correlation: its correlation from one slot to the next, in [0, 1].
        urgent_probability: probability that after a slot an MU's usual requests become urgent, in [0, 1].
        urgent_factor: how many times ω urgent requests are worth, from 1e-6 to 1e6.
        urgent_slots: how many slots they stay urgent on average, at least 1.
        load_profile: factors from 1e-6 to 1e6, slot by slot and over and over, by which capacities are divided; empty
            for a load that stays.
        trace: measured demand and radio in place of all others; these are then as in :data:`STATIC`.

    Raises:
        ValueError: a parameter is outside its range.
    """

    shadowing_db: float = radio.SHADOWING_DB
    shadowing_correlation: float = 0.9
    request_probability: float = 0.0
    worth_deviation: float = 0.0
    worth_correlation: float = 0.9
    urgent_probability: float = 0.0
    urgent_factor: float = 3.0
    urgent_slots: float = 4.0
    load_profile: tuple[float, ...] = ()
    trace: Trace | None = None

    def __post_init__(self) -> None:
        nonnegative_number("shadowing_db", self.shadowing_db)
        for name in ("shadowing_correlation", "request_probability", "worth_correlation", "urgent_probability"):
            fraction(name, getattr(self, name))
        _within("worth_deviation", self.worth_deviation, 0.0, MOST_DEVIATION)
        _within("urgent_factor", self.urgent_factor, 1 / MOST_FACTOR, MOST_FACTOR)
        _within("urgent_slots", self.urgent_slots, 1.0, math.inf)
        if not isinstance(self.load_profile, tuple):
            raise ValueError(f"load_profile = {self.load_profile!r} must be a tuple of numbers")
        for place, factor in enumerate(self.load_profile):
            _within(f"load_profile[{place}]", factor, 1 / MOST_FACTOR, MOST_FACTOR)

        self._check_trace()

    def _check_trace(self) -> None:
        if self.trace is None:
            return
        if not isinstance(self.trace, Trace):
            raise ValueError(f"trace = {self.trace!r} must be a Trace or None")
        for name in ("shadowing_db", "request_probability", "worth_deviation", "urgent_probability", "load_profile"):
            if getattr(self, name):
                still = "()" if name == "load_profile" else "0"
                raise ValueError(
                    f"{name} = {getattr(self, name)!r}: a trace says what changes; it needs {name}={still}"
                )

    @property
    def worth_varies(self) -> bool:
        """Whether what requests are worth changes from slot to slot."""
        return self.worth_deviation > 0.0 or self.urgent_probability > 0.0 or self.trace is not None

    @property
    def load_varies(self) -> bool:
        """Whether capacities change from slot to slot."""
        return bool(self.load_profile) or self.trace is not None


def _within(name: str, value: object, least: float, most: float) -> None:
    number = nonnegative_number(name, value)
    if not least <= number <= most:
        limits = f"from {least:g} to {most:g}" if most < math.inf else f"at least {least:g}"
        raise ValueError(f"{name} = {value!r} must be {limits}")


#: Nothing changes from slot to slot.
STATIC = Dynamics(shadowing_db=0.0)


@compiled
def signal_of(efficiency: float) -> float:
    """The signal-to-noise ratio at which a link has this spectral efficiency, bit/s/Hz."""
    return 2.0 ** (efficiency / _IMPLEMENTATION) - 1.0


@compiled
def faded(efficiency: float, signal: float, shadow: float) -> float:
    """Spectral efficiency, bit/s/Hz, after a shift of the signal-to-noise ratio ``signal`` by ``shadow`` dB.

    Kept within the range of real modulation schemes, unless the base market's ``efficiency`` is itself outside of it.
    """
    shifted = _PER_LOG * log(1.0 + signal * exp(_LOG_PER_DB * shadow))
    return min(max(shifted, min(_LOWEST, efficiency)), max(_HIGHEST, efficiency))


def faded_efficiency(efficiency: FloatArray, shadow: FloatArray) -> FloatArray:
    """Spectral efficiencies of any shape, bit/s/Hz, after shifts of the signal-to-noise ratio by ``shadow``, dB."""
    shifted = np.empty(efficiency.shape)
    flat = np.ascontiguousarray(efficiency).reshape(-1), np.ascontiguousarray(shadow).reshape(-1)
    over_markets(_fade, efficiency.size, *flat, shifted.reshape(-1), min_slice=4096)
    return shifted


@compiled
def _fade(start: int, stop: int, efficiency: FloatArray, shadow: FloatArray, shifted: FloatArray) -> None:
    for i in range(start, stop):
        shifted[i] = faded(efficiency[i], signal_of(efficiency[i]), shadow[i])


@compiled_inner
def draw_request(i: int, streams: npt.NDArray[np.uint64], probability: float, num_mus: int) -> int:
    """Whose content of the base market an MU of lane ``i`` turns to, drawn uniformly; -1 when it stays with its own."""
    if next_uniform(streams, i) >= probability:
        return -1
    return min(int(next_uniform(streams, i) * num_mus), num_mus - 1)


@compiled_inner
def usual_worth(log_worth: float, correlation: float, deviation: float, normal: float) -> float:
    """The logarithm of a usual request's worth over the base market's, from that of the slot before."""
    return correlation * log_worth + deviation * math.sqrt(1.0 - correlation * correlation) * normal


@compiled_inner
def urgency(urgent: float, begin: float, end: float, uniform: float) -> float:
    """Whether requests are urgent, 1 or 0, from whether they were in the slot before.

    Args:
        urgent: 1 where they were.
        begin: probability to become urgent.
        end: probability to become usual again.
        uniform: a uniform number in (0, 1).
    """
    if urgent > 0.0:
        return 0.0 if uniform < end else 1.0
    return 1.0 if uniform < begin else 0.0


@compiled_inner
def in_range(value: float) -> float:
    """A field that a factor has changed, kept within the range of a market's."""
    return min(max(value, SMALLEST), LARGEST)
