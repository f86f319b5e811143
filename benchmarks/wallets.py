"""The oracle for episodes on random paths and wallets: how many are certified, how exactly, and what it takes.

    python -m benchmarks.wallets [oracle [PATHS [FIRST]] | mechanisms [PATHS]]

Paths are of the presets campus, town and random in turn, 32 slots long, or 128, one in four, at loads of 0.3 to 3;
links fade, and what requests are worth varies (AR(1) in the log). One wallet in two is a budget of 20 to 120 % of what
the MU would spend if money were no concern, the others receive that much as income: with a cap of 2 to 16 slots of it,
or without. ``mechanisms`` plays every mechanism for episodes on ``campus`` paths of 32 slots, with a budget of half of
what the MU would spend, or half of it as income and a cap of four slots' income: utility over that of the equilibrium,
and the bound on the regret over the utility of the best deviation found, medians over paths of means over MUs.
Times are processor time, seconds of one core where ``NUMBA_NUM_THREADS=1``.
"""

import sys
import time
from typing import NamedTuple

import numpy as np

from aigc_market_env import (
    Market,
    Scenario,
    Wallet,
    WalletEquilibrium,
    episode_regret,
    solve_equilibrium,
    solve_wallet_equilibrium,
)
from aigc_market_env.model.parameters import FloatArray
from baselines.episodes import EPISODE_MECHANISMS

PRESETS = ("campus", "town", "random")


class Case(NamedTuple):
    """A path, and the wallets on it."""

    name: str
    path: Market
    wallet: Wallet


def path_of(base: Market, num_slots: int, rng: np.random.Generator) -> Market:
    """Markets (T,): every link's fading and every MU's worth of requests is AR(1) in its log."""
    fading, worth, markets = np.zeros(base.accuracy.shape), np.zeros(base.num_mus), []
    for _ in range(num_slots):
        fading = 0.5 * fading + 0.25 * rng.normal(size=fading.shape)
        worth = 0.7 * worth + 0.42 * rng.normal(size=worth.shape)
        efficiency = np.clip(base.spectral_efficiency * np.exp(fading), 0.3, 7.4)
        scale = base.satisfaction_scale * np.exp(worth)
        markets.append(base.replace(spectral_efficiency=efficiency, satisfaction_scale=scale))
    return Market.stack(markets)


def case_of(number: int) -> Case:
    """The case of a number, the same on every run."""
    rng = np.random.default_rng(number)
    preset, num_slots = PRESETS[number % 3], 128 if number % 4 == 3 else 32
    load, share = float(np.exp(rng.uniform(np.log(0.3), np.log(3.0)))), rng.uniform(0.2, 1.2)
    path = path_of(Scenario.preset(preset, load=load).sample(number), num_slots, rng)
    free = solve_equilibrium(path, certify=False).outcome.service_cost.mean(axis=0)
    if number % 8 in (1, 3, 4, 6):
        return Case(f"{preset} {num_slots}", path, Wallet(share * num_slots * free))
    slots = rng.choice([2.0, 4.0, 8.0, 16.0, np.inf])
    income = share * free
    cap = np.full_like(income, np.inf) if slots == np.inf else slots * income
    return Case(f"{preset} {num_slots}", path, Wallet(np.minimum(cap, 4.0 * income), income, cap))


class Result(NamedTuple):
    """What came of a case."""

    name: str
    found: WalletEquilibrium  # pure where that is certified, else with MUs that may mix
    pure: bool  # whether nobody has to
    cap: FloatArray
    seconds: float  # without certificate
    certified: float  # with it
    mixed: float  # with it, where MUs may mix

    @property
    def bound(self) -> float:
        """The largest bound on a regret, over the MUs' mean utility."""
        assert self.found.certificate is not None
        return float(self.found.certificate.regret_bound.max() / self.found.outcome.mu_utility.sum(axis=0).mean())

    @property
    def lowest(self) -> float:
        """The least money of any MU in any slot, over its cap; over what it begins with, where there is none."""
        most = np.where(np.isfinite(self.cap), self.cap, self.found.money[0])
        return float((self.found.money / most).min())


