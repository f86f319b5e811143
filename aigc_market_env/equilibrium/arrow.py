"""A Newton step on an arrow-shaped system: MUs touch one another only through ASPs (docs/equilibrium.md).

With A diagonal (MUs), D block-diagonal (ASPs), B and E the couplings,

    A δV + B δp = -R_V,    E δV + D δp = -R_p.

Either the ASPs are eliminated, which leaves M equations, or the MUs, which leaves 5N for N ASPs:

    (A - B D⁻¹ E) δV = -R_V + B D⁻¹ R_p,    or    (D - E A⁻¹ B) δp = -R_p + E A⁻¹ R_V.

It is the fewer that are solved.
"""

from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.asp_state import ASP_RESIDUAL, ASP_STEP, STATE
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
)
from aigc_market_env.equilibrium.system import System
from aigc_market_env.game.demand import WIDTH, short_width
from aigc_market_env.model.parameters import FloatArray


@compiled_in_place
def newton_step(s: System) -> bool:
    """Solve the linearised system into STEP and ASP_STEP; False if it is singular to working accuracy.

    Derivatives of the ASPs' equations in their own states are overwritten.
    """
    if s.couplings.shape[1] > 0:
        return _solve_for_asps(s)
    if not _eliminate_asps(s) or not _solve(s.matrix):
        return False
    _find_steps(s)
    return True


# M equations ---------------------------------------------------------------------------------------------------------


@compiled_inner
def _eliminate_asps(s: System) -> bool:
    """Fill the matrix (M, ⌈M/8⌉·8), and its last row, the right-hand side, with what is left without the ASPs."""
    for n in range(s.blocks.shape[0]):
        own = s.blocks[n, 0]
        for p in range(STATE):
            own[USE_BY_ASP + p * WIDTH + LEFT] = -s.asps[n, ASP_RESIDUAL + p]
        if not _invert(own):
            return False
        for i in range(s.blocks.shape[1]):
            _reduce(s.blocks[n, i], own)
    for m in range(s.matrix.shape[0] - 1):
        _reduce_mu(s, m)
    return True


@compiled_inner
def _invert(own: FloatArray) -> bool:
    """Invert D of an ASP in place, by Gauss-Jordan elimination with partial pivoting; LEFT becomes D⁻¹ times it."""
    swaps = 0
    for p in range(STATE):
        pivot, size = p, abs(own[USE_BY_ASP + p * WIDTH + p])
        for i in range(p + 1, STATE):
            entry = abs(own[USE_BY_ASP + i * WIDTH + p])
            if entry > size:
                pivot, size = i, entry
        if not size > 0.0:
            return False
        swaps = STATE * swaps + pivot
        if pivot > p:
            _swap(own, USE_BY_ASP + p * WIDTH, USE_BY_ASP + pivot * WIDTH, 1, STATE + 1)
        _exchange(own, p)
    for p in range(STATE - 1, -1, -1):
        if swaps % STATE > p:
            _swap(own, USE_BY_ASP + p, USE_BY_ASP + swaps % STATE, WIDTH, STATE)
        swaps //= STATE
    return True


@compiled_inner
def _swap(own: FloatArray, one: int, other: int, stride: int, count: int) -> None:
    for j in range(0, count * stride, stride):
        own[one + j], own[other + j] = own[other + j], own[one + j]


