"""Learning algorithms, one file each: put a file beside these, and ``train.py --algorithm`` knows it.

See docs/how-to/algorithm.md.
"""

import importlib
import pkgutil

from agents.algorithms.algorithm import ALGORITHMS, Algorithm

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["ALGORITHMS", "Algorithm"]
