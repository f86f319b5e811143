"""Checks of PettingZoo environments that PettingZoo's own tests leave out."""

from aigc_market_env.testing.checks import check_env

__all__ = ["check_env"]
