"""Mixed equilibria where no pure one was found, market by market (docs/equilibrium.md#mixed-equilibria)."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from aigc_market_env._numerics.compile import over_markets
from aigc_market_env.equilibrium.certificate import TOLERANCE, Certificate, holds
from aigc_market_env.equilibrium.double_oracle import double_oracle
from aigc_market_env.equilibrium.mixed_search import Judged, MixedSearch, judge
from aigc_market_env.equilibrium.mixture import Mixture, expected_outcome, pure
from aigc_market_env.equilibrium.solution import Equilibrium
from aigc_market_env.equilibrium.two_scales import follow_gains, levelled, rebalanced, settled
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray, MarketArrays

#: A mixture has lost a row that it needs where it is exploited by so many times the tolerance.
_LOST = 10.0

R = TypeVar("R")


def mixed_where_refused(
    market: Market, index: npt.NDArray[np.int64], found: Equilibrium, tolerance: float
) -> Equilibrium:
    """Answers in which refused pure ones have made way for mixtures that are less exploitable.

    Args:
        market: one market or a batch.
        index: the market of ``market.flat`` that each element of the batch belongs to. (B,)
        found: pure answers with certificates; those that hold stay as they are.
        tolerance: regret that still counts as none, relative to the mean expected utility of the MUs.
    """
    assert found.certificate is not None
    batch, pair = found.kind.shape, found.rewards.shape[-2:]
    refused = np.flatnonzero(~found.certificate.converged)
    if not len(refused):
        return found
    starts = [pure(rewards) for rewards in found.rewards.reshape(-1, *pair)[refused]]
    judged = find_mixed(market.flat, index[refused], starts, tolerance)
    most = max(int(answer.mixture.sizes.max()) for answer in judged)
    answers = []
    for i, answer in zip(refused, judged, strict=True):
        own = market[np.unravel_index(index[i], market.batch_shape)] if market.batch_shape else market
        answers.append(_answer(own, answer, found.iterations.reshape(-1)[i], tolerance).with_room(most))
    whole: Equilibrium = _put(found.with_room(most), refused, answers, len(batch))
    return whole


def find_mixed(
    market: MarketArrays, index: npt.NDArray[np.int64], starts: list[Mixture], tolerance: float
) -> list[Judged]:
    """The least exploitable mixtures met from B others, in the markets ``index`` (B,) of a flat batch."""

    def search(i: int) -> Judged:
        search = MixedSearch(market, int(index[i]), starts[i], tolerance)
        if not search.ended():
            follow_gains(search)
        if not search.ended():
            double_oracle(search)
        return search.best

    return _each(len(index), search)


def adapted(
    market: MarketArrays,
    index: npt.NDArray[np.int64],
    mixtures: list[Mixture],
    tolerance: float,
    searches: npt.NDArray[np.int64],
) -> list[Mixture]:
    """Mixtures for markets ``index`` (B,) of a flat batch, a little different from those that they were found in.

    What takes longer follows where it is not enough: log odds alone, the rows climbing at each; two time scales; these
    with the rows of those who mix as they are, where rows would become one; and a search for rows that are missing, in
    markets that have some of their ``searches`` left. One in vain takes one away.
    """

    def adapt(i: int) -> Mixture:
        mixture = mixtures[i]
        search = MixedSearch(market, int(index[i]), mixture, tolerance)
        if mixture.profiles > 1:
            level = search.judge(levelled(search, mixture))
            if level.exploitability <= search.aim:
                return level.mixture
        found = search.judge(settled(search, mixture))
        if found.mixture.profiles < mixture.profiles and found.exploitability > search.aim:
            fixed = search.judge(rebalanced(search, mixture))
            found = fixed if fixed.exploitability < found.exploitability else found
        if found.exploitability <= _LOST * tolerance or searches[index[i]] == 0:
            return found.mixture
        search.best = found
        follow_gains(search)
        searches[index[i]] -= search.best.exploitability > _LOST * tolerance
        return search.best.mixture

    return _each(len(index), adapt)


def judge_mixtures(market: MarketArrays, index: npt.NDArray[np.int64], mixtures: list[Mixture]) -> list[Judged]:
    """Best responses of all MUs against mixtures, in markets ``index`` (B,) of a flat batch."""
    return _each(len(index), lambda i: judge(market, int(index[i]), mixtures[i]))


def _each(size: int, work: Callable[[int], R]) -> list[R]:
    """What is done for every one of a few markets, on all cores."""
    found: dict[int, R] = {}

    def fill(start: int, stop: int) -> None:
        for i in range(start, stop):
            found[i] = work(i)

    over_markets(fill, size, min_slice=1)
    return [found[i] for i in range(size)]


def certify_mixtures(
    market: Market, supports: FloatArray, probabilities: FloatArray, *, tolerance: float = TOLERANCE
) -> Equilibrium:
    """Mixtures that are known, as answers with certificates of their own: nothing is searched but best deviations.

    Args:
        market: a batch (B,).
        supports: rows of rewards that each MU draws from, credits per QoE. (B, M, K, N)
        probabilities: of each row; those of 0 are left out. (B, M, K)
        tolerance: regret that still counts as none, relative to the mean expected utility of the MUs.

    Source: docs/equilibrium.md#mixed-equilibria.
    """
    size = market.batch_shape[0]
    judged: dict[int, Judged] = {}

    def work(start: int, stop: int) -> None:
        for i in range(start, stop):
            drawn = [weights > 0.0 for weights in probabilities[i]]
            rows = [own[kept] for own, kept in zip(supports[i], drawn, strict=True)]
            weights = [own[kept] for own, kept in zip(probabilities[i], drawn, strict=True)]
            judged[i] = judge(market.flat, i, Mixture(rows, weights))

    over_markets(work, size, min_slice=1)
    answers = [_answer(market[i], judged[i], np.int64(0), tolerance) for i in range(size)]
    most = max(answer.supports.shape[-2] for answer in answers)
    whole: Equilibrium = _stacked([answer.with_room(most) for answer in answers])
    return whole


def _stacked(parts: list[Any]) -> Any:
    """Answers of single markets, or what they hold, along a new axis."""
    first = parts[0]
    if is_dataclass(first) and not isinstance(first, type):
        names = [field.name for field in fields(first)]
        return replace(first, **{name: _stacked([getattr(part, name) for part in parts]) for name in names})
    return np.stack(parts)


def _answer(market: Market, judged: Judged, iterations: np.int64, tolerance: float) -> Equilibrium:
    """A mixture in one market as an answer."""
    outcome, gap = expected_outcome(market, judged.mixture)
    converged = holds(market, judged.bound, outcome.mu_utility, gap, outcome.payment, tolerance)
    supports, probabilities = judged.mixture.padded()
    return Equilibrium(
        rewards=outcome.rewards,
        outcome=outcome,
        certificate=Certificate(judged.regret, gap, converged, judged.bound),
        residual=np.array(np.inf),
        iterations=np.array(iterations),
        kind=np.array(("mixed" if judged.mixture.profiles > 1 else "pure") if converged else "none found"),
        supports=supports,
        probabilities=probabilities,
    )


def _put(whole: Any, places: npt.NDArray[np.int64], parts: list[Any], batch_axes: int) -> Any:
    """A copy of a batch of answers, or of what they hold, with single ones in some places of the flat batch."""
    if is_dataclass(whole) and not isinstance(whole, type):
        names = [field.name for field in fields(whole)]
        found = {n: _put(getattr(whole, n), places, [getattr(part, n) for part in parts], batch_axes) for n in names}
        return replace(whole, **found)
    array = np.array(whole, dtype=np.result_type(whole, *parts))
    array.reshape(-1, *array.shape[batch_axes:])[places] = np.stack(parts)
    return array
