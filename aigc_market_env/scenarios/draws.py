"""Random draws as a pure function of uniform numbers: a batch of markets is built at once, each lane as if alone."""

import math

import numpy as np
import numpy.typing as npt

from aigc_market_env.model.parameters import FloatArray


class Draws:
    """Turns a row of uniform numbers in (0, 1) into draws of any distribution, consuming it from left to right.

    Args:
        uniforms: numbers in (0, 1), shape (..., K); every draw has the leading axes (...).

    Attributes:
        used: how many numbers of each row have been consumed.
    """

    def __init__(self, uniforms: FloatArray) -> None:
        self._uniforms = uniforms
        self.used = 0

    def uniform(self, low: float, high: float, *shape: int) -> FloatArray:
        """Uniform on (low, high). (..., *shape)."""
        return low + (high - low) * self._take(shape)

    def log_uniform(self, low: float, high: float, *shape: int) -> FloatArray:
        """Uniform in the logarithm between low and high. (..., *shape)."""
        draw: FloatArray = np.exp(self.uniform(math.log(low), math.log(high), *shape))
        return draw

    def log_normal(self, log_mean: float, log_deviation: float, *shape: int, cut: float = 2.0) -> FloatArray:
        """Log-normal, its logarithm cut at ``cut`` standard deviations. (..., *shape)."""
        from scipy.special import ndtri  # a quarter of the package's import, and not everybody draws markets

        normal = np.clip(ndtri(self._take(shape)), -cut, cut)
        draw: FloatArray = np.exp(log_mean + log_deviation * normal)
        return draw

    def from_quantiles(self, quantiles: FloatArray, *shape: int) -> FloatArray:
        """With the given quantiles at equally spaced levels from 0 to 1, linear in between. (..., *shape)."""
        return np.interp(self._take(shape), np.linspace(0.0, 1.0, len(quantiles)), quantiles)

    def index(self, count: int, *shape: int) -> npt.NDArray[np.int64]:
        """Uniform on 0 … count - 1. (..., *shape)."""
        return np.minimum((self._take(shape) * count).astype(np.int64), count - 1)

    def simplex(self, sides: int, *shape: int, floor: float = 0.0) -> FloatArray:
        """Non-negative weights that sum to 1, each at least ``floor``, uniform otherwise. (..., *shape, sides)."""
        exponentials = -np.log(self._take((*shape, sides)))
        weights = exponentials / exponentials.sum(axis=-1, keepdims=True)
        mixed: FloatArray = floor + (1.0 - sides * floor) * weights
        return mixed

    def _take(self, shape: tuple[int, ...]) -> FloatArray:
        count = math.prod(shape)
        taken = self._uniforms[..., self.used : self.used + count]
        self.used += count
        return np.ascontiguousarray(taken).reshape((*self._uniforms.shape[:-1], *shape))
