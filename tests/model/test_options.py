"""Options that are numbers: what is none, or none that makes sense, is refused by name."""

import fractions

import numpy as np
import pytest

from aigc_market_env import (
    BatchedMarketEnv,
    DualPerturbation,
    Dynamics,
    Scenario,
    follower_response,
    market_v0,
    nash_conv,
    reward_gradient,
    solve_equilibrium,
)
from aigc_market_env.equilibrium.certificate import certify_rewards
from aigc_market_env.game.followers import demand_at_prices
from aigc_market_env.testing.checks import check_env

DUO = Scenario.preset("duo").sample(0)
REWARDS = np.full((2, 1), 0.5)

NO_NUMBERS = [np.nan, np.inf, -np.inf, "a", "1", b"1", None, [1.0], np.ones(2), True, np.True_, 1j, 10**400]
NO_INTEGERS = [np.nan, np.inf, 1.5, 1.0, "1", b"1", [1], np.ones(2), True, np.True_, 1j, -1]


POSITIVE = {
    "solve_equilibrium": lambda tolerance: solve_equilibrium(DUO, tolerance=tolerance),
    "without certificate": lambda tolerance: solve_equilibrium(DUO, tolerance=tolerance, certify=False),
    "follower_response": lambda tolerance: follower_response(DUO, REWARDS, tolerance=tolerance),
    "certify_rewards": lambda tolerance: certify_rewards(DUO, REWARDS, tolerance=tolerance),
    "BatchedMarketEnv": lambda tolerance: BatchedMarketEnv("duo", 2, tolerance=tolerance),
}


@pytest.mark.parametrize("user", POSITIVE)
@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1, -1e-9])
def test_a_tolerance_is_a_positive_number(user, value):
    with pytest.raises(ValueError, match=r"tolerance = .* must be a finite number > 0"):
        POSITIVE[user](value)


@pytest.mark.parametrize("value", [1e-6, np.float32(1e-6), np.array(1e-6), 1, fractions.Fraction(1, 10**6)])
def test_any_type_of_number_will_do(value):
    assert follower_response(DUO, REWARDS, tolerance=value).compute.shape == (2, 1)


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1])
def test_a_load_is_a_positive_number(value):
    with pytest.raises(ValueError, match=r"load = .* must be a (finite number > 0|positive number, or a range of it)"):
        Scenario.preset("campus", load=value)


@pytest.mark.parametrize("name", ["perturbation", "step_rounds", "raise_by", "lowest"])
@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1])
def test_positive_parameters_of_dual_perturbation(name, value):
    with pytest.raises(ValueError, match=rf"{name} = .* must be a finite number > 0"):
        DualPerturbation(**{name: value})


@pytest.mark.parametrize(
    ("kind", "name"),
    [(DualPerturbation, name) for name in ("perturbation_decay", "averaging_decay", "step_decay")]
    + [(Dynamics, name) for name in ("shadowing_correlation", "request_probability")],
)
@pytest.mark.parametrize("value", [*NO_NUMBERS, -1e-9, 1.1])
def test_shares_are_numbers_from_0_to_1(kind, name, value):
    with pytest.raises(ValueError, match=rf"{name} = .* must be a number in \[0, 1\]"):
        kind(**{name: value})


@pytest.mark.parametrize("value", [*NO_NUMBERS, 0, -1e-9, 1.1])
def test_a_start_is_a_share_of_the_bound(value):
    with pytest.raises(ValueError, match=r"start = .* must be a number above 0 and at most 1"):
        DualPerturbation(start=value)


@pytest.mark.parametrize("value", [*NO_NUMBERS, -1])
def test_shadowing_is_a_number_from_0_on(value):
    with pytest.raises(ValueError, match=r"shadowing_db = .* must be a finite number >= 0"):
        Dynamics(shadowing_db=value)


INTEGERS = {
    "rounds": lambda value: DualPerturbation(rounds=value),
    "num_envs": lambda value: BatchedMarketEnv("duo", value),
    "max_cycles": lambda value: BatchedMarketEnv("duo", 2, max_cycles=value),
    "max_cycles ": lambda value: market_v0.parallel_env("duo", max_cycles=value),
    "max_cycles  ": lambda value: market_v0.env("duo", max_cycles=value),
    "num_mus": lambda value: Scenario.preset("campus", num_mus=value),
    "num_asps": lambda value: Scenario.preset("campus", num_asps=value),
    "seed": lambda value: Scenario.preset("campus").sample(value),
    "seed ": lambda value: BatchedMarketEnv("duo", 2, seed=value),
    "seed  ": lambda value: BatchedMarketEnv("duo", 2).reseed(value),
    "seed   ": lambda value: market_v0.parallel_env("duo").reset(seed=value),
    "seed    ": lambda value: check_env(market_v0.parallel_env("duo"), seed=value),
    "max_steps": lambda value: check_env(market_v0.parallel_env("duo"), max_steps=value),
    "each entry of batch": lambda value: Scenario.preset("campus").sample(0, (2, value)),
}


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("value", NO_INTEGERS)
def test_what_is_counted_is_an_integer(name, value):
    with pytest.raises(ValueError, match=rf"{name.strip()} = .* must be (an integer|at least)"):
        INTEGERS[name](value)


@pytest.mark.parametrize("batch", [3, "3", None])
def test_a_batch_is_a_tuple(batch):
    with pytest.raises(ValueError, match=r"batch = .* must be a tuple of integers >= 0"):
        Scenario.preset("campus").sample(0, batch)


# Arrays beside a market ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["compute_price", "bandwidth_price"])
@pytest.mark.parametrize("value", ["a", None, True, np.ones(3), [[1], [2, 3]]])
def test_prices_are_numbers_of_asps(name, value):
    prices = {"compute_price": 0.1, "bandwidth_price": 0.1} | {name: value}
    with pytest.raises(ValueError, match=rf"{name} must be a number or an array of numbers of shape \(\.\.\., 1\)"):
        demand_at_prices(DUO, REWARDS, **prices)


@pytest.mark.parametrize("value", [1e100, 1e300])
@pytest.mark.parametrize(
    "use",
    [
        lambda rewards: follower_response(DUO, rewards),
        lambda rewards: reward_gradient(DUO, rewards),
        lambda rewards: solve_equilibrium(DUO, start=rewards),
        lambda rewards: nash_conv(DUO, rewards, np.zeros((2, 1)), np.zeros((2, 1))),
    ],
)
def test_rewards_whose_products_would_overflow_are_refused(use, value):
    with pytest.raises(
        ValueError, match=r"(rewards|start)\[1, 0\] = 1e\+[13]00 must be finite and >= 0 and at most 1e\+90"
    ):
        use(np.array([[0.5], [value]]))


@pytest.mark.parametrize("load", [1e40, 1e-40])
def test_a_load_out_of_all_proportion_is_refused_by_field(load):
    with pytest.raises(ValueError, match=r"field 'compute_capacity': .*use another unit"):
        Scenario.preset("campus", load=load).sample(0)


def test_the_largest_rewards_are_taken():
    response = follower_response(DUO, np.full((2, 1), 1e90))
    assert all(np.isfinite(array).all() for array in vars(response).values())
