"""The engine that every environment of this package runs on: B markets side by side (private)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env import spaces
from aigc_market_env._engine import kernels as _kernels
from aigc_market_env._engine import lanes as _lanes
from aigc_market_env._engine.buffers import Sheet, Sheets
from aigc_market_env._engine.lanes import Views
from aigc_market_env._engine.prefetch import MarketSource
from aigc_market_env._numerics.compile import over_markets
from aigc_market_env._numerics.owned import OwnsArrays
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_seed
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.scenarios import Scenario
from aigc_market_env.scenarios.streams import seed_streams

#: Default accuracy of best responses in the environments: the profit that an ASP forgoes is of second order in it, less
#: than 1e-9 of what it earns.
TOLERANCE = 1e-6


class Engine(OwnsArrays):
    """B lanes, each a market of the scenario with a random stream of its own; lane i does not depend on B.

    Args:
        scenario: where markets come from and what changes in them.
        num_lanes: B.
        groups: whose observations are handed out.
        tolerance: accuracy to which best responses use up a binding capacity, relative to it.
        copy: whether observations handed out are the user's to keep, or views that the next step overwrites.
        agents: names by which the first lane's observations are also wanted one by one.
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
    ) -> None:
        self.scenario = scenario
        self.num_lanes = num_lanes
        self.copy = copy
        dynamics = scenario.dynamics
        self._tolerance = tolerance
        self._process = (
            float(dynamics.shadowing_db),
            float(dynamics.shadowing_correlation),
            float(dynamics.request_probability),
        )
        b, m, n = num_lanes, scenario.num_mus, scenario.num_asps
        self.lanes = _lanes.new_lanes(b, m, n)
        sizes = spaces.mu_observation_space(n).shape[0], spaces.asp_observation_space(m).shape[0]
        self._picture = Views(np.zeros((b, m * sizes[0]), np.float32), np.zeros((b, n * sizes[1]), np.float32))
        self._whole = (b, m, sizes[0]), (b, n, sizes[1])
        self._shapes = ((b, m if "mu" in groups else 0, sizes[0]), (b, n if "asp" in groups else 0, sizes[1]))
        self._agents = agents
        self._prepare()
        self._source = MarketSource(scenario, np.zeros(b, np.uint64))
        self._seeded = False

    def reset(self, seeds: Sequence[int | None] | None) -> Sheet:
        """Begin an episode in every lane.

        Args:
            seeds: one per lane, None for an unpredictable one; None altogether continues the lanes' streams.

        Returns:
            What agents see, like :meth:`post`, :meth:`serve` and :meth:`trade`.
        """
        if seeds is not None or not self._seeded:
            seeds = [None] * self.num_lanes if seeds is None else seeds
            generators = [np.random.default_rng(check_seed(seed)) for seed in seeds]
            for streams in (self._source.streams, self.lanes.streams):
                streams[:] = seed_streams(generators)
            self._source.forget()
            self._seeded = True
        self._source.load(self.lanes)
        return self._run(_kernels.begin, self._process[0])

    def post(self, shares: FloatArray) -> Sheet:
        """MUs post rewards as shares (B, M, N) of ω/q; shares outside [0, 1] are clipped."""
        return self._run(_kernels.post, shares)

    def serve(self, shares: FloatArray) -> Sheet:
        """ASPs allocate shares (B, N, 2, M) of their capacities, and the slot closes."""
        return self._run(_kernels.serve, *self._process, shares)

    def trade(self, shares: FloatArray) -> Sheet:
        """MUs post rewards as shares (B, M, N) of ω/q, ASPs respond at their best, and the slot closes."""
        return self._run(_kernels.trade, *self._process, self._tolerance, shares)

    def quantity(self, name: str) -> npt.NDArray[Any]:
        """A view of one of the lanes' quantities; it changes with the next step."""
        return _lanes.quantity(self.lanes, name)

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
        base = Market(**{name: state[f"base.{name}"] for name in FIELDS})
        base.replace(**{name: state[f"now.{name}"] for name in _lanes.CHANGING})
        _lanes.load_market(self.lanes, base)
        for name, own in arrays.items():
            own[...] = state[name]
        self._source.forget()
        self._seeded = True
        over_markets(_kernels.resume, self.num_lanes, *self.lanes, *self._picture)

    def _arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Views of all that the lanes consist of, by name."""
        lanes = {name: self.quantity(_lanes.place_of(name)) for name in _lanes.state_names()}
        return lanes | {"market_streams": self._source.streams}

    def market(self, lane: int | None = None) -> Market:
        """The markets of the current slot, with batch shape (B,), or the one of ``lane``."""
        return _lanes.market_of(self.lanes, lane)

    def observe(self, *, mus_turn: bool) -> Views:
        """What all agents of both groups see now, in new arrays."""
        sheet = Sheet(self._whole)
        over_markets(_kernels.observe, self.num_lanes, *self.lanes, *self._picture, *sheet.flat, mus_turn)
        return sheet.views

    def _run(self, kernel: Any, *inputs: Any) -> Sheet:
        sheet = self._own or self._sheets.take()
        arrays = (*self.lanes, *self._picture, *sheet.flat)
        over_markets(kernel, self.num_lanes, *arrays, *inputs, slices_per_thread=1)
        return sheet

    def _prepare(self) -> None:
        self._sheets = Sheets(self._shapes, self._agents)
        self._own = None if self.copy else self._sheets.take()  # the only one there will be

    # Copies and pickles of sheets would be arrays that do not look into one another.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_own", "_sheets")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._prepare()
