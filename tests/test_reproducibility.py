"""What docs/reproducibility.md promises of the whole package; of its parts, the tests that the page names."""

import random
from dataclasses import fields

import numpy as np
import pytest
from playing import busy, parallel, play, same

from aigc_market_env import (
    DualPerturbation,
    Scenario,
    follower_response,
    leader_best_response,
    leader_regret,
    nash_conv,
    reward_gradient,
    solve_equilibrium,
)


@pytest.fixture(scope="module")
def market():
    return Scenario.preset("random", num_mus=3, num_asps=2, load=2.0).sample(0, batch=(40,))


def everything(market):
    """Arrays of all functions of the game."""
    rewards = 0.3 * market.reward_bound[..., None] * np.ones(market.num_asps)
    response = follower_response(market, rewards)
    yield from (getattr(response, field.name) for field in fields(response))
    yield from leader_best_response(market, rewards)
    yield leader_regret(market, rewards)
    yield reward_gradient(market, rewards)
    yield nash_conv(market, rewards, response.compute, response.bandwidth)
    equilibrium = solve_equilibrium(market)
    yield equilibrium.rewards
    certificate = equilibrium.certificate
    yield from (getattr(certificate, field.name) for field in fields(certificate))
    yield DualPerturbation(rounds=3).run(market, np.random.default_rng(0)).rewards


@pytest.fixture(scope="module")
def on_one_thread(market):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aigc_market_env._numerics.compile.num_threads", lambda: 1)
        return list(everything(market))


def test_threads_do_not_change_a_bit(market, on_one_thread, four_threads):
    assert len(on_one_thread) > 10
    for one, several in zip(on_one_thread, everything(market), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(several).tobytes()


def global_state():
    return np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002


@pytest.mark.parametrize("asps", ["agents", "best_response"])
def test_neither_playing_nor_solving_touches_or_heeds_the_global_generators(market, asps):
    played, solved = [], []
    for seed in (1, 2):
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        before = global_state()
        played.append(play(parallel(busy("campus"), asps, max_cycles=3), 3, 9))
        solved.append([np.asarray(array).tobytes() for array in everything(market[:4])])
        assert global_state() == before
    assert same(*played)
    assert solved[0] == solved[1]
