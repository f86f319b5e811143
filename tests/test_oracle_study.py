"""The study of the oracle's answers: resumed where it stopped, and a refutation that can refute."""

import json

import numpy as np
import pytest
from rich.console import Console

from aigc_market_env import Scenario, solve_equilibrium
from benchmarks.oracle_study import Arguments, Attacked, Drawn, Solved, main
from benchmarks.refutation import gains


def told(arguments, tmp_path):
    with (tmp_path / "told.txt").open("w+") as file:
        status = main(arguments, Console(file=file, width=100))
        file.seek(0)
        return status, file.read()


def test_a_market_is_the_same_whatever_else_is_studied():
    assert Drawn.of(7) == Drawn.of(7)
    drawn = [Drawn.of(index) for index in range(600)]
    assert len({str(one) for one in drawn}) == 600
    assert {one.preset for one in drawn} == {"random", "campus", "town", "duo"}
    assert max(one.num_mus for one in drawn) == 20
    assert max(one.num_asps for one in drawn) == 8
    assert all(0.05 <= one.load <= 8.0 for one in drawn)
    assert (drawn[5].market().num_mus, drawn[5].market().num_asps) == (2, 1)


def test_a_study_goes_on_where_it_stopped(tmp_path):
    few = Arguments(markets=6, attacked=1, mixed=False, workers=1, out=tmp_path / "study")
    status, text = told(few, tmp_path)
    assert status == 0
    assert "6 markets" in text
    assert "1 equilibria attacked, 0 refuted" in text or "0 equilibria attacked, 0 refuted" in text
    lines = (few.out / "results.jsonl").read_text().splitlines()
    assert len(lines) == 7
    key, first = json.loads(lines[0])
    (few.out / "results.jsonl").write_text(json.dumps([key, first | {"seconds": 1e6}]) + "\n")
    assert "1000000.00" in told(few, tmp_path)[1]  # what was kept is not done again
    assert len((few.out / "results.jsonl").read_text().splitlines()) == 7


def test_failures_are_named(tmp_path):
    drawn = next(
        one for one in map(Drawn.of, range(5, 3000, 6)) if one.load > 7.0
    )  # duo, which has no equilibrium then
    result = Solved(drawn, mixed=False).run()
    assert result["kind"] == 2.0
    assert result["bound"] > 1e-4
    assert result["profiles"] == 1.0
    attack = Attacked(drawn, mixed=False).run()
    assert attack["gained"] == pytest.approx(result["found"], rel=1e-3)
    assert attack["beyond_bound"] <= 1e-9


def test_what_is_no_equilibrium_is_refuted():
    market = Scenario.preset("campus").sample(0)
    found = solve_equilibrium(market)
    pure = np.ones((market.num_mus, 1))
    rng = np.random.default_rng(0)
    at_equilibrium = gains(market, found.rewards[:, None], pure, rng)
    assert at_equilibrium.max() <= 1e-6 * found.outcome.mu_utility.mean()
    moved = found.rewards.copy()
    moved[0] *= 1.1
    assert gains(market, moved[:, None], pure, rng)[0] > 1e-4 * found.outcome.mu_utility.mean()


def test_mixtures_are_attacked_by_expected_utility():
    market = Scenario.preset("duo").sample(0)
    rewards = solve_equilibrium(market).rewards
    supports = np.stack([rewards, rewards], axis=1)
    probabilities = np.array([[0.25, 0.75], [1.0, 0.0]])
    twice = gains(market, supports, probabilities, np.random.default_rng(0))
    assert np.abs(twice).max() <= 1e-6 * market.satisfaction_scale.mean()
    supports[0, 1] *= 1.2  # an MU that mixes with a worse row gains by leaving it
    assert gains(market, supports, probabilities, np.random.default_rng(0))[0] > 1e-4


def test_bad_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--markets 0"):
        main(Arguments(markets=0, out=tmp_path), Console())
    with pytest.raises(ValueError, match="--attacked -1"):
        main(Arguments(attacked=-1, out=tmp_path), Console())
