"""Entry thresholds: ASPs serve just above them, and nobody below."""

import numpy as np
from markets import preset_market

from aigc_market_env import follower_response
from aigc_market_env.model.thresholds import entry_thresholds


def test_an_asp_serves_an_mu_just_above_its_threshold_alone():
    market = preset_market(0, 4, 3, 1.0)
    threshold = entry_thresholds(market, market.compute_cost, market.bandwidth_cost)
    assert threshold.shape == (market.num_mus, market.num_asps)
    for m in range(market.num_mus):
        only = np.arange(market.num_mus)[:, None] == m
        for factor, served in ((1.0 - 1e-9, False), (1.0 + 1e-6, True)):
            throughput = follower_response(market, np.where(only, factor * threshold, 0.0)).throughput
            assert (throughput[m] > 0.0).all() == served
            assert (throughput[m] > 0.0).any() == served
