"""Fresh random markets of many sizes and loads, as slots of running episodes show them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aigc_market_env import BatchedMarketEnv, Market, Scenario
from aigc_market_env.model.parameters import FIELDS
from aigc_market_env.scenarios import PRESETS
from aigc_market_env.scenarios.dynamics import faded_efficiency

#: M and N.
Size = tuple[int, int]
#: Sizes beyond the default distribution that policies are asked to price as well.
LARGER_SIZES: tuple[Size, ...] = ((12, 6), (20, 5), (50, 10))
#: Loads that are drawn unless others are asked for, and where a trace says what the load is.
_USUAL_LOADS, _LOADS_OF_TRACE = (0.3, 3.0), (1.0, 1.0)
#: ASPs that those of a market are drawn from, at least.
_LEAST_DRAWN = 8


@dataclass(frozen=True)
class MarketDistribution:
    """Markets of a preset, its sizes and loads drawn, as slots show them: faded, or as a trace has them.

    Attributes:
        scenario: preset that can be resized (all but duo).
        num_mus: least and largest number of mobile users, M.
        num_asps: least and largest number of providers, N.
        loads: least and largest demand against capacity; its logarithm is uniform in between. By default 0.3 and 3; of
            a trace 1, as it says itself by how much a slot's load is above or below the usual.
        satiation: least and largest satiation of an MU, uniform in between; by default the preset's own.
    """

    scenario: str = "campus"
    num_mus: tuple[int, int] = (4, 10)
    num_asps: tuple[int, int] = (2, 5)
    loads: tuple[float, float] | None = None
    satiation: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name, least in (("num_mus", 1), ("num_asps", 1), ("loads", 0)):
            low, high = self.load_range if name == "loads" else getattr(self, name)
            if not least <= low <= high < np.inf or low == 0:
                raise ValueError(f"{name} = {low, high} must be a range of positive numbers, the least first")
        for size in ("num_mus", "num_asps"):
            if not all(type(end) is int for end in getattr(self, size)):
                raise ValueError(f"{size} = {getattr(self, size)} must be whole numbers")
        self._preset(self.num_mus[1], self.num_asps[1])  # which refuses what is impossible

    def describe(self) -> str:
        """In a few words: the preset, sizes and loads."""
        low, high = (f"{self.num_mus[end]}x{self.num_asps[end]}" for end in (0, 1))
        satiation = "" if self.satiation is None else f", satiation {self.satiation[0]:g} to {self.satiation[1]:g}"
        loads = "loads as measured" if self.loads is None and self._follows_trace else "loads {:g} to {:g}"
        return f"{self.scenario} markets of {low} to {high}, {loads.format(*self.load_range)}{satiation}"

    @property
    def load_range(self) -> tuple[float, float]:
        """Least and largest demand against capacity that are drawn."""
        if self.loads is not None:
            return self.loads
        return _LOADS_OF_TRACE if self._follows_trace else _USUAL_LOADS

    @property
    def held_out(self) -> "MarketDistribution":
        """The markets to measure in what has learned on these: of a trace, what is kept from training; otherwise these.

        See :attr:`Scenario.held_out <aigc_market_env.Scenario.held_out>`.
        """
        return replace(self, scenario=Scenario.preset(self.scenario).held_out.name)

    @property
    def _follows_trace(self) -> bool:
        return Scenario.preset(self.scenario).dynamics.trace is not None

    @property
    def has_wallets(self) -> bool:
        """Whether MUs have wallets, so that whole episodes are to be drawn (:mod:`agents.episode_draws`)."""
        return PRESETS[self.scenario].wallet is not None

    def scenario_of(self, num_mus: int, num_asps: int) -> Scenario:
        """The scenario of markets of a size, the load drawn with each of them."""
        load, satiation = self.load_range, self.satiation
        return Scenario.preset(self.scenario, num_mus=num_mus, num_asps=num_asps, load=load, satiation=satiation)

    @property
    def satiated(self) -> bool:
        """Whether MUs may have satiation."""
        return self._preset(self.num_mus[1], self.num_asps[1]).satiation

    def _preset(self, num_mus: int, num_asps: int) -> Scenario:
        return Scenario.preset(self.scenario, num_mus=num_mus, num_asps=num_asps, satiation=self.satiation)

    def includes(self, num_mus: int, num_asps: int) -> bool:
        """Whether markets of this size are among those drawn."""
        return self.num_mus[0] <= num_mus <= self.num_mus[1] and self.num_asps[0] <= num_asps <= self.num_asps[1]

    def sample(self, rng: np.random.Generator, links: int) -> Market:
        """A batch of markets of one drawn size, with about ``links`` links in all and at least one market.

        A preset's providers go by number: with two ASPs, they would always be the same two. So the ASPs are drawn from
        a larger market, that a policy learns to expect any.
        """
        num_mus = int(rng.integers(self.num_mus[0], self.num_mus[1] + 1))
        num_asps = int(rng.integers(self.num_asps[0], self.num_asps[1] + 1))
        count, drawn = max(1, round(links / (num_mus * num_asps))), max(_LEAST_DRAWN, 2 * num_asps)
        chosen = rng.random((count, drawn)).argsort(axis=-1)[:, :num_asps]
        return _with_asps(self.sample_size(rng, num_mus, drawn, count), chosen)

    def sample_size(self, rng: np.random.Generator, num_mus: int, num_asps: int, count: int) -> Market:
        """``count`` markets of a given size, which may lie outside of the distribution's. batch (count,)."""
        scenario = self._preset(num_mus, num_asps)
        market = _first_slots(scenario, rng, count) if self._follows_trace else scenario.sample(rng, batch=(count,))
        least, most = self.load_range
        load = np.exp(rng.uniform(math.log(least), math.log(most), (count, 1)))
        market = market.replace(
            compute_capacity=market.compute_capacity / load, bandwidth_capacity=market.bandwidth_capacity / load
        )
        if self._follows_trace:
            return market
        shadow = rng.normal(0.0, scenario.dynamics.shadowing_db, market.spectral_efficiency.shape)
        return market.replace(spectral_efficiency=faded_efficiency(market.spectral_efficiency, shadow))


def _first_slots(scenario: Scenario, rng: np.random.Generator, count: int) -> Market:
    """The first slots of ``count`` episodes, which are as any others. batch (count,)."""
    env = BatchedMarketEnv(scenario, count, asps="best_response", max_cycles=None, seed=int(rng.integers(2**62)))
    env.reset()
    return env.market


def _with_asps(market: Market, chosen: npt.NDArray[np.int64]) -> Market:
    """The markets (B,) with the chosen ASPs (B, N) only, among which all capacity is shared out."""
    fields = {}
    for name, field in FIELDS.items():
        value = getattr(market, name)
        if field.dims.endswith("N"):
            value = np.take_along_axis(value, chosen if field.dims == "N" else chosen[:, None], axis=-1)
        fields[name] = value * (market.num_asps / chosen.shape[1]) if name.endswith("_capacity") else value
    return Market(**fields)
