"""A check of multi-agent environments that catches what PettingZoo's own tests let through.

PettingZoo's ``parallel_api_test`` accepts observations of NaN, observations outside of their space and rewards of NaN,
and ``parallel_seed_test`` compares a single step. :func:`check_env` is for any PettingZoo environment, AEC or Parallel;
run it beside those tests, not instead of them.
"""

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any, TypeAlias

import numpy as np
from gymnasium.spaces import Space
from pettingzoo import AECEnv, ParallelEnv

from aigc_market_env.market_v0 import parallel_env, raw_env
from aigc_market_env.model.options import positive_integer, whole_number
from aigc_market_env.testing.equivalence import check_forms

Env: TypeAlias = AECEnv[Any, Any, Any] | ParallelEnv[Any, Any, Any]

#: How many steps back what was handed out is compared in every step; at the end everything is.
_LOOK_BACK = 4


def check_env(env: Env, twin: Env | None = None, *, seed: int = 0, max_steps: int = 200) -> None:
    """Play two episodes with random actions and look at all that is handed out.

    * Observations and states lie in their spaces and are finite; rewards are finite numbers; every agent that acted
      gets a reward, a termination, a truncation and an info.
    * Nothing handed out is changed later. A Parallel environment makes new infos in every step.
    * Spaces stay the same objects and equal to what they were.
    * Two environments with the same seed give the same bytes, whatever was played before, to the end of the episode
      and through the next one, which is not seeded.
    * An AEC or Parallel environment of this package gives the same bytes as its other form and as a lane of
      :class:`~aigc_market_env.BatchedMarketEnv`.

    Args:
        env: the environment. It is reset and played.
        twin: another one, made alike; by default a deep copy of ``env``.
        seed: of the first episode and of the actions.
        max_steps: steps (AEC: turns of each agent) after which an episode is cut off.

    Raises:
        AssertionError: something is wrong; the message names the agent, the step and the problem.
        ValueError: ``env`` is no AEC or Parallel environment, or cannot be copied, or a number is not valid.

    Examples:
        >>> from aigc_market_env import market_v0
        >>> check_env(market_v0.parallel_env("duo"))
    """
    if not isinstance(env, AECEnv | ParallelEnv):
        raise ValueError(f"env = {env!r} must be a PettingZoo AECEnv or ParallelEnv")
    seed, max_steps = whole_number("seed", seed, 0), positive_integer("max_steps", max_steps)
    other = _copied(env) if twin is None else twin
    # The twin starts afresh, the environment from amid an episode: an ignored seed shows.
    deque(islice(_play(env, seed + 1, max_steps), 2 * len(env.possible_agents)), maxlen=0)
    spaces = _Spaces(env)
    kept = _Kept(_LOOK_BACK * len(env.possible_agents))
    for turn, again in zip_longest(_play(env, seed, max_steps), _play(other, seed, max_steps)):
        _require_same(turn, again)
        spaces.check(turn)
        kept.add(turn)
    kept.check_all()
    if isinstance(env, raw_env | parallel_env):
        check_forms(env, seed)


@dataclass(frozen=True)
class _Turn:
    """What an agent is handed at once; ``state`` is None when the environment has none."""

    agent: Any
    episode: int
    step: int
    observation: Any
    reward: Any
    termination: Any
    truncation: Any
    info: Any
    state: Any
    fresh_infos: bool

    @property
    def where(self) -> str:
        return f"{self.agent}, episode {self.episode}, step {self.step}"


