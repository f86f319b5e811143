"""What a network's output means: rewards on a logarithmic scale, in the [-1, 1] that stable-baselines3 advises."""

import numpy as np
import numpy.typing as npt

#: The lowest reward a learner posts, as a share of the bound ω/q. An MU that posts less is priced out in practice.
LOWEST_SHARE = 1e-3


def shares_of(actions: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Rewards as shares of ω/q from network outputs; -1 is LOWEST_SHARE, 1 is the bound, in between evenly in log.

    Equal steps change a reward by equal factors: rewards at equilibrium span two decades, and what an MU loses by
    missing its best reward depends on the relative error.
    """
    clipped = np.clip(actions, -1.0, 1.0).astype(np.float64)
    shares: npt.NDArray[np.float64] = LOWEST_SHARE ** (0.5 * (1.0 - clipped))
    return shares
