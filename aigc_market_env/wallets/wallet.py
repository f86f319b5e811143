"""What an MU's wallet holds at the beginning of an episode, receives in a slot, and can hold at most."""

from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from aigc_market_env.model.parameters import FloatArray

#: What amounts are counted in: credits, or what the MU pays in a slot at the equilibrium of the base market.
Unit = Literal["credits", "spending"]

#: Far above what any market can cost, and far below what overflows when income adds up over an episode.
_LARGEST = 1e90


@dataclass(frozen=True, eq=False)
class Wallet:
    """Money over an episode: a token bucket, of which a budget for the episode is the case without income.

    Money that the cap has no room for is lost, also at the beginning. What is left at the end is worth nothing.

    Attributes:
        money: at the beginning. A number for all MUs, or an array (..., M).
        income: received after every slot, likewise.
        cap: the most that the wallet holds, likewise; infinite by default.
        unit: what the three are counted in: ``"credits"``, or ``"spending"``: what the MU pays in a slot at the
            equilibrium of the base market of the episode, which is that before any dynamics.

    Raises:
        ValueError: an amount is negative, not a number, above 1e90, or infinite (only the cap may be); shapes do not
            fit one another; the unit is neither of the two.
    """

    money: npt.ArrayLike
    income: npt.ArrayLike = 0.0
    cap: npt.ArrayLike = np.inf
    unit: Unit = "credits"

    def __post_init__(self) -> None:
        if self.unit not in get_args(Unit):
            raise ValueError(f"unit = {self.unit!r} must be 'credits' or 'spending'")
        for name in ("money", "income", "cap"):
            object.__setattr__(self, name, _amount(name, getattr(self, name)))
        try:
            np.broadcast_shapes(*(np.shape(amount) for amount in self.amounts))
        except ValueError:
            shapes = [np.shape(amount) for amount in self.amounts]
            raise ValueError(f"money, income and cap of a wallet have shapes {shapes}, which do not fit") from None

    @property
    def amounts(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Money, income and cap, in the wallet's unit."""
        return np.asarray(self.money), np.asarray(self.income), np.asarray(self.cap)

    def in_credits(self, spending: FloatArray) -> "Wallet":
        """The wallet in credits.

        Args:
            spending: what each MU pays in a slot at the base market's equilibrium, credits. (..., M).

        Raises:
            ValueError: ``spending`` is negative, not finite, or does not fit the amounts.
        """
        if self.unit == "credits":
            return self
        spending = _amount("spending", spending)
        try:
            np.broadcast_shapes(spending.shape, *(amount.shape for amount in self.amounts))
        except ValueError:
            shapes = [amount.shape for amount in self.amounts]
            raise ValueError(
                f"spending has shape {spending.shape}, which does not fit money, income and cap of shapes {shapes}"
            ) from None
        with np.errstate(invalid="ignore"):  # no cap, times nothing spent
            cap = np.where(np.isinf(self.amounts[2]), np.inf, self.amounts[2] * spending)
        return Wallet(self.amounts[0] * spending, self.amounts[1] * spending, cap)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Wallet):
            return NotImplemented
        return self.unit == other.unit and all(map(np.array_equal, self.amounts, other.amounts))

    def __hash__(self) -> int:
        return hash((self.unit, *(amount.tobytes() for amount in self.amounts)))


@dataclass(frozen=True)
class WalletRange:
    """Wallets of which every episode draws one for each MU: each amount uniform between that of two wallets.

    Attributes:
        low: the least amounts.
        high: the largest amounts.

    Raises:
        ValueError: they are no wallets, their units differ, or an amount of ``low`` is above that of ``high``.
    """

    low: Wallet
    high: Wallet

    def __post_init__(self) -> None:
        for field in fields(self):
            if not isinstance(getattr(self, field.name), Wallet):
                raise ValueError(f"{field.name} = {getattr(self, field.name)!r} of a wallet range must be a Wallet")
        if self.low.unit != self.high.unit:
            raise ValueError(f"units of a wallet range differ: {self.low.unit!r} and {self.high.unit!r}")
        for name, low, high in zip(("money", "income", "cap"), self.low.amounts, self.high.amounts, strict=True):
            if np.ndim(low) and np.ndim(high) and np.shape(low) != np.shape(high):
                raise ValueError(f"{name} of a wallet range has shapes {np.shape(low)} and {np.shape(high)}")
            if not np.all(low <= high):
                raise ValueError(f"{name} = {low} of a wallet range's low is above {high} of its high")

    def draw(self, uniforms: FloatArray) -> Wallet:
        """One wallet per row of uniform numbers (..., 3, M): money, income, cap."""
        money, income, cap = map(_between, self.low.amounts, self.high.amounts, np.moveaxis(uniforms, -2, 0))
        return Wallet(money, income, cap, self.low.unit)


def _between(low: FloatArray, high: FloatArray, uniform: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):  # where neither end is finite
        return np.where(np.isinf(high), high, low + (high - low) * uniform)


def _amount(name: str, given: Any) -> FloatArray:
    try:
        amount = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} = {given!r} of a wallet must be a number, or an array of them by MU") from None
    valid = (amount >= 0.0) & (amount <= _LARGEST) | (np.isinf(amount) & (amount > 0.0) & (name == "cap"))
    if not valid.all():
        bad = float(amount[~valid].ravel()[0])
        infinite = ", or infinite for none" if name == "cap" else ""
        raise ValueError(f"{name} = {bad} of a wallet must be from 0 to {_LARGEST:g}{infinite}")
    amount += 0.0  # no -0, which equals 0 and has another hash
    amount.flags.writeable = False
    return amount
