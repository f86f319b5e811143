"""The environments of others that ours are measured beside, each at its best on this machine.

They are imported when they are made, so that one that is not installed is missing alone. Every peer has 12 agents, as
``campus`` has, and plays episodes of 64 steps with actions drawn beforehand; resets count.

* VMAS (1.5): continuous actions, gradients off, torch on all cores.
* JaxMARL (0.2): discrete actions, which are its default and the cheaper ones, auto-reset as its ``step`` does it, the
  batch sharded over the cores. Once as a Python loop of jitted steps
  with one synchronisation at the end, and once as jitted scans over many steps: no Python in between, though with no
  learner outside of JAX either. Observations are carried through the scan: otherwise XLA would notice that nobody looks
  at them and not compute any.
* mpe2's simple_spread, the PettingZoo environment.
"""

import functools
import itertools
import os
import time
from typing import Any

from benchmarks.loops import DRAWN, EPISODE, AecLoop, ParallelLoop
from benchmarks.turns import Play, rate_of

AGENTS = 12
#: A scan has about so many env steps, so that a turn of it takes no minutes.
_SCANNED = 65_536


def mpe2(api: str) -> Play:
    """The simple_spread of mpe2 through PettingZoo's ``"parallel"`` or ``"aec"`` interface."""
    from mpe2 import simple_spread_v3

    options = {"N": AGENTS, "continuous_actions": True, "max_cycles": EPISODE}
    if api == "parallel":
        return ParallelLoop(simple_spread_v3.parallel_env(**options)).play
    return AecLoop(simple_spread_v3.env(**options)).play


class Vmas:
    """A VMAS environment and actions to play.

    Args:
        scenario: ``"balance"`` or ``"simple_spread"``.
        num_envs: environments side by side.
    """

    def __init__(self, scenario: str, num_envs: int) -> None:
        import torch
        from vmas import make_env

        torch.set_num_threads(os.cpu_count() or 1)
        self.env = make_env(scenario, num_envs=num_envs, device="cpu", continuous_actions=True, seed=0, n_agents=AGENTS)
        drawn = [[self.env.get_random_action(agent) for agent in self.env.agents] for _ in range(DRAWN)]
        self._actions = itertools.cycle(drawn)
        self._steps = 0

    def step(self) -> None:
        """One step of all environments, after a reset where an episode has ended."""
        if self._steps % EPISODE == 0:
            self.env.reset()
        self.env.step(next(self._actions))
        self._steps += 1

    def play(self, seconds: float) -> float:
        """Agent-steps per second."""
        return rate_of(self.step, seconds) * self.env.num_envs * AGENTS


@functools.cache
def _spread(num_envs: int) -> tuple[Any, tuple[Any, Any]]:
    """JaxMARL's environment, and the observations and states of a batch that has begun; compiled once a size."""
    devices = 1 << ((os.cpu_count() or 1).bit_length() - 1)
    os.environ.setdefault("XLA_FLAGS", f"--xla_force_host_platform_device_count={devices}")  # read once, by jax
    import jax
    from jaxmarl import make

    env = make("MPE_simple_spread_v3", num_agents=AGENTS, num_landmarks=AGENTS, max_steps=EPISODE)
    return env, jax.jit(jax.vmap(env.reset))(jax.random.split(jax.random.PRNGKey(0), num_envs))


class JaxMarl:
    """JaxMARL's simple_spread, vectorised and jitted, and actions to play.

    Args:
        num_envs: environments side by side.
        scan: whether to play scans over many steps, instead of steps from Python.
    """

    def __init__(self, num_envs: int, *, scan: bool) -> None:
        env, began = _spread(num_envs)
        import jax

        self._jax = jax
        self.num_envs = num_envs
        self.steps_per_call = max(_SCANNED // num_envs, 1) if scan else 1
        keys, actions = self._draw(env, self.steps_per_call if scan else DRAWN)
        observations, state = jax.device_put(began, self._over_cores(0))
        step = jax.vmap(env.step)

        def advance(carried: Any, key_and_action: Any) -> tuple[Any, None]:
            _, state, _ = carried
            observations, state, rewards, _, _ = step(key_and_action[0], state, key_and_action[1])
            return (observations, state, rewards), None

        if scan:
            self._call = jax.jit(lambda carried, drawn: jax.lax.scan(advance, carried, drawn)[0])
            self._inputs = itertools.cycle([(keys, actions)])
        else:
            self._call = jax.jit(lambda carried, drawn: advance(carried, drawn)[0])
            sets = [(keys[i], {agent: chosen[i] for agent, chosen in actions.items()}) for i in range(DRAWN)]
            self._inputs = itertools.cycle(sets)
        rewards = {agent: jax.device_put(jax.numpy.zeros(num_envs), self._over_cores(0)) for agent in env.agents}
        self._carried = (observations, state, rewards)
        self._run(2)  # the second compiles once more if types have settled in the first
        self._pace = self._run(2)

    def _draw(self, env: Any, sets: int) -> tuple[Any, dict[str, Any]]:
        """Keys (sets, B, 2) and actions by agent (sets, B)."""
        random = self._jax.random
        key = random.PRNGKey(0)
        shape = (sets, self.num_envs)
        moves = {
            agent: random.randint(random.fold_in(key, i), shape, 0, env.action_space(agent).n)
            for i, agent in enumerate(env.agents)
        }
        return self._jax.device_put((random.split(key, shape), moves), self._over_cores(1))

    def _over_cores(self, axis: int) -> Any:
        """How arrays with the environments along an axis are laid out: over all cores, if they divide them."""
        jax = self._jax
        devices = jax.devices() if self.num_envs % len(jax.devices()) == 0 else jax.devices()[:1]
        mesh = jax.sharding.Mesh(devices, ("envs",), axis_types=(jax.sharding.AxisType.Auto,))
        return jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*[None] * axis, "envs"))

    def _run(self, calls: int) -> float:
        """Calls per second, synchronised at the end only."""
        began = time.perf_counter()
        for _ in range(calls):
            self._carried = self._call(self._carried, next(self._inputs))
        self._jax.block_until_ready(self._carried)
        return calls / (time.perf_counter() - began)

    def play(self, seconds: float) -> float:
        """Agent-steps per second, over as many calls as the pace of the turn before allows."""
        self._pace = self._run(max(1, round(seconds * self._pace)))
        return self._pace * self.steps_per_call * self.num_envs * AGENTS
