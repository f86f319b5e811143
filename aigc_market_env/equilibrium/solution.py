"""What the reference oracle answers."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from aigc_market_env.equilibrium.certificate import Certificate
from aigc_market_env.equilibrium.mixture import drawn_rows, with_room
from aigc_market_env.model.outcome import Outcome
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True, eq=False)
class Equilibrium:
    """An equilibrium of the market, as far as its certificate says so.

    Attributes:
        rewards: r, credits per QoE; for a pair that is priced out, the MU's marginal worth of QoE, the most that it
            could sensibly offer. Where MUs mix, what they post on average, which is not for posting: :meth:`sample`
            draws what they post. (..., M, N)
        outcome: what a slot produces at these rewards, the ASPs responding exactly; where MUs mix, every field on
            average, so that payments are not rewards times QoE there.
        certificate: regrets, computed separately from the solver; None when it was not asked for. Where MUs mix, they
            are against the mixture of the others, and duality gaps are averages.
        residual: largest residual of the system solved, by the solver's own account; inf where best responses or the
            search for mixtures had the last word. (...)
        iterations: Newton steps; other searches are not counted. (...)
        kind: "pure" or "mixed" where the certificate holds, and "none found" where it does not; without a certificate,
            "pure" where the system was solved. (...)
        supports: rows of rewards that each MU draws from, credits per QoE; one row for those who do not mix. MUs that
            have fewer than the largest number in the batch repeat their first. (..., M, K, N)
        probabilities: of each row, 0 for repeated ones. (..., M, K)
    """

    rewards: FloatArray
    outcome: Outcome
    certificate: Certificate | None
    residual: FloatArray
    iterations: npt.NDArray[np.int64]
    kind: npt.NDArray[np.str_]
    supports: FloatArray
    probabilities: FloatArray

    def sample(self, rng: np.random.Generator) -> FloatArray:
        """Draw what every MU posts, independently of the others; the rewards themselves where nobody mixes.

        Args:
            rng: one number is drawn for every MU, whether it mixes or not.

        Returns:
            Rewards r, credits per QoE. (..., M, N)
        """
        return drawn_rows(self.supports, self.probabilities, rng)

    def with_room(self, most: int) -> "Equilibrium":
        """The same with room for ``most`` support rows of an MU, for putting answers of several markets together.

        Args:
            most: K, of the supports of the answer.

        Raises:
            ValueError: ``most`` is less than the number of rows that there is room for already.
        """
        supports, probabilities = with_room(self.supports, self.probabilities, most)
        return replace(self, supports=supports, probabilities=probabilities)
