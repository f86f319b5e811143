"""Whether the AEC form, the Parallel form and a lane of a batch are the same game, bit for bit (private)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.market_v0 import parallel_env, raw_env

#: Slots that are played; fewer where the episode is shorter.
_SLOTS = 16

Actions = Mapping[str, np.ndarray[Any, Any]]
#: Observations by agent, and rewards by agent, empty after a reset.
Frame = tuple[dict[str, Any], dict[str, Any]]


def check_forms(env: raw_env | parallel_env, seed: int) -> None:
    """Play the environment beside its other form and beside the middle lane of a batch, with the same random actions.

    Raises:
        AssertionError: they are not the same; the message names the agent, the step and the form.
    """
    options: dict[str, Any] = {"scenario": env.scenario, "asps": env.asps, "view": env.view}
    steps_per_slot = 2 if env.asps == "agents" else 1
    episode = env.max_cycles if isinstance(env, raw_env) else env.max_cycles // steps_per_slot
    slots, horizon = min(_SLOTS, episode), max(episode, 1)
    other: raw_env | parallel_env = parallel_env(**options, max_cycles=horizon * steps_per_slot)
    if isinstance(env, parallel_env):
        other = raw_env(**options, max_cycles=horizon)
    batch = BatchedMarketEnv(env.scenario, 3, asps=env.asps, max_cycles=None, view=env.view)
    batch._engine.set_horizon(horizon)
    rng = np.random.default_rng(seed)
    shapes = {agent: env.action_space(agent).shape for agent in env.possible_agents}
    actions = [{agent: rng.random(shape) for agent, shape in shapes.items()} for _ in range(slots)]
    forms = {
        f"the {'Parallel' if isinstance(other, parallel_env) else 'AEC'} form": _frames(other, seed, actions),
        "a lane of BatchedMarketEnv": _batch_frames(batch, seed, actions),
    }
    own = list(_frames(env, seed, actions))
    for form, frames in forms.items():
        for step, (one, same) in enumerate(zip(own, frames, strict=True)):
            _require_same_frame(one, same, f"step {step}", form)


def _frames(env: raw_env | parallel_env, seed: int, actions: Sequence[Actions]) -> Iterator[Frame]:
    return _aec_frames(env, seed, actions) if isinstance(env, raw_env) else _parallel_frames(env, seed, actions)


def _parallel_frames(env: parallel_env, seed: int, actions: Sequence[Actions]) -> Iterator[Frame]:
    yield env.reset(seed=seed)[0], {}
    for slot in actions:
        for _ in range(2 if env.asps == "agents" else 1):
            observations, rewards, *_ = env.step(slot)
            yield observations, rewards


def _aec_frames(env: raw_env, seed: int, actions: Sequence[Actions]) -> Iterator[Frame]:
    env.reset(seed=seed)
    agents = env.possible_agents
    turns = [agents] if env.asps == "best_response" else [agents[: env.num_mus], agents[env.num_mus :]]
    yield {agent: env.observe(agent) for agent in agents}, {}
    for slot in actions:
        for acting in turns:
            for agent in acting:
                env.step(slot[agent])
            yield {agent: env.observe(agent) for agent in agents}, dict(env.rewards)


def _batch_frames(env: BatchedMarketEnv, seed: int, actions: Sequence[Actions]) -> Iterator[Frame]:
    lane = 1

    def by_agent(groups: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, Any]:
        return {f"{group}_{i}": value for group, rows in groups.items() for i, value in enumerate(rows[lane])}

    yield by_agent(env.reset(seed=[seed + 1, seed, seed + 2])[0]), {}
    for slot in actions:
        stacked = {
            group: np.stack([np.stack([slot[f"{group}_{i}"] for i in range(count)])] * env.num_envs)
            for group, count in (("mu", env.num_mus), ("asp", env.num_asps))
            if group in env.single_action_space
        }
        for _ in range(2 if env.asps == "agents" else 1):
            observations, rewards, *_ = env.step(stacked)
            yield by_agent(observations), by_agent(rewards)


def _require_same_frame(one: Frame, other: Frame, step: str, form: str) -> None:
    for name, own, theirs in zip(("observation", "reward"), one, other, strict=True):
        for agent in own:
            if np.asarray(own[agent]).tobytes() != np.asarray(theirs[agent]).tobytes():
                raise AssertionError(f"{agent}, {step}: {name} differs from that of {form}")
