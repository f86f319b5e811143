import numpy as np
import pytest
from markets import preset_market

from baselines.common_reward import SHARE, CommonReward, best_common_share
from baselines.fixed_reward import tuning_markets


def test_the_share_is_the_one_that_tuning_gives():
    assert best_common_share(tuning_markets()) == SHARE


def test_everybody_posts_the_same():
    market = preset_market(0, 3, 2, 1.0)
    rewards = CommonReward(share=0.25).run(market, np.random.default_rng(0)).outcome.rewards
    assert np.ptp(rewards) == 0.0
    assert rewards[0, 0] == pytest.approx(0.25 * np.prod(market.reward_bound) ** (1 / 3))
