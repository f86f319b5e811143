"""A policy of either side as one policy of all agents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from agents.policy.followers import FollowerPolicy
from agents.policy.leaders import LeaderPolicy
from aigc_market_env import Scenario

Observations = Mapping[str, npt.NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class JointPolicy:
    """Posts rewards for every MU and allocates for every ASP, deterministically.

    Attributes:
        mus: what the MUs do.
        asps: what the ASPs do.
    """

    kind: ClassVar[str] = "both"
    any_size: ClassVar[Literal[False]] = False

    mus: LeaderPolicy
    asps: FollowerPolicy

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that a scenario's markets are as those that the policies of both sides were trained on.

        Raises:
            ValueError: they are not; the message begins with what the policy is for.
        """
        self.mus.check_fits(scenario)
        self.asps.check_fits(scenario)

    def act(self, observations: Observations) -> dict[str, npt.NDArray[np.float32]]:
        """Actions of all agents of a PettingZoo environment of the market, whosever turn it is.

        A side of which nobody is there, such as ASPs that respond exactly, has no actions.

        Raises:
            ValueError: somebody is there who is neither an MU nor an ASP, the observation of an agent of a side that is
                there is missing, or the market has another size.
        """
        groups: dict[str, LeaderPolicy | FollowerPolicy] = {"mu_": self.mus, "asp_": self.asps}
        strangers = sorted(name for name in observations if not name.startswith(tuple(groups)))
        if strangers:
            raise ValueError(f"this policy acts for MUs, mu_0 …, and ASPs, asp_0 …; it has none for {strangers}")
        there = [side for prefix, side in groups.items() if any(name.startswith(prefix) for name in observations)]
        return {name: action for side in there for name, action in side.act(observations).items()}
