"""Equilibria of the market: the reference oracle, its certificate, and the mechanism that learns rewards."""

from aigc_market_env.equilibrium.absence import Absence, no_pure_equilibrium
from aigc_market_env.equilibrium.analytic import solve_equilibrium
from aigc_market_env.equilibrium.certificate import (
    Certificate,
    RelativeRegret,
    certify_rewards,
    nash_conv,
    relative_regret,
)
from aigc_market_env.equilibrium.dual_perturbation import DualPerturbation, Learned, Overhead
from aigc_market_env.equilibrium.solution import Equilibrium

__all__ = [
    "Absence",
    "Certificate",
    "DualPerturbation",
    "Equilibrium",
    "Learned",
    "Overhead",
    "RelativeRegret",
    "certify_rewards",
    "nash_conv",
    "no_pure_equilibrium",
    "relative_regret",
    "solve_equilibrium",
]
