import numpy as np
import pytest

from agents.policy.rule_of_thumb import Seen, fitted
from aigc_market_env import BatchedMarketEnv, Market, follower_regret, follower_response
from aigc_market_env.model.parameters import FIELDS


def posted(scenario, lanes=8, seed=0, share=1.0):
    """An environment whose MUs have posted, the market, and what its ASPs see."""
    env = BatchedMarketEnv(scenario, lanes, asps="agents", max_cycles=None, seed=seed)
    env.reset()
    shares = share * np.random.default_rng(seed).random((lanes, env.num_mus, env.num_asps))
    observations, *_ = env.step({"mu": shares})
    market = env.market
    durations = np.repeat(market.slot_duration, env.num_asps)
    return env, market, shares, Seen.of(observations["asp"].reshape(lanes * env.num_asps, -1), durations)


@pytest.mark.parametrize("scenario", ["duo", "campus", "town", "random"])
def test_what_is_seen_is_the_market(scenario):
    _, market, shares, seen = posted(scenario)
    lanes, m, n = shares.shape
    expected = shares * market.reward_bound[..., None]
    assert np.allclose(seen.rewards.reshape(lanes, n, m), expected.swapaxes(1, 2), rtol=1e-5)
    for name, field in FIELDS.items():
        values = getattr(seen.market, name)
        values = values.reshape(lanes, n, *values.shape[1:])
        own = (
            np.moveaxis(getattr(market, name), -1, 1)[..., None]
            if "N" in field.dims
            else getattr(market, name)[:, None]
        )
        assert np.allclose(values, own, rtol=1e-5, atol=1e-6), name


@pytest.mark.parametrize("scenario", ["duo", "campus", "random"])
def test_the_profit_foreseen_is_the_one_that_is_made(scenario):
    env, _, _, seen = posted(scenario)
    foreseen = seen.profit(seen.rule_of_thumb)
    shares = seen.rule_of_thumb.reshape(env.num_envs, env.num_asps, 2, env.num_mus)
    _, rewards, *_ = env.step({"asp": shares})
    assert np.allclose(foreseen, rewards["asp"].ravel(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("share", [0.03, 1.0])
def test_the_rule_is_a_best_response_while_capacity_is_spare_and_is_none_when_it_is_scarce(share):
    env, market, _, seen = posted("campus", lanes=32, share=share)
    env.step({"asp": seen.rule_of_thumb.reshape(32, 4, 2, 8)})
    served = env.served
    regret = follower_regret(market, served.rewards, served.compute * (1 - 1e-12), served.bandwidth * (1 - 1e-12))
    response = follower_response(market, served.rewards)
    spare = (response.compute_price == 0) & (response.bandwidth_price == 0)
    assert spare.any()
    assert (regret[spare] < 1e-5).all()
    if share == 1.0:
        assert (~spare).mean() > 0.5
        assert regret[~spare].mean() > 0.03 * served.asp_profit[~spare].mean()


def test_a_tilt_makes_bandwidth_dear():
    *_, seen = posted("campus")
    own, dear = seen.own_plan, seen.plan(np.full(32, 0.5))
    assert np.array_equal(seen.plan(0.0), own)
    assert (dear[:, 1] * own[:, 0] <= own[:, 1] * dear[:, 0]).all()
    assert (dear[:, 1] * own[:, 0] < own[:, 1] * dear[:, 0]).mean() > 0.5


def test_shares_that_fit_are_left_alone_and_others_scaled_by_one_factor():
    shares = np.array([[[0.3, 0.2], [0.1, 0.4]], [[1.5, 0.5], [0.2, 0.2]], [[0.0, 0.0], [0.0, 0.0]]])
    result = fitted(shares)
    assert np.array_equal(result[[0, 2]], shares[[0, 2]])
    assert np.allclose(result[1], shares[1] / 2)
    assert (result.sum(axis=-1) <= 1.0).all()


def test_another_number_of_users_is_told_by_the_size_of_the_observation():
    *_, seen = posted("town")
    assert isinstance(seen.market, Market)
    assert seen.own_plan.shape == (8 * 5, 2, 20)
