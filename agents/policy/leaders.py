"""A trained policy of the MUs of a market of one size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from agents.policy.actions import shares_of
from agents.policy.agent_features import with_identity
from agents.policy.mlp import act_by_name, check_size, checked_nonlinearities, checked_sizes, mlp
from aigc_market_env import Market, Scenario, spaces
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True)
class LeaderArchitecture:
    """Shape of a policy of the MUs: enough to build the network that the weights belong to.

    Attributes:
        num_mus: M of the scenario it was trained on.
        num_asps: N, likewise.
        hidden: width of each hidden layer.
        activation: what follows each hidden layer; see :func:`mlp`.
        squashed: whether a tanh ends the network; likewise.
    """

    num_mus: int
    num_asps: int
    hidden: tuple[int, ...]
    activation: str = "tanh"
    squashed: bool = False

    def network(self) -> nn.Sequential:
        """The network: an MU's identity and observation in, one output in [-1, 1] per ASP; see :func:`mlp`."""
        observation = spaces.mu_observation_space(self.num_asps).shape[0]
        inputs = self.num_mus + observation
        return mlp(inputs, self.hidden, self.num_asps, activation=self.activation, squashed=self.squashed)


class LeaderPolicy:
    """Posts rewards for every MU of a market of one size, deterministically.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str] = "leader_mlp"
    any_size: ClassVar[Literal[False]] = False

    def __init__(self, architecture: LeaderArchitecture, network: nn.Sequential) -> None:
        self.architecture = architecture
        self.network = network.eval()

    @classmethod
    def described(cls, document: Mapping[str, Any]) -> Self:
        """The policy that a file describes; its weights are still to be loaded.

        Raises:
            ValueError: an entry is missing or impossible.
        """
        sizes = checked_sizes(*(document.get(name) for name in ("num_mus", "num_asps", "hidden")))
        architecture = LeaderArchitecture(*sizes, **checked_nonlinearities(document))
        return cls(architecture, architecture.network())

    @property
    def mus(self) -> Self:
        """Who acts for the MUs."""
        return self

    @property
    def asps(self) -> None:
        """Nobody acts for the ASPs."""

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that a scenario's markets are of the size that the policy was trained on.

        Raises:
            ValueError: they are not; the message begins with what the policy is for.
        """
        check_size(self.architecture.num_mus, self.architecture.num_asps, scenario)

    def post(self, market: Market, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Rewards as shares of ω/q, (B, M, N), by what the MUs observe, (B, M, D); see :meth:`act_batch`."""
        return self.act_batch(observations)

    def act_batch(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Actions of the batched environment's ``"mu"`` group, (B, M, N), from its observations, (B, M, D).

        Raises:
            ValueError: the observations are from a market of another size.
        """
        expected = (self.architecture.num_mus, *spaces.mu_observation_space(self.architecture.num_asps).shape)
        if observations.shape[1:] != expected:
            raise ValueError(
                f"this policy prices markets of {expected[0]} MUs and {self.architecture.num_asps} ASPs, which it sees "
                f"as observations of shape (…, {expected[0]}, {expected[1]}); got {observations.shape}"
            )
        with torch.no_grad():
            return shares_of(self.network(torch.from_numpy(with_identity(observations))).numpy())

    def act(self, observations: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Actions of all MUs among the agents of a PettingZoo environment.

        Raises:
            ValueError: an MU's observation is missing, or the market has another size.
        """
        return act_by_name(self.act_batch, "mu", self.architecture.num_mus, observations)
