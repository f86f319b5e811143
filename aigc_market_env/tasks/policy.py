"""Policies that are judged: functions from observations to actions, one for each role, or one for all roles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env import spaces
from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.tasks.task import Role, Task

#: From observations (B, agents, entries), float32, to actions in [0, 1]: of MUs (B, M, N), of ASPs (B, N, 2, M). In
#: tasks that show the market itself, from that, batch (B,), to (B, M, N).
Acting = Callable[[Any], npt.ArrayLike]
#: One for each role, or one for all roles of the task.
Policy = Acting | Mapping[Role, Acting]

#: By how much actions may differ for the rounding of other rows.
_ROUNDING = 1e-4


class Actor:
    """What a policy does for one role, checked.

    Args:
        act: the function of observations; with a method ``reset(num_envs, seed)``, that is called before every batch
            of episodes.
        role: for whom it acts.
        num_mus: M.
        num_asps: N.
        own: whether an agent may act on its own row of observations alone.
        check: whether to look, the first time, that it does, and that it does the same when asked again.
    """

    def __init__(self, act: Acting, role: Role, num_mus: int, num_asps: int, *, own: bool, check: bool) -> None:
        self.act, self.role = act, role
        space = spaces.mu_action_space(num_asps) if role == "mu" else spaces.asp_action_space(num_mus)
        self.shape = (num_mus if role == "mu" else num_asps, *space.shape)
        self._own, self._unchecked = own, check

    def reset(self, num_envs: int, seed: int) -> None:
        """Begin a batch of episodes."""
        self._episodes = num_envs, seed
        self._begin()

    def _begin(self) -> None:
        begin = getattr(self.act, "reset", None)
        if callable(begin):
            begin(*self._episodes)

    def __call__(self, observations: Any) -> FloatArray:
        """Actions in [0, 1], as float64.

        Raises:
            ValueError: the policy's answer is no array of finite numbers of the shape that is asked for, or an agent's
                action depends on what others observe.
        """
        actions = self._answer(observations)
        if self._unchecked:
            self._unchecked = False
            self._check(observations, actions)
        return actions

    def _answer(self, observations: Any) -> FloatArray:
        shown = observations if isinstance(observations, Market) else observations.copy()
        answer = self.act(shown)
        lanes = observations.batch_shape[0] if isinstance(observations, Market) else len(observations)
        expected, whose = (lanes, *self.shape), f"actions for {self.role!r}"
        try:
            array = np.asarray(answer)
        except Exception as error:  # of a tensor on another device or with a gradient, a RuntimeError or TypeError
            raise ValueError(f"{whose} must be an array, not a tensor: x.detach().cpu().numpy() ({error})") from None
        if array.dtype.kind not in "fiu" or array.shape != expected:
            found = f"{array.dtype} of shape {array.shape}"
            means = "(markets, MUs, ASPs)" if self.role == "mu" else "(markets, ASPs, 2, MUs)"
            raise ValueError(f"{whose} must be numbers of shape {expected}, {means}; the policy returned {found}")
        if not np.isfinite(array).all():
            raise ValueError(f"{whose} must be finite; the policy returned NaN or infinity")
        clipped: FloatArray = np.clip(array.astype(np.float64), 0.0, 1.0)
        return clipped

    def _check(self, observations: Any, actions: FloatArray) -> None:
        """Act again, and for every agent with the other agents' rows from elsewhere: that must change nothing."""
        self._begin()
        if np.abs(self._answer(observations) - actions).max() > _ROUNDING:
            raise ValueError(
                f"what the policy does for {self.role!r} is not the same when it is asked again: play without noise, "
                "or give the function a method reset(num_envs, seed) that begins its state and its random numbers"
            )
        for agent in range(self.shape[0] if self._own else 0):
            mixed = np.roll(observations, 1, axis=0) if len(observations) > 1 else np.flip(observations, axis=1).copy()
            mixed[:, agent] = observations[:, agent]
            self._begin()
            if np.abs(self._answer(mixed)[:, agent] - actions[:, agent]).max() > _ROUNDING:
                raise ValueError(
                    f"what the policy does for {self.role}_{agent} depends on what other agents observe; in this task "
                    "each acts on its own row (full-v1 and any-v1 show the whole market)"
                )
        self._begin()
        self._answer(observations)  # where it was


def actors(
    task: Task, policy: Policy, num_mus: int, num_asps: int, episodes: tuple[int, int], *, check: bool
) -> dict[Role, Actor]:
    """What a policy does for each role of a task, in episodes of markets of a size, which it is told of.

    Args:
        task: the task.
        policy: one for each role, or one for all.
        num_mus: M.
        num_asps: N.
        episodes: how many, and the seed of the first.
        check: whether to look that it acts as the task says.

    Raises:
        ValueError: the policy is no function, or not one for each role.
    """
    by_role = _by_role(task.roles, policy)
    own = task.view in ("links", "board")
    found = {role: Actor(by_role[role], role, num_mus, num_asps, own=own, check=check) for role in task.roles}
    for actor in found.values():
        actor.reset(*episodes)
    return found


def _by_role(roles: Sequence[Role], policy: Policy) -> Mapping[Role, Acting]:
    if isinstance(policy, Mapping):
        if set(policy) != set(roles) or not all(map(callable, policy.values())):
            raise ValueError(f"policy = {policy!r} must have a function for each of {', '.join(roles)}, and no other")
        return policy
    function: Any = policy
    if not callable(function):
        wanted = ", ".join(f"{role!r}: …" for role in roles)
        raise ValueError(f"policy = {policy!r} must be a function of observations, or one for each role: {{{wanted}}}")
    return dict.fromkeys(roles, function)
