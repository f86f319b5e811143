import copy

import numpy as np
import pytest
import torch

from agents.equilibrium_training import SetConfig, SetTraining, draw_rewards, train_set_policy
from agents.market_draws import MarketDistribution
from aigc_market_env import follower_regret, follower_response, leader_regret

SMALL = MarketDistribution(num_mus=(3, 5), num_asps=(2, 3))
SIDES = pytest.mark.parametrize("side", ["leader", "follower"])


def tiny(side, **changes):
    settings = {"markets": SMALL, "updates": 6, "links": 60, "width": 8, "layers": 2, "warm_up": 2}
    return SetConfig(side=side, **settings | changes)


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def regret(policy, market):
    """Mean regret of a policy's side; followers', at rewards of many kinds."""
    if policy.kind == "leader_set":
        return leader_regret(market, policy.rewards(market, passes=1)).mean()
    rewards = draw_rewards(market, np.random.default_rng(0))
    return follower_regret(market, rewards, *policy.allocate(market, rewards)).mean()


@SIDES
def test_training_lowers_regret_in_markets_of_another_size(side):
    config = SetConfig(side=side, markets=SMALL, updates=120, links=240, width=32, layers=2, warm_up=10)
    market = SMALL.sample_size(np.random.default_rng(99), 7, 4, 12)
    before, after = regret(SetTraining(config).policy(), market), regret(train_set_policy(config), market)
    assert after < 0.25 * before


@SIDES
def test_the_same_seed_gives_the_same_weights_and_another_one_others(side):
    torch.manual_seed(1)
    first = weights(train_set_policy(tiny(side)).network)
    torch.manual_seed(2)
    assert equal(first, weights(train_set_policy(tiny(side)).network))
    assert not equal(first, weights(train_set_policy(tiny(side, seed=1)).network))


@SIDES
def test_an_interrupted_run_ends_with_the_same_weights(side, tmp_path):
    whole = weights(train_set_policy(tiny(side)).network)

    def stop(training, metrics):
        if training.update == 3:
            torch.save(training.state(), tmp_path / "state.pt")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_set_policy(tiny(side), on_update=stop)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    seen = []
    resumed = train_set_policy(tiny(side), state=state, on_update=lambda run, metrics: seen.append(run.update))
    assert seen == [4, 5, 6]
    assert equal(whole, weights(resumed.network))


def test_neither_training_nor_measuring_touches_the_global_generator():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    measured = train_set_policy(tiny("leader"), on_update=lambda run, metrics: run.policy())
    assert before.equal(torch.get_rng_state())
    assert equal(weights(measured.network), weights(train_set_policy(tiny("leader")).network))


def test_a_policy_keeps_its_weights_while_training_goes_on():
    training = SetTraining(tiny("leader"))
    policy = training.policy()
    before = weights(policy.network)
    training.step()
    assert equal(before, policy.network.state_dict())
    assert not equal(before, training.network.state_dict())


def test_what_an_update_reports():
    training = SetTraining(tiny("leader"))
    metrics = [training.step() for _ in range(6)]
    assert training.done
    assert all({"loss", "error", "learning_rate"} == set(figures) for figures in metrics)
    assert all(np.isfinite(list(figures.values())).all() for figures in metrics)
    assert metrics[0]["learning_rate"] < max(figures["learning_rate"] for figures in metrics) <= 1e-3


def test_a_state_of_another_run_is_refused():
    state = SetTraining(tiny("leader")).state()
    with pytest.raises(ValueError, match="another configuration"):
        train_set_policy(tiny("leader", seed=5), state=state)
    damaged = copy.copy(state)
    damaged["network"] = {}
    with pytest.raises(ValueError, match="not the saved state"):
        train_set_policy(tiny("leader"), state=damaged)


@pytest.mark.parametrize(
    "changes",
    [{"updates": -1}, {"links": 0}, {"seed": 1.5}, {"learning_rate": float("nan")}, {"kink_width": -1.0}, {"width": 0}],
    ids=str,
)
def test_an_impossible_configuration_is_refused(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        tiny("leader", **changes)


def test_a_side_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="side"):
        tiny("broker")


def test_followers_learn_from_rewards_within_the_bound():
    market = SMALL.sample(np.random.default_rng(0), 600)
    rewards = draw_rewards(market, np.random.default_rng(1))
    share = rewards / market.reward_bound[..., None]
    assert (share > 0).all()
    assert share.max() <= 1 + 1e-12
    response = follower_response(market, rewards)
    for used, capacity in (
        (response.compute, market.compute_capacity),
        (response.bandwidth, market.bandwidth_capacity),
    ):
        full = used.sum(axis=-2) > 0.999 * capacity
        assert 0.1 < full.mean() < 0.9
