"""The tasks, by name."""

from typing import Any

from pettingzoo import AECEnv, ParallelEnv

from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from aigc_market_env.evaluation.reward_sources import EVERYTHING
from aigc_market_env.tasks.task import Task
from aigc_market_env.views import ViewName

#: Loads that markets are drawn with where they are drawn.
_LOADS = 0.3, 3.0
#: Sizes that any-v1 trains in, and those that it asks for as well.
_TRAINED, _LARGER = ((8, 4), (4, 2), (10, 5)), ((12, 6), (20, 5), (50, 10))
#: Episodes of town-scarce-v1 whose ninth slot is one in which the oracle found no pure equilibrium: all of the first
#: 1,024 but the last.
_SCARCE = (
    3, 81, 90, 101, 129, 190, 211, 260, 311, 312, 317, 332, 388, 402, 415, 441,
    448, 457, 477, 542, 591, 610, 660, 694, 750, 759, 870, 872, 883, 897, 899, 938,
)  # fmt: skip
#: Tasks that differ in what MUs see.
_INFORMATION: tuple[tuple[str, ViewName, str], ...] = (
    ("private", "links", "their own links alone"),
    ("board", "board", "their links and the price board"),
    ("full", "full", "the whole market"),
)


def _episodes(count: int) -> tuple[range]:
    return (range(EVALUATION_SEED, EVALUATION_SEED + count),)


_TASKS = (
    Task(
        "campus-v1",
        "MUs of one campus market with fading, ASPs respond exactly",
        roles=("mu",),
        preset="campus",
        market_seed=0,
        test_seeds=_episodes(512),
        fingerprint="573b881226c906b760b4594eae95546dd0047a00928e642162601c931d7f14b8",
    ),
    Task(
        "campus-both-v1",
        "MUs and ASPs of one campus market with fading",
        roles=("mu", "asp"),
        preset="campus",
        market_seed=0,
        transitions=2_000_000,
        test_seeds=_episodes(512),
        fingerprint="573b881226c906b760b4594eae95546dd0047a00928e642162601c931d7f14b8",
    ),
    Task(
        "asps-v1",
        "ASPs of one campus market with fading, MUs post anything, half of it near equilibrium",
        roles=("asp",),
        preset="campus",
        market_seed=0,
        posts=EVERYTHING,
        test_seeds=_episodes(512),
        fingerprint="573b881226c906b760b4594eae95546dd0047a00928e642162601c931d7f14b8",
    ),
    Task(
        "any-v1",
        "MUs of markets of any size, load and satiation, who see the whole market",
        roles=("mu",),
        preset="campus",
        options={"load": _LOADS, "satiation": (0.0, 6.0)},
        sizes=(*_TRAINED, *_LARGER),
        trained_sizes=len(_TRAINED),
        view="market",
        horizon=16,
        transitions=4_000_000,
        test_seeds=tuple(
            range(EVALUATION_SEED, EVALUATION_SEED + max(2048 // (m * n), 8)) for m, n in (*_TRAINED, *_LARGER)
        ),
        warm_up=0,
        fingerprint="8856a22a788af4a2bdcecb35f9c743e2ee9a42d7d62c2e2c3959c9456998afb7",
    ),
    *(
        Task(
            f"{name}-v1",
            f"MUs of campus markets drawn anew, loads 0.3 to 3, who see {seen}",
            roles=("mu",),
            preset="campus",
            options={"load": _LOADS},
            view=view,
            horizon=16,
            transitions=2_000_000,
            test_seeds=_episodes(256),
            fingerprint="34d2a30540fdab733c6d5818e4182e6da2d9a62d0bb22412055c79264621fa19",
        )
        for name, view, seen in _INFORMATION
    ),
    Task(
        "wallet-v1",
        "MUs with wallets who plan over episodes of 32 slots of a prepaid market",
        roles=("mu",),
        preset="prepaid",
        market_seed=0,
        horizon=32,
        test_seeds=_episodes(32),
        fingerprint="8643f9631b4e5f9f5be3b1a988efb7107eb58c79403201a056cc916a30fdc4c3",
    ),
    Task(
        "traces-v1",
        "MUs of measured demand and radio; tests have hours, clients and drives of their own",
        roles=("mu",),
        preset="traces_v0",
        test_preset="traces_v0_held_out",
        transitions=2_000_000,
        test_seeds=_episodes(256),
        fingerprint="8c125d922c82b770818601fb58ec362dd54b0bcf2446a23cdb6d324215b74c00",
    ),
    Task(
        "town-scarce-v1",
        "MUs of scarce town markets; tests are slots without a pure equilibrium that is known",
        roles=("mu",),
        preset="town",
        options={"num_mus": 8, "num_asps": 2},
        horizon=16,
        transitions=2_000_000,
        test_seeds=(tuple(EVALUATION_SEED + number for number in _SCARCE),),
        kept_mixtures=True,
        fingerprint="fae195266dc81898a617039e3a5795287107e738270402cb3385980a4d942c2d",
    ),
)
#: All tasks by name.
TASKS: dict[str, Task] = {task.name: task for task in _TASKS}


def names() -> list[str]:
    """The names of all tasks."""
    return list(TASKS)


def make(name: str) -> Task:
    """The task of a name.

    Raises:
        ValueError: there is none.

    Examples:
        >>> from aigc_market_env import tasks
        >>> env = tasks.make("campus-v1").parallel_env(seed=0)
        >>> observations, infos = env.reset()
    """
    if not isinstance(name, str) or name not in TASKS:
        raise ValueError(f"unknown task {name!r}; the tasks are {', '.join(TASKS)}")
    return TASKS[name]


def make_env(task: str, **options: Any) -> AECEnv[str, Any, Any]:
    """A task's training environment, as ``pettingzoo.make("aec", "aigc_market_env/campus-v1")`` makes it."""
    return make(task).env(**options)


def make_parallel_env(task: str, **options: Any) -> ParallelEnv[str, Any, Any]:
    """A task's training environment, as ``pettingzoo.make("parallel", "aigc_market_env/campus-v1")`` makes it."""
    return make(task).parallel_env(**options)
