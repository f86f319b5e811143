"""What a benchmark task is: markets to train in, markets to be judged in, who acts, and what they see."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec

from aigc_market_env import market_v0
from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.evaluation.leaders import EVALUATION_SEED
from aigc_market_env.evaluation.reward_sources import RewardSource
from aigc_market_env.model.options import check_seed, positive_integer
from aigc_market_env.scenarios import Scenario
from aigc_market_env.tasks.serving import ServingBatch, ServingEnv
from aigc_market_env.views import VIEWS, ViewName

Role = Literal["mu", "asp"]
#: M and N.
Size = tuple[int, int]
#: Training draws from seeds below this one; those of test markets begin here.
TRAINING_SEEDS = range(EVALUATION_SEED)


@dataclass(frozen=True, eq=False)
class Task:
    """A benchmark task. Version 2 of a task would be another one, with a name of its own; this one stays as it is.

    Attributes:
        name: with its version, ``"campus-v1"``.
        summary: in a line.
        roles: who acts by the policy that is judged: MUs, ASPs or both. The others respond: ASPs exactly, MUs by
            ``posts``.
        preset: scenario that markets come from; see :meth:`~aigc_market_env.Scenario.preset`.
        options: of the preset.
        market_seed: which market of it all episodes are on; None for a market of its own in every episode.
        test_preset: where test markets come from; None for the same.
        sizes: M and N of the markets, where the task has several sizes; those of the scenario otherwise. Training may
            use the first ``trained_sizes`` of them.
        trained_sizes: see there.
        view: what MUs see; see :mod:`aigc_market_env.views`. ``"market"``: policies get the
            :class:`~aigc_market_env.Market` itself, because the number of entries differs by size.
        posts: what MUs post in tasks of ASPs alone.
        horizon: slots in a training episode; in a test episode, too, where MUs have wallets.
        transitions: allowance of training: slots times agents that act by the policy.
        test_seeds: of the test episodes; of several sizes, of each.
        warm_up: slots that are played before the one that is measured. Without effect where MUs have wallets.
        kept_mixtures: whether the mixed equilibria of the test slots are kept in a file, because finding them takes
            minutes (:mod:`aigc_market_env.tasks.mixtures`). They are certified anew in every score.
        fingerprint: SHA-256 of the test markets, see :func:`~aigc_market_env.tasks.fingerprint`.
    """

    name: str
    summary: str
    roles: tuple[Role, ...]
    preset: str
    options: Mapping[str, Any] = field(default_factory=dict)
    market_seed: int | None = None
    test_preset: str | None = None
    sizes: tuple[Size, ...] = ()
    trained_sizes: int = 0
    view: ViewName | Literal["market"] = "board"
    posts: RewardSource | None = None
    horizon: int = 64
    transitions: int = 1_000_000
    test_seeds: Sequence[Sequence[int]] = (range(EVALUATION_SEED, EVALUATION_SEED + 512),)
    warm_up: int = 8
    kept_mixtures: bool = False
    fingerprint: str = ""

    @cached_property
    def scenario(self) -> Scenario:
        """Where training markets come from; of several sizes, those of the first."""
        return self.training_scenario()

    def training_scenario(self, size: Size | None = None) -> Scenario:
        """Where training markets of a size come from.

        Args:
            size: M and N, one of the task's :attr:`sizes` that training may use; by default the first.

        Raises:
            ValueError: it is none of these.
        """
        allowed = self.sizes[: self.trained_sizes]
        if size is not None and size not in allowed:
            known = ", ".join(map(str, allowed)) or "that of the scenario alone: leave size out"
            raise ValueError(f"size = {size!r} is not one that {self.name} is trained on; they are {known}")
        return self._of_size(self.preset, size or (allowed[0] if allowed else None))

    @cached_property
    def test_scenarios(self) -> tuple[Scenario, ...]:
        """Where test markets come from, one for each size."""
        return tuple(self._of_size(self.test_preset or self.preset, size) for size in self.sizes or (None,))

    @property
    def has_wallets(self) -> bool:
        """Whether MUs have wallets, so that whole episodes are judged."""
        return self.scenario.wallet is not None

    def parallel_env(
        self, seed: int | None = None, *, render_mode: str | None = None, size: Size | None = None
    ) -> ParallelEnv[str, Any, Any]:
        """A training environment in PettingZoo's Parallel form. A ``reset()`` goes on from the seed.

        Args:
            seed: of its markets, below 10^15: those of test markets begin there. None for unpredictable ones.
            render_mode: see :mod:`aigc_market_env.market_v0`; without effect in tasks of ASPs alone.
            size: see :meth:`training_scenario`.

        Raises:
            ValueError: an argument is not valid.
        """
        first, scenario = _training_seed(seed, 1), self.training_scenario(size)
        env: Any
        if self.posts is not None:
            env = ServingEnv(scenario, self.posts, self.horizon)
        else:
            env = market_v0.parallel_env(scenario, self._cycles, render_mode, asps=self._asps, view=self._shown)
        if first is not None:
            env.reset(seed=first)
        return env

    def env(
        self, seed: int | None = None, *, render_mode: str | None = None, size: Size | None = None
    ) -> AECEnv[str, Any, Any]:
        """A training environment in PettingZoo's AEC form; see :meth:`parallel_env`."""
        first, scenario = _training_seed(seed, 1), self.training_scenario(size)
        env: Any
        if self.posts is not None:
            env = parallel_to_aec(ServingEnv(scenario, self.posts, self.horizon))
        else:
            env = market_v0.env(scenario, self.horizon, render_mode, asps=self._asps, view=self._shown)
        if first is not None:
            env.reset(seed=first)
        return env

    def batched_env(
        self, num_envs: int, seed: int | None = None, *, size: Size | None = None
    ) -> BatchedMarketEnv | ServingBatch:
        """Many training markets as arrays; lane i is seeded with ``seed + i``.

        Args:
            num_envs: B.
            seed: see :meth:`parallel_env`.
            size: see :meth:`training_scenario`.

        Raises:
            ValueError: an argument is not valid.
        """
        num_envs = positive_integer("num_envs", num_envs)
        first, scenario = _training_seed(seed, num_envs), self.training_scenario(size)
        if self.posts is not None:
            return ServingBatch(scenario, num_envs, self.posts, horizon=self.horizon, seed=first)
        return BatchedMarketEnv(
            scenario, num_envs, asps=self._asps, max_cycles=self._cycles, seed=first, view=self._shown
        )

    def observation_names(self) -> list[str]:
        """Names of the entries of an MU's observation, in order; of several sizes, those of the first."""
        return VIEWS[self._shown].names(self.scenario)

    @property
    def _asps(self) -> Literal["agents", "best_response"]:
        return "agents" if "asp" in self.roles else "best_response"

    @property
    def _shown(self) -> ViewName:
        return "full" if self.view == "market" else self.view

    @property
    def _cycles(self) -> int:
        """Steps in an episode of the Parallel form."""
        return self.horizon * (2 if "asp" in self.roles else 1)

    def _of_size(self, preset: str, size: Size | None) -> Scenario:
        sized: dict[str, Any] = {} if size is None else {"num_mus": size[0], "num_asps": size[1]}
        scenario = Scenario.preset(preset, **self.options, **sized)
        return scenario if self.market_seed is None else scenario.fix(self.market_seed)


def _training_seed(seed: int | None, lanes: int) -> int | None:
    first = check_seed(seed)
    if first is not None and first + lanes - 1 not in TRAINING_SEEDS:
        raise ValueError(f"seed = {seed} must be below {EVALUATION_SEED - lanes + 1}: test markets have those above")
    return first
