"""What a policy is to whoever plays or measures it: whom it acts for, how, and in which markets."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aigc_market_env import Market, Scenario
from aigc_market_env.model.parameters import FloatArray

Observations = npt.NDArray[np.float32]


class PostsRewards(Protocol):
    """Acts for the MUs of the batched environment."""

    def post(self, market: Market, observations: Observations, /) -> FloatArray:
        """Actions of the group ``"mu"``: rewards as shares of ω/q, (B, M, N).

        Args:
            market: of every lane. batch (B,)
            observations: of the MUs. (B, M, D)
        """


class ServesMUs(Protocol):
    """Acts for the ASPs of the batched environment."""

    def serve(self, market: Market, rewards: FloatArray, observations: Observations, /) -> FloatArray:
        """Actions of the group ``"asp"``: shares of compute and bandwidth for each MU, (B, N, 2, M).

        Args:
            market: of every lane. batch (B,)
            rewards: posted in this slot, credits per QoE. (B, M, N)
            observations: of the ASPs. (B, N, D)
        """


class Policy(Protocol):
    """A policy of the MUs, of the ASPs, or of both."""

    @property
    def kind(self) -> str:
        """The name that files give it, such as ``"leader_mlp"``; in front of the underscore, who has learned."""

    @property
    def any_size(self) -> bool:
        """Whether it acts in markets of any size, from the whole market; otherwise of one size, from observations."""

    @property
    def mus(self) -> PostsRewards | None:
        """Who acts for the MUs; None if nobody does."""

    @property
    def asps(self) -> ServesMUs | None:
        """Who acts for the ASPs; None if nobody does."""

    def check_fits(self, scenario: Scenario, /) -> None:
        """Make sure that the policy acts in a scenario's markets.

        Raises:
            ValueError: it does not; the message begins with what the policy is for, as in "a policy for markets of …".
        """

    def act(self, observations: Mapping[str, Observations], /) -> dict[str, Observations]:
        """Actions of those agents of a PettingZoo environment that it acts for.

        Raises:
            ValueError: it needs more than they observe, an observation is missing, or the market has another size.
        """
