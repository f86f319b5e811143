import json

import numpy as np
import pytest
import torch

from agents import FollowerPolicy, load_policy
from agents.policy.files import DESCRIPTION_FILE, save_policy
from agents.policy.followers import FollowerArchitecture
from aigc_market_env import BatchedMarketEnv, market_v0


def make_policy(num_mus=2, num_asps=1, hidden=(8, 4), seed=0):
    architecture = FollowerArchitecture(num_mus, num_asps, hidden, 10.0)
    network = architecture.network()
    generator = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(t.shape, generator=generator) for name, t in network.state_dict().items()}
    network.load_state_dict(weights, assign=True)
    return FollowerPolicy(architecture, network)


def observations(scenario="duo", lanes=3):
    env = BatchedMarketEnv(scenario, lanes, asps="agents", seed=0)
    env.reset()
    return env.step({"mu": np.full((lanes, env.num_mus, env.num_asps), 0.3)})[0]["asp"]


def test_a_saved_policy_acts_the_same_and_is_saved_the_same(tmp_path):
    policy = make_policy()
    save_policy(policy, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    loaded = load_policy(tmp_path)
    assert isinstance(loaded, FollowerPolicy)
    assert loaded.architecture == policy.architecture
    assert np.array_equal(loaded.act_batch(observations()), policy.act_batch(observations()))
    save_policy(loaded, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("scenario", "num_mus", "num_asps"), [("duo", 2, 1), ("campus", 8, 4), ("town", 20, 5)])
def test_acting_in_a_pettingzoo_environment_equals_acting_on_a_batch(scenario, num_mus, num_asps):
    env = market_v0.parallel_env(scenario=scenario, asps="agents")
    seen, _ = env.reset(seed=0)
    policy = make_policy(num_mus, num_asps)
    for _ in range(2):  # before the MUs have posted, and after
        actions = policy.act(dict(reversed(seen.items())))
        assert list(actions) == [f"asp_{n}" for n in range(num_asps)]
        assert all(env.action_space(asp).contains(actions[asp]) for asp in actions)
        batch = policy.act_batch(np.stack([seen[asp] for asp in actions])[None])[0]
        assert np.array_equal(np.stack(list(actions.values())), batch.astype(np.float32))
        mus = {f"mu_{m}": np.full(num_asps, 0.4, np.float32) for m in range(num_mus)}
        seen, *_ = env.step(mus | actions)


def test_a_market_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"2 MUs and 1 ASPs.*\(3, 4, 103\)"):
        make_policy().act_batch(observations("campus"))
    seen, _ = market_v0.parallel_env(scenario="campus", asps="agents").reset(seed=0)
    with pytest.raises(ValueError, match=r"asp_0 … asp_0.*asp_3"):
        make_policy().act(seen)
    with pytest.raises(ValueError, match="asp_0"):
        make_policy().act({})


DESCRIPTIONS = {
    "a leader's": {"kind": "leader_mlp"},
    "no kind": {"kind": None},
    "kind a list": {"kind": ["follower_mlp"]},
    "users missing": {"num_mus": None},
    "another width": {"hidden": [8, 5]},
    "no width": {"hidden": []},
    "slot missing": {"slot_duration": None},
    "slot zero": {"slot_duration": 0},
    "slot true": {"slot_duration": True},
    "slot endless": {"slot_duration": float("inf")},
    "slot unknown": {"slot_duration": float("nan")},
    "activation unknown": {"activation": "sigmoid"},
    "squashed a word": {"squashed": "yes"},
}


@pytest.mark.parametrize("changes", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_wrong_description_is_named(tmp_path, changes):
    save_policy(make_policy(), tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"policy\.(json|safetensors): "):
        load_policy(tmp_path)
