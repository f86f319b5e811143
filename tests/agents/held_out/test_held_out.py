import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.documents import as_document
from agents.evaluation.sets import MarketDistribution
from agents.held_out.runs import check_comparable, evaluate_run, evaluate_runs, learning_curve, together
from agents.held_out.slots import slots_of
from agents.policy.files import save_policy
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from agents.policy.leaders import LeaderArchitecture, LeaderPolicy
from agents.runs import write_json
from agents.torch_settings import one_torch_thread
from aigc_market_env import Market, Scenario
from aigc_market_env.evaluation.side_regret import is_one_market
from aigc_market_env.scenarios.traces.drives import EFFICIENCY, drive_slots

SMALL = EquilibriumConfig(
    markets=MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), width=4, layers=1, links=64, larger_sizes=((5, 2),)
)


@pytest.fixture(scope="module")
def set_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    with one_torch_thread():
        save_policy(SMALL.make_learner().policy(), folder)
    write_json(folder / "config.json", as_document(SMALL))
    return folder


@pytest.fixture(scope="module")
def market_files(tmp_path_factory):
    """Two markets of 2 MUs and 1 ASP, one of 3 and 2."""
    folder = tmp_path_factory.mktemp("markets")
    files = []
    for i, (num_mus, num_asps) in enumerate([(2, 1), (3, 2), (2, 1)]):
        files.append(str(folder / f"{i}.json"))
        Scenario.preset("random", num_mus=num_mus, num_asps=num_asps).sample(i).to_json(files[-1])
    return files


def test_a_run_on_one_market_is_measured_in_its_own_scenario(run):
    measured = evaluate_run(run, count=4)
    assert list(measured.results) == ["2x1"]
    assert measured.learners == ["leader"]
    assert [point["transitions"] for point in measured.curve] == sorted(p["transitions"] for p in measured.curve)
    summary = measured.summary()["2x1"]
    assert summary["slots"] == 4
    assert summary["plays"]["learned"]["leader_regret_relative"] == pytest.approx(summary["leader_regret_relative"])
    assert summary["equilibrium_certified"] == 1.0


def test_a_run_measured_again_gives_the_same_figures(run):
    assert evaluate_run(run, count=4).summary() == evaluate_run(run, count=4).summary()


def test_a_set_policy_is_measured_size_by_size(set_run):
    measured = evaluate_run(set_run, count=2)
    assert list(measured.results) == ["2x1", "3x2", "5x2"]
    assert measured.fresh is not None
    assert not measured.fresh.was_trained((5, 2))
    assert all(len(result.rewards) == 2 for result in measured.results.values())
    assert measured.curve == []


def test_a_set_policy_acts_in_market_files_of_several_sizes(set_run, market_files):
    measured = evaluate_run(set_run, market_files)
    assert {size: len(result.rewards) for size, result in measured.results.items()} == {"2x1": 2, "3x2": 1}
    assert measured.results["2x1"].market[1] == Market.from_json(market_files[2])
    assert measured.fresh is None


def test_a_policy_for_one_market_refuses_markets_of_another_size(run, market_files):
    with pytest.raises(ValueError, match=r"2 MUs and 1 ASPs; the market files has 3 and 2.*set policies"):
        evaluate_run(run, market_files[1:2])
    save_policy(LeaderPolicy(architecture := LeaderArchitecture(3, 1, (4,)), empty(architecture)), run)
    with pytest.raises(ValueError, match=r"3 MUs and 1 ASPs; .* has 2 and 1"):
        evaluate_run(run, count=2)


def empty(architecture):
    return architecture.network().to_empty(device="cpu").apply(zero)


def zero(layer):
    for parameter in layer.parameters(recurse=False):
        parameter.data.zero_()


def test_providers_refuse_a_market_file_with_slots_of_another_length(run, tmp_path):
    architecture = FollowerArchitecture(2, 1, (4,), slot_duration=10.0)
    save_policy(FollowerPolicy(architecture, empty(architecture)), run)
    config = (run / "config.json").read_text().replace('"leaders"', '"followers"')
    (run / "config.json").write_text(config)
    market = Scenario.preset("duo").sample(0)
    files = [str(tmp_path / f"{name}.json") for name in ("same", "longer")]
    market.to_json(files[0])
    market.replace(slot_duration=20.0).to_json(files[1])
    assert evaluate_run(run, files[:1]).learners == ["follower"]
    for wrong in (files, files[1:]):
        with pytest.raises(ValueError, match=r"slots of 10 s; the slot_duration of the market files is (10, )?20 s"):
            evaluate_run(run, wrong)


