import numpy as np
import pytest
from markets import preset_market

from baselines.fixed_reward import SHARE, FixedReward, best_share, tuning_markets


def test_the_share_is_the_one_that_tuning_gives():
    assert best_share(tuning_markets()) == SHARE


def test_rewards_are_the_share_of_the_bound():
    market = preset_market(0, 3, 2, 1.0)
    rewards = FixedReward(share=0.25).run(market, np.random.default_rng(0)).outcome.rewards
    assert rewards / market.reward_bound[:, None] == pytest.approx(0.25)
