import numpy as np
import pytest
from markets import preset_market
from scipy.optimize import minimize

from baselines import MECHANISMS
from baselines.provisioning import provision
from baselines.throughput_greedy import most_tokens


def most_by_a_generic_solver(market, n):
    """Σ_m x[m, n], the orders being upper bounds and S² <= (F - κX)(B - T) the capacities."""
    kappa, sigma = market.flops_per_token[n], market.bandwidth_per_rate[:, n]
    f, b, orders = (
        market.compute_capacity[n],
        market.bandwidth_capacity[n],
        market.desired_tokens / market.slot_duration,
    )

    def room(shares):
        x = shares * orders
        spare = np.array([1.0 - kappa * x.sum() / f, 1.0 - sigma @ x / b])
        return np.array([*spare, np.sqrt(max(spare[0] * spare[1], 0.0)) - np.sqrt(kappa * sigma) @ x / np.sqrt(f * b)])

    found = minimize(
        lambda shares: -(shares @ orders) / orders.sum(), np.full(len(orders), 0.05), method="SLSQP",
        bounds=[(0.0, 1.0)] * len(orders), constraints=[{"type": "ineq", "fun": room}], options={"maxiter": 500},
    )  # fmt: skip
    return float(found.x @ orders)


@pytest.mark.parametrize("load", [0.1, 1.0, 5.0])
def test_no_solver_sends_more(load):
    market = preset_market(4, 5, 2, load)
    rates = most_tokens(market)
    for n in range(2):
        assert rates[:, n].sum() == pytest.approx(most_by_a_generic_solver(market, n), rel=1e-4)


def test_all_capacity_goes_before_an_order_is_refused():
    market = preset_market(1, 6, 3, 3.0)
    outcome = MECHANISMS["throughput_greedy"].run(market, np.random.default_rng(0)).outcome
    refused = (outcome.throughput < (market.desired_tokens / market.slot_duration)[:, None] * (1.0 - 1e-9)).any(axis=0)
    assert refused.any()
    assert outcome.utilisation[refused] == pytest.approx(1.0)
    assert outcome.asp_profit == pytest.approx(0.0, abs=1e-12)


def test_with_room_every_order_is_filled_at_the_least_cost():
    market = preset_market(2, 3, 2, 1e-3)
    outcome = MECHANISMS["throughput_greedy"].run(market, np.random.default_rng(0)).outcome
    orders = np.repeat((market.desired_tokens / market.slot_duration)[:, None], 2, axis=1)
    assert outcome.throughput == pytest.approx(orders)
    compute, bandwidth = market.compute_cost * market.flops_per_token, market.bandwidth_cost * market.bandwidth_per_rate
    assert outcome.asp_cost == pytest.approx((orders * (np.sqrt(compute) + np.sqrt(bandwidth)) ** 2).sum(axis=0))


def test_orders_that_fit_exactly_are_sent_whole():
    market = preset_market(3, 4, 2, 2.0)
    rates = most_tokens(market)
    served, compute, bandwidth = provision(market, rates)
    assert served == pytest.approx(1.0)
    assert market.outcome(np.zeros_like(rates), compute, bandwidth).throughput == pytest.approx(rates, rel=1e-6)
