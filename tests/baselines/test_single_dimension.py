import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import follower_response, solve_equilibrium
from baselines import MECHANISMS
from baselines.single_dimension import SingleDimension


@pytest.mark.parametrize(("axis", "dimension"), list(enumerate(["accuracy", "token_count", "timeliness"])))
def test_score_is_paid_and_quality_is_felt(axis, dimension):
    market = preset_market(2, 4, 3, 1.0)
    mechanism = MECHANISMS[f"{dimension}_only"]
    believed = mechanism.believed(market)
    assert (believed.qoe_weights[:, axis] == 1.0).all()
    outcome = mechanism.run(market, np.random.default_rng(0)).outcome
    score = market.outcome(outcome.rewards, outcome.compute, outcome.bandwidth).qoe_terms[..., axis]
    posted = solve_equilibrium(believed).rewards
    served = outcome.qoe > 0.0
    assert served.any()
    felt = score[served] / np.broadcast_to(market.qoe_weights[:, None, axis], score.shape)[served]
    assert outcome.payment[served] == pytest.approx(posted[served] * felt)
    assert outcome.compute == pytest.approx(follower_response(believed, posted).compute)


def test_mus_who_do_care_for_one_dimension_alone_lose_nothing():
    market = SingleDimension("timeliness").believed(preset_market(1, 4, 2, 0.05))
    one = MECHANISMS["timeliness_only"].run(market, np.random.default_rng(0)).outcome
    all_ = MECHANISMS["oracle"].run(market, np.random.default_rng(0)).outcome
    assert one.mu_utility == pytest.approx(all_.mu_utility, rel=1e-9)
