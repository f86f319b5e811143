"""What changes from slot to slot, whatever anyone does: channels and requests (docs/market.md#from-slot-to-slot).

- **Channel.** Every link carries shadow fading in dB that follows an AR(1) process around zero; its spectral efficiency
  is that of the base market with the signal-to-noise ratio shifted by so many dB.
- **Request.** With a small probability an MU turns to another piece of content: one of those that the MUs of the base
  market ask for, drawn uniformly, with the accuracy that the models reach on it, its desired tokens and its bits a
  token.

No action influences either, so the stage game's equilibrium, played in every slot, stays an equilibrium of the dynamic
game.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import compiled, compiled_inner, over_markets
from aigc_market_env._numerics.elementary import exp, log
from aigc_market_env.model.options import fraction, nonnegative_number
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.streams import next_uniform

_IMPLEMENTATION, _LOWEST, _HIGHEST = radio.IMPLEMENTATION, radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY
_PER_LOG, _LOG_PER_DB = _IMPLEMENTATION / math.log(2.0), math.log(10.0) / 10.0


@dataclass(frozen=True)
class Dynamics:
    """Parameters of the exogenous dynamics. The default: fading links, requests that stay.

    Attributes:
        shadowing_db: standard deviation of the shadow fading, dB; 0 freezes the channels.
        shadowing_correlation: its correlation from one slot to the next, in [0, 1].
        request_probability: probability that an MU's request changes in a slot, in [0, 1].

    Raises:
        ValueError: a parameter is outside its range.
    """

    shadowing_db: float = radio.SHADOWING_DB
    shadowing_correlation: float = 0.9
    request_probability: float = 0.0

    def __post_init__(self) -> None:
        nonnegative_number("shadowing_db", self.shadowing_db)
        for name in ("shadowing_correlation", "request_probability"):
            fraction(name, getattr(self, name))


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