def test_a_policy_without_its_configuration_is_refused(run, set_run):
    config = (set_run / "config.json").read_text()
    (run / "config.json").write_text(config)
    with pytest.raises(ValueError, match="configuration is of a set policy"):
        evaluate_run(run, count=2)


def test_a_run_without_metrics_has_no_curve(tmp_path):
    assert learning_curve(tmp_path) == []


def test_runs_on_the_same_slots_are_put_together(run, tmp_path):
    first, again = evaluate_run(run, count=4), evaluate_run(run, count=4)
    check_comparable([slots_of(run, count=4)] * 2)
    found = together([each.plays["2x1"]["learned"] for each in (first, again)])
    alone = first.plays["2x1"]["learned"].figures()
    for name, figures in found.items():
        assert figures["lowest"] == figures["highest"] == pytest.approx(alone[name])
        assert figures["mean"] == pytest.approx(alone[name])
        low, high = figures["mean_interval_95"]
        assert low <= figures["mean"] <= high


def test_runs_on_other_slots_or_of_another_kind_are_not_put_together(run, set_run, market_files):
    first = slots_of(run, count=2)
    with pytest.raises(ValueError, match="not of the same scenario"):
        check_comparable([first, slots_of(run, market_files[:1] * 2)])
    with pytest.raises(ValueError, match="kind of training and size"):
        check_comparable([first, slots_of(set_run, market_files)])
    with pytest.raises(ValueError, match="kind of training and size"):
        check_comparable([slots_of(set_run, count=2), slots_of(set_run, market_files)])


def changed_run(run, folder, **changes):
    other = Path(shutil.copytree(run, folder))
    write_json(other / "config.json", json.loads((run / "config.json").read_text()) | changes)
    return other


def never(jobs):
    raise AssertionError("measured")


@pytest.mark.parametrize("kind", ["load", "market", "side", "set policies", "three runs"])
def test_runs_that_cannot_be_compared_are_refused_before_anything_is_measured(run, set_run, tmp_path, kind):
    runs = [run, changed_run(run, tmp_path / "other", load=2.0)]
    if kind == "market":
        files = [str(tmp_path / f"{seed}.json") for seed in (0, 1)]
        for seed, file in enumerate(files):
            Scenario.preset("random", num_mus=2, num_asps=1).sample(seed).to_json(file)
        runs = [changed_run(run, tmp_path / f"of {Path(file).stem}", scenario=file) for file in files]
    elif kind == "side":
        architecture = FollowerArchitecture(2, 1, (4,), slot_duration=10.0)
        save_policy(FollowerPolicy(architecture, empty(architecture)), runs[1])
    elif kind == "set policies":
        runs = [set_run, changed_run(set_run, tmp_path / "set", loads=[1.0, 2.0])]
    elif kind == "three runs":
        runs = [run, changed_run(run, tmp_path / "same", seed=3), runs[1]]
    names = f"{runs[0]} and {runs[-1]} are not of the same"
    with pytest.raises(ValueError, match=re.escape(names)):
        evaluate_runs(runs, (), 2, never, Console(file=io.StringIO()))


def drawn_from(market, split):
    return np.isin(market.spectral_efficiency, drive_slots(split)[:, EFFICIENCY]).all()


def test_a_run_on_a_trace_is_measured_on_what_of_it_is_held_out(run, tmp_path):
    traced = changed_run(run, tmp_path / "traced", scenario="traces_v0", num_mus=2, num_asps=1)
    market = evaluate_run(traced, count=6).results["2x1"].market
    assert drawn_from(market, "held_out")
    assert is_one_market(market)
    assert market.patience[0] == pytest.approx(Scenario.preset("traces_v0", num_mus=2, num_asps=1).sample(0).patience)


def test_a_set_policy_for_a_trace_is_measured_on_what_of_it_is_held_out(set_run, tmp_path):
    traced = changed_run(set_run, tmp_path / "traced", scenario="traces_v0", loads=None)
    assert all(drawn_from(result.market, "held_out") for result in evaluate_run(traced, count=2).results.values())


def test_runs_are_measured_in_the_markets_of_another_preset(run, set_run):
    found = evaluate_run(run, count=6, preset="traces_v0_held_out").results["2x1"].market
    assert drawn_from(found, "held_out")
    assert len(np.unique(found.patience)) > 2
    measured = evaluate_run(set_run, count=3, preset="traces_v0")
    assert all(drawn_from(result.market, "training") for result in measured.results.values())
    assert measured.fresh.by_size.keys() == evaluate_run(set_run, count=3).fresh.by_size.keys()
    for wrong, words in (("duo", "num_mus = 2"), ("twon", "the presets are"), ("office", "satiation")):
        with pytest.raises(ValueError, match=words):
            evaluate_run(run if wrong == "office" else set_run, count=2, preset=wrong)
