import csv

import numpy as np
import pytest

from agents.held_out.runs import HeldOut
from agents.held_out.slots_file import write_slots
from aigc_market_env import Dynamics, Scenario
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.plays import plays_of

DUO = Scenario.fixed(Scenario.preset("duo").sample(0), dynamics=Dynamics())


@pytest.fixture(scope="module")
def run():
    result = evaluate_both(
        lambda seen: np.full((*seen.shape[:2], 1), 0.2), lambda seen: np.full((*seen.shape[:2], 2, 2), 0.3), DUO, 3
    )
    return HeldOut("a, run", {"2x1": result}, {"2x1": plays_of(result)}, [])


@pytest.fixture
def rows(run, tmp_path):
    write_slots([run], tmp_path / "slots.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["slots.csv"]
    with (tmp_path / "slots.csv").open() as file:
        return list(csv.DictReader(file))


def test_there_is_a_row_for_every_play_slot_and_agent(run, rows):
    plays = run.plays["2x1"]
    keys = [(row["run"], row["size"], row["slot"], row["play"], row["agent"]) for row in rows]
    agents = ("mu_0", "mu_1", "asp_0")
    assert keys == [("a, run", "2x1", str(i), name, agent) for name in plays for i in range(3) for agent in agents]


def test_rows_sum_to_what_the_market_comes_to(run, rows):
    for name, play in run.plays["2x1"].items():
        for slot in range(3):
            here = [row for row in rows if row["play"] == name and row["slot"] == str(slot)]
            mus, asps = ([row for row in here if row["agent"].startswith(side)] for side in ("mu", "asp"))
            assert np.isclose(sum(float(row["payoff"]) for row in here), play.outcome.welfare[slot], rtol=1e-4)
            assert [float(row["regret"]) for row in mus] == pytest.approx(play.leader_regret[slot], rel=1e-4)
            assert [float(row["regret"]) for row in asps] == pytest.approx(play.follower_regret[slot], rel=1e-4)
            assert [float(row["reference"]) for row in mus] == pytest.approx(play.mu_scale[slot], rel=1e-4)
            assert [float(row["reference"]) for row in asps] == pytest.approx(play.asp_scale[slot], rel=1e-4)
            for column in ("payments", "qoe", "qoe_accuracy", "qoe_token_count", "qoe_timeliness"):
                totals = [sum(float(row[column]) for row in side) for side in (mus, asps)]
                assert np.isclose(*totals, rtol=1e-4), column
            for row in here:
                terms = sum(float(row[f"qoe_{term}"]) for term in ("accuracy", "token_count", "timeliness"))
                assert np.isclose(terms, float(row["qoe"]), rtol=1e-4)
            assert all(row["cost"] == row["compute_in_use"] == "" for row in mus)
            for row in asps:
                profit = float(row["payments"]) - float(row["cost"])
                assert np.isclose(profit, float(row["payoff"]), rtol=1e-3, atol=1e-5)
                assert 0 <= float(row["compute_in_use"]) <= 1
