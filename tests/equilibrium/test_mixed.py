"""Mixed equilibria: against a grid search by plain accounting, certificates, batches, draws."""

import numpy as np
import pytest
from markets import preset_market

from aigc_market_env import Equilibrium, Market, Scenario, follower_response, solve_equilibrium
from aigc_market_env.equilibrium.mixture import Mixture, expected_outcome

#: Markets that have no pure answer: of the preset duo, and small random ones.
DUO_LOADS = (4.5, 5.5, 7.25, 8.0)


def duo(load):
    return Scenario.preset("duo", load=load).sample(0)


def refused():
    """A town of two MUs and two ASPs that the pure oracle is refused in."""
    return Scenario.preset("town", load=3.9433627077266645, num_mus=2, num_asps=2).sample(1734645074)


def utilities(market, first, second):
    """Of both MUs of a duo at all pairs of rewards, (G1, G2, 2), by plain accounting."""
    rewards = np.empty((len(first), len(second), 2, 1))
    rewards[..., 0, 0], rewards[..., 1, 0] = first[:, None], second[None]
    response = follower_response(market, rewards)
    return market.outcome(rewards, response.compute, response.bandwidth).mu_utility


def two_peaks(market, other, low, high):
    """MU 0's two best local peaks against one reward of MU 1, as (rewards, utilities), lower reward first."""
    rewards, earned = np.empty(2), np.empty(2)
    grid = np.geomspace(low, high, 4001)
    values = utilities(market, grid, np.array([other]))[:, 0, 0]
    (peaks,) = np.nonzero((values[1:-1] >= values[:-2]) & (values[1:-1] >= values[2:]))
    peaks = np.sort(peaks[np.argsort(-values[1:-1][peaks])[:2]]) + 1
    for j, peak in enumerate(peaks):
        fine = np.linspace(grid[peak - 1], grid[peak + 1], 4001)
        near = utilities(market, fine, np.array([other]))[:, 0, 0]
        rewards[j], earned[j] = fine[near.argmax()], near.max()
    return rewards, earned


@pytest.mark.parametrize("load", DUO_LOADS)
def test_duo_is_mixed_as_a_grid_search_finds_it(load):
    market = duo(load)
    found = solve_equilibrium(market, mixed=True)
    assert found.kind == "mixed"
    assert found.certificate.converged
    mean = found.outcome.mu_utility.mean()
    assert found.certificate.leader_regret_bound.max() <= 1e-7 * mean
    assert (found.probabilities[0] > 0.0).all()
    assert found.probabilities[1].tolist() == [1.0, 0.0]
    # MU 1 posts what makes MU 0's two peaks equally high.
    low, high = 0.3 * found.supports[0].min(), 3.0 * found.supports[0].max()
    below, above = 0.997 * found.supports[1, 0, 0], 1.003 * found.supports[1, 0, 0]
    sign = np.subtract(*two_peaks(market, below, low, high)[1])
    assert sign * np.subtract(*two_peaks(market, above, low, high)[1]) < 0.0
    for _ in range(30):
        middle = 0.5 * (below + above)
        if np.subtract(*two_peaks(market, middle, low, high)[1]) * sign > 0.0:
            below = middle
        else:
            above = middle
    assert found.supports[1, 0, 0] == pytest.approx(middle, rel=1e-5)
    peaks, _ = two_peaks(market, middle, low, high)
    assert np.sort(found.supports[0, :, 0]) == pytest.approx(peaks, rel=1e-4)
    # And MU 0 mixes so that this is MU 1's best response.
    order = np.argsort(found.supports[0, :, 0])
    step = 1e-3 * middle
    slopes = np.diff(utilities(market, peaks, middle + np.array([-step, step]))[..., 1], axis=1)[:, 0]
    share = slopes[1] / (slopes[1] - slopes[0])
    assert found.probabilities[0][order][0] == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize(
    "market", [duo(7.25), duo(7.25).replace(satiation=1.0), refused()], ids=["duo", "satiated", "town"]
)
def test_no_deviation_exceeds_the_certificate(market):
    found = solve_equilibrium(market, mixed=True)
    assert found.kind == "mixed"
    rng = np.random.default_rng(0)
    mixture = Mixture(
        [rows[weight > 0] for rows, weight in zip(found.supports, found.probabilities, strict=True)],
        [weight[weight > 0] for weight in found.probabilities],
    )
    earned = expected_outcome(market, mixture)[0].mu_utility
    assert earned == pytest.approx(found.outcome.mu_utility, rel=1e-12)
    for m in range(market.num_mus):
        wide = market.reward_bound[m] * np.exp(rng.uniform(np.log(1e-3), 0.0, (400, market.num_asps)))
        near = mixture.rows[m][0] * np.exp(0.1 * rng.normal(size=(400, market.num_asps)))
        for row in np.minimum(np.concatenate([wide, near]), market.reward_bound[m]):
            alone = Mixture(list(mixture.rows), list(mixture.probabilities))
            alone.rows[m], alone.probabilities[m] = row[None], np.ones(1)
            gain = expected_outcome(market, alone)[0].mu_utility[m] - earned[m]
            assert gain <= found.certificate.leader_regret_bound[m] + 1e-12


