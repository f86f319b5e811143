"""An edge market for generated content: environment, exact best responses, and regret."""

from aigc_market_env import market_v0, wrappers
from aigc_market_env.batch import BatchedMarketEnv
from aigc_market_env.equilibrium import (
    Absence,
    Certificate,
    DualPerturbation,
    Equilibrium,
    RelativeRegret,
    nash_conv,
    no_pure_equilibrium,
    relative_regret,
    solve_equilibrium,
)
from aigc_market_env.game.followers import FollowerResponse, follower_regret, follower_response
from aigc_market_env.game.leaders import leader_best_response, leader_regret, leader_regret_bound, reward_gradient
from aigc_market_env.market import Market
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.registration import register_environments
from aigc_market_env.scenarios import Dynamics, Scenario, Trace
from aigc_market_env.wallets import Wallet, WalletRange
from aigc_market_env.wallets.episode_path import episode_path
from aigc_market_env.wallets.equilibrium import WalletEquilibrium, solve_wallet_equilibrium
from aigc_market_env.wallets.play import Episode, SlotView, play_episode
from aigc_market_env.wallets.regret import EpisodeRegret, episode_regret

__version__ = "0.1.0"

__all__ = [
    "Absence",
    "BatchedMarketEnv",
    "Certificate",
    "DualPerturbation",
    "Dynamics",
    "Episode",
    "EpisodeRegret",
    "Equilibrium",
    "FollowerResponse",
    "Market",
    "Outcome",
    "RelativeRegret",
    "Scenario",
    "SlotView",
    "Trace",
    "Wallet",
    "WalletEquilibrium",
    "WalletRange",
    "episode_path",
    "episode_regret",
    "follower_regret",
    "follower_response",
    "leader_best_response",
    "leader_regret",
    "leader_regret_bound",
    "market_v0",
    "nash_conv",
    "no_pure_equilibrium",
    "play_episode",
    "relative_regret",
    "reward_gradient",
    "solve_equilibrium",
    "solve_wallet_equilibrium",
    "wrappers",
]

register_environments()
