"""Ways to play the same slots: as learned, at equilibrium, at random, and as everyone's best response to the others.

Whatever was learned is worth what it is worth beside these. All plays of an evaluation are of the very same slots, so
that their differences are paired.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from aigc_market_env import Market, Outcome, follower_regret, follower_response, leader_regret
from aigc_market_env.equilibrium import certify_rewards
from aigc_market_env.evaluation.followers import FollowerEvaluation
from aigc_market_env.evaluation.intervals import Interval, interquartile_ratio, ratio_interval, ratio_of_means
from aigc_market_env.evaluation.leaders import LeaderEvaluation, outcome_means
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.evaluation.reward_sources import Situation, uniform
from aigc_market_env.evaluation.side_regret import SideRegret, side_regret
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import HEADROOM

#: Plays by the name that files give them, with what tables and figures call them.
HEADINGS = {
    "learned": "learned",
    "learned_exact_asps": "learned MUs, exact ASPs",
    "exact_asps": "exact ASPs",
    "equilibrium": "oracle",
    "best_response": "best response",
    "uniform": "uniform",
    "even_split": "even split",
}


@dataclass(frozen=True, eq=False)
class Play:
    """One way to play S slots, and how far either side is from its best.

    Attributes:
        market: the slots' markets. batch (S,)
        outcome: what was posted and allocated, and what came of it. batch (S,)
        leader_regret: what each MU could gain by other rewards, the ASPs responding exactly to what is posted and to
            the deviation, credits per slot. (S, M)
        follower_regret: what each ASP could gain by another allocation, or a bound on it, credits per slot. (S, N)
        mu_scale: each MU's utility at equilibrium, which leader regrets are relative to, credits per slot. (S, M)
    """

    market: Market
    outcome: Outcome
    leader_regret: FloatArray
    follower_regret: FloatArray
    mu_scale: FloatArray

    @property
    def asp_scale(self) -> FloatArray:
        """Each ASP's best profit at the rewards posted, which follower regrets are relative to. (S, N)."""
        best: FloatArray = self.outcome.asp_profit + self.follower_regret
        return best

    @cached_property
    def ratios(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """By name, what is above and below the fraction line in each slot; both (S,)."""
        mus, asps = (np.maximum(scale, 0.0).mean(axis=-1) for scale in (self.mu_scale, self.asp_scale))
        return {
            "leader_regret_relative": (self.leader_regret.mean(axis=-1), mus),
            "follower_regret_relative": (self.follower_regret.mean(axis=-1), asps),
            "utility_ratio": (self.outcome.mu_utility.mean(axis=-1), self.mu_scale.mean(axis=-1)),
        }

    @cached_property
    def relative_regrets(self) -> dict[str, SideRegret]:
        """Regrets by name: of all agents of a side, and of the worst one."""
        return {
            "leader_regret_relative": side_regret(self.market, self.leader_regret, self.mu_scale, "mu"),
            "follower_regret_relative": side_regret(self.market, self.follower_regret, self.asp_scale, "asp"),
        }

    def interval(self, name: str) -> Interval | None:
        """Interval of 95 % of one of :attr:`ratios`, slots resampled; None for a single slot."""
        above, below = self.ratios[name]
        return ratio_interval(above, below, float(ratio_of_means(above[None], below[None])))

    def figure(self, name: str) -> float:
        """One of :attr:`ratios`, of all slots."""
        if name in self.relative_regrets:
            return self.relative_regrets[name].mean
        above, below = self.ratios[name]
        return float(ratio_of_means(above[None], below[None]))

    def figures(self) -> dict[str, Any]:
        """All figures of the play, as they go into ``evaluation.json``."""
        found: dict[str, Any] = {}
        for name, (above, below) in self.ratios.items():
            interval = self.interval(name)
            found[name] = self.figure(name)
            if name in self.relative_regrets:
                found |= self.relative_regrets[name].figures(name)
            found[f"{name}_interval_95"] = None if interval is None else list(interval)
            found[f"{name}_iqm"] = float(interquartile_ratio(above[None], below[None]))
        total = self.leader_regret.sum(axis=-1) + self.follower_regret.sum(axis=-1)
        return found | {"nash_conv": float(total.mean())} | outcome_means(self.outcome)


def plays_of(result: Evaluation, seed: int = 0) -> dict[str, Play]:
    """What was learned and what it is to be seen beside, by names of :data:`HEADINGS`.

    ``equilibrium`` is the oracle's, with the regrets of its certificate. In ``best_response`` every MU
    posts its best response to what the others have learned to post, all at once. In ``uniform`` MUs draw their shares
    of ω/q evenly between 0 and 1, as samples of their action space. In ``even_split`` every ASP gives every MU the same
    share of both capacities. ASPs are exact in all of them but ``learned`` (where they have learned) and
    ``even_split``.

    Args:
        result: the evaluation.
        seed: of what is posted at random.
    """
    leaders, served = result.leaders, result.followers
    found = {} if served is None else {"learned": _as_served(served)}
    if leaders is not None:
        found["learned" if served is None else "learned_exact_asps"] = _as_learned(leaders)
        found |= _beside_leaders(leaders, seed)
    elif served is not None:
        found |= {"exact_asps": _as_learned(served.as_posted), "even_split": _even_split(served)}
    return found


def _as_learned(result: LeaderEvaluation) -> Play:
    scale = result.equilibrium.outcome.mu_utility
    return Play(result.market, result.outcome, result.regret, result.follower_gap, scale)


def _as_served(result: FollowerEvaluation) -> Play:
    posted = result.as_posted
    scale = posted.equilibrium.outcome.mu_utility
    return Play(result.market, result.outcome, posted.regret, result.regret, scale)


def _beside_leaders(result: LeaderEvaluation, seed: int) -> dict[str, Play]:
    market, oracle = result.market, result.equilibrium
    nothing_seen = np.empty((*market.satisfaction_scale.shape, 0), np.float32)
    bound = market.reward_bound[..., None]
    drawn = uniform(Situation(nothing_seen, result.rewards, np.random.default_rng(seed)))
    scale, certificate = oracle.outcome.mu_utility, oracle.certificate
    if certificate is None:
        certificate = certify_rewards(market, oracle.rewards)
    return {
        "equilibrium": Play(market, oracle.outcome, certificate.leader_regret, certificate.follower_regret, scale),
        "best_response": _exact(market, result.best_rewards, scale),
        "uniform": _exact(market, drawn * bound, scale),
    }


def _exact(market: Market, rewards: FloatArray, scale: FloatArray) -> Play:
    """Rewards, the ASPs responding exactly."""
    response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    return Play(market, outcome, leader_regret(market, rewards), response.duality_gap, scale)


def _even_split(result: FollowerEvaluation) -> Play:
    market, rewards = result.market, result.outcome.rewards
    share = HEADROOM / market.num_mus
    compute, bandwidth = (
        np.broadcast_to(share * capacity[..., None, :], rewards.shape)
        for capacity in (market.compute_capacity, market.bandwidth_capacity)
    )
    return Play(
        market,
        market.outcome(rewards, compute, bandwidth),
        result.as_posted.regret,
        follower_regret(market, rewards, compute, bandwidth),
        result.as_posted.equilibrium.outcome.mu_utility,
    )
