"""Whether another version of the code gives the same bytes: weights, trajectories of environments, a small study.

What the code gives is written as hashes by the one version, and compared by the other, on the same machine:
    python -m benchmarks.same_bytes before.json            # in a checkout of the one
    python -m benchmarks.same_bytes before.json --check    # in a checkout of the other; the exit status is 1 if not
"""

import contextlib
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import gymnasium
import numpy as np
import tyro
from rich.console import Console

from agents.algorithms import ALGORITHMS
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.documents import with_fields
from agents.market_draws import MarketDistribution
from agents.set_training.train import train_set_policy
from agents.training.both import train_both
from agents.training.one_side import train_followers, train_leaders
from aigc_market_env import BatchedMarketEnv, Dynamics, Scenario, market_v0, solve_equilibrium
from aigc_market_env.files import write_whole
from baselines.study import command as mechanisms

#: Runs that take a second each.
_RUN: dict[str, Any] = {
    "scenario": "campus",
    "transitions": 3_000,
    "markets": 16,
    "slots": 4,
    "batch_size": 64,
    "epochs": 2,
    "hidden": (16, 16),
    "evaluate_every": 1_000,
    "evaluation_slots": 4,
    "final_evaluation_slots": 4,
}
_BOTH: dict[str, Any] = {"follower_hidden": (12,), "head_start": 0.2}
_SET: dict[str, Any] = {
    "markets": MarketDistribution(num_mus=(2, 4), num_asps=(1, 3)),
    "updates": 12,
    "links": 48,
    "width": 8,
    "layers": 2,
    "evaluate_every": 5,
    "evaluation_markets": 2,
    "final_evaluation_markets": 2,
    "larger_sizes": ((5, 2),),
}
_STEPS = 40


@dataclass(frozen=True)
class Arguments:
    """Write hashes of what this code gives, or compare them.

    Attributes:
        file: The JSON file of hashes.
        check: Compare with the file instead of writing it.
    """

    file: tyro.conf.Positional[Path]
    check: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def trainings() -> dict[str, Callable[[Path], Any]]:
    """Tiny trainings of every kind, by name."""
    runs: dict[str, Callable[[Path], Any]] = {}
    for algorithm in ("ppo", "sac"):
        how = ALGORITHMS[algorithm]()
        runs[f"leaders {algorithm}"] = partial(train_leaders, with_fields(LeaderConfig(algorithm=how), _RUN))
        runs[f"followers {algorithm}"] = partial(train_followers, with_fields(FollowerConfig(algorithm=how), _RUN))
        runs[f"both {algorithm}"] = partial(train_both, with_fields(JointConfig(algorithm=how), _RUN | _BOTH))
    runs["set leaders equilibrium"] = partial(train_set_policy, EquilibriumConfig(**_SET))
    runs["set followers equilibrium"] = partial(train_set_policy, EquilibriumConfig(side="followers", **_SET))
    runs["set leaders ppo"] = partial(train_set_policy, SetPPOConfig(**_SET))
    return runs


def weights(train: Callable[[Path], Any]) -> str:
    """Hash of all policies that a training writes."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        train(Path(folder) / "run")
        files = sorted(Path(folder).rglob("policy.safetensors"))
        assert files
        return _hash(path.read_bytes() for path in files)


def study() -> str:
    """Hash of the table of a small study."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = mechanisms.Arguments(
            markets=2,
            loads=(0.3, 3.0),
            out=Path(folder) / "study",
            workers=1,
            only=("oracle", "dual_perturbation", "uniform_reward", "posted_prices", "proportional_share"),
        )
        mechanisms.main(arguments, Console(file=io.StringIO()))
        return _hash([(arguments.out / "mechanisms.csv").read_bytes()])


def parallel_steps(scenario: Scenario, asps: Any) -> Iterator[bytes]:
    """All that a Parallel environment hands out."""
    env = market_v0.parallel_env(scenario=scenario, asps=asps, max_cycles=16)
    rng = np.random.default_rng(0)
    observations, _ = env.reset(seed=3)
    yield from _of_agents(observations)
    for _ in range(_STEPS):
        if not env.agents:
            yield from _of_agents(env.reset()[0])
        actions = {agent: rng.random(env.action_space(agent).shape) for agent in env.agents}
        observations, rewards, *_ = env.step(actions)
        yield from _of_agents(observations)
        yield from _of_agents(rewards)
        yield env.state().tobytes()


