"""A policy of either side as one policy of all agents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from aigc_market_env.market import FloatArray

Observations = Mapping[str, npt.NDArray[np.float32]]


class OneSide(Protocol):
    """What a policy of one side does; see :class:`~agents.policy.LeaderPolicy`."""

    kind: ClassVar[str]

    def act_batch(self, observations: npt.NDArray[np.float32], /) -> FloatArray:
        """Actions of the batched environment's group."""

    def act(self, observations: Observations, /) -> dict[str, npt.NDArray[np.float32]]:
        """Actions of its side's agents among those of a PettingZoo environment."""


@dataclass(frozen=True, eq=False)
class JointPolicy:
    """Posts rewards for every MU and allocates for every ASP, deterministically.

    Attributes:
        mus: what the MUs do.
        asps: what the ASPs do.
    """

    kind: ClassVar[str] = "both"

    mus: OneSide
    asps: OneSide

    def act(self, observations: Observations) -> dict[str, npt.NDArray[np.float32]]:
        """Actions of all agents of ``market_v0.parallel_env(asps="agents")``, whosever turn it is.

        Raises:
            ValueError: an agent's observation is missing, or the market has another size.
        """
        return self.mus.act(observations) | self.asps.act(observations)
