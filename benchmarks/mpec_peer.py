"""A peer of the equilibrium oracle: one MPEC a leader, solved by IPOPT, Gauss-Seidel over the leaders.

The market is read for its parameters only; every formula is written anew here, so that an error in the package would
show as a disagreement. Needs CasADi (the extra ``bench``).

**A leader's problem.** MU m chooses its rewards r[m, n] and, with them, the state of every ASP n as that ASP's
conditions of optimality determine it, the other MUs' rewards being fixed:

    maximise    ω log(1 + Σ_n Q[m, n]/q) - Σ_n r[m, n] Q[m, n]         (of markets without satiation)
    such that   0 <= x[i, n]  ⟂  C[i, n] - r[i, n] Q'(x[i, n]) >= 0      every MU i, every ASP n    (entry)
                0 <= λ[n]     ⟂  F[n] - Σ_i f[i, n] >= 0                 every ASP n                (compute)
                0 <= μ[n]     ⟂  B[n] - Σ_i b[i, n] >= 0                 every ASP n                (bandwidth)

with u = c_f + λ, w = c_b + μ, C = uκ + wσ + 2√(uκwσ), f = x ∂C/∂u and b = x ∂C/∂w (Shephard's lemma). QoE is the sum
of its three scores as the model states them.

**Relaxation** (Scholtes): every product of two complementary sides is at most ε, rather than zero. All sides are free
of units: throughput in units of L̂/Δ, shadow prices of the cost of the resource, slacks of C and of the capacity.
For each ε, from coarse to fine, leaders move in turn until rewards settle; each starts from its own last point,
multipliers included.

The answer is stationary for every leader where rewards settle. On kinks they may go in circles: then the last ones
stand, and their regret, which the caller measures, says how far they are from an equilibrium.
"""

from functools import lru_cache

import casadi as ca
import numpy as np

from aigc_market_env import Market

RELAXATIONS = (1e-2, 1e-4, 1e-6, 1e-8)
#: Change of a reward, relative to its bound, at which the sweeps of a relaxation end, and their greatest number.
SETTLED = 1e-6
MAX_SWEEPS = 20
#: Rewards that leaders start from, relative to their bound.
START = 0.3

#: Parameters of a market in the order in which the program takes them: per MU, per ASP, per pair.
PER_MU = ("satisfaction_scale", "qoe_requirement", "desired_tokens", "patience", "bits_per_token")
PER_ASP = (
    "compute_capacity",
    "bandwidth_capacity",
    "compute_cost",
    "bandwidth_cost",
    "flops_per_token",
    "reasoning_tokens",
)
PER_PAIR = ("accuracy", "spectral_efficiency", "base_latency")

IPOPT = {
    "print_time": False,
    "error_on_fail": False,
    "ipopt": {
        "print_level": 0,
        "sb": "yes",
        "max_iter": 200,
        "tol": 1e-9,
        "mu_init": 1e-4,
        "warm_start_init_point": "yes",
        "warm_start_bound_push": 1e-8,
        "warm_start_bound_frac": 1e-8,
        "warm_start_mult_bound_push": 1e-8,
        "warm_start_slack_bound_push": 1e-8,
        "warm_start_slack_bound_frac": 1e-8,
    },
}


def solve(market: Market) -> np.ndarray:
    """Rewards at which no leader's MPEC asks for a change, or those after the last sweep allowed.

    Args:
        market: one market, not a batch.

    Returns:
        r, credits per QoE. (M, N)
        The reward of a pair that is priced out is any below its entry threshold.
    """
    if market.satiation.any():
        raise ValueError("the leaders' MPECs are written out for markets without satiation")
    m, n = market.num_mus, market.num_asps
    program = _program(m, n)
    bound = market.satisfaction_scale / market.qoe_requirement
    shares = np.full((m, n), START)
    points = [_first_point(program, m, n) for _ in range(m)]
    for relaxation in RELAXATIONS:
        for _ in range(MAX_SWEEPS):
            before = shares.copy()
            for leader in range(m):
                order = np.r_[leader, np.delete(np.arange(m), leader)]
                data = _data(market, order, (shares * bound[:, None])[order[1:]], relaxation)
                points[leader] = _move(program, points[leader], data, n)
                shares[leader] = points[leader]["x0"][:n].clip(0.0, 1.0)
            if np.abs(shares - before).max() <= SETTLED:
                break
    return shares * bound[:, None]


def prepare(num_mus: int, num_asps: int) -> None:
    """Build the program of a market of this size ahead of time; :func:`solve` builds it once otherwise."""
    _program(num_mus, num_asps)


