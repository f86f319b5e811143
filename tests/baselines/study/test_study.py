"""Playing: interruption and resumption, workers, failures, and the figures that come of it."""

import dataclasses
import io
import itertools

import numpy as np
import pytest
from fakes import FAKES, Broken
from rich.console import Console

from baselines.study.cache import Cache
from baselines.study.comparison import (
    MEAN,
    at_equal_guarantee,
    at_equal_qoe,
    benchmark_values,
    reductions,
    utility_gain,
)
from baselines.study.jobs import Match, Setting, Trial
from baselines.study.regimes import Findings
from baselines.study.study import StudyPlan, play_study
from experiments.execute import attempt, here, in_processes

TABLE = Setting("campus", 3, 2, 1.0)
OTHER_SIZE = Setting("campus", 2, 2, 1.0)
SWEEP = tuple(Setting("campus", 3, 2, load) for load in (0.05, 1.0))


def plan(names=tuple(FAKES), markets=4, at_most=None):
    mechanisms = tuple(FAKES[name] for name in names)
    return StudyPlan(TABLE, SWEEP, (OTHER_SIZE,), tuple(range(5, 5 + markets)), markets, mechanisms, at_most or {})


def quiet():
    return Console(file=io.StringIO())


def played(tmp_path, execute=here, **kwargs):
    return play_study(plan(**kwargs), Cache(tmp_path / "cache.jsonl"), execute, quiet())


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return played(tmp_path_factory.mktemp("study"))


def everything(study):
    """All figures and errors of a study."""
    return [
        (setting, mechanism.name, list(results.of(setting, mechanism.name)))
        for results in (study.played, study.matched, study.guaranteed)
        for setting in (study.plan.table, *study.plan.sweep, *study.plan.sizes)
        for mechanism in study.plan.mechanisms
    ]


def test_every_mechanism_is_played_in_every_market(study):
    for setting, name in itertools.product((TABLE, *SWEEP), FAKES):
        assert [seed for seed, _ in study.played.of(setting, name)] == [5, 6, 7, 8]


def test_only_those_that_learn_are_played_at_other_sizes(study):
    found = [name for name in FAKES if list(study.played.of(OTHER_SIZE, name))]
    assert found == ["dual_perturbation", "slow_learner"] == [m.name for m in study.learners()]


def test_figures_are_those_of_the_mechanism_in_its_market(study):
    trial = Trial(TABLE, 6, FAKES["generous"])
    cost = study.played.values(TABLE, "generous", "mu_service_cost")
    assert cost[1] == trial.run()["mu_service_cost"]
    market = TABLE.market(6)
    result = FAKES["generous"].run(market, np.random.default_rng(0))
    assert cost[1] == pytest.approx((result.outcome.rewards * result.outcome.qoe).sum() / 3)


def test_the_market_of_a_seed_differs_between_loads_in_capacity_alone():
    near, far = (setting.market(3) for setting in SWEEP)
    np.testing.assert_allclose(near.compute_capacity, 20.0 * far.compute_capacity)
    np.testing.assert_array_equal(near.accuracy, far.accuracy)


def test_randomness_differs_between_markets_and_mechanisms_but_not_between_runs(study):
    probes = study.played.values(TABLE, "dual_perturbation", "probes")
    assert set(probes) == {10.0, 11.0}
    again = [Trial(TABLE, seed, FAKES["dual_perturbation"]).run()["probes"] for seed in study.plan.seeds]
    np.testing.assert_array_equal(probes, again)


def test_a_failure_is_told_with_its_seed_and_the_others_go_on(study):
    wanted = [seed for seed in study.plan.seeds if TABLE.market(seed).satisfaction_scale[0] > 1.4]
    assert 0 < len(wanted) < 4
    found = [(seed, error) for setting, name, seed, error in study.played.failures() if setting == TABLE]
    assert found == [(seed, "ArithmeticError: too much to want") for seed in wanted]
    assert {name for _, name, _, _ in study.played.failures()} == {"broken"}
    missing = np.isnan(study.played.values(TABLE, "broken", "mu_qoe"))
    np.testing.assert_array_equal(missing, [seed in wanted for seed in study.plan.seeds])
    assert reductions(study, TABLE, "broken")["mu_service_cost"].markets == 4 - len(wanted)


def test_a_mechanism_that_raises_anything_is_answered_for():
    done = attempt(Trial(TABLE, 6, Broken("broken", 0.3, limit=-1.0)))
    assert (done.result, done.error) == (None, "ArithmeticError: too much to want")


def test_nothing_depends_on_where_it_is_done(study, tmp_path):
    assert everything(played(tmp_path, in_processes(2))) == everything(study)


class KilledError(Exception):
    """Stands for a kill."""


def test_an_interrupted_study_goes_on_and_ends_the_same(study, tmp_path):
    done_by = []

    def stops_after(count):
        def execute(jobs):
            for i, job in enumerate(jobs):
                if i == count:
                    raise KilledError
                done_by.append(job.key)
                yield attempt(job)

        return execute

    for count in (7, 30):
        with pytest.raises(KilledError):
            played(tmp_path, stops_after(count))
    ended = played(tmp_path, stops_after(10_000))
    assert everything(ended) == everything(study)
    kept = [key for key in done_by if " broken" not in key]
    assert len(kept) == len(set(kept))  # nothing was done twice but what had failed


