"""A scenario: where markets come from, and what changes in them from slot to slot."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from aigc_market_env.files import readable
from aigc_market_env.market import Market
from aigc_market_env.model.options import check_seed, positive_integer, positive_number, whole_number
from aigc_market_env.model.parameters import MOST_SATIATION, FloatArray
from aigc_market_env.scenarios.draws import Draws
from aigc_market_env.scenarios.dynamics import STATIC, Dynamics
from aigc_market_env.scenarios.presets import PRESETS, Build, Satiation
from aigc_market_env.scenarios.traces.base import MeasuredMarket
from aigc_market_env.wallets import Wallet, WalletRange

#: One for all markets, or least and largest, evenly in the logarithm in between.
Load = float | tuple[float, float]


@dataclass(frozen=True)
class Scenario:
    """A distribution of markets of one size, and the exogenous dynamics within an episode.

    Make one with :meth:`preset`, or with :meth:`fixed` from a market of your own.

    Attributes:
        name: what tables and figures call it.
        num_mus: M.
        num_asps: N.
        dynamics: what changes from slot to slot.
        num_draws: K, uniform numbers that one market is made from.
        build: turns uniform numbers (..., K) into a market with batch axes (...); lane by lane the same bits as alone.
        satiation: whether its markets may have satiation; MUs then observe their own.
        wallet: every MU's, or the range from which each episode draws them anew, independently of one another; amounts
            are numbers, or arrays (M,). None for MUs whose money never runs out. MUs with wallets observe theirs.

    Raises:
        ValueError: ``dynamics`` is no Dynamics, or ``wallet`` none of those above.
    """

    name: str
    num_mus: int
    num_asps: int
    dynamics: Dynamics
    num_draws: int
    build: Callable[[FloatArray], Market] = field(repr=False)
    satiation: bool = False
    wallet: Wallet | WalletRange | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.dynamics, Dynamics):
            raise ValueError(f"dynamics = {self.dynamics!r} must be a Dynamics")
        _check_wallet(self.wallet, self.num_mus)

    @property
    def extra_entries(self) -> dict[str, bool]:
        """What MUs observe beside the usual, as options of the functions in :mod:`aigc_market_env.spaces`."""
        return {"satiation": self.satiation, "wallet": self.wallet is not None}

    @classmethod
    def preset(
        cls,
        name: str,
        *,
        load: Load = 1.0,
        num_mus: int | None = None,
        num_asps: int | None = None,
        dynamics: Dynamics | None = None,
        satiation: Satiation | None = None,
        wallet: Wallet | WalletRange | None = None,
    ) -> Self:
        """One of the scenarios that come with the package.

        ``duo`` (2 MUs, 1 ASP, nothing drawn), ``campus`` (8 and 4, some capacities bind), ``town`` (20 and 5, scarce),
        ``random`` (8 and 4, everything drawn widely), ``office`` (as ``campus``, of MUs whose requirements can be met:
        satiation of 1 to 6), ``prepaid`` (as ``campus``, of MUs with wallets whose demand comes in bursts, under a load
        that rises and falls; docs/wallets.md#demand), ``campus_v1`` and ``town_v1`` (token counts and fading as
        measured) and ``traces_v0``, whose demand and radio are measured traces, drawn in blocks; ``traces_v0_replay``
        goes through them in order, ``traces_v0_held_out`` and ``traces_v0_replay_held_out`` through those that are kept
        from training (docs/traces.md).

        Args:
            name: one of the above.
            load: demand against capacity; capacities are divided by it. A range, least and largest, is drawn for every
                market, evenly in the logarithm, after all else: what else there is of a market is the same as without.
            num_mus: M, where the preset may be resized; capacities grow with it.
            num_asps: N, likewise; capacities are shared out among them.
            dynamics: what changes from slot to slot, instead of the preset's own.
            satiation: k of every MU, or its least and largest, uniform in between, instead of the preset's own. A range
                is drawn last: what else there is of a market is the same as without.
            wallet: of the MUs, instead of the preset's own.

        Raises:
            ValueError: the name is unknown, ``load`` is no finite positive number or range of them, the size is not
                possible, ``satiation`` is not from 0 to 100, ``dynamics`` is no Dynamics, or ``wallet`` no wallet of M
                MUs.
        """
        if not isinstance(name, str) or name not in PRESETS:
            raise ValueError(f"unknown preset {name!r}; the presets are {', '.join(PRESETS)}")
        load = _load_of(load)
        preset = PRESETS[name]
        m, n = (
            _size(name, argument, given, default, preset.resizable)
            for argument, given, default in (
                ("num_mus", num_mus, preset.num_mus),
                ("num_asps", num_asps, preset.num_asps),
            )
        )

        satiation = satiation_of(preset.satiation if satiation is None else satiation)
        trial = Draws(np.full(64 + 64 * (m + 1) * (n + 1), 0.5))
        build = _Drawn(preset.build, m, n, load, satiation)
        build.fields(trial)
        changes = preset.dynamics if dynamics is None else dynamics
        own = preset.wallet if wallet is None else wallet
        return cls(name, m, n, changes, trial.used, build, satiation != 0.0, own)

    @classmethod
    def fixed(
        cls,
        market: Market,
        *,
        dynamics: Dynamics = STATIC,
        name: str = "market",
        wallet: Wallet | WalletRange | None = None,
    ) -> Self:
        """A scenario whose every episode is played on ``market``; it stays as it is unless given ``dynamics``.

        Raises:
            ValueError: ``market`` is a batch, or no Market at all; ``wallet`` is no wallet of its MUs.
        """
        if not isinstance(market, Market):
            raise ValueError(f"market = {market!r} must be a Market")
        if market.batch_shape:
            raise ValueError(f"a scenario needs a single market, this is a batch of shape {market.batch_shape}")
        satiated = bool(market.satiation.any())
        return cls(name, market.num_mus, market.num_asps, dynamics, 0, _Repeated(market), satiated, wallet)

    @classmethod
    def of(
        cls, scenario: "str | PathLike[str] | Scenario | Market", *, wallet: Wallet | WalletRange | None = None
    ) -> "Scenario":
        """The scenario meant by a preset's name, a market file, a Market or a Scenario.

        Args:
            scenario: one of these.
            wallet: of the MUs, instead of the scenario's own.

        Raises:
            ValueError: no preset and no readable market file has that name, the file is invalid, or ``wallet`` is no
                wallet of the scenario's MUs.
        """
        if wallet is not None:
            return replace(cls.of(scenario), wallet=wallet)
        if isinstance(scenario, Scenario):
            return scenario
        if isinstance(scenario, Market):
            return cls.fixed(scenario)
        if isinstance(scenario, str) and scenario in PRESETS:
            return cls.preset(scenario)
        if isinstance(scenario, str | PathLike):
            path = Path(scenario)
            if _is_file(path):
                return cls.fixed(Market.from_json(path), name=readable(path.stem))
            raise ValueError(
                f"unknown scenario {str(scenario)!r}: no such file, and the presets are {', '.join(PRESETS)}"
            )
        raise ValueError(f"scenario must be a preset's name, a file, a Scenario or a Market, got {scenario!r}")

    def sample(self, seed: int | np.random.Generator | None = None, batch: tuple[int, ...] = ()) -> Market:
        """Draw a market, or a batch of markets.

        Args:
            seed: a seed, or the generator to draw from; None draws an unpredictable one.
            batch: leading axes of the market returned.

        Raises:
            ValueError: the seed is no integer >= 0, or ``batch`` is no tuple of such.
        """
        if not isinstance(batch, tuple | list):
            raise ValueError(f"batch = {batch!r} must be a tuple of integers >= 0")
        batch = tuple(whole_number("each entry of batch", size, 0) for size in batch)
        generator = seed if isinstance(seed, np.random.Generator) else np.random.default_rng(check_seed(seed))
        uniforms = generator.random((*batch, self.num_draws))
        return self.build(np.clip(uniforms, 2.0**-54, None))  # a uniform number may be 0, its logarithm may not

    @property
    def held_out(self) -> "Scenario":
        """The scenario to measure in what was trained in this one: the same, but for what is measured.

        Of a trace, the hours, clients and drives that training never sees, in the same order: ``traces_v0_held_out``
        for ``traces_v0``. A market that :meth:`fix` has drawn keeps its MUs' types and its ASPs. A scenario without a
        trace is its own: there, other episodes are held out by their seeds.
        """
        dynamics, build = self.dynamics, self.build
        if dynamics.trace is not None:
            dynamics = replace(dynamics, trace=replace(dynamics.trace, split="held_out"))
        if isinstance(build, _Drawn) and isinstance(build.build, MeasuredMarket):
            build = replace(build, build=MeasuredMarket("held_out"))
        if (dynamics, build) == (self.dynamics, self.build):
            return self
        return replace(self, name=f"{self.name}_held_out", dynamics=dynamics, build=build)

    def fix(self, seed: int | np.random.Generator | None = None) -> "Scenario":
        """The scenario with this one's dynamics and wallets, every episode on one market drawn from it."""
        market = self.sample(seed)
        fixed = Scenario.fixed(market, dynamics=self.dynamics, name=self.name, wallet=self.wallet)
        return replace(fixed, satiation=self.satiation)


