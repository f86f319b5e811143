"""What MUs can gain by a search that shares nothing with the oracle's own: random rows, grids and a local ascent.

Only the ASPs' responses are computed as the oracle does, and these carry a duality gap. It can refute an answer that is
called an equilibrium; that it finds nothing proves nothing.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from aigc_market_env import Market, follower_response

#: Rows tried: drawn from all there are, drawn about the one posted, and on a grid of each reward alone.
_FAR, _NEAR, _GRID = 200, 200, 40
#: Rows that the ascent begins from, its rounds, and the first and the last step, as shares of a reward.
_CLIMBED, _ROUNDS, _FIRST_STEP, _LAST_STEP = 4, 40, 0.1, 1e-9
#: Ways in which others mix that are gone through, at most: the likeliest.
_PROFILES = 32

Rows = npt.NDArray[np.float64]


def gains(market: Market, supports: Rows, probabilities: Rows, rng: np.random.Generator) -> Rows:
    """What each MU gains by the best row found, against what the others post or mix; credits per slot. (M,).

    Args:
        market: one market.
        supports: rows that each MU draws from. (M, K, N)
        probabilities: of each row. (M, K)
        rng: of the rows tried.
    """
    return np.array([_gain(market, m, supports, probabilities, rng) for m in range(market.num_mus)])


def _gain(market: Market, m: int, supports: Rows, probabilities: Rows, rng: np.random.Generator) -> float:
    others, weights = _profiles_of_others(m, supports, probabilities)

    def utility(rows: Rows) -> Rows:
        """Expected utility of MU ``m`` by each of its rows. (R, N) -> (R,)."""
        posted = np.broadcast_to(others, (len(rows), *others.shape)).copy()
        posted[:, :, m] = rows[:, None]
        response = follower_response(market, posted)
        expected: Rows = market.outcome(posted, response.compute, response.bandwidth).mu_utility[..., m] @ weights
        return expected

    own = supports[m][probabilities[m] > 0.0]
    rows = np.concatenate([own, _candidates(own, float(market.reward_bound[m]), rng)])
    earned = utility(rows)
    has = probabilities[m][probabilities[m] > 0.0] @ earned[: len(own)]
    best = [_climb(utility, rows[i], float(earned[i]), float(market.reward_bound[m])) for i in _apart(rows, earned)]
    return float(max(best) - has)


def _profiles_of_others(m: int, supports: Rows, probabilities: Rows) -> tuple[Rows, Rows]:
    """What all others may post at once, the likeliest first, and how likely that is. (P, M, N), (P,)."""
    choices = [np.flatnonzero(p) if i != m else np.array([0]) for i, p in enumerate(probabilities)]
    profiles = np.array(list(itertools.product(*choices)))
    mus = np.arange(len(probabilities))
    weights = np.where(mus == m, 1.0, probabilities[mus, profiles]).prod(axis=1)
    likeliest = np.argsort(-weights, kind="stable")[:_PROFILES]
    return supports[mus, profiles[likeliest]], weights[likeliest] / weights[likeliest].sum()


def _candidates(own: Rows, bound: float, rng: np.random.Generator) -> Rows:
    """Rows far from and near to an MU's own ones, with some rewards at zero. (R, N)."""
    num_asps = own.shape[1]
    far = bound * 10.0 ** rng.uniform(-3.0, 0.0, (_FAR, num_asps)) * (rng.uniform(size=(_FAR, num_asps)) > 0.2)
    scale = 10.0 ** rng.uniform(-7.0, 0.0, (_NEAR, 1))
    near = own[rng.integers(len(own), size=_NEAR)] * np.exp(scale * rng.normal(size=(_NEAR, num_asps)))
    alone = np.repeat(own[:1], num_asps * _GRID, axis=0)
    for n in range(num_asps):
        alone[n * _GRID : (n + 1) * _GRID, n] = np.geomspace(1e-3 * bound, bound, _GRID)
    return np.minimum(np.concatenate([far, near, alone]), bound)


def _apart(rows: Rows, earned: Rows) -> list[int]:
    """The best rows, no two within a percent of one another."""
    chosen: list[int] = []
    for i in np.argsort(-earned, kind="stable"):
        if all(np.abs(rows[i] - rows[j]).max() > 0.01 * rows[j].max() for j in chosen):
            chosen.append(int(i))
        if len(chosen) == _CLIMBED:
            break
    return chosen


def _climb(utility: Callable[[Rows], Rows], row: Rows, earned: float, bound: float) -> float:
    """The utility that a pattern search ends at: steps along each reward, halved where none of them gains."""
    step = _FIRST_STEP
    signs = np.concatenate([np.eye(len(row)), -np.eye(len(row)), np.ones((1, len(row))), -np.ones((1, len(row)))])
    for _ in range(_ROUNDS):
        tried = np.minimum(row * np.exp(step * signs), bound)
        found = utility(tried)
        if found.max() > earned:
            row, earned = tried[found.argmax()], float(found.max())
        else:
            step *= 0.3
        if step < _LAST_STEP:
            break
    return earned
