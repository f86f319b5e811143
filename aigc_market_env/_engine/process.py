"""What kernels take besides markets and actions: the dynamics, and what there is of wallets, as one array (private).

One array, because Numba takes as long for each argument as an engine of one market for a few links.
"""

import math

import numpy as np

from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios.dynamics import Dynamics
from aigc_market_env.scenarios.traces.walk import packed

# Entries; from PROFILE on, the factors of the load profile, or, where a trace drives the market, the trace.
(
    SHADOWING_DB,
    SHADOWING_CORRELATION,
    REQUEST_PROBABILITY,
    WORTH_DEVIATION,
    WORTH_CORRELATION,
    URGENT_BEGIN,  # probability to become urgent, and to become usual again
    URGENT_END,
    URGENT_LOG_FACTOR,
    WALLETS,  # 1 where MUs have wallets
    HORIZON,  # slots in an episode, 0 where it has no end
    TRACED,  # 1 where a trace drives demand and radio
    PROFILE,
) = range(12)


def process_of(dynamics: Dynamics, *, wallets: bool, horizon: int | None) -> FloatArray:
    """The array for a scenario's dynamics and episodes of ``horizon`` slots."""
    entries = np.array(
        [
            dynamics.shadowing_db,
            dynamics.shadowing_correlation,
            dynamics.request_probability,
            dynamics.worth_deviation,
            dynamics.worth_correlation,
            dynamics.urgent_probability,
            1.0 / dynamics.urgent_slots,
            math.log(dynamics.urgent_factor),
            wallets,
            horizon or 0,
            dynamics.trace is not None,
        ],
        dtype=np.float64,
    )
    rest = np.array(dynamics.load_profile, np.float64) if dynamics.trace is None else packed(dynamics.trace)
    return np.concatenate([entries, rest])


@compiled_inner
def num_places(process: FloatArray) -> int:
    """How many slots the load profile has; 0 where there is none."""
    return 0 if process[TRACED] > 0.0 else process.shape[0] - PROFILE


@compiled_inner
def worth_varies(process: FloatArray) -> bool:
    """Whether what requests are worth changes by itself, without a trace."""
    return process[WORTH_DEVIATION] > 0.0 or process[URGENT_BEGIN] > 0.0
