"""Random markets of any size and load, much wider than a plausible deployment, to try solvers on."""

import numpy as np

from aigc_market_env import Market, follower_response

#: Widest sizes and loads of :func:`market_of_any_size`.
MAX_MUS, MAX_ASPS = 20, 8
MIN_LOAD, MAX_LOAD = 0.05, 8.0


def random_market(rng: np.random.Generator, num_mus: int, num_asps: int, load: float) -> Market:
    """One random market.

    Args:
        rng: the source of all randomness.
        num_mus: M.
        num_asps: N.
        load: compute and bandwidth that would be used without capacity limits, every MU posting half of what QoE is
            worth to it, over capacity; every capacity is off by an independent log-normal factor of 0.4,
            and no ASP has less than a tenth of the average before that.

    Returns:
        The market. Costs are such that the cheapest link is worth serving and the dearest is often priced out.
    """
    m, n = num_mus, num_asps
    log_uniform = lambda low, high, *shape: np.exp(rng.uniform(np.log(low), np.log(high), shape))  # noqa: E731
    market = Market(
        slot_duration=log_uniform(1.0, 30.0)[()],
        satisfaction_scale=log_uniform(1.0, 20.0, m),
        qoe_requirement=log_uniform(0.1, 2.0, m),
        qoe_weights=rng.dirichlet(np.ones(3), m),
        desired_tokens=log_uniform(50.0, 1000.0, m),
        patience=log_uniform(1.0, 20.0, m),
        bits_per_token=log_uniform(1e3, 1e6, m),
        compute_capacity=np.full(n, 1e12),
        bandwidth_capacity=np.full(n, 1e12),
        compute_cost=log_uniform(0.01, 1.0, n),
        bandwidth_cost=log_uniform(0.01, 1.0, n),
        flops_per_token=log_uniform(2e-3, 0.2, n),
        reasoning_tokens=log_uniform(20.0, 500.0, n),
        accuracy=rng.uniform(0.3, 1.0, (m, n)),
        spectral_efficiency=log_uniform(0.3, 8.0, m, n),
        base_latency=rng.uniform(0.0, 1.0, (m, n)),
    )
    compute, bandwidth = _use_without_limits(market)
    spread = rng.lognormal(0.0, 0.4, (2, n))
    return market.replace(
        compute_capacity=np.maximum(compute, 0.1 * compute.mean()) * spread[0] / load,
        bandwidth_capacity=np.maximum(bandwidth, 0.1 * bandwidth.mean()) * spread[1] / load,
    )


def _use_without_limits(market: Market) -> tuple[np.ndarray, np.ndarray]:
    """Compute and bandwidth used at every ASP, each MU posting about half of its marginal worth of QoE; shape (N,)."""
    worth = market.reward_bound
    for _ in range(10):
        rewards = np.broadcast_to(0.5 * worth[:, None], (market.num_mus, market.num_asps))
        free = follower_response(market, rewards)
        bought = market.outcome(rewards, free.compute, free.bandwidth).qoe.sum(axis=-1)
        worth = np.sqrt(worth * market.satisfaction_scale / (market.qoe_requirement + bought))
    return free.compute.sum(axis=0), free.bandwidth.sum(axis=0)


def market_of_any_size(rng: np.random.Generator) -> Market:
    """A random market of 1-20 MUs and 1-8 ASPs, with a load between 0.05 and 8, evenly in log."""
    num_mus, num_asps = int(rng.integers(1, MAX_MUS + 1)), int(rng.integers(1, MAX_ASPS + 1))
    load = float(np.exp(rng.uniform(np.log(MIN_LOAD), np.log(MAX_LOAD))))
    return random_market(rng, num_mus, num_asps, load)
