"""Best responses to others who mix, with a proof: against the search for pure ones, and against dense tables."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markets import LOADS, preset_market, random_market, random_rewards, random_satiation

from aigc_market_env import follower_response
from aigc_market_env.equilibrium.mixed_search import judge
from aigc_market_env.equilibrium.mixture import Mixture
from aigc_market_env.game.leaders import deviations
from aigc_market_env.game.mixture_offers import response_range
from aigc_market_env.game.offers import COLUMNS, LEAST, MOST, RATE, REWARD
from aigc_market_env.model import qoe

GRID = 300


def pure(rewards):
    return Mixture([row[None].copy() for row in rewards], [np.ones(1)] * len(rewards))


def random_mixture(rng, market, mixing):
    """Two or three rows of a few MUs, close to one another or far apart, and one of all others."""
    rewards = random_rewards(rng, market)
    found = pure(rewards)
    for m in rng.permutation(market.num_mus)[:mixing]:
        size = int(rng.integers(2, 4))
        found.rows[m] = rewards[m] * np.exp(rng.choice([0.01, 0.3]) * rng.normal(size=(size, market.num_asps)))
        found.rows[m] = np.minimum(found.rows[m], market.reward_bound[m])
        found.probabilities[m] = rng.dirichlet(np.ones(size))
    return found


def profiles_of_others(mixture, m):
    """Rewards posted in every joint profile of the others, (L, M, N), and probabilities (L,)."""
    sizes = [1 if i == m else len(rows) for i, rows in enumerate(mixture.rows)]
    choices = np.array(list(np.ndindex(*sizes)))
    rewards = np.stack([rows[choices[:, i]] for i, rows in enumerate(mixture.rows)], axis=1)
    weights = np.ones(len(choices))
    for i, probabilities in enumerate(mixture.probabilities):
        if i != m:
            weights *= probabilities[choices[:, i]]
    return rewards, weights


def expected_utilities(market, mixture, m, rows):
    """What rows (G, N) earn MU ``m`` on average, by plain accounting. (G,)"""
    rewards, weights = profiles_of_others(mixture, m)
    posted = np.repeat(rewards[None], len(rows), axis=0)
    posted[:, :, m] = rows[:, None]
    response = follower_response(market, posted)
    return market.outcome(posted, response.compute, response.bandwidth).mu_utility[..., m] @ weights


def dense_rows(market, mixture, m, rng):
    """Rows that tables of what single rewards buy, searched one ASP at a time from many starts, lead to."""
    rewards, weights = profiles_of_others(mixture, m)
    bound, n = market.reward_bound[m], market.num_asps
    grid = np.concatenate([np.geomspace(1e-4, 1.0, GRID)[:, None] * bound * np.ones(n), mixture.rows[m]])
    posted = np.repeat(rewards[None], len(grid), axis=0)
    posted[:, :, m] = grid[:, None]
    response = follower_response(market, posted)
    bought = market.outcome(posted, response.compute, response.bandwidth).qoe[:, :, m]  # (G, L, N)
    omega, q, k = market.satisfaction_scale[m], market.qoe_requirement[m], max(market.satiation[m], 1e-9)
    found = []
    for _ in range(12):
        chosen = rng.integers(len(grid), size=n)
        for _ in range(8):
            for a in range(n):
                others = [b for b in range(n) if b != a]
                rest = bought[chosen[others], :, others].sum(axis=0)
                satisfied = omega / k * -np.expm1(-k * np.log1p((rest + bought[:, :, a]) / q))
                value = satisfied - grid[:, a, None] * bought[:, :, a]
                chosen[a] = (value @ weights).argmax()
        found.append(grid[chosen, np.arange(n)])
    return np.array(found)


@given(st.integers(0, 10_000), st.sampled_from(LOADS), st.booleans())
def test_without_mixing_it_is_the_search_for_pure_best_responses(seed, load, satiated):
    rng = np.random.default_rng(seed)
    market = random_market(rng, int(rng.integers(1, 7)), int(rng.integers(1, 4)), load)
    if satiated:
        market = market.replace(satiation=random_satiation(rng, market))
    rewards = random_rewards(rng, market)
    found, known = judge(market.flat, 0, pure(rewards)), deviations(market, rewards)
    fine = 1e-8 * np.maximum(known.utility, 1e-6 * market.satisfaction_scale)
    assert found.utility == pytest.approx(known.current, rel=1e-9, abs=1e-12 * market.satisfaction_scale.max())
    # Each one's best utility is below the other's bound.
    assert (found.regret + found.utility <= known.utility_bound + fine).all()
    assert (known.utility <= found.bound + found.utility + fine).all()


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(LOADS), st.integers(1, 2), st.booleans())
def test_no_row_earns_more_than_the_bound(seed, load, mixing, satiated):
    rng = np.random.default_rng(seed)
    market = random_market(rng, int(rng.integers(2, 6)), int(rng.integers(1, 4)), load)
    if satiated:
        market = market.replace(satiation=random_satiation(rng, market))
    mixture = random_mixture(rng, market, mixing)
    found = judge(market.flat, 0, mixture)
    for m in range(market.num_mus):
        earned = expected_utilities(market, mixture, m, dense_rows(market, mixture, m, rng))
        own = expected_utilities(market, mixture, m, mixture.rows[m]) @ mixture.probabilities[m]
        rounding = 1e-9 * max(earned.max(), 1e-6 * market.satisfaction_scale[m])
        assert found.utility[m] == pytest.approx(own, rel=1e-9, abs=rounding)
        assert earned.max() <= found.utility[m] + found.bound[m] + rounding
        # The best row is worth what is said, and what dense tables do not beat.
        best = expected_utilities(market, mixture, m, found.best[m][None])[0]
        assert best == pytest.approx(found.utility[m] + found.regret[m], rel=1e-8, abs=rounding)
        assert earned.max() <= best + 0.01 * found.regret[m] + rounding or found.bound[m] > 1.02 * found.regret[m]


@pytest.mark.parametrize("satiation", [0.0, 2.0, 6.0])
@pytest.mark.parametrize("seed", range(6))
def test_the_bound_is_tight_in_markets_of_a_preset(seed, satiation):
    rng = np.random.default_rng(seed)
    market = preset_market(seed, 5, 3, float(np.exp(rng.uniform(-2, 2)))).replace(satiation=satiation)
    mixture = random_mixture(rng, market, 2)
    found = judge(market.flat, 0, mixture)
    assert (found.regret >= 0.0).all()
    assert (found.bound - found.regret <= 1e-7 * (found.utility + found.regret).mean() + 0.01 * found.regret).all()


@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("name", ["satisfaction_scale", "bandwidth_capacity", "qoe_requirement", "bits_per_token"])
def test_fields_far_off_do_no_harm(name, scale):
    rng = np.random.default_rng(3)
    market = preset_market(3, 3, 2, 1.0)
    market = market.replace(**{name: scale * getattr(market, name)})
    mixture = random_mixture(rng, market, 1)
    found = judge(market.flat, 0, mixture)
    assert np.isfinite(found.bound).all()
    for m in range(3):
        earned = expected_utilities(market, mixture, m, dense_rows(market, mixture, m, rng))
        assert earned.max() <= found.utility[m] + found.bound[m] + 1e-9 * market.satisfaction_scale[m]


def test_one_mu_alone_and_nobody_served():
    market = preset_market(1, 1, 1, 1.0)
    mixture = Mixture([market.reward_bound[0] * np.array([[0.2], [0.4]])], [np.array([0.5, 0.5])])
    found = judge(market.flat, 0, mixture)
    assert (found.bound >= found.regret).all()
    assert (found.regret > 0.0).all()
    dear = preset_market(1, 3, 2, 1.0).replace(compute_cost=np.full(2, 1e9))
    nothing = judge(dear.flat, 0, random_mixture(np.random.default_rng(0), dear, 2))
    assert not nothing.utility.any()
    assert (nothing.bound <= 1e-12 * dear.satisfaction_scale).all()


@given(st.integers(0, 10_000))
def test_responses_stay_in_their_range(seed):
    # Any C between two lines of slopes in the range will do; here one of constant slope.
    rng = np.random.default_rng(seed)
    c = (*rng.dirichlet(np.ones(3)), *np.exp(rng.uniform(-4, 4, 3)))
    start, stop = np.sort(np.exp(rng.uniform(-6, 5, 2))) * (rng.random() < 0.8)
    stop = max(stop, start + 1e-6)
    base, slope = np.exp(rng.uniform(-2, 2, 2))
    x = np.linspace(start, stop, 200)
    first, second = np.array([qoe.slope_and_curvature(value, c) for value in x]).T
    rewards = (base + slope * (x - start)) / first
    response = first**2 / (slope - rewards * second)
    a, b = np.zeros(COLUMNS), np.zeros(COLUMNS)
    a[[REWARD, RATE, LEAST, MOST]], b[[REWARD, RATE]] = (rewards[0], x[0], 0.5 * slope, 2 * slope), (rewards[-1], x[-1])
    least, most = response_range(c, a, b)
    assert least <= response.min() * (1 + 1e-9)
    assert response.max() <= most * (1 + 1e-9)
