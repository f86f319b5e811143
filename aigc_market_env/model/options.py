"""Checks of options that are numbers, or that the environments share."""

import math
import numbers
import operator
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

#: The options that PettingZoo's own tests hand to ``reset()``, to see whether it takes any.
_PETTINGZOO_PROBE = {"options": 1}


def whole_number(name: str, value: object, least: int | None = None) -> int:
    """``value`` as an int, not below ``least``, or a ValueError that names the option."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name} = {value!r} must be an integer") from None
    if least is not None and number < least:
        raise ValueError(f"{name} = {number} must be at least {least}")
    return number


def positive_integer(name: str, value: object) -> int:
    """``value`` as an int, or a ValueError that names the option."""
    return whole_number(name, value, 1)


def check_seed(value: object) -> int | None:
    """``value`` as an int >= 0, or None, or a ValueError."""
    if value is None:
        return None
    try:
        return whole_number("seed", value, 0)
    except ValueError:
        raise ValueError(f"seed = {value!r} must be an integer >= 0, or None") from None


def positive_number(name: str, value: object) -> float:
    """``value`` as a float, or a ValueError that names the option."""
    number = _as_float(value)
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} = {value!r} must be a finite number > 0")
    return number


def nonnegative_number(name: str, value: object) -> float:
    """``value`` as a float >= 0, or a ValueError that names the option."""
    number = _as_float(value)
    if not 0.0 <= number < math.inf:
        raise ValueError(f"{name} = {value!r} must be a finite number >= 0")
    return number


def fraction(name: str, value: object) -> float:
    """``value`` as a float in [0, 1], or a ValueError that names the option."""
    number = _as_float(value)
    if not 0.0 <= number <= 1.0:
        raise ValueError(f"{name} = {value!r} must be a number in [0, 1]")
    return number


def positive_fraction(name: str, value: object) -> float:
    """``value`` as a float above 0 and at most 1, or a ValueError that names the option."""
    number = _as_float(value)
    if not 0.0 < number <= 1.0:
        raise ValueError(f"{name} = {value!r} must be a number above 0 and at most 1")
    return number


def _as_float(value: object) -> float:
    """A real number as a float, NaN for what is none; a truth value is none."""
    if isinstance(value, np.ndarray) and value.shape == ():
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf


def check_asps(value: object) -> Literal["agents", "best_response"]:
    """``value`` if it is a way for ASPs to act, else a ValueError."""
    if value not in ("agents", "best_response"):
        raise ValueError(f"asps = {value!r} must be 'agents' or 'best_response'")
    return value


def check_reset_options(options: object, *known: str, by: str) -> Mapping[str, Any]:
    """The options of a ``reset()``, or a ValueError that tells which there are.

    Args:
        options: what the user gave, None for nothing.
        known: the keys that mean something.
        by: the environment's name.
    """
    if options is None:
        return {}
    takes = f"reset() of {by} takes {', '.join(map(repr, known)) if known else 'no options'}"
    if not isinstance(options, Mapping):
        raise ValueError(f"options = {options!r} must be a dictionary or None; {takes}")
    unknown = [key for key in options if key not in known]
    if unknown:
        raise ValueError(f"unknown option {unknown[0]!r}; {takes}")
    return options


def check_pettingzoo_options(options: object, *, by: str) -> None:
    """A ValueError for options of a ``reset()`` that takes none; PettingZoo's own tests give one all the same."""
    if options != _PETTINGZOO_PROBE:
        check_reset_options(options, by=by)
