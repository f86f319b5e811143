"""Property tests draw the same examples on every run and on every machine."""

import os

# The reference solvers' matrices are tiny: threads would only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("repeatable")
