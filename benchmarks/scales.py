"""Providers' best responses where fields are off by a million either way; the worst are named.

Run from the repository's root: ``python -m benchmarks.scales [batches]``, of 8 markets each. Markets of the presets, of
1-12 MUs and 1-4 ASPs at loads from 1e-4 to 1e4, have no field, one, some or all of them multiplied by up to 10^±6, by
one factor or entry by entry. Rewards are shares of the bound, or lie around the entry thresholds, some of them nearer
than a thousand roundings.

Every duality gap is judged against what that ASP is paid: as the library tells it and, where the platform has extended
precision, computed anew from no more than prices and allocation. An ASP that serves nobody has to have no gap and
no shadow prices.

What extended precision adds: an MU whose reward is within a rounding (a relative ε = 2^-52) of its entry threshold may
be worth up to r ε² more than double precision can tell. That is above 1e-9 of what an ASP is paid only where this is
below 1e-22 of its rewards, the capacity being that small to whom it serves.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from aigc_market_env import FollowerResponse, Market, Scenario, follower_response
from aigc_market_env.model.parameters import FIELDS

BATCHES = 1500
SIZE = 8
TOLERANCE = 1e-9
#: What a gap may hide, of the rewards posted: the square of a few roundings.
HIDDEN = 16 * np.finfo(np.float64).eps ** 2
EXTENDED = np.finfo(np.longdouble).eps < 1e-18

Array = npt.NDArray[np.floating]


def rescaled(rng: np.random.Generator, market: Market, names: Sequence[str], power: float = 6.0) -> Market:
    """A batch of markets with the fields ``names`` off by up to 10^±``power``.

    Half the time every entry has a factor of its own, half the time all have the largest.
    """
    by_entry, largest = rng.random() < 0.5, rng.random() < 0.5
    changes = {}
    for name in names:
        value = getattr(market, name)
        shape = value.shape if by_entry else (len(value), *(1,) * (value.ndim - 1))
        exponent = rng.choice([-power, power], shape) if largest else rng.uniform(-power, power, shape)
        new = value * 10**exponent
        if name == "qoe_weights":
            new /= new.sum(axis=-1, keepdims=True)
        changes[name] = np.minimum(new, FIELDS[name].upper)
    return market.replace(**changes)


def entry_rewards(market: Market) -> Array:
    """Rewards (..., M, N) at which an ASP without shadow prices begins to serve, C/Q'(0)."""
    asps = ("compute_cost", "bandwidth_cost", "flops_per_token")
    u, w, kappa = (getattr(market, name)[..., None, :] for name in asps)
    slope = sum(v / k for v, k in _terms(market, np.float64))
    return (np.sqrt(u * kappa) + np.sqrt(w * market.bandwidth_per_rate)) ** 2 / slope


def some_rewards(rng: np.random.Generator, market: Market) -> Array:
    """Shares of the bound, one in ten zero; around the thresholds, widely or closely; or off by up to 10^±6."""
    shape = market.accuracy.shape
    share = 10 ** rng.uniform(-3, 0, shape) * (rng.random(shape) > 0.1)
    kind = rng.integers(4)
    if kind == 0:
        return share * market.reward_bound[..., None]
    if kind == 1:
        return share * 10 ** rng.uniform(2, 4) * entry_rewards(market)
    if kind == 2:
        return (1 + 10 ** rng.uniform(-17, 1, shape)) * entry_rewards(market)
    return share * market.reward_bound[..., None] * 10 ** rng.uniform(-6, 6, shape)


def batch(seed: int) -> tuple[str, Market, Array]:
    """What is off, a batch of markets, and rewards."""
    rng = np.random.default_rng(seed)
    preset = str(rng.choice(["random", "town", "campus"]))
    size = {"num_mus": int(rng.integers(1, 13)), "num_asps": int(rng.integers(1, 5))}
    scenario = Scenario.preset(preset, load=float(10 ** rng.uniform(-4, 4)), **size)
    market = Market.stack([scenario.sample(int(s)) for s in rng.integers(2**31, size=SIZE)])
    names = [name for name in FIELDS if name != "satiation"]  # which providers do not care about
    chosen = ([], [str(rng.choice(names))], [n for n in names if rng.random() < 0.4], names)[rng.integers(4)]
    off = {0: "no field", len(names): "every field"}.get(len(chosen), ", ".join(chosen))
    market = rescaled(rng, market, chosen)
    return f"{preset} {market.num_mus}x{market.num_asps}, off: {off}", market, some_rewards(rng, market)


