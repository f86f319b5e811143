"""The leaders' game as one square system, and a Newton step on it (docs/equilibrium.md).

Unknowns: log V_m of every MU, and of every ASP

    z_u, z_w     one number per capacity: 0 spare; in (0, 1) on the kink, with θ = z; above 1 binding, with θ = 1 and an
                 effective price of cost·exp(z - 1)
    log H_uu, log H_ww, κ = H_uw/√(H_uu H_ww)     the response of its use to its prices, which its links share.

Given these, each link is one scalar equation (:mod:`aigc_market_env.equilibrium.markdown`), so it is eliminated. What
remains couples an MU to an ASP only through links: the Jacobian is an arrow with a diagonal block for the MUs and one
5x5 block per ASP, and a step costs O(MN + M(5N)² + (5N)³).
"""

import math
from typing import NamedTuple

import numpy as np

from aigc_market_env._numerics.compile import compiled, compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.markdown import Markdown, chosen_throughput, markdown
from aigc_market_env.game.demand import per_rate
from aigc_market_env.game.shadow_prices import Asp, asp_of
from aigc_market_env.model import qoe, satisfaction
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA, coefficients_of
from aigc_market_env.model.parameters import FloatArray, MarketArrays, wants_of

#: Unknowns of an ASP.
Z_U, Z_W, LOG_UU, LOG_WW, CORRELATION = range(5)
STATE = 5
#: Totals of an ASP over its links: what of each resource is used, and how use responds to prices.
COMPUTE, BANDWIDTH, H_UU, H_WW, H_UW = range(5)
#: The largest θ. Where one MU has an ASP to itself and fills both its capacities, θ = 1 for both would take back its
#: whole response whatever the prices, and leave their level undetermined.
_FULL = 1.0 - 1e-8
#: Added to the derivative of a binding capacity's residual in its own z: two capacities filled by one MU alone are one
#: equation for two unknowns.
_RIDGE = 1e-7


class System(NamedTuple):
    """Scratch and derivatives of the system at one point; link arrays have the ASP first."""

    links: FloatArray  # (N, LINK_ROWS, M)
    x: FloatArray  # throughputs, tokens/s (N, M)
    x_by_mu: FloatArray  # dx / d log V (N, M)
    x_by_asp: FloatArray  # dx / d state (N, M, 5)
    rewards: FloatArray  # r, credits per QoE (N, M)
    worths: FloatArray  # V, credits per QoE (M,)
    residual_mu: FloatArray  # (M,)
    residual_asp: FloatArray  # (N, 5)
    diagonal: FloatArray  # d residual_mu / d log V (M,)
    mu_by_asp: FloatArray  # d residual_mu / d state (M, N, 5)
    asp_by_mu: FloatArray  # d residual_asp / d log V (M, N, 5)
    blocks: FloatArray  # d residual_asp / d state, at given V (N, 5, 5)
    matrix: FloatArray  # Schur complement of the ASPs (5N, 5N)
    step_asp: FloatArray  # (N, 5)
    step_mu: FloatArray  # (M,)
    smallest: FloatArray  # x·k of the smallest link that is served (1,)
    totals: FloatArray  # of the ASP at hand (5,)


class AspPoint(NamedTuple):
    """One ASP at the point where the system is evaluated."""

    flops_per_token: float  # κ
    u: float  # effective price of compute
    w: float  # effective price of bandwidth
    ratio: float  # √(w/u)
    inverse: float  # √(u/w)
    scale_u: float  # 1/√H_uu
    scale_w: float  # 1/√H_ww
    state: FloatArray  # its unknowns (5,)
    sliver: float  # see :func:`~aigc_market_env.equilibrium.markdown.markdown`
    narrowing: float  # see :func:`evaluate`


