"""How wallets pay for a slot, as a compiled loop over one lane (private; docs/wallets.md#the-rule)."""

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._engine.slot import ACCURACY, PAYMENT, SCRATCH_ROWS
from aigc_market_env._numerics.compile import compiled
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.wallets.money import after, covered


@compiled
def charge(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Have every MU pay for the slot; who cannot pay for all of it is served for the share that its money covers."""
    mus, num_mus, num_links = lanes.mus[i], lanes.mus.shape[2], lanes.links.shape[2]
    for m in range(num_mus):
        payment = 0.0
        for k in range(m, num_links, num_mus):
            payment += scratch[PAYMENT, k]
        share = covered(payment, mus[at.MONEY, m])
        mus[at.TIME_SHARE, m] = share
        mus[at.MONEY, m] = after(mus[at.MONEY, m], payment, mus[at.INCOME, m], mus[at.CAP, m])
        mus[at.ELAPSED, m] += 1.0
        if share < 1.0:
            for k in range(m, num_links, num_mus):
                _share_time(i, k, lanes, scratch, share)


@compiled
def _share_time(i: int, k: int, lanes: Lanes, scratch: FloatArray, share: float) -> None:
    """Scale all that link ``k`` is given and gives in a slot to a share of it."""
    for row in (at.COMPUTE, at.BANDWIDTH, at.RATE, at.QOE):
        lanes.links[i, row, k] *= share
    for row in range(ACCURACY, SCRATCH_ROWS):
        scratch[row, k] *= share
