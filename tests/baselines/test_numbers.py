"""Numbers of the mechanisms: those out of range are refused by name."""

import numpy as np
import pytest

from baselines.bayesian_optimisation import BayesianOptimisation
from baselines.common_reward import CommonReward
from baselines.fixed_reward import FixedReward
from baselines.random_search import RandomSearch


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (FixedReward, "share"),
        (CommonReward, "share"),
        (RandomSearch, "rounds"),
        (RandomSearch, "start"),
        (RandomSearch, "size"),
        (RandomSearch, "growth"),
        (BayesianOptimisation, "rounds"),
        (BayesianOptimisation, "random_rounds"),
        (BayesianOptimisation, "lowest"),
        (BayesianOptimisation, "noise"),
    ],
)
@pytest.mark.parametrize("value", [-1, np.nan, np.inf, "a", None, True, [1.0]])
def test_a_number_out_of_range_is_refused_by_name(kind, name, value):
    with pytest.raises(ValueError, match=rf"{name} = .* must be"):
        kind(**{name: value})


def test_a_search_that_could_try_one_reward_alone_is_refused():
    with pytest.raises(ValueError, match=r"lowest = 1\.0 must be below 1"):
        BayesianOptimisation(lowest=1.0)
