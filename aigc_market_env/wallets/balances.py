"""Money from slot to slot, of many wallets at once, by the rule of :mod:`~aigc_market_env.wallets.money`."""

import numpy as np

from aigc_market_env._numerics.compile import compiled, over_markets
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.money import after, covered
from aigc_market_env.wallets.paths import Purses


def balances(payments: FloatArray, purses: Purses) -> tuple[FloatArray, FloatArray]:
    """What share of each slot is paid for, and what money there is.

    Args:
        payments: what whole slots would cost, credits. (T, M)
        purses: of the MUs. (M,) each

    Returns:
        Shares in [0, 1], (T, M), and money at the beginning of every slot and after the last, credits, (T + 1, M).
    """
    num_slots, num_mus = payments.shape
    shares, money = np.empty((num_slots, num_mus)), np.empty((num_slots + 1, num_mus))
    money[0] = purses.money
    over_markets(_walk, num_mus, payments, purses.income, purses.cap, shares, money)
    return shares, money


@compiled
def _walk(
    start: int,
    stop: int,
    payments: FloatArray,
    income: FloatArray,
    cap: FloatArray,
    shares: FloatArray,
    money: FloatArray,
) -> None:
    for m in range(start, stop):
        for t in range(payments.shape[0]):
            shares[t, m] = covered(payments[t, m], money[t, m])
            money[t + 1, m] = after(money[t, m], payments[t, m], income[m], cap[m])
