import json
import pickle
import random

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save, save_file

from agents import LeaderPolicy, load_policy
from agents.policy.actions import shares_of
from agents.policy.agent_features import with_identity
from agents.policy.files import DESCRIPTION_FILE, WEIGHTS_FILE, save_policy
from agents.policy.leaders import LeaderArchitecture
from aigc_market_env import BatchedMarketEnv, Scenario, market_v0


def make_policy(num_mus=2, num_asps=1, hidden=(8, 4), seed=0, satiation=False):
    architecture = LeaderArchitecture(num_mus, num_asps, hidden, satiation=satiation)
    network = architecture.network()
    generator = torch.Generator().manual_seed(seed)
    weights = {name: torch.randn(t.shape, generator=generator) for name, t in network.state_dict().items()}
    network.load_state_dict(weights, assign=True)
    return LeaderPolicy(architecture, network)


def observations(scenario="duo", lanes=3):
    return BatchedMarketEnv(scenario, lanes, asps="best_response", seed=0).reset()[0]["mu"]


def test_a_saved_policy_acts_the_same(tmp_path):
    policy = make_policy()
    save_policy(policy, tmp_path)
    loaded = load_policy(str(tmp_path))
    assert loaded.architecture == policy.architecture
    assert np.array_equal(loaded.act_batch(observations()), policy.act_batch(observations()))
    assert sorted(path.name for path in tmp_path.iterdir()) == [DESCRIPTION_FILE, WEIGHTS_FILE]


def make_squashed_policy():
    architecture = LeaderArchitecture(2, 1, (8, 4), activation="relu", squashed=True)
    network = architecture.network()
    network.load_state_dict(make_policy().network.state_dict(), assign=True)
    return LeaderPolicy(architecture, network)


def test_a_squashed_policy_of_relus_acts_the_same_when_loaded_and_unlike_others(tmp_path):
    policy = make_squashed_policy()
    save_policy(policy, tmp_path)
    loaded = load_policy(tmp_path)
    assert loaded.architecture == policy.architecture
    seen = observations()
    assert np.array_equal(loaded.act_batch(seen), policy.act_batch(seen))
    assert not np.allclose(loaded.act_batch(seen), make_policy().act_batch(seen))
    first, second, third = (loaded.network.state_dict()[f"{i}.weight"].numpy().T for i in (0, 2, 4))
    biases = [loaded.network.state_dict()[f"{i}.bias"].numpy() for i in (0, 2, 4)]
    x = with_identity(seen)
    x = np.maximum(np.maximum(x @ first + biases[0], 0) @ second + biases[1], 0) @ third + biases[2]
    assert np.allclose(loaded.act_batch(seen), shares_of(np.tanh(x)), rtol=1e-4)


