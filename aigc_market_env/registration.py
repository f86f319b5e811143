"""Makes the environments known to PettingZoo's registry, where there is one (PettingZoo >= 1.27)."""

import pettingzoo

#: Id for ``pettingzoo.make("aec", …)`` and ``pettingzoo.make("parallel", …)``.
ENVIRONMENT_ID = "aigc_market_env/market-v0"


def register_environments() -> None:
    """Register both forms of the environment, once."""
    if not hasattr(pettingzoo, "register"):
        return
    for kind, registry, entry_point in (
        ("aec", pettingzoo.aec_registry, "aigc_market_env.market_v0:env"),
        ("parallel", pettingzoo.parallel_registry, "aigc_market_env.market_v0:parallel_env"),
    ):
        if ENVIRONMENT_ID not in registry:
            pettingzoo.register(kind, ENVIRONMENT_ID, entry_point, max_cycles=64)