@compiled_inner
def _exchange(own: FloatArray, p: int) -> None:
    """Exchange an unknown for an equation: one step of the inversion."""
    row = USE_BY_ASP + p * WIDTH
    inverse = 1.0 / own[row + p]
    own[row + p] = 1.0
    for j in range(STATE + 1):
        own[row + j] *= inverse
    for i in range(STATE):
        if i != p:
            other = USE_BY_ASP + i * WIDTH
            factor = own[other + p]
            own[other + p] = 0.0
            for j in range(STATE + 1):
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
def _reduce_mu(s: System, m: int) -> None:
    """Fill row ``m`` of the matrix, and its right-hand side."""
    row, mus, j = s.matrix[m], s.mus[m // WIDTH], m % WIDTH
    right, by_qoe, width = -mus[RESIDUAL + j], mus[BY_QOE + j], any_width(mus)
    row[:] = 0.0
    row[m] = mus[DIAGONAL + j]
    for n in range(s.blocks.shape[0]):
        block, own = s.blocks[n, m // WIDTH], s.blocks[n, 0]
        at, left = QOE_BY_ASP + j, USE_BY_ASP + LEFT
        a, b, c = by_qoe * block[at], by_qoe * block[at + WIDTH], by_qoe * block[at + 2 * WIDTH]
        d, e = by_qoe * block[at + 3 * WIDTH], by_qoe * block[at + 4 * WIDTH]
        right -= (a * own[left] + b * own[left + WIDTH]) + (
            c * own[left + 2 * WIDTH] + (d * own[left + 3 * WIDTH] + e * own[left + 4 * WIDTH])
        )
        for i in range(s.blocks.shape[1]):
            _subtract(row[i * WIDTH :], s.blocks[n, i], width, a, b, c, d, e)
    s.matrix[s.matrix.shape[0] - 1, m] = right


@compiled_inner
def _subtract(row: FloatArray, block: FloatArray, width: int, a: float, b: float, c: float, d: float, e: float) -> None:
    """Take what an MU's equation loses without the ASP out of eight columns of it."""
    for j in range(width):
        row[j] -= (a * block[REDUCED + j] + b * block[REDUCED + WIDTH + j]) + (
            c * block[REDUCED + 2 * WIDTH + j]
            + (d * block[REDUCED + 3 * WIDTH + j] + e * block[REDUCED + 4 * WIDTH + j])
        )


@compiled_inner
def _find_steps(s: System) -> None:
    """Copy the steps of log V, and find those of the ASPs that go with them."""
    for m in range(s.matrix.shape[0] - 1):
        s.mus[m // WIDTH, STEP + m % WIDTH] = s.matrix[s.matrix.shape[0] - 1, m]
    for n in range(s.blocks.shape[0]):
        for p in range(STATE):
            step = s.blocks[n, 0, USE_BY_ASP + p * WIDTH + LEFT]
            for i in range(s.blocks.shape[1]):
                step -= _dot(s.blocks[n, i], REDUCED + p * WIDTH, s.mus[i], STEP)
            s.asps[n, ASP_STEP + p] = step


@compiled_inner
def _dot(a: FloatArray, i: int, b: FloatArray, j: int) -> float:
    """The inner product of a quantity of one block with one of another."""
    return ((a[i] * b[j] + a[i + 4] * b[j + 4]) + (a[i + 2] * b[j + 2] + a[i + 6] * b[j + 6])) + (
        (a[i + 1] * b[j + 1] + a[i + 5] * b[j + 5]) + (a[i + 3] * b[j + 3] + a[i + 7] * b[j + 7])
    )


# 5N equations --------------------------------------------------------------------------------------------------------


@compiled_in_place
def _solve_for_asps(s: System) -> bool:
    _eliminate_mus(s)
    if not _solve(s.matrix):
        return False
    found, mu_by_asp = s.matrix[s.matrix.shape[0] - 1], s.couplings[1]
    for n in range(s.blocks.shape[0]):
        for p in range(STATE):
            s.asps[n, ASP_STEP + p] = found[STATE * n + p]
    for m in range(mu_by_asp.shape[0]):
        mus, j = s.mus[m // WIDTH], m % WIDTH
        step = -mus[RESIDUAL + j]
        for i in range(mu_by_asp.shape[1]):
            step -= mu_by_asp[m, i] * found[i]
        mus[STEP + j] = step / mus[DIAGONAL + j]
    return True


@compiled_inner
def _eliminate_mus(s: System) -> None:
    """Fill the matrix (5N, ⌈5N/8⌉·8), and its last row, the right-hand side, with what is left without the MUs."""
    matrix, asp_by_mu, mu_by_asp = s.matrix, s.couplings[0], s.couplings[1]
    matrix[:] = 0.0
    right = matrix[matrix.shape[0] - 1]
    for n in range(s.blocks.shape[0]):
        for p in range(STATE):
            row = STATE * n + p
            right[row] = -s.asps[n, ASP_RESIDUAL + p]
            for i in range(STATE):
                matrix[row, STATE * n + i] = s.blocks[n, 0, USE_BY_ASP + p * WIDTH + i]
            for m in range(asp_by_mu.shape[0]):
                block, mus, j = s.blocks[n, m // WIDTH], s.mus[m // WIDTH], m % WIDTH
                asp_by_mu[m, row] = block[USE_BY_MU + p * WIDTH + j]
                mu_by_asp[m, row] = block[QOE_BY_ASP + p * WIDTH + j] * mus[BY_QOE + j]
    for m in range(asp_by_mu.shape[0]):
        inverse, residual = 1.0 / s.mus[m // WIDTH, DIAGONAL + m % WIDTH], s.mus[m // WIDTH, RESIDUAL + m % WIDTH]
        for i in range(asp_by_mu.shape[1]):
            factor = asp_by_mu[m, i] * inverse
            if factor != 0.0:
                right[i] += factor * residual
                for j in range(asp_by_mu.shape[1]):
                    matrix[i, j] -= factor * mu_by_asp[m, j]


# Both ----------------------------------------------------------------------------------------------------------------


@compiled_in_place
def _solve(matrix: FloatArray) -> bool:
    """Gaussian elimination with partial pivoting, in place; the last row, the right-hand side, becomes the solution.

    Rows are as long as whole blocks of eight; what stands beyond the last column is of no account.
    """
    size = matrix.shape[0] - 1
    right = matrix[size]
    for i in range(size):
        first = i // WIDTH * WIDTH
        _bring_up_pivot(matrix, i, first)
        if not abs(matrix[i, i]) > 0.0:
            return False
        inverse = 1.0 / matrix[i, i]
        for j in range(i + 1, size):
            factor = matrix[j, i] * inverse
            right[j] -= factor * right[i]
            for h in range(first, matrix.shape[1]):
                matrix[j, h] -= factor * matrix[i, h]
    for i in range(size - 1, -1, -1):
        right[i] /= matrix[i, i]
        for j in range(i):
            right[j] -= matrix[j, i] * right[i]
    return True


@compiled_inner
def _bring_up_pivot(matrix: FloatArray, i: int, first: int) -> None:
    """Swap row ``i``, from column ``first`` on, with the row below it that is largest in column ``i``."""
    pivot, size, right = i, abs(matrix[i, i]), matrix[matrix.shape[0] - 1]
    for j in range(i + 1, matrix.shape[0] - 1):
        entry = abs(matrix[j, i])
        if entry > size:
            pivot, size = j, entry
    if pivot != i:
        for h in range(first, matrix.shape[1]):
            matrix[i, h], matrix[pivot, h] = matrix[pivot, h], matrix[i, h]
        right[i], right[pivot] = right[pivot], right[i]
