"""Slots cut into jobs: all of them, and the same figures as at once."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from agents.held_out import slots as held_out_slots
from agents.held_out.runs import evaluate_run, evaluate_runs
from agents.held_out.slots import Measured, own_scenario, slots_of
from agents.held_out.slots_file import write_slots
from agents.policy.files import load_policy
from agents.runs import METRICS_FILE
from aigc_market_env import Market, Scenario
from aigc_market_env.evaluation.joining import joined
from aigc_market_env.evaluation.leaders import evaluate_leaders, judge_rewards
from aigc_market_env.evaluation.plays import plays_of
from experiments.execute import here, in_processes
from experiments.jobs import Done


@pytest.fixture
def two_a_job(monkeypatch):
    """Jobs of two slots of a market with 2 MUs and an ASP."""
    monkeypatch.setattr(held_out_slots, "LINKS_PER_JOB", 4)


def quietly():
    return Console(file=io.StringIO())


@pytest.mark.parametrize(("count", "cuts"), [(1, [1]), (2, [2]), (5, [2, 2, 1])])
@pytest.mark.usefixtures("two_a_job")
def test_every_slot_is_in_one_job(run, count, cuts):
    jobs = slots_of(run, count=count)
    assert [job.count for job in jobs] == cuts
    assert [job.first for job in jobs] == [sum(cuts[:i]) for i in range(len(cuts))]
    assert len({job.key for job in jobs}) == len(jobs)


@pytest.mark.usefixtures("two_a_job")
def test_slots_of_market_files_are_those_markets_in_their_order(run, tmp_path):
    markets = [Scenario.preset("duo").sample(seed) for seed in range(3)]
    files = [str(tmp_path / f"{i}.json") for i in range(3)]
    for market, file in zip(markets, files, strict=True):
        market.to_json(file)
    assert evaluate_run(run, files).results["2x1"].market == Market.stack(markets)


@pytest.mark.usefixtures("two_a_job")
def test_what_is_found_part_by_part_is_what_is_found_at_once(run):
    parts = evaluate_run(run, count=5).results["2x1"]
    whole = evaluate_leaders(load_policy(run).act_batch, own_scenario(run), 5, certify=True)
    assert parts.market == whole.market
    for name, value in parts.summary().items():
        if isinstance(value, float):
            assert value == pytest.approx(whole.summary()[name], rel=1e-6), name
    np.testing.assert_allclose(parts.regret, whole.regret, atol=1e-9)  # rewards are of networks, in float32


@pytest.mark.usefixtures("two_a_job")
def test_slots_at_random_differ_from_job_to_job(run):
    posted = evaluate_run(run, count=4).plays["2x1"]["uniform"].outcome.rewards
    assert len(np.unique(posted)) == posted.size


def test_what_was_worked_out_of_the_parts_stays(run):
    leaders = evaluate_leaders(load_policy(run).act_batch, own_scenario(run), 2)
    leaders.market.flat  # noqa: B018
    parts = Measured(leaders, plays_of(leaders))
    vars(parts.plays["learned"])["worked_out"] = np.arange(2)
    whole = joined([parts, parts])
    assert list(vars(whole.plays["learned"])["worked_out"]) == [0, 1, 0, 1]
    assert whole.result.market == Market.stack([leaders.market[i] for i in (0, 1, 0, 1)])
    assert whole.result.equilibrium.certificate is None
    assert len(leaders.rewards) == 2


def test_slots_in_which_mus_mix_are_joined_to_others():
    markets = Market.stack([Scenario.preset("duo", load=load).sample(0) for load in (1.0, 7.25)])
    parts = [judge_rewards(markets[i : i + 1], 0.2 * np.ones((1, 2, 1)), certify=True) for i in range(2)]
    whole = joined(parts).equilibrium
    assert np.array_equal(
        whole.supports, judge_rewards(markets, 0.2 * np.ones((2, 1)), certify=True).equilibrium.supports
    )
    assert whole.kind.tolist() == ["pure", "mixed"]
    assert [part.summary()["equilibrium_mixed"] for part in parts] == [0.0, 1.0]


@pytest.mark.usefixtures("two_a_job")
def test_the_results_do_not_depend_on_who_does_which_job_and_when(run, tmp_path):
    def backwards(jobs):
        return here(jobs[::-1])

    found = []
    for execute in (here, backwards, in_processes(2)):
        (one, again) = evaluate_runs([run, run], (), 5, execute, quietly())
        assert one.summary() == again.summary()
        write_slots([one], tmp_path / "slots.csv")
        found.append((json.dumps(one.summary()), (tmp_path / "slots.csv").read_bytes()))
    assert found[0] == found[1] == found[2]
    assert found[0][0] == json.dumps(evaluate_run(run, count=5).summary())


def test_slots_that_failed_are_named(run):
    def failing(jobs):
        return (Done(job.key, error="ValueError: not finite") for job in jobs)

    with pytest.raises(ValueError, match=r"run, 2x1, slots 0 to 3: ValueError: not finite"):
        evaluate_runs([run], (), 4, failing, quietly())


def test_a_damaged_file_of_the_last_run_is_found_before_anything_is_measured(run, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    for path in run.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    (other / METRICS_FILE).write_text("{}")

    def unwanted(jobs):
        raise AssertionError

    with pytest.raises(ValueError, match=METRICS_FILE):
        evaluate_runs([run, other], (), 2, unwanted, quietly())
