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
from aigc_market_env.equilibrium.asp_state import CORRELATION, LOG_UU, LOG_WW, STATE, Z_U, Z_W
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
    asp_point,
    multiply,
    open_links,
    put_wants,
    respond,
    seek_throughputs,
    short_width,
    shrink_links,
    wants_in,
)
from aigc_market_env.game.demand import REWARD, WIDTH, Providers, fill_blocks, new_providers
from aigc_market_env.game.shadow_prices import Asp, asp_of
from aigc_market_env.model import satisfaction
from aigc_market_env.model.links import ENTRY, LINK_ROWS
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Added to the derivative of a binding capacity's residual in its own z: two capacities filled by one MU alone are one
#: equation for two unknowns.
_RIDGE = 1e-7


class System(NamedTuple):
    """Unknowns, residuals and derivatives of the system at one point, and scratch."""

    links: FloatArray  # link tables (N, LINK_ROWS, M)
    x: FloatArray  # throughputs that followers start from, tokens/s (N, M)
    prices: FloatArray  # shadow prices at the start (N, 2)
    providers: Providers
    blocks: FloatArray  # links, eight MUs at a time (N, ⌈M/8⌉, BLOCK)
    mus: FloatArray  # MUs, eight at a time (⌈M/8⌉, MU_BLOCK)
    state: FloatArray  # the ASPs' unknowns (N, 5)
    state_before: FloatArray  # where the last Newton step began (N, 5)
    state_kept: FloatArray  # at the place to come back to (N, 5)
    residual_asp: FloatArray  # (N, 5)
    step_asp: FloatArray  # Newton's (N, 5)
    matrix: FloatArray  # what is left of the arrow, see :mod:`~aigc_market_env.equilibrium.arrow`
    right: FloatArray
    asp_by_mu: FloatArray  # d residual_asp / d log V where it is the MUs that are eliminated, or none (M, 5N)
    mu_by_asp: FloatArray  # d residual_mu / d state (M, 5N)
    lanes: FloatArray  # (2·WIDTH,)


