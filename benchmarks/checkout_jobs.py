"""What two checkouts are compared by: a process of either reads which job to play for how long, and answers its rate.

It calls nothing but long-standing parts of the public interface, so that it runs on checkouts that do not have it.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import numpy as np

from aigc_market_env import BatchedMarketEnv, Scenario, leader_regret_bound, market_v0, solve_equilibrium

#: Markets of a batch that is solved, lanes of one that is stepped, slots of an episode, and sets of actions drawn.
MARKETS, LANES, SLOTS, DRAWN = 64, 1024, 32, 8

#: A call, and how many markets, slots or episodes it goes through.
Job = tuple[Callable[[], Any], int]


def slots(scenario: str, asps: Literal["agents", "best_response"]) -> Job:
    """A batch of slots; with acting ASPs, two steps each."""
    env = BatchedMarketEnv(scenario, LANES, asps=asps, max_cycles=64, seed=0)
    env.reset()
    rng = np.random.default_rng(0)
    sizes = {"mu": env.num_mus, "asp": env.num_asps}
    drawn = [
        {
            name: rng.random((LANES, sizes[name], *space.shape), dtype=np.float32)
            for name, space in env.single_action_space.items()
        }
        for _ in range(DRAWN)
    ]
    steps = 1 if asps == "best_response" else 2

    def play() -> None:
        for actions in drawn:
            for _ in range(steps):
                env.step(actions)

    return play, DRAWN * LANES


def single(asps: Literal["agents", "best_response"]) -> Job:
    """An episode of one market in a PettingZoo loop."""
    env = market_v0.parallel_env("campus", max_cycles=64, asps=asps)
    env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}

    def play() -> None:
        env.reset()
        while env.agents:
            env.step(actions)

    return play, 64 if asps == "best_response" else 32


def solved(preset: str) -> Job:
    """Equilibria of a batch, without certificates."""
    markets = Scenario.preset(preset).sample(5, (MARKETS,))
    return partial(solve_equilibrium, markets, certify=False), MARKETS


def bounded(preset: str) -> Job:
    """Proven bounds on regret at the equilibria of a batch, of which a certificate consists."""
    markets = Scenario.preset(preset).sample(5, (MARKETS,))
    rewards = solve_equilibrium(markets, certify=False).rewards
    return partial(leader_regret_bound, markets, rewards), MARKETS


def episode() -> Job:
    """The equilibrium of an episode with wallets, without certificate."""
    from aigc_market_env import solve_wallet_equilibrium
    from aigc_market_env.evaluation.episodes import HeldOutEpisodes

    held_out = HeldOutEpisodes.of(Scenario.preset("prepaid").fix(0), 1, SLOTS)
    return partial(solve_wallet_equilibrium, held_out.path, held_out.wallet, certify=False), 1


#: By part and name.
JOBS: dict[str, dict[str, Callable[[], Job]]] = {
    "slots": {
        **{f"{name}, exact ASPs": partial(slots, name, "best_response") for name in ("campus", "random", "town")},
        "traces_v0, exact ASPs": partial(slots, "traces_v0", "best_response"),
        "campus, both act": partial(slots, "campus", "agents"),
        "traces_v0, both act": partial(slots, "traces_v0", "agents"),
    },
    "single": {"campus, exact ASPs": partial(single, "best_response"), "campus, both act": partial(single, "agents")},
    "solve": {name: partial(solved, name) for name in ("campus", "random", "town")},
    "bound": {name: partial(bounded, name) for name in ("campus", "random", "town")},
    "episode": {"prepaid": episode},
}


def rate(job: Job, seconds: float) -> float:
    """Markets, slots or episodes per second of processor time."""
    play, each = job
    calls, began = 0, time.process_time()
    while True:
        play()
        calls += 1
        spent = time.process_time() - began
        if spent >= seconds:
            return calls * each / spent


def main() -> None:
    """Answer lines ``part/name seconds`` by a rate or, of what this code cannot do, by why."""
    made: dict[str, Job] = {}
    for line in sys.stdin:
        name, seconds = line.rsplit(maxsplit=1)
        part, _, job = name.partition("/")
        try:
            if name not in made:
                made[name] = JOBS[part][job]()
            print(rate(made[name], float(seconds)), flush=True)
        except Exception as error:  # an older checkout may lack anything
            print(f"{type(error).__name__}: {error}".splitlines()[0], flush=True)


if __name__ == "__main__":
    main()
