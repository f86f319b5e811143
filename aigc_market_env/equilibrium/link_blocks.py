"""Links of an ASP at given worths and an ASP's state, eight MUs at a time (docs/equilibrium.md#the-whole-system).

Given V of its MU and the state of its ASP, a link is one equation in its throughput,
:mod:`~aigc_market_env.equilibrium.markdown`. Here it is solved, and what links use and how they respond is summed over
an ASP's MUs, with all derivatives.

Blocks are as in :mod:`~aigc_market_env.game.demand`: eight MUs of one ASP side by side, quantity after quantity, loops
of a length that the compiler knows and without branches. Where M is not a multiple of eight, the last block is filled
up with links that nobody is served on.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled_inner
from aigc_market_env.equilibrium.asp_state import (
    CORRELATION,
    LOG_UU,
    LOG_WW,
    STATE,
    Z_U,
    Z_W,
    AspPoint,
    price_feedback,
)
from aigc_market_env.equilibrium.markdown import markdown, step_towards
from aigc_market_env.game.demand import RATE, REWARD, WIDTH, coefficients_in, largest, per_rate, short_width, summed
from aigc_market_env.model import qoe
from aigc_market_env.model.links import CROSS, ENTRY, SIGMA
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.model.satisfaction import Wants

# Where the quantities of a block begin. The first are those of demand's blocks: a link table, the reward, the
# throughput.
_ENTRY, _SIGMA, _CROSS = ENTRY * WIDTH, SIGMA * WIDTH, CROSS * WIDTH
(
    RATE_BEFORE,  # throughput where the last Newton step began,
    RATE_EXPECTED,  # where it is to be sought after it,
    RATE_KEPT,  # and at the place to come back to
    _LOG_WORTH,  # log V
    _WORTH,  # V
    _CU,  # compute that a token/s takes, ∂C/∂u
    _CW,  # bandwidth, ∂C/∂w
    _COST,  # C
    _FEEDBACK,  # s
    _SERVED,  # 1 or 0
    _SEARCH,  # 1 while the throughput is being sought, 0 when the rest may be taken to first order, -1 when not
    _LOW,  # a throughput too low, or 0
    _HIGH,  # one too high, or inf
    AHEAD,  # Newton's step that is left
    _VALUE,  # Q, and what else is known of the link there, see Markdown
    _SLOPE,
    _BY_X,
    _BY_COST,
    _BY_FEEDBACK,
    _PRESENCE,
    _PRESENCE_BY_X,
    _RESPONSE,
    _RESPONSE_BY_X,
    RATE_BY_MU,  # dx / d log V
    RATE_BY_ASP,  # dx / d state, five quantities
) = range(max(REWARD, RATE) + WIDTH, max(REWARD, RATE) + 26 * WIDTH, WIDTH)
QOE_BY_ASP = RATE_BY_ASP + STATE * WIDTH  # dQ / d state, five quantities
USE_BY_MU = QOE_BY_ASP + STATE * WIDTH  # d totals / dx, later d residuals of the ASP / d log V, five quantities
_SUMMED = USE_BY_MU + STATE * WIDTH  # quantities that are summed over the MUs
_BY_LINK = _SUMMED + 11 * WIDTH  # of each MU in turn, dx / d state and the step that is left
USE_BY_ASP = _BY_LINK + WIDTH * WIDTH  # d totals / d state, later d residuals / d state, five rows
REDUCED = USE_BY_ASP + STATE * WIDTH  # how the ASP's unknowns give way as log V moves, five quantities
_OPEN = REDUCED + STATE * WIDTH  # positive while a throughput of the block is being sought
BLOCK = _OPEN + WIDTH
#: The column of USE_BY_ASP, after those of the state, for what the steps that are left add to totals and residuals.
LEFT = STATE

# Where the quantities of eight MUs begin, whichever ASP serves them.
(
    _SCALE,  # ω
    _WANTED,  # q
    _SATIATION,  # k
    LOG_WORTH,  # log V
    LOG_WORTH_BEFORE,
    LOG_WORTH_KEPT,
    WORTH,  # V
    TOTAL,  # QoE from all ASPs
    TOTAL_LEFT,  # and what the steps that are left add to it
    SMALLEST,  # x·k of the smallest link that is served
    DIAGONAL,  # d residual / d log V
    BY_QOE,  # d residual / dQ, the total QoE
    RESIDUAL,
    STEP,  # Newton's, of log V
) = range(0, 14 * WIDTH, WIDTH)
MU_QUANTITIES = 14
MU_BLOCK = MU_QUANTITIES * WIDTH

_MAX_STEPS = 100
_CLOSED = 1e-6  # of x: a step that may be left to be taken to first order, which leaves its square


@compiled_inner
def any_width(mus: FloatArray) -> int:
    """WIDTH, out of the compiler's sight, for loops over a block of a link's and one of MUs.

    That becomes vector code only where it is first made sure that the two do not overlap, which the compiler thinks is
    not worth while in a loop that it knows to be short.
    """
    return mus.shape[0] // MU_QUANTITIES


@compiled_inner
def put_wants(mus: FloatArray, j: int, wants: Wants) -> None:
    """Write what an MU wants into a block of MUs."""
    mus[_SCALE + j], mus[_WANTED + j], mus[_SATIATION + j] = wants[0], wants[1], wants[2]


@compiled_inner
def wants_in(mus: FloatArray, j: int) -> Wants:
    """What an MU of a block wants."""
    return Wants(mus[_SCALE + j], mus[_WANTED + j], mus[_SATIATION + j])


# Throughputs ---------------------------------------------------------------------------------------------------------


@compiled_inner
def open_links(block: FloatArray, mus: FloatArray, at: AspPoint) -> None:
    """Begin the search for the throughputs of a block, at the RATE it holds."""
    for j in range(any_width(mus)):
        worth = mus[WORTH + j]
        cu, cw = per_rate(at.flops_per_token, block[_SIGMA + j], block[_CROSS + j], at.ratio, at.inverse)
        cost = at.u * cu + at.w * cw
        served = cost < worth * block[_ENTRY + j]
        feedback, _, _, _, _, _ = price_feedback(at.damped, cu * at.scale_u, cw * at.scale_w)
        block[_WORTH + j], block[_LOG_WORTH + j] = worth, mus[LOG_WORTH + j]
        block[_CU + j], block[_CW + j], block[_COST + j], block[_FEEDBACK + j] = cu, cw, cost, feedback
        block[_SERVED + j] = block[_SEARCH + j] = 1.0 if served else 0.0
        block[RATE + j] = block[RATE + j] if served else 0.0
        block[_LOW + j], block[_HIGH + j] = 0.0, np.inf
    block[_OPEN] = 1.0


@compiled_inner
def shrink_links(block: FloatArray, sliver: float, narrowing: float) -> None:
    """Shrink the throughputs inside the sliver as much as it; they then are what they are."""
    for j in range(WIDTH):
        x = block[RATE + j]
        slope, curvature = qoe.slope_and_curvature(x, coefficients_in(block, j))
        inside = x > 0.0 and -x * curvature < sliver * slope
        block[RATE + j] = narrowing * x if inside else x
        block[_SEARCH + j] = 0.0 if inside else block[_SEARCH + j]


@compiled_inner
def seek_throughputs(blocks: FloatArray, sliver: float) -> None:
    """Find x > 0 with nearly W(x) = V on all links that are served, by safeguarded Newton steps; blocks (N, I, BLOCK).

    The Newton step that is left is at most a millionth of x; it enters the system to first order.
    """
    for step in range(_MAX_STEPS):
        still_open = 0.0
        for n in range(blocks.shape[0]):
            for i in range(blocks.shape[1]):
                if blocks[n, i, _OPEN] > 0.0:
                    _approach(blocks[n, i], sliver, step == _MAX_STEPS - 1)
                    still_open = max(still_open, blocks[n, i, _OPEN])
        if still_open <= 0.0:
            break


@compiled_inner
def _approach(block: FloatArray, sliver: float, last: bool) -> None:
    """Find what is known of the links at their throughputs, and take those that are not there yet a step nearer."""
    for j in range(WIDTH):
        x, sought = block[RATE + j], block[_SEARCH + j]
        at = markdown(x, coefficients_in(block, j), block[_COST + j], block[_FEEDBACK + j], sliver)
        excess = at.log_worth - block[_LOG_WORTH + j]
        low = block[_LOW + j] if excess > 0.0 else x
        high = x if excess > 0.0 else block[_HIGH + j]
        step, new = step_towards(excess, at.by_x, x, low, high)
        arrived = sought <= 0.0 or abs(step) <= _CLOSED * x
        stuck = new == x or last
        block[_LOW + j], block[_HIGH + j] = low, high
        block[RATE + j] = x if arrived or stuck else new
        block[_SEARCH + j] = min(sought, 0.0) if arrived else (-1.0 if stuck else 1.0)
        block[AHEAD + j] = step
        block[_VALUE + j], block[_SLOPE + j] = at.value, at.slope
        block[_BY_X + j], block[_BY_COST + j], block[_BY_FEEDBACK + j] = at.by_x, at.by_cost, at.by_feedback
        block[_PRESENCE + j], block[_PRESENCE_BY_X + j] = at.presence, at.presence_by_x
        block[_RESPONSE + j], block[_RESPONSE_BY_X + j] = at.response, at.response_by_x
    block[_OPEN] = largest(block, _SEARCH)


# What links use, and how they respond --------------------------------------------------------------------------------


@compiled_inner
def respond(block: FloatArray, mus: FloatArray, at: AspPoint) -> None:
    """Fill rewards and all derivatives of a block at its throughputs, and add its QoE to the MUs'."""
    su, sw, bend = at.scale_u, at.scale_w, 0.5 / math.sqrt(at.u * at.w)
    for j in range(any_width(mus)):
        served = block[_SERVED + j] > 0.0
        x, cu, cw, cost, cross = block[RATE + j], block[_CU + j], block[_CW + j], block[_COST + j], block[_CROSS + j]
        slope, response, by_feedback = block[_SLOPE + j], block[_RESPONSE + j], block[_BY_FEEDBACK + j]
        ahead = block[AHEAD + j] if served and block[_SEARCH + j] == 0.0 else 0.0
        # Q' falls by k Q' ahead, k = 1/(C ρ)
        block[REWARD + j] = cost / slope + ahead / (slope * response) if served else block[_WORTH + j]

        _, by_u, by_w, by_uu, by_ww, by_kappa = price_feedback(at.damped, cu * su, cw * sw)
        cu_by_w, cw_by_u = 0.5 * cross * at.ratio, 0.5 * cross * at.inverse  # ∂cu/∂log w = -∂cu/∂log u
        moved = 2.0 * (by_uu * cu_by_w / cu - by_ww * cw_by_u / cw)  # ds/dlog u = -ds/dlog w
        by_price = block[_BY_COST + j]
        x_by_v = 1.0 / block[_BY_X + j] if served else 0.0
        by_u = by_price * cu * at.u + by_feedback * moved if at.binding_u else by_feedback * by_u
        by_w = by_price * cw * at.w - by_feedback * moved if at.binding_w else by_feedback * by_w
        block[RATE_BY_MU + j] = x_by_v
        by_u, by_w = -x_by_v * by_u if served else 0.0, -x_by_v * by_w if served else 0.0
        by_h = -x_by_v * by_feedback
        by_uu, by_ww = by_h * by_uu if served else 0.0, by_h * by_ww if served else 0.0
        by_kappa = by_h * by_kappa if served else 0.0
        block[RATE_BY_ASP + Z_U * WIDTH + j], block[RATE_BY_ASP + Z_W * WIDTH + j] = by_u, by_w
        block[RATE_BY_ASP + LOG_UU * WIDTH + j], block[RATE_BY_ASP + LOG_WW * WIDTH + j] = by_uu, by_ww
        block[RATE_BY_ASP + CORRELATION * WIDTH + j] = by_kappa
        block[QOE_BY_ASP + Z_U * WIDTH + j], block[QOE_BY_ASP + Z_W * WIDTH + j] = slope * by_u, slope * by_w
        block[QOE_BY_ASP + LOG_UU * WIDTH + j], block[QOE_BY_ASP + LOG_WW * WIDTH + j] = slope * by_uu, slope * by_ww
        block[QOE_BY_ASP + CORRELATION * WIDTH + j] = slope * by_kappa

        felt = block[_PRESENCE + j] * response
        felt_by_x = block[_PRESENCE_BY_X + j] * response + block[_PRESENCE + j] * block[_RESPONSE_BY_X + j]
        felt, felt_by_x = felt if served else 0.0, felt_by_x if served else 0.0
        bent = bend * cross if served else 0.0  # ∂²C/∂u∂w, what a token/s takes from H_uw
        block[USE_BY_MU + j] = cu if served else 0.0
        block[USE_BY_MU + WIDTH + j] = cw if served else 0.0
        block[USE_BY_MU + 2 * WIDTH + j] = felt_by_x * cu * cu + bent * at.ratio * at.ratio
        block[USE_BY_MU + 3 * WIDTH + j] = felt_by_x * cw * cw + bent * at.inverse * at.inverse
        block[USE_BY_MU + 4 * WIDTH + j] = felt_by_x * cu * cw - bent

        share = at.u * cu / cost
        block[_SUMMED + j] = x * cu
        block[_SUMMED + WIDTH + j] = x * cw
        block[_SUMMED + 2 * WIDTH + j] = x * cross
        block[_SUMMED + 3 * WIDTH + j] = felt * cu * cu
        block[_SUMMED + 4 * WIDTH + j] = felt * cw * cw
        block[_SUMMED + 5 * WIDTH + j] = felt * cu * cw
        block[_SUMMED + 6 * WIDTH + j] = felt * cu * cu * share
        block[_SUMMED + 7 * WIDTH + j] = felt * cw * cw * share
        block[_SUMMED + 8 * WIDTH + j] = felt * cu * cw * share
        block[_SUMMED + 9 * WIDTH + j] = felt * cu * cross
        block[_SUMMED + 10 * WIDTH + j] = felt * cw * cross

        block[AHEAD + j] = ahead
        smallness = x / (cost * response)
        mus[SMALLEST + j] = min(mus[SMALLEST + j], smallness if served else np.inf)
        mus[TOTAL + j] += block[_VALUE + j] if served else 0.0
        mus[TOTAL_LEFT + j] += slope * ahead if served else 0.0
        mus[DIAGONAL + j] += slope * x_by_v if served else 0.0


