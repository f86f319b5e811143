"""How far learned pricing is from equilibrium over whole episodes (docs/planning.md#what-is-measured-in-episodes).

All plays of an evaluation are of the very same episodes, which training has not seen; so their differences are paired.
What is called regret is the bound of :func:`~aigc_market_env.episode_regret`: what an MU that knows the whole path
could gain at most, by posting other rewards in any slots, the others' posted rewards fixed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from aigc_market_env import (
    BatchedMarketEnv,
    Episode,
    EpisodeRegret,
    Market,
    Scenario,
    Wallet,
    WalletEquilibrium,
    episode_path,
    relative_regret,
    solve_wallet_equilibrium,
)
from aigc_market_env.equilibrium.certificate import share_of
from aigc_market_env.evaluation.intervals import CONFIDENCE, ratio_interval
from aigc_market_env.evaluation.joining import joined
from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from aigc_market_env.evaluation.regret_causes import regret_causes
from aigc_market_env.evaluation.reward_sources import Posting
from aigc_market_env.evaluation.side_regret import SideRegret
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.paths import paths_of, stacked
from aigc_market_env.wallets.play import play_episode
from aigc_market_env.wallets.posted import Posted
from aigc_market_env.wallets.regret import regret_along

#: From the markets of a slot (B,) and observations of the MUs (B, M, D) to rewards as shares of ω/q (B, M, N).
MarketPosting = Callable[[Market, npt.NDArray[np.float32]], FloatArray]
#: Bounds are lowered until no MU's is further from the best deviation found than this share of what MUs earn.
_NEAR = 5e-4
#: Plays by the name that files give them, with what tables and figures call them.
HEADINGS = {
    "learned": "learned",
    "oracle": "oracle",
    "adaptive_pacing": "adaptive pacing",
    "even_spending": "even spending",
    "myopic": "myopic",
    "until_gone": "until gone",
}


class Mechanism(Protocol):
    """A way to play episodes to compare with, such as those of ``baselines.episodes``."""

    @property
    def name(self) -> str:
        """In tables and files."""

    def run(self, path: Market, wallet: Wallet, rng: np.random.Generator) -> Episode:
        """Play one path (T,) with wallets in credits; all randomness comes from ``rng``."""


@dataclass(frozen=True, eq=False)
class HeldOutEpisodes:
    """E episodes of T slots that training has not seen, and the equilibrium of each.

    Attributes:
        scenario: that they are of.
        seeds: of the episodes, as environments are reset with.
        path: markets of the slots, batch (E, T).
        wallet: amounts in credits, (E, M).
        oracle: the equilibria, of those who know the whole path; batch (E, ·).
    """

    scenario: Scenario
    seeds: tuple[int, ...]
    path: Market
    wallet: Wallet
    oracle: WalletEquilibrium

    @classmethod
    def of(
        cls, scenario: Scenario, count: int, horizon: int, *, first: int = 0, certify: bool = False
    ) -> "HeldOutEpisodes":
        """Episodes number ``first`` and those that follow.

        Args:
            scenario: whose MUs have wallets.
            count: E.
            horizon: T.
            first: number of the first.
            certify: whether to certify the equilibria, which takes a few times as long as to find them.
        """
        seeds = tuple(range(EVALUATION_SEED + first, EVALUATION_SEED + first + count))
        begun = [episode_path(scenario, seed, horizon) for seed in seeds]
        path = Market.stack([path for path, _ in begun])
        wallets = [wallet for _, wallet in begun if wallet is not None]
        shape = (scenario.num_mus,)
        money, income, cap = (
            np.stack([np.broadcast_to(wallet.amounts[i], shape) for wallet in wallets]) for i in range(3)
        )
        wallet = Wallet(money, income, cap)
        return cls(scenario, seeds, path, wallet, solve_wallet_equilibrium(path, wallet, certify=certify))

    def posted_by(self, policy: Posting) -> FloatArray:
        """What a policy posts slot by slot, credits per QoE. (E, T, M, N)."""
        return self.posted_in_markets(lambda _, seen: policy(seen))

    def posted_in_markets(self, post: MarketPosting) -> FloatArray:
        """The same of a policy that sees the market of the slot as well."""
        num_slots = self.path.batch_shape[1]
        env = BatchedMarketEnv(self.scenario, len(self.seeds), asps="best_response", max_cycles=num_slots)
        observations, _ = env.reset(seed=self.seeds)
        shares = []
        for _ in range(num_slots):
            shares.append(np.clip(post(env.market, observations["mu"]), 0.0, 1.0))
            observations, *_ = env.step({"mu": shares[-1]})
        rewards: FloatArray = np.stack(shares, axis=1) * self.path.reward_bound[..., None]
        return rewards


@dataclass(frozen=True, eq=False)
class EpisodePlay:
    """One way to play E episodes, and what each MU could have gained.

    Attributes:
        path: markets of the slots, batch (E, T).
        wallet: amounts in credits, (E, M).
        episode: what was played, batch (E, ·).
        found: what each MU alone could gain, batch (E, ·).
        scale: each MU's utility over the episode at equilibrium, which regrets are relative to, credits. (E, M)
        causes: what the bounds are made of, slot by slot, (E, T, M) each; see
            :func:`~aigc_market_env.evaluation.regret_causes.regret_causes`. Empty where that was not asked for.
    """

    path: Market
    wallet: Wallet
    episode: Episode
    found: EpisodeRegret
    scale: FloatArray
    causes: Mapping[str, FloatArray]

    @property
    def utility(self) -> FloatArray:
        """Of each MU over the episode, credits. (E, M)."""
        total: FloatArray = self.episode.outcome.mu_utility.sum(axis=-2)
        return total

    @cached_property
    def relative(self) -> SideRegret:
        """Bounds on regrets relative to utility at equilibrium: of all MUs, and of the worst relative to its own."""
        found = relative_regret(self.found.regret_bound, self.scale)
        shares = share_of(self.found.regret_bound, np.broadcast_to(found.scale, self.scale.shape))
        return SideRegret(float(found.mean), float(found.worst), f"mu_{int(found.agent)}", shares)

    @property
    def left(self) -> FloatArray:
        """Money that was left after the last slot, credits. (E, M)."""
        return self.episode.money[:, -2] - self.episode.outcome.service_cost[:, -1]

    @property
    def wasted(self) -> FloatArray:
        """Money that the cap had no room for, credits. (E, M)."""
        paid = self.episode.outcome.service_cost[:, :-1]
        income, cap = (amount[:, None] for amount in self.wallet.amounts[1:])
        lost: FloatArray = np.maximum(self.episode.money[:, :-2] - paid + income - cap, 0.0).sum(axis=1)
        return lost

    def figures(self) -> dict[str, Any]:
        """Its figures, as they go into ``evaluation.json``."""
        reference, paid = float(self.scale.mean()), float(self.episode.outcome.service_cost.sum())
        regret, numbers = self.relative, self.found
        interval = ratio_interval(numbers.regret_bound.mean(axis=1), self.scale.mean(axis=1), regret.mean, CONFIDENCE)
        return {
            **regret.figures("leader_regret_relative"),
            "leader_regret_relative_interval_95": None if interval is None else list(interval),
            "deviation_found_relative": float(numbers.regret.mean()) / reference,
            "utility_ratio": float(self.utility.mean()) / reference,
            "mu_utility": float(self.episode.outcome.mu_utility.mean()),
            "money_left": float(self.left.sum()) / paid,
            "money_wasted": float(self.wasted.sum()) / paid,
            "slots_cut_short": float((self.episode.time_share < 1.0).mean()),
        }

    def cause_figures(self) -> dict[str, float]:
        """What the mean bound is made of, relative to utility at equilibrium."""
        return {name: float(cause.sum()) / float(self.scale.sum()) for name, cause in self.causes.items()}


@dataclass(frozen=True, eq=False)
class EpisodeEvaluation:
    """Plays of the same held-out episodes, by names of :data:`HEADINGS`; the first is what was learned.

    Attributes:
        plays: of whichever were asked for.
        certified: share of the equilibria that are certified; None when that was not asked for.
    """

    group: ClassVar[Literal["mu"]] = "mu"
    regret_name: ClassVar[str] = "leader_regret_relative"
    leaders: ClassVar[None] = None  # of single slots
    followers: ClassVar[None] = None
    near: ClassVar[None] = None

    plays: Mapping[str, EpisodePlay]
    certified: float | None

    @property
    def learned(self) -> EpisodePlay:
        """What was learned."""
        return self.plays["learned"]

    @property
    def relative(self) -> SideRegret:
        """Bounds on relative regrets of what was learned."""
        return self.learned.relative

    @property
    def leader_regret_relative(self) -> float:
        """Their mean."""
        return self.relative.mean

    def interval(self) -> tuple[float, float] | None:
        """Of that mean, over episodes, 95 %; None for a single one."""
        found = self.learned.figures()["leader_regret_relative_interval_95"]
        return None if found is None else (found[0], found[1])

    @property
    def payoffs(self) -> FloatArray:
        """Mean utility of each MU in each episode, credits per slot. (E, M)."""
        mean: FloatArray = self.learned.episode.outcome.mu_utility.mean(axis=1)
        return mean

    @property
    def regret(self) -> FloatArray:
        """Bound on the regret of each MU in each episode, credits per slot. (E, M)."""
        return self.learned.found.regret_bound / self.learned.path.batch_shape[1]

    def point(self) -> dict[str, float]:
        """The figures that a learning curve is made of."""
        play = self.learned
        figures = play.figures()
        names = "leader_regret_relative", "leader_regret_worst", "utility_ratio", "money_left", "money_wasted"
        at_equilibrium = float(play.scale.mean()) / play.path.batch_shape[1]
        return {name: figures[name] for name in names} | {
            "mu_utility_learned": figures["mu_utility"],
            "mu_utility_at_equilibrium": at_equilibrium,
        }

    def summary(self) -> dict[str, Any]:
        """The figures, as they go into ``evaluation.json``."""
        episodes, slots = self.learned.path.batch_shape
        regret = self.learned.found.regret_bound.sum(axis=0) / self.learned.scale.sum(axis=0)
        return {
            "episodes": episodes,
            "slots": slots,
            "equilibrium_certified": self.certified,
            "plays": {name: play.figures() for name, play in self.plays.items()},
            "regret_by_cause": self.learned.cause_figures(),
            "regret_relative_by_mu": regret.tolist(),
        }


def evaluate_episodes(
    policy: Posting, held_out: HeldOutEpisodes, mechanisms: Sequence[Mechanism] = (), *, thorough: bool = False
) -> EpisodeEvaluation:
    """Play a policy over whole episodes, ASPs responding exactly, and bound what each MU could have gained.

    Args:
        policy: from observations (E, M, D) to rewards as shares of ω/q (E, M, N).
        held_out: what to play.
        mechanisms: what else to play.
        thorough: whether to minimise the bounds over prices of money, to tell what they are made of, and to measure the
            oracle's rewards, too; otherwise bounds are those at the equilibrium's prices, which takes a tenth of the
            time and may be several times as much.
    """
    return evaluate_rewards(held_out.posted_by(policy), held_out, mechanisms, thorough=thorough)


def evaluate_rewards(
    rewards: FloatArray, held_out: HeldOutEpisodes, mechanisms: Sequence[Mechanism] = (), *, thorough: bool = False
) -> EpisodeEvaluation:
    """As :func:`evaluate_episodes`, of what was posted, credits per QoE. (E, T, M, N)."""
    path, wallet, oracle = held_out.path, held_out.wallet, held_out.oracle
    episodes: dict[str, Episode] = {"learned": play_episode(path, rewards, wallet)}
    if thorough:
        episodes["oracle"] = oracle
    episodes |= {mechanism.name: play_by(mechanism, held_out) for mechanism in mechanisms}
    plays = judge_episodes(held_out, episodes, thorough=thorough)
    return EpisodeEvaluation(plays, None if oracle.certificate is None else float(oracle.converged.mean()))


def together(parts: Sequence[EpisodeEvaluation]) -> EpisodeEvaluation:
    """What was found in episodes, one by one, as if found at once."""
    plays = {name: _joined([part.plays[name] for part in parts]) for name in parts[0].plays}
    shares = [part.certified for part in parts if part.certified is not None]
    return replace(parts[0], plays=plays, certified=float(np.mean(shares)) if shares else None)


def _joined(parts: Sequence[EpisodePlay]) -> EpisodePlay:
    money, income, cap = (np.concatenate([part.wallet.amounts[i] for part in parts]) for i in range(3))
    fields = ("path", "episode", "found", "scale", "causes")
    whole = {name: joined([getattr(part, name) for part in parts]) for name in fields}
    return EpisodePlay(wallet=Wallet(money, income, cap), **whole)


def judge_episodes(
    held_out: HeldOutEpisodes, episodes: Mapping[str, Episode], *, thorough: bool = True
) -> dict[str, EpisodePlay]:
    """Bound what each MU could have gained in episodes as they were played, batch (E, ·); by their names.

    Args:
        held_out: what was played.
        episodes: by the names of the plays.
        thorough: see :func:`evaluate_episodes`.
    """
    path, wallet, oracle = held_out.path, held_out.wallet, held_out.oracle
    scale, levels = oracle.outcome.mu_utility.sum(axis=1), 1.0 / (1.0 + oracle.prices)
    plays = {}
    for name, episode in episodes.items():
        found = _regret(path, wallet, episode, levels, thorough=thorough)
        causes = regret_causes(path, wallet, episode, found.prices) if thorough else {}
        plays[name] = EpisodePlay(path, wallet, episode, found, scale, causes)
    return plays


def play_by(mechanism: Mechanism, held_out: HeldOutEpisodes) -> Episode:
    """Episodes as a mechanism plays them, each with random numbers of its own; batch (E, ·)."""
    batch, paths, purses = paths_of(held_out.path, held_out.wallet)
    played = [
        mechanism.run(path, Wallet(*purse), np.random.default_rng(seed))
        for path, purse, seed in zip(paths, purses, held_out.seeds, strict=True)
    ]
    return stacked(batch, played)


def _regret(path: Market, wallet: Wallet, episode: Episode, levels: FloatArray, *, thorough: bool) -> EpisodeRegret:
    """As :func:`~aigc_market_env.episode_regret`, from levels (E, T, M) on; without a search there if not thorough."""
    batch, paths, purses = paths_of(path, wallet)
    mean = float(episode.outcome.mu_utility.sum(axis=1).mean())
    enough = _NEAR * max(mean, 0.0) if thorough else np.inf
    found = [
        regret_along(one, Posted(rewards, {}), purse, level, enough)
        for one, rewards, purse, level in zip(paths, episode.rewards, purses, levels, strict=True)
    ]
    return stacked(batch, found)
