"""What happens in a slot, as compiled loops over one lane: rewards are posted, ASPs serve, everybody is paid (private).

Loops run over all links of a lane at once where they can: they are vector code then, which loops over the few MUs of
one ASP are not. What such a loop needs of an ASP or an MU is spread out over its links first, into scratch.
"""

import numpy as np
import numpy.typing as npt

from aigc_market_env._engine import lanes as at
from aigc_market_env._engine.lanes import Lanes
from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env._numerics.eight import copy_eight
from aigc_market_env.game.demand import (
    ALLOCATED_BANDWIDTH,
    ALLOCATED_COMPUTE,
    LAM,
    MU,
    RATE,
    REWARD,
    WIDTH,
    Providers,
    of_asp,
    reward_in_all,
)
from aigc_market_env.game.shadow_prices import STEPS, Asp, allocate, follow, put_asp
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import CROSS, SIGMA, bandwidth_per_rate, channel, throughput
from aigc_market_env.model.parameters import FloatArray

Shares = npt.NDArray[np.floating]

# Rows of scratch, one column per link.
(
    NOISE,
    KAPPA_OF_LINK,
    BITS,
    SIGMA_OF_LINK,
    CROSS_OF_LINK,
    ACCURACY,
    TOKENS,
    TIMELINESS,
    SLOPE,
    PAYMENT,
    COMPUTE_WORTH,
    BANDWIDTH_WORTH,
) = range(12)
SCRATCH_ROWS = 12
#: Fewest lanes in a slice, what a thread works on at a time. So no two begin in the same stretch of so many lanes, by
#: which each finds scratch of its own.
SLICE = 16


