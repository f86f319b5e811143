"""Levels that stay: what slots cost at given levels, and where the money would then last (docs/wallets.md#levels)."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.analytic import solve_equilibrium
from aigc_market_env.equilibrium.mixed import adapted
from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.level_steps import AcceleratedSteps, DampedSteps
from aigc_market_env.wallets.paths import Purses
from aigc_market_env.wallets.posted import Posted, profiles_of
from aigc_market_env.wallets.spending import SpendingLines, entry_levels

#: Rounds at most, and the error in spending, over utility, that counts as none.
_ROUNDS, SETTLED = 100, 1e-9
#: Where MUs mix, slots take longer to solve: the error is to be no more than this share of the tolerance, and it ends
#: after some rounds in which it did not fall to this share.
_SETTLED_MIXED, _LOWER = 0.01, 0.9
#: How often rows that a slot's mixture has lost are searched for in vain, while levels move.
_VAIN_SEARCHES = 3


class Slots(NamedTuple):
    """Where levels begin, and slots in which rewards stay what they are while levels move."""

    levels: FloatArray  # (T, M)
    held: npt.NDArray[np.bool_]  # (T,)
    posted: Posted | None


class Balanced(NamedTuple):
    """Levels (T, M) and what is posted in slots at them."""

    levels: FloatArray
    posted: Posted
    residual: float  # what the error in spending is worth
    rounds: int
    slots_solved: bool


def balanced_levels(
    path: Market, purses: Purses, begin: Slots, tolerance: float, steps: DampedSteps | AcceleratedSteps
) -> Balanced:
    """The levels of one path (T,) that stay, or the best met.

    Args:
        path: markets of the slots.
        purses: of the MUs.
        begin: where levels begin, and what is posted to begin with.
        tolerance: regret over the episode that counts as none, relative to the mean utility; mixtures are as exact as
            that asks.
        steps: how levels move.
    """
    levels, held, posted = begin
    free, searches = np.flatnonzero(~held), np.full(len(held), _VAIN_SEARCHES)
    lines, best = SpendingLines(path), Balanced(levels, Posted(levels, {}), np.inf, 0, False)
    mixed = posted is not None and bool(posted.mixtures)
    enough, mark, waited = _SETTLED_MIXED * tolerance if mixed else SETTLED, np.inf, 0
    for rounds in range(1, _ROUNDS + 1):
        posted, solved = _solve_slots(path, levels, posted, free, tolerance, searches)
        profiles = profiles_of(path, posted)
        market, response = profiles.market, follower_response(profiles.market, profiles.rewards)
        outcome = market.outcome(profiles.rewards, response.compute, response.bandwidth)
        entry = entry_levels(market, response.compute_price[:, None], response.bandwidth_price[:, None])
        lines.pass_through(levels, profiles.mean(outcome.service_cost), profiles.mean(entry))
        target = lines.levels(purses)
        error = lines.error_of(target, profiles.mean(outcome.mu_utility))
        if error < best.residual:
            best = Balanced(levels, posted, error, rounds, solved)
        mark, waited = (error, 0) if error <= _LOWER * mark else (mark, waited + 1)
        if error <= enough or (mixed and waited == steps.patience):
            break
        levels = steps.moved(levels, target, error)
    return best._replace(rounds=rounds)


def _solve_slots(
    path: Market,
    levels: FloatArray,
    posted: Posted | None,
    free: npt.NDArray[np.int64],
    tolerance: float,
    searches: npt.NDArray[np.int64],
) -> tuple[Posted, bool]:
    """What is posted at these levels, in slots that are not free as it was; and whether all slots are solved.

    ``searches`` (T,): see :func:`~aigc_market_env.equilibrium.mixed.adapted`.
    """
    paced = path.replace(satisfaction_scale=path.satisfaction_scale * levels)
    if posted is None:
        found = solve_equilibrium(paced, certify=False)
        return Posted(found.rewards, {}), bool((found.kind == "pure").all())
    mixed = np.array(sorted(posted.mixtures), dtype=np.int64)
    pure, solved = np.setdiff1d(free, mixed), False
    rewards = posted.rewards.copy()
    if len(pure):
        found = solve_equilibrium(paced[pure], start=rewards[pure], certify=False)
        rewards[pure] = found.rewards
        solved = len(pure) == len(rewards) and bool((found.kind == "pure").all())
    mixtures = adapted(paced.flat, mixed, [posted.mixtures[t] for t in mixed], tolerance, searches)
    return Posted(rewards, {}).with_mixtures(dict(zip(map(int, mixed), mixtures, strict=True))), solved
