"""Makes the environments known to Gymnasium and to PettingZoo, which has a registry from version 1.27 on."""

import gymnasium
import pettingzoo

#: Id for ``pettingzoo.make("aec", …)`` and ``pettingzoo.make("parallel", …)``.
ENVIRONMENT_ID = "aigc_market_env/market-v0"
#: Id for ``gymnasium.make(…)`` and ``gymnasium.make_vec(…)``.
LEADER_ID = "aigc_market_env/Leader-v0"
#: Tasks of :mod:`aigc_market_env.tasks`, with ids for ``pettingzoo.make``: ``"aigc_market_env/campus-v1"``.
TASK_NAMES = (
    "campus-v1",
    "campus-both-v1",
    "asps-v1",
    "any-v1",
    "private-v1",
    "board-v1",
    "full-v1",
    "wallet-v1",
    "traces-v1",
    "town-scarce-v1",
)
#: Slots in an episode of Leader-v0 unless asked for otherwise.
EPISODE_SLOTS = 64


def register_environments() -> None:
    """Register all forms of the environment, once."""
    if LEADER_ID not in gymnasium.registry:
        gymnasium.register(
            LEADER_ID,
            "aigc_market_env.leader_v0:LeaderEnv",
            vector_entry_point="aigc_market_env.leader_v0:LeaderVectorEnv",
            max_episode_steps=EPISODE_SLOTS,
        )
    if not hasattr(pettingzoo, "register"):
        return
    for kind, registry, entry_point in (
        ("aec", pettingzoo.aec_registry, "aigc_market_env.market_v0:env"),
        ("parallel", pettingzoo.parallel_registry, "aigc_market_env.market_v0:parallel_env"),
    ):
        if ENVIRONMENT_ID not in registry:
            pettingzoo.register(kind, ENVIRONMENT_ID, entry_point, max_cycles=64)
        for name in TASK_NAMES:
            if f"aigc_market_env/{name}" not in registry:
                made_by = f"aigc_market_env.tasks.table:make_{'env' if kind == 'aec' else 'parallel_env'}"
                pettingzoo.register(kind, f"aigc_market_env/{name}", made_by, kwargs={"task": name})
