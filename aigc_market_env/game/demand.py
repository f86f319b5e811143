"""What MUs would use at given prices of ASPs, eight at a time (docs/market.md#what-a-provider-does).

At effective prices u of compute and w of bandwidth a token/s to MU m costs an ASP C_m = (√(uκ) + √(wσ_m))², so that it
serves x_m with r_m Q'_m(x_m) = C_m, or nothing when r_m Q'_m(0) <= C_m.

A *block* holds eight MUs of one ASP side by side, quantity after quantity, and a *group* eight ASPs. Loops over them
have a length that the compiler knows, and no branches: one instruction treats all eight. Where M is not a multiple of
eight, an ASP's last block is filled up with MUs who post nothing; where N is not, the last group has ASPs who are never
asked. ASPs go through each stage together, because every stage is a chain of slow instructions, and chains of several
ASPs overlap. Nobody's result depends on who else is in the block or beside it, and sums are taken in an order of their
own, the same on every machine.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.model import qoe
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA, throughput
from aigc_market_env.model.parameters import FloatArray

#: MUs in a block, and ASPs in a group.
WIDTH = 8
# Where the quantities of a block begin. The first are those of a link table.
_V1, _V2, _V3, _K1, _K2, _K3 = range(0, 6 * WIDTH, WIDTH)
_ENTRY, _SIGMA, _CROSS = ENTRY * WIDTH, SIGMA * WIDTH, CROSS * WIDTH
(
    REWARD,
    RATE,  # x: a start, then the throughput
    _SERVED,  # 1 or 0
    _COST,  # C
    _REWARD_PER_COST,
    _VALUE,  # Q
    _CURVATURE,  # Q''
    _MISSED,  # by how much more than is allowed the last step moved x
    _MEAN,  # of throughputs
    ALLOCATED_COMPUTE,  # f, allocated
    ALLOCATED_BANDWIDTH,  # b
    _TERMS,  # six quantities that are summed over the MUs
) = range(LINK_ROWS * WIDTH, (LINK_ROWS + 12) * WIDTH, WIDTH)
_OPEN = _TERMS + 6 * WIDTH  # positive while an MU of the block has not arrived at its throughput
_BLOCK = _OPEN + WIDTH
# Steps to a throughput that all MUs of a block take together; the few that need more are finished one by one.
_TOGETHER = 8
#: A last step to a throughput, relative to it, after which nothing is left to be done, for convergence is cubic.
CLOSEST = 1e-5
#: The longest after which Taylor's formula is still good for Q'': beyond, it could have the wrong sign.
FARTHEST = 0.1

# Where the quantities of a group begin: what an ASP is,
(
    KAPPA,  # κ, TFLOP/token
    COMPUTE_COST,  # c_f, credits per slot per TFLOP/s
    BANDWIDTH_COST,  # c_b, credits per slot per MHz
    COMPUTE_CAPACITY,  # F, TFLOP/s
    BANDWIDTH_CAPACITY,  # B, MHz
    ASKED,  # whether demand is wanted, 1 or 0; what follows is for those for whom it is
    LAM,  # λ >= 0, the shadow price of compute to be tried, credits per slot per TFLOP/s
    MU,  # μ >= 0, that of bandwidth, credits per slot per MHz
    CLOSE,  # a last step to a throughput that is short enough, relative to it
    MOVED,  # 1 where prices have moved since demand was found, whose slopes tell what to expect; 0 to find it anew
    _RATIO,  # √(w/u)
    _INVERSE,  # √(u/w)
    _HALF,  # ½/√(uw)
    PROFIT,  # Σ_m max_x [rQ - Cx] at these prices
    COMPUTE,  # used
    BANDWIDTH,  # used
    HUU,  # the dual's Hessian -∂(Σf, Σb)/∂(u, w)
    HUW,
    HWW,
) = range(0, 19 * WIDTH, WIDTH)
#: Where those begin that are left to the search for shadow prices, and how many they are.
SEARCH, _SEARCH_QUANTITIES = HWW + WIDTH, 11


class Providers(NamedTuple):
    """Some ASPs side by side, with what each MU asks of them. Scratch of whoever asks for a demand or a response."""

    asps: FloatArray  # (⌈N/8⌉, quantities of eight ASPs)
    blocks: FloatArray  # (N, ⌈M/8⌉, quantities of eight MUs)


@compiled
def blocks_of(count: int) -> int:
    """Blocks that so many MUs fill, or groups that so many ASPs do."""
    return -(-count // WIDTH)


@compiled
def new_providers(num_mus: int, num_asps: int) -> Providers:
    """Room for N ASPs and M MUs, who all post nothing."""
    blocks = np.ones((num_asps, blocks_of(num_mus), _BLOCK))
    blocks[:, :, REWARD : RATE + WIDTH] = 0.0
    asps = np.ones((blocks_of(num_asps), SEARCH + _SEARCH_QUANTITIES * WIDTH))
    asps[:, ASKED : ASKED + WIDTH] = 0.0
    return Providers(asps, blocks)


@compiled_inner
def of_asp(asps: FloatArray, n: int, quantity: int) -> float:
    """A quantity of ASP ``n``."""
    value: float = asps[n // WIDTH, quantity + n % WIDTH]
    return value


@compiled_inner
def set_of_asp(asps: FloatArray, n: int, quantity: int, value: float) -> None:
    """Set a quantity of ASP ``n``."""
    asps[n // WIDTH, quantity + n % WIDTH] = value


@compiled_inner
def ask_for(asps: FloatArray, n: int, lam: float, mu: float) -> None:
    """Ask for the demand of ASP ``n`` at shadow prices, found anew and as closely as can be."""
    set_of_asp(asps, n, ASKED, 1.0)
    set_of_asp(asps, n, CLOSE, CLOSEST)
    set_of_asp(asps, n, MOVED, 0.0)
    set_prices(asps[n // WIDTH], n % WIDTH, lam, mu)


@compiled_inner
def set_prices(group: FloatArray, j: int, lam: float, mu: float) -> None:
    """Set an ASP's shadow prices, and what is asked of them most."""
    group[LAM + j], group[MU + j] = lam, mu
    group[_RATIO + j], group[_INVERSE + j], group[_HALF + j] = roots(
        group[COMPUTE_COST + j] + lam, group[BANDWIDTH_COST + j] + mu
    )


