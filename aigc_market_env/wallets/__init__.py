"""Wallets: money that an MU has over an episode, so that what it pays now is missing later (docs/wallets.md)."""

from aigc_market_env.wallets.wallet import Wallet, WalletRange

__all__ = ["Wallet", "WalletRange"]
