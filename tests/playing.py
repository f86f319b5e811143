"""How tests play the environments: scenarios, actions, and what an episode came to."""

import itertools
from dataclasses import replace

import numpy as np

from aigc_market_env import Market, Scenario, market_v0

#: Those in which a slot is all that there is, and the one in which money is missing later.
PRESETS, PREPAID = ("duo", "campus", "town", "random", "office", "campus_v1", "town_v1", "traces_v0"), "prepaid"
MODES = ("agents", "best_response")


def busy(name, probability=0.3):
    """A preset whose users change their minds often; those of a trace do as measured."""
    scenario = Scenario.preset(name)
    if scenario.dynamics.trace is not None:
        return scenario
    return replace(scenario, dynamics=replace(scenario.dynamics, request_probability=probability))


def random_actions(rng, env):
    """An action for every agent, of any size between nothing and everything."""
    power = rng.choice([1, 3])
    return {agent: rng.random(env.action_space(agent).shape) ** power for agent in env.possible_agents}


def steps_per_slot(env):
    return 2 if env.asps == "agents" else 1


def play(env, seed, steps, action_seed=0):
    """Reset a Parallel environment, step through episodes, and list all that it hands out."""
    rng = np.random.default_rng(action_seed)
    return [env.reset(seed=seed), *go_on(env, rng, steps)]


def go_on(env, rng, steps):
    seen = []
    for _ in range(steps):
        if not env.agents:
            seen.append(env.reset())
        seen.append((*env.step(random_actions(rng, env)), env.state(), env.posted_rewards))
    return seen


def play_slot(env, actions):
    """One slot of an AEC environment."""
    for agent in env.possible_agents:
        env.step(actions[agent])


def same(one, other):
    """Whether two structures of dictionaries, sequences and arrays are equal bit for bit."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray) and one.dtype == object:
        return one.shape == other.shape and same(one.tolist(), other.tolist())
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return type(one) is type(other) and one == other


def arrays_of(thing):
    """All arrays in a structure of dictionaries, sequences and markets."""
    if isinstance(thing, np.ndarray):
        return [thing]
    if isinstance(thing, Market):
        return [thing.spectral_efficiency, thing.accuracy, thing.desired_tokens, thing.bits_per_token]
    if isinstance(thing, dict):
        thing = list(thing.values())
    return [array for part in thing for array in arrays_of(part)] if isinstance(thing, list | tuple) else []


def decoded(market, actions):
    """Rewards, compute and bandwidth meant by actions: (M, N) each."""
    rewards = np.stack([actions[f"mu_{m}"] for m in range(market.num_mus)]) * market.reward_bound[:, None]
    if "asp_0" not in actions:
        return rewards, None, None
    split = np.stack([actions[f"asp_{n}"] for n in range(market.num_asps)])
    split = split / np.maximum(split.sum(axis=-1, keepdims=True), 1.0)
    return (
        rewards,
        (split[:, 0] * market.compute_capacity[:, None]).T,
        (split[:, 1] * market.bandwidth_capacity[:, None]).T,
    )


VARIANTS = list(itertools.product((*PRESETS, PREPAID), MODES))


def parallel(scenario="duo", asps="best_response", **options):
    return market_v0.parallel_env(scenario, asps=asps, **options)


def random_batch(rng, env):
    groups = {"mu": env.num_mus, "asp": env.num_asps}
    return {
        group: rng.random((env.num_envs, groups[group], *space.shape))
        for group, space in env.single_action_space.items()
    }


def lane_of(arrays, lane):
    """What one lane's Parallel environment would hand out, in order of agents."""
    return [row for array in arrays.values() for row in array[lane]]


def lane_actions(env, actions, lane):
    return dict(zip(env.possible_agents, lane_of(actions, lane), strict=True))


def roll(env, rng, steps):
    return [[*env.step(random_batch(rng, env)), vars(env.served)] for _ in range(steps)]
