"""Baselines of copies of an episode: chance that all copies share is taken off, what play made of it stays."""

import numpy as np
import torch
from gymnasium.spaces import Box

from agents.training.shared_episodes import SharedEpisodeBuffer, over_copies

SLOTS, EPISODES, COPIES, AGENTS = 5, 3, 4, 2


def test_what_all_copies_share_is_taken_off():
    rng = np.random.default_rng(0)
    chance = rng.normal(size=(SLOTS, EPISODES, 1, AGENTS))
    play = rng.normal(size=(SLOTS, EPISODES, COPIES, AGENTS))
    play -= play.mean(axis=2, keepdims=True)
    found = over_copies((chance + play).reshape(SLOTS, -1), COPIES, AGENTS)
    np.testing.assert_allclose(found, play.reshape(SLOTS, -1), atol=1e-12)


def test_it_is_the_mean_of_the_others_but_for_a_factor():
    advantages = np.random.default_rng(1).normal(size=(1, COPIES))
    others = (advantages.sum() - advantages) / (COPIES - 1)
    np.testing.assert_allclose(over_copies(advantages, COPIES, 1), (advantages - others) * (1 - 1 / COPIES))


def test_a_buffer_has_such_advantages_and_returns_as_usual():
    lanes = EPISODES * COPIES * AGENTS
    space = Box(-1.0, 1.0, (3,), np.float32)
    usual = {"gae_lambda": 0.9, "gamma": 0.95, "n_envs": lanes}
    shared = SharedEpisodeBuffer(SLOTS, space, space, copies=COPIES, agents=AGENTS, **usual)
    rng = np.random.default_rng(2)
    shared.rewards[:], shared.values[:] = rng.normal(size=(2, SLOTS, lanes))
    twin = super(SharedEpisodeBuffer, shared)
    last, ended = torch.from_numpy(rng.normal(size=lanes)), np.ones(lanes, bool)
    twin.compute_returns_and_advantage(last, ended)
    plain, returns = shared.advantages.copy(), shared.returns.copy()
    shared.compute_returns_and_advantage(last, ended)
    np.testing.assert_array_equal(shared.returns, returns)
    np.testing.assert_allclose(shared.advantages, over_copies(plain, COPIES, AGENTS))