class Use(NamedTuple):
    """What a token/s of a link takes up, and how that moves with effective prices."""

    cu: float  # compute, ∂C/∂u
    cw: float  # bandwidth, ∂C/∂w
    cost: float  # C
    cu_by_w: float  # ∂cu/∂log w = -∂cu/∂log u
    cw_by_u: float  # ∂cw/∂log u = -∂cw/∂log w
    bend_uu: float  # -∂cu/∂u, what a token/s at a given throughput adds to H
    bend_ww: float  # -∂cw/∂w
    bend_uw: float  # -∂cu/∂w


@compiled
def new_system(num_mus: int, num_asps: int) -> System:
    """Arrays for markets of M MUs and N ASPs."""
    m, n = num_mus, num_asps
    links, x, rewards = np.empty((n, LINK_ROWS, m)), np.zeros((n, m)), np.empty((n, m))
    of_mus = np.empty((4, m))
    return System(
        links,
        x,
        np.zeros((n, m)),
        np.zeros((n, m, STATE)),
        rewards,
        of_mus[3],
        of_mus[0],
        np.empty((n, STATE)),
        of_mus[1],
        np.empty((m, n, STATE)),
        np.empty((m, n, STATE)),
        np.empty((n, STATE, STATE)),
        np.empty((STATE * n, STATE * n)),
        np.empty((n, STATE)),
        of_mus[2],
        np.empty(1),
        np.empty(STATE),
    )


@compiled
def effective_price(cost: float, z: float) -> float:
    """Cost plus shadow price of a capacity in state ``z``."""
    return cost * math.exp(max(z - 1.0, 0.0))


@compiled_in_place
def at_throughput(
    log_worth: float,
    c: qoe.Coefficients,
    cost: float,
    feedback: float,
    sliver: float,
    narrowing: float,
    x: FloatArray,
    m: int,
) -> tuple[Markdown, float]:
    """Choose ``x[m]``, or shrink it with the sliver that it lies in; and say how far it then is from W(x) = V."""
    if narrowing < 1.0 and x[m] > 0.0:
        at = markdown(x[m], c, cost, feedback, sliver)
        if at.presence < 1.0:
            x[m] *= narrowing
            at = markdown(x[m], c, cost, feedback, sliver * narrowing)
            return at, (log_worth - at.log_worth) / at.by_x
    x[m], at, ahead = chosen_throughput(log_worth, c, cost, feedback, sliver * narrowing, x[m])
    return at, ahead


@compiled_in_place
def price_feedback(state: FloatArray, a: float, b: float, gradient: FloatArray) -> float:
    """S = ∇Cᵀ (H + diag(H_ii (1 - θ_i)/θ_i))⁻¹ ∇C at ∇C = (a √H_uu, b √H_ww).

    ``gradient`` (5,) receives its derivatives in θ_u, θ_w, log H_uu, log H_ww and κ, ∇C fixed.
    """
    theta_u, theta_w = _FULL * min(state[Z_U], 1.0), _FULL * min(state[Z_W], 1.0)
    kappa, both = state[CORRELATION], theta_u * theta_w
    cross, regular = kappa * a * b, 1.0 - both * kappa * kappa
    s = (theta_u * a * a - 2.0 * both * cross + theta_w * b * b) / regular
    gradient[Z_U] = _FULL * (a * a + theta_w * (s * kappa * kappa - 2.0 * cross)) / regular
    gradient[Z_W] = _FULL * (b * b + theta_u * (s * kappa * kappa - 2.0 * cross)) / regular
    gradient[LOG_UU] = (both * cross - theta_u * a * a) / regular
    gradient[LOG_WW] = (both * cross - theta_w * b * b) / regular
    gradient[CORRELATION] = 2.0 * both * (s * kappa - a * b) / regular
    return s