def exact_gap(market: Market, rewards: Array, response: FollowerResponse) -> tuple[Array, Array]:
    """Dual at the shadow prices minus profit at the allocation, and payments; (..., N), in extended precision.

    The model is written out a second time; throughputs at the prices are bisected.
    """
    big = {name: getattr(market, name).astype(np.longdouble) for name in FIELDS}
    r, f, b = (array.astype(np.longdouble) for array in (rewards, response.compute, response.bandwidth))
    kappa = big["flops_per_token"][..., None, :]
    sigma = big["bits_per_token"][..., None] / (big["spectral_efficiency"] * np.longdouble(1e6))
    u = (big["compute_cost"] + response.compute_price)[..., None, :]
    w = (big["bandwidth_cost"] + response.bandwidth_price)[..., None, :]
    cost = (np.sqrt(u * kappa) + np.sqrt(w * sigma)) ** 2
    terms = _terms(market, np.longdouble)
    x = _best_throughput(r, cost, terms)
    surplus = r * _qoe(x, terms) - cost * x
    scarce = response.compute_price * big["compute_capacity"] + response.bandwidth_price * big["bandwidth_capacity"]
    with np.errstate(divide="ignore"):
        payments = (r * _qoe(1 / (kappa / f + sigma / b), terms)).sum(axis=-2)
    spent = big["compute_cost"] * f.sum(axis=-2) + big["bandwidth_cost"] * b.sum(axis=-2)
    return surplus.sum(axis=-2) + scarce - (payments - spent), payments


def _terms(market: Market, real: Callable[..., Array]) -> list[tuple[Array, Array]]:
    """Credits v and half-credit throughputs k, (..., M, N), of accuracy, token count and timeliness."""
    big = {name: np.asarray(getattr(market, name), real) for name in FIELDS}
    slot, tokens = big["slot_duration"][..., None, None], big["desired_tokens"][..., None]
    weights, patience = big["qoe_weights"][..., None, :], big["patience"][..., None]
    tolerance = patience + big["base_latency"]
    return [
        (weights[..., 0] * big["accuracy"], big["reasoning_tokens"][..., None, :] / slot),
        (weights[..., 1], tokens / slot),
        (weights[..., 2] * patience / tolerance, tokens / tolerance),
    ]


def _qoe(x: Array, terms: list[tuple[Array, Array]]) -> Array:
    return sum(v * x / (x + k) for v, k in terms)


def _best_throughput(rewards: Array, cost: Array, terms: list[tuple[Array, Array]]) -> Array:
    """Where rQ(x) - Cx is largest, by bisection on log x; below √(r Σvk / C)."""
    served = rewards * sum(v / k for v, k in terms) > cost
    high = np.sqrt(np.where(served, rewards * sum(v * k for v, k in terms) / cost, 1))
    low = high * np.longdouble(1e-40)
    for _ in range(90):
        middle = np.sqrt(low * high)
        worth = rewards * sum(v * k / (middle + k) ** 2 for v, k in terms) > cost
        low, high = np.where(worth, middle, low), np.where(worth, high, middle)
    return np.where(served, low, 0)


def judge(market: Market, rewards: Array, response: FollowerResponse) -> tuple[Array, Array]:
    """The gap told, relative to payments, and what it hides, relative to what rounding may hide; (..., N) each.

    The first is infinite where an ASP that serves nobody has a gap or shadow prices.
    """
    gap, payments = exact_gap(market, rewards, response)
    prices = response.compute_price + response.bandwidth_price
    idle = payments <= 0
    told = np.where(idle, np.where((prices > 0) | (response.duality_gap > 0), np.inf, 0.0), response.duality_gap)
    hidden = (gap - response.duality_gap) / (1e-13 * payments + HIDDEN * rewards.sum(axis=-2) + 1e-300)
    return (told / np.where(idle, 1, payments)).astype(float), hidden.astype(float)


def search(batches: int = BATCHES) -> list[tuple[float, float, str]]:
    """Every ASP's two figures of :func:`judge`, and its name."""
    rows = []
    for seed in range(batches):
        name, market, rewards = batch(seed)
        told, hidden = judge(market, rewards, follower_response(market, rewards))
        rows += [
            (told[i], hidden[i], f"batch {seed}, market {i[0]}, ASP {i[1]}: {name}") for i in np.ndindex(told.shape)
        ]
    return rows


def main() -> None:
    """Search, and name the worst."""
    rows = search(int(sys.argv[1]) if len(sys.argv) > 1 else BATCHES)
    told, hidden = (np.array([row[i] for row in rows]) for i in (0, 1))
    print(f"{len(rows)} ASPs; {(told > TOLERANCE).sum()} with a gap above {TOLERANCE} of what they are paid")
    for title, figures in (("Widest gaps, of payments", told), ("Most hidden, of what rounding may hide", hidden)):
        if title.startswith("Most") and not EXTENDED:
            print("No extended precision on this platform: gaps are as told.")
            continue
        print(title)
        for i in np.argsort(-figures)[:5]:
            print(f"  {figures[i]:.1e}  {rows[i][2]}")


if __name__ == "__main__":
    main()
