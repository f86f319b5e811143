"""What MUs post who mix: a few rows of rewards each, with probabilities, independently of one another."""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from aigc_market_env.game.followers import follower_response
from aigc_market_env.market import Market
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray

#: Rows that differ by no more than this share in every reward are one.
_TWINS = 1e-6


@dataclass
class Mixture:
    """What M MUs post, each independently of the others.

    Attributes:
        rows: support rows of each MU, (K_m, N), credits per QoE.
        probabilities: of each MU's rows, (K_m,).
    """

    rows: list[FloatArray]
    probabilities: list[FloatArray]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Number of rows of each MU. (M,)."""
        return np.array([len(rows) for rows in self.rows])

    @property
    def profiles(self) -> int:
        """Number of joint profiles."""
        return int(self.sizes.prod())

    @property
    def mean(self) -> FloatArray:
        """Rewards on average, (M, N); those of who has one row as they are."""
        return np.stack(
            [
                rows[0] if len(rows) == 1 else often @ rows
                for rows, often in zip(self.rows, self.probabilities, strict=True)
            ]
        )

    def joint(self) -> tuple[FloatArray, FloatArray]:
        """Rewards (J, M, N) of all joint profiles, and how likely each is (J,)."""
        choices = np.stack(np.meshgrid(*map(np.arange, self.sizes), indexing="ij"), axis=-1).reshape(-1, len(self.rows))
        rewards = np.stack([own[choices[:, m]] for m, own in enumerate(self.rows)], axis=1)
        return rewards, np.prod([own[choices[:, m]] for m, own in enumerate(self.probabilities)], axis=0)

    def padded(self, most: int | None = None) -> tuple[FloatArray, FloatArray]:
        """Rows (M, K, N) and probabilities (M, K), of MUs with fewer than K their first row again, never posted.

        K is the largest number of rows of any MU, unless it is given.
        """
        most = int(self.sizes.max()) if most is None else most
        rows = np.stack([np.concatenate([r, np.repeat(r[:1], most - len(r), axis=0)]) for r in self.rows])
        return rows, np.stack([np.pad(p, (0, most - len(p))) for p in self.probabilities])

    def with_row(self, m: int, row: FloatArray) -> "Mixture":
        """The same with one more row of MU ``m``, posted as often as each of the others on average."""
        rows, probabilities = list(self.rows), list(self.probabilities)
        share = 1.0 / (len(rows[m]) + 1)
        rows[m] = np.concatenate([rows[m], row[None]])
        probabilities[m] = np.append((1.0 - share) * probabilities[m], share)
        return Mixture(rows, probabilities)

    @property
    def twins(self) -> list[tuple[int, int, int]]:
        """MU, row and an earlier row that is the same, of rows that are posted."""
        return [
            (m, a, b)
            for m, own in enumerate(self.rows)
            for a in range(len(own))
            for b in range(a)
            if min(self.probabilities[m][[a, b]]) > 0.0 and (abs(own[a] - own[b]) <= _TWINS * own[b]).all()
        ]

    def reduced(self, dropped: float) -> "Mixture":
        """The same without rows that are posted less often than ``dropped``, twins taken together."""
        weights = [weight.copy() for weight in self.probabilities]
        for m, a, b in self.twins:
            weights[m][b], weights[m][a] = weights[m][a] + weights[m][b], 0.0
        rows, probabilities = [], []
        for own, weight in zip(self.rows, weights, strict=True):
            kept = weight > min(dropped, 0.5 * float(weight.max()))
            rows.append(own[kept])
            probabilities.append(weight[kept] / weight[kept].sum())
        return Mixture(rows, probabilities)


def pure(rewards: FloatArray) -> Mixture:
    """What MUs post who do not mix: rewards (M, N)."""
    ones = np.ones(1)
    return Mixture([row[None].copy() for row in rewards], [ones] * len(rewards))


def mixture_of(supports: FloatArray, probabilities: FloatArray) -> Mixture:
    """The mixture of padded rows (M, K, N) and probabilities (M, K)."""
    posted = [often > 0.0 for often in probabilities]
    return Mixture(
        [rows[some] for rows, some in zip(supports, posted, strict=True)],
        [often[some] for often, some in zip(probabilities, posted, strict=True)],
    )


def expected_outcome(market: Market, mixture: Mixture) -> tuple[Outcome, FloatArray]:
    """What a slot of one market produces on average over all joint profiles, the ASPs responding exactly to each.

    Returns:
        The outcome, every field an expectation, and the expected duality gap of each ASP (N,), credits per slot.
    """
    rewards, weights = mixture.joint()
    response = follower_response(market, rewards)
    outcome = market.outcome(rewards, response.compute, response.bandwidth)
    expected = {field.name: np.tensordot(weights, getattr(outcome, field.name), 1) for field in fields(outcome)}
    return Outcome(**expected), weights @ response.duality_gap


def drawn_rows(supports: FloatArray, probabilities: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw a row of every MU's, (..., N), of supports (..., K, N) with probabilities (..., K); one number for each."""
    drawn = rng.random(probabilities.shape[:-1])[..., None]
    row = (drawn >= probabilities.cumsum(axis=-1)[..., :-1]).sum(axis=-1)
    # Rounding may leave the sum of all probabilities just below what was drawn.
    row = np.minimum(row, (probabilities > 0.0).sum(axis=-1) - 1)
    found: FloatArray = np.take_along_axis(supports, row[..., None, None], axis=-2)[..., 0, :]
    return found


def with_room(supports: FloatArray, probabilities: FloatArray, most: int) -> tuple[FloatArray, FloatArray]:
    """Supports (..., K, N) and probabilities (..., K) with ``most`` rows, the first ones repeated and never drawn.

    Raises:
        ValueError: ``most`` is less than the number of rows that there is room for already.
    """
    missing = most - supports.shape[-2]
    if missing < 0:
        raise ValueError(f"most = {most} must be at least {supports.shape[-2]}, the rows there already are")
    first = np.repeat(supports[..., :1, :], missing, axis=-2)
    nothing = np.zeros((*probabilities.shape[:-1], missing))
    return np.concatenate([supports, first], axis=-2), np.concatenate([probabilities, nothing], axis=-1)
