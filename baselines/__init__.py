"""Mechanisms to compare with: each prices and allocates in one market (``Mechanism.run``)."""

from baselines.mechanism import GOAL, Mechanism, MechanismResult  # isort: split

# What a mechanism needs of this package comes before the mechanisms, so that they may take it from here.
from aigc_market_env._name_clash import check_packages
from aigc_market_env.model.qoe import QOE_DIMENSIONS
from baselines.bayesian_optimisation import BayesianOptimisation
from baselines.common_reward import CommonReward
from baselines.coordinate_perturbation import OneAtATime
from baselines.dual_perturbation import LearnedRewards
from baselines.fixed_reward import FixedReward
from baselines.oracle import Oracle
from baselines.posted_prices import PostedPrices
from baselines.proportional_share import ProportionalShare
from baselines.random_search import RandomSearch
from baselines.single_dimension import SingleDimension
from baselines.throughput_greedy import ThroughputGreedy
from baselines.truthful_pricing import TruthfulPricing
from baselines.uniform_reward import UniformReward

_ALL: tuple[Mechanism, ...] = (
    Oracle(),
    LearnedRewards(),
    LearnedRewards("coordinate_perturbation", "coordinate perturbation", OneAtATime()),
    RandomSearch(),
    BayesianOptimisation(),
    UniformReward(),
    *(SingleDimension(dimension) for dimension in QOE_DIMENSIONS),
    FixedReward(),
    CommonReward(),
    PostedPrices(),
    ProportionalShare(),
    ThroughputGreedy(),
    TruthfulPricing(),
)

#: Every mechanism by its name, in the order of tables.
MECHANISMS: dict[str, Mechanism] = {mechanism.name: mechanism for mechanism in _ALL}

__all__ = ["GOAL", "MECHANISMS", "Mechanism", "MechanismResult"]

check_packages("experiments", beside=__file__)
