"""The rule of money within a slot and between slots (docs/wallets.md#the-rule).

An MU without money posts nothing. One whose money covers only a share of what it would pay is served for that share of
the slot: QoE, payment, and the resources in use are scaled by it. So money never goes below zero, an MU never gets QoE
for less than it posted, and it does no worse to post rewards that it can pay.
"""

from aigc_market_env._numerics.compile import compiled_inner


@compiled_inner
def covered(payment: float, money: float) -> float:
    """The share of a slot, in [0, 1], that ``money`` pays for where the whole slot costs ``payment``, both credits."""
    return money / payment if payment > money else 1.0


@compiled_inner
def after(money: float, payment: float, income: float, cap: float) -> float:
    """Money at the beginning of the next slot: what was not paid, and the income, up to the cap; all in credits."""
    return min(max(money - payment, 0.0) + income, cap)