@compiled_inner
def multiply(block: FloatArray) -> None:
    """Fill USE_BY_ASP: what a block's totals gain through throughputs as the state moves, and by the steps left.

    USE_BY_MU becomes what they gain as log V moves.
    """
    for j in range(WIDTH):
        for p in range(STATE):
            block[_BY_LINK + j * WIDTH + p] = block[RATE_BY_ASP + p * WIDTH + j]
        block[_BY_LINK + j * WIDTH + LEFT] = block[AHEAD + j]
    for i in range(STATE):
        use, product = USE_BY_MU + i * WIDTH, USE_BY_ASP + i * WIDTH
        a, b, c, d = block[use], block[use + 1], block[use + 2], block[use + 3]
        e, f, g, h = block[use + 4], block[use + 5], block[use + 6], block[use + 7]
        for p in range(short_width(block)):
            block[product + p] = (
                (a * block[_BY_LINK + p] + e * block[_BY_LINK + 4 * WIDTH + p])
                + (c * block[_BY_LINK + 2 * WIDTH + p] + g * block[_BY_LINK + 6 * WIDTH + p])
            ) + (
                (b * block[_BY_LINK + WIDTH + p] + f * block[_BY_LINK + 5 * WIDTH + p])
                + (d * block[_BY_LINK + 3 * WIDTH + p] + h * block[_BY_LINK + 7 * WIDTH + p])
            )
        for j in range(short_width(block)):
            block[use + j] *= block[RATE_BY_MU + j]


