import numpy as np
import pytest
from markets import preset_market

from baselines import MECHANISMS
from baselines.overhead import LEARNERS, overhead_until_reached


def test_ours_takes_far_fewer_probes_than_one_reward_at_a_time():
    markets = [preset_market(seed, 8, 4, 0.5) for seed in range(4)]
    ours, theirs = overhead_until_reached(markets, ("dual_perturbation", "coordinate_perturbation"))
    assert ours.reached == theirs.reached == 1.0
    assert theirs.probes >= 64  # one round, at least
    assert theirs.fewer_solves == pytest.approx(1.0 - ours.probes / theirs.probes)
    assert theirs.fewer_bytes == pytest.approx(theirs.fewer_solves)
    assert theirs.fewer_solves >= 0.649


def test_learners_are_those_that_have_an_overhead():
    market = preset_market(0, 2, 2, 0.3)
    counted = [
        name
        for name, mechanism in MECHANISMS.items()
        if name != "bayesian_optimisation" and mechanism.run(market, np.random.default_rng(0)).overhead is not None
    ]
    assert {*counted, "bayesian_optimisation"} == set(LEARNERS)
