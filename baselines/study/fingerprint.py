"""Which code decides a result: that of the mechanism, of the measurement, and of all that these stand on."""

from functools import cache
from importlib.metadata import version

from aigc_market_env._numerics.import_closure import sources_digest

_LIBRARIES = ("numba", "numpy", "scipy")
#: What decides the figures of every job.
_MEASURING = "baselines.study.jobs"


@cache
def fingerprint(module: str) -> str:
    """Hash of the sources that decide what a job of this module gives, and of the numerical libraries."""
    return sources_digest([_MEASURING, module], [f"{name} {version(name)}" for name in _LIBRARIES])