@compiled_inner
def add_block(block: FloatArray, first: FloatArray) -> None:
    """Add a block's sums to those of the ASP's first block."""
    for j in range(11 * WIDTH):
        first[_SUMMED + j] += block[_SUMMED + j]
    for j in range(STATE * WIDTH):
        first[USE_BY_ASP + j] += block[USE_BY_ASP + j]


class Totals(NamedTuple):
    """What an ASP's links use of its resources in all, and how that responds to its prices."""

    compute: float
    bandwidth: float
    uu: float  # H
    ww: float
    uw: float


@compiled_inner
def add_up(block: FloatArray, at: AspPoint) -> Totals:
    """The totals of an ASP, from its first block; and to USE_BY_ASP what prices change in them at given throughputs.

    Those are that ρ falls with C, and that the mix of compute and bandwidth moves.
    """
    f, b, crossed = summed(block, _SUMMED), summed(block, _SUMMED + WIDTH), summed(block, _SUMMED + 2 * WIDTH)
    uu, ww, uw = (
        summed(block, _SUMMED + 3 * WIDTH),
        summed(block, _SUMMED + 4 * WIDTH),
        summed(block, _SUMMED + 5 * WIDTH),
    )
    share_uu, share_ww, share_uw = (
        summed(block, _SUMMED + 6 * WIDTH),
        summed(block, _SUMMED + 7 * WIDTH),
        summed(block, _SUMMED + 8 * WIDTH),
    )
    felt_u, felt_w = summed(block, _SUMMED + 9 * WIDTH), summed(block, _SUMMED + 10 * WIDTH)
    mixed_u, mixed_w = at.ratio * felt_u, at.inverse * felt_w  # 2 Σ felt cu ∂cu/∂log w, 2 Σ felt cw ∂cw/∂log u
    other_u, other_w = 0.5 * at.inverse * felt_u, 0.5 * at.ratio * felt_w  # Σ felt cu ∂cw/∂log u, Σ felt cw ∂cu/∂log w
    half = 0.5 * crossed
    bend_uu, bend_ww, bend_uw = half * at.ratio / at.u, half * at.inverse / at.w, -half * at.ratio / at.w
    totals = Totals(f, b, uu + bend_uu, ww + bend_ww, uw + bend_uw)
    if at.binding_u:
        column = USE_BY_ASP + Z_U
        block[column] -= half * at.ratio
        block[column + WIDTH] += half * at.inverse
        block[column + 2 * WIDTH] += -share_uu - mixed_u - 1.5 * bend_uu
        block[column + 3 * WIDTH] += mixed_w - share_ww + 0.5 * bend_ww
        block[column + 4 * WIDTH] += other_u - other_w - share_uw - 0.5 * bend_uw
    if at.binding_w:
        column = USE_BY_ASP + Z_W
        block[column] += half * at.ratio
        block[column + WIDTH] -= half * at.inverse
        block[column + 2 * WIDTH] += mixed_u - (uu - share_uu) + 0.5 * bend_uu
        block[column + 3 * WIDTH] += -(ww - share_ww) - mixed_w - 1.5 * bend_ww
        block[column + 4 * WIDTH] += other_w - other_u - (uw - share_uw) - 0.5 * bend_uw
    return totals
