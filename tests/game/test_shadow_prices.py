"""How many steps the search for shadow prices takes, and that it ends at them."""

import numpy as np
import pytest

from aigc_market_env import BatchedMarketEnv
from aigc_market_env._engine import lanes as at
from aigc_market_env.game.demand import COMPUTE, COMPUTE_CAPACITY, LAM, MU, fill_blocks, new_providers
from aigc_market_env.game.shadow_prices import DUAL, STEPS, Asp, find_shadow_prices, put_asp
from aigc_market_env.model.links import CROSS, ENTRY, LINK_ROWS, SIGMA


def one_wanted_mu(reward: float) -> tuple[np.ndarray, np.ndarray]:
    """The link table and the reward of one MU whose QoE is a single term, x / (x + 1)."""
    link = np.ones((LINK_ROWS, 1))
    link[1:3] = 0.0
    link[ENTRY], link[SIGMA], link[CROSS] = 1.0, 1e-6, 1e-3
    return link, np.array([reward])


@pytest.mark.parametrize("capacity", [1e-3, 1e-2, 1e-1])
@pytest.mark.parametrize("reward", [1.5, 3.0, 30.0])
def test_prices_that_keep_everybody_out_are_left_again(capacity, reward):
    providers = new_providers(1, 1)
    column, blocks = providers.asps[0], providers.blocks[0]
    put_asp(Asp(1.0, 1e-2, 1e-2, capacity, 1.0), np.zeros(2), column)
    link, rewards = one_wanted_mu(reward)
    fill_blocks(link, rewards, np.zeros(1), blocks)
    find_shadow_prices(providers, 1e-12)
    assert column[STEPS] < 30
    assert column[COMPUTE] == pytest.approx(column[COMPUTE_CAPACITY], rel=1e-12)


@pytest.mark.parametrize("scenario", ["random", "campus", "duo"])
def test_asps_of_random_markets_take_few_steps(scenario):
    env = BatchedMarketEnv(scenario, 256, asps="best_response", seed=0)
    env.reset()
    rng = np.random.default_rng(0)
    for _ in range(4):
        env.step({"mu": rng.random((256, env.num_mus, env.num_asps), dtype=np.float32)})
        assert env._engine.lanes.asps[:, at.NEWTON_STEPS].max() <= 20


def test_the_dual_is_that_of_the_prices_found():
    providers = new_providers(1, 1)
    column = providers.asps[0]
    put_asp(Asp(1.0, 1e-2, 1e-2, 0.1, 1.0), np.zeros(2), column)
    link, rewards = one_wanted_mu(3.0)
    fill_blocks(link, rewards, np.zeros(1), providers.blocks[0])
    find_shadow_prices(providers, 1e-12)
    u, w = 1e-2 + column[LAM], 1e-2 + column[MU]
    cost = (np.sqrt(u) + np.sqrt(w * 1e-6)) ** 2
    x = np.sqrt(3.0 / cost) - 1.0  # where the slope of QoE, 1/(1 + x)², times the reward is the cost
    dual = 3.0 * x / (1.0 + x) - cost * x + 0.1 * column[LAM] + column[MU]
    assert column[DUAL] == pytest.approx(dual, rel=1e-14)
