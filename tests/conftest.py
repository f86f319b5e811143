"""Property tests draw the same examples on every run and on every machine; fixtures of several files."""

import os
import tempfile

if not os.access(os.path.expanduser("~"), os.W_OK):  # where there is no home, Ray needs one for its token
    os.environ["HOME"] = tempfile.mkdtemp()
# The reference solvers' matrices are tiny: threads would only wait for one another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from markets import random_market

from aigc_market_env._numerics import compile as _compile

settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=40, database=None)
settings.load_profile("repeatable")


@pytest.fixture
def market():
    """One market of three MUs and two ASPs."""
    return random_market(np.random.default_rng(1), 3, 2, 1.0)


@pytest.fixture
def batch():
    """Twenty such markets."""
    return random_market(np.random.default_rng(2), 3, 2, 1.0, (4, 5))


@pytest.fixture
def four_threads(monkeypatch):
    """Slices and threads even on a machine with one core."""
    monkeypatch.setattr(_compile, "num_threads", lambda: 4)
    monkeypatch.setattr(_compile, "_pool", None)
