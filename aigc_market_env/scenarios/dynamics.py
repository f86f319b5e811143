"""What changes from slot to slot, whatever anyone does: channels and requests (model, section 10).

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

from aigc_market_env._compile import compiled, over_markets
from aigc_market_env.market import FloatArray, MarketArrays
from aigc_market_env.scenarios import radio
from aigc_market_env.scenarios.streams import next_normals, next_uniform

_IMPLEMENTATION, _LOWEST, _HIGHEST = radio.IMPLEMENTATION, radio.LOWEST_EFFICIENCY, radio.HIGHEST_EFFICIENCY


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
        if not 0.0 <= self.shadowing_db < math.inf:
            raise ValueError(f"shadowing_db = {self.shadowing_db} must be finite and >= 0")
        for name in ("shadowing_correlation", "request_probability"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} = {getattr(self, name)} must be in [0, 1]")


#: Nothing changes from slot to slot.
STATIC = Dynamics(shadowing_db=0.0)


@compiled
def faded(efficiency: float, shadow: float) -> float:
    """Spectral efficiency, bit/s/Hz, after a shift of the signal-to-noise ratio by ``shadow`` dB.

    Kept within the range of real modulation schemes, unless the base market is itself outside of it.
    """
    snr = 2.0 ** (efficiency / _IMPLEMENTATION) - 1.0
    shifted = _IMPLEMENTATION * math.log2(1.0 + snr * 10.0 ** (0.1 * shadow))
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
        shifted[i] = faded(efficiency[i], shadow[i])


@compiled
def advance_lane(
    i: int,
    base: MarketArrays,
    now: MarketArrays,
    shadow: FloatArray,
    request: npt.NDArray[np.int64],
    streams: npt.NDArray[np.uint64],
    shadowing_db: float,
    correlation: float,
    request_probability: float,
) -> None:
    """Move lane ``i`` to its next slot: draw shadows (B, M, N) and requests (B, M), and write what follows in ``now``.

    With ``correlation`` = 0 the shadow is drawn from its stationary distribution, which is how an episode begins.
    """
    num_mus, num_asps = shadow.shape[1], shadow.shape[2]
    if request_probability > 0.0:
        for m in range(num_mus):
            if next_uniform(streams, i) < request_probability:
                request[i, m] = min(int(next_uniform(streams, i) * num_mus), num_mus - 1)
    innovation = shadowing_db * math.sqrt(1.0 - correlation * correlation)
    for m in range(num_mus):
        source = request[i, m]
        now.desired_tokens[i, m] = base.desired_tokens[i, source]
        now.bits_per_token[i, m] = base.bits_per_token[i, source]
        spare = 0.0
        for n in range(num_asps):
            now.accuracy[i, m, n] = base.accuracy[i, source, n]
            if shadowing_db > 0.0:
                if n % 2 == 0:
                    normal, spare = next_normals(streams, i)
                else:
                    normal = spare
                shadow[i, m, n] = correlation * shadow[i, m, n] + innovation * normal
                now.spectral_efficiency[i, m, n] = faded(base.spectral_efficiency[i, m, n], shadow[i, m, n])