def test_pure_answers_are_what_they_were():
    markets = Market.stack([preset_market(seed, 4, 3, 1.0) for seed in (0, 1, 3, 4)])
    plain, found = solve_equilibrium(markets), solve_equilibrium(markets, mixed=True)
    assert plain.certificate.converged.all()
    assert (found.kind == "pure").all()
    same(plain, found)


def same(one, another):
    for name, value in vars(one).items():
        other = getattr(another, name)
        if hasattr(value, "__dict__"):
            same(value, other)
        elif value is not None:
            assert np.array_equal(value, other), name


def test_batches_are_singles_to_the_bit(four_threads):
    loads = (1.0, 5.0, 4.0, 7.25)
    batch = Market.stack([duo(load) for load in loads])
    together = solve_equilibrium(batch, mixed=True)
    assert together.kind.tolist() == ["pure", "mixed", "pure", "mixed"]
    assert together.supports.shape == (4, 2, 2, 1)
    for i, load in enumerate(loads):
        alone = solve_equilibrium(duo(load), mixed=True).with_room(2)
        for name in ("rewards", "kind", "supports", "probabilities", "residual", "iterations"):
            assert np.array_equal(getattr(alone, name), getattr(together, name)[i]), name
        for part in ("outcome", "certificate"):
            for name, value in vars(getattr(alone, part)).items():
                assert np.array_equal(value, getattr(getattr(together, part), name)[i]), name


def test_more_batch_axes_and_starts_broadcast():
    market = duo(7.25)
    shares = np.array([[0.2], [0.3], [0.5]])[:, None] * np.ones((2, 1, 2, 1))
    found = solve_equilibrium(market, start=shares * market.reward_bound[:, None], mixed=True)
    assert found.kind.shape == (2, 3)
    assert (found.kind == "mixed").all()
    assert found.supports.shape == (2, 3, 2, 2, 1)
    assert found.outcome.welfare.shape == found.residual.shape == (2, 3)


def test_only_some_are_mixed_and_the_others_repeat_their_row():
    found = solve_equilibrium(Market.stack([duo(1.0), duo(7.25)]), mixed=True)
    assert np.array_equal(found.supports[0, :, 1], found.supports[0, :, 0])
    assert np.array_equal(found.supports[0, :, 0], found.rewards[0])
    assert found.probabilities[0].tolist() == [[1.0, 0.0], [1.0, 0.0]]


def test_expectations_are_those_of_draws():
    market = duo(7.25)
    found = solve_equilibrium(market, mixed=True)
    drawn = found.sample(np.random.default_rng(0))
    assert drawn.shape == (2, 1)
    many = solve_equilibrium(Market.stack([market] * 2), mixed=True)
    rng = np.random.default_rng(1)
    draws = np.array([many.sample(rng)[0] for _ in range(3000)])
    assert set(draws[:, 0, 0]) == set(found.supports[0, :, 0])
    assert (draws[:, 1] == found.supports[1, 0]).all()
    often = (draws[:, 0, 0] == found.supports[0, 0, 0]).mean()
    assert often == pytest.approx(found.probabilities[0, 0], abs=0.03)
    response = follower_response(market, draws)
    outcome = market.outcome(draws, response.compute, response.bandwidth)
    assert outcome.mu_utility.mean(axis=0) == pytest.approx(found.outcome.mu_utility, rel=2e-2)
    weights = found.probabilities[0, :, None]
    assert found.rewards[0] == pytest.approx((weights * found.supports[0]).sum(axis=0), rel=1e-12)
    assert found.outcome.asp_profit == pytest.approx(
        found.outcome.payment.sum(axis=0) - found.outcome.asp_cost, rel=1e-12
    )


def test_draws_depend_on_the_generator_alone():
    found = solve_equilibrium(Market.stack([duo(1.0), duo(7.25)]), mixed=True)
    one, another = (found.sample(np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(one, another)
    assert np.array_equal(one[0], found.rewards[0])


def test_a_probability_that_rounding_leaves_over_is_not_an_unused_row():
    found = solve_equilibrium(duo(7.25), mixed=True).with_room(4)

    class Last:
        def random(self, shape):
            return np.full(shape, np.nextafter(1.0, 0.0))

    row = found.sample(Last())
    assert row[0] == pytest.approx(found.supports[0, 1])
    assert row[1] == pytest.approx(found.supports[1, 0])


def test_room_for_fewer_rows_than_there_are_is_refused_by_name():
    found = solve_equilibrium(Market.stack([duo(1.0), duo(7.25)]), mixed=True)
    with pytest.raises(ValueError, match="most = 1 must be at least 2"):
        found.with_room(1)


def test_without_a_certificate_there_is_nothing_to_refuse():
    with pytest.raises(ValueError, match="certify=True"):
        solve_equilibrium(duo(7.25), certify=False, mixed=True)


def test_kinds_without_mixing():
    assert solve_equilibrium(duo(1.0)).kind == "pure"
    assert solve_equilibrium(duo(7.25)).kind == "none found"
    assert solve_equilibrium(duo(1.0), certify=False).kind == "pure"
    assert isinstance(solve_equilibrium(duo(1.0)), Equilibrium)


def test_what_is_not_good_enough_is_not_called_an_equilibrium():
    found = solve_equilibrium(duo(7.25), mixed=True, tolerance=1e-15)
    assert found.kind == "none found"
    assert not found.certificate.converged
    assert found.certificate.leader_regret_bound.max() <= 1e-6 * found.outcome.mu_utility.mean()
