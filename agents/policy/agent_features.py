"""What networks for markets of one size see: an agent's identity and observation, and for ASPs what they plan by it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from agents.policy.rule_of_thumb import Seen
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.registration import EPISODE_SLOTS
from aigc_market_env.scenarios import Scenario
from aigc_market_env.spaces import MU_PLAN, OBSERVATION_BOUND
from aigc_market_env.views import VIEWS

Features = npt.NDArray[np.float32]

#: Below these shares of a capacity, and of the bound ω/q, a feature tells no differences.
_LOWEST_DEMAND, _LOWEST_REWARD = 1e-4, 1e-3
#: Below this share of an episode that is left a feature tells no differences.
_LOWEST_SHARE_LEFT = 1e-4


def with_identity(observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Observations (B, A, D) of agents, each preceded by a one-hot vector of which agent it is. (B, A, A + D).

    Parameters are shared by all agents of a side; on a fixed market the identity lets one network act for each of them.
    """
    lanes, agents, size = observations.shape
    features = np.zeros((lanes, agents, agents + size), np.float32)
    features[:, np.arange(agents), np.arange(agents)] = 1.0
    features[:, :, agents:] = observations
    return features


def leader_features_size(num_mus: int, observation_size: int, *, wallet: bool) -> int:
    """How many entries :func:`leader_features` has for each MU."""
    return num_mus + observation_size + wallet * len(PlanFeatures._fields)


def leader_features(observations: npt.NDArray[np.float32], *, wallet: bool) -> Features:
    """What MUs' networks see: identity and observations (B, M, D), and of wallets :class:`PlanFeatures`."""
    if wallet:
        observations = np.concatenate([observations, _plan_of_mus(observations)], axis=-1)
    return with_identity(observations)


class PlanFeatures(NamedTuple):
    """What plans are nearly linear in, and observations are not.

    What an MU can spend in a slot is what it has over the slots left, and twice as much where these are half as many.
    Of the share of the episode that is left, which falls by a 64th a slot, a network would have to be steep in the last
    slots, in which all money is to be spent: it learns to keep some to the end instead.

    Attributes:
        log_left: logarithm of that share.
        log_even_spending: of what even spending would pay, m/k + y over ω, k slots being left, of
            :data:`~aigc_market_env.registration.EPISODE_SLOTS`. How many there are is not observed; with other lengths
            of episodes it is another mean of money and income, of the same course.
        fullness: money over the cap.
    """

    log_left: FloatArray
    log_even_spending: FloatArray
    fullness: FloatArray


def lasting_entries(scenario: Scenario) -> list[int]:
    """Which of :func:`leader_features`, of MUs with wallets, the last slot's rewards have not made but through money.

    All but prices and QoE of the last slot.
    """
    shown, kept = VIEWS["board"].names(scenario), set(VIEWS["links"].names(scenario))
    names = [*range(scenario.num_mus), *shown, *PlanFeatures._fields]
    return [i for i, name in enumerate(names) if name not in shown or name in kept]


def _plan_of_mus(observations: npt.NDArray[np.float32]) -> Features:
    plan = observations[..., -len(MU_PLAN) :].astype(np.float64)
    money, income, cap = (np.exp(plan[..., at]) for at in (MU_PLAN.log_money, MU_PLAN.log_income, MU_PLAN.log_cap))
    left = np.maximum(plan[..., MU_PLAN.slots_left], _LOWEST_SHARE_LEFT)
    even = np.log(money / np.maximum(left * EPISODE_SLOTS, 1.0) + income)
    features = np.stack(PlanFeatures(np.log(left), even, money / cap), axis=-1)
    return np.clip(features, -OBSERVATION_BOUND, OBSERVATION_BOUND).astype(np.float32)


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
