"""What the AEC and the Parallel environment share: one market, its agents, their actions and observations (private)."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box
from gymnasium.utils import seeding
from pettingzoo.utils.env_logger import EnvLogger

from aigc_market_env import rendering, spaces
from aigc_market_env._engine.engine import Engine
from aigc_market_env._numerics.compile import version_for
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_asps, check_pettingzoo_options, check_seed, positive_integer
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.served import ServedSlot
from aigc_market_env.views import VIEWS, ViewName, check_view
from aigc_market_env.wallets import Wallet, WalletRange

#: Attributes that are views of buffers.
_VIEWS = ("_mu_shares", "_asp_shares", "_payoffs")


class ActionBuffer(OwnsArrays):
    """Where the actions of all agents are kept.

    Args:
        shapes: of actions, by agent.
    """

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self._shapes = dict(shapes)
        self.flat = np.zeros(sum(map(math.prod, shapes.values())))
        self._share_out()

    def _share_out(self) -> None:
        """Give every agent its place in the buffer: the shape of its actions, a view of that shape, and a flat one."""
        ends = np.cumsum([math.prod(shape) for shape in self._shapes.values()])
        parts = zip(self._shapes.items(), np.split(self.flat, ends[:-1]), strict=True)
        self.places = {agent: (shape, part.reshape(shape), part) for (agent, shape), part in parts}
        self._in_order = list(self._shapes.values())
        self._joined: dict[np.dtype[Any], tuple[npt.NDArray[Any], memoryview, Callable[..., bool]]] = {}

    # Copies and pickles of views would be arrays of their own.
    def __getstate__(self) -> dict[str, Any]:
        return {"_shapes": self._shapes, "flat": self.flat}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share_out()

    def store(self, actions: Sequence[Any]) -> bool:
        """Keep the actions of all agents, in order, if there is nothing to look at twice; whether that is so.

        That is, if all are arrays of one floating-point type and of the right shape, and within [0, 1].
        """
        try:
            dtype = actions[0].dtype
            for action, shape in zip(actions, self._in_order):  # noqa: B905 - strict=True would take longer than this
                if action.shape != shape:
                    return False
                if action.dtype is not dtype and action.dtype != dtype:
                    return False
            joined, memory, keep = self._joined.get(dtype) or self._room_for(dtype)
            memory[:] = b"".join(actions)
        except (AttributeError, BufferError, TypeError):
            return False
        return not keep(joined, self.flat)

    def _room_for(self, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], memoryview, Callable[..., bool]]:
        """Where actions of a type are put one after the other, its bytes, and what keeps them from there.

        Raises:
            TypeError: it is no floating-point type that compiled loops take.
        """
        if dtype not in spaces.PLAIN:
            raise TypeError(f"actions of type {dtype} are to be looked at one by one")
        joined = np.empty(self.flat.size, dtype)
        self._joined[dtype] = joined, joined.data.cast("B"), version_for(spaces.keep, joined, self.flat)
        return self._joined[dtype]


class SingleMarket(OwnsArrays):
    """One lane of the engine, and the names, spaces and buffers of its agents."""

    metadata: ClassVar[dict[str, Any]] = {
        "name": "market_v0",
        "render_modes": list(rendering.MODES),
        "render_fps": rendering.FPS,
    }

    #: How many cycles a slot takes where ASPs are agents; otherwise one.
    _cycles_per_slot: ClassVar[int]
    #: Whether steps hand out observations; otherwise they are copied when somebody asks for them.
    _hands_out: ClassVar[bool]

    def __init__(
        self,
        scenario: Any,
        max_cycles: int,
        render_mode: str | None,
        asps: Literal["agents", "best_response"],
        strict: bool,
        wallet: Wallet | WalletRange | None,
        view: ViewName,
    ) -> None:
        self._renderer = rendering.Renderer(render_mode)
        self.scenario = Scenario.of(scenario, wallet=wallet)
        self.max_cycles = positive_integer("max_cycles", max_cycles)
        self.render_mode = render_mode
        self.asps = check_asps(asps)
        self.strict = strict
        self.view = check_view(view)
        self.num_mus, self.num_asps = self.scenario.num_mus, self.scenario.num_asps
        mus = [f"mu_{m}" for m in range(self.num_mus)]
        providers = [f"asp_{n}" for n in range(self.num_asps)] if asps == "agents" else []
        self.possible_agents = mus + providers
        self._nothing = dict.fromkeys(self.possible_agents, 0.0)
        seen = self.scenario.extra_entries
        self.observation_spaces = {agent: VIEWS[self.view].space(self.scenario) for agent in mus}
        self.observation_spaces |= {agent: spaces.asp_observation_space(self.num_mus) for agent in providers}
        self.action_spaces = {agent: spaces.mu_action_space(self.num_asps) for agent in mus}
        self.action_spaces |= {agent: spaces.asp_action_space(self.num_mus) for agent in providers}
        self.state_space = spaces.state_space(self.num_mus, self.num_asps, **seen)
        self._actions = ActionBuffer({agent: space.shape for agent, space in self.action_spaces.items()})
        groups = ("mu", "asp") if providers else ("mu",)
        horizon = max(self.max_cycles // (self._cycles_per_slot if providers else 1), 1)
        self._engine = Engine(
            self.scenario, 1, groups=groups, copy=self._hands_out, agents=self.possible_agents, horizon=horizon
        )
        self._share_out()
        self._np_random: np.random.Generator | None = None
        self._np_random_seed = -1
        self._has_reset = False

    # What users look at ----------------------------------------------------------------------------------------------

    @property
    def market(self) -> Market:
        """The market of the current slot."""
        if not self._has_reset:
            raise AttributeError("market cannot be accessed before reset")
        return self._engine.market(lane=0)

    @property
    def base_market(self) -> Market:
        """The market that the episode began from, before anything had changed."""
        if not self._has_reset:
            raise AttributeError("base_market cannot be accessed before reset")
        return self._engine.base_market()[0]

    @property
    def wallet(self) -> Wallet | None:
        """Every MU's wallet as the slot begins, in credits; None in scenarios without. (M,)."""
        if not self._has_reset:
            raise AttributeError("wallet cannot be accessed before reset")
        return self._engine.wallet(lane=0)

    @property
    def posted_rewards(self) -> FloatArray:
        """Rewards posted in the slot last served, credits per QoE; zero before the first. (M, N)."""
        if not self._has_reset:
            return np.zeros((self.num_mus, self.num_asps))
        return self._engine.quantity("rewards")[0].copy()

    @property
    def served(self) -> ServedSlot:
        """What happened in the slot served last: rewards, allocation, QoE, payoffs; zero before the first.

        Its market is that of before the step which served it.
        """
        if not self._has_reset:
            raise AttributeError("served cannot be accessed before reset")
        return ServedSlot.of(self._engine, lane=0)

    def observation_space(self, agent: str) -> Box:
        """The agent's observation space, always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> Box:
        """The agent's action space, always the same object."""
        return self.action_spaces[agent]

    def state(self) -> npt.NDArray[np.float32]:
        """The whole market, for centralised critics; entries named by :func:`aigc_market_env.spaces.state_names`."""
        if not self._has_reset:
            EnvLogger.error_state_before_reset()
        observations = self._engine.observe(mus_turn=self._mus_turn)
        mus, asps = observations.mus[0], observations.asps[0]
        return np.concatenate([mus[0, :1], mus[:, 1:].ravel(), asps[:, 1:].ravel()])

    def render(self) -> Any:
        """The slot served last: a table (``"ansi"``), a picture (``"rgb_array"``), or a window (``"human"``)."""
        if not self._has_reset:
            EnvLogger.error_render_before_reset()
        if self.render_mode is None:
            EnvLogger._generic_warning("[WARNING]: render() without a render_mode shows nothing.")
            return None
        return self._renderer.show(rendering.Snapshot.of(self._engine, self.scenario.name, self._slots))

    def close(self) -> None:
        """Close the window, if there is one."""
        self._renderer.close()

    # Wrappers written for Gymnasium's environments look for these two.

    @property
    def np_random(self) -> np.random.Generator:
        """A generator for wrappers, seeded along with the environment, which never draws from it."""
        if self._np_random is None:
            self._np_random, self._np_random_seed = seeding.np_random()
        return self._np_random

    @np_random.setter
    def np_random(self, generator: np.random.Generator) -> None:
        self._np_random, self._np_random_seed = generator, -1

    @property
    def np_random_seed(self) -> int:
        """The seed of :attr:`np_random`; -1 for a generator that was assigned."""
        _ = self.np_random
        return self._np_random_seed

    # What the two environments are made of ---------------------------------------------------------------------------

    def _share_out(self) -> None:
        """Look up where actions and payoffs lie."""
        posted = self.num_mus * self.num_asps
        self._mu_shares = self._actions.flat[:posted].reshape(1, self.num_mus, self.num_asps)
        self._asp_shares = self._actions.flat[posted:].reshape(1, -1, 2, self.num_mus)
        self._payoffs = [self._engine.quantity(name)[0] for name in ("utility", "profit")]

    # Copies and pickles of views would be arrays of their own.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _VIEWS}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._share_out()

    def _begin(self, seed: int | None, options: dict[str, Any] | None) -> None:
        check_pettingzoo_options(options, by="market_v0")
        seed = check_seed(seed)
        if seed is not None:
            self._np_random, self._np_random_seed = seeding.np_random(seed)
        self._current = self._engine.reset(None if seed is None else [seed]).rows
        self._has_reset = self._mus_turn = True
        self._slots = 0

    def _store(self, agent: str, action: Any) -> int:
        """Check an action and keep it for the step; how many of its entries are out of range."""
        shape, row, part = self._actions.places[agent]
        if type(action) is np.ndarray and action.shape == shape and action.dtype.char in "fd":
            row[...] = action
            if not spaces.any_outside(part):
                return 0
        array = spaces.as_action(action, shape, repr(agent), strict=self.strict)
        np.clip(array, 0.0, 1.0, out=row)
        return int(np.count_nonzero(row != array))

    def _store_all(self, actions: Mapping[str, Any]) -> list[int] | None:
        """Check all actions and keep them for the step.

        What a refused call leaves in the buffers does no harm: every step fills all of them before they are used.

        Returns:
            How many entries of each agent's are out of range, None when none is.
        """
        given = self._in_order(actions)
        if self._actions.store(given):
            return None
        return [self._store(agent, action) for agent, action in zip(self.possible_agents, given, strict=True)]

    def _in_order(self, actions: Mapping[str, Any]) -> list[Any]:
        """The actions of all agents, in order."""
        if type(actions) is dict and list(actions) == self.possible_agents:
            return list(actions.values())
        if not isinstance(actions, Mapping):
            raise ValueError(f"actions must be a dictionary by agent, got {actions!r}")
        agents = self.action_spaces.keys()
        if actions.keys() != agents:
            missing, unknown = agents - actions.keys(), actions.keys() - agents
            wrong = f"missing for {min(missing)!r}" if missing else f"for unknown agent {min(unknown, key=str)!r}"
            raise ValueError(f"action {wrong}; the agents are {', '.join(self.possible_agents)}")
        return [actions[agent] for agent in self.possible_agents]

    def _post(self) -> None:
        self._current = self._engine.post(self._mu_shares).rows
        self._mus_turn = False

    def _serve(self) -> dict[str, float]:
        """Close the slot; every agent's payoff."""
        if self.asps == "best_response":
            self._current = self._engine.trade(self._mu_shares).rows
        else:
            self._current = self._engine.serve(self._asp_shares).rows
        self._mus_turn = True
        self._slots += 1
        utility, profit = self._payoffs
        payoffs = self._nothing.copy()  # which has room for all, unlike a dictionary that grows
        # Not strict, which takes longer; and there are more payoffs than agents where ASPs are none.
        for agent, payoff in zip(self.possible_agents, utility.tolist() + profit.tolist()):  # noqa: B905
            payoffs[agent] = payoff
        return payoffs

    def _observations(self) -> dict[str, npt.NDArray[np.float32]]:
        """The observations of all agents, in arrays that are theirs."""
        rows = self._current.copy()
        if self.view != "board":
            mus = self.possible_agents[: self.num_mus]
            shown = np.stack([rows[agent] for agent in mus])[None]
            rows |= zip(mus, VIEWS[self.view].of(shown, self._engine.market())[0].copy(), strict=True)
        return rows
