"""How wallets pay for a slot, as compiled loops over one lane (private; docs/wallets.md#the-rule)."""

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.slot import ACCURACY, NOISE, PAYMENT, SCRATCH_ROWS
from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.money import after, covered


@compiled_inner
def charge(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Have every MU pay for the slot; who cannot pay for all of it is served for the share that its money covers."""
    mus, payments, num_mus = lanes.mus[i], scratch[NOISE], lanes.mus.shape[2]
    for m in range(num_mus):
        payments[m] = 0.0
    for first in range(0, lanes.links.shape[2], num_mus):
        for m in range(num_mus):
            payments[m] += scratch[PAYMENT, first + m]
    least = 1.0
    for m in range(num_mus):
        share = covered(payments[m], mus[at.MONEY, m])
        mus[at.TIME_SHARE, m] = share
        mus[at.MONEY, m] = after(mus[at.MONEY, m], payments[m], mus[at.INCOME, m], mus[at.CAP, m])
        mus[at.ELAPSED, m] += 1.0
        least = min(least, share)
    if least < 1.0:
        _share_time(i, lanes, scratch)


@compiled_inner
def _share_time(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Scale all that every link is given and gives in a slot to the share of it for which its MU is served."""
    link, shares, num_mus = lanes.links[i], scratch[NOISE], lanes.mus.shape[2]
    num_links = link.shape[1]
    for first in range(0, num_links, num_mus):
        for m in range(num_mus):
            shares[first + m] = lanes.mus[i, at.TIME_SHARE, m]
    for row in (at.COMPUTE, at.BANDWIDTH, at.RATE, at.QOE):
        for k in range(num_links):
            link[row, k] *= shares[k]
    for row in range(ACCURACY, SCRATCH_ROWS):
        for k in range(num_links):
            scratch[row, k] *= shares[k]
