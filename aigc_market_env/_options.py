"""Checks of the options that the environments share."""

import math
import operator
from typing import Literal


def positive_integer(name: str, value: object) -> int:
    """``value`` as an int, or a ValueError that names the option."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name} = {value!r} must be an integer") from None
    if number < 1:
        raise ValueError(f"{name} = {number} must be at least 1")
    return number


def check_seed(value: object) -> int | None:
    """``value`` as an int >= 0, or None, or a ValueError."""
    if value is None:
        return None
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"seed = {value!r} must be an integer >= 0, or None")
    return number


def positive_number(name: str, value: object) -> float:
    """``value`` as a float, or a ValueError that names the option."""
    try:
        number = math.nan if isinstance(value, str) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise ValueError(f"{name} = {value!r} must be a finite number > 0")
    return number


def check_asps(value: object) -> Literal["agents", "best_response"]:
    """``value`` if it is a way for ASPs to act, else a ValueError."""
    if value not in ("agents", "best_response"):
        raise ValueError(f"asps = {value!r} must be 'agents' or 'best_response'")
    return value
