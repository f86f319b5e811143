"""How many markets the oracle answers when MUs may mix, what that takes, and a search that tries to refute the answers.

    python -m benchmarks.mixed [MARKETS [SEED]]

Markets of all presets in turn, half of them random, at loads 0.05-8, evenly in log; three quarters have 1-12 MUs and
1-5 ASPs, the others up to 20 and 8. Bounds on regrets are relative to the mean utility of the MUs. The search that
tries to refute works by plain accounting alone: tables of what single rewards buy in every profile of the others, and
searches over rows of these, one ASP at a time, from random rows and from those posted.
"""

import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np

from aigc_market_env import Equilibrium, Market, Scenario, follower_response, solve_equilibrium
from aigc_market_env.model import satisfaction
from aigc_market_env.model.parameters import FloatArray

MARKETS = 3000
PRESETS = ("random", "campus", "random", "town", "random", "duo")
#: Rewards in a table, and searches over its rows besides those from what is posted.
GRID, STARTS = 250, 12


@dataclass(frozen=True)
class Answer:
    """What came of one market."""

    name: str
    pure: bool
    kind: str
    bound: float
    sizes: tuple[int, ...]
    seconds: float  # that mixed answers took
    gain: float  # that the search to refute found, of mixed answers and those found pure while mixed ones were sought


def drawn(count: int, seed: int) -> list[tuple[str, dict[str, float], int]]:
    """Presets with their options, and seeds of markets."""
    rng, found = np.random.default_rng(seed), []
    for i in range(count):
        preset, load = PRESETS[i % len(PRESETS)], float(np.exp(rng.uniform(np.log(0.05), np.log(8.0))))
        most = (21, 9) if rng.random() < 0.25 else (13, 6)
        size = (
            {}
            if preset == "duo"
            else {"num_mus": int(rng.integers(1, most[0])), "num_asps": int(rng.integers(1, most[1]))}
        )
        found.append((preset, {"load": load, **size}, int(rng.integers(2**31))))
    return found


def answered(draw: tuple[str, dict[str, float], int]) -> Answer:
    """Solve one market, and try to refute what is new in the answer."""
    preset, options, seed = draw
    market = Scenario.preset(preset, **options).sample(seed)  # type: ignore[arg-type]
    began = time.process_time()
    found = solve_equilibrium(market)
    alone, gain, pure = time.process_time() - began, 0.0, found.kind == "pure"
    seconds = 0.0
    if not pure:
        began = time.process_time()
        found = solve_equilibrium(market, mixed=True)
        seconds = time.process_time() - began - alone
        gain = best_gain(market, found)
    assert found.certificate is not None
    mean = float(found.outcome.mu_utility.mean())
    bound = float(found.certificate.leader_regret_bound.max()) / mean if mean > 0.0 else 0.0
    sizes = tuple(int(size) for size in (found.probabilities > 0.0).sum(axis=-1))
    name = f"{preset:6s} {market.num_mus:2d} x {market.num_asps}, load {options['load']:4.2f}, seed {seed}"
    return Answer(name, bool(pure), str(found.kind), bound, sizes, seconds, gain)


def best_gain(market: Market, found: Equilibrium) -> float:
    """The most that any MU is found to gain by other rewards than those it draws, over the mean utility."""
    rng, gains = np.random.default_rng(0), []
    for m in range(market.num_mus):
        rewards, weights = others_profiles(found, m)
        own = found.supports[m][found.probabilities[m] > 0.0]
        grid = np.geomspace(1e-3, 1.0, GRID)[:, None] * market.reward_bound[m] * np.ones(market.num_asps)
        grid = np.concatenate([grid, own, *(own * (1.0 + step) for step in (-1e-2, -1e-3, -1e-4, 1e-4, 1e-3, 1e-2))])
        posted = np.repeat(rewards[None], len(grid), axis=0)
        posted[:, :, m] = grid[:, None]
        response = follower_response(market, posted)
        bought = market.outcome(posted, response.compute, response.bandwidth).qoe[:, :, m]  # (G, L, N)
        best = max(_climbed(market, m, grid, bought, weights, row) for row in _starts(rng, len(own), grid.shape))
        gains.append(best - found.outcome.mu_utility[m])
    mean = float(found.outcome.mu_utility.mean())
    return max(gains) / mean if mean > 0.0 else 0.0


