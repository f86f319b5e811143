"""Markets that are alike, and what may differ between them."""

import numpy as np
import pytest

from aigc_market_env import Scenario
from aigc_market_env.model.parameters import FIELDS
from baselines.study.jobs import Setting, with_spread

DRAWN = Setting("campus", 6, 3, 0.5)


def test_as_drawn_it_is_the_preset():
    preset = Scenario.preset("campus", load=0.5, num_mus=6, num_asps=3)
    assert DRAWN.market(4) == preset.sample(4)
    assert str(DRAWN) == "campus 6x3 load=0.5"


@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
def test_the_spread_scales_log_requirements_about_their_geometric_mean(spread):
    drawn, spreaded = DRAWN.market(4), Setting("campus", 6, 3, 0.5, spread=spread).market(4)
    before, after = np.log(drawn.qoe_requirement), np.log(spreaded.qoe_requirement)
    assert after.mean() == pytest.approx(before.mean(), rel=1e-12)
    assert after.std() == pytest.approx(spread * before.std(), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(after - after.mean(), spread * (before - before.mean()), atol=1e-12)


def test_nothing_else_moves_but_satiation_where_it_is_asked_for():
    drawn, other = DRAWN.market(4), Setting("campus", 6, 3, 0.5, 3.0, 2.0).market(4)
    assert (other.satiation == 3.0).all()
    for name in FIELDS:
        if name not in ("qoe_requirement", "satiation"):
            np.testing.assert_array_equal(getattr(drawn, name), getattr(other, name))


def test_a_batch_keeps_each_markets_own_mean():
    batch = Scenario.preset("random").sample(0, batch=(3,))
    alike = with_spread(batch, 0.0).qoe_requirement
    np.testing.assert_allclose(np.ptp(alike, axis=-1), 0.0, atol=1e-12)
    np.testing.assert_allclose(np.log(alike).mean(axis=-1), np.log(batch.qoe_requirement).mean(axis=-1))


def test_one_mu_has_no_spread():
    market = Setting("campus", 1, 2, 1.0).market(0)
    np.testing.assert_allclose(with_spread(market, 5.0).qoe_requirement, market.qoe_requirement)


def test_settings_have_names_of_their_own():
    settings = [Setting("campus", 6, 3, 0.5, k, s) for k in (None, 0.0, 2.0) for s in (0.0, 1.0, 2.0)]
    assert len(set(map(str, settings))) == len(settings)
