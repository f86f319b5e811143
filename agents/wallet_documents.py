"""Wallets as plain numbers and text, for the files of a run."""

from collections.abc import Mapping
from typing import Any

from agents.runs import number
from aigc_market_env.wallets import Wallet, WalletRange


def wallet_document(wallet: Wallet | WalletRange | None) -> dict[str, Any] | None:
    """A wallet, or a range of them, as numbers and text."""
    if wallet is None:
        return None
    if isinstance(wallet, WalletRange):
        return {"low": wallet_document(wallet.low), "high": wallet_document(wallet.high)}
    money, income, cap = (amount.tolist() for amount in wallet.amounts)
    return {"money": money, "income": income, "cap": cap, "unit": wallet.unit}


def wallet_of(document: Mapping[str, Any] | None) -> Wallet | WalletRange | None:
    """The wallet that a document describes; a cap of null is one without limit, as files of runs have it.

    Raises:
        KeyError, TypeError, ValueError: it does not describe one.
    """
    if document is None:
        return None
    if "low" in document:
        return WalletRange(_one(document["low"]), _one(document["high"]))
    return _one(document)


def _one(document: Mapping[str, Any]) -> Wallet:
    cap = document["cap"]
    cap = [number(entry) for entry in cap] if isinstance(cap, list) else number(cap)
    return Wallet(document["money"], document["income"], cap, document["unit"])