def _require(condition: object, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _copied(env: Env) -> Env:
    try:
        return copy.deepcopy(env)
    except Exception as error:
        raise ValueError(f"env cannot be copied ({error}); pass a second one made alike as twin=") from error


# Playing -------------------------------------------------------------------------------------------------------------


def _play(env: Env, seed: int, max_steps: int) -> Iterator[_Turn]:
    """Two episodes, the first one seeded, with random actions."""
    samplers = {}
    for position, agent in enumerate(env.possible_agents):
        samplers[agent] = copy.deepcopy(env.action_space(agent))
        samplers[agent].seed(seed + position)
    for episode in range(2):
        episode_seed = seed if episode == 0 else None
        if isinstance(env, AECEnv):
            yield from _play_aec(env, samplers, episode, episode_seed, max_steps)
        else:
            yield from _play_parallel(env, samplers, episode, episode_seed, max_steps)


def _play_aec(
    env: AECEnv[Any, Any, Any], samplers: Mapping[Any, Space[Any]], episode: int, seed: int | None, max_steps: int
) -> Iterator[_Turn]:
    env.reset(seed=seed)
    turns = dict.fromkeys(env.possible_agents, 0)
    for agent in env.agent_iter(max_steps * len(env.possible_agents)):
        observation, reward, termination, truncation, info = env.last()
        # Infos of an AEC environment are attributes that many leave as they are, which is no error.
        state = _state(env)
        yield _Turn(agent, episode, turns[agent], observation, reward, termination, truncation, info, state, False)
        turns[agent] += 1
        env.step(None if termination or truncation else _action(samplers[agent], observation, info))


def _play_parallel(
    env: ParallelEnv[Any, Any, Any], samplers: Mapping[Any, Space[Any]], episode: int, seed: int | None, max_steps: int
) -> Iterator[_Turn]:
    observations, infos = env.reset(seed=seed)
    acting, rewards = list(env.agents), dict.fromkeys(env.agents, 0.0)
    terminations = truncations = dict.fromkeys(env.agents, False)
    _require(acting, f"episode {episode}, step 0: agents is empty after reset()")
    for step in range(max_steps + 1):
        state = _state(env)
        parts = {
            "observation": observations,
            "reward": rewards,
            "termination": terminations,
            "truncation": truncations,
            "info": infos,
        }
        for agent in acting:
            missing = [name for name, by_agent in parts.items() if agent not in by_agent]
            _require(not missing, f"{agent}, episode {episode}, step {step}: {' and '.join(missing)} missing")
            given = {name: by_agent[agent] for name, by_agent in parts.items()}
            yield _Turn(agent, episode, step, **given, state=state, fresh_infos=True)
        acting = list(env.agents)
        if not acting or step == max_steps:
            return
        actions = {agent: _action(samplers[agent], observations[agent], infos[agent]) for agent in acting}
        observations, rewards, terminations, truncations, infos = env.step(actions)


def _action(space: Space[Any], observation: Any, info: Any) -> Any:
    for source in (observation, info):
        if isinstance(source, Mapping) and "action_mask" in source:
            return space.sample(source["action_mask"])
    return space.sample()


def _state(env: Env) -> Any:
    if getattr(env, "state_space", None) is None:
        return None
    try:
        return env.state()
    except NotImplementedError:
        return None


# What is checked -----------------------------------------------------------------------------------------------------


class _Spaces:
    """The spaces of an environment, and whether what is handed out lies in them."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self._first = {
            (kind, agent): getattr(env, kind)(agent)
            for kind in ("observation_space", "action_space")
            for agent in env.possible_agents
        }
        self._copies = copy.deepcopy(self._first)

    def check(self, turn: _Turn) -> None:
        for kind in ("observation_space", "action_space"):
            key = kind, turn.agent
            space = getattr(self._env, kind)(turn.agent)
            _require(space is self._first[key], f"{turn.where}: {kind} is another object than before")
            _require(space == self._copies[key], f"{turn.where}: {kind} has changed to {space}")
        _check_value(turn, "observation", turn.observation, self._first["observation_space", turn.agent])
        if turn.state is not None:
            _check_value(turn, "state", turn.state, self._env.state_space)
        reward = np.asarray(turn.reward)
        finite = reward.shape == () and reward.dtype.kind in "fiu" and np.isfinite(reward)
        _require(finite, f"{turn.where}: reward {turn.reward!r} is not a finite number")
        for name in ("termination", "truncation"):
            value = getattr(turn, name)
            _require(isinstance(value, bool | np.bool_), f"{turn.where}: {name} {value!r} is not a bool")
        _require(isinstance(turn.info, dict), f"{turn.where}: info {turn.info!r} is not a dictionary")


def _check_value(turn: _Turn, name: str, value: Any, space: Space[Any]) -> None:
    for path, array in _arrays(value, name):
        if array.dtype.kind in "fc" and not np.isfinite(array).all():
            entry = np.argwhere(~np.isfinite(array))[0].tolist()
            raise AssertionError(f"{turn.where}: {path}{entry} is {array[tuple(entry)]}")
    if not space.contains(value):
        raise AssertionError(f"{turn.where}: {name} is not in its space {space}: {value!r}")


class _Kept:
    """What was handed out, beside copies of it as it was."""

    def __init__(self, look_back: int) -> None:
        self._look_back = look_back
        self._turns: list[_Turn] = []
        self._copies: list[dict[str, Any]] = []
        self._infos: dict[Any, Any] = {}

    def add(self, turn: _Turn) -> None:
        if self._turns and turn.step != self._turns[-1].step:
            self._check(max(len(self._turns) - self._look_back, 0), f"has changed by step {turn.step}")
        if turn.fresh_infos:
            for agent, info in self._infos.items():
                _require(info is not turn.info, f"{turn.where}: info is an object that {agent} was given before")
        self._infos[turn.agent] = turn.info
        self._turns.append(turn)
        self._copies.append({name: _frozen(getattr(turn, name)) for name in ("observation", "info", "state")})

    def check_all(self) -> None:
        self._check(0, "has changed by the end")

    def _check(self, first: int, problem: str) -> None:
        for turn, copies in zip(self._turns[first:], self._copies[first:], strict=True):
            for name, before in copies.items():
                _require(_frozen(getattr(turn, name)) == before, f"{turn.where}: {name} was overwritten, it {problem}")


def _require_same(turn: _Turn | None, again: _Turn | None) -> None:
    """Whether two environments went on alike; None is what comes after the last turn of one."""
    seeds = "two environments with the same seed and the same actions"
    if turn is None or again is None:
        longer = turn or again
        raise AssertionError(f"{longer and longer.where}: of {seeds}, one has ended")
    for name in ("agent", "episode", "step", "observation", "reward", "termination", "truncation", "state"):
        same = _frozen(getattr(turn, name)) == _frozen(getattr(again, name))
        _require(same, f"{turn.where}: {name} differs between {seeds}")


def _arrays(value: Any, path: str) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """The arrays and numbers that an observation consists of, and how to reach them."""
    if isinstance(value, Mapping):
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, tuple | list):
        parts = enumerate(value)
    else:
        yield path, np.asarray(value)
        return
    for key, part in parts:
        yield from _arrays(part, f"{path}[{key!r}]")


def _frozen(value: Any) -> Any:
    """A copy that compares bit for bit; what is no data compares equal."""
    if isinstance(value, Mapping):
        return {key: _frozen(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_frozen(part) for part in value]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return _frozen(value.tolist())
    if isinstance(value, np.ndarray | np.generic | float | int | bool):
        array = np.asarray(value)
        return array.dtype, array.shape, array.tobytes()
    return value if isinstance(value, str | bytes) else type(value)
