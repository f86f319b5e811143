"""Paths of markets and the wallets that go with them, checked and laid out one path after another."""

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np

from aigc_market_env.market import Market
from aigc_market_env.model.parameters import FIELDS, FloatArray
from aigc_market_env.wallets.wallet import Wallet

R = TypeVar("R")


class Purses(NamedTuple):
    """The wallets of the MUs of one path, or of several, in credits. (..., M) each."""

    money: FloatArray  # at the beginning, no more than the cap
    income: FloatArray
    cap: FloatArray


def paths_of(path: Market, wallet: Wallet) -> tuple[tuple[int, ...], list[Market], list[Purses]]:
    """Every path (T,) of a batch (..., T) with its wallets.

    Returns:
        The batch axes before the slots, and lists of paths and of purses (M,).

    Raises:
        ValueError: there is no axis of slots, no slot or no path, there is no wallet, or it is not in credits, or its
            amounts do not fit the MUs.
    """
    if not isinstance(path, Market):
        raise ValueError(
            f"path is a {type(path).__name__}, and must be a Market with an axis of slots: stack the markets of an "
            "episode, Market.stack([...]), or ask episode_path for them"
        )
    if not isinstance(wallet, Wallet):
        raise ValueError(
            f"wallet = {wallet!r} must be a Wallet in credits, one amount for every MU; "
            "that of an episode is env.wallet after reset(), or what episode_path returns"
        )
    if not path.batch_shape or 0 in path.batch_shape:
        raise ValueError(
            f"path has batch axes {path.batch_shape}, expected (..., T) with a slot at least: "
            "stack the markets of an episode, Market.stack([...])"
        )
    if wallet.unit != "credits":
        raise ValueError(
            "the wallet's unit is 'spending', and the path does not say at which market: give it in credits, "
            "wallet.in_credits(solve_equilibrium(base_market).outcome.service_cost)"
        )
    batch, num_slots = path.batch_shape[:-1], path.batch_shape[-1]
    try:
        amounts = [np.broadcast_to(amount, (*batch, path.num_mus)) for amount in wallet.amounts]
    except ValueError:
        shapes = [amount.shape for amount in wallet.amounts]
        raise ValueError(
            f"money, income and cap of the wallet have shapes {shapes}, which must broadcast to "
            f"{(*batch, path.num_mus)}, an amount for every MU of every path"
        ) from None
    money, income, cap = (amount.reshape(-1, path.num_mus) for amount in amounts)
    fields = {
        name: array.reshape(-1, num_slots, *array.shape[1:]) for name, array in zip(FIELDS, path.flat, strict=True)
    }
    paths = [Market(**{name: array[i] for name, array in fields.items()}) for i in range(len(money))]
    purses = [Purses(np.minimum(money[i], cap[i]), income[i].copy(), cap[i].copy()) for i in range(len(money))]
    return batch, paths, purses


def stacked(batch: tuple[int, ...], records: Sequence[R]) -> R:
    """What is known of every path, as one record whose arrays have the batch axes again; None stays None."""
    first: Any = records[0]
    if is_dataclass(first):
        values = {
            field.name: stacked(batch, [getattr(record, field.name) for record in records]) for field in fields(first)
        }
        return type(records[0])(**values)
    if first is None:
        return records[0]
    return cast(R, np.stack([np.asarray(record) for record in records]).reshape((*batch, *np.shape(first))))
