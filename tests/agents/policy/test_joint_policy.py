import json
import shutil

import numpy as np
import pytest
import torch

from agents import JointPolicy, load_policy
from agents.policy.files import DESCRIPTION_FILE, WEIGHTS_FILE, save_policy
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from agents.policy.leaders import LeaderArchitecture, LeaderPolicy
from aigc_market_env import market_v0


def save_both(folder, mus=(2, 1), asps=(2, 1)):
    torch.manual_seed(0)
    for name, architecture, kind in (
        ("mus", LeaderArchitecture(*mus, (8,)), LeaderPolicy),
        ("asps", FollowerArchitecture(*asps, (8,), 10.0), FollowerPolicy),
    ):
        (folder / name).mkdir()
        network = architecture.network()
        network.load_state_dict({k: 0.3 * torch.randn(t.shape) for k, t in network.state_dict().items()}, assign=True)
        network[-1].bias.data.fill_(0.9)  # rewards that somebody serves
        save_policy(kind(architecture, network), folder / name)
    return folder


@pytest.mark.parametrize(("scenario", "size"), [("duo", (2, 1)), ("campus", (8, 4))])
def test_a_loaded_policy_plays_a_whole_market(tmp_path, scenario, size):
    policy = load_policy(save_both(tmp_path, size, size))
    assert isinstance(policy, JointPolicy)
    env = market_v0.parallel_env(scenario=scenario, asps="agents", max_cycles=6)
    observations, _ = env.reset(seed=0)
    earned = 0.0
    while env.agents:
        actions = policy.act(observations)
        assert set(actions) == set(env.agents)
        assert all(env.action_space(agent).contains(action) for agent, action in actions.items())
        again = policy.act(observations)
        assert all(np.array_equal(again[agent], action) for agent, action in actions.items())
        observations, payoffs, *_ = env.step(actions)
        earned += sum(payoffs.values())
    assert earned > 0.0


def test_it_acts_for_those_who_are_there(tmp_path):
    policy = load_policy(save_both(tmp_path))
    env = market_v0.parallel_env(scenario="duo", asps="best_response", max_cycles=2)
    observations, _ = env.reset(seed=0)
    while env.agents:
        actions = policy.act(observations)
        assert set(actions) == set(env.agents) == {"mu_0", "mu_1"}
        observations, *_ = env.step(actions)
    assert policy.act({}) == {}
    both, _ = market_v0.parallel_env(scenario="duo", asps="agents").reset(seed=0)
    assert set(policy.act({"asp_0": both["asp_0"]})) == {"asp_0"}
    assert np.array_equal(policy.act(both)["asp_0"], policy.act({"asp_0": both["asp_0"]})["asp_0"])


@pytest.mark.parametrize("asps", ["agents", "best_response"])
def test_whoever_it_has_no_policy_for_and_whoever_is_missing_is_named(tmp_path, asps):
    policy = load_policy(save_both(tmp_path))
    observations, _ = market_v0.parallel_env(scenario="duo", asps=asps).reset(seed=0)
    seen = observations["mu_0"]
    with pytest.raises(ValueError, match=r"none for \['regulator'\]"):
        policy.act(observations | {"regulator": seen})
    with pytest.raises(ValueError, match=r"no actions for \['mu_2'\]"):
        policy.act(observations | {"mu_2": seen})
    with pytest.raises(ValueError, match=r"no actions for \['asp_7'\]"):
        policy.act(observations | {"asp_0": seen, "asp_7": seen})
    with pytest.raises(ValueError, match=r"no observations of \['mu_0'\]"):
        policy.act({name: each for name, each in observations.items() if name != "mu_0"})


@pytest.mark.parametrize("side", ["mus", "asps"])
@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_a_missing_or_damaged_file_of_a_side_is_named(tmp_path, side, name):
    path = save_both(tmp_path) / side / name
    path.write_bytes(b"\x80\x04\xff{")
    with pytest.raises(ValueError, match=f"{side}/{name}"):
        load_policy(tmp_path)
    path.unlink()
    with pytest.raises(FileNotFoundError, match=f"{side}/{name}"):
        load_policy(tmp_path)


def test_sides_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "sizes").mkdir()
    with pytest.raises(ValueError, match=r"\(2, 1\) and \(8, 4\)"):
        load_policy(save_both(tmp_path / "sizes", asps=(8, 4)))
    for side, other in (("mus", "asps"), ("asps", "mus")):
        folder = tmp_path / side
        folder.mkdir()
        save_both(folder)
        shutil.rmtree(folder / side)
        shutil.copytree(folder / other, folder / side)
        with pytest.raises(ValueError, match=f"{side}: a policy of kind"):
            load_policy(folder)


def test_folders_in_folders_are_not_followed(tmp_path):
    (tmp_path / "mus").mkdir()
    (tmp_path / "asps").mkdir()
    save_both(tmp_path / "mus")
    with pytest.raises(FileNotFoundError, match=DESCRIPTION_FILE):
        load_policy(tmp_path)


def test_a_description_of_both_is_no_kind_of_file(tmp_path):
    path = save_both(tmp_path) / "mus" / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"kind": "both"}))
    with pytest.raises(ValueError, match=r"policy\.json"):
        load_policy(tmp_path)
