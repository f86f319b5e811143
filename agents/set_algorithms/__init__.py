"""Learning algorithms of set policies, one file each: put one beside these, and ``train.py --policy set`` knows it."""

import importlib
import pkgutil

from agents.set_config import SET_ALGORITHMS

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["SET_ALGORITHMS"]