def test_more_markets_add_to_what_is_known(tmp_path):
    played(tmp_path, names=("oracle", "generous"), markets=2)

    def counts(jobs):
        asked.extend(jobs)
        return here(jobs)

    asked = []
    played(tmp_path, counts, names=("oracle", "generous"), markets=3)
    assert asked
    assert {job.seed for job in asked} == {7}


def test_keys_tell_jobs_apart():
    jobs = [
        job
        for setting in (TABLE, *SWEEP, Setting("town", 3, 2, 1.0), Setting("campus", 2, 3, 1.0))
        for seed in (1, 11)
        for job in (
            *(Trial(setting, seed, mechanism) for mechanism in FAKES.values()),
            Match(setting, seed, "generous", 0.5),
            Match(setting, seed, "generous", 0.25),
        )
    ]
    keys = {job.key for job in jobs}
    assert len(keys) == len(jobs) - len(FAKES) * 2 - 4  # the table's setting is in the sweep, too


def test_a_mechanism_that_takes_long_is_played_in_the_first_markets(tmp_path):
    found = played(tmp_path, at_most={"generous": 2})
    assert [seed for seed, _ in found.played.of(TABLE, "generous")] == [5, 6]
    assert list(found.played.of(SWEEP[0], "generous")) == []
    assert "generous" not in Findings.of(found).as_played
    assert reductions(found, TABLE, "generous")["utilisation"].markets == 2
    mean = benchmark_values(found, TABLE, MEAN, "mu_service_cost")
    known = [found.played.values(TABLE, name, "mu_service_cost") for name in ("slow_learner", "priced_out", "broken")]
    np.testing.assert_allclose(mean, np.mean(known, axis=0))


def test_other_loads_and_sizes_are_played_in_the_first_markets_of_the_table(tmp_path):
    few = dataclasses.replace(plan(names=("dual_perturbation", "generous")), sweep_markets=2)
    study = play_study(few, Cache(tmp_path / "cache.jsonl"), here, quiet())
    found = study.played
    regime = Findings.of(study).as_played["generous"]
    assert [point.reductions["utilisation"].markets for point in regime.points] == [
        2,
        2,
    ]  # the table's load is the last
    counts = [len(list(found.of(setting, "dual_perturbation"))) for setting in (TABLE, SWEEP[0], OTHER_SIZE)]
    assert counts == [4, 2, 2]


def test_reductions_by_hand(study):
    ours = study.played.values(TABLE, "dual_perturbation", "mu_service_cost")
    theirs = study.played.values(TABLE, "generous", "mu_service_cost")
    found = reductions(study, TABLE, "generous")
    assert found["mu_service_cost"].value == pytest.approx(1.0 - ours.sum() / theirs.sum())
    assert np.isnan(found["messages"].value)  # who does not learn has no overhead to save
    messages = [study.played.values(TABLE, name, "messages") for name in ("dual_perturbation", "slow_learner")]
    assert reductions(study, TABLE, "slow_learner")["messages"].value == pytest.approx(
        1.0 - messages[0].sum() / messages[1].sum()
    )
    np.testing.assert_array_equal(benchmark_values(study, TABLE, MEAN, "messages"), messages[1])
    gain = study.played.values(TABLE, "dual_perturbation", "mu_utility") - study.played.values(
        TABLE, "generous", "mu_utility"
    )
    assert utility_gain(study, TABLE, "generous").value == pytest.approx(gain.mean())


def test_at_equal_qoe_only_markets_count_in_which_ours_can_deliver_it(study):
    for setting in SWEEP:
        matched = study.matched.values(setting, "generous", "matched")
        equal = at_equal_qoe(study, setting, "generous")
        assert equal.matched == matched.mean()
        assert equal.reductions["asp_cost"].markets == matched.sum()
        same = matched == 1.0
        np.testing.assert_allclose(
            study.matched.values(setting, "generous", "mu_qoe")[same],
            study.played.values(setting, "generous", "mu_qoe")[same],
            rtol=1e-4,
        )
    assert at_equal_qoe(study, SWEEP[0], "generous").matched == 1.0


def test_at_equal_guarantee_benchmarks_are_as_intense_as_it_takes(study):
    for setting in SWEEP:
        wanted = study.played.values(setting, "dual_perturbation", "guarantee")
        np.testing.assert_array_equal(study.guaranteed.values(setting, "generous", "guarantee"), wanted)
        # A fake posts a share of the bound, 0.2 as ours does and 0.9, so that it takes 0.2/0.9 of what it posts.
        intensity = study.guaranteed.values(setting, "generous", "intensity")
        np.testing.assert_allclose(intensity, 0.2 / 0.9, rtol=1e-6)
        equal = at_equal_guarantee(study, setting, "generous")
        assert equal.matched == 1.0
        assert equal.reductions["asp_cost"].value == pytest.approx(0.0, abs=1e-6)
        never = at_equal_guarantee(study, setting, "priced_out")
        assert never.matched == 0.0
        assert np.isnan(never.reductions["asp_cost"].value)
    assert list(Findings.of(study).at_equal_guarantee) == ["slow_learner", "generous", "priced_out", "broken"]


def test_without_ours_there_is_no_guarantee_to_match(tmp_path):
    found = played(tmp_path, names=("oracle", "generous"))
    assert found.with_intensity() == ()
    assert np.isnan(at_equal_guarantee(found, TABLE, "generous").matched)


def test_ours_and_the_oracle_are_no_benchmarks(study):
    names = [name for name in FAKES if name not in ("dual_perturbation", "oracle")]
    findings = Findings.of(study)
    assert list(findings.as_played) == [*names, MEAN]
    assert list(findings.at_equal_qoe) == names
