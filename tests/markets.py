"""Markets for tests: random ones of any size and load, and one small enough to reason about by hand."""

import numpy as np
from hypothesis import strategies as st

from aigc_market_env import Market, Scenario
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA

#: Loads from capacity that nobody needs to next to none.
LOADS = (1e-4, 1e-2, 0.3, 1.0, 3.0, 1e2, 1e4)


def log_uniform(rng, low, high, size):
    return np.exp(rng.uniform(np.log(low), np.log(high), size))


def random_market(rng, num_mus, num_asps, load, batch=()):
    """A market, or a batch of shape ``batch``, with every field drawn widely.

    ``load`` is what users would like, tokens at their natural cost in resources, over what the ASPs have; a number or
    an array that broadcasts to ``batch``.
    """
    mus, asps, links = (*batch, num_mus), (*batch, num_asps), (*batch, num_mus, num_asps)
    slot = log_uniform(rng, 0.1, 100, batch)
    desired = log_uniform(rng, 10, 5000, mus)
    scale = log_uniform(rng, 0.1, 100, mus)
    patience = log_uniform(rng, 0.2, 30, mus)
    bits = log_uniform(rng, 10, 1e5, mus)
    kappa = log_uniform(rng, 1e-3, 1, asps)
    efficiency = log_uniform(rng, 0.05, 10, links)
    weights = rng.dirichlet([0.7, 0.7, 0.7], mus)
    sigma = bits[..., None] / (efficiency * 1e6)
    rate = desired / slot[..., None]
    need_f = kappa * rate.sum(-1, keepdims=True)
    need_b = (sigma * rate[..., None]).sum(-2)
    worth = scale.sum(-1, keepdims=True)
    load = np.asarray(load, dtype=float)[..., None]
    return Market(
        slot_duration=slot,
        satisfaction_scale=scale,
        qoe_requirement=log_uniform(rng, 0.05, 2, mus),
        qoe_weights=weights / weights.sum(-1, keepdims=True),
        desired_tokens=desired,
        patience=patience,
        bits_per_token=bits,
        compute_capacity=need_f / load * log_uniform(rng, 0.3, 3, asps),
        bandwidth_capacity=need_b / load * log_uniform(rng, 0.3, 3, asps),
        compute_cost=worth / need_f * log_uniform(rng, 1e-3, 1, asps),
        bandwidth_cost=worth / need_b * log_uniform(rng, 1e-3, 1, asps),
        flops_per_token=kappa,
        reasoning_tokens=log_uniform(rng, 1, 2000, asps),
        accuracy=rng.uniform(0.05, 1, links),
        spectral_efficiency=efficiency,
        base_latency=np.where(rng.random(links) < 0.1, 0, log_uniform(rng, 1e-3, 10, links)),
    )


def preset_market(seed, num_mus, num_asps, load):
    """A market of the preset ``random``: wide, but not as wild as :func:`random_market`."""
    return Scenario.preset("random", load=load, num_mus=num_mus, num_asps=num_asps).sample(seed)


def random_links(rng, num_mus, spread):
    """A link table whose entries are e^±spread apart, with κ = 1."""
    link = np.exp(spread * rng.normal(size=(LINK_ROWS, num_mus)))
    link[ENTRY] = (link[:3] / link[3:6]).sum(axis=0)
    link[CROSS] = np.sqrt(link[SIGMA])
    return link


def random_rewards(rng, market, batch=()):
    """Rewards from a thousandth of the bound up to it, one pair in ten at zero."""
    shape = (*np.broadcast_shapes(batch, market.batch_shape), market.num_mus, market.num_asps)
    share = np.where(rng.random(shape) < 0.1, 0, log_uniform(rng, 1e-3, 1, shape))
    return share * market.reward_bound[..., None]


def random_satiation(rng, market):
    """Satiation of every MU: none, next to none, as in presets, or so much that the requirement is all."""
    shape = market.satisfaction_scale.shape
    return np.choose(rng.integers(0, 4, shape), [np.zeros(shape), 1e-9, rng.uniform(0, 6, shape), 50.0])


@st.composite
def games(draw, max_mus=8, max_asps=4, loads=LOADS, batch=(), satiation=True):
    """A random market of drawn seed, size and load, and rewards posted in it; some with satiation, if wanted."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(1, max_mus)), draw(st.integers(1, max_asps))
    market = random_market(rng, *size, draw(st.sampled_from(loads)), batch)
    rewards = random_rewards(rng, market)
    if satiation and draw(st.booleans()):
        market = market.replace(satiation=random_satiation(rng, market))
    return market, rewards


def permuted(market, mus, asps):
    """The same market with its MUs and ASPs in another order."""
    axes = {"M": mus, "N": asps, "3": np.arange(3)}
    changes = {}
    for name, dims in DIMS.items():
        value = getattr(market, name)
        changes[name] = value[(..., *np.ix_(*(axes[dim] for dim in dims)))] if dims else value
    return Market(**changes)


#: Axes of every field, restated from the model.
DIMS = {
    "slot_duration": "",
    "satisfaction_scale": "M",
    "qoe_requirement": "M",
    "satiation": "M",
    "qoe_weights": "M3",
    "desired_tokens": "M",
    "patience": "M",
    "bits_per_token": "M",
    "compute_capacity": "N",
    "bandwidth_capacity": "N",
    "compute_cost": "N",
    "bandwidth_cost": "N",
    "flops_per_token": "N",
    "reasoning_tokens": "N",
    "accuracy": "MN",
    "spectral_efficiency": "MN",
    "base_latency": "MN",
}


def profits(market, rewards, response):
    return market.outcome(rewards, response.compute, response.bandwidth).asp_profit


def profit_scale(market, rewards, response):
    """Payments to each ASP, or what it could be paid where it serves nobody."""
    paid = market.outcome(rewards, response.compute, response.bandwidth).payment.sum(-2)
    return np.where(paid > 0, paid, rewards.sum(-2))


def fields(market):
    return {name: getattr(market, name).copy() for name in DIMS}
