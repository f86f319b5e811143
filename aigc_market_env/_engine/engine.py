"""The engine that every environment of this package runs on: B markets side by side (private)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env import spaces
from aigc_market_env._engine import kernels, lanes
from aigc_market_env._engine.buffers import BufferPool, ObservationBuffer
from aigc_market_env._engine.lanes import Observations
from aigc_market_env._engine.prefetch import MarketPrefetch, check_satiation, check_slots
from aigc_market_env._engine.process import process_of
from aigc_market_env._engine.slot import SLICE, new_scratch, num_slices
from aigc_market_env._numerics.compile import over_markets, version_for
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_seed
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.scenarios.streams import seed_streams
from aigc_market_env.scenarios.traces.walk import check_places
from aigc_market_env.wallets import Wallet

#: Default accuracy of best responses in the environments: the profit that an ASP forgoes is of second order in it, less
#: than 1e-9 of what it earns.
TOLERANCE = 1e-6
#: Attributes that are made anew for a copy.
_PREPARED = ("_own", "_versions", "_scratch", "_buffers", "_only")


class Engine(OwnsArrays):
    """B lanes, each a market of the scenario with a random stream of its own; lane i does not depend on B.

    Args:
        scenario: where markets come from and what changes in them.
        num_lanes: B.
        groups: whose observations are handed out.
        tolerance: accuracy to which best responses use up a binding capacity, relative to it.
        copy: whether observations handed out are the user's to keep, or views that the next step overwrites.
        agents: names by which the first lane's observations are also wanted one by one.
        horizon: slots in an episode, as MUs with wallets see what is left of it; None for one that has no end.
    """

    def __init__(
        self,
        scenario: Scenario,
        num_lanes: int,
        *,
        groups: Sequence[str] = ("mu", "asp"),
        tolerance: float = TOLERANCE,
        copy: bool = True,
        agents: Sequence[str] = (),
        horizon: int | None = None,
    ) -> None:
        self.scenario = scenario
        self.num_lanes = num_lanes
        self.copy = copy
        self._tolerance = tolerance
        self.set_horizon(horizon)
        b, m, n = num_lanes, scenario.num_mus, scenario.num_asps
        self.lanes = lanes.new_lanes(b, m, n)
        mu_space, asp_space = (
            spaces.mu_observation_space(n, **scenario.extra_entries),
            spaces.asp_observation_space(m),
        )
        sizes = mu_space.shape[0], asp_space.shape[0]
        self._current = Observations(np.zeros((b, m * sizes[0]), np.float32), np.zeros((b, n * sizes[1]), np.float32))
        self._whole = (b, m, sizes[0]), (b, n, sizes[1])
        self._shapes = ((b, m if "mu" in groups else 0, sizes[0]), (b, n if "asp" in groups else 0, sizes[1]))
        self._agents = agents
        self._prepare()
        self._prefetch = MarketPrefetch(scenario, np.zeros(b, np.uint64))
        self._seeded = False

    def set_horizon(self, horizon: int | None) -> None:
        """Have episodes be of so many slots, in what MUs with wallets see; None for ones that have no end."""
        wallets = self.scenario.wallet is not None
        self._process = process_of(self.scenario.dynamics, wallets=wallets, horizon=horizon)

    def reset(self, seeds: Sequence[int | None] | None) -> ObservationBuffer:
        """Begin an episode in every lane.

        Args:
            seeds: one per lane, None for an unpredictable one; None altogether continues the lanes' streams.

        Returns:
            All observations, like :meth:`post`, :meth:`serve` and :meth:`trade`.
        """
        if seeds is not None or not self._seeded:
            seeds = [None] * self.num_lanes if seeds is None else seeds
            generators = [np.random.default_rng(check_seed(seed)) for seed in seeds]
            for streams in (self._prefetch.streams, self.lanes.streams):
                streams[:] = seed_streams(generators)
            self._prefetch.forget()
            self._seeded = True
        self._prefetch.load(self.lanes)
        return self._run(kernels.begin, self._scratch)

    def post(self, shares: FloatArray) -> ObservationBuffer:
        """MUs post rewards as shares (B, M, N) of ω/q; shares outside [0, 1] are clipped."""
        return self._run(kernels.post, shares)

    def serve(self, shares: FloatArray) -> ObservationBuffer:
        """ASPs allocate shares (B, N, 2, M) of their capacities, and the slot closes."""
        return self._run(kernels.serve, shares, self._scratch)

    def trade(self, shares: FloatArray) -> ObservationBuffer:
        """MUs post rewards as shares (B, M, N) of ω/q, ASPs respond at their best, and the slot closes."""
        return self._run(kernels.trade, shares, self._tolerance)

    def quantity(self, name: str) -> npt.NDArray[Any]:
        """A view of one of the lanes' quantities; it changes with the next step."""
        return lanes.quantity(self.lanes, name)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of all that the lanes consist of, by name; :meth:`restore` takes them back."""
        return {name: array.copy("C") for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Go on from a state that an engine of the same scenario and size was in.

        Args:
            state: what :meth:`state` returned.

        Raises:
            ValueError: an array is missing, does not have the shape and type of this engine's, or is not of a valid
                market. Nothing changes.
        """
        arrays = self._arrays()
        for name, own in arrays.items():
            if name not in state or (state[name].shape, state[name].dtype) != (own.shape, own.dtype):
                raise ValueError(f"state {name!r} is missing or not an array of {own.dtype} and shape {own.shape}")
        lanes.check_played(state)
        base = Market(**{name: state[f"base.{name}"] for name in FIELDS})
        base.replace(**{name: state[f"now.{name}"] for name in lanes.CHANGING if f"now.{name}" in arrays})
        check_satiation(self.scenario, base)
        check_slots(self.scenario, base)
        if self.scenario.dynamics.trace is not None:
            check_places(self.scenario.dynamics.trace, state)
        if self.scenario.wallet is not None:
            lanes.check_wallets(state)
        lanes.load_market(self.lanes, base)
        for name, own in arrays.items():
            own[...] = state[name]
        self._prefetch.forget()
        self._seeded = True
        over_markets(kernels.resume, self.num_lanes, *self._own, self._process, self._scratch, min_slice=SLICE)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Views of all that the lanes consist of, by name."""
        dynamics = self.scenario.dynamics
        names = lanes.state_names(
            worth=dynamics.worth_varies,
            load=dynamics.load_varies,
            trace=dynamics.trace is not None,
            wallets=self.scenario.wallet is not None,
        )
        quantities = {name: self.quantity(lanes.place_of(name)) for name in names}
        return quantities | {"market_streams": self._prefetch.streams}

    def market(self, lane: int | None = None) -> Market:
        """The markets of the current slot, with batch shape (B,), or the one of ``lane``."""
        return lanes.market_of(self.lanes, lane)

    def base_market(self) -> Market:
        """The markets that the episodes began from, before what changes had changed; batch shape (B,)."""
        return lanes.market_of(self.lanes, base=True)

    def wallet(self, lane: int | None = None) -> Wallet | None:
        """The wallets as the slot begins, in credits, (B, M), or those of ``lane``, (M,); None where there are none."""
        if self.scenario.wallet is None:
            return None
        money, income, cap = (self.quantity(name)[... if lane is None else lane] for name in ("money", "income", "cap"))
        return Wallet(money, income, cap)

    def observe(self, *, mus_turn: bool) -> Observations:
        """The observations of all agents of both groups, in new arrays."""
        buffer = ObservationBuffer(self._whole)
        over_markets(kernels.observe, self.num_lanes, *self._own, *buffer.flat, mus_turn)
        return buffer.observations

    def _run(self, kernel: Any, *inputs: Any) -> ObservationBuffer:
        buffer = self._only or self._buffers.take()
        arguments = (*self._own, *buffer.flat, self._process, *inputs)
        version = self._versions.get(kernel)
        if version is None:  # lanes, buffers and inputs are of the same types at every step
            version = self._versions[kernel] = version_for(kernel, 0, self.num_lanes, *arguments)
        if self.num_lanes == 1:  # there is nothing to share out, and a slot takes no longer than to find that out
            version(0, 1, *arguments)
        else:
            over_markets(version, self.num_lanes, *arguments, min_slice=SLICE, slices_per_thread=1)
        return buffer

    def _prepare(self) -> None:
        """Make what is no part of the state: views, scratch, and buffers to hand out."""
        self._own = (*self.lanes, *self._current)
        self._versions: dict[Any, Callable[..., None]] = {}  # of kernels
        self._scratch = new_scratch(self.lanes, num_slices(self.num_lanes))
        self._buffers = BufferPool(self._shapes, self._agents)
        self._only = None if self.copy else self._buffers.take()  # which every step writes into

    # Copies and pickles of views and buffers would be arrays that do not look into one another.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in _PREPARED}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._prepare()
