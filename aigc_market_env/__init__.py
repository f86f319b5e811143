"""An edge market for generated content: environment, exact best responses, and regret."""

from aigc_market_env.equilibrium import DualPerturbation, Equilibrium, nash_conv, solve_equilibrium
from aigc_market_env.followers import FollowerResponse, follower_regret, follower_response
from aigc_market_env.leaders import leader_best_response, leader_regret, reward_gradient
from aigc_market_env.market import Market
from aigc_market_env.outcome import Outcome

__version__ = "0.1.0"

__all__ = [
    "DualPerturbation",
    "Equilibrium",
    "FollowerResponse",
    "Market",
    "Outcome",
    "follower_regret",
    "follower_response",
    "leader_best_response",
    "leader_regret",
    "nash_conv",
    "reward_gradient",
    "solve_equilibrium",
]
