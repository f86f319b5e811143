"""PettingZoo's own tests, for every preset, with and without ASPs as agents, made in both ways."""

import types
import warnings

import numpy as np
import pettingzoo
import pytest
from playing import VARIANTS

from aigc_market_env import market_v0
from aigc_market_env.registration import ENVIRONMENT_ID

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import api_test, max_cycles_test, parallel_api_test, parallel_seed_test, render_test, seed_test
    from pettingzoo.test.state_test import state_test

# Their remarks are on what is allowed: actions of two rows, a state with negative entries.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

registry = pytest.param(
    "registry", marks=pytest.mark.skipif(not hasattr(pettingzoo, "make"), reason="PettingZoo < 1.27 has no registry")
)


@pytest.fixture(params=["module", registry])
def makers(request):
    """How to make the AEC and the Parallel environment."""
    if request.param == "module":
        return market_v0.env, market_v0.parallel_env
    return (
        lambda **options: pettingzoo.make("aec", ENVIRONMENT_ID, **options),
        lambda **options: pettingzoo.make("parallel", ENVIRONMENT_ID, **options),
    )


@pytest.fixture(params=VARIANTS, ids="-".join)
def variant(request):
    return {"scenario": request.param[0], "asps": request.param[1]}


def test_api(makers, variant):
    api_test(makers[0](**variant, max_cycles=3), num_cycles=120)


def test_parallel_api(makers, variant):
    parallel_api_test(makers[1](**variant, max_cycles=5), num_cycles=12)


def test_seeds(makers, variant):
    seed_test(lambda: makers[0](**variant), num_cycles=60)


def test_parallel_seeds(makers, variant):
    parallel_seed_test(lambda: makers[1](**variant), num_cycles=10)


def test_max_cycles(makers, variant):
    env, parallel_env = makers
    max_cycles_test(
        types.SimpleNamespace(
            env=lambda max_cycles: env(**variant, max_cycles=max_cycles),
            parallel_env=lambda max_cycles: parallel_env(**variant, max_cycles=max_cycles),
        )
    )


def test_state(makers, variant):
    state_test(makers[0](**variant), makers[1](**variant), num_cycles=3)


@pytest.mark.parametrize("asps", ["agents", "best_response"])
@pytest.mark.parametrize("scenario", ["duo", "campus"])
def test_rendering(scenario, asps, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    render_test(lambda render_mode: market_v0.env(scenario, render_mode=render_mode, asps=asps))


@pytest.mark.parametrize(("kind", "maker"), [("aec", market_v0.raw_env), ("parallel", market_v0.parallel_env)])
@pytest.mark.skipif(not hasattr(pettingzoo, "make"), reason="PettingZoo < 1.27 has no registry")
def test_the_registry_makes_the_same_environment(kind, maker):
    env = pettingzoo.make(kind, ENVIRONMENT_ID, scenario="duo", asps="best_response")
    plain = maker("duo", asps="best_response")
    assert type(env.unwrapped) is maker
    assert env.unwrapped.max_cycles == plain.max_cycles == 64
    assert pettingzoo.make(kind, ENVIRONMENT_ID, max_cycles=7).unwrapped.max_cycles == 7
    env.reset(seed=3)
    plain.reset(seed=3)
    np.testing.assert_array_equal(env.state(), plain.state())
