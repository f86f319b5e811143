"""Mechanisms side by side: played on common markets, measured alike, told in tables, files and figures."""

from aigc_market_env._matplotlib import without_missing_backend

without_missing_backend()  # before a module that draws is imported
