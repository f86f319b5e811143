"""Mechanisms side by side: played on common markets, measured alike, told in tables, files and figures."""
