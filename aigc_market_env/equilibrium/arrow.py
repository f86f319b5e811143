"""A Newton step on an arrow-shaped system: MUs touch one another only through ASPs (docs/equilibrium.md).

With A diagonal (MUs), D block-diagonal (ASPs), B and E the couplings,

    A δV + B δp = -R_V,    E δV + D δp = -R_p    give    (D - E A⁻¹ B) δp = -R_p + E A⁻¹ R_V,

5N equations for N ASPs, however many MUs there are.
"""

from aigc_market_env._numerics.compile import compiled_in_place, compiled_inner
from aigc_market_env.equilibrium.system import STATE, System
from aigc_market_env.model.parameters import FloatArray


@compiled_in_place
def newton_step(s: System) -> bool:
    """Solve the linearised system into ``s.step_mu``, ``s.step_asp``; False if it is singular to working accuracy."""
    size = STATE * len(s.x)
    step = s.step_asp.reshape(size)
    _reduce_to_asps(s, step)
    if not _eliminate(s.matrix, step):
        return False
    for m in range(len(s.step_mu)):
        right = s.mu_by_asp[m].reshape(size)
        total = -s.residual_mu[m]
        for j in range(size):
            total -= right[j] * step[j]
        s.step_mu[m] = total / s.diagonal[m]
    return True


@compiled_in_place
def _reduce_to_asps(s: System, step: FloatArray) -> None:
    """Eliminate the MUs: fill ``s.matrix`` (5N, 5N) and the right-hand side ``step`` (5N,)."""
    num_asps, num_mus = s.x.shape
    matrix, size = s.matrix, len(step)
    matrix[:] = 0.0
    for n in range(num_asps):
        for i in range(STATE):
            for j in range(STATE):
                matrix[STATE * n + i, STATE * n + j] = s.blocks[n, i, j]
            step[STATE * n + i] = -s.residual_asp[n, i]
    for m in range(num_mus):
        left, right, inverse = s.asp_by_mu[m].reshape(size), s.mu_by_asp[m].reshape(size), 1.0 / s.diagonal[m]
        for i in range(size):
            if left[i] != 0.0:
                factor = left[i] * inverse
                step[i] += factor * s.residual_mu[m]
                for j in range(size):
                    matrix[i, j] -= factor * right[j]


@compiled_inner
def _eliminate(matrix: FloatArray, right: FloatArray) -> bool:
    """Gaussian elimination with partial pivoting, in place; ``right`` becomes the solution."""
    size = len(right)
    for i in range(size):
        _bring_up_pivot(matrix, right, i)
        if not abs(matrix[i, i]) > 0.0:
            return False
        inverse = 1.0 / matrix[i, i]
        for j in range(i + 1, size):
            factor = matrix[j, i] * inverse
            if factor != 0.0:
                for h in range(i + 1, size):
                    matrix[j, h] -= factor * matrix[i, h]
                right[j] -= factor * right[i]
    for i in range(size - 1, -1, -1):
        total = right[i]
        for j in range(i + 1, size):
            total -= matrix[i, j] * right[j]
        right[i] = total / matrix[i, i]
    return True


@compiled_inner
def _bring_up_pivot(matrix: FloatArray, right: FloatArray, i: int) -> None:
    """Swap row ``i`` with the row below it that is largest in column ``i``."""
    pivot = i
    for j in range(i + 1, len(right)):
        if abs(matrix[j, i]) > abs(matrix[pivot, i]):
            pivot = j
    if pivot != i:
        for j in range(i, len(right)):
            matrix[i, j], matrix[pivot, j] = matrix[pivot, j], matrix[i, j]
        right[i], right[pivot] = right[pivot], right[i]
