import numpy as np

from aigc_market_env import Scenario
from aigc_market_env.model.links import SIGMA, link_tables


def test_link_tables_hold_what_the_model_says():
    market = Scenario.preset("random", num_mus=3, num_asps=2).sample(0, batch=(2,))
    tables = link_tables(market)
    assert tables.shape == (2, 3, 2, 9)
    np.testing.assert_allclose(tables[..., 0], market.qoe_weights[..., :, None, 0] * market.accuracy)
    np.testing.assert_allclose(
        tables[..., 3], (market.reasoning_tokens / market.slot_duration[:, None])[:, None] * np.ones((3, 1))
    )
    np.testing.assert_allclose(tables[..., SIGMA], market.bandwidth_per_rate)
