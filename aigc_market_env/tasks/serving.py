"""Markets in which ASPs alone are agents: MUs post by a source, and a step is a slot."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from pettingzoo import ParallelEnv

from aigc_market_env import spaces
from aigc_market_env.batch import Arrays, BatchedMarketEnv
from aigc_market_env.evaluation.reward_sources import RewardSource, Situation, equilibrium_shares
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_pettingzoo_options, check_seed, positive_integer
from aigc_market_env.scenarios import Scenario

Observation = npt.NDArray[np.float32]


class ServingBatch:
    """B markets whose ASPs serve what a source posts; as :class:`~aigc_market_env.BatchedMarketEnv`, of ASPs alone.

    What is posted is around the equilibrium of each episode's first slot, and drawn for all lanes together: it depends
    on how many there are.

    Args:
        scenario: where markets come from.
        num_envs: B.
        source: what the MUs post.
        horizon: slots in an episode; None for one that never ends.
        seed: of the first reset; lane i gets ``seed + i``, and what is posted depends on it.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - Gymnasium's own convention

    def __init__(
        self, scenario: Scenario, num_envs: int, source: RewardSource, *, horizon: int | None, seed: int | None = None
    ) -> None:
        self.markets = BatchedMarketEnv(scenario, num_envs, asps="agents", max_cycles=None)
        self.scenario, self.num_envs, self.source = scenario, self.markets.num_envs, source
        self.num_mus, self.num_asps = scenario.num_mus, scenario.num_asps
        self.horizon = None if horizon is None else positive_integer("horizon", horizon)
        self.single_observation_space = {"asp": spaces.asp_observation_space(self.num_mus)}
        self.single_action_space = {"asp": spaces.asp_action_space(self.num_mus)}
        self._first_seed = check_seed(seed)
        self._rng: np.random.Generator | None = None

    @property
    def market(self) -> Market:
        """The markets of the current slot, with batch shape (B,)."""
        return self.markets.market

    def reset(self, seed: int | Sequence[int | None] | None = None) -> tuple[Arrays, dict[str, Any]]:
        """Begin an episode in every lane; see :meth:`~aigc_market_env.BatchedMarketEnv.reset`.

        Raises:
            ValueError: a seed is no integer >= 0, or a sequence has not one for each lane. Nothing changes.
        """
        if seed is None and self._rng is None:
            seed = self._first_seed
        self._seen, _ = self.markets.reset(seed=seed)
        if seed is not None or self._rng is None:
            first = seed if seed is None or isinstance(seed, int | np.integer) else seed[0]
            self._rng = np.random.default_rng(first)
        self._slot = 0
        self._equilibrium = equilibrium_shares(self.markets.market)
        return self._post(), {}

    def step(
        self, actions: Mapping[str, npt.ArrayLike]
    ) -> tuple[Arrays, Arrays, npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Serve the slot in every lane with the ASPs' actions (B, N, 2, M), and have the MUs post for the next.

        Raises:
            ValueError: reset() was not called, or the actions are missing or of a wrong shape. Nothing changes.
        """
        if self._rng is None:
            raise ValueError("reset() must be called before step()")
        self._seen, rewards, *_ = self.markets.step(actions)
        self._slot += 1
        over, infos = self._slot == self.horizon, {}
        if over:
            infos["final_obs"] = {"asp": self._seen["asp"]}
            observations, _ = self.reset()
        else:
            observations = self._post()
        ends = np.full(self.num_envs, over)
        return observations, {"asp": rewards["asp"]}, np.zeros(self.num_envs, bool), ends, infos

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def _post(self) -> Arrays:
        assert self._rng is not None
        posted, *_ = self.markets.step({"mu": self.source(Situation(self._seen["mu"], self._equilibrium, self._rng))})
        return {"asp": posted["asp"]}


class ServingEnv(ParallelEnv[str, Observation, npt.ArrayLike]):
    """The ASPs of one market as a PettingZoo environment, MUs posting by a source; see :class:`ServingBatch`.

    Args:
        scenario: where markets come from.
        source: what the MUs post.
        max_cycles: slots in an episode.
    """

    metadata: ClassVar[dict[str, Any]] = {"name": "serving_v0", "render_modes": [], "is_parallelizable": True}
    render_mode = None

    def __init__(self, scenario: Scenario, source: RewardSource, max_cycles: int = 64) -> None:
        self._batch = ServingBatch(scenario, 1, source, horizon=None)
        self.scenario, self.max_cycles = scenario, positive_integer("max_cycles", max_cycles)
        self.possible_agents = [f"asp_{n}" for n in range(scenario.num_asps)]
        self.agents: list[str] = []
        spaces_of = self._batch.single_observation_space["asp"], self._batch.single_action_space["asp"]
        self.observation_spaces, self.action_spaces = (
            {agent: Box(space.low, space.high, space.shape, space.dtype) for agent in self.possible_agents}
            for space in spaces_of
        )

    @property
    def market(self) -> Market:
        """The market of the current slot."""
        return self._batch.market[0]

    @property
    def base_market(self) -> Market:
        """The market that the episode began from, before anything had changed."""
        return self._batch.markets.base_market[0]

    def observation_space(self, agent: str) -> Box:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode; without a seed, the random streams go on.

        Raises:
            ValueError: the seed is no integer >= 0, or there are options, which mean nothing here. Nothing changes.
        """
        check_pettingzoo_options(options, by="this environment")
        observations, _ = self._batch.reset(check_seed(seed))
        self.agents, self._cycle = list(self.possible_agents), 0
        return self._by_agent(observations), {agent: {} for agent in self.agents}

    def step(
        self, actions: Mapping[str, npt.ArrayLike]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """Serve one slot.

        Raises:
            ValueError: an action is bad, missing or of an unknown agent, or the episode is over. Nothing changes.
        """
        if not self.agents:
            raise ValueError("step() without an episode, or after its end; call reset() first")
        if set(actions) != set(self.agents):
            raise ValueError(f"actions must be those of {', '.join(self.agents)}, got {', '.join(map(str, actions))}")
        shape = self.action_spaces[self.agents[0]].shape
        rows = [spaces.as_action(actions[agent], shape, repr(agent), strict=False) for agent in self.agents]
        observations, rewards, *_ = self._batch.step({"asp": np.stack(rows)[None]})
        agents = self.agents
        self._cycle += 1
        over = self._cycle == self.max_cycles
        if over:
            self.agents = []
        gains = dict(zip(agents, rewards["asp"][0].tolist(), strict=True))
        never, now = (dict.fromkeys(agents, end) for end in (False, over))
        return self._by_agent(observations), gains, never, now, {agent: {} for agent in agents}

    def _by_agent(self, observations: Arrays) -> dict[str, Observation]:
        return dict(zip(self.possible_agents, (row.copy() for row in observations["asp"][0]), strict=True))
