import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from tiny_configs import made

from agents import load_policy
from agents.algorithms import ppo
from agents.config import STREAMS_PER_SEED, FollowerConfig
from agents.documents import as_document, flat
from agents.policy.actions import shares_of
from agents.policy.files import WEIGHTS_FILE
from agents.training import leader_env
from agents.training.leader_env import FIRST_UNSERVED_COST, LeaderVecEnv
from agents.training.learner import extract_leader_policy, make_model, mu_learner
from agents.training.one_side import LeaderConfig, read_config, train_followers, train_leaders
from aigc_market_env import BatchedMarketEnv, Scenario
from aigc_market_env.evaluation.reward_sources import LOWEST_SHARE

#: What suits users without wallets.
USUAL = LeaderConfig().usual


def weights(folder):
    return (folder / WEIGHTS_FILE).read_bytes()


def test_the_run_folder_holds_what_it_should(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert {"config.json", "policy.json", "policy.safetensors", "metrics.json", "checkpoint.pt"} <= names
    assert any(name.startswith("events.out.tfevents") for name in names)
    assert not any(name.endswith(".new") for name in names)
    metrics = json.loads((finished_run / "metrics.json").read_text())
    assert {"leader_regret_relative", "follower_regret_relative", "slots", "wall_seconds"} <= set(metrics)
    assert metrics["slots"] * 2 == metrics["transitions"] == 320
    assert metrics["wall_seconds"] > 0


def test_the_configuration_comes_back(tiny, finished_run):
    assert read_config(finished_run) == tiny()


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tiny, finished_run, tmp_path):
    for name, seed in (("same", 0), ("other", 1)):
        train_leaders(tiny(seed=seed), tmp_path / name)
    assert weights(tmp_path / "same") == weights(finished_run)
    assert weights(tmp_path / "other") != weights(finished_run)


def test_measuring_does_not_change_what_is_learned(tiny, finished_run, tmp_path):
    train_leaders(tiny(evaluate_every=1, evaluation_slots=2, final_evaluation_slots=3), tmp_path)
    assert weights(tmp_path) == weights(finished_run)


def test_runs_of_two_seeds_share_no_market_stream(tiny, tmp_path, monkeypatch):
    used = {}
    reseed = BatchedMarketEnv.reseed

    def watched(self, seed):
        used[id(self)] = seed
        reseed(self, seed)

    monkeypatch.setattr(BatchedMarketEnv, "reseed", watched)
    firsts = []
    for seed in (0, 1, 10):
        used.clear()
        train_leaders(tiny(seed=seed, transitions=1), tmp_path / str(seed))
        firsts.append(next(iter(used.values())))
    assert min(np.diff(firsts)) >= STREAMS_PER_SEED