def aec_steps(scenario: Scenario, asps: Any) -> Iterator[bytes]:
    """All that an AEC environment hands out."""
    env = market_v0.env(scenario=scenario, asps=asps, max_cycles=8)
    rng = np.random.default_rng(1)
    env.reset(seed=4)
    for agent in env.agent_iter():
        observation, reward, termination, truncation, _ = env.last()
        yield np.asarray(observation).tobytes() + np.float64(reward).tobytes()
        over = termination or truncation
        env.step(None if over else rng.random(env.action_space(agent).shape))


def batched_steps(scenario: Scenario, asps: Any) -> Iterator[bytes]:
    """All that a batch hands out."""
    env = BatchedMarketEnv(scenario, 40, asps=asps, max_cycles=16, seed=5)
    rng = np.random.default_rng(2)
    observations, _ = env.reset()
    yield from _of_agents(observations)
    for _ in range(_STEPS):
        counts = {"mu": scenario.num_mus, "asp": scenario.num_asps}
        spaces = env.single_action_space.items()
        actions = {group: rng.random((40, counts[group], *space.shape)) for group, space in spaces}
        observations, rewards, *_ = env.step(actions)
        yield from _of_agents(observations)
        yield from _of_agents(rewards)


def leader_steps(preset: str) -> Iterator[bytes]:
    """All that Leader-v0 hands out, alone and as a vector."""
    rng = np.random.default_rng(3)
    env = gymnasium.make("aigc_market_env/Leader-v0", scenario=preset, mu=0)
    yield env.reset(seed=6)[0].tobytes()
    for _ in range(8):
        observation, reward, *_ = env.step(rng.random(env.action_space.shape))
        yield observation.tobytes() + np.float64(reward).tobytes()
    many = gymnasium.make_vec("aigc_market_env/Leader-v0", num_envs=3, scenario=preset, mu=0)
    yield many.reset(seed=7)[0].tobytes()
    for _ in range(8):
        observation, reward, *_ = many.step(rng.random(many.action_space.shape))
        yield observation.tobytes() + np.asarray(reward).tobytes()


def equilibria(preset: str) -> Iterator[bytes]:
    """What the oracle finds in some markets."""
    for seed in range(4):
        found = solve_equilibrium(Scenario.preset(preset, load=0.5 + seed).sample(seed))
        yield found.rewards.tobytes() + found.outcome.mu_utility.tobytes()


def _of_agents(found: Any) -> Iterator[bytes]:
    return (name.encode() + np.asarray(value).tobytes() for name, value in sorted(found.items()))


def _hash(parts: Any) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def jobs() -> dict[str, Callable[[], str]]:
    """Everything that is hashed, by name."""
    found: dict[str, Callable[[], str]] = {}
    for preset in ("duo", "campus", "town", "random"):
        scenario = Scenario.preset(preset, dynamics=Dynamics(request_probability=0.3))
        for asps in ("agents", "best_response"):
            for play in (parallel_steps, aec_steps, batched_steps):
                found[f"{play.__name__} {preset} {asps}"] = partial(_hashed, play, scenario, asps)
        found[f"leader_steps {preset}"] = partial(_hashed, leader_steps, preset)
        found[f"equilibria {preset}"] = partial(_hashed, equilibria, preset)
    found |= {f"weights {name}": partial(weights, train) for name, train in trainings().items()}
    return found | {"study": study}


def _hashed(play: Callable[..., Iterator[bytes]], *arguments: Any) -> str:
    return _hash(play(*arguments))


def main(arguments: Arguments) -> int:
    """Write or compare; the exit status."""
    if not arguments.check:
        found = {name: job() for name, job in jobs().items()}
        write_whole(arguments.file, (json.dumps(found, indent=1) + "\n").encode())
        print(f"{len(found)} hashes written to {arguments.file}")
        return 0
    before = json.loads(arguments.file.read_text(encoding="utf-8"))
    different = []
    for name, job in jobs().items():
        same = job() == before.get(name)
        different += [] if same else [name]
        print(f"{'same' if same else 'DIFFERENT'}  {name}")
    print(f"{len(before) - len(different)} of {len(before)} the same")
    return 1 if different or set(before) - set(jobs()) else 0


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Arguments, description=__doc__)))
