import numpy as np
import pytest
from markets import preset_market, random_market
from scipy.optimize import brentq

from baselines import MECHANISMS
from baselines.proportional_share import bidding_regret, reserves, whole_throughputs

KELLY = MECHANISMS["proportional_share"]


def run(market):
    return KELLY.run(market, np.random.default_rng(0)).outcome


def only_tokens(market):
    """Token count alone, so that Q = x/(x + L̂/Δ)."""
    return market.replace(qoe_weights=np.broadcast_to([0.0, 1.0, 0.0], market.qoe_weights.shape))


def test_a_lone_mu_bids_against_the_reserve_as_in_the_textbook():
    market = only_tokens(preset_market(0, 1, 1, 0.3)).replace(satisfaction_scale=[50.0])
    outcome = run(market)
    whole, reserve, k = (
        whole_throughputs(market)[0, 0],
        reserves(market)[0],
        market.desired_tokens[0] / market.slot_duration,
    )
    omega, q = market.satisfaction_scale[0], market.qoe_requirement[0]

    def first_order(share):
        """U'(s) (1 - s) - price, the price being reserve/(1 - s): Johari and Tsitsiklis, equation 11."""
        x = share * whole
        worth = omega / (q + x / (x + k)) * k / (x + k) ** 2 * whole
        return worth * (1.0 - share) - reserve / (1.0 - share)

    share = brentq(first_order, 1e-9, 1.0 - 1e-9, xtol=1e-14)
    assert outcome.throughput[0, 0] == pytest.approx(share * whole, rel=1e-8)
    assert outcome.payment[0, 0] == pytest.approx(reserve * share / (1.0 - share), rel=1e-7)
    assert outcome.utilisation[0] == pytest.approx(share)


def test_equal_mus_share_equally_at_the_price_of_the_formula():
    """By hand: n equal MUs and one ASP, v(s) (1 - s) = R/(1 - n s)."""
    lone = only_tokens(preset_market(3, 1, 1, 1.0)).replace(satisfaction_scale=[40.0])
    alike = {"satisfaction_scale", "qoe_requirement", "qoe_weights", "desired_tokens", "patience", "bits_per_token"}
    alike |= {"satiation", "accuracy", "spectral_efficiency", "base_latency"}
    fields = {name: np.repeat(getattr(lone, name), 3, axis=0) for name in alike}
    market = type(lone)(**{name: getattr(lone, name) for name in lone.__getstate__() if name not in alike}, **fields)
    outcome = run(market)
    share = outcome.utilisation[0, 0] / 3
    assert outcome.throughput[:, 0] == pytest.approx(share * whole_throughputs(market)[:, 0], rel=1e-7)
    x, k = outcome.throughput[0, 0], market.desired_tokens[0] / market.slot_duration
    worth = 40.0 / (market.qoe_requirement[0] + x / (x + k)) * k / (x + k) ** 2 * whole_throughputs(market)[0, 0]
    assert worth * (1.0 - share) == pytest.approx(reserves(market)[0] / (1.0 - 3 * share), rel=1e-6)


@pytest.mark.parametrize("load", [1e-3, 0.3, 1.0, 3.0, 1e3])
@pytest.mark.parametrize("seed", range(3))
def test_no_mu_gains_by_other_bids(seed, load):
    market = random_market(np.random.default_rng(seed), 5, 3, load)
    outcome = run(market)
    scale = 1e-6 * market.satisfaction_scale
    assert (bidding_regret(market, outcome.payment, outcome.mu_utility) <= scale).all()
    rng = np.random.default_rng(seed)
    for _ in range(100):
        m = rng.integers(5)
        bids = outcome.payment.copy()
        bids[m] = np.where(rng.random(3) < 0.5, bids[m] * rng.uniform(0.5, 1.5, 3), rng.exponential(bids.mean(), 3))
        share = bids / (reserves(market) + bids.sum(axis=0))
        felt = market.outcome(
            np.zeros_like(bids), share * market.compute_capacity, share * market.bandwidth_capacity
        ).mu_utility[m]
        assert felt - bids[m].sum() <= outcome.mu_utility[m] + scale[m]


def test_no_asp_loses():
    outcome = run(preset_market(1, 6, 3, 1.0))
    assert (outcome.asp_profit >= -1e-12).all()
    assert outcome.asp_profit.max() > 0.0
