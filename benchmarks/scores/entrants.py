"""Who is judged: an entrant is a name, the tasks it applies to, and how it comes to a policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.algorithms.ppo import PPO
from agents.algorithms.sac import SAC
from agents.algorithms.set_config import SetConfig
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from aigc_market_env import Market
from aigc_market_env.evaluation.episodes import Mechanism
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import HEADROOM
from aigc_market_env.tasks import Policy, Task, make
from baselines.episodes import AdaptivePacing, EpisodeOracle, EvenSpending, Myopic
from baselines.episodes.dynamic_programming import DynamicProgramming
from benchmarks.scores import bandits, deep, sets
from benchmarks.scores.episode_play import MechanismPlay
from benchmarks.scores.market_play import MarketPlay, Pricing, best_response_dynamics, dual_perturbation, oracle

#: Tasks of MUs whose observations are rows, and all others that are judged.
ROWS = ("campus-v1", "private-v1", "board-v1", "full-v1", "traces-v1", "town-scarce-v1")
OTHERS = ("any-v1", "asps-v1", "campus-both-v1")
#: Tasks of MUs with wallets, of whole episodes.
EPISODES = ("wallet-v1",)


@dataclass(frozen=True)
class Effort:
    """How much an entrant of that name learns from: transitions; updates of the two set policies."""

    ppo: int = 262_144
    mappo: int = 262_144
    sac: int = 131_072
    weights: int = 200_000
    set: int = 400
    set_ppo: int = 400
    ppo_planning: int = 1_000_000
    ppo_myopic: int = 1_000_000

    def of(self, entrant: str) -> int:
        """Of one entrant; 0 where it does not learn, or always from as much."""
        found: int = getattr(self, entrant, 0)
        return found


#: From a task, a seed, how much to learn from and who watches to a policy and the transitions that it took.
Fit = Callable[[Task, int, int, deep.Watch | None], tuple[Policy, int]]


@dataclass(frozen=True)
class Entrant:
    """An algorithm.

    Attributes:
        name: in files.
        label: in tables and figures.
        tasks: it applies to.
        fit: how it comes to a policy.
        privileged: whether it sees the market of the slot, whatever the task shows.
        seeded: whether seeds differ; one run is made otherwise.
        trained_on: the task it learns in, for all tasks at once; by default each task itself.
        watched: tasks in which regret is kept while it learns.
    """

    name: str
    label: str
    tasks: Sequence[str]
    fit: Fit
    privileged: bool = False
    seeded: bool = True
    trained_on: str = ""
    watched: Sequence[str] = ()


class Uniform:
    """Draws from the action space of a role."""

    def __init__(self, task: Task, seed: int, role: str) -> None:
        self._task, self._seed, self._role = task, seed, role

    def reset(self, num_envs: int, first: int) -> None:
        """Begin random numbers."""
        self._rng = np.random.default_rng([self._seed, first])

    def __call__(self, observations: Any) -> FloatArray:
        """Actions; what ASPs give away is scaled to fit."""
        if isinstance(observations, Market):
            return self._rng.random(observations.accuracy.shape)
        scenario, (lanes, agents) = self._task.scenario, observations.shape[:2]
        if self._role == "mu":
            return self._rng.random((lanes, agents, scenario.num_asps))
        shares = self._rng.random((lanes, agents, 2, scenario.num_mus))
        scaled: FloatArray = shares * HEADROOM / np.maximum(shares.sum(axis=-1, keepdims=True), 1.0)
        return scaled


def _uniform(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return {role: Uniform(task, seed, role) for role in task.roles}, 0


def _constant(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return bandits.best_constant(task, seed)


def _weights(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return bandits.multiplicative_weights(task, seed, effort)


def _ppo(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return deep.learn(task, seed, PPO(), effort, watch)


def _without_planning(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return deep.learn(task, seed, PPO(gamma=0.0), effort)


def _mappo(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return deep.learn(task, seed, PPO(), effort, watch, central=True)


def _sac(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
    return deep.learn(task, seed, SAC(), effort, watch)


def _in_market(pricing: Pricing) -> Fit:
    return lambda task, seed, effort, watch: (MarketPlay(task, pricing, seed), 0)


def _in_episodes(mechanism: Callable[[Task], Mechanism]) -> Fit:
    return lambda task, seed, effort, watch: (MechanismPlay(task, mechanism(task)), 0)


def _set(config: type[SetConfig]) -> Fit:
    def fit(task: Task, seed: int, effort: int, watch: deep.Watch | None) -> tuple[Policy, int]:
        policy, transitions = sets.learn(make("any-v1"), seed, config, effort)
        return policy.rewards, transitions

    return fit


#: Mechanisms for episodes: name, label, and how to make one for a task.
_MECHANISMS: tuple[tuple[str, str, Callable[[Task], Mechanism]], ...] = (
    ("episode_oracle", "oracle of the episode", lambda task: EpisodeOracle()),
    (
        "dynamic_programming",
        "dynamic programming",
        lambda task: DynamicProgramming.of(task.scenario, task.horizon),
    ),
    ("adaptive_pacing", "adaptive pacing", lambda task: AdaptivePacing()),
    ("even_spending", "even spending", lambda task: EvenSpending()),
    ("myopic", "myopic", lambda task: Myopic()),
)
_ALL = (*ROWS, "any-v1")
_EACH = (*ROWS, "asps-v1", "campus-both-v1")
ENTRANTS: dict[str, Entrant] = {
    one.name: one
    for one in (
        Entrant("uniform", "uniform", (*ROWS, *OTHERS, *EPISODES), _uniform),
        Entrant("constant", "best constant", ROWS, _constant),
        Entrant("oracle", "oracle", _ALL, _in_market(oracle), privileged=True, seeded=False),
        Entrant("dual", "dual perturbation", _ALL, _in_market(dual_perturbation), privileged=True),
        Entrant("weights", "multiplicative weights", ROWS, _weights),
        Entrant(
            "dynamics",
            "best-response dynamics",
            _ALL,
            _in_market(best_response_dynamics),
            privileged=True,
            seeded=False,
        ),
        Entrant(
            "set",
            "set policy, exact conditions",
            _ALL,
            _set(EquilibriumConfig),
            privileged=True,
            trained_on="any-v1",
        ),
        Entrant(
            "set_ppo",
            "set policy, PPO",
            _ALL,
            _set(SetPPOConfig),
            privileged=True,
            trained_on="any-v1",
        ),
        Entrant("ppo", "PPO", _EACH, _ppo, watched=("campus-v1",)),
        Entrant("mappo", "MAPPO", tuple(name for name in ROWS if name != "full-v1"), _mappo, watched=("campus-v1",)),
        Entrant("sac", "SAC", _EACH, _sac, watched=("campus-v1",)),
        Entrant("ppo_planning", "PPO, planning", EPISODES, _ppo),
        Entrant("ppo_myopic", "PPO, gamma 0", EPISODES, _without_planning),
        *(
            Entrant(name, label, EPISODES, _in_episodes(mechanism), privileged=True, seeded=False)
            for name, label, mechanism in _MECHANISMS
        ),
    )
}
