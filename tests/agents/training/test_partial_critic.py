"""A critic that sees some entries alone, in trainings with wallets, and the usual one in others."""

import numpy as np
import torch
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.config import LeaderConfig
from agents.policy.agent_features import lasting_entries
from agents.training.learner import mu_learner
from agents.training.partial_critic import PartialCritic
from aigc_market_env import Scenario


def learner_of(scenario):
    return mu_learner(LeaderConfig(scenario=scenario, markets=4, hidden=(8, 8)), Scenario.preset(scenario).fix(0))


def test_with_wallets_a_critic_does_not_see_what_the_last_slot_made():
    learner = learner_of("prepaid")
    policy, size = learner.model.policy, learner.env.observation_space.shape[0]
    kept = lasting_entries(Scenario.preset("prepaid"))
    assert isinstance(policy, PartialCritic)
    seen = torch.from_numpy(np.random.default_rng(0).normal(size=(1, size)).astype(np.float32)).requires_grad_()
    (of_value,) = torch.autograd.grad(policy.predict_values(seen).sum(), seen)
    assert set(torch.nonzero(of_value[0]).ravel().tolist()) <= set(kept)
    assert (of_value[0, kept] != 0).float().mean() > 0.5
    (of_action,) = torch.autograd.grad(policy.get_distribution(seen).mode().sum(), seen)
    assert (of_action[0] != 0).float().mean() > 0.5
    assert not set(torch.nonzero(of_action[0]).ravel().tolist()) <= set(kept)


def test_its_weights_are_saved_without_the_entries():
    weights = learner_of("prepaid").model.policy.state_dict()
    assert not any("entries" in name for name in weights)
    assert weights["mlp_extractor.value_net.1.weight"].shape == (8, len(lasting_entries(Scenario.preset("prepaid"))))


def test_without_wallets_a_critic_sees_everything():
    learner = learner_of("duo")
    assert learner.env.critic_entries is None
    assert type(learner.model.policy) is ActorCriticPolicy
