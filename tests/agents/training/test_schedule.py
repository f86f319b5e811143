"""Who learns when, and how fast."""

import numpy as np
import pytest

from agents.config import JointConfig
from agents.training.schedule import Alone, InTurns


def both(**changes):
    return JointConfig(scenario="duo", **changes)


def test_two_sides_learn_in_turns_after_a_head_start():
    schedule = InTurns.of(both(transitions=1000, head_start=0.2), 64, 100)
    assert schedule == InTurns(head_start=2, rounds=5)
    assert [schedule.who_learns(k) for k in range(schedule.rollouts)] == ["asps"] * 2 + ["mus", "asps"] * 5
    assert np.allclose([schedule.remaining(k) for k in range(6)], [1, 1, 1, 1, 0.8, 0.8])
    assert schedule.remaining(schedule.rollouts - 1) > 0
    assert InTurns.of(both(transitions=0), 64, 64).rollouts == 0
    assert InTurns.of(both(transitions=640, head_start=0.0), 64, 64) == InTurns(0, 5)
    assert InTurns.of(both(transitions=640, head_start=1.0), 64, 64) == InTurns(10, 0)


def test_a_longer_run_keeps_the_head_start_that_it_was_begun_with():
    config = both(transitions=2000, head_start=0.2)
    assert InTurns.of(config, 64, 100).head_start == 4
    assert InTurns.of(config, 64, 100, head_start=2) == InTurns(2, 11)


@pytest.mark.parametrize(("transitions", "rollouts"), [(0, 0), (1, 1), (64, 1), (65, 2), (320, 5)])
def test_one_side_learns_whole_rollouts(transitions, rollouts):
    schedule = Alone(".", transitions, 64)
    assert schedule.rollouts == rollouts
    assert {schedule.who_learns(k) for k in range(rollouts)} <= {"."}


def test_the_rate_of_one_side_falls_to_zero_and_not_below():
    assert [Alone(".", 320, 64).remaining(k) for k in range(5)] == [1.0 - 64 * (k + 1) / 320 for k in range(5)]
    assert Alone(".", 65, 64).remaining(0) == 1.0 - 64 / 65
    assert Alone(".", 65, 64).remaining(1) == 0.0
