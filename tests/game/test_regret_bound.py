"""Leader regrets with a proof: every inequality that the bound is made of, by itself, and the bound as a whole."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markets import games, preset_market, random_market, random_rewards, random_satiation
from test_leaders import utilities, with_row

from aigc_market_env import Market, follower_response, leader_best_response, leader_regret, leader_regret_bound
from aigc_market_env.equilibrium import certify_rewards, solve_equilibrium
from aigc_market_env.game.leaders import deviations
from aigc_market_env.game.marginal_cost import Supply, slope_range
from aigc_market_env.game.shadow_prices import asp_of
from aigc_market_env.game.surplus_bounds import surplus_bound
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import fill_links
from benchmarks.regret_bound import adversarial, dense_best

CASES = Path(__file__).parent / "cases"


def case(name: str, folder: Path) -> tuple[Market, np.ndarray, int, np.ndarray]:
    """A market, posted rewards, an MU, and a row that earns more than an earlier search found."""
    stored = json.loads((CASES / f"{name}.json").read_text())
    (folder / "market.json").write_text(json.dumps(stored["market"]))
    market = Market.from_json(folder / "market.json")
    return market, np.array(stored["rewards"]), stored["mu"], np.array(stored["better"])


# What it is made of


@pytest.mark.parametrize("scale", [1e-6, 3.0, 1e9])
@pytest.mark.parametrize("requirement", [1e-9, 0.4, 1e6])
@pytest.mark.parametrize("satiation", [0.0, 1e-12, 0.5, 6.0, 50.0])
def test_satisfaction_lies_below_its_tangents(scale, requirement, satiation):
    wants = satisfaction.Wants(scale, requirement, satiation)
    for total in (0.0, 1e-9, 0.3, 2.0):
        worth = satisfaction.marginal(total, wants)
        if worth > 1e-150:
            back = satisfaction.inverse_marginal(worth, wants)
            assert back == pytest.approx(total, rel=1e-9, abs=1e-15 * requirement)
        for other in (0.0, 1e-12, 0.5, 1.0, 5.0):
            above = satisfaction.conjugate(worth, wants) + worth * other
            assert satisfaction.value(other, wants) <= above + 1e-14 * scale * (1 + other / requirement)
    assert satisfaction.conjugate(scale / requirement, wants) <= 1e-15 * scale
    assert satisfaction.conjugate(2 * scale / requirement, wants) == 0.0


def marginal_costs(market, rewards, m, n, row):
    """Throughputs, shadow prices and unit costs of MU ``m`` at ASP ``n`` for rewards ``row`` (G,)."""
    posted = np.repeat(rewards[None], len(row), axis=0)
    posted[:, m, n] = row
    found = follower_response(market, posted)
    u, w = market.compute_cost[n] + found.compute_price[:, n], market.bandwidth_cost[n] + found.bandwidth_price[:, n]
    cost = (np.sqrt(u * market.flops_per_token[n]) + np.sqrt(w * market.bandwidth_per_rate[m, n])) ** 2
    return found.throughput[:, m, n], found.compute_price[:, n], found.bandwidth_price[:, n], cost


@pytest.mark.parametrize("seed", range(60))
def test_slope_of_the_marginal_cost_is_in_its_range(seed):
    rng = np.random.default_rng(seed)
    market = (
        adversarial(rng) if seed % 2 else random_market(rng, int(rng.integers(1, 8)), 1, 10 ** rng.uniform(-1, 1.5))
    )
    rewards = 10 ** rng.uniform(-1.5, 0, market.accuracy.shape) * market.reward_bound[:, None]
    m, n = int(rng.integers(market.num_mus)), int(rng.integers(market.num_asps))
    link = np.empty((9, market.num_mus))
    fill_links(market.flat, 0, n, link)
    asp, others = asp_of(market.flat, 0, n), np.ascontiguousarray(rewards[:, n])
    start = market.reward_bound[m] * 10 ** rng.uniform(-2, 0, 8)
    for low, width in zip(start, 10 ** rng.uniform(-6, 0, 8), strict=True):
        x, compute, bandwidth, cost = marginal_costs(market, rewards, m, n, low * np.linspace(1, 1 + width, 60))
        if not x[-1] > x[0] * (1 + 1e-9):
            continue
        assert (np.diff(cost) >= -1e-9 * cost[0]).all()
        first, last = (Supply(x[i], compute[i], bandwidth[i]) for i in (0, -1))
        least, most = slope_range(link, m, asp, others, first, last, np.zeros(market.num_mus))
        assert 0 <= least <= most
        # Both lines, from either end, lie below the cost, and the other two above it.
        rounding = 1e-10 * cost[-1]
        assert (cost >= cost[0] + least * (x - x[0]) - rounding).all()
        assert (cost <= cost[-1] - least * (x[-1] - x) + rounding).all()
        if most < np.inf:
            assert (cost >= cost[-1] - most * (x[-1] - x) - rounding).all()
            assert (cost <= cost[0] + most * (x - x[0]) + rounding).all()


@given(st.integers(0, 2**32 - 1))
def test_surplus_is_below_its_bound(seed):
    rng = np.random.default_rng(seed)
    spread = rng.choice([0.5, 2.0, 6.0])
    c = (*rng.dirichlet([0.7, 0.7, 0.7]), *10 ** rng.uniform(-spread, spread, 3))
    start = rng.choice([0.0, 10 ** rng.uniform(-spread, spread)])
    x = np.linspace(start, start * rng.uniform(1, 3) + 10 ** rng.uniform(-spread - 3, spread), 400)
    slopes = np.sort(rng.uniform(0, 1, 399)) if rng.random() < 0.5 else rng.choice([0.1, 0.9], 399)
    rise = np.concatenate([[0], np.cumsum(slopes * np.diff(x))])
    cost = rng.uniform(0.01, 1) * qoe.slope(0.0, c) * (1 + 10 ** rng.uniform(-3, 1) * rise / rise[-1])
    slopes = np.diff(cost) / np.diff(x)
    worth = cost[0] / qoe.slope(0.0, c) * 10 ** rng.uniform(0, 3)
    value, slope = (np.array([f(each, c) for each in x]) for f in (qoe.value, qoe.slope))
    surplus = (worth * value - cost * value / slope).max()
    for most in (slopes.max() * (1 + 1e-9), np.inf):
        for target in (-np.inf, surplus + 1e-9 * worth, surplus + 0.1 * worth):
            bound = surplus_bound(worth, c, x[0], x[-1], cost[0], cost[-1], slopes.min() * (1 - 1e-9), most, target)
            assert bound >= surplus - 1e-12 * (worth + abs(surplus))


# As a whole


@pytest.mark.parametrize("name", ["regret_swap", "regret_two_peaks"])
def test_the_better_row_is_found(name, tmp_path):
    market, rewards, m, better = case(name, tmp_path)
    earned = utilities(market, with_row(rewards, m, better))[m]
    found = deviations(market, rewards)
    assert found.utility[m] >= earned * (1 - 1e-9)
    assert earned <= found.utility_bound[m] <= earned * (1 + 1e-8)
    assert utilities(market, with_row(rewards, m, found.rewards[m]))[m] == pytest.approx(found.utility[m], rel=1e-10)


@pytest.mark.parametrize("seed", range(60))
def test_dense_tables_find_nothing_above_the_bound(seed):
    rng = np.random.default_rng(seed)
    market = adversarial(rng)
    if seed >= 40:
        market = market.replace(satiation=random_satiation(rng, market))
    rewards = 10 ** rng.uniform(-2, 0.1, market.accuracy.shape) * market.reward_bound[:, None]
    found, m = deviations(market, rewards), int(rng.integers(market.num_mus))
    best = dense_best(market, rewards, m)
    unit = 1e-13 * market.satisfaction_scale[m]
    assert best <= found.utility_bound[m] + 1e-12 * abs(best) + unit
    assert best <= found.utility[m] + 1e-9 * abs(best) + unit


@given(games(max_mus=8, loads=(1e-4, 0.1, 1.0, 3.0, 30.0)), st.sampled_from([1e-3, 1.0, 1e3]))
def test_bound_and_best_response_meet(game, factor):
    market, rewards = game
    market = market.replace(qoe_requirement=factor * market.qoe_requirement)
    rewards = rewards / factor
    found = deviations(market, rewards)
    unit = market.satisfaction_scale / market.qoe_requirement * np.minimum(1, market.qoe_requirement)
    assert (found.regret >= 0).all()
    assert (found.regret_bound >= found.regret).all()
    assert (found.utility_bound - found.utility <= 1e-6 * found.utility + 1e-12 * unit).all()
    np.testing.assert_allclose(found.current, utilities(market, rewards), rtol=1e-9, atol=1e-12 * unit.max())


@given(games(max_mus=5, max_asps=3, batch=(6,)))
def test_parts_of_the_answer_agree(game):
    market, rewards = game
    found = deviations(market, rewards)
    np.testing.assert_array_equal(leader_regret(market, rewards), found.regret)
    np.testing.assert_array_equal(leader_regret_bound(market, rewards), found.regret_bound)
    np.testing.assert_array_equal(leader_best_response(market, rewards)[0], found.rewards)
    single = deviations(market[3], rewards[3])
    np.testing.assert_array_equal(single.utility_bound, found.utility_bound[3])


# The ugly ends


def ugly_ends():
    rng = np.random.default_rng(0)
    market = random_market(rng, 4, 2, 1.0)
    bound = market.reward_bound[:, None]
    ones = np.ones((4, 2))
    yield "nothing posted", market, 0 * ones
    yield "above the bound", market, 30 * bound * ones
    yield "at the bound", market, bound * ones
    yield "next to nothing posted", market, 1e-300 * ones
    yield (
        "capacity nobody needs",
        market.replace(compute_capacity=[1e12] * 2, bandwidth_capacity=[1e12] * 2),
        0.3 * bound * ones,
    )
    yield "next to no capacity", market.replace(compute_capacity=[1e-9] * 2), 0.3 * bound * ones
    yield (
        "next to no capacities",
        market.replace(compute_capacity=[1e-9] * 2, bandwidth_capacity=[1e-9] * 2),
        0.3 * bound * ones,
    )
    yield (
        "twins",
        market.replace(**{name: np.repeat(getattr(market, name)[:1], 4, axis=0) for name in PER_MU}),
        0.3 * bound[0] * ones,
    )
    yield (
        "half-saturations far apart",
        market.replace(patience=[1e-6, 1e6, 1e-3, 1e3], reasoning_tokens=[1e-3, 1e7]),
        0.3 * bound * ones,
    )
    for factor in (1e-6, 1e9):
        changed = market.replace(qoe_requirement=factor * market.qoe_requirement)
        yield f"requirement times {factor}", changed, 0.3 * changed.reward_bound[:, None] * ones
        for satiation in (2.0, 100.0):
            satiated = changed.replace(satiation=satiation)
            yield (
                f"requirement times {factor}, satiation {satiation}",
                satiated,
                0.3 * changed.reward_bound[:, None] * ones,
            )
    alone = random_market(rng, 1, 1, 1.0)
    for capacity in (1e-6, 1e-3, 1.0):
        scarce = alone.replace(
            compute_capacity=capacity * alone.compute_capacity, bandwidth_capacity=capacity * alone.bandwidth_capacity
        )
        yield f"alone, {capacity} of the capacities", scarce, 0.5 * scarce.reward_bound[:, None]
    # Costs such that the entry threshold is the reward bound, to rounding.
    best = follower_response(alone, [[0.0]])
    assert best.throughput.sum() == 0
    u, w = alone.compute_cost, alone.bandwidth_cost
    cost = (np.sqrt(u * alone.flops_per_token) + np.sqrt(w * alone.bandwidth_per_rate[0])) ** 2
    link = np.empty((9, 1))
    fill_links(alone.flat, 0, 0, link)
    rate = alone.reward_bound * link[6, 0] / cost
    for near in (1 - 1e-12, 1.0, 1 + 1e-12, 1 - 1e-6):
        edge = alone.replace(compute_cost=near * rate * u, bandwidth_cost=near * rate * w)
        yield f"threshold at {near} of the bound", edge, 0.5 * alone.reward_bound[:, None]


PER_MU = (
    *("satisfaction_scale", "qoe_requirement", "qoe_weights", "desired_tokens", "patience", "bits_per_token"),
    *("accuracy", "spectral_efficiency", "base_latency"),
)


def test_a_table_filled_by_proofs_has_room_for_the_climb():
    # Next to no capacity, bounds are as wide as prices are uncertain, and halving cells does not help.
    market, rewards = next(end[1:] for end in ugly_ends() if end[0] == "next to no capacities")
    for k in range(8):
        posted = rewards * (1.0 + 1e-9 * k)
        assert deviations(market, posted).utility[0] == pytest.approx(5.60155655e-05, rel=1e-7)


@pytest.mark.parametrize(("name", "market", "rewards"), [pytest.param(*end, id=end[0]) for end in ugly_ends()])
def test_ugly_ends(name, market, rewards):
    # With next to no capacity, hardly a price is such that the ASP's use of it is exact: the bound is wider for it.
    # With a tiny requirement rewards are a million times as high as others': at an entry threshold, the tolerance of
    # 1e-12 in an ASP's prices decides whether a millionth of a millionth of a token is bought, for 4e-8 credits.
    ends = {
        "next to no capacities": (1e-2, 1e-9),
        "requirement times 1e-06": (1e-6, 1e-7),
        "requirement times 1e-06, satiation 2.0": (1e-6, 1e-7),
        "requirement times 1e-06, satiation 100.0": (1e-6, 1e-5),
    }
    apart, exact = ends.get(name, (1e-6, 1e-9))
    found = deviations(market, rewards)
    before = utilities(market, rewards)
    assert np.isfinite(found.utility_bound).all()
    assert (found.regret >= 0).all()
    assert (found.rewards >= 0).all()
    assert (found.rewards <= market.reward_bound[:, None]).all()
    for m in range(market.num_mus):
        unit = market.satisfaction_scale[m] * min(1.0, 1 / market.qoe_requirement[m])
        tables = dense_best(market, rewards, m)
        assert max(tables, before[m]) <= found.utility_bound[m] + 1e-12 * abs(before[m]) + 1e-12 * unit
        assert tables <= found.utility[m] + 1e-9 * abs(tables) + 1e-12 * unit
        earned = utilities(market, with_row(rewards, m, found.rewards[m]))[m]
        assert earned == pytest.approx(found.utility[m], rel=exact, abs=1e-12 * unit)
        assert found.utility_bound[m] - found.utility[m] <= apart * abs(found.utility[m]) + 1e-12 * unit


# Certificates


def test_a_certificate_asks_the_bound():
    market = random_market(np.random.default_rng(1), 4, 2, 0.3)
    rewards = random_rewards(np.random.default_rng(2), market)
    certificate, found = certify_rewards(market, rewards), deviations(market, rewards)
    np.testing.assert_array_equal(certificate.leader_regret, found.regret)
    np.testing.assert_array_equal(certificate.leader_regret_bound, found.regret_bound)
    needed = certificate.leader_regret_bound.max() / utilities(market, rewards).mean()
    if needed > 0:
        assert certify_rewards(market, rewards, tolerance=needed * (1 + 1e-12)).converged
        assert not certify_rewards(market, rewards, tolerance=needed * (1 - 1e-12)).converged


def test_a_gap_counts_against_what_that_asp_is_paid():
    solved = solve_equilibrium(market := preset_market(0, 8, 4, 1.0))
    assert solved.certificate.converged
    response, paid = follower_response(market, solved.rewards), solved.outcome.payment.sum(axis=0)
    smallest = paid.argmin()
    for share, converged in ((0.9e-9, True), (1.1e-9, False)):
        gap = response.duality_gap.copy()
        gap[smallest] = share * paid[smallest]
        assert gap.max() < 1e-9 * paid.mean()
        assert certify_rewards(market, solved.rewards, replace(response, duality_gap=gap)).converged == converged
