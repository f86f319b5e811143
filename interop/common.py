"""What the trainings are judged by, the same for every library, and the line that each prints."""

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Space
from gymnasium.spaces.utils import flatten_space
from pettingzoo.utils.wrappers import BaseParallelWrapper

from aigc_market_env import BatchedMarketEnv, follower_regret, leader_regret, relative_regret, solve_equilibrium

Arrays = dict[str, npt.NDArray[Any]]

SCENARIO = "duo"
#: Markets and slots that a policy is judged on.
_MARKETS, _SLOTS, _SEED = 32, 16, 10_000
#: The lowest reward of learners on a logarithmic scale, as a share of the bound ω/q; nobody serves for it in a duo.
_LOWEST_SHARE = 1e-2


class LearnerActions(BaseParallelWrapper):
    """Actions in [0, 1] that learners explore well: see :func:`posted` for MUs; of ASPs as vectors (2·M,)."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self._spaces: dict[str, Space[Any]] = {
            agent: flatten_space(env.action_space(agent)) for agent in env.possible_agents
        }

    def action_space(self, agent: str) -> Space[Any]:
        """The agent's action space, always the same object."""
        return self._spaces[agent]

    def step(self, actions: Arrays) -> Any:
        """Take one step."""
        shaped = {agent: np.reshape(action, self.env.action_space(agent).shape) for agent, action in actions.items()}
        return self.env.step({a: posted(x) if a.startswith("mu_") else x for a, x in shaped.items()})


def posted(actions: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What MUs post, as shares of the bound ω/q, on a logarithmic scale: 0 is a hundredth of it, 1 is all of it.

    Rewards at equilibrium span decades. Drawn evenly in log, they teach ASPs to turn away MUs that pay too little.
    """
    shares: npt.NDArray[Any] = _LOWEST_SHARE ** (1.0 - np.clip(actions, 0.0, 1.0))
    return shares


def measure(act: Callable[[Arrays], Arrays], asps: Literal["agents", "best_response"]) -> dict[str, float]:
    """Play markets not trained on with a policy, and compare it with best responses.

    Args:
        act: from observations by group, ``"mu"`` (B, M, D) and ``"asp"`` (B, N, D), to actions (B, M, N) and
            (B, N, 2, M); only ``"mu"`` when ASPs respond exactly.
        asps: how ASPs act.

    Returns:
        Mean utility of an MU and, of ASPs that act, mean profit, credits per slot; and their mean regrets, relative to
        what is earned at the equilibrium, with those of the worst agent, relative to its own.
    """
    env = BatchedMarketEnv(SCENARIO, _MARKETS, asps=asps, max_cycles=None)
    observations, _ = env.reset(seed=_SEED)
    played: dict[str, list[npt.NDArray[Any]]] = {}
    for _ in range(_SLOTS):
        market = env.market
        for _ in range(2 if asps == "agents" else 1):
            observations, *_ = env.step(act(observations))
        served = env.served
        equilibrium = solve_equilibrium(market, certify=False).outcome
        for name, values in {
            "mu_utility": served.mu_utility,
            "asp_profit": served.asp_profit,
            "mu_regret": leader_regret(market, served.rewards),
            "asp_regret": follower_regret(market, served.rewards, served.compute, served.bandwidth),
            "mu_best": equilibrium.mu_utility,
            "asp_best": equilibrium.asp_profit,
        }.items():
            played.setdefault(name, []).append(values)
    slots = {name: np.concatenate(values) for name, values in played.items()}
    measured: dict[str, Any] = {}
    for side, payoff in (("mu", "mu_utility"), ("asp", "asp_profit"))[: 2 if asps == "agents" else 1]:
        regret = relative_regret(slots[f"{side}_regret"], slots[f"{side}_best"])
        measured |= {payoff: slots[payoff].mean(), f"{side}_regret": regret.mean, f"{side}_regret_worst": regret.worst}
    return {name: float(value) for name, value in measured.items()}


def report(
    libraries: tuple[str, ...],
    ran: str,
    train: Callable[[], None],
    act: Callable[[Arrays], Arrays],
    asps: Literal["agents", "best_response"],
) -> None:
    """Train, judge the policy before and after, and print one line of JSON.

    Args:
        libraries: packages whose versions are told, the one that trains first.
        ran: what it trains and how long, in words.
        train: does it.
        act: the policy, see :func:`measure`.
        asps: how ASPs act in the judgement.
    """
    before, start = measure(act, asps), time.perf_counter()
    train()
    seconds, after = time.perf_counter() - start, measure(act, asps)
    versions = {name: version(name) for name in (*libraries, "gymnasium", "pettingzoo", "torch", "numpy")}
    row = {"library": libraries[0], "versions": versions, "ran": ran, "seconds": round(seconds, 1)}
    sys.stdout.write(json.dumps(row | {"before": before, "after": after}) + "\n")
    sys.stdout.flush()


def clipped(actions: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Actions within [0, 1], in the shape that the market takes."""
    return np.clip(np.asarray(actions, dtype=np.float64), 0.0, 1.0).reshape(shape)
