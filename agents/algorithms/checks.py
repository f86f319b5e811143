"""Checks that configurations share; every ValueError begins with the field and its value."""

import math
from collections.abc import Collection
from typing import Any


def whole_numbers(config: Any, optional: Collection[str] = (), **ranges: tuple[int, int]) -> None:
    """Make sure that fields are whole numbers from their least to their largest, or None where that is optional."""
    for name, (low, high) in ranges.items():
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"{name} = {value!r} must be a whole number from {low} to {high}")


def finite_numbers(config: Any, *names: str, optional: Collection[str] = (), least: float = -math.inf) -> None:
    """Make sure that fields are finite numbers, or None where that is optional."""
    for name in names:
        value = getattr(config, name)
        if value is None and name in optional:
            continue
        if type(value) not in (int, float) or not math.isfinite(value) or value < least:
            raise ValueError(f"{name} = {value!r} must be a finite number{'' if least < 0 else f' >= {least:g}'}")