def others_profiles(found: Equilibrium, m: int) -> tuple[FloatArray, FloatArray]:
    """Rewards in every joint profile of all MUs but ``m``, (L, M, N), and probabilities (L,)."""
    sizes = (found.probabilities > 0.0).sum(axis=-1)
    sizes[m] = 1
    choices = np.array(list(np.ndindex(*sizes)))
    mus = np.arange(len(sizes))
    often = found.probabilities[mus, choices]
    often[:, m] = 1.0
    return found.supports[mus, choices], often.prod(axis=1)


def _starts(rng: np.random.Generator, own: int, shape: tuple[int, ...]) -> list[np.ndarray]:
    """Rows of places in a table to search from: random ones, and the MU's own, which come after the grid."""
    random = [rng.integers(shape[0], size=shape[1]) for _ in range(STARTS)]
    return random + [np.full(shape[1], GRID + a) for a in range(own)]


def _climbed(
    market: Market, m: int, grid: FloatArray, bought: FloatArray, weights: FloatArray, places: np.ndarray
) -> float:
    """What MU ``m`` expects when it picks the best reward of a table in turn at every ASP, until nothing changes."""
    omega, q = market.satisfaction_scale[m], market.qoe_requirement[m]
    asps, expected = np.arange(market.num_asps), -np.inf
    for _ in range(10):
        before = expected
        for n in asps:
            others = asps[asps != n]
            rest, paid = bought[places[others], :, others], grid[places[others], others, None]
            value = (
                satisfaction.values(rest.sum(axis=0) + bought[:, :, n], omega, q) - grid[:, n, None] * bought[:, :, n]
            )
            value = (value - (paid * rest).sum(axis=0)) @ weights
            places[n] = value.argmax()
            expected = float(value.max())
        if expected <= before:
            break
    return expected


def main(count: int, seed: int) -> None:
    """Answer, and print what came of it."""
    solve_equilibrium(Scenario.preset("duo", load=7.25).sample(0), mixed=True)  # compiled
    with ProcessPoolExecutor() as pool:
        found = list(pool.map(answered, drawn(count, seed), chunksize=5))
    refused = [answer for answer in found if not answer.pure]
    mixed = [answer for answer in found if answer.kind == "mixed"]
    bounds = np.array([answer.bound for answer in found])
    held = np.mean([answer.kind != "none found" for answer in found])
    print(f"{count} markets, seed {seed}: pure at once {1.0 - len(refused) / count:.2%}, certificate holds {held:.2%}")
    print(f"  bounds of at most 1e-7 {(bounds <= 1e-7).mean():.2%}, 1e-6 {(bounds <= 1e-6).mean():.2%}, ", end="")
    print(f"1e-4 {(bounds <= 1e-4).mean():.2%}")
    if refused:
        times = np.array([answer.seconds for answer in refused])
        quantiles = f"median {np.median(times):.2f}, mean {times.mean():.2f}, 95th {np.quantile(times, 0.95):.1f}"
        print(f"  {len(refused)} refused, seconds more: {quantiles}, most {times.max():.1f}")
    print(f"  {len(mixed)} mixed; MUs that mix {_counted([sum(n > 1 for n in a.sizes) for a in mixed])}, ", end="")
    print(f"joint profiles {_counted([int(np.prod(a.sizes)) for a in mixed])}")
    certified = [answer for answer in refused if answer.kind != "none found"]
    worst = max((a.gain - a.bound for a in certified), default=0.0)
    print(f"  the search to refute gains at most {max((a.gain for a in certified), default=0.0):.1e}, ", end="")
    print(f"{worst:.1e} more than the bound")
    for answer in found:
        if answer.kind == "none found":
            print(
                f"  none found: {answer.name}: bound {answer.bound:.1e}, {answer.seconds:.1f} s, sizes {answer.sizes}"
            )


def _counted(values: list[int]) -> str:
    return ", ".join(f"{value}: {number}" for value, number in sorted(Counter(values).items()))


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(MARKETS, 2026)[len(given) :])
