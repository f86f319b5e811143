import numpy as np
import pytest

from agents.policy.actions import allocation_of, shares_of
from agents.policy.rule_of_thumb import Seen
from aigc_market_env import BatchedMarketEnv
from aigc_market_env.evaluation.reward_sources import LOWEST_SHARE


def test_ends_are_exact():
    assert shares_of(np.array([-1.0, 1.0], np.float32)).tolist() == [LOWEST_SHARE, 1.0]


def test_shares_rise_strictly_and_stay_in_range():
    shares = shares_of(np.linspace(-1, 1, 10_001))
    assert (np.diff(shares) > 0).all()
    assert shares.min() >= LOWEST_SHARE
    assert shares.max() <= 1.0


def test_equal_steps_change_shares_by_equal_factors():
    shares = shares_of(np.linspace(-1, 1, 9))
    assert np.allclose(shares[1:] / shares[:-1], shares[1] / shares[0], rtol=1e-12)


def test_outputs_beyond_the_ends_are_clipped():
    far = np.array([-np.inf, -1e30, -1.0000001, 1.0000001, 7.0, np.inf], np.float32)
    assert shares_of(far).tolist() == [LOWEST_SHARE] * 3 + [1.0] * 3


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shares_are_float64_of_the_same_shape_and_the_input_is_left_alone(dtype):
    actions = np.array([[-3.0, 0.5], [0.0, 2.0]], dtype)
    before = actions.copy()
    shares = shares_of(actions)
    assert shares.dtype == np.float64
    assert shares.shape == actions.shape
    assert (actions == before).all()


def test_nan_is_not_turned_into_a_share():
    assert np.isnan(shares_of(np.array([np.nan]))).all()


@pytest.fixture(scope="module")
def seen():
    env = BatchedMarketEnv("campus", 4, asps="agents", max_cycles=None, seed=0)
    env.reset()
    observations, *_ = env.step({"mu": np.random.default_rng(0).random((4, 8, 4))})
    return Seen.of(observations["asp"].reshape(16, -1), 10.0)


def test_an_allocation_without_corrections_is_the_rule_of_thumb(seen):
    assert np.array_equal(allocation_of(np.zeros((16, 9), np.float32), seen), seen.rule_of_thumb)


def test_an_allocation_always_fits_and_is_all_zero_only_where_nothing_is_worth_serving(seen):
    rng = np.random.default_rng(1)
    for spread in (0.1, 1.0, 10.0, 1e6):
        shares = allocation_of(rng.normal(0.0, spread, (16, 9)).astype(np.float32), seen)
        assert shares.shape == (16, 2, 8)
        assert (shares >= 0).all()
        assert (shares.sum(axis=-1) <= 1.0).all()
        assert (shares.sum(axis=(1, 2)) > 0).all()


def test_more_for_one_user_is_less_for_the_others_where_capacity_is_scarce(seen):
    actions = np.zeros((16, 9), np.float32)
    actions[:, 0] = 0.5
    before, after = seen.rule_of_thumb, allocation_of(actions, seen)
    scarce = (seen.own_plan.sum(axis=-1).max(axis=-1) > 1.0) & (before[:, 0, 0] > 0)
    assert scarce.any()
    assert (after[scarce, :, 0] > before[scarce, :, 0]).all()
    assert (after[scarce, :, 1:] <= before[scarce, :, 1:]).all()


def test_corrections_beyond_the_ends_are_clipped(seen):
    far = np.full((16, 9), 7.0, np.float32)
    assert np.array_equal(allocation_of(far, seen), allocation_of(np.sign(far), seen))
