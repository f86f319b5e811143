"""Measurements of speed, accuracy and sameness: ``python -m benchmarks.NAME``, each with its ``--help``."""

from aigc_market_env._name_clash import check_packages

check_packages("agents", "baselines", "experiments", beside=__file__)