def test_a_file_from_before_there_was_a_choice_of_nonlinearities_acts_as_ever(tmp_path):
    policy = make_policy()
    save_policy(policy, tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    document = json.loads(path.read_text())
    assert document.pop("activation") == "tanh"
    assert document.pop("squashed") is False
    path.write_text(json.dumps(document))
    assert np.array_equal(load_policy(tmp_path).act_batch(observations()), policy.act_batch(observations()))


def test_saving_what_was_loaded_gives_the_same_bytes(tmp_path):
    save_policy(make_policy(), tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    save_policy(load_policy(tmp_path), tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("asps", ["agents", "best_response"])
@pytest.mark.parametrize("scenario", ["duo", "campus", "town"])
def test_acting_in_a_pettingzoo_environment_equals_acting_on_a_batch(scenario, asps):
    env = market_v0.parallel_env(scenario=scenario, asps=asps)
    seen, _ = env.reset(seed=0)
    mus = [agent for agent in env.possible_agents if agent.startswith("mu_")]
    policy = make_policy(len(mus), len(seen[mus[0]]) and env.action_space(mus[0]).shape[0])
    actions = policy.act(dict(reversed(seen.items())))
    assert list(actions) == mus
    assert all(env.action_space(mu).contains(actions[mu]) for mu in mus)
    batch = policy.act_batch(np.stack([seen[mu] for mu in mus])[None])[0]
    assert np.array_equal(np.stack([actions[mu] for mu in mus]), batch.astype(np.float32))
    assert all(np.array_equal(actions[mu], policy.act(seen)[mu]) for mu in mus)


def test_a_market_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"2 MUs and 1 ASPs.*\(3, 8, 41\)"):
        make_policy().act_batch(observations("campus"))
    seen, _ = market_v0.parallel_env(scenario="campus").reset(seed=0)
    with pytest.raises(ValueError, match=r"mu_0 … mu_1.*mu_7"):
        make_policy().act(seen)
    seen, _ = market_v0.parallel_env(scenario="duo").reset(seed=0)
    with pytest.raises(ValueError, match=r"2 MUs and 2 ASPs"):
        make_policy(num_asps=2).act(seen)
    with pytest.raises(ValueError, match="mu_1"):
        make_policy().act({"mu_0": seen["mu_0"]})


def test_neither_making_nor_loading_a_policy_draws_random_numbers(tmp_path):
    save_policy(make_policy(), tmp_path)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    load_policy(tmp_path)
    assert before.equal(torch.get_rng_state())


@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_a_missing_file_is_named(tmp_path, name):
    save_policy(make_policy(), tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        load_policy(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_policy(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
@pytest.mark.parametrize("save_trap", [lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save])
def test_code_in_a_policy_file_is_not_executed(tmp_path, trap, name, save_trap):
    trapped, sprung = trap
    save_policy(make_policy(), tmp_path)
    save_trap(trapped, tmp_path / name)
    with pytest.raises(ValueError, match=name):
        load_policy(tmp_path)
    assert not sprung.exists()


DESCRIPTIONS = {
    "other schema": {"schema": "aigc-market-policy/2"},
    "no schema": {"schema": None},
    "other kind": {"kind": "leader_table"},
    "no width": {"hidden": []},
    "hidden a number": {"hidden": 8},
    "hidden true": {"hidden": True},
    "hidden missing": {"hidden": None},
    "hidden a string": {"hidden": "84"},
    "hidden an object": {"hidden": {"8": 4}},
    "width a fraction": {"hidden": [8.0, 4]},
    "width zero": {"hidden": [8, 0]},
    "width true": {"hidden": [True, 4]},
    "widths enormous": {"hidden": [65536, 65536]},
    "width beyond": {"hidden": [10**30]},
    "activation unknown": {"activation": "sigmoid"},
    "activation null": {"activation": None},
    "activation a list": {"activation": ["relu"]},
    "squashed a number": {"squashed": 1},
    "squashed null": {"squashed": None},
    "no users": {"num_mus": 0},
    "users missing": {"num_mus": None},
    "too many users": {"num_mus": 3},
    "negative providers": {"num_asps": -1},
    "another width": {"hidden": [8, 5]},
    "a layer more": {"hidden": [8, 4, 4]},
    "a layer less": {"hidden": [8]},
}


@pytest.mark.parametrize("changes", DESCRIPTIONS.values(), ids=DESCRIPTIONS)
def test_a_wrong_description_is_named(tmp_path, changes):
    save_policy(make_policy(), tmp_path)
    path = tmp_path / DESCRIPTION_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ValueError, match=r"policy\.(json|safetensors): "):
        load_policy(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", '"policy"', "[" * 100_000, '{"num_mus": ' + "9" * 5000 + "}"])
def test_a_description_that_is_no_object_is_named(tmp_path, text):
    save_policy(make_policy(), tmp_path)
    (tmp_path / DESCRIPTION_FILE).write_text(text)
    with pytest.raises(ValueError, match=r"policy\.json: "):
        load_policy(tmp_path)


def float64(weights):
    return {name: tensor.double() for name, tensor in weights.items()}


def nan(weights):
    weights["0.weight"][0, 0] = torch.nan
    return weights


def infinite(weights):
    weights["4.bias"][0] = -torch.inf
    return weights


def renamed(weights):
    return {f"{name}s": tensor for name, tensor in weights.items()}


def transposed(weights):
    return {name: tensor.T.contiguous() if tensor.ndim == 2 else tensor for name, tensor in weights.items()}


def one_missing(weights):
    del weights["2.bias"]
    return weights


def one_more(weights):
    return weights | {"6.bias": torch.zeros(1)}


def none(weights):
    return {}


@pytest.mark.parametrize("change", [float64, nan, infinite, renamed, transposed, one_missing, one_more, none])
def test_wrong_weights_are_named(tmp_path, change):
    save_policy(make_policy(), tmp_path)
    save_file(change(load_file(tmp_path / WEIGHTS_FILE)), tmp_path / WEIGHTS_FILE)
    with pytest.raises(ValueError, match=r"policy\.safetensors: "):
        load_policy(tmp_path)


FOREIGN = (
    b"",
    b"\x00" * 64,
    b"\xff" * 64,
    b"PK\x03\x04 not an archive",
    b"\x89PNG\r\n\x1a\n",
    pickle.dumps([1]),
    save({}),
    save({"0.weight": torch.zeros(3)}),
    (2**63 - 1).to_bytes(8, "little") + b"{}",
)


def damaged(rng, good):
    """A file made from a good one by an accident, and whether it is one that may go unnoticed."""
    accident = rng.choice(["flip", "flip in header", "flips", "cut", "grown", "foreign", "zeroed"])
    content = bytearray(good)
    if accident.startswith("flip"):
        for _ in range(20 if accident == "flips" else 1):
            content[rng.randrange(100 if "header" in accident else len(content))] ^= 1 << rng.randrange(8)
    elif accident == "cut":
        del content[rng.randrange(len(content)) :]
    elif accident == "grown":
        content += rng.randbytes(rng.randrange(1, 50))
    elif accident == "zeroed":
        start = rng.randrange(len(content))
        content[start : start + 64] = bytes(len(content[start : start + 64]))
    else:
        content = bytearray(rng.choice(FOREIGN))
    return bytes(content), accident in ("flip", "flip in header", "flips", "zeroed")


@pytest.mark.parametrize("name", [DESCRIPTION_FILE, WEIGHTS_FILE])
def test_a_damaged_file_is_an_error_that_names_it_or_still_a_policy(tmp_path, name):
    save_policy(make_policy(), tmp_path)
    good = (tmp_path / name).read_bytes()
    rng = random.Random(0)
    refused = 0
    for _ in range(300):
        content, may_pass = damaged(rng, good)
        (tmp_path / name).write_bytes(content)
        try:
            policy = load_policy(tmp_path)
        except ValueError as error:
            assert str(tmp_path / "policy.") in str(error)  # noqa: PT017 - either outcome is fine
            refused += 1
        else:
            assert may_pass or content.strip() == good.strip()
            actions = policy.act_batch(observations())
            assert np.isfinite(actions).all()
            assert ((actions > 0) & (actions <= 1)).all()
    assert refused > 150


def test_a_policy_for_markets_with_satiation_sees_it_and_is_for_no_others(tmp_path):
    office, campus = Scenario.preset("office"), Scenario.preset("campus")
    policies = {seen: make_policy(8, 4, (8,), satiation=seen) for seen in (False, True)}
    for seen, fitting, other in ((True, office, campus), (False, campus, office)):
        (tmp_path / str(seen)).mkdir()
        save_policy(policies[seen], tmp_path / str(seen))
        again = load_policy(tmp_path / str(seen), LeaderPolicy)
        again.check_fits(fitting)
        with pytest.raises(ValueError, match=rf"a policy for markets with.* satiation.*; {other.name} is not one"):
            again.check_fits(other)
        observations, _ = BatchedMarketEnv(fitting, 3, asps="best_response", seed=0).reset()
        np.testing.assert_array_equal(again.act_batch(observations["mu"]), policies[seen].act_batch(observations["mu"]))
        observations, _ = BatchedMarketEnv(other, 3, asps="best_response", seed=0).reset()
        with pytest.raises(ValueError, match="observations of shape"):
            again.act_batch(observations["mu"])