@compiled
def per_rate(kappa: float, sigma: float, cross: float, ratio: float, inverse: float) -> tuple[float, float]:
    """(∂C/∂u, ∂C/∂w): compute and bandwidth that the cheapest mix spends per token/s.

    ``ratio`` is √(w/u), ``inverse`` √(u/w), ``cross`` √(κσ). C = u ∂C/∂u + w ∂C/∂w.
    """
    return kappa + cross * ratio, sigma + cross * inverse


@compiled
def roots(u: float, w: float) -> tuple[float, float, float]:
    """√(w/u), √(u/w) and ½/√(uw) by one root and one division."""
    inverse = 1.0 / math.sqrt(u * w)
    return w * inverse, u * inverse, 0.5 * inverse


@compiled_in_place
def marginal_use(link: FloatArray, m: int, kappa: float, u: float, w: float) -> tuple[float, float]:
    """:func:`per_rate` of MU ``m`` in a link table."""
    ratio, inverse, _ = roots(u, w)
    return per_rate(kappa, link[SIGMA, m], link[CROSS, m], ratio, inverse)


@compiled_inner
def fill_blocks(link: FloatArray, rewards: FloatArray, x: FloatArray, blocks: FloatArray) -> None:
    """Copy a link table (LINK_ROWS, M), rewards (M,) and starts of throughputs (M,) into an ASP's blocks."""
    for i in range(blocks.shape[0]):
        block, first = blocks[i], i * WIDTH
        for j in range(min(WIDTH, x.shape[0] - first)):
            for row in range(LINK_ROWS):
                block[row * WIDTH + j] = link[row, first + j]
            block[REWARD + j], block[RATE + j] = rewards[first + j], x[first + j]


@compiled_inner
def reward_in_all(blocks: FloatArray) -> float:
    """The sum of what is posted to an ASP."""
    total = 0.0
    for i in range(blocks.shape[0]):
        total += summed(blocks[i], REWARD)
    return total


