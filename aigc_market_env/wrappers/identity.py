"""Which agent it is, told to networks that all agents of a side share."""

import numpy as np
from gymnasium.spaces import Box

from aigc_market_env.wrappers.transform import Array, Env, Transform, check_market, transformed


def agent_identity(env: Env) -> Env:
    """Observations that end with a one-hot vector of which MU, or which ASP, it is; other entries stay where they are.

    For weights that all agents of a side share: on one market, where what is best differs by agent, the identity lets
    one network act for each of them. (SuperSuit's ``agent_indicator_v0`` counts both sides together, needs observations
    of one size, and writes the bound of its space, 10, where it says 1 here.)

    Args:
        env: one of this package's AEC or Parallel environments, wrapped or not.

    Raises:
        ValueError: ``env`` is something else.

    Examples:
        >>> from aigc_market_env import market_v0, wrappers
        >>> env = wrappers.agent_identity(market_v0.parallel_env("campus"))
        >>> env.reset(seed=0)[0]["mu_2"][-8:]
        array([0., 0., 1., 0., 0., 0., 0., 0.], dtype=float32)
    """
    check_market(env)
    scenario = env.unwrapped.scenario
    return transformed(env, _Identity(scenario.num_mus, scenario.num_asps))


class _Identity(Transform):
    def __init__(self, num_mus: int, num_asps: int) -> None:
        sides = {"mu": np.eye(num_mus, dtype=np.float32), "asp": np.eye(num_asps, dtype=np.float32)}
        self._who = {f"{side}_{i}": row for side, rows in sides.items() for i, row in enumerate(rows)}

    def observation_space(self, agent: str, space: Box) -> Box:
        who = self._who[agent]
        low, high = np.concatenate([space.low, 0.0 * who]), np.concatenate([space.high, np.ones_like(who)])
        return Box(low, high, dtype=np.float32)

    def observation(self, agent: str, observation: Array) -> Array:
        return np.concatenate([observation, self._who[agent]])