@compiled_inner
def _use_of(link: FloatArray, m: int, at: AspPoint) -> Use:
    """The :class:`Use` of MU ``m`` from a link table (LINK_ROWS, M)."""
    cross = link[CROSS, m]
    cu, cw = per_rate(at.flops_per_token, link[SIGMA, m], cross, at.ratio, at.inverse)
    cu_by_w, cw_by_u = 0.5 * cross * at.ratio, 0.5 * cross * at.inverse
    return Use(cu, cw, at.u * cu + at.w * cw, cu_by_w, cw_by_u, cu_by_w / at.u, cw_by_u / at.w, -cu_by_w / at.w)


@compiled_inner
def _add_link(
    s: System, n: int, m: int, at: AspPoint, worth: float, log_worth: float, totals: FloatArray
) -> tuple[float, float, float]:
    """Choose throughput and reward of a link, and add its use and response to the ASP's totals and their derivatives.

    Args:
        s: ``s.x`` holds a start on entry. Throughput, reward (V when the MU is priced out), ``asp_by_mu`` as
            d totals / d log V and ``mu_by_asp`` as dQ / d state are written; d totals / d state is added to ``blocks``.
        n: the ASP.
        m: the MU.
        at: the ASP's point.
        worth: V of the MU.
        log_worth: log V.
        totals: compute used, bandwidth used, H_uu, H_ww, H_uw; added to. (5,)

    Returns:
        Q, dQ / d log V, and x·k (inf when the MU is priced out).
    """
    x, column, row = s.x[n], s.asp_by_mu[m, n], s.mu_by_asp[m, n]
    c, use = coefficients_of(s.links[n], m), _use_of(s.links[n], m, at)
    if use.cost >= worth * s.links[n, ENTRY, m]:
        s.rewards[n, m] = worth
        x[m] = s.x_by_mu[n, m] = 0.0
        s.x_by_asp[n, m, :] = 0.0
        column[:] = 0.0
        row[:] = 0.0
        return 0.0, 0.0, np.inf

    feedback = price_feedback(at.state, use.cu * at.scale_u, use.cw * at.scale_w, row)
    down, ahead = at_throughput(log_worth, c, use.cost, feedback, at.sliver, at.narrowing, x, m)
    slope, x_by_v = qoe.slope(x[m], c), 1.0 / down.by_x
    s.rewards[n, m] = use.cost / slope + ahead / (slope * down.response)  # Q' falls by k Q' ahead, k = 1/(C ρ)
    _turn_into_throughput(row, at, use, down)
    s.x_by_mu[n, m] = x_by_v
    for j in range(STATE):
        s.x_by_asp[n, m, j] = row[j]
    _add_to_totals(totals, column, use, down, x[m])
    for i in range(STATE):
        for j in range(STATE):
            s.blocks[n, i, j] += column[i] * row[j]
    _add_price_effects(s.blocks[n], at, use, x[m], down.presence * down.response)
    for j in range(STATE):
        totals[j] += column[j] * ahead
        column[j] *= x_by_v
        row[j] *= slope
    return qoe.value(x[m], c) + slope * ahead, slope * x_by_v, x[m] / (use.cost * down.response)


@compiled_inner
def _turn_into_throughput(row: FloatArray, at: AspPoint, use: Use, down: Markdown) -> None:
    """Derivatives of the price feedback, ``row`` (5,), become those of the throughput chosen, dx / d state."""
    moved = 2.0 * (row[LOG_UU] * use.cu_by_w / use.cu - row[LOG_WW] * use.cw_by_u / use.cw)  # ds/dlog u = -ds/dlog w
    for j in range(STATE):
        row[j] *= down.by_feedback
    if at.state[Z_U] >= 1.0:
        row[Z_U] = down.by_cost * use.cu * at.u + down.by_feedback * moved
    if at.state[Z_W] >= 1.0:
        row[Z_W] = down.by_cost * use.cw * at.w - down.by_feedback * moved
    x_by_v = 1.0 / down.by_x
    for j in range(STATE):
        row[j] *= -x_by_v


