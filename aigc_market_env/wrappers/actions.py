"""Actions that learners explore well: on a logarithmic scale, and as vectors."""

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box

from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.options import positive_number
from aigc_market_env.wrappers.transform import Array, Env, Transform, transformed


def log_actions(env: Env, lowest: float = 1e-3) -> Env:
    """Actions from -1 to 1, on a logarithmic scale: -1 is the share ``lowest``, 1 is 1, 0 their geometric mean.

    For learners with Gaussian noise. Rewards at equilibrium span two decades, most of them below a tenth of the bound
    ω/q, and what an MU loses by missing its best reward depends on the relative error; so do an ASP's shares of its
    capacities. On a linear scale noise that is right for one is far too wide for another. What is below -1 is nothing.

    Args:
        env: one of this package's AEC or Parallel environments, wrapped or not.
        lowest: the share at -1, above 0 and below 1; so low that nobody serves for it.

    Raises:
        ValueError: ``env`` is something else, or ``lowest`` is.

    Examples:
        >>> from aigc_market_env import market_v0, wrappers
        >>> env = wrappers.log_actions(market_v0.parallel_env("campus", asps="best_response"))
        >>> env.action_space("mu_0")
        Box(-1.0, 1.0, (4,), float32)
    """
    if not positive_number("lowest", lowest) < 1.0:
        raise ValueError(f"lowest = {lowest!r} must be below 1, the share at the other end of the scale")
    return transformed(env, _Log(float(lowest)))


def flatten_actions(env: Env) -> Env:
    """Actions as vectors: an ASP's (2, M) as (2·M,), compute for each MU and then bandwidth; an MU's are already.

    For learners that take vectors alone, and for SuperSuit's ``pad_action_space_v0``, which wants as many dimensions of
    everybody.

    Args:
        env: one of this package's AEC or Parallel environments, wrapped or not.

    Raises:
        ValueError: ``env`` is something else.

    Examples:
        >>> from aigc_market_env import market_v0, wrappers
        >>> env = wrappers.flatten_actions(market_v0.parallel_env("campus"))
        >>> env.action_space("asp_0")
        Box(0.0, 1.0, (16,), float32)
    """
    return transformed(env, _Flat())


class _Log(Transform):
    def __init__(self, lowest: float) -> None:
        self._lowest = lowest

    def action_space(self, space: Box) -> Box:
        return Box(-1.0, 1.0, space.shape, np.float32)

    def action(self, action: Array, inside: Box) -> Array:
        shares = np.empty(action.shape)
        _fill_shares(action.reshape(-1), self._lowest, shares.reshape(-1))
        return shares


class _Flat(Transform):
    def action_space(self, space: Box) -> Box:
        return Box(space.low.ravel(), space.high.ravel(), dtype=np.float32)

    def action(self, action: Array, inside: Box) -> Array:
        return action.reshape(inside.shape)


@compiled
def _fill_shares(outputs: npt.NDArray[np.floating], lowest: float, shares: npt.NDArray[np.float64]) -> None:
    """Shares from outputs in [-1, 1]; beyond, shares out of range, which the environment clips and counts."""
    for i in range(outputs.shape[0]):
        output = min(outputs[i], 2.0)
        shares[i] = lowest ** (0.5 * (1.0 - output)) if output >= -1.0 else -1.0
