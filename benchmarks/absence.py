"""Proofs that there is no equilibrium in pure strategies: how far they get, and what they take.

    python -m benchmarks.absence [duo | random [MARKETS]]

``duo``: the preset at loads with and without an equilibrium, until a tenth or a fiftieth of the least regret met is
left unproven; beside it the regret where the oracle ends. ``random``: of markets of two MUs and one or two ASPs, at
loads 0.3-8, those on which the oracle is refused. Regrets are the largest of any MU, over the mean utility there.
"""

import statistics
import sys
import time

from aigc_market_env import Absence, Equilibrium, Market, Scenario, no_pure_equilibrium, solve_equilibrium

LOADS = (1.0, 2.0, 3.0, 4.0, 4.25, 4.5, 5.0, 6.0, 7.0, 8.0)
RANDOM_LOADS = (0.3, 1.0, 3.0, 8.0)
REPEATS = 5


def timed(market: Market, **options: float) -> tuple[Absence, float]:
    """The proof, and the median of its time in seconds."""
    spent = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        found = no_pure_equilibrium(market, **options)  # type: ignore[arg-type]
        spent.append(time.perf_counter() - began)
    return found, statistics.median(spent)


def oracle_regret(equilibrium: Equilibrium) -> float:
    """The regret where the oracle ends."""
    assert equilibrium.certificate is not None
    return float(equilibrium.certificate.leader_regret.max() / equilibrium.outcome.mu_utility.mean())


def duo() -> None:
    """Every load to two accuracies."""
    no_pure_equilibrium(Scenario.preset("duo", load=8.0).sample(0))  # compiled
    print(f"{'load':>5} {'accuracy':>8} {'proven ε':>10} {'met':>10} {'oracle':>10} {'boxes':>8} {'seconds':>8}")
    for load in LOADS:
        market = Scenario.preset("duo", load=load).sample(0)
        ends = oracle_regret(solve_equilibrium(market))
        for accuracy in (0.1, 0.02):
            found, seconds = timed(market, accuracy=accuracy, max_boxes=1_000_000)
            proven = f"{found.epsilon:10.2e}" if found.proven else f"{'none':>10}"
            print(
                f"{load:5.2f} {accuracy:8.0%} {proven} {found.least_regret:10.2e} {ends:10.2e} {found.boxes:8d} "
                f"{seconds:8.3f}",
                flush=True,
            )


def random(markets: int = 250) -> None:
    """What becomes of markets that the oracle does not certify."""
    for num_asps, max_boxes in ((1, 1_000_000), (2, 40_000)):
        told = {"proven to have none": 0, "an equilibrium met": 0, "open": 0}
        spent = []
        for load in RANDOM_LOADS:
            scenario = Scenario.preset("random", load=load, num_mus=2, num_asps=num_asps)
            for seed in range(markets):
                market = scenario.sample(seed)
                equilibrium = solve_equilibrium(market)
                if equilibrium.certificate is None or equilibrium.certificate.converged:
                    continue
                began = time.perf_counter()
                found = no_pure_equilibrium(market, accuracy=0.9, max_boxes=max_boxes)
                spent.append(time.perf_counter() - began)
                met = found.least_regret <= 1e-6
                verdict = "proven to have none" if found.proven else "an equilibrium met" if met else "open"
                told[verdict] += 1
                print(
                    f"  2 x {num_asps}, load {load:3.1f}, seed {seed:3d}: {verdict:19s} ε {found.epsilon:7.1e}, "
                    f"met {found.least_regret:7.1e}, oracle {oracle_regret(equilibrium):7.1e}, {found.boxes:7d} boxes, "
                    f"{spent[-1]:6.1f} s",
                    flush=True,
                )
        print(f"2 x {num_asps}: the oracle is refused on {len(spent)} of {markets * len(RANDOM_LOADS)} markets:")
        print("  " + ", ".join(f"{verdict} {count}" for verdict, count in told.items()))
        print(f"  {statistics.median(spent):.2f} s (median), {max(spent):.1f} s (largest)")


PARTS = {"duo": duo, "random": random}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or ["duo"]
    PARTS[name](*map(int, arguments))
