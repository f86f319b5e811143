"""Black-box pricing by Bayesian optimisation: every MU models its utility as a Gaussian process of its log rewards.

    U_m ~ GP(log r_m), Matérn 5/2 with noise
    next r_m maximises the expected improvement

A round is one probe of the whole market: all MUs post what their model proposes, each sees nothing but its own utility.
What an MU would settle on is the row with the best mean under its model, among those it has tried. That rivals move at
the same time is noise to the model. The process's length scale is half the range of log r, and fixed: to fit it after
every probe took ten to fifty times as long. Source: Jones, Schonlau and Welch 1998 for the expected improvement;
scikit-optimize for all that is Bayesian here. Its use by every MU for itself, round by round, is this project's choice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from aigc_market_env import Market
from aigc_market_env.equilibrium.dual_perturbation import Probe, probe_of
from aigc_market_env.model.options import positive_fraction, positive_integer, positive_number, whole_number
from aigc_market_env.model.parameters import FloatArray
from baselines.learning import play_until_goal
from baselines.mechanism import MechanismResult
from baselines.random_search import own_utility


@dataclass(frozen=True)
class BayesianOptimisation:
    """A Gaussian process for every MU; needs the extra ``baselines``.

    Attributes:
        rounds: the cap.
        random_rounds: at first, rewards are drawn evenly in log.
        lowest: share of the reward bound below which no reward is tried.
        noise: variance of the noise, as a share of the utilities' own.

    Raises:
        ValueError: an attribute is out of its range.
    """

    name: str = "bayesian_optimisation"
    label: str = "Bayesian optimisation"
    rounds: int = 100
    random_rounds: int = 10
    lowest: float = 0.01
    noise: float = 0.01

    def __post_init__(self) -> None:
        whole_number("rounds", self.rounds, 0)
        positive_integer("random_rounds", self.random_rounds)
        if positive_fraction("lowest", self.lowest) == 1.0:
            raise ValueError(f"lowest = {self.lowest!r} must be below 1, the reward bound")
        positive_number("noise", self.noise)

    def run(self, market: Market, rng: np.random.Generator) -> MechanismResult:
        """Search until the relative regret is at most GOAL, or for ``rounds`` rounds.

        Raises:
            ImportError: scikit-optimize is not installed.
        """
        return play_until_goal(market, self.updates(market, probe_of(market), rng), 1, self.rounds)

    def updates(self, market: Market, probe: Probe, rng: np.random.Generator) -> Iterator[FloatArray]:
        """The start, then the rewards (M, N) that look best after every round, without end."""
        bound = market.reward_bound[:, None]
        searches = [self._search(market.num_asps, rng) for _ in range(market.num_mus)]
        yield np.repeat(np.sqrt(self.lowest) * bound, market.num_asps, axis=1)
        while True:
            asked = [search.ask() for search in searches]
            rewards = np.exp(asked) * bound
            utility = own_utility(market, rewards, probe(rewards))
            for search, row, earned in zip(searches, asked, utility / market.satisfaction_scale, strict=True):
                search.tell(row, -float(earned))
            yield np.exp([_best(search) for search in searches]) * bound

    def _search(self, num_asps: int, rng: np.random.Generator) -> Any:
        """An ask-and-tell optimiser over log shares of the reward bound."""
        try:
            from skopt import Optimizer
            from skopt.learning import GaussianProcessRegressor
            from skopt.learning.gaussian_process.kernels import Matern
        except ImportError as error:
            raise ImportError(
                "Bayesian optimisation needs scikit-optimize, which is in an extra: pip install -e '.[baselines]'"
            ) from error
        process = GaussianProcessRegressor(Matern(0.5, nu=2.5), alpha=self.noise, optimizer=None, normalize_y=True)
        return Optimizer(
            [(float(np.log(self.lowest)), 0.0)] * num_asps,
            base_estimator=process,
            n_initial_points=self.random_rounds,
            acq_func="EI",
            acq_optimizer="sampling",
            acq_optimizer_kwargs={"n_points": 500},
            random_state=int(rng.integers(2**31)),
        )


def _best(search: Any) -> list[float]:
    """The row tried with the best mean under the model, or the best utility while there is no model."""
    values = search.models[-1].predict(search.space.transform(search.Xi)) if search.models else search.yi
    return list(search.Xi[int(np.argmin(values))])
