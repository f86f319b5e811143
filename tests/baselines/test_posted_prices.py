import numpy as np
import pytest
from markets import preset_market
from scipy.optimize import minimize

from aigc_market_env import Market, Scenario
from baselines import MECHANISMS
from baselines.buying import purchases
from baselines.posted_prices import profits, sales

POSTED = MECHANISMS["posted_prices"]


def by_hand(unit_cost, capacity=1e3):
    """One MU, one ASP, ω = q = 1, Q = x/(x + 1); bandwidth next to free, so that a token/s costs ``unit_cost``."""
    one = {name: [1.0] for name in ("satisfaction_scale", "qoe_requirement", "patience", "flops_per_token")}
    one |= {"reasoning_tokens": [1.0], "desired_tokens": [1.0], "bits_per_token": [1.0], "bandwidth_capacity": [1.0]}
    pair = {"accuracy": [[0.5]], "spectral_efficiency": [[1e6]], "base_latency": [[0.0]]}
    return Market(
        slot_duration=1.0, qoe_weights=[[0.0, 1.0, 0.0]], compute_capacity=[capacity], compute_cost=[unit_cost],
        bandwidth_cost=[1e-12], **one, **pair,
    )  # fmt: skip


def test_one_asp_and_one_mu_as_solved_by_hand():
    """Demand: p = 1/((x + 1)(1 + 2x)). Profit p x - C x is greatest where (1 - 2x²)/((x + 1)(1 + 2x))² = C.

    x = 1/2 solves it for C = 1/18, at the price p = 1/3.
    """
    outcome = POSTED.run(by_hand(1.0 / 18.0), np.random.default_rng(0)).outcome
    assert outcome.throughput[0, 0] == pytest.approx(0.5, rel=3e-3)
    assert outcome.payment[0, 0] == pytest.approx(0.5 / 3.0, rel=3e-3)
    assert outcome.asp_profit[0] == pytest.approx(0.5 * (1.0 / 3.0 - 1.0 / 18.0), rel=1e-5)


def test_without_costs_to_speak_of():
    """x = 1/√2: the same condition at C = 0."""
    outcome = POSTED.run(by_hand(1e-9), np.random.default_rng(0)).outcome
    assert outcome.throughput[0, 0] == pytest.approx(np.sqrt(0.5), rel=3e-3)


def test_a_full_asp_raises_its_price_until_demand_fits():
    """Capacity 1/4 is less than the 1/2 it would like to sell: x = 1/4, p = 1/((5/4)(3/2))."""
    outcome = POSTED.run(by_hand(1.0 / 18.0, capacity=0.25), np.random.default_rng(0)).outcome
    assert outcome.throughput[0, 0] == pytest.approx(0.25, rel=1e-3)
    assert outcome.payment[0, 0] == pytest.approx(0.25 / 1.25 / 1.5, rel=1e-3)


def test_purchases_are_the_best_that_a_generic_solver_finds():
    rng = np.random.default_rng(0)
    for seed in range(6):
        market = preset_market(seed, 2, 3, 1.0)
        limit = rng.uniform(5.0, 50.0, (2, 3)) if seed % 2 else np.full((2, 3), np.inf)
        entry = market.reward_bound[:, None] / (market.desired_tokens / market.slot_duration)[:, None]
        price = entry * rng.uniform(0.01, 0.5, (2, 3))
        bought = purchases(market, price, limit)

        def surplus(x, market=market, price=price, limit=limit):
            # Compute alone, as the resources that give throughput x when bandwidth has no end.
            free = market.replace(
                compute_capacity=np.full(3, 1e12), bandwidth_capacity=np.full(3, 1e12),
                spectral_efficiency=np.full((2, 3), 1e20),
            )  # fmt: skip
            sold = free.outcome(np.zeros((2, 3)), x * market.flops_per_token, np.full((2, 3), 1e6) * (x > 0))
            return sold.mu_utility.sum() - (price * x / (1.0 - x / limit)).sum()

        def loss(x, surplus=surplus):
            return -surplus(x.reshape(2, 3))

        bounds = [(0.0, 0.999 * top if np.isfinite(top) else None) for top in limit.ravel()]
        found = max(
            -minimize(loss, np.full(6, begin), bounds=bounds, options={"maxiter": 2000, "ftol": 1e-13}).fun
            for begin in (0.1, 1.0, 4.0)
        )
        assert found <= surplus(bought) + 1e-9 * market.satisfaction_scale.sum()
        assert found == pytest.approx(surplus(bought), rel=1e-5)


@pytest.mark.parametrize("load", [0.1, 1.0])
def test_no_asp_gains_by_another_price(load):
    market = Scenario.preset("campus", load=load, num_mus=4, num_asps=3).sample(5)
    outcome = POSTED.run(market, np.random.default_rng(0)).outcome
    prices = (outcome.payment / np.maximum(outcome.throughput, 1e-300)).max(axis=0)
    earned = profits(market)(prices[None])[0]
    assert earned == pytest.approx(outcome.asp_profit)
    for n in range(3):
        tried = np.repeat(prices[None], 1000, axis=0)
        tried[:, n] *= np.geomspace(0.05, 20.0, 1000)
        gain = profits(market)(tried)[:, n].max() - earned[n]
        assert gain <= 1e-4 * earned.mean()


def test_orders_that_do_not_fit_are_cut_alike():
    market = preset_market(2, 4, 2, 5.0)
    low = np.full(2, 1e-6)
    orders, served = sales(market, low)
    assert (served.served < 1.0).all()
    outcome = market.outcome(np.zeros((4, 2)), served.compute, served.bandwidth)
    assert outcome.throughput == pytest.approx(orders * served.served)
    assert outcome.utilisation == pytest.approx(1.0)
