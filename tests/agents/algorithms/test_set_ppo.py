import numpy as np
import pytest
import torch
from torch.distributions import Normal

from agents.algorithms import set_ppo
from agents.algorithms.set_ppo import AntitheticPlays, PPOLearner, SetPPOConfig, clipped_loss, explorers_utilities
from agents.market_draws import MarketDistribution
from agents.policy.link_features import OUTCOME_FEATURES, outcome_features
from aigc_market_env import BatchedMarketEnv, follower_response, leader_regret, reward_gradient
from aigc_market_env.equilibrium import first_order as exact
from aigc_market_env.scenarios import STATIC, Scenario

SMALL = MarketDistribution(num_mus=(3, 5), num_asps=(2, 3))
SIZE = {"markets": SMALL, "updates": 6, "links": 60, "width": 8, "layers": 2, "warm_up": 2}


def drawn(seed=0, count=4, std=0.2):
    rng = np.random.default_rng(seed)
    market = SMALL.sample_size(rng, 4, 3, count)
    mean = -1.5 + 0.5 * rng.standard_normal(market.accuracy.shape)
    return market, mean, std * rng.standard_normal(mean.shape)


def test_each_explorer_deviates_alone():
    market, mean, deviation = drawn()
    earned = explorers_utilities(market, mean, deviation)
    bound = market.reward_bound[..., None]
    for sign, row in ((1, 0), (-1, 1)):
        for m in range(4):
            played = mean.copy()
            played[:, m] += sign * deviation[:, m]
            rewards = np.exp(np.minimum(played, 0.0)) * bound
            response = follower_response(market, rewards)
            utility = market.outcome(rewards, response.compute, response.bandwidth).mu_utility
            np.testing.assert_allclose(earned[row, :, m], utility[:, m] / market.satisfaction_scale[:, m], rtol=1e-9)


def test_plays_earn_what_the_environment_pays():
    market, mean, deviation = drawn(std=0.0)
    env = BatchedMarketEnv(Scenario("drawn", 4, 3, STATIC, 0, lambda _: market), 4, asps="best_response")
    env.reset()
    _, paid, _, _, _ = env.step({"mu": np.exp(mean)})
    earned = explorers_utilities(market, mean, deviation)
    np.testing.assert_allclose(earned[0] * market.satisfaction_scale, paid["mu"], rtol=1e-6)


def test_antithetic_plays_estimate_the_gradient_of_each_mus_own_utility():
    market, mean, _ = drawn(count=2)
    rewards = np.exp(mean) * market.reward_bound[..., None]
    gradient = reward_gradient(market, rewards) * rewards / market.satisfaction_scale[..., None]
    rng, estimates = np.random.default_rng(0), []
    for _ in range(400):
        noise = rng.standard_normal(mean.shape)
        earned = explorers_utilities(market, mean, 1e-4 * noise)
        estimates.append(((earned[0] - earned[1]) / 2e-4)[..., None] * noise)
    error = np.std(estimates, axis=0) / np.sqrt(400)
    assert (np.abs(np.mean(estimates, axis=0) - gradient) < 5 * error + 1e-9).all()


def test_ratios_of_probabilities_are_those_of_each_mus_own_actions():
    learner = PPOLearner(SetPPOConfig(**SIZE))
    torch.nn.init.normal_(learner.network.last.weight, std=0.05)
    market, _, _ = drawn()
    rewards = 0.3 * np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)
    features = torch.from_numpy(outcome_features(market, rewards))
    with torch.no_grad():
        now = learner.architecture.log_shares(learner.network, features)
    old, noise, advantage = now - 0.1 * torch.randn(now.shape), torch.randn(now.shape), torch.randn(now.shape[:-1])
    expected, std = [], 0.4
    for sign in (1.0, -1.0):
        action = old + sign * std * noise
        log_ratio = (Normal(now, std).log_prob(action) - Normal(old, std).log_prob(action)).sum(dim=-1)
        gain = sign * advantage
        expected.append(torch.minimum(log_ratio.exp() * gain, log_ratio.exp().clamp(0.8, 1.2) * gain).mean())
    plays = AntitheticPlays(features, old, noise, advantage, 0.0)
    loss, metrics = clipped_loss(learner.architecture, learner.network, plays, std, 0.2)
    assert float(loss.detach()) == pytest.approx(-float(sum(expected)) / 2, rel=1e-4)
    assert metrics["approx_kl"] > 0
    assert 0 < metrics["clip_fraction"] < 1


def test_a_policy_that_has_not_moved_climbs_the_advantage():
    learner = PPOLearner(SetPPOConfig(**SIZE))
    plays = learner._play(SMALL.sample(np.random.default_rng(0), 60), np.random.default_rng(1), 0.3)
    _, metrics = clipped_loss(learner.architecture, learner.network, plays, 0.3, 0.2)
    assert metrics["approx_kl"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["clip_fraction"] == 0.0
    assert float(plays.advantage.square().mean()) == pytest.approx(1.0, rel=1e-5)


def test_nothing_exact_is_looked_at(monkeypatch):
    """Neither features nor learning may know the leaders' first-order conditions or any gradient."""
    assert "step" not in OUTCOME_FEATURES

    def forbidden(*arguments, **options):
        raise AssertionError("first-order conditions in model-free learning")

    monkeypatch.setattr(exact, "_first_order", forbidden)
    learner = PPOLearner(SetPPOConfig(**SIZE))
    learner.step()
    learner.policy().rewards(SMALL.sample_size(np.random.default_rng(0), 3, 2, 2))
    assert not any("gradient" in name or name == "first_order" for name in vars(set_ppo))


def test_learning_from_rewards_lowers_regret_in_markets_of_another_size():
    config = SetPPOConfig(markets=SMALL, updates=40, links=240, width=32, layers=2, warm_up=5)
    market = SMALL.sample_size(np.random.default_rng(99), 7, 4, 12)
    learner = PPOLearner(config)
    before = leader_regret(market, learner.policy().rewards(market)).mean()
    while not learner.done:
        learner.step()
    assert leader_regret(market, learner.policy().rewards(market)).mean() < 0.1 * before


def test_exploration_narrows_evenly_in_the_logarithm():
    learner = PPOLearner(SetPPOConfig(**SIZE, initial_std=0.4, final_std=0.1))
    assert learner.std == pytest.approx(0.4)
    learner.update = 3
    assert learner.std == pytest.approx(0.2)
