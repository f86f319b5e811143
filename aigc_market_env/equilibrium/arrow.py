"""A Newton step on an arrow-shaped system: MUs touch one another only through ASPs (docs/equilibrium.md).

With A diagonal (MUs), D block-diagonal (ASPs), B and E the couplings,

    A δV + B δp = -R_V,    E δV + D δp = -R_p.

Either the ASPs are eliminated, which leaves M equations, or the MUs, which leaves 5N for N ASPs:

    (A - B D⁻¹ E) δV = -R_V + B D⁻¹ R_p,    or    (D - E A⁻¹ B) δp = -R_p + E A⁻¹ R_V.

It is the fewer that are solved. Loops go over eight MUs, or eight columns of a matrix, at a time.
"""

from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.asp_state import STATE
from aigc_market_env.equilibrium.link_blocks import (
    BY_QOE,
    DIAGONAL,
    LEFT,
    QOE_BY_ASP,
    REDUCED,
    RESIDUAL,
    STEP,
    USE_BY_ASP,
    USE_BY_MU,
    any_width,
    short_width,
)
from aigc_market_env.equilibrium.system import System
from aigc_market_env.game.demand import WIDTH
from aigc_market_env.model.parameters import FloatArray


@compiled_in_place
def newton_step(s: System) -> bool:
    """Solve the linearised system into STEP and ``s.step_asp``; False if it is singular to working accuracy.

    Derivatives by which the ASPs' equations are coupled may be overwritten.
    """
    if s.x.shape[1] <= STATE * s.x.shape[0]:
        return _solve_mus(s)
    return _solve_asps(s)


# M equations ---------------------------------------------------------------------------------------------------------


