"""Leader regrets and their bounds against dense tables, on random and adversarial markets; and what they take.

    python -m benchmarks.regret_bound [check [LINKS] | satiated [LINKS] | gaps | time]

``check`` tabulates what every reward of an MU buys at every ASP, 800 rewards and four zooms of 160 around the best row,
and climbs over the tables from many starts: it knows neither derivatives nor bounds. No bound may be below the best
utility that it meets, no best response worse than it by more than 1e-9. ``satiated`` is the same where half of the MUs
have a satiation of 0 to 6, and some of 50. ``gaps`` tells how far apart bound and best
response are, over the mean utility, at equilibrium points and at random rewards.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np

from aigc_market_env import Market, Scenario, follower_response, solve_equilibrium
from aigc_market_env.equilibrium import certify_rewards
from aigc_market_env.game.leaders import Deviations, deviations
from aigc_market_env.model.parameters import FloatArray

#: Rewards of a table, those of a zoom, zooms, and prices of QoE from whose choices the climb starts.
TABLE, ZOOM, ZOOMS, STARTS = 800, 160, 4, 24
#: Fields that ``adversarial`` puts off by up to a factor of a thousand, one market in three.
MOVED = (
    *("slot_duration", "satisfaction_scale", "qoe_requirement", "desired_tokens", "patience", "bits_per_token"),
    *("compute_capacity", "bandwidth_capacity", "compute_cost", "bandwidth_cost", "flops_per_token"),
    *("reasoning_tokens", "spectral_efficiency", "base_latency"),
)


def adversarial(rng: np.random.Generator) -> Market:
    """A market with what makes best responses hard: crowds at few ASPs, scarcity, half-saturations far apart."""
    crowded = rng.random() < 0.6
    size = (
        (int(rng.integers(5, 26)), int(rng.integers(1, 3)))
        if crowded
        else (int(rng.integers(1, 9)), int(rng.integers(1, 6)))
    )
    scenario = Scenario.preset("random", num_mus=size[0], num_asps=size[1], load=float(10 ** rng.uniform(-1.3, 1.3)))
    market = scenario.sample(int(rng.integers(2**31)))
    kind = rng.integers(3)
    if kind == 1:  # half-saturations far apart
        scale = {
            name: 10 ** rng.uniform(-3, 3, getattr(market, name).shape) for name in ("patience", "reasoning_tokens")
        }
        return market.replace(**{name: factor * getattr(market, name) for name, factor in scale.items()})
    if kind == 2:
        names = rng.choice(MOVED, int(rng.integers(1, 4)), replace=False)
        return market.replace(**{name: 10 ** rng.uniform(-3, 3) * getattr(market, name) for name in names})
    return market


def points(market: Market, rng: np.random.Generator) -> Iterator[tuple[str, FloatArray]]:
    """Rewards to check a market at: near an equilibrium, and at random."""
    shape, bound = market.accuracy.shape, market.reward_bound[:, None]
    found = solve_equilibrium(market, certify=False)
    yield "equilibrium", found.rewards
    yield "random", 10 ** rng.uniform(-3, 0.05, shape) * bound


def dense_best(market: Market, rewards: FloatArray, m: int) -> float:
    """The best utility of MU ``m`` that tables of what its rewards buy lead to."""
    bound, n = market.reward_bound[m], market.num_asps
    posted = np.minimum(rewards[m], bound)
    grid = np.concatenate([np.geomspace(1e-7, 1, TABLE)[:, None] * bound * np.ones(n), posted[None]])
    qoe = _qoe(market, rewards, m, grid)
    best, row = -np.inf, posted
    for worth in np.geomspace(_least_worth(market, m), bound, STARTS):
        chosen = ((worth - grid) * qoe).argmax(axis=0)
        for _ in range(20):
            before = chosen.copy()
            for a in range(n):
                rest = qoe[chosen, np.arange(n)].sum() - qoe[chosen[a], a]
                gain = _satisfaction(market, m, rest + qoe[:, a]) - grid[:, a] * qoe[:, a]
                chosen[a] = gain.argmax()
            if (chosen == before).all():
                break
        bought, paid = qoe[chosen, np.arange(n)], grid[chosen, np.arange(n)]
        utility = _satisfaction(market, m, bought.sum()) - (paid * bought).sum()
        if utility > best:
            best, row = utility, paid
    width = np.log(1e7) / TABLE
    for _ in range(ZOOMS):
        near = np.minimum(row * np.exp(np.linspace(-width, width, ZOOM | 1))[:, None], bound)
        qoe, chosen = _qoe(market, rewards, m, near), np.full(n, ZOOM // 2)
        for _ in range(20):
            for a in range(n):
                rest = qoe[chosen, np.arange(n)].sum() - qoe[chosen[a], a]
                chosen[a] = (_satisfaction(market, m, rest + qoe[:, a]) - near[:, a] * qoe[:, a]).argmax()
        row, bought = near[chosen, np.arange(n)], qoe[chosen, np.arange(n)]
        best = max(best, _satisfaction(market, m, bought.sum()) - (row * bought).sum())
        width *= 4 / ZOOM
    return float(best)


def _satisfaction(market: Market, m: int, qoe: FloatArray) -> FloatArray:
    """The satisfaction of MU ``m``, written out a second time."""
    omega, q, k = market.satisfaction_scale[m], market.qoe_requirement[m], market.satiation[m]
    return omega * np.log1p(qoe / q) if k == 0 else omega / k * -np.expm1(-k * np.log1p(qoe / q))


def _least_worth(market: Market, m: int) -> float:
    """What further QoE is worth to MU ``m`` after all that there is."""
    omega, q, k = market.satisfaction_scale[m], market.qoe_requirement[m], market.satiation[m]
    return max(omega / (q + market.num_asps) * (1 + market.num_asps / q) ** -k, 1e-12 * omega / q)


def _qoe(market: Market, rewards: FloatArray, m: int, rows: FloatArray) -> FloatArray:
    """QoE that each ASP delivers to MU ``m`` for rows of rewards (G, N)."""
    posted = np.repeat(rewards[None], len(rows), axis=0)
    posted[:, m] = rows
    response = follower_response(market, posted)
    return market.outcome(posted, response.compute, response.bandwidth).qoe[:, m]


def satiated(links: int = 20_000, seed: int = 0) -> None:
    """As ``check``, with satiation."""
    check(links, seed, satiation=True)


def check(links: int = 20_000, seed: int = 0, *, satiation: bool = False) -> None:
    """No bound below the tables' best, no best response worse than it by more than 1e-9."""
    rng, done, cases = np.random.default_rng(seed), 0, 0
    worst_row = worst_bound = -np.inf
    below = worse = 0
    while done < links:
        number = int(rng.integers(2**31))
        own = np.random.default_rng(number)
        market = adversarial(own)
        if satiation:
            shape = market.satisfaction_scale.shape
            drawn = np.choose(own.integers(0, 5, shape), [0.0, 0.0, *own.uniform(0, 6, (2, *shape)), 50.0])
            market = market.replace(satiation=drawn)
        for kind, rewards in list(points(market, own)):
            found = deviations(market, rewards)
            for m in own.permutation(market.num_mus)[:4]:
                best = dense_best(market, rewards, m)
                scale = max(abs(best), abs(found.utility[m]), 1e-12 * market.satisfaction_scale[m])
                row, bound = (best - found.utility[m]) / scale, (best - found.utility_bound[m]) / scale
                worst_row, worst_bound = max(worst_row, row), max(worst_bound, bound)
                below, worse, cases = below + (bound > 0), worse + (row > 1e-9), cases + 1
                if bound > 0 or row > 1e-9:
                    print(f"  market {number}, {kind}, MU {m}: row {row:.1e}, bound {bound:.1e}", flush=True)
                done += market.num_asps
    print(f"{done} links, {cases} best responses: {worse} rows worse than the tables' best by more than 1e-9, worst")
    print(f"{worst_row:.1e} of the utility; {below} bounds below it, the nearest {-worst_bound:.1e} above")


