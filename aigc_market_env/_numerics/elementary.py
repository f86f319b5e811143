"""Exponential and logarithm written out, so that loops over links become vector instructions (private).

The compiler cannot see into the mathematical library's functions and calls them number by number, which takes several
times as long. Accurate to a few units in the last place over the range stated; tested against the library.
"""

import numpy as np

from aigc_market_env._numerics.compile import compiled

_INVERSE_LN2 = 1.4426950408889634
# ln 2 in two parts, the first with so few bits that its multiples by an exponent are exact.
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_TURN = 6.283185307179586
_ROOT_HALF = np.int64(0x3FE6A09E667F3BCD)  # the bits of √½
_BIAS, _MANTISSA = np.int64(1023), np.int64(52)


@compiled
def exp(x: float) -> float:
    """e^x for |x| < 700: 2^k times the Taylor series of what is left, which is at most ½ ln 2."""
    k = np.floor(x * _INVERSE_LN2 + 0.5)
    r = x - k * _LN2_HIGH - k * _LN2_LOW
    series = 1.0 / 479001600.0
    series = series * r + 1.0 / 39916800.0
    series = series * r + 1.0 / 3628800.0
    series = series * r + 1.0 / 362880.0
    series = series * r + 1.0 / 40320.0
    series = series * r + 1.0 / 5040.0
    series = series * r + 1.0 / 720.0
    series = series * r + 1.0 / 120.0
    series = series * r + 1.0 / 24.0
    series = series * r + 1.0 / 6.0
    series = series * r + 0.5
    series = series * r + 1.0
    series = series * r + 1.0
    power = np.int64((np.int64(k) + _BIAS) << _MANTISSA).view(np.float64)
    return series * power


@compiled
def log(x: float) -> float:
    """The natural logarithm of a normal positive number.

    x = 2^k (1 + f) with 1 + f within √½ … √2, and log(1 + f) = 2s + 2s³/3 + 2s⁵/5 + … with s = f/(2 + f).
    """
    bits = np.float64(x).view(np.int64)
    exponent = (bits - _ROOT_HALF) >> _MANTISSA
    f = np.int64(bits - (exponent << _MANTISSA)).view(np.float64) - 1.0
    s = f / (2.0 + f)
    z = s * s
    series = 2.0 / 21.0
    series = series * z + 2.0 / 19.0
    series = series * z + 2.0 / 17.0
    series = series * z + 2.0 / 15.0
    series = series * z + 2.0 / 13.0
    series = series * z + 2.0 / 11.0
    series = series * z + 2.0 / 9.0
    series = series * z + 2.0 / 7.0
    series = series * z + 2.0 / 5.0
    series = series * z + 2.0 / 3.0
    k = np.float64(exponent)
    half = 0.5 * f * f
    return k * _LN2_HIGH + (f - (half - (s * (half + series * z) + k * _LN2_LOW)))


@compiled
def log1p(x: float) -> float:
    """log(1 + x) for x >= 0: that of the rounded sum, and what was rounded off."""
    total = 1.0 + x
    return log(total) + (x - (total - 1.0)) / total


@compiled
def cos_sin(turns: float) -> tuple[float, float]:
    """Cosine and sine of 2π ``turns``, for 0 <= turns <= 1: the Taylor series of what is left of quarter turns."""
    quarter = np.floor(4.0 * turns + 0.5)
    x = _TURN * (turns - 0.25 * quarter)  # at most π/4
    z = x * x
    sine = -1.0 / 1307674368000.0
    sine = sine * z + 1.0 / 6227020800.0
    sine = sine * z - 1.0 / 39916800.0
    sine = sine * z + 1.0 / 362880.0
    sine = sine * z - 1.0 / 5040.0
    sine = sine * z + 1.0 / 120.0
    sine = sine * z - 1.0 / 6.0
    sine = x + x * (z * sine)
    cosine = 1.0 / 20922789888000.0
    cosine = cosine * z - 1.0 / 87178291200.0
    cosine = cosine * z + 1.0 / 479001600.0
    cosine = cosine * z - 1.0 / 3628800.0
    cosine = cosine * z + 1.0 / 40320.0
    cosine = cosine * z - 1.0 / 720.0
    cosine = cosine * z + 1.0 / 24.0
    cosine = 1.0 - z * (0.5 - z * cosine)
    swapped = quarter == 1.0 or quarter == 3.0
    one, other = (sine, cosine) if swapped else (cosine, sine)
    return (-one if quarter == 1.0 or quarter == 2.0 else one), (-other if quarter == 2.0 or quarter == 3.0 else other)