@compiled_inner
def put_reward(blocks: FloatArray, m: int, reward: float) -> None:
    """Have MU ``m`` post another reward to an ASP."""
    blocks[m // WIDTH, REWARD + m % WIDTH] = reward


@compiled_inner
def rate_of(blocks: FloatArray, m: int) -> float:
    """Throughput of MU ``m`` in an ASP's blocks."""
    rate: float = blocks[m // WIDTH, RATE + m % WIDTH]
    return rate


@compiled_inner
def read_rates(blocks: FloatArray, x: FloatArray) -> None:
    """Copy the throughputs out of an ASP's blocks, to ``x`` (M,)."""
    for m in range(x.shape[0]):
        x[m] = blocks[m // WIDTH, RATE + m % WIDTH]


@compiled_inner
def inverse_prices(group: FloatArray, j: int) -> tuple[float, float]:
    """1/u and 1/w of an ASP in a group."""
    double = 2.0 * group[_HALF + j]
    return double * group[_RATIO + j], double * group[_INVERSE + j]


@compiled_inner
def hessian_of(asps: FloatArray, n: int) -> tuple[float, float, float]:
    """The dual's Hessian -∂(Σf, Σb)/∂(u, w) at the prices of ASP ``n``, as (uu, uw, ww)."""
    return of_asp(asps, n, HUU), of_asp(asps, n, HUW), of_asp(asps, n, HWW)


@compiled_inner
def allocated(blocks: FloatArray, m: int) -> tuple[float, float, float]:
    """Throughput, compute and bandwidth of MU ``m`` in an ASP's blocks."""
    i, j = m // WIDTH, m % WIDTH
    return blocks[i, RATE + j], blocks[i, ALLOCATED_COMPUTE + j], blocks[i, ALLOCATED_BANDWIDTH + j]


# Demand --------------------------------------------------------------------------------------------------------------


@compiled_in_place
def find_demand(providers: Providers) -> None:
    """Fill PROFIT to HWW of all ASPs that are asked, at their prices; throughputs are in their blocks then.

    Where prices have MOVED since, throughputs are sought from where they are to be expected. Convergence is cubic: a
    last step as short as CLOSE leaves an error of the order of its third power.
    """
    asps, blocks = providers
    for n in range(blocks.shape[0]):
        if of_asp(asps, n, ASKED) > 0.0:
            open_blocks(asps, n, blocks[n])
    for step in range(_TOGETHER + 1):
        still_open = 0.0
        for n in range(blocks.shape[0]):
            if of_asp(asps, n, ASKED) > 0.0:
                still_open = max(still_open, _step(blocks[n], of_asp(asps, n, CLOSE), step == _TOGETHER))
        if still_open <= 0.0:
            break
    for n in range(blocks.shape[0]):
        if of_asp(asps, n, ASKED) > 0.0:
            _add_up(asps, n, blocks[n])


@compiled_inner
def open_blocks(asps: FloatArray, n: int, blocks: FloatArray) -> None:
    """Begin the search for throughputs at the prices of ASP ``n``."""
    u, w = prices_of(asps, n)
    for i in range(blocks.shape[0]):
        _offer(
            blocks[i],
            of_asp(asps, n, KAPPA),
            u,
            w,
            of_asp(asps, n, _RATIO),
            of_asp(asps, n, _INVERSE),
            of_asp(asps, n, MOVED) > 0.0,
        )
        blocks[i, _OPEN] = 1.0


@compiled_inner
def _step(blocks: FloatArray, close: float, last: bool) -> float:
    """Take MUs who have not arrived a step further, the last time to the end; positive while one of them has not."""
    still_open = 0.0
    for i in range(blocks.shape[0]):
        if blocks[i, _OPEN] > 0.0:
            if last:
                _finish(blocks[i])
            else:
                _approach(blocks[i], close)
            still_open = max(still_open, blocks[i, _OPEN])
    return still_open


@compiled_inner
def _add_up(asps: FloatArray, n: int, blocks: FloatArray) -> None:
    group, j = asps[n // WIDTH], n % WIDTH
    for quantity in range(PROFIT, HWW + WIDTH, WIDTH):
        group[quantity + j] = 0.0
    for i in range(blocks.shape[0]):
        _use(blocks[i], group[KAPPA + j], group[_RATIO + j], group[_INVERSE + j], group[_HALF + j])
        for term in range(0, 6 * WIDTH, WIDTH):
            group[PROFIT + term + j] += summed(blocks[i], _TERMS + term)


@compiled_inner
def coefficients_in(block: FloatArray, j: int) -> qoe.Coefficients:
    """What says how QoE grows with throughput on a link of a block that begins with a link table."""
    return block[_V1 + j], block[_V2 + j], block[_V3 + j], block[_K1 + j], block[_K2 + j], block[_K3 + j]


@compiled_inner
def _offer(block: FloatArray, kappa: float, u: float, w: float, ratio: float, inverse: float, moved: bool) -> None:
    """Whom the ASP would serve at all, how much to begin with, and the slope of QoE at which it would stop.

    Where prices have moved, throughputs begin where their slopes at the prices before say.
    """
    for j in range(WIDTH):
        reward, x = block[REWARD + j], block[RATE + j]
        cu, cw = per_rate(kappa, block[_SIGMA + j], block[_CROSS + j], ratio, inverse)
        cost = u * cu + w * cw
        served = reward * block[_ENTRY + j] > cost
        rate_per_cost = 1.0 / cost
        if moved and x > 0.0:
            before = block[_COST + j]
            x = qoe.expected(x, before / (reward * block[_CURVATURE + j]), before * rate_per_cost)
        block[_COST + j], block[_REWARD_PER_COST + j] = cost, reward * rate_per_cost
        block[_SERVED + j] = 1.0 if served else 0.0
        block[RATE + j] = x if served else 0.0
        block[_MISSED + j] = 1.0 if served else 0.0


@compiled_inner
def _approach(block: FloatArray, close: float) -> None:
    """Take the throughputs that have not arrived one step nearer."""
    for j in range(WIDTH):
        x, moving = block[RATE + j], block[_MISSED + j] > 0.0
        nearer, value, curvature = qoe.towards(x, block[_REWARD_PER_COST + j], coefficients_in(block, j))
        block[RATE + j] = nearer if moving else x
        block[_VALUE + j] = value if moving else block[_VALUE + j]
        block[_CURVATURE + j] = curvature if moving else block[_CURVATURE + j]
        block[_MISSED + j] = abs(nearer - x) - close * nearer if moving else 0.0
    block[_OPEN] = largest(block, _MISSED)


@compiled_in_place
def _finish(block: FloatArray) -> None:
    """Find what steps together did not."""
    for j in range(WIDTH):
        if block[_MISSED + j] > 0.0:
            c = coefficients_in(block, j)
            x = qoe.served(block[_COST + j] / block[REWARD + j], c, block[RATE + j])
            block[RATE + j] = x
            block[_VALUE + j], _, block[_CURVATURE + j], _ = qoe.derivatives(x, c)
    block[_OPEN] = 0.0


@compiled_inner
def _use(block: FloatArray, kappa: float, ratio: float, inverse: float, half: float) -> None:
    """What is summed over the MUs into PROFIT to HWW."""
    for j in range(WIDTH):
        cross, rate, reward = block[_CROSS + j], block[RATE + j], block[REWARD + j]
        cu, cw = per_rate(kappa, block[_SIGMA + j], cross, ratio, inverse)
        served = block[_SERVED + j] > 0.0
        response = -1.0 / (reward * block[_CURVATURE + j]) if served else 0.0  # -dx/dC > 0
        bend = half * cross * rate  # x ∂²C/∂u∂w
        block[_TERMS + j] = reward * block[_VALUE + j] - block[_COST + j] * rate if served else 0.0
        block[_TERMS + WIDTH + j] = rate * cu
        block[_TERMS + 2 * WIDTH + j] = rate * cw
        block[_TERMS + 3 * WIDTH + j] = response * cu * cu + bend * ratio * ratio
        block[_TERMS + 4 * WIDTH + j] = response * cu * cw - bend
        block[_TERMS + 5 * WIDTH + j] = response * cw * cw + bend * inverse * inverse


@compiled_inner
def short_width(block: FloatArray) -> int:
    """WIDTH, out of the compiler's sight, for short loops over one block.

    Of a short loop whose length it knows the compiler makes a sequence of single instructions before it looks for
    vectors.
    """
    return min(WIDTH, block.shape[0])


@compiled_inner
def largest(block: FloatArray, at: int) -> float:
    """The largest of a quantity over a block."""
    return max(
        max(max(block[at], block[at + 4]), max(block[at + 2], block[at + 6])),
        max(max(block[at + 1], block[at + 5]), max(block[at + 3], block[at + 7])),
    )


@compiled_inner
def summed(block: FloatArray, at: int) -> float:
    """The sum of a quantity over a block."""
    return ((block[at] + block[at + 4]) + (block[at + 2] + block[at + 6])) + (
        (block[at + 1] + block[at + 5]) + (block[at + 3] + block[at + 7])
    )


# Throughputs and allocations -----------------------------------------------------------------------------------------


@compiled_in_place
def forget_rates(blocks: FloatArray) -> None:
    """Begin an ASP's next search at zero."""
    for i in range(blocks.shape[0]):
        for j in range(WIDTH):
            blocks[i, RATE + j] = 0.0


@compiled_in_place
def start_mean(blocks: FloatArray) -> None:
    """Begin a weighted mean of an ASP's throughputs."""
    for i in range(blocks.shape[0]):
        for j in range(WIDTH):
            blocks[i, _MEAN + j] = 0.0


@compiled_in_place
def add_to_mean(blocks: FloatArray, weight: float) -> None:
    """Add the throughputs found last."""
    for i in range(blocks.shape[0]):
        for j in range(WIDTH):
            blocks[i, _MEAN + j] += weight * blocks[i, RATE + j]


@compiled_in_place
def take_mean(blocks: FloatArray) -> None:
    """Have the mean for the throughputs."""
    for i in range(blocks.shape[0]):
        for j in range(WIDTH):
            blocks[i, RATE + j] = blocks[i, _MEAN + j]


@compiled_in_place
def choking_use(blocks: FloatArray, kappa: float) -> tuple[float, float]:
    """Effective prices of compute and of bandwidth that each alone would make every MU cost all that it is worth."""
    u = w = 0.0
    for i in range(blocks.shape[0]):
        for j in range(WIDTH):
            worth = blocks[i, REWARD + j] * blocks[i, _ENTRY + j]
            u, w = max(u, worth / kappa), max(w, worth / blocks[i, _SIGMA + j])
    return u, w


@compiled_inner
def prices_of(asps: FloatArray, n: int) -> tuple[float, float]:
    """Effective prices u and w of ASP ``n``."""
    u, w = of_asp(asps, n, COMPUTE_COST) + of_asp(asps, n, LAM), of_asp(asps, n, BANDWIDTH_COST) + of_asp(asps, n, MU)
    return u, w


@compiled_inner
def spend(asps: FloatArray, n: int, blocks: FloatArray) -> tuple[float, float]:
    """Allocate what the throughputs take at the prices of ASP ``n``; compute and bandwidth in all."""
    kappa, ratio, inverse = of_asp(asps, n, KAPPA), of_asp(asps, n, _RATIO), of_asp(asps, n, _INVERSE)
    compute = bandwidth = 0.0
    for i in range(blocks.shape[0]):
        block = blocks[i]
        for j in range(short_width(block)):
            rate = block[RATE + j]
            cu, cw = per_rate(kappa, block[_SIGMA + j], block[_CROSS + j], ratio, inverse)
            block[ALLOCATED_COMPUTE + j], block[ALLOCATED_BANDWIDTH + j] = rate * cu, rate * cw
        compute += summed(block, ALLOCATED_COMPUTE)
        bandwidth += summed(block, ALLOCATED_BANDWIDTH)
    return compute, bandwidth


@compiled_inner
def rescale(kappa: float, blocks: FloatArray, compute: float, bandwidth: float) -> None:
    """Take an allocation times a factor for each resource, and throughputs to what it then delivers."""
    for i in range(blocks.shape[0]):
        block = blocks[i]
        for j in range(short_width(block)):
            f, b = block[ALLOCATED_COMPUTE + j] * compute, block[ALLOCATED_BANDWIDTH + j] * bandwidth
            block[ALLOCATED_COMPUTE + j], block[ALLOCATED_BANDWIDTH + j] = f, b
            block[RATE + j] = throughput(f, b, kappa, block[_SIGMA + j])
