"""Algorithms trained and judged on the benchmark tasks: ``python -m benchmarks.scores`` (docs/scores.md)."""