def test_tensorboard_shows_market_training_and_equilibrium(tiny, tmp_path):
    train_leaders(tiny(transitions=64 * 70), tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = set(events.Tags()["scalars"])
    assert {"rollout/ep_rew_mean", "train/loss", "train/approx_kl", "regret/mus", "regret_log10/mus"} <= tags
    market = {"payment_per_mu", "utility_per_mu", "profit_per_asp", "qoe_per_mu", "qoe_accuracy", "qoe_token_count"}
    market |= {"qoe_timeliness", "utilisation_compute", "utilisation_bandwidth"}
    market |= {"shadow_price_compute", "shadow_price_bandwidth"}
    assert {f"market/{name}" for name in market} <= tags
    for tag in tags:
        assert np.isfinite([event.value for event in events.Scalars(tag)]).all(), tag
    qoe, *terms = (
        np.array([event.value for event in events.Scalars(f"market/{name}")])
        for name in ("qoe_per_mu", "qoe_accuracy", "qoe_token_count", "qoe_timeliness")
    )
    assert (qoe > 0).all()
    assert np.allclose(qoe, sum(terms), rtol=1e-5)
    for name in ("utilisation_compute", "utilisation_bandwidth"):
        assert all(0 <= event.value <= 1 + 1e-6 for event in events.Scalars(f"market/{name}"))
    for name in ("shadow_price_compute", "shadow_price_bandwidth"):
        assert all(event.value >= -1e-6 for event in events.Scalars(f"market/{name}"))
    regrets = events.Scalars("regret/mus")
    assert regrets[0].step == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert np.allclose([e.value for e in regrets], [point["leader_regret_relative"] for point in metrics["curve"]])
    worst = [event.value for event in events.Scalars("regret/worst_mu")]
    assert np.allclose(worst, [point["leader_regret_worst"] for point in metrics["curve"]])
    assert metrics["leader_regret_worst"] >= metrics["leader_regret_relative"]
    assert metrics["leader_regret_worst_agent"] in ("mu_0", "mu_1")
    payoffs, of_agents = (
        [events.Scalars(f"{what}_of_each/mu_{m}")[-1].value for m in range(2)] for what in ("payoff", "regret")
    )
    last = metrics["curve"][-1]
    assert np.isclose(np.mean(payoffs), last["mu_utility_learned"], rtol=1e-5)
    relative = np.mean(of_agents) / last["mu_utility_at_equilibrium"]
    assert np.isclose(relative, last["leader_regret_relative"], rtol=1e-5)


def test_tensorboard_compares_runs_by_their_hyperparameters(finished_run, tiny):
    events = EventAccumulator(str(finished_run)).Reload()
    started = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    found = HParamsPluginData.FromString(started).session_start_info.hparams
    assert found["learning_rate"].number_value == tiny().learning_rate
    assert found["scenario"].string_value == "duo"
    assert set(found) == {"side", "algorithm", *flat(tiny())}


def test_learning_lowers_the_regret(tiny, tmp_path):
    config = tiny(transitions=64 * 100, epochs=4, batch_size=64, learning_rate=3e-3, checkpoint_seconds=60.0)
    result, metrics = train_leaders(config, tmp_path)
    assert result.leader_regret_relative < 0.5 * metrics["curve"][0]["leader_regret_relative"]


@pytest.mark.parametrize(("transitions", "done"), [(0, 0), (1, 64), (64, 64), (65, 128)])
def test_transitions_are_rounded_up_to_whole_rollouts(tiny, tmp_path, transitions, done):
    _, metrics = train_leaders(tiny(transitions=transitions), tmp_path)
    assert metrics["transitions"] == done
    assert load_policy(tmp_path).architecture.num_mus == 2


@pytest.mark.parametrize(("markets", "slots", "batch_size"), [(7, 3, 16), (5, 1, 4096), (1, 1, 2)])
def test_rollouts_that_batches_do_not_divide_train_without_a_warning(tiny, tmp_path, markets, slots, batch_size):
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mini-batch.*")
        train_leaders(tiny(markets=markets, slots=slots, batch_size=batch_size, transitions=1), tmp_path)


@pytest.mark.filterwarnings("ignore:.*mini-batch")
def test_a_rollout_that_only_small_batches_divide_keeps_the_batch_size(tiny, tmp_path):
    train_leaders(tiny(markets=13, slots=1, batch_size=5, transitions=1), tmp_path)
    assert ppo._even_batch_size(26, 5) == 5
    assert ppo._even_batch_size(5, 2) == 2
    assert ppo._even_batch_size(6144, 4096) == 3072
    assert ppo._even_batch_size(16384, 4096) == 4096


@pytest.mark.parametrize("scenario", ["campus", "town", "random"])
def test_every_preset_trains(tiny, tmp_path, scenario):
    result, _ = train_leaders(tiny(scenario=scenario, markets=2, transitions=1), tmp_path)
    assert result.rewards.shape[1:] == (result.market.num_mus, result.market.num_asps)


def test_a_market_file_is_trained_on_with_fading_links(tiny, tmp_path):
    market = Scenario.preset("campus").sample(3)
    market.to_json(tmp_path / "mine.json")
    config = tiny(scenario=str(tmp_path / "mine.json"), markets=2, transitions=1)
    result, _ = train_leaders(config, tmp_path / "run")
    assert np.array_equal(result.market.compute_capacity[0], market.compute_capacity)
    assert not np.array_equal(result.market.spectral_efficiency[0], result.market.spectral_efficiency[1])
    with pytest.raises(ValueError, match="load applies to presets"):
        train_leaders(replace(config, load=2.0), tmp_path / "other")


def test_load_scales_capacities(tiny):
    once, twice = (tiny(load=load).make_scenario().sample(0) for load in (1.0, 2.0))
    assert np.allclose(once.compute_capacity, 2 * twice.compute_capacity)


BAD = {
    "seed": [-1, 2**32, 1.0, True, "0", None],
    "market_seed": [-1, None],
    "transitions": [-1, 0.5],
    "markets": [0, "8"],
    "slots": [0],
    "batch_size": [1],
    "epochs": [0],
    "hidden": [(), (0,), (1.5,), ("a",)],
    "learning_rate": [float("nan"), "x", None],
    "load": [float("inf"), "x"],
    "scenario": [None, [], 5],
    "evaluate_every": [0],
    "evaluation_slots": [0],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_wrong_setting_is_named(tiny, name, value):
    with pytest.raises(ValueError, match=f"^{name} = "):
        tiny(**{name: value})


@pytest.mark.parametrize("load", [0.0, -1.0])
def test_a_load_that_is_not_positive_is_named_and_leaves_no_run_behind(tiny, tmp_path, load):
    with pytest.raises(ValueError, match="load"):
        train_leaders(tiny(load=load), tmp_path / "run")
    assert not (tmp_path / "run").exists()


GOOD = as_document(LeaderConfig())


@pytest.mark.parametrize(
    "document",
    [
        [],
        3,
        "x",
        {},
        GOOD | {"hidden": None},
        GOOD | {"hidden": 3},
        GOOD | {"seed": "0"},
        GOOD | {"unknown": 1},
        GOOD | {"scenario": []},
    ],
)
def test_a_damaged_configuration_is_an_error_that_names_it(tmp_path, document):
    (tmp_path / "config.json").write_text(json.dumps(document))
    with pytest.raises(ValueError, match=r"config\.json: "):
        read_config(tmp_path)


def test_a_configuration_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"config\.json"):
        read_config(tmp_path)


def test_the_extracted_policy_is_a_copy_of_what_the_model_does_on_average(tiny):
    config = tiny()
    scenario = config.make_scenario()
    env = LeaderVecEnv(scenario, 3)
    model = make_model(config, env)
    policy = extract_leader_policy(model, scenario, config)
    flat = env.reset()
    means = model.policy.get_distribution(torch.from_numpy(flat)).distribution.mean.detach().numpy()
    seen = flat.reshape(3, 2, -1)[..., 2:]
    before = policy.act_batch(seen)
    assert np.allclose(before.reshape(6, 1), shares_of(means), rtol=1e-6)
    with torch.no_grad():
        model.policy.action_net.bias += 1.0
    assert np.array_equal(policy.act_batch(seen), before)


def test_a_run_keeps_the_market_that_it_was_begun_on(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine, other = (Scenario.preset("random", num_mus=2, num_asps=1).sample(seed) for seed in (0, 1))
    mine.to_json("mine.json")
    begun = tiny(scenario="mine.json", transitions=160)
    train_leaders(begun, Path("run"))
    other.to_json("mine.json")
    with pytest.raises(ValueError, match=r"mine\.json.*not the market that run was begun on"):
        train_leaders(begun, Path("run"), resume=True)
    Path("run").rename(tmp_path / "given away")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    kept = read_config(Path("../given away"))
    assert kept.make_scenario().sample(0) == mine
    before = weights(tmp_path / "given away")
    train_leaders(kept, Path("../given away"), resume=True)  # goes on from the checkpoint, to which nothing is added
    assert weights(tmp_path / "given away") == before
    assert json.loads(Path("../given away/config.json").read_text())["scenario"] == "market/mine.json"


def test_users_of_a_preset_may_be_satiated(tiny, tmp_path):
    plain, satiated = (tiny(satiation=k).make_scenario() for k in (None, 2))
    assert not plain.satiation
    assert satiated.satiation
    assert satiated.sample(0) == plain.sample(0).replace(satiation=2.0)
    with pytest.raises(ValueError, match="satiation = 101 must be a number from 0 to 100"):
        tiny(satiation=101)
    plain.sample(0).to_json(tmp_path / "mine.json")
    with pytest.raises(ValueError, match="satiation applies to presets; a market of your own has its satiation"):
        tiny(scenario=str(tmp_path / "mine.json"), satiation=2).make_scenario()
    config = tiny(satiation=2)
    train_leaders(config, tmp_path / "run")
    assert read_config(tmp_path / "run") == config
    policy = load_policy(tmp_path / "run")
    assert policy.architecture.satiation
    policy.check_fits(satiated)


@pytest.mark.parametrize(
    ("given", "start", "end"), [({}, -2.0, -3.9), ({"initial_log_std": -1.0, "final_log_std": -2}, -1, -2)]
)
def test_exploration_narrows_evenly_in_its_logarithm_and_is_not_learned(tiny, given, start, end):
    config = tiny(**given)
    learner = mu_learner(config, config.make_scenario())
    learner.begin(0)
    learner.model.set_logger(Logger(None, []))
    for remaining in (1.0, 0.25, 0.0):
        learner.learn(remaining)
        assert np.allclose(learner.model.policy.log_std.detach(), end + (start - end) * remaining)


def test_exploration_may_settle_before_the_end(tiny, monkeypatch):
    monkeypatch.setattr(LeaderConfig, "usual", property(lambda _: USUAL._replace(settled=0.5)))
    config = tiny()
    learner = mu_learner(config, config.make_scenario())
    learner.begin(0)
    learner.model.set_logger(Logger(None, []))
    (start, end), found = USUAL.log_std, {}
    for remaining in (1.0, 0.75, 0.5, 0.0):
        learner.learn(remaining)
        found[remaining] = float(learner.model.policy.log_std.detach()[0])
    assert found == pytest.approx({1.0: start, 0.75: (start + end) / 2, 0.5: end, 0.0: end})


def test_untrained_users_post_much(tiny):
    config = tiny(scenario="campus")
    policy = mu_learner(config, config.make_scenario()).policy
    env = BatchedMarketEnv(config.make_scenario(), 4, asps="best_response")
    posted = policy.act_batch(env.reset()[0]["mu"])
    assert np.allclose(posted, LOWEST_SHARE**0.25, rtol=0.3)


@pytest.mark.parametrize(("cost", "found"), [(FIRST_UNSERVED_COST, True), (0.0, False)])
def test_users_that_are_priced_out_by_all_they_try_find_the_way_in_by_what_that_costs(
    tiny, tmp_path, monkeypatch, cost, found
):
    monkeypatch.setattr(leader_env, "FIRST_UNSERVED_COST", cost)
    monkeypatch.setattr(LeaderConfig, "usual", property(lambda _: USUAL._replace(first_output=-1.0)))
    config = tiny(transitions=32_000, batch_size=64, epochs=4, slots=8, learning_rate=3e-3, checkpoint_seconds=60.0)
    result, metrics = train_leaders(replace(config, evaluate_every=10**6), tmp_path)
    assert metrics["curve"][0]["leader_regret_relative"] > 0.9
    assert (result.leader_regret_relative < 0.1) == found


@pytest.mark.parametrize("kind", [LeaderConfig, FollowerConfig])
@pytest.mark.parametrize("algorithm", ["ppo", "sac"])
def test_a_training_that_diverges_names_the_rate(tmp_path, kind, algorithm):
    small = {"scenario": "duo", "markets": 8, "slots": 4, "batch_size": 8, "transitions": 3200}
    config = made(kind, algorithm=algorithm, **small, learning_rate=1e30)
    train = train_leaders if kind is LeaderConfig else train_followers
    with pytest.raises(ValueError, match=r"^learning_rate = 1e\+30: the training has diverged; try again with a lower"):
        train(config, tmp_path)
