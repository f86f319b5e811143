import numpy as np
import pytest

from aigc_market_env import Scenario
from aigc_market_env.evaluation.reward_sources import NEAR, uniform
from aigc_market_env.tasks.serving import ServingBatch, ServingEnv
from aigc_market_env.testing import check_env

DUO = Scenario.preset("duo")


def test_the_environment_is_sound():
    check_env(ServingEnv(DUO, NEAR, 3))


def test_asps_see_what_was_posted_and_are_paid_for_what_they_serve():
    env = ServingBatch(DUO, 3, uniform, horizon=2, seed=0)
    observations, _ = env.reset()
    assert observations["asp"].shape == (3, 1, 7 + 12 * 2)
    rewards = [env.step({"asp": np.full((3, 1, 2, 2), share)})[1]["asp"] for share in (0.0, 0.3)]
    assert (rewards[0] == 0).all()
    assert (rewards[1] != 0).all()


def test_an_episode_that_ends_is_followed_by_the_next():
    env = ServingBatch(DUO, 1, uniform, horizon=2, seed=0)
    env.reset()
    idle = {"asp": np.zeros((1, 1, 2, 2))}
    _, _, _, first, infos = env.step(idle)
    assert (bool(first[0]), infos) == (False, {})
    after, _, _, over, infos = env.step(idle)
    assert over[0]
    assert infos["final_obs"]["asp"].shape == after["asp"].shape


@pytest.mark.parametrize(
    "actions", [{}, {"asp_1": np.zeros((2, 2))}, {"asp_0": np.zeros(3)}, {"asp_0": np.full((2, 2), np.nan)}]
)
def test_bad_actions_change_nothing(actions):
    env, other = ServingEnv(DUO, uniform), ServingEnv(DUO, uniform)
    with pytest.raises(ValueError, match="reset"):
        env.step({})
    env.reset(seed=0), other.reset(seed=0)
    with pytest.raises(ValueError, match="action"):
        env.step(actions)
    fine = {"asp_0": np.full((2, 2), 0.2)}
    assert np.array_equal(env.step(fine)[0]["asp_0"], other.step(fine)[0]["asp_0"])


def test_steps_before_a_reset_are_refused():
    with pytest.raises(ValueError, match="reset"):
        ServingBatch(DUO, 1, uniform, horizon=2).step({"asp": np.zeros((1, 1, 2, 2))})
