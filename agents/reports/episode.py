"""An episode of what a run was trained on, its slots priced as the MUs have learned and at equilibrium.

Nothing that anyone does changes the markets that follow, so both are plays of the very same slots.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from agents.config import read_config
from agents.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS, judge_rewards
from agents.evaluation.sets import usual_size
from agents.held_out.slots import check_fits
from agents.policy.files import AnyPolicy, load_policy
from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.followers import FollowerPolicy
from agents.policy.joint import JointPolicy
from agents.policy.leader_set import LeaderSetPolicy
from agents.set_config import SetConfig
from aigc_market_env import BatchedMarketEnv, Market, Scenario, leader_regret
from aigc_market_env.model.parameters import FloatArray

#: Slots of an episode.
SLOTS = 24

#: From markets (B,) and the MUs' observations (B, M, D) to rewards as shares of ω/q, (B, M, N).
Posting = Callable[[Market, npt.NDArray[np.float32]], FloatArray]


@dataclass(frozen=True, eq=False)
class Episode:
    """S slots of one market, priced as learned and at equilibrium; links that nobody is served on are NaN.

    Attributes:
        title: what was played.
        learned: rewards as shares of ω/q. (S, M, N)
        equilibrium: likewise. (S, M, N)
        regret: of the learned rewards, ASPs exact: mean over MUs over their mean utility at equilibrium. (S,)
        equilibrium_regret: of the oracle's rewards, likewise. (S,)
    """

    title: str
    learned: FloatArray
    equilibrium: FloatArray
    regret: FloatArray
    equilibrium_regret: FloatArray


def play_episode(run: Path, slots: int = SLOTS) -> Episode:
    """Play slots of a running market that training has not seen, with the policy of a run folder.

    Raises:
        FileNotFoundError: the folder has no policy.
        ValueError: only ASPs have learned, or a file of the run is damaged.
    """
    policy, scenario, post = _ready(run)
    market, rewards = _played(policy, post, scenario, slots)
    result = judge_rewards(market, rewards)
    oracle, bound = result.equilibrium, market.reward_bound[..., None]
    utility = np.maximum(oracle.outcome.mu_utility.mean(axis=-1), np.finfo(np.float64).tiny)
    return Episode(
        title=f"{scenario.name}, {scenario.num_mus} MUs and {scenario.num_asps} ASPs",
        learned=np.where(result.outcome.throughput > 0.0, rewards / bound, np.nan),
        equilibrium=np.where(oracle.outcome.throughput > 0.0, oracle.rewards / bound, np.nan),
        regret=result.regret.mean(axis=-1) / utility,
        equilibrium_regret=leader_regret(market, oracle.rewards).mean(axis=-1) / utility,
    )


def check_episode(run: Path) -> None:
    """Make sure that there is an episode to play of a run folder; see :func:`play_episode` for what is raised."""
    _ready(run)


def _ready(run: Path) -> tuple[AnyPolicy, Scenario, Posting]:
    policy = load_policy(run)
    post, scenario = posting(policy, run), scenario_of(run)
    check_fits(policy, run, scenario)
    return policy, scenario, post


def scenario_of(run: Path) -> Scenario:
    """The market with fading that a run was trained on; for a set policy, one of its usual size and middling load."""
    config = read_config(run)
    if not isinstance(config, SetConfig):
        return config.make_scenario()
    markets = config.markets
    num_mus, num_asps = usual_size(markets)
    load = math.sqrt(math.prod(markets.loads))
    return Scenario.preset(markets.preset, num_mus=num_mus, num_asps=num_asps, load=load).fix(EVALUATION_SEED)


def posting(policy: AnyPolicy, run: Path) -> Posting:
    """What the MUs of a policy post.

    Raises:
        ValueError: the policy is one of ASPs only.
    """
    if isinstance(policy, LeaderSetPolicy):
        return lambda market, _: policy.act_market(market)
    mus = policy.mus if isinstance(policy, JointPolicy) else policy
    if isinstance(mus, FollowerPolicy | FollowerSetPolicy):
        raise ValueError(f"{run}: only ASPs have learned; --video shows the rewards that MUs have learned to post")
    return lambda _, observations: mus.act_batch(observations)


def _played(policy: AnyPolicy, post: Posting, scenario: Scenario, slots: int) -> tuple[Market, FloatArray]:
    """Markets (S,) of consecutive slots, after those that evaluation also lets pass, and the rewards posted in them."""
    asps: Literal["agents", "best_response"] = "agents" if isinstance(policy, JointPolicy) else "best_response"
    env = BatchedMarketEnv(scenario, 1, asps=asps, max_cycles=None, seed=EVALUATION_SEED)
    observations, _ = env.reset()
    markets, rewards = [], []
    for _ in range(WARM_UP_SLOTS + slots):
        markets.append(env.market[0])
        observations, *_ = env.step({"mu": post(env.market, observations["mu"])})
        if isinstance(policy, JointPolicy):
            observations, *_ = env.step({"asp": policy.asps.act_batch(observations["asp"])})
        rewards.append(env.served.rewards[0])
    return Market.stack(markets[WARM_UP_SLOTS:]), np.stack(rewards[WARM_UP_SLOTS:])
