"""The leaders' game as one square system (docs/equilibrium.md#the-whole-system).

Unknowns are log V_m of every MU and, of every ASP, what :mod:`~aigc_market_env.equilibrium.asp_state` says. Given
these, each link is one scalar equation, so it is eliminated (:mod:`~aigc_market_env.equilibrium.link_blocks`). What
remains couples an MU to an ASP only through links: the Jacobian is an arrow, with a diagonal block for the MUs and one
5x5 block per ASP.
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics import elementary
from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.asp_state import (
    ASP_COLUMNS,
    ASP_RESIDUAL,
    BANDWIDTH_CAPACITY,
    COMPUTE_CAPACITY,
    CORRELATION,
    LOG_UU,
    LOG_WW,
    STATE,
    Z_U,
    Z_W,
    find_point,
    point_of,
)
from aigc_market_env.equilibrium.link_blocks import (
    BLOCK,
    BY_QOE,
    DIAGONAL,
    LEFT,
    LOG_WORTH,
    MU_BLOCK,
    RESIDUAL,
    SMALLEST,
    TOTAL,
    TOTAL_LEFT,
    USE_BY_ASP,
    USE_BY_MU,
    WORTH,
    Totals,
    add_block,
    add_up,
    multiply,
    open_links,
    respond,
    seek_throughputs,
    shrink_links,
    wants_in,
)
from aigc_market_env.game.demand import REWARD, WIDTH, blocks_of, short_width
from aigc_market_env.model import satisfaction
from aigc_market_env.model.links import ENTRY, LINK_ROWS
from aigc_market_env.model.parameters import FloatArray

#: Added to the derivative of a binding capacity's residual in its own z: two capacities filled by one MU alone are one
#: equation for two unknowns.
_RIDGE = 1e-7


class System(NamedTuple):
    """Unknowns, residuals and derivatives of the system at one point, and scratch.

    Few arrays, as every call hands over all that Numba knows of each, a dozen numbers.
    """

    blocks: FloatArray  # links, eight MUs at a time (N, ⌈M/8⌉, BLOCK)
    mus: FloatArray  # MUs, eight at a time (⌈M/8⌉, MU_BLOCK)
    asps: FloatArray  # ASPs (N, ASP_COLUMNS)
    matrix: FloatArray  # what is left of the arrow; the last row is the right-hand side (min(M, 5N) + 1, …)
    couplings: FloatArray  # d residual_asp / d log V and d residual_mu / d state, where M > 5N (2, M or 0, 5N)


@compiled
def new_system(num_mus: int, num_asps: int) -> System:
    """Room for markets of M MUs and N ASPs."""
    m, n = num_mus, num_asps
    count, size = blocks_of(m), min(m, STATE * n)
    blocks, mus = np.ones((n, count, BLOCK)), np.ones((count, MU_BLOCK))
    blocks[:, :, ENTRY * WIDTH : (ENTRY + 1) * WIDTH] = blocks[:, :, LINK_ROWS * WIDTH :] = 0.0
    mus[:, LOG_WORTH:] = 0.0
    return System(
        blocks,
        mus,
        np.zeros((n, ASP_COLUMNS)),
        np.zeros((size + 1, blocks_of(size) * WIDTH)),
        np.empty((2, m if m > size else 0, STATE * n)),
    )


@compiled_inner
def count_mus(s: System) -> int:
    """M, which is not ⌈M/8⌉·8: the couplings have it where M > 5N, the matrix where not."""
    return max(s.couplings.shape[1], s.matrix.shape[0] - 1)


@compiled_inner
def log_worth_of(s: System, m: int) -> float:
    """Log V of MU ``m``."""
    log_worth: float = s.mus[m // WIDTH, LOG_WORTH + m % WIDTH]
    return log_worth


@compiled_inner
def put_log_worth(s: System, m: int, log_worth: float) -> None:
    """Have another log V for MU ``m``."""
    s.mus[m // WIDTH, LOG_WORTH + m % WIDTH] = log_worth


@compiled_inner
def reward_of(s: System, n: int, m: int) -> float:
    """The reward that MU ``m`` posts to ASP ``n`` at the point; V where it is priced out."""
    reward: float = s.blocks[n, m // WIDTH, REWARD + m % WIDTH]
    return reward


@compiled_in_place
def smallest_of(s: System) -> float:
    """x·k of the smallest link that is served; inf where none is."""
    found = np.inf
    for i in range(s.mus.shape[0]):
        for j in range(WIDTH):
            found = min(found, s.mus[i, SMALLEST + j])
    return found


@compiled_in_place
def evaluate(sliver: float, narrowing: float, s: System) -> float:
    """Fill ``s`` with throughputs, rewards, residuals and derivatives at the log V and states that it holds.

    Throughputs in ``s.blocks`` are a start on entry. With ``narrowing`` < 1, they must be the answer at this sliver;
    the evaluation is at ``narrowing`` times the sliver, with links inside the sliver shrunk as much, so that their
    presence is what it was. They then miss W(x) = V, which enters the residuals to first order: a Newton step from
    there follows the solution.

    Returns:
        The largest residual.
    """
    blocks, mus, asps = s.blocks, s.mus, s.asps
    num_asps, count = blocks.shape[0], blocks.shape[1]
    for i in range(count):
        _open_mus(mus[i])
    for n in range(num_asps):
        find_point(asps[n])
    for n in range(num_asps):
        at = point_of(asps[n])
        for i in range(count):
            open_links(blocks[n, i], mus[i], at)
            if narrowing < 1.0:
                shrink_links(blocks[n, i], sliver, narrowing)
    seek_throughputs(blocks, sliver * narrowing)
    worst = 0.0
    for n in range(num_asps):
        at = point_of(asps[n])
        for i in range(count):
            respond(blocks[n, i], mus[i], at)
            multiply(blocks[n, i])
            if i > 0:
                add_block(blocks[n, i], blocks[n, 0])
        worst = _worse(worst, _close_asp(asps[n], add_up(blocks[n, 0], at), blocks[n]))
    for i in range(count):
        worst = _worse(worst, _close_mus(mus[i]))
    return worst


@compiled
def _worse(worst: float, residual: float) -> float:
    """The larger one, and not a number where one of them is not."""
    return residual if residual > worst or residual != residual else worst


@compiled_inner
def _open_mus(mus: FloatArray) -> None:
    for j in range(short_width(mus)):
        mus[WORTH + j] = elementary.exp(mus[LOG_WORTH + j])
        mus[TOTAL + j] = mus[TOTAL_LEFT + j] = mus[DIAGONAL + j] = 0.0
        mus[SMALLEST + j] = np.inf


@compiled_inner
def _close_asp(asp: FloatArray, totals: Totals, blocks: FloatArray) -> float:
    """Turn totals and their derivatives into an ASP's residuals and their derivatives; returns the largest residual.

    Capacities: min(z, log(capacity/use)). Feedback: the state's H less the one that the links add up to. What the
    throughputs' steps that are left change in these enters to first order, as a Newton step takes it.
    """
    f, b, uu, ww, uw = totals
    used = f > 0.0
    slack_u = elementary.log(asp[COMPUTE_CAPACITY] / f) if used else np.inf
    slack_w = elementary.log(asp[BANDWIDTH_CAPACITY] / b) if used else np.inf
    spare_u, spare_w = asp[Z_U] <= slack_u, asp[Z_W] <= slack_w
    inverse = 1.0 / math.sqrt(uu * ww) if used else 0.0
    correlation = uw * inverse
    own = blocks[0]
    by_f, by_b = 0.0 if spare_u else -1.0 / f, 0.0 if spare_w else -1.0 / b
    by_uu, by_ww = (-1.0 / uu, -1.0 / ww) if used else (0.0, 0.0)
    _close(own, USE_BY_ASP, by_f, by_b, by_uu, by_ww, -inverse, correlation)
    for i in range(blocks.shape[0]):
        _close(blocks[i], USE_BY_MU, by_f, by_b, by_uu, by_ww, -inverse, correlation)
    asp[ASP_RESIDUAL + Z_U], asp[ASP_RESIDUAL + Z_W] = min(asp[Z_U], slack_u), min(asp[Z_W], slack_w)
    asp[ASP_RESIDUAL + LOG_UU] = asp[LOG_UU] - elementary.log(uu) if used else 0.0
    asp[ASP_RESIDUAL + LOG_WW] = asp[LOG_WW] - elementary.log(ww) if used else 0.0
    asp[ASP_RESIDUAL + CORRELATION] = asp[CORRELATION] - correlation if used else 0.0
    own[USE_BY_ASP + Z_U * WIDTH + Z_U] += 1.0 if spare_u else _RIDGE
    own[USE_BY_ASP + Z_W * WIDTH + Z_W] += 1.0 if spare_w else _RIDGE
    for j in range(LOG_UU, STATE):
        own[USE_BY_ASP + j * WIDTH + j] += 1.0
    worst = 0.0
    for j in range(STATE):
        asp[ASP_RESIDUAL + j] += own[USE_BY_ASP + j * WIDTH + LEFT]
        worst = _worse(worst, abs(asp[ASP_RESIDUAL + j]))
    return worst


@compiled_inner
def _close(
    block: FloatArray, at: int, by_f: float, by_b: float, by_uu: float, by_ww: float, by_uw: float, correlation: float
) -> None:
    """Derivatives of totals, five quantities of a block, become those of the residuals' parts that depend on totals."""
    for j in range(at, at + short_width(block)):
        uu, ww = by_uu * block[j + 2 * WIDTH], by_ww * block[j + 3 * WIDTH]
        block[j] *= by_f
        block[j + WIDTH] *= by_b
        block[j + 2 * WIDTH], block[j + 3 * WIDTH] = uu, ww
        block[j + 4 * WIDTH] = by_uw * block[j + 4 * WIDTH] - 0.5 * correlation * (uu + ww)


@compiled_inner
def _close_mus(mus: FloatArray) -> float:
    """Turn QoE and its derivatives into residuals of eight MUs and their derivatives."""
    for j in range(short_width(mus)):
        wants = wants_in(mus, j)
        total, log_worth = mus[TOTAL + j], mus[LOG_WORTH + j]
        by_qoe = 1.0 / satisfaction.decay_length(total, wants)
        mus[BY_QOE + j] = by_qoe
        mus[RESIDUAL + j] = log_worth - satisfaction.log_marginal(total, wants) + by_qoe * mus[TOTAL_LEFT + j]
        mus[DIAGONAL + j] = 1.0 + mus[DIAGONAL + j] * by_qoe
    worst = 0.0
    for j in range(WIDTH):
        worst = _worse(worst, abs(mus[RESIDUAL + j]))
    return worst