def solved(case: Case) -> Result:
    """The case, solved without certificate, with it, and by mixing where that is refused."""
    start = time.process_time()
    solve_wallet_equilibrium(case.path, case.wallet, certify=False)
    middle = time.process_time()
    found = solve_wallet_equilibrium(case.path, case.wallet)
    end, pure = time.process_time(), bool(found.converged)
    if not pure:
        found = solve_wallet_equilibrium(case.path, case.wallet, mixed=True)
    certified, cap = end - middle, case.wallet.amounts[2]
    mixed = certified if pure else time.process_time() - end
    return Result(case.name, found, pure, cap, middle - start, certified, mixed)


def _line(result: Result) -> str:
    certificate, utility = result.found.certificate, result.found.outcome.mu_utility
    assert certificate is not None
    gain = certificate.regret.max() / utility.sum(axis=0).mean()
    slots = int((certificate.slot_regret_bound.max(axis=1) > 1e-6 * utility.mean()).sum())
    kind = "pure" if result.pure else f"then {result.found.kind}"
    return (
        f"{result.name:12s} {kind:15s} bound {result.bound:.1e} "
        f"deviation found {gain:.1e} slots refused {slots:3d} rounds {int(result.found.rounds):3d} "
        f"residual {float(result.found.residual):.0e} {result.seconds:6.2f} s, {result.certified:6.2f} s certified, "
        f"{result.mixed:6.2f} s mixed"
    )


def oracle(num_paths: int = 200, first: int = 0) -> None:
    """Solve the cases from a number on and print what came of them."""
    solved(case_of(0))  # compile
    results = []
    for number in range(first, first + num_paths):
        result = solved(case_of(number))
        results.append(result)
        print(f"{number:4d} {_line(result)}", flush=True)
    print(
        f"\n{'path':12s} {'paths':>5s} {'pure':>5s} {'mixed':>5s} {'none':>5s} {'rounds':>6s} "
        f"{'bound':>8s} {'worst':>8s} {'s':>7s} {'s certified':>11s} {'s mixed':>8s}"
    )
    for name in sorted({result.name for result in results}):
        group = [result for result in results if result.name == name]
        pure, certified = sum(one.pure for one in group), sum(bool(one.found.converged) for one in group)
        print(
            f"{name:12s} {len(group):5d} {pure:5d} {certified - pure:5d} {len(group) - certified:5d} "
            f"{np.median([int(one.found.rounds) for one in group]):6.0f} "
            f"{np.median([one.bound for one in group]):8.1e} {max(one.bound for one in group):8.1e} "
            f"{np.median([one.seconds for one in group]):7.2f} {np.median([one.certified for one in group]):11.2f} "
            f"{np.median([one.mixed for one in group]):8.2f}"
        )
    print(f"certified: {sum(bool(one.found.converged) for one in results)} of {len(results)}")
    print(f"least money over the cap: {min(one.lowest for one in results):.1e}")
    print(f"least share of a slot paid for: 1 - {max(1 - one.found.time_share.min() for one in results):.1e}")
    print(f"largest bound: {max(one.bound for one in results):.1e} of the mean utility")


def mechanisms(num_paths: int = 8) -> None:
    """Utility and regret of every mechanism for episodes."""
    kinds = {"budget": (16.0, 0.0, np.inf), "income and cap": (2.0, 0.5, 2.0)}
    for kind, amounts in kinds.items():
        figures: dict[str, list[tuple[float, float]]] = {name: [] for name in EPISODE_MECHANISMS}
        for number in range(num_paths):
            rng = np.random.default_rng(1000 + number)  # other paths than those that a step was tuned on
            path = path_of(Scenario.preset("campus").sample(1000 + number), 32, rng)
            free = solve_equilibrium(path, certify=False).outcome.service_cost.mean(axis=0)
            wallet = Wallet(*amounts, "spending").in_credits(free)
            scale = solve_wallet_equilibrium(path, wallet, certify=False).outcome.mu_utility.sum(axis=0)
            for name, mechanism in EPISODE_MECHANISMS.items():
                played = mechanism.run(path, wallet, rng)
                utility = played.outcome.mu_utility.sum(axis=0)
                regret = episode_regret(path, played.rewards, wallet)
                share = regret.regret_bound / (utility + regret.regret)
                figures[name].append((float((utility / scale).mean()), float(share.mean())))
        for name, pairs in figures.items():
            utility, regret = np.median(pairs, axis=0)
            print(f"{kind:15s} {name:16s} utility {utility:6.1%} regret {regret:8.2%}", flush=True)


PARTS = {"oracle": oracle, "mechanisms": mechanisms}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:] or ["oracle"]
    PARTS[name](*map(int, arguments))
