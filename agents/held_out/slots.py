"""The slots and markets that runs are measured in, cut into jobs that do not need one another.

How they are cut depends on their number and size alone. So the figures, to the last bit, are those of one process,
whoever does which job.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agents.config import FollowerConfig
from agents.evaluation.sets import evaluation_sizes, held_out, judge_set_policy
from agents.market_draws import Size
from agents.policy.files import AnyPolicy, check_fits, load_policy
from agents.policy.level_set import LevelSetPolicy
from agents.run_folder import read_config
from agents.torch_settings import one_torch_thread
from aigc_market_env import Market, Scenario
from aigc_market_env.evaluation.both import evaluate_both
from aigc_market_env.evaluation.followers import evaluate_followers
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, evaluate_leaders
from aigc_market_env.evaluation.plays import Play, plays_of
from aigc_market_env.evaluation.protocol import Evaluation
from aigc_market_env.evaluation.reward_sources import RewardSource
from aigc_market_env.scenarios import STATIC

#: Slots that a run on one market is measured in.
SLOTS = 512
#: A job has slots with about so many links in all: of campus 32, a few seconds of a core.
LINKS_PER_JOB = 1024


@dataclass(frozen=True, eq=False)
class Measured:
    """What was found in slots of one size: the evaluation, and its plays (:mod:`aigc_market_env.evaluation.plays`)."""

    result: Evaluation
    plays: Mapping[str, Play]


@dataclass(frozen=True)
class HeldOutSlots:
    """Some of the slots that a run is measured in, as a job.

    Attributes:
        folder: of the run.
        side: who has learned, ``"leader"``, ``"follower"`` or ``"both"``.
        size: M and N of the markets.
        first: number of the first slot.
        count: how many slots.
        market: to act in, batch (count,); None for fresh episodes of ``scenario``.
        scenario: None where there are markets.
    """

    folder: Path
    side: str
    size: Size
    first: int
    count: int
    market: Market | None = None
    scenario: Scenario | None = None

    @property
    def key(self) -> str:
        """Run, size and the numbers of the slots."""
        return f"{self.folder}, {self.size[0]}x{self.size[1]}, slots {self.first} to {self.first + self.count - 1}"

    def run(self) -> Measured:
        """Act, and search everyone's best deviations.

        Raises:
            FileNotFoundError: the run folder is not on this machine.
            ValueError: the policy's output is not finite, because its weights are damaged.
        """
        with one_torch_thread():
            result = self._evaluate(load_policy(self.folder))
            return Measured(result, plays_of(result, self.first))

    def _evaluate(self, policy: AnyPolicy) -> Evaluation:
        seed = EVALUATION_SEED + self.first
        if policy.any_size:
            assert self.market is not None  # set policies are measured in markets, see slots_of
            assert not isinstance(policy, LevelSetPolicy)  # which are measured over whole episodes
            return judge_set_policy(policy, self.market, seed=seed, certify=True)
        scenario = self.scenario
        if scenario is None:
            assert self.market is not None
            scenario = _of_markets(self.market)
        if policy.mus is None:
            return evaluate_followers(policy.act_batch, scenario, self.count, self._source(), seed)
        if policy.asps is None:
            return evaluate_leaders(policy.act_batch, scenario, self.count, seed, certify=True)
        return evaluate_both(policy.mus.act_batch, policy.asps.act_batch, scenario, self.count, seed, certify=True)

    def _source(self) -> RewardSource:
        """What is posted to providers who have learned alone: what they have learned on."""
        config = read_config(self.folder)
        if not isinstance(config, FollowerConfig):
            raise ValueError(f"{self.folder} holds a policy of providers, but its configuration is of {config.side}")
        return config.make_source()


def slots_of(
    folder: Path, files: Sequence[str] = (), count: int | None = None, preset: str | None = None
) -> list[HeldOutSlots]:
    """Jobs that measure the policy of a run folder; those of one size follow one another, in the order of their slots.

    Args:
        folder: of the run.
        files: markets to measure it in, each as it is; none for slots or markets like those that the run was trained
            on, and of a trace, of what is kept from training.
        count: how many of those; by default ``SLOTS`` slots, or as many markets of a size as have
            :data:`~agents.evaluation.sets.LINKS` links.
        preset: whose markets to measure it in instead, every one drawn anew.

    Raises:
        FileNotFoundError: the folder has no policy, or there is no such market file.
        ValueError: a file of the run or of a market is damaged, there is no such preset, or the policy is not for such
            markets.
    """
    policy, markets = load_policy(folder), [Market.from_json(file) for file in files]
    side = policy.kind.partition("_")[0]
    if policy.any_size:
        batches = _by_size(markets) if markets else _fresh(folder, count, preset)
        return [job for market in batches for job in _of_market(folder, side, market)]
    if markets:
        stacked = Market.stack(markets)
        check_fits(policy, folder, _of_markets(stacked))
        return list(_of_market(folder, side, stacked))
    scenario = own_scenario(folder)
    if preset is not None:
        scenario = Scenario.preset(preset, num_mus=scenario.num_mus, num_asps=scenario.num_asps)
    check_fits(policy, folder, scenario)
    size = (scenario.num_mus, scenario.num_asps)
    return [
        HeldOutSlots(folder, side, size, first, number, scenario=scenario)
        for first, number in _cuts(count or SLOTS, size)
    ]


def same_markets(one: HeldOutSlots, another: HeldOutSlots) -> bool:
    """Whether two jobs with the same numbers of slots are of the very same markets."""
    first, second = one.scenario, another.scenario
    if first is None or second is None:
        return first is second and one.market == another.market
    alike = (first.dynamics, first.wallet) == (second.dynamics, second.wallet)
    return alike and first.sample(EVALUATION_SEED) == second.sample(EVALUATION_SEED)


def own_scenario(folder: Path) -> Scenario:
    """The scenario that a run on one market was trained on; of a trace, its part that is held out.

    Raises:
        ValueError: the run is of a set policy.
    """
    config = read_config(folder)
    if config.any_size:
        raise ValueError(f"{folder} holds a policy for one market, but its configuration is of a set policy")
    return config.make_scenario().held_out


def _cuts(count: int, size: Size) -> Iterator[tuple[int, int]]:
    """First slot and number of slots of every job."""
    most = max(LINKS_PER_JOB // (size[0] * size[1]), 1)
    return ((first, min(most, count - first)) for first in range(0, count, most))


def _of_market(folder: Path, side: str, market: Market) -> Iterator[HeldOutSlots]:
    size = (market.num_mus, market.num_asps)
    for first, number in _cuts(len(market.slot_duration), size):
        yield HeldOutSlots(folder, side, size, first, number, market[first : first + number])


def _fresh(folder: Path, count: int | None, preset: str | None) -> Iterator[Market]:
    config = read_config(folder)
    if not config.any_size:
        raise ValueError(f"{folder} holds a set policy, but its configuration is of one market; give it market files")
    distribution = config.markets.held_out
    if preset is not None:
        distribution = replace(config.markets, scenario=preset, loads=None, satiation=None)
        if distribution.has_wallets:
            raise ValueError(f"scenario = {preset!r} has wallets, which the policy of {folder} does not see")
    for size in evaluation_sizes(config.markets, config.larger_sizes):
        yield held_out(distribution, size, count)


def _by_size(markets: Sequence[Market]) -> Iterator[Market]:
    by_size: dict[Size, list[Market]] = {}
    for market in markets:
        by_size.setdefault((market.num_mus, market.num_asps), []).append(market)
    return map(Market.stack, by_size.values())


def _of_markets(market: Market) -> Scenario:
    """A scenario whose lane i is played on the i-th market of a batch, which stays as it is."""
    return Scenario("the market files", market.num_mus, market.num_asps, STATIC, 0, lambda _: market)
