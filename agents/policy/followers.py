"""A trained policy of the ASPs of a market of one size."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from agents.policy.actions import allocation_of
from agents.policy.agent_features import features_per_asp, plan_features, with_identity
from agents.policy.mlp import MLPPolicy, mlp
from agents.policy.rule_of_thumb import Seen
from aigc_market_env import Market, Scenario, spaces
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True)
class FollowerArchitecture:
    """An ASP policy's shape, and what an ASP knows without seeing it.

    Attributes:
        num_mus: M of the scenario it was trained on.
        num_asps: N, likewise.
        hidden: width of each hidden layer.
        slot_duration: Δ of the scenario, s.
        activation: what follows each hidden layer; see :func:`mlp`.
        squashed: whether a tanh ends the network; likewise.
    """

    num_mus: int
    num_asps: int
    hidden: tuple[int, ...]
    slot_duration: float
    activation: str = "tanh"
    squashed: bool = False

    def network(self) -> nn.Sequential:
        """The network: an ASP's identity and plan in, M + 1 outputs in [-1, 1]; its weights are still to be loaded."""
        inputs = self.num_asps + features_per_asp(self.num_mus)
        return mlp(inputs, self.hidden, self.num_mus + 1, activation=self.activation, squashed=self.squashed)


class FollowerPolicy(MLPPolicy[FollowerArchitecture]):
    """Allocates every ASP's compute and bandwidth in a market of one size, deterministically.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str] = "follower_mlp"
    architecture_type: ClassVar[type[Any]] = FollowerArchitecture
    group: ClassVar[str] = "asp"

    @classmethod
    def _checked_entries(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        slot_duration: Any = document.get("slot_duration")
        if type(slot_duration) not in (int, float) or not 0.0 < slot_duration < math.inf:
            raise ValueError(f"slot_duration = {slot_duration!r} must be a finite number > 0")
        return {"slot_duration": float(slot_duration)}

    @property
    def mus(self) -> None:
        """Nobody acts for the MUs."""

    @property
    def asps(self) -> Self:
        """Who acts for the ASPs."""
        return self

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that a scenario's markets have the size and the length of a slot that the policy was trained on.

        Raises:
            ValueError: they have not; the message begins with what the policy is for.
        """
        super().check_fits(scenario)
        trained, asked = self.architecture.slot_duration, np.unique(scenario.sample(0).slot_duration)
        if not np.array_equal(asked, [trained]):
            raise ValueError(
                f"a policy of providers for slots of {trained:g} s; the slot_duration of {scenario.name} is "
                f"{', '.join(f'{length:g}' for length in asked)} s, which ASPs do not observe"
            )

    def serve(self, market: Market, rewards: FloatArray, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Shares of the capacities, (B, N, 2, M), by what the ASPs observe, (B, N, D); see :meth:`act_batch`."""
        return self.act_batch(observations)

    def act_batch(self, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Actions of the batched environment's ``"asp"`` group, (B, N, 2, M), from its observations, (B, N, D).

        Raises:
            ValueError: the observations are from a market of another size.
        """
        m, n = self.architecture.num_mus, self.architecture.num_asps
        expected = (n, *spaces.asp_observation_space(m).shape)
        if observations.shape[1:] != expected:
            raise ValueError(
                f"this policy serves markets of {m} MUs and {n} ASPs, which it sees as observations of shape "
                f"(…, {n}, {expected[1]}); got {observations.shape}"
            )
        seen = Seen.of(observations.reshape(-1, expected[1]), self.architecture.slot_duration)
        features = with_identity(plan_features(seen).reshape(len(observations), n, -1))
        with torch.no_grad():
            outputs = self.network(torch.from_numpy(features)).numpy()
        return allocation_of(outputs.reshape(-1, m + 1), seen).reshape(-1, n, 2, m)