@compiled_inner
def _add_to_totals(totals: FloatArray, column: FloatArray, use: Use, down: Markdown, x: float) -> None:
    """Add a link's use and response to ``totals`` (5,); ``column`` (5,) receives d totals / dx."""
    cu, cw = use.cu, use.cw
    felt = down.presence * down.response
    felt_by_x = down.presence_by_x * down.response + down.presence * down.response_by_x
    totals[COMPUTE] += x * cu
    totals[BANDWIDTH] += x * cw
    totals[H_UU] += felt * cu * cu + use.bend_uu * x
    totals[H_WW] += felt * cw * cw + use.bend_ww * x
    totals[H_UW] += felt * cu * cw + use.bend_uw * x
    column[COMPUTE], column[BANDWIDTH] = cu, cw
    column[H_UU] = felt_by_x * cu * cu + use.bend_uu
    column[H_WW] = felt_by_x * cw * cw + use.bend_ww
    column[H_UW] = felt_by_x * cu * cw + use.bend_uw


@compiled_inner
def _add_price_effects(block: FloatArray, at: AspPoint, use: Use, x: float, felt: float) -> None:
    """Add to ``block`` (5, 5) what prices change in a link's totals at a given x: ρ falls with C, the mix moves."""
    cu, cw, cu_by_w, cw_by_u = use.cu, use.cw, use.cu_by_w, use.cw_by_u
    if at.state[Z_U] >= 1.0:
        share = at.u * cu / use.cost
        block[COMPUTE, Z_U] -= x * cu_by_w
        block[BANDWIDTH, Z_U] += x * cw_by_u
        block[H_UU, Z_U] += -felt * cu * (share * cu + 2.0 * cu_by_w) - 1.5 * use.bend_uu * x
        block[H_WW, Z_U] += felt * cw * (2.0 * cw_by_u - share * cw) + 0.5 * use.bend_ww * x
        block[H_UW, Z_U] += felt * (cu * cw_by_u - cw * cu_by_w - share * cu * cw) - 0.5 * use.bend_uw * x
    if at.state[Z_W] >= 1.0:
        share = at.w * cw / use.cost
        block[COMPUTE, Z_W] += x * cu_by_w
        block[BANDWIDTH, Z_W] -= x * cw_by_u
        block[H_UU, Z_W] += felt * cu * (2.0 * cu_by_w - share * cu) + 0.5 * use.bend_uu * x
        block[H_WW, Z_W] += -felt * cw * (share * cw + 2.0 * cw_by_u) - 1.5 * use.bend_ww * x
        block[H_UW, Z_W] += felt * (cw * cu_by_w - cu * cw_by_u - share * cu * cw) - 0.5 * use.bend_uw * x


@compiled_in_place
def _close_asp(
    asp: Asp, state: FloatArray, totals: FloatArray, block: FloatArray, columns: FloatArray, residual: FloatArray
) -> None:
    """Turn totals and their derivatives into the ASP's residual (5,), and its derivatives in ``block`` and ``columns``.

    Capacities: min(z, log(capacity/use)). Feedback: the state's H less the one that the links add up to.
    """
    f, b, huu, hww, huw = totals[COMPUTE], totals[BANDWIDTH], totals[H_UU], totals[H_WW], totals[H_UW]
    slack_u = math.log(asp.compute_capacity / f) if f > 0.0 else np.inf
    slack_w = math.log(asp.bandwidth_capacity / b) if b > 0.0 else np.inf
    spare_u, spare_w = state[Z_U] <= slack_u, state[Z_W] <= slack_w
    residual[Z_U], residual[Z_W] = min(state[Z_U], slack_u), min(state[Z_W], slack_w)
    root = math.sqrt(huu * hww) if f > 0.0 else 1.0
    correlation = huw / root
    residual[LOG_UU] = state[LOG_UU] - math.log(huu) if f > 0.0 else 0.0
    residual[LOG_WW] = state[LOG_WW] - math.log(hww) if f > 0.0 else 0.0
    residual[CORRELATION] = state[CORRELATION] - correlation if f > 0.0 else 0.0
    _close(block.T, spare_u, spare_w, f, b, huu, hww, root, correlation)
    for j in range(STATE):
        block[j, j] += 1.0 if j > Z_W or (spare_u if j == Z_U else spare_w) else _RIDGE
    _close(columns, spare_u, spare_w, f, b, huu, hww, root, correlation)


