"""Learning algorithms, one file each: put a file beside these, and ``train.py --algorithm`` knows it.

See docs/how-to/algorithm.md. Files that begin with ``set`` are of set policies.
"""

import importlib
import pkgutil

from agents.algorithms.algorithm import ALGORITHMS, Algorithm
from agents.algorithms.set_config import SET_ALGORITHMS, SetConfig

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["ALGORITHMS", "SET_ALGORITHMS", "Algorithm", "SetConfig"]