# Functions of a module, not closures, so that scenarios and environments can be pickled.
# Data rather than functions, so that scenarios made alike are equal.


@dataclass(frozen=True)
class _Drawn:
    """A preset's markets from uniform numbers (..., K)."""

    build: Build
    num_mus: int
    num_asps: int
    load: Load
    satiation: Satiation

    def fields(self, draw: Draws) -> dict[str, FloatArray]:
        """A market's fields; satiation is drawn after all that the preset draws, and load last."""
        fields = dict(self.build(draw, self.num_mus, self.num_asps))
        if isinstance(self.satiation, tuple):
            fields["satiation"] = draw.uniform(*self.satiation, self.num_mus)
        else:
            fields["satiation"] = np.array(self.satiation)
        load = draw.log_uniform(*self.load, 1) if isinstance(self.load, tuple) else self.load
        for capacity in ("compute_capacity", "bandwidth_capacity"):
            fields[capacity] = fields[capacity] / load
        return fields

    def __call__(self, uniforms: FloatArray) -> Market:
        fields = self.fields(Draws(uniforms))
        batch = uniforms.shape[:-1]
        return Market(**fields | {"slot_duration": np.broadcast_to(fields["slot_duration"], batch)})


@dataclass(frozen=True)
class _Repeated:
    """One market, with the batch axes of uniform numbers (..., 0)."""

    market: Market = field(hash=False)

    def __call__(self, uniforms: FloatArray) -> Market:
        batch = uniforms.shape[:-1]
        if not batch:
            return self.market
        return self.market.replace(slot_duration=np.broadcast_to(self.market.slot_duration, batch))


