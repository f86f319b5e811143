"""Evaluation of run folders on slots and markets that training has not seen: what ``evaluate.py`` does.

A run on one market is measured in slots of fresh episodes. A run of a set policy is measured in fresh markets, size by
size. Either may be given market files instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.confidence import crossed_interval, interquartile_ratio, ratio_of_means
from agents.config import Config, FollowerConfig, read_config
from agents.evaluation import LeaderEvaluation, evaluate_leaders, judge_rewards
from agents.figures import REGRETS, Evaluation
from agents.follower_evaluation import FollowerEvaluation, evaluate_followers
from agents.follower_policy import FollowerPolicy
from agents.follower_set_policy import FollowerSetPolicy
from agents.joint_evaluation import evaluate_both
from agents.joint_policy import JointPolicy
from agents.market_draws import Size
from agents.plays import Play, plays_of
from agents.policy import AnyPolicy, LeaderPolicy, load_policy
from agents.reward_sources import NEAR
from agents.runs import METRICS_FILE, read_json
from agents.set_config import SetConfig
from agents.set_evaluation import SetEvaluation, evaluate_set_policy, evaluation_sizes, judge_allocation
from agents.set_policy import LeaderSetPolicy
from agents.training import source_of
from aigc_market_env import Market, Scenario
from aigc_market_env.scenarios import STATIC

#: Slots that a run on one market is measured in.
SLOTS = 512

SetPolicy = LeaderSetPolicy | FollowerSetPolicy


@dataclass(frozen=True, eq=False)
class HeldOut:
    """A run, measured.

    Attributes:
        name: of its folder.
        results: by size, "8x4" for 8 MUs and 4 ASPs.
        plays: of each of them; see :func:`~agents.plays.plays_of`.
        curve: the evaluations during training; empty when the run has not ended.
        fresh: the same results, where a set policy was measured in fresh markets; None otherwise.
    """

    name: str
    results: Mapping[str, Evaluation]
    plays: Mapping[str, Mapping[str, Play]]
    curve: list[dict[str, float]]
    fresh: SetEvaluation[Any] | None = None

    @property
    def learners(self) -> list[str]:
        """Which sides have learned: ``"leader"``, ``"follower"`` or both."""
        result = next(iter(self.results.values()))
        learned = {
            "leader": not isinstance(result, FollowerEvaluation),
            "follower": not isinstance(result, LeaderEvaluation),
        }
        return [side for side in learned if learned[side]]

    def summary(self) -> dict[str, Any]:
        """The figures by size, as they go into ``evaluation.json``."""
        return {
            size: result.summary() | {"plays": {name: play.figures() for name, play in self.plays[size].items()}}
            for size, result in self.results.items()
        }


def evaluate_run(run: Path, files: Sequence[str] = (), count: int | None = None) -> HeldOut:
    """Measure the policy of a run folder.

    Args:
        run: the folder.
        files: markets to measure it in, each as it is; none for slots or markets of what the run was trained on.
        count: how many of those; by default ``SLOTS`` slots, or as many markets of a size as have
            :data:`~agents.set_evaluation.LINKS` links.

    Raises:
        FileNotFoundError: the folder has no policy, or there is no such market file.
        ValueError: a file of the run or of a market is damaged, or the policy is not for such markets.
    """
    policy, curve, markets = load_policy(run), learning_curve(run), [Market.from_json(file) for file in files]
    fresh = None
    results: Mapping[Size, Evaluation]
    if not isinstance(policy, SetPolicy):
        results = _on_one_market(policy, run, _of_files(markets) if markets else None, len(markets) or count or SLOTS)
    elif markets:
        results = _in_files(policy, markets)
    else:
        fresh = _in_fresh_markets(policy, run, count)
        results = fresh.by_size
    by_size = {f"{m}x{n}": result for (m, n), result in results.items()}
    plays = {size: plays_of(result) for size, result in by_size.items()}
    return HeldOut(str(run), by_size, plays, curve, fresh)


def _in_fresh_markets(policy: SetPolicy, run: Path, count: int | None) -> SetEvaluation[Any]:
    config = read_config(run)
    if not isinstance(config, SetConfig):
        raise ValueError(f"{run} holds a set policy, but its configuration is of one market; give it market files")
    sizes = evaluation_sizes(config.markets, config.larger_sizes)
    return evaluate_set_policy(policy, config.markets, sizes, count=count, certify=True)


def _in_files(policy: SetPolicy, markets: Sequence[Market]) -> dict[Size, Evaluation]:
    by_size: dict[Size, list[Market]] = {}
    for market in markets:
        by_size.setdefault((market.num_mus, market.num_asps), []).append(market)
    return {size: _judged(policy, Market.stack(group)) for size, group in by_size.items()}


def _judged(policy: SetPolicy, market: Market) -> Evaluation:
    if isinstance(policy, LeaderSetPolicy):
        return judge_rewards(market, policy.rewards(market), certify=True)
    return judge_allocation(policy, market, NEAR)


def _of_files(markets: Sequence[Market]) -> Scenario:
    """A scenario whose lane i is played on the i-th market, which stays as it is."""
    stacked = Market.stack(list(markets))
    return Scenario("the market files", stacked.num_mus, stacked.num_asps, STATIC, 0, lambda _: stacked)


def _on_one_market(policy: AnyPolicy, run: Path, files: Scenario | None, slots: int) -> dict[Size, Evaluation]:
    config = read_config(run)
    if isinstance(config, SetConfig):
        raise ValueError(f"{run} holds a policy for one market, but its configuration is of a set policy")
    scenario = config.make_scenario() if files is None else files
    check_fits(policy, run, scenario)
    return {(scenario.num_mus, scenario.num_asps): _played(policy, run, config, scenario, slots)}


def _played(policy: AnyPolicy, run: Path, config: Config, scenario: Scenario, slots: int) -> Evaluation:
    if isinstance(policy, JointPolicy):
        return evaluate_both(policy.mus.act_batch, policy.asps.act_batch, scenario, slots, certify=True)
    if isinstance(policy, LeaderPolicy):
        return evaluate_leaders(policy.act_batch, scenario, slots, certify=True)
    if not isinstance(policy, FollowerPolicy) or not isinstance(config, FollowerConfig):
        raise ValueError(f"{run} holds a policy of providers, but its configuration is of {config.side}")
    return evaluate_followers(policy.act_batch, scenario, slots, source_of(config))


def check_fits(policy: AnyPolicy, run: Path, scenario: Scenario) -> None:
    """Make sure that a policy for one market is evaluated on a market of its size and of its length of a slot.

    Raises:
        ValueError: it is not; the message says what the policy is for and what the scenario is.
    """
    sides = [policy.mus, policy.asps] if isinstance(policy, JointPolicy) else [policy]
    for side in sides:
        if not isinstance(side, LeaderPolicy | FollowerPolicy):
            continue
        trained, asked = side.architecture, (scenario.num_mus, scenario.num_asps)
        if (trained.num_mus, trained.num_asps) != asked:
            raise ValueError(
                f"{run} holds a policy for markets of {trained.num_mus} MUs and {trained.num_asps} ASPs; "
                f"{scenario.name} has {asked[0]} and {asked[1]}. Only set policies act in markets of other sizes"
            )
        if isinstance(side, FollowerPolicy):
            _check_slot_duration(side, run, scenario)


def _check_slot_duration(policy: FollowerPolicy, run: Path, scenario: Scenario) -> None:
    trained, asked = policy.architecture.slot_duration, np.unique(scenario.sample(0).slot_duration)
    if not np.array_equal(asked, [trained]):
        raise ValueError(
            f"{run} holds a policy of providers for slots of {trained:g} s; the slot_duration of {scenario.name} is "
            f"{', '.join(f'{length:g}' for length in asked)} s, which ASPs do not observe"
        )


def learning_curve(run: Path) -> list[dict[str, float]]:
    """The evaluations during training; none when the run has not ended.

    Raises:
        ValueError: the metrics of the run are damaged; the message names the file.
    """
    path = run / METRICS_FILE
    if not path.exists():
        return []
    document = read_json(path)
    try:
        return [_numbers(point) for point in document["curve"]]
    except (TypeError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not the metrics of a run: {error!r}") from None


def _numbers(point: dict[str, Any]) -> dict[str, float]:
    shown = {name: float(point[name]) for name in REGRETS if name in point}
    if not shown:
        raise ValueError(f"a point has none of {', '.join(REGRETS)}")
    return shown | {"transitions": float(point["transitions"])}


# Several runs --------------------------------------------------------------------------------------------------------


def check_comparable(runs: Sequence[HeldOut]) -> None:
    """Make sure that runs were measured on the very same slots, and that the same side has learned in all of them.

    Raises:
        ValueError: they were not; the message names two of them.
    """
    first = runs[0]
    for run in runs[1:]:
        kinds = [{size: tuple(plays) for size, plays in each.plays.items()} for each in (first, run)]
        if kinds[0] != kinds[1]:
            raise ValueError(f"{first.name} and {run.name} are not of the same kind of training and size of markets")
        if any(first.plays[size]["learned"].market != run.plays[size]["learned"].market for size in first.plays):
            raise ValueError(f"{first.name} and {run.name} are not of the same scenario; evaluate them one by one")


def together(plays: Sequence[Play]) -> dict[str, Any]:
    """Relative figures of several runs' plays of the same slots.

    ``mean`` and ``iqm``, the mean of the middle half of all runs' slots, with intervals over runs and slots (see
    :func:`~agents.confidence.crossed_interval`), and the ``lowest`` and ``highest`` run.
    """
    found: dict[str, Any] = {}
    for name in plays[0].ratios:
        above, below = (np.stack(rows) for rows in zip(*(play.ratios[name] for play in plays), strict=True))
        each = [float(ratio_of_means(above[[i]], below[[i]])) for i in range(len(plays))]
        found[name] = {"lowest": min(each), "highest": max(each)}
        for key, statistic in (("mean", ratio_of_means), ("iqm", interquartile_ratio)):
            interval = crossed_interval(above, below, statistic)
            found[name][key] = float(statistic(above, below))
            found[name][f"{key}_interval_95"] = None if interval is None else list(interval)
    return found