@compiled_inner
def _solve_mus(s: System) -> bool:
    blocks, mus = s.blocks, s.mus
    for n in range(blocks.shape[0]):
        own = blocks[n, 0]
        for p in range(STATE):
            own[USE_BY_ASP + p * WIDTH + LEFT] = -s.residual_asp[n, p]
        if not _invert(own):
            return False
        for i in range(blocks.shape[1]):
            _reduce(blocks[n, i], own)
    _reduce_to_mus(s)
    if not _eliminate(s.matrix, s.right):
        return False
    for m in range(len(s.right)):
        mus[m // WIDTH, STEP + m % WIDTH] = s.right[m]
    for n in range(blocks.shape[0]):
        for p in range(STATE):
            step = blocks[n, 0, USE_BY_ASP + p * WIDTH + LEFT]
            for m in range(len(s.right)):
                step -= blocks[n, m // WIDTH, REDUCED + p * WIDTH + m % WIDTH] * s.right[m]
            s.step_asp[n, p] = step
    return True


@compiled_inner
def _invert(own: FloatArray) -> bool:
    """Invert D of an ASP in place, by Gauss-Jordan elimination with partial pivoting; LEFT becomes D⁻¹ times LEFT."""
    swaps = 0
    for p in range(STATE):
        pivot, size = p, abs(own[USE_BY_ASP + p * WIDTH + p])
        for h in range(p + 1, STATE):
            entry = abs(own[USE_BY_ASP + h * WIDTH + p])
            if entry > size:
                pivot, size = h, entry
        if not size > 0.0:
            return False
        swaps = STATE * swaps + pivot
        if pivot != p:
            for j in range(WIDTH):
                here, there = USE_BY_ASP + p * WIDTH + j, USE_BY_ASP + pivot * WIDTH + j
                own[here], own[there] = own[there], own[here]
        _pivot(own, p)
    for p in range(STATE - 1, -1, -1):
        pivot = swaps % STATE
        swaps //= STATE
        if pivot != p:
            for h in range(STATE):
                here, there = USE_BY_ASP + h * WIDTH + p, USE_BY_ASP + h * WIDTH + pivot
                own[here], own[there] = own[there], own[here]
    return True


@compiled_inner
def _pivot(own: FloatArray, p: int) -> None:
    """Exchange an unknown for a residual: one step of the inversion."""
    row = USE_BY_ASP + p * WIDTH
    inverse = 1.0 / own[row + p]
    own[row + p] = 1.0
    for j in range(row, row + short_width(own)):
        own[j] *= inverse
    for h in range(STATE):
        if h != p:
            other = USE_BY_ASP + h * WIDTH
            factor = own[other + p]
            own[other + p] = 0.0
            for j in range(short_width(own)):
                own[other + j] -= factor * own[row + j]


@compiled_inner
def _reduce(block: FloatArray, own: FloatArray) -> None:
    """Fill REDUCED with D⁻¹ E for eight MUs, D⁻¹ being in the ASP's first block."""
    for p in range(STATE):
        row = USE_BY_ASP + p * WIDTH
        a, b, c, d, e = own[row], own[row + 1], own[row + 2], own[row + 3], own[row + 4]
        for j in range(short_width(block)):
            block[REDUCED + p * WIDTH + j] = (
                a * block[USE_BY_MU + j]
                + b * block[USE_BY_MU + WIDTH + j]
                + c * block[USE_BY_MU + 2 * WIDTH + j]
                + (d * block[USE_BY_MU + 3 * WIDTH + j] + e * block[USE_BY_MU + 4 * WIDTH + j])
            )


@compiled_inner
def _reduce_to_mus(s: System) -> None:
    """Fill the matrix (M, ⌈M/8⌉·8) and the right-hand side that are left when the ASPs are eliminated."""
    blocks, matrix = s.blocks, s.matrix
    for m in range(len(s.right)):
        i, j = m // WIDTH, m % WIDTH
        by_qoe, right = s.mus[i, BY_QOE + j], -s.mus[i, RESIDUAL + j]
        matrix[m] = 0.0
        matrix[m, m] = s.mus[i, DIAGONAL + j]
        for n in range(blocks.shape[0]):
            at, own = QOE_BY_ASP + j, USE_BY_ASP + LEFT
            a, b, c = (
                by_qoe * blocks[n, i, at],
                by_qoe * blocks[n, i, at + WIDTH],
                by_qoe * blocks[n, i, at + 2 * WIDTH],
            )
            d, e = by_qoe * blocks[n, i, at + 3 * WIDTH], by_qoe * blocks[n, i, at + 4 * WIDTH]
            right -= a * blocks[n, 0, own] + b * blocks[n, 0, own + WIDTH] + c * blocks[n, 0, own + 2 * WIDTH]
            right -= d * blocks[n, 0, own + 3 * WIDTH] + e * blocks[n, 0, own + 4 * WIDTH]
            for h in range(blocks.shape[1]):
                _subtract(matrix[m, h * WIDTH :], blocks[n, h], any_width(s.mus[0]), a, b, c, d, e)
        s.right[m] = right


@compiled_inner
def _subtract(row: FloatArray, block: FloatArray, width: int, a: float, b: float, c: float, d: float, e: float) -> None:
    """Take what an MU's equation loses as an ASP gives way out of eight columns of it."""
    for j in range(width):
        row[j] -= (
            a * block[REDUCED + j]
            + b * block[REDUCED + WIDTH + j]
            + (
                c * block[REDUCED + 2 * WIDTH + j]
                + d * block[REDUCED + 3 * WIDTH + j]
                + e * block[REDUCED + 4 * WIDTH + j]
            )
        )


# 5N equations --------------------------------------------------------------------------------------------------------


@compiled_inner
def _solve_asps(s: System) -> bool:
    _reduce_to_asps(s)
    if not _eliminate(s.matrix, s.right):
        return False
    for m in range(s.mu_by_asp.shape[0]):
        i, j = m // WIDTH, m % WIDTH
        step = -s.mus[i, RESIDUAL + j]
        for h in range(len(s.right)):
            step -= s.mu_by_asp[m, h] * s.right[h]
        s.mus[i, STEP + j] = step / s.mus[i, DIAGONAL + j]
    for n in range(s.blocks.shape[0]):
        for p in range(STATE):
            s.step_asp[n, p] = s.right[STATE * n + p]
    return True


@compiled_inner
def _reduce_to_asps(s: System) -> None:
    """Fill the matrix (5N, ⌈5N/8⌉·8) and the right-hand side that are left when the MUs are eliminated."""
    blocks, matrix, right = s.blocks, s.matrix, s.right
    matrix[:] = 0.0
    for n in range(blocks.shape[0]):
        for i in range(STATE):
            h = STATE * n + i
            right[h] = -s.residual_asp[n, i]
            for j in range(STATE):
                matrix[h, STATE * n + j] = blocks[n, 0, USE_BY_ASP + i * WIDTH + j]
            for m in range(s.mu_by_asp.shape[0]):
                block, j = blocks[n, m // WIDTH], i * WIDTH + m % WIDTH
                s.asp_by_mu[m, h] = block[USE_BY_MU + j]
                s.mu_by_asp[m, h] = block[QOE_BY_ASP + j] * s.mus[m // WIDTH, BY_QOE + m % WIDTH]
    for m in range(s.mu_by_asp.shape[0]):
        inverse, residual = 1.0 / s.mus[m // WIDTH, DIAGONAL + m % WIDTH], s.mus[m // WIDTH, RESIDUAL + m % WIDTH]
        for i in range(len(right)):
            if s.asp_by_mu[m, i] != 0.0:
                factor = s.asp_by_mu[m, i] * inverse
                right[i] += factor * residual
                for j in range(len(right)):
                    matrix[i, j] -= factor * s.mu_by_asp[m, j]


# Both ----------------------------------------------------------------------------------------------------------------


@compiled_in_place
def _eliminate(matrix: FloatArray, right: FloatArray) -> bool:
    """Gaussian elimination with partial pivoting, in place; ``right`` becomes the solution.

    Rows of the matrix are as long as whole blocks of eight; what stands beyond the last column is of no account.
    """
    size = len(right)
    for i in range(size):
        first = i // WIDTH * WIDTH
        _bring_up_pivot(matrix, right, i, first)
        if not abs(matrix[i, i]) > 0.0:
            return False
        inverse = 1.0 / matrix[i, i]
        for j in range(i + 1, size):
            factor = matrix[j, i] * inverse
            for h in range(first, matrix.shape[1]):
                matrix[j, h] -= factor * matrix[i, h]
            right[j] -= factor * right[i]
    for i in range(size - 1, -1, -1):
        right[i] /= matrix[i, i]
        for j in range(i):
            right[j] -= matrix[j, i] * right[i]
    return True


@compiled_inner
def _bring_up_pivot(matrix: FloatArray, right: FloatArray, i: int, first: int) -> None:
    """Swap row ``i``, from column ``first`` on, with the row below it that is largest in column ``i``."""
    pivot, size = i, abs(matrix[i, i])
    for j in range(i + 1, len(right)):
        entry = abs(matrix[j, i])
        if entry > size:
            pivot, size = j, entry
    if pivot != i:
        for h in range(first, matrix.shape[1]):
            matrix[i, h], matrix[pivot, h] = matrix[pivot, h], matrix[i, h]
        right[i], right[pivot] = right[pivot], right[i]
