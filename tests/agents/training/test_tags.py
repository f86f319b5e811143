"""What TensorBoard shows of runs of every kind is on its page, and what is on its page is shown."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tiny_configs import TINY, made

from agents.algorithms.sac import SAC
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.config import FollowerConfig, JointConfig
from agents.market_draws import MarketDistribution
from agents.set_training.train import train_set_policy
from agents.training.both import train_both
from agents.training.one_side import train_followers, train_leaders
from agents.training.tags import LAYOUT, tagged
from aigc_market_env import Dynamics, Scenario, Wallet

PAGE = Path(__file__).parents[3] / "docs" / "tensorboard.md"
SETS = {
    "markets": MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), "updates": 2, "links": 24, "width": 8, "layers": 1,
    "evaluation_markets": 2, "final_evaluation_markets": 2, "larger_sizes": (),
}  # fmt: skip
WALLETS = Scenario.preset("duo", dynamics=Dynamics(worth_deviation=0.5), wallet=Wallet(1.0, 0.5, 3.0, unit="spending"))
BOTH = {
    "scenario": "duo", "transitions": 640, "markets": 8, "slots": 4, "follower_slots": 4, "batch_size": 32, "epochs": 1,
    "hidden": (8,), "follower_hidden": (6,), "head_start": 0.2, "evaluation_slots": 4, "final_evaluation_slots": 4,
}  # fmt: skip
FOLLOWERS = {
    name: value for name, value in BOTH.items() if name not in ("follower_slots", "follower_hidden", "head_start")
}
RUNS = {
    "leaders": (train_leaders, replace(TINY, transitions=64 * 70)),
    "sac": (train_leaders, replace(TINY, algorithm=SAC(batch_size=32, epochs=1))),
    "wallets": (train_leaders, replace(TINY, scenario=WALLETS, horizon=4, slots=4)),
    "followers": (train_followers, made(FollowerConfig, **FOLLOWERS)),
    "both": (train_both, made(JointConfig, **BOTH)),
    "set": (train_set_policy, EquilibriumConfig(**SETS)),
    "set followers": (train_set_policy, EquilibriumConfig(side="followers", **SETS)),
    "set by PPO": (train_set_policy, SetPPOConfig(**SETS)),
}


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """Events of every kind of run, one for each folder that has some."""
    found = {}
    for kind, (train, config) in RUNS.items():
        out = tmp_path_factory.mktemp("run")
        train(replace(config, checkpoint_seconds=1e9), out)
        for folder in sorted({path.parent for path in out.rglob("*tfevents*")}):
            found[kind, folder.name if folder != out else ""] = EventAccumulator(str(folder), {"scalars": 0}).Reload()
    return found


def written(events):
    """All tags of scalars and pictures, each agent's as that of the first."""
    tags = {tag for one in events.values() for kind in ("scalars", "images") for tag in one.Tags()[kind]}
    return {re.sub(r"_\d+$", "_0", tag) for tag in tags if not tag.startswith("_hparams_")}


def test_the_page_has_every_tag_and_no_other(events):
    on_page = re.findall(r"^\| ((?:`[\w/]+`(?:, )?)+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = re.findall(r"`(\w+/\w+)`", " ".join(on_page))
    assert len(told) == len(set(told))
    assert written(events) == set(told)


def test_every_chart_has_something_to_show_in_some_run(events):
    tags = written(events)
    for charts in LAYOUT.values():
        for _, patterns in charts.values():
            for pattern in patterns:
                assert any(re.match(pattern, tag) for tag in tags), pattern


def test_every_folder_with_events_has_the_charts(events):
    for one in events.values():
        layout = layout_pb2.Layout.FromString(one.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
        assert {part.title: [chart.title for chart in part.chart] for part in layout.category} == {
            title: list(charts) for title, charts in LAYOUT.items()
        }


def test_both_sides_have_the_run_s_transitions_as_their_steps(events):
    mus, asps = ([event.step for event in events["both", side].Scalars("train/loss")] for side in ("mus", "asps"))
    assert asps == [32, 64, 96, 128, *range(224, 705, 96)]  # a head start, then in turns
    assert mus == list(range(192, 705, 96))
    shown = ([event.step for event in events["both", side].Scalars(f"regret/{side}")] for side in ("mus", "asps"))
    assert next(shown) == next(shown)


def test_regrets_are_shown_as_logarithms_too():
    found = tagged({"leader_regret_relative": 1e-3, "follower_regret_worst": 0.0, "leader_regret_worst_agent": "mu_1"})
    assert found["regret/mus"] == 1e-3
    assert np.isclose(found["regret_log10/mus"], -3.0)
    assert found["regret_log10/worst_asp"] == -12.0
    assert len(found) == 4


def test_an_endless_regret_has_an_endless_logarithm():
    assert tagged({"leader_regret_relative": np.inf})["regret_log10/mus"] == np.inf