@compiled
def new_system(num_mus: int, num_asps: int) -> System:
    """Room for markets of M MUs and N ASPs."""
    m, n = num_mus, num_asps
    count = -(-m // WIDTH)
    blocks, mus = np.ones((n, count, BLOCK)), np.ones((count, MU_BLOCK))
    blocks[:, :, ENTRY * WIDTH : (ENTRY + 1) * WIDTH] = blocks[:, :, LINK_ROWS * WIDTH :] = 0.0
    mus[:, LOG_WORTH:] = 0.0
    size = min(m, STATE * n)
    return System(
        np.empty((n, LINK_ROWS, m)),
        np.empty((n, m)),
        np.empty((n, 2)),
        new_providers(m, n),
        blocks,
        mus,
        np.empty((n, STATE)),
        np.empty((n, STATE)),
        np.empty((n, STATE)),
        np.empty((n, STATE)),
        np.empty((n, STATE)),
        np.zeros((size, -(-size // WIDTH) * WIDTH)),
        np.empty(size),
        np.empty((m if m > size else 0, STATE * n)),
        np.empty((m if m > size else 0, STATE * n)),
        np.zeros(2 * WIDTH),
    )


@compiled_in_place
def fill_system(market: MarketArrays, k: int, s: System) -> None:
    """Copy link tables, throughputs ``s.x`` and what MUs want into blocks."""
    for n in range(s.blocks.shape[0]):
        fill_blocks(s.links[n], s.x[n], s.x[n], s.blocks[n])
    for m in range(s.x.shape[1]):
        put_wants(s.mus[m // WIDTH], m % WIDTH, wants_of(market, k, m))


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
def evaluate(market: MarketArrays, k: int, sliver: float, narrowing: float, s: System) -> float:
    """Fill ``s`` with throughputs, rewards, residuals and derivatives at the log V and states that it holds.

    Throughputs in ``s.blocks`` are a start on entry. With ``narrowing`` < 1, they must be the answer at this sliver;
    the evaluation is at ``narrowing`` times the sliver, with links inside the sliver shrunk as much, so that their
    presence is what it was. They then miss W(x) = V, which enters the residuals to first order: a Newton step from
    there follows the solution.

    Returns:
        The largest residual.
    """
    blocks, mus = s.blocks, s.mus
    num_asps, count = blocks.shape[0], blocks.shape[1]
    for i in range(count):
        _open_mus(mus[i])
    for n in range(num_asps):
        at = asp_point(asp_of(market, k, n), s.state[n], s.lanes[:WIDTH])
        for i in range(count):
            open_links(blocks[n, i], mus[i], at)
            if narrowing < 1.0:
                shrink_links(blocks[n, i], sliver, narrowing)
    seek_throughputs(blocks, sliver * narrowing)
    worst = 0.0
    for n in range(num_asps):
        asp = asp_of(market, k, n)
        at = asp_point(asp, s.state[n], s.lanes[:WIDTH])
        for i in range(count):
            respond(blocks[n, i], mus[i], at)
            multiply(blocks[n, i])
            if i > 0:
                add_block(blocks[n, i], blocks[n, 0])
        totals = add_up(blocks[n, 0], at)
        worst = _worse(worst, _close_asp(asp, s.state[n], totals, blocks[n], s.residual_asp[n], s.lanes[WIDTH:]))
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
def _close_asp(
    asp: Asp, state: FloatArray, totals: Totals, blocks: FloatArray, residual: FloatArray, lanes: FloatArray
) -> float:
    """Turn totals and their derivatives into the ASP's residual (5,) and its derivatives; returns the largest residual.

    Capacities: min(z, log(capacity/use)). Feedback: the state's H less the one that the links add up to. What the
    throughputs' steps that are left change in these enters to first order, as a Newton step takes it.
    """
    f, b, uu, ww, uw = totals
    used = f > 0.0
    lanes[0], lanes[1] = asp.compute_capacity / f if used else 1.0, asp.bandwidth_capacity / b if used else 1.0
    lanes[2], lanes[3] = uu if used else 1.0, ww if used else 1.0
    for j in range(short_width(lanes)):
        lanes[j] = elementary.log(lanes[j])
    slack_u, slack_w = lanes[0] if used else np.inf, lanes[1] if used else np.inf
    spare_u, spare_w = state[Z_U] <= slack_u, state[Z_W] <= slack_w
    root = math.sqrt(uu * ww) if used else 1.0
    correlation = uw / root
    residual[Z_U], residual[Z_W] = min(state[Z_U], slack_u), min(state[Z_W], slack_w)
    residual[LOG_UU] = state[LOG_UU] - lanes[2] if used else 0.0
    residual[LOG_WW] = state[LOG_WW] - lanes[3] if used else 0.0
    residual[CORRELATION] = state[CORRELATION] - correlation if used else 0.0
    by_f, by_b = 0.0 if spare_u else -1.0 / f, 0.0 if spare_w else -1.0 / b
    by_uu, by_ww, by_uw = (-1.0 / uu, -1.0 / ww, -1.0 / root) if used else (0.0, 0.0, 0.0)
    own = blocks[0]
    _close(own, USE_BY_ASP, by_f, by_b, by_uu, by_ww, by_uw, correlation)
    for i in range(blocks.shape[0]):
        _close(blocks[i], USE_BY_MU, by_f, by_b, by_uu, by_ww, by_uw, correlation)
    worst = 0.0
    for j in range(STATE):
        spare = j > Z_W or (spare_u if j == Z_U else spare_w)
        own[USE_BY_ASP + j * WIDTH + j] += 1.0 if spare else _RIDGE
        residual[j] += own[USE_BY_ASP + j * WIDTH + LEFT]
        worst = _worse(worst, abs(residual[j]))
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
