"""Learners without observations: one share for everybody, and multiplicative weights over a grid of shares."""

import math

import numpy as np

from aigc_market_env import BatchedMarketEnv, leader_regret
from aigc_market_env.evaluation.reward_sources import LOWEST_SHARE
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks import Task

#: Shares of the bound to choose from, evenly in the logarithm.
GRID: FloatArray = LOWEST_SHARE ** np.linspace(0.85, 0.0, 18)
#: Markets side by side; slots of each before a constant is chosen.
_LANES, _WARM_UP = 32, 8
#: Step in log weights for a gain of ω, and what is explored at the least.
_STEP, _EXPLORE = 4.0, 0.02


class Constant:
    """Posts the same shares of ω/q in every slot, (M, N), or one number for all links."""

    def __init__(self, shares: FloatArray | float, num_asps: int) -> None:
        self._shares, self._num_asps = shares, num_asps

    def __call__(self, observations: FloatArray) -> FloatArray:
        """(B, M, N)."""
        return np.broadcast_to(self._shares, (*observations.shape[:2], self._num_asps))


def best_constant(task: Task, seed: int) -> tuple[Constant, int]:
    """The share of least regret in training markets; and the transitions that it took."""
    env = _markets(task, seed)
    env.reset()
    for _ in range(_WARM_UP):
        env.step({"mu": np.full((_LANES, env.num_mus, env.num_asps), 0.1)})
    market = env.market
    bound = np.broadcast_to(market.reward_bound[..., None], market.accuracy.shape)
    regrets = [float(leader_regret(market, share * bound).mean()) for share in GRID]
    transitions = _LANES * env.num_mus * (_WARM_UP + len(GRID))
    return Constant(float(GRID[int(np.argmin(regrets))]), env.num_asps), transitions


def multiplicative_weights(task: Task, seed: int, transitions: int) -> tuple[Constant, int]:
    """Every MU has weights over the grid for every ASP, and learns them from its own payoffs alone.

    w ← w exp(η ĝ), ĝ the mean payoff with a share less the mean payoff, in ω, weighted by how rarely it was drawn: Exp3
    (Auer et al. 2002, SIAM J. Computing 32(1)) over markets side by side. In the end the likeliest share is played.

    Returns:
        What is played, and the transitions that it took.
    """
    env, rng = _markets(task, seed), np.random.default_rng([seed, 1])
    env.reset()
    shape, slots = (env.num_mus, env.num_asps), max(transitions // (_LANES * env.num_mus), 1)
    logs = np.zeros((*shape, len(GRID)))
    for slot in range(slots):
        weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
        chances = (1.0 - _EXPLORE) * weights / weights.sum(axis=-1, keepdims=True) + _EXPLORE / len(GRID)
        drawn = (rng.random((_LANES, *shape, 1)) > chances.cumsum(axis=-1)[..., :-1]).sum(axis=-1)
        scale = env.base_market.satisfaction_scale
        _, payoffs, *_ = env.step({"mu": GRID[drawn]})
        gained = payoffs["mu"] / scale
        gained = gained - gained.mean(axis=0)
        chosen = drawn[..., None] == np.arange(len(GRID))
        estimate = (chosen * gained[:, :, None, None]).sum(axis=0) / (_LANES * chances)
        logs += _STEP / math.sqrt(1.0 + slot / 50.0) * estimate
    return Constant(GRID[logs.argmax(axis=-1)], env.num_asps), slots * _LANES * env.num_mus


def _markets(task: Task, seed: int) -> BatchedMarketEnv:
    env = task.batched_env(_LANES, seed * 10**6)
    assert isinstance(env, BatchedMarketEnv)
    return env
