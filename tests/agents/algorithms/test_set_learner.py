from dataclasses import replace

import numpy as np
import pytest
import torch

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.market_draws import MarketDistribution
from agents.set_training.run import SetRun

SMALL = MarketDistribution(num_mus=(3, 5), num_asps=(2, 3))
SIZE = {"markets": SMALL, "updates": 6, "links": 60, "width": 8, "layers": 2, "warm_up": 2}
CONFIGS = {
    "leaders, equilibrium": EquilibriumConfig(**SIZE),
    "followers, equilibrium": EquilibriumConfig(side="followers", **SIZE),
    "leaders, ppo": SetPPOConfig(**SIZE),
}
EVERY = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)


def trained(config, updates=6, learner=None):
    learner = learner or config.make_learner()
    while learner.update < updates:
        learner.step()
    return learner


def weights(network):
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


@EVERY
def test_the_same_seed_gives_the_same_weights_and_another_one_others(config):
    torch.manual_seed(1)
    first = weights(trained(config).network)
    torch.manual_seed(2)
    assert equal(first, weights(trained(config).network))
    assert not equal(first, weights(trained(replace(config, seed=1)).network))


@EVERY
def test_a_learner_put_into_a_saved_state_ends_with_the_same_weights(config, tmp_path):
    whole = weights(trained(config).network)
    torch.save(trained(config, 3).state(), tmp_path / "state.pt")
    again = config.make_learner()
    again.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert again.update == 3
    assert equal(whole, weights(trained(config, learner=again).network))
    assert again.transitions == trained(config).transitions


@EVERY
def test_neither_training_nor_measuring_touches_the_global_generators(config):
    torch.manual_seed(3)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    trained(config, 2).policy()
    assert before.equal(torch.get_rng_state())
    assert np.array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002


@EVERY
def test_a_policy_keeps_its_weights_while_training_goes_on(config):
    learner = config.make_learner()
    policy = learner.policy()
    before = weights(policy.network)
    learner.step()
    assert equal(before, policy.network.state_dict())
    assert not equal(before, learner.network.state_dict())


@EVERY
def test_what_an_update_reports(config):
    learner = config.make_learner()
    metrics = [learner.step() for _ in range(6)]
    assert learner.done
    assert all({"loss", "learning_rate"} <= set(figures) == set(metrics[0]) for figures in metrics)
    assert all(np.isfinite(list(figures.values())).all() for figures in metrics)
    assert metrics[0]["learning_rate"] < max(figures["learning_rate"] for figures in metrics) <= 1e-3


@EVERY
def test_a_state_that_is_none_is_refused(config):
    state = config.make_learner().state()
    for damaged in (state | {"network": {}}, {name: state[name] for name in ("update", "network")}):
        with pytest.raises(ValueError, match="not the saved state"):
            config.make_learner().restore(damaged)


@EVERY
def test_a_checkpoint_of_another_run_is_refused(config, tmp_path):
    SetRun(config).save(tmp_path)
    SetRun(replace(config, checkpoint_seconds=1e9)).load(tmp_path)
    others = [other for other in CONFIGS.values() if other != config]
    for other in (replace(config, seed=5), *others):
        with pytest.raises(ValueError, match="another configuration"):
            SetRun(other).load(tmp_path)
