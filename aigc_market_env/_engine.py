"""The engine that every environment of this package runs on: B markets side by side (private)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aigc_market_env import _kernels, spaces
from aigc_market_env._compile import over_markets
from aigc_market_env._kernels import Lanes, Process, Views
from aigc_market_env.followers import TOLERANCE
from aigc_market_env.market import FIELDS, Market, MarketArrays
from aigc_market_env.scenarios import Scenario
from aigc_market_env.scenarios.streams import seed_streams, uniforms

#: The fields that the dynamics write, slot by slot.
_CHANGING = ("accuracy", "bits_per_token", "desired_tokens", "spectral_efficiency")


class Engine:
    """B lanes, each a market of the scenario with a random stream of its own; lane i does not depend on B.

    Args:
        scenario: where markets come from and what changes in them.
        num_lanes: B.
        tolerance: accuracy of best responses, see :func:`~aigc_market_env.follower_response`.
    """

    def __init__(self, scenario: Scenario, num_lanes: int, *, tolerance: float = TOLERANCE) -> None:
        self.scenario = scenario
        self.num_lanes = num_lanes
        dynamics = scenario.dynamics
        self._process = Process(
            float(dynamics.shadowing_db),
            float(dynamics.shadowing_correlation),
            float(dynamics.request_probability),
            tolerance,
        )
        b, m, n = num_lanes, scenario.num_mus, scenario.num_asps
        self.views = Views(
            np.zeros((b, m, *spaces.mu_observation_space(n).shape), np.float32),
            np.zeros((b, n, *spaces.asp_observation_space(m).shape), np.float32),
        )
        self._mu_shares = np.zeros((b, m, n))
        self._asp_shares = np.zeros((b, n, 2, m))
        self._streams: npt.NDArray[np.uint64] | None = None
        self.lanes: Lanes

    def reset(self, seeds: Sequence[int | None] | None) -> None:
        """Begin an episode in every lane.

        Args:
            seeds: one per lane, None for an unpredictable one; None altogether continues the lanes' streams.
        """
        if seeds is not None or self._streams is None:
            seeds = [None] * self.num_lanes if seeds is None else seeds
            self._streams = seed_streams([np.random.default_rng(seed) for seed in seeds])
        base = self.scenario.build(uniforms(self._streams, self.scenario.num_draws)).flat
        self.lanes = self._new_lanes(base, self._streams)
        over_markets(_kernels.begin, self.num_lanes, self.lanes, self.views, self._process)

    def post(self, shares: npt.ArrayLike) -> None:
        """MUs post rewards as shares (B, M, N) of ω/q; shares outside [0, 1] are clipped."""
        self._mu_shares[...] = shares
        over_markets(_kernels.post, self.num_lanes, self.lanes, self.views, self._mu_shares)

    def serve(self, shares: npt.ArrayLike) -> None:
        """ASPs allocate shares (B, N, 2, M) of their capacities, and the slot closes."""
        self._asp_shares[...] = shares
        over_markets(_kernels.serve, self.num_lanes, self.lanes, self.views, self._process, self._asp_shares)

    def trade(self, shares: npt.ArrayLike) -> None:
        """MUs post rewards as shares (B, M, N) of ω/q, ASPs respond at their best, and the slot closes."""
        self._mu_shares[...] = shares
        over_markets(_kernels.trade, self.num_lanes, self.lanes, self.views, self._process, self._mu_shares)

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Copies of all that the lanes consist of, by name; :meth:`restore` takes them back."""
        lanes = self.lanes
        parts = {name: getattr(lanes, name) for name in lanes._fields if name not in ("base", "now")}
        parts |= {f"base.{name}": getattr(lanes.base, name) for name in FIELDS}
        parts |= {f"now.{name}": getattr(lanes.now, name) for name in _CHANGING}
        return {name: array.copy() for name, array in parts.items()}

    def restore(self, state: Mapping[str, npt.NDArray[Any]], *, mus_turn: bool) -> None:
        """Go on from a state that an engine of the same scenario and size was in.

        Args:
            state: what :meth:`state` returned.
            mus_turn: whether the MUs act next, as observations tell.

        Raises:
            ValueError: an array is missing, does not have the shape and type of this engine's, or is not of a valid
                market. Nothing changes.
        """
        twin = Engine(self.scenario, self.num_lanes)
        twin.reset([0] * self.num_lanes)
        for name, own in twin.state().items():
            if name not in state or (state[name].shape, state[name].dtype) != (own.shape, own.dtype):
                raise ValueError(f"state {name!r} is missing or not an array of {own.dtype} and shape {own.shape}")
        base = Market(**{name: state[f"base.{name}"] for name in FIELDS})
        base.replace(**{name: state[f"now.{name}"] for name in _CHANGING})
        lanes = twin._new_lanes(base.flat, state["streams"].copy())
        for name in lanes._fields:
            if name not in ("base", "now"):
                getattr(lanes, name)[...] = state[name]
        for name in _CHANGING:
            getattr(lanes.now, name)[...] = state[f"now.{name}"]
        self.lanes, self._streams = lanes, lanes.streams
        over_markets(_kernels.observe, self.num_lanes, self.lanes, self.views, float(mus_turn))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "lanes" in state:  # Copies and pickles are writable, and Numba would compile anew for them.
            for array in self.lanes.base:
                array.flags.writeable = False

    def market(self, lane: int | None = None) -> Market:
        """The markets of the current slot, with batch shape (B,), or the one of ``lane``."""
        now = self.lanes.now
        return Market(**{name: getattr(now, name) if lane is None else getattr(now, name)[lane] for name in FIELDS})

    def _new_lanes(self, base: MarketArrays, streams: npt.NDArray[np.uint64]) -> Lanes:
        b, m, n = self.num_lanes, self.scenario.num_mus, self.scenario.num_asps
        now = base._replace(**{name: getattr(base, name).copy() for name in _CHANGING})
        if hasattr(self, "lanes"):
            return self.lanes._replace(base=base, now=now, streams=streams)
        return Lanes(
            base=base,
            now=now,
            shadow=np.zeros((b, m, n)),
            request=np.zeros((b, m), np.int64),
            streams=streams,
            posted=np.zeros((b, m, n)),
            rewards=np.zeros((b, m, n)),
            compute=np.zeros((b, m, n)),
            bandwidth=np.zeros((b, m, n)),
            rates=np.zeros((b, m, n)),
            qoe=np.zeros((b, m, n)),
            qoe_terms=np.zeros((b, m, 3)),
            shadow_prices=np.zeros((b, n, 2)),
            board=np.zeros((b, n, 2)),
            utility=np.zeros((b, m)),
            profit=np.zeros((b, n)),
        )
