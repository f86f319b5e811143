"""What a network's output means: actions on a logarithmic scale, in the [-1, 1] that stable-baselines3 advises."""

import numpy as np
import numpy.typing as npt

from agents.policy.rule_of_thumb import Seen, fitted
from aigc_market_env.evaluation.reward_sources import LOWEST_SHARE
from aigc_market_env.model.parameters import FloatArray

#: The furthest that an ASP's outputs take it from its rule of thumb, as logarithms: what an MU is served, and the tilt.
FURTHEST_QUANTITY, FURTHEST_TILT = 2.0, 1.0


def shares_of(actions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Rewards as shares of ω/q from network outputs; -1 is LOWEST_SHARE, 1 is the bound, in between evenly in log.

    Equal steps change a reward by equal factors: rewards at equilibrium span two decades, and what an MU loses by
    missing its best reward depends on the relative error.
    """
    clipped = np.clip(actions, -1.0, 1.0).astype(np.float64)
    shares: npt.NDArray[np.float64] = LOWEST_SHARE ** (0.5 * (1.0 - clipped))
    return shares


def outputs_for(shares: FloatArray) -> FloatArray:
    """Outputs of which :func:`shares_of` makes these shares; the nearest for shares out of its range."""
    outputs: FloatArray = 1.0 - 2.0 * np.log(np.clip(shares, LOWEST_SHARE, 1.0)) / np.log(LOWEST_SHARE)
    return outputs


def allocation_of(actions: npt.NDArray[np.floating], seen: Seen) -> FloatArray:
    """Shares of compute and of bandwidth for each MU from network outputs, as corrections of the rule of thumb.

    With all outputs 0 an ASP serves as if capacity were unlimited, scaled down to fit
    (:mod:`agents.policy.rule_of_thumb`); that much is prior knowledge. Output m multiplies what MU m is served by up to
    exp(±FURTHEST_QUANTITY), and the last one tilts the mix towards compute (> 0) or bandwidth (< 0). The result is
    scaled down to fit. How much to turn away, whom, and which resource to spare, as a function of all rewards posted
    and all links, is not in the rule.

    Learning a correction of a controller at hand is residual policy learning: Silver et al., arXiv 1812.06298;
    Johannink et al., arXiv 1812.03201.

    Args:
        actions: outputs, clipped to [-1, 1]. (K, M + 1)
        seen: what the K ASPs see.

    Returns:
        Shares of the capacities, each row summing to 1 at most. (K, 2, M)
    """
    clipped = np.clip(actions, -1.0, 1.0).astype(np.float64)
    quantity, tilt = np.exp(FURTHEST_QUANTITY * clipped[:, :-1]), FURTHEST_TILT * clipped[:, -1]
    return fitted(seen.plan(tilt) * quantity[:, None])