def num_slices(num_lanes: int) -> int:
    """Slices that there are at most."""
    return max(num_lanes // SLICE, 1)


@compiled
def new_scratch(lanes: Lanes, together: int = 1) -> FloatArray:
    """Scratch for so many lanes; the row of noise has a column to spare, for normals come in pairs."""
    links = lanes.links.shape[2]
    return np.empty((together, SCRATCH_ROWS, links + links % 2))


@compiled_inner
def spread(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Spread what flat loops need of ASPs and MUs out over the links."""
    mus, asps = lanes.mus[i], lanes.asps[i]
    num_mus = mus.shape[1]
    for n in range(asps.shape[1]):
        for m in range(num_mus):
            scratch[KAPPA_OF_LINK, n * num_mus + m] = asps[at.KAPPA, n]
            scratch[BITS, n * num_mus + m] = mus[at.BITS, m]


@compiled_inner
def unit(share: float) -> float:
    """A share kept within [0, 1]."""
    return min(max(share, 0.0), 1.0)


@compiled_inner
def take_rewards(i: int, lanes: Lanes, shares: Shares, wallets: bool) -> None:
    """MUs post rewards, as shares (B, M, N) of the bound ω/q; those whose wallet is empty post nothing."""
    link, num_mus = lanes.links[i], shares.shape[1]
    for m in range(num_mus):
        bound = lanes.mus[i, at.BOUND, m]
        if wallets and lanes.mus[i, at.MONEY, m] <= 0.0:
            bound = 0.0
        for n in range(shares.shape[2]):
            link[at.POSTED, n * num_mus + m] = unit(shares[i, m, n]) * bound


@compiled_inner
def split(i: int, lanes: Lanes, shares: Shares, scratch: FloatArray) -> None:
    """Decode ASPs' actions (B, N, 2, M): shares of a capacity, scaled down where they sum to more than 1."""
    link, asps, num_mus = lanes.links[i], lanes.asps[i], shares.shape[3]
    for n in range(shares.shape[1]):
        compute_sum = bandwidth_sum = 0.0
        for m in range(num_mus):
            compute_sum += unit(shares[i, n, 0, m])
            bandwidth_sum += unit(shares[i, n, 1, m])
        compute = asps[at.COMPUTE_CAPACITY, n] / max(compute_sum, 1.0)
        bandwidth = asps[at.BANDWIDTH_CAPACITY, n] / max(bandwidth_sum, 1.0)
        for m in range(num_mus):
            link[at.COMPUTE, n * num_mus + m] = unit(shares[i, n, 0, m]) * compute
            link[at.BANDWIDTH, n * num_mus + m] = unit(shares[i, n, 1, m]) * bandwidth
    for k in range(link.shape[1]):
        sigma = bandwidth_per_rate(scratch[BITS, k], link[at.EFFICIENCY, k])
        link[at.RATE, k] = throughput(link[at.COMPUTE, k], link[at.BANDWIDTH, k], scratch[KAPPA_OF_LINK, k], sigma)


@compiled_inner
def ask_asps(i: int, first: int, lanes: Lanes, scratch: FloatArray, providers: Providers) -> None:
    """Ask for best responses; ``providers`` is scratch, from ``first`` on.

    The search begins at the effective prices of the last slot, times what rewards have grown by since.
    """
    asps, link, num_mus = lanes.asps[i], lanes.links[i], lanes.mus.shape[2]
    _measure_channels(i, lanes, scratch)
    for n in range(asps.shape[1]):
        asp = Asp(
            asps[at.KAPPA, n],
            asps[at.COMPUTE_COST, n],
            asps[at.BANDWIDTH_COST, n],
            asps[at.COMPUTE_CAPACITY, n],
            asps[at.BANDWIDTH_CAPACITY, n],
        )
        blocks = providers.blocks[first + n]
        _fill_blocks(i, n, lanes, scratch, blocks)
        before = 0.0
        for k in range(n * num_mus, (n + 1) * num_mus):
            before += link[at.REWARD, k]
        change = reward_in_all(blocks) / before if before > 0.0 else 1.0
        lam = follow(asps[at.COMPUTE_SHADOW_PRICE, n], asp.compute_cost, change)
        mu = follow(asps[at.BANDWIDTH_SHADOW_PRICE, n], asp.bandwidth_cost, change)
        put_asp(asp, lam, mu, providers.asps, first + n)


@compiled_inner
def take_responses(i: int, first: int, lanes: Lanes, providers: Providers) -> None:
    """ASPs serve as was found to be best for them."""
    asps, link, num_mus = lanes.asps[i], lanes.links[i], lanes.mus.shape[2]
    for n in range(asps.shape[1]):
        blocks = providers.blocks[first + n]
        allocate(providers, first + n)
        asps[at.NEWTON_STEPS, n] = of_asp(providers.asps, first + n, STEPS)
        asps[at.COMPUTE_SHADOW_PRICE, n] = of_asp(providers.asps, first + n, LAM)
        asps[at.BANDWIDTH_SHADOW_PRICE, n] = of_asp(providers.asps, first + n, MU)
        for b in range(blocks.shape[0]):
            place, count = n * num_mus + b * WIDTH, num_mus - b * WIDTH
            _copy(blocks[b], RATE, count, link[at.RATE], place)
            _copy(blocks[b], ALLOCATED_COMPUTE, count, link[at.COMPUTE], place)
            _copy(blocks[b], ALLOCATED_BANDWIDTH, count, link[at.BANDWIDTH], place)


@compiled_inner
def _measure_channels(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """σ and √(κσ) of every link."""
    link = lanes.links[i]
    for k in range(link.shape[1]):
        sigma, cross = channel(scratch[KAPPA_OF_LINK, k], scratch[BITS, k], link[at.EFFICIENCY, k])
        scratch[SIGMA_OF_LINK, k], scratch[CROSS_OF_LINK, k] = sigma, cross


@compiled_inner
def _fill_blocks(i: int, n: int, lanes: Lanes, scratch: FloatArray, blocks: FloatArray) -> None:
    """Copy what MUs ask of ASP ``n`` into its blocks, eight numbers at a time where there are eight."""
    link, num_mus = lanes.links[i], lanes.mus.shape[2]
    for b in range(blocks.shape[0]):
        block, first, count = blocks[b], n * num_mus + b * WIDTH, num_mus - b * WIDTH
        for row in range(at.DESCRIBED):
            _copy(link[row], first, count, block, row * WIDTH)
        _copy(scratch[SIGMA_OF_LINK], first, count, block, SIGMA * WIDTH)
        _copy(scratch[CROSS_OF_LINK], first, count, block, CROSS * WIDTH)
        _copy(link[at.POSTED], first, count, block, REWARD)
        _copy(link[at.RATE], first, count, block, RATE)


@compiled_inner
def _copy(source: FloatArray, start: int, count: int, target: FloatArray, place: int) -> None:
    """Copy ``count`` numbers, or eight where they are more."""
    if count >= WIDTH:
        copy_eight(source, start, target, place)
    else:
        for j in range(count):
            target[place + j] = source[start + j]


@compiled_inner
def deliver(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """QoE and payment of every link in the slot just served, and what its resources are worth.

    In several loops: of one with all these rows, the compiler would have to make sure that no row overlaps with any
    other, which takes longer than it saves with fewer than 64 links.
    """
    link = lanes.links[i]
    _score(link, 0, scratch, ACCURACY)
    _score(link, 1, scratch, TOKENS)
    _score(link, 2, scratch, TIMELINESS)
    for k in range(link.shape[1]):
        link[at.REWARD, k] = link[at.POSTED, k]
    for k in range(link.shape[1]):
        bought = scratch[ACCURACY, k] + scratch[TOKENS, k] + scratch[TIMELINESS, k]
        link[at.QOE, k], scratch[PAYMENT, k] = bought, link[at.POSTED, k] * bought
    for k in range(link.shape[1]):
        x, f = link[at.RATE, k], link[at.COMPUTE, k]
        # The share of a token's time, for x = 1/(κ/f + σ/b).
        computing = x * scratch[KAPPA_OF_LINK, k] / f if f > 0.0 else 0.0
        marginal = link[at.POSTED, k] * scratch[SLOPE, k] * x
        scratch[COMPUTE_WORTH, k] = marginal * computing  # f ∂(rQ)/∂f
        scratch[BANDWIDTH_WORTH, k] = marginal * (1.0 - computing)


@compiled_inner
def _score(link: FloatArray, term: int, scratch: FloatArray, row: int) -> None:
    """Write one of the terms of QoE, and add its slope to those of the terms before it."""
    for k in range(link.shape[1]):
        score, slope = qoe.term_and_slope(link[at.RATE, k], link[term, k], link[3 + term, k])
        scratch[row, k] = score
        scratch[SLOPE, k] = scratch[SLOPE, k] + slope if term > 0 else slope


@compiled_inner
def pay(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Utilities, profits, and the price board of the slot just served."""
    _pay_asps(i, lanes, scratch)
    _pay_mus(i, lanes, scratch)


@compiled_inner
def _pay_asps(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """Profits, and effective prices.

    The effective price of a resource is the revenue that its last unit earns, averaged over the units used. At a best
    response every unit earns the same, the cost plus the shadow price; the formula needs no best response, though.
    """
    link, asps, num_mus = lanes.links[i], lanes.asps[i], lanes.mus.shape[2]
    for n in range(asps.shape[1]):
        compute = bandwidth = revenue = compute_worth = bandwidth_worth = 0.0
        for k in range(n * num_mus, (n + 1) * num_mus):
            compute += link[at.COMPUTE, k]
            bandwidth += link[at.BANDWIDTH, k]
            revenue += scratch[PAYMENT, k]
            compute_worth += scratch[COMPUTE_WORTH, k]
            bandwidth_worth += scratch[BANDWIDTH_WORTH, k]
        cost_f, cost_b = asps[at.COMPUTE_COST, n], asps[at.BANDWIDTH_COST, n]
        asps[at.PROFIT, n] = revenue - cost_f * compute - cost_b * bandwidth
        asps[at.COMPUTE_PRICE, n] = max(compute_worth / compute, cost_f) if compute > 0.0 else cost_f
        asps[at.BANDWIDTH_PRICE, n] = max(bandwidth_worth / bandwidth, cost_b) if bandwidth > 0.0 else cost_b


@compiled_inner
def _pay_mus(i: int, lanes: Lanes, scratch: FloatArray) -> None:
    """What each MU is delivered by all ASPs together, and its utility."""
    mus = lanes.mus[i]
    num_mus = mus.shape[1]
    for m in range(num_mus):
        accuracy = token_count = timeliness = paid = 0.0
        for k in range(m, lanes.links.shape[2], num_mus):
            accuracy += scratch[ACCURACY, k]
            token_count += scratch[TOKENS, k]
            timeliness += scratch[TIMELINESS, k]
            paid += scratch[PAYMENT, k]
        mus[at.SCORE_ACCURACY, m], mus[at.SCORE_TOKENS, m] = accuracy, token_count
        mus[at.SCORE_TIMELINESS, m] = timeliness
        mus[at.UTILITY, m] = -paid
    most = 0.0
    for m in range(num_mus):
        most = max(most, mus[at.SATIATION, m])
    if most > 0.0:
        _add_satiated(mus)
        return
    for m in range(num_mus):
        delivered = mus[at.SCORE_ACCURACY, m] + mus[at.SCORE_TOKENS, m] + mus[at.SCORE_TIMELINESS, m]
        mus[at.UTILITY, m] += satisfaction.vector_value(delivered, mus[at.OMEGA, m], mus[at.REQUIREMENT, m])


@compiled_in_place
def _add_satiated(mus: FloatArray) -> None:
    """Add the satisfaction of the MUs of a lane some of whom are satiated; apart, or the usual loop would be slower."""
    for m in range(mus.shape[1]):
        delivered = mus[at.SCORE_ACCURACY, m] + mus[at.SCORE_TOKENS, m] + mus[at.SCORE_TIMELINESS, m]
        wants = satisfaction.Wants(mus[at.OMEGA, m], mus[at.REQUIREMENT, m], mus[at.SATIATION, m])
        mus[at.UTILITY, m] += satisfaction.value(delivered, wants)