@compiled_in_place
def _close(
    rows: FloatArray,
    spare_u: bool,
    spare_w: bool,
    f: float,
    b: float,
    huu: float,
    hww: float,
    root: float,
    correlation: float,
) -> None:
    """Derivatives of totals, in rows of five, become derivatives of -residual's part that depends on totals."""
    for i in range(rows.shape[0]):
        t = rows[i]
        if f <= 0.0:
            t[:] = 0.0
            continue
        df, db, du, dw, dx = t[COMPUTE], t[BANDWIDTH], t[H_UU], t[H_WW], t[H_UW]
        t[Z_U] = 0.0 if spare_u else -df / f
        t[Z_W] = 0.0 if spare_w else -db / b
        t[LOG_UU], t[LOG_WW] = -du / huu, -dw / hww
        t[CORRELATION] = -dx / root + 0.5 * correlation * (du / huu + dw / hww)


@compiled_in_place
def evaluate(
    market: MarketArrays,
    k: int,
    log_worth: FloatArray,
    state: FloatArray,
    sliver: float,
    narrowing: float,
    s: System,
) -> float:
    """Fill ``s`` with throughputs, rewards, residuals and derivatives at (log V (M,), state (N, 5)).

    ``s.x`` holds a start on entry. With ``narrowing`` < 1, ``s.x`` must be the answer at this sliver; the evaluation is
    at ``narrowing`` times the sliver, with links inside the sliver shrunk as much, so that their presence is what it
    was. They then miss W(x) = V, which enters the residuals to first order: a Newton step from there follows the
    solution.

    Returns:
        The largest residual.
    """
    num_asps, num_mus = s.x.shape
    totals = s.totals
    s.residual_mu[:] = 0.0
    s.diagonal[:] = 0.0
    s.smallest[0] = np.inf
    for m in range(num_mus):
        s.worths[m] = math.exp(log_worth[m])
    worst = 0.0
    for n in range(num_asps):
        asp = asp_of(market, k, n)
        u = effective_price(asp.compute_cost, state[n, Z_U])
        w = effective_price(asp.bandwidth_cost, state[n, Z_W])
        at = AspPoint(
            asp.flops_per_token,
            u,
            w,
            math.sqrt(w / u),
            math.sqrt(u / w),
            math.exp(-0.5 * state[n, LOG_UU]),
            math.exp(-0.5 * state[n, LOG_WW]),
            state[n],
            sliver,
            narrowing,
        )
        totals[:] = 0.0
        s.blocks[n] = 0.0
        for m in range(num_mus):
            value, by_v, smallness = _add_link(s, n, m, at, s.worths[m], log_worth[m], totals)
            s.residual_mu[m] += value
            s.diagonal[m] += by_v
            s.smallest[0] = min(s.smallest[0], smallness)
        _close_asp(asp, state[n], totals, s.blocks[n], s.asp_by_mu[:, n], s.residual_asp[n])
        for j in range(STATE):
            worst = max(worst, abs(s.residual_asp[n, j]))
    for m in range(num_mus):
        total, wants = s.residual_mu[m], wants_of(market, k, m)
        length = satisfaction.decay_length(total, wants)
        s.residual_mu[m] = log_worth[m] - satisfaction.log_marginal(total, wants)
        s.diagonal[m] = 1.0 + s.diagonal[m] / length
        for n in range(num_asps):
            for j in range(STATE):
                s.mu_by_asp[m, n, j] /= length
        worst = max(worst, abs(s.residual_mu[m]))
    return worst