def gaps(markets: int = 300) -> None:
    """How far apart bound and best response are, over the mean utility."""
    rng = np.random.default_rng(1)
    apart: dict[str, list[FloatArray]] = {"equilibrium": [], "random": []}
    for i in range(markets):
        if i % 2:
            market = adversarial(rng)
        else:
            size = {"num_mus": int(rng.integers(1, 21)), "num_asps": int(rng.integers(1, 9))}
            market = Scenario.preset("random", load=float(10 ** rng.uniform(-1.3, 0.9)), **size).sample(i)
        utility = solve_equilibrium(market, certify=False).outcome.mu_utility.mean()
        if not utility > 1e-9 * market.satisfaction_scale.mean():  # nobody gets anything worth a bound
            continue
        for kind, rewards in points(market, rng):
            found: Deviations = deviations(market, rewards)
            apart[kind].append((found.utility_bound - found.utility) / utility)
    for kind, found in apart.items():
        gap = np.concatenate(found)
        shares = "  ".join(f"{level:.0e}: {(gap <= level).mean():.2%}" for level in (1e-9, 1e-8, 1e-7, 1e-6, 1e-4))
        print(f"{kind:12s} {len(gap):6d} MUs   within {shares}   largest {gap.max():.1e}")


def times() -> None:
    """A whole market's certificate at the oracle's point, and the oracle with it, one market at a time."""
    for name, sizes, count in (("campus", {}, 60), ("town", {}, 20), ("random", {"num_mus": 100, "num_asps": 20}, 5)):
        markets = [Scenario.preset(name, **sizes).sample(i) for i in range(count)]
        posted = [solve_equilibrium(market, certify=False).rewards for market in markets]
        certify_rewards(markets[0], posted[0])
        spent = [_seconds(market, rewards) for market, rewards in zip(markets, posted, strict=True)]
        m, n = markets[0].accuracy.shape
        middle, largest = 1e3 * np.median(spent), 1e3 * max(spent)
        print(f"{m:4d} x {n:2d}   certificate {middle:8.2f} ms (median), {largest:8.2f} (largest)")


def _seconds(market: Market, rewards: FloatArray) -> float:
    began = time.perf_counter()
    certify_rewards(market, rewards)
    return time.perf_counter() - began


PARTS = {"check": check, "satiated": satiated, "gaps": gaps, "time": times}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or ["check"]
    PARTS[name](*map(int, arguments))
