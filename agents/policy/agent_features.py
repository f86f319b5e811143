"""What networks for markets of one size see: an agent's identity and observation, and for ASPs what they plan by it."""

import numpy as np
import numpy.typing as npt

from agents.policy.rule_of_thumb import Seen
from aigc_market_env.spaces import OBSERVATION_BOUND

Features = npt.NDArray[np.float32]

#: Below these shares of a capacity, and of the bound ω/q, a feature tells no differences.
_LOWEST_DEMAND, _LOWEST_REWARD = 1e-4, 1e-3


def with_identity(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Observations (B, A, D) of agents, each preceded by a one-hot vector of which agent it is. (B, A, A + D).

    Parameters are shared by all agents of a side; on a fixed market the identity lets one network act for each of them.
    """
    lanes, agents, size = observations.shape
    features = np.zeros((lanes, agents, agents + size), np.float32)
    features[:, np.arange(agents), np.arange(agents)] = 1.0
    features[:, :, agents:] = observations
    return features


def features_per_asp(num_mus: int) -> int:
    """How many entries :func:`plan_features` has."""
    return 3 * num_mus + 2


def plan_features(seen: Seen) -> Features:
    """What K ASPs' rules of thumb ask for, on a logarithmic scale and of order one. (K, 3·M + 2).

    For each MU the compute and the bandwidth that the plan would give it, as shares of the capacities, and its reward
    as a share of ω/q; then how far the whole plan exceeds each of the capacities.
    """
    plan = seen.own_plan
    demand = 1.0 + 0.5 * np.log(np.maximum(plan, _LOWEST_DEMAND))
    reward = 2.0 + np.log(np.maximum(seen.rewards / seen.market.reward_bound, _LOWEST_REWARD))
    total = np.log(np.maximum(plan.sum(axis=-1), _LOWEST_DEMAND))
    features = np.concatenate([demand[:, 0], demand[:, 1], reward, total], axis=1)
    return np.clip(features, -OBSERVATION_BOUND, OBSERVATION_BOUND).astype(np.float32)