@lru_cache(maxsize=1)
def _program(m: int, n: int) -> ca.Function:
    """The relaxed MPEC of the first MU of a market of M by N, the market itself being a parameter."""
    per_mu, per_asp = ca.SX.sym("mu", m, len(PER_MU)), ca.SX.sym("asp", n, len(PER_ASP))
    pairs = [ca.SX.sym(name, m, n) for name in PER_PAIR]
    slot, weights = ca.SX.sym("slot"), ca.SX.sym("weights", m, 3)
    others, relaxation = ca.SX.sym("others", m - 1, n), ca.SX.sym("relaxation")
    share, rate, prices = ca.SX.sym("share", n), ca.SX.sym("rate", m, n), ca.SX.sym("prices", 2, n)

    scale, requirement, tokens, patience, bits = ca.horzsplit(per_mu)
    accuracy, efficiency, latency = pairs
    total, paid, slacks, products = 0, 0, [], []
    for j in range(n):
        compute_capacity, bandwidth_capacity, cost_f, cost_b, kappa, reasoning = ca.horzsplit(per_asp[j, :])
        rewards = ca.vertcat(share[j] * scale[0] / requirement[0], others[:, j])
        x = rate[:, j] * tokens / slot
        qoe, slope = _qoe(x, slot, weights, tokens, patience, accuracy[:, j], latency[:, j], reasoning)
        sigma = bits / (efficiency[:, j] * 1e6)
        u, w = cost_f * (1 + prices[0, j]), cost_b * (1 + prices[1, j])
        root = ca.sqrt(kappa * sigma)
        cost = u * kappa + w * sigma + 2 * root * ca.sqrt(u * w)
        used_f = ca.sum1(x * (kappa + root * ca.sqrt(w / u))) / compute_capacity
        used_b = ca.sum1(x * (sigma + root * ca.sqrt(u / w))) / bandwidth_capacity
        slack = ca.vertcat(1 - rewards * slope / cost, 1 - used_f, 1 - used_b)
        slacks.append(slack)
        products.append(slack * ca.vertcat(rate[:, j], prices[:, j]) - relaxation)
        total, paid = total + qoe[0], paid + rewards[0] * qoe[0]
    # Utility in units of ω, as every other quantity of the program has none.
    utility = ca.log(1 + total / requirement[0]) - paid / scale[0]
    parameters = [slot, weights, per_mu, per_asp, *pairs, others, relaxation]
    problem = {
        "x": ca.vertcat(share, ca.vec(rate), ca.vec(prices)),
        "p": ca.vertcat(*(ca.vec(p) for p in parameters)),
        "f": -utility,
        "g": ca.vertcat(*slacks, *products),
    }
    return ca.nlpsol("leader", "ipopt", problem, IPOPT)


def _qoe(
    x: ca.SX,
    slot: ca.SX,
    weights: ca.SX,
    tokens: ca.SX,
    patience: ca.SX,
    accuracy: ca.SX,
    latency: ca.SX,
    reasoning: ca.SX,
) -> tuple[ca.SX, ca.SX]:
    """QoE of an ASP's pairs and its derivative with respect to throughput, from the scores; (M,) each."""
    served = x * slot
    # τ/(τ + t0 + L̂/x), multiplied through by x so that it is defined at x = 0.
    timely = patience * x / ((patience + latency) * x + tokens)
    qoe = (
        weights[:, 0] * accuracy * served / (served + reasoning)
        + weights[:, 1] * served / (served + tokens)
        + weights[:, 2] * timely
    )
    slope = (
        weights[:, 0] * accuracy * slot * reasoning / (served + reasoning) ** 2
        + weights[:, 1] * slot * tokens / (served + tokens) ** 2
        + weights[:, 2] * patience * tokens / ((patience + latency) * x + tokens) ** 2
    )
    return qoe, slope


def _data(market: Market, order: np.ndarray, others: np.ndarray, relaxation: float) -> np.ndarray:
    """The program's parameters, the MUs taken in ``order``, column by column as CasADi reads matrices."""
    arrays = [
        market.qoe_weights[order],
        np.stack([getattr(market, name)[order] for name in PER_MU], axis=-1),
        np.stack([getattr(market, name) for name in PER_ASP], axis=-1),
        *(getattr(market, name)[order] for name in PER_PAIR),
        others,
    ]
    return np.concatenate([[market.slot_duration], *(array.ravel(order="F") for array in arrays), [relaxation]])


def _first_point(program: ca.Function, m: int, n: int) -> dict[str, np.ndarray]:
    """Where a leader starts from: every pair served a little, every resource a little short."""
    point = np.full(n + m * n + 2 * n, 0.1)
    point[:n] = START
    return {"x0": point, "lam_x0": np.zeros(len(point)), "lam_g0": np.zeros(program.size1_out("g"))}


def _move(program: ca.Function, point: dict[str, np.ndarray], data: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """A leader's next point: where IPOPT ends from the last one, also when it gives up, which later sweeps repair."""
    pairs = program.size1_out("g") // 2
    upper = np.full(len(point["x0"]), np.inf)
    upper[:n] = 1.0
    low, high = np.r_[np.zeros(pairs), np.full(pairs, -np.inf)], np.r_[np.full(pairs, np.inf), np.zeros(pairs)]
    found = program(**point, p=data, lbx=0.0, ubx=upper, lbg=low, ubg=high)
    return {"x0": _array(found["x"]), "lam_x0": _array(found["lam_x"]), "lam_g0": _array(found["lam_g"])}


def _array(value: ca.DM) -> np.ndarray:
    return np.asarray(value).ravel()