def _load_of(given: Any) -> Load:
    """A load, or a range of it as two different numbers.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(given, tuple | list):
        return positive_number("load", given)
    if len(given) != 2:
        raise ValueError(f"load = {given!r} must be a positive number, or a range of it, the least first")
    low, high = (positive_number(f"load[{i}]", end) for i, end in enumerate(given))
    if low > high:
        raise ValueError(f"load = {given!r} must have its least number first")
    return low if low == high else (low, high)


def satiation_of(given: Any) -> Satiation:
    """A satiation, or a range of it as two different numbers.

    Raises:
        ValueError: it is neither, or not from 0 to 100.
    """
    ends = tuple(given) if isinstance(given, tuple | list) else (given, given)
    numbers = all(isinstance(end, int | float | np.number) and not isinstance(end, bool) for end in ends)
    if len(ends) != 2 or not numbers or not 0.0 <= ends[0] <= ends[1] <= MOST_SATIATION:
        raise ValueError(
            f"satiation = {given!r} must be a number from 0 to {MOST_SATIATION:g}, or a range of it, the least first"
        )
    low, high = map(float, ends)
    return low if low == high else (low, high)


def _check_wallet(wallet: Any, num_mus: int) -> None:
    if wallet is None:
        return
    if not isinstance(wallet, Wallet | WalletRange):
        raise ValueError(f"wallet = {wallet!r} must be a Wallet, a WalletRange or None")
    for one in (wallet.low, wallet.high) if isinstance(wallet, WalletRange) else (wallet,):
        for name, amount in zip(("money", "income", "cap"), one.amounts, strict=True):
            if amount.shape not in ((), (1,), (num_mus,)):
                raise ValueError(
                    f"{name} of the wallet has shape {amount.shape}; it must be a number, or an array of {num_mus}"
                )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, say
        return False


def _size(preset: str, argument: str, given: int | None, default: int, resizable: bool) -> int:
    if given is None:
        return default
    size = positive_integer(argument, given)
    if size != default and not resizable:
        raise ValueError(f"preset {preset!r} has {argument} = {default}, which cannot be changed (asked for {size})")
    return size
