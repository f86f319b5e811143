"""An episode of what a run was trained on, its slots priced as the MUs have learned and at equilibrium.

Nothing that anyone does changes the markets that follow, so both are plays of the very same slots.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from agents.evaluation.sets import usual_size
from agents.policy.files import check_fits, load_policy
from agents.policy.protocol import Policy, PostsRewards, ServesMUs
from agents.run_folder import read_config
from aigc_market_env import BatchedMarketEnv, Market, Scenario, leader_regret
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS, judge_rewards
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.views import ViewName

#: Slots of an episode.
SLOTS = 24


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
    return episode_of(*_ready(run), slots=slots)


def episode_of(
    mus: PostsRewards, asps: ServesMUs | None, scenario: Scenario, *, view: ViewName = "board", slots: int = SLOTS
) -> Episode:
    """Like :func:`play_episode`, of whoever posts and serves.

    Args:
        mus: who posts for the MUs.
        asps: who serves; None for ASPs that respond exactly.
        scenario: what is played, in its episode that evaluations begin with.
        view: what the MUs see.
        slots: S.
    """
    market, rewards = _played(mus, asps, scenario, view, slots)
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


def _ready(run: Path) -> tuple[PostsRewards, ServesMUs | None, Scenario]:
    policy = load_policy(run)
    mus, scenario = posting_mus(policy, run), scenario_of(run)
    check_fits(policy, run, scenario)
    return mus, policy.asps, scenario


def scenario_of(run: Path) -> Scenario:
    """The market with fading that a run was trained on; for a set policy, one of its usual size and middling load.

    Of a trace, the part that is held out.
    """
    config = read_config(run)
    if not config.any_size:
        return config.make_scenario().held_out
    markets = config.markets.held_out
    num_mus, num_asps = usual_size(markets)
    load = math.sqrt(math.prod(markets.load_range))
    return Scenario.preset(markets.scenario, num_mus=num_mus, num_asps=num_asps, load=load).fix(EVALUATION_SEED)


def posting_mus(policy: Policy, run: Path) -> PostsRewards:
    """Who posts for the MUs by a policy.

    Raises:
        ValueError: the policy is one of ASPs only.
    """
    if policy.mus is None:
        raise ValueError(f"{run}: only ASPs have learned; --video shows the rewards that MUs have learned to post")
    return policy.mus


def _played(
    mus: PostsRewards, asps: ServesMUs | None, scenario: Scenario, view: ViewName, slots: int
) -> tuple[Market, FloatArray]:
    """Markets (S,) of consecutive slots, after those that evaluation also lets pass, and the rewards posted in them."""
    serving: Literal["agents", "best_response"] = "best_response" if asps is None else "agents"
    env = BatchedMarketEnv(scenario, 1, asps=serving, max_cycles=None, seed=EVALUATION_SEED, view=view)
    observations, _ = env.reset()
    markets, rewards = [], []
    for _ in range(WARM_UP_SLOTS + slots):
        market = env.market
        markets.append(market[0])
        shares = mus.post(market, observations["mu"])
        observations, *_ = env.step({"mu": shares})
        if asps is not None:
            posted = shares * market.reward_bound[..., None]
            observations, *_ = env.step({"asp": asps.serve(market, posted, observations["asp"])})
        rewards.append(env.served.rewards[0])
    return Market.stack(markets[WARM_UP_SLOTS:]), np.stack(rewards[WARM_UP_SLOTS:])
