"""A trained policy of the MUs of a market of one size."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from gymnasium.spaces import Box
from torch import nn

from agents.policy.actions import shares_of
from agents.policy.agent_features import leader_features, leader_features_size
from agents.policy.mlp import MLPPolicy, checked_flag, mlp
from aigc_market_env import Market, Scenario, spaces
from aigc_market_env.model.parameters import FloatArray

#: What MUs observe only in scenarios that have it, and what messages call it.
_SEEN = {"satiation": "satiation", "wallet": "wallets"}


@dataclass(frozen=True)
class LeaderArchitecture:
    """Shape of a policy of the MUs: enough to build the network that the weights belong to.

    Attributes:
        num_mus: M of the scenario it was trained on.
        num_asps: N, likewise.
        hidden: width of each hidden layer.
        activation: what follows each hidden layer; see :func:`mlp`.
        squashed: whether a tanh ends the network; likewise.
        satiation: whether MUs observe their satiation, in a scenario that has it.
        wallet: whether MUs observe their wallet, likewise.
    """

    num_mus: int
    num_asps: int
    hidden: tuple[int, ...]
    activation: str = "tanh"
    squashed: bool = False
    satiation: bool = False
    wallet: bool = False

    def observation_space(self) -> Box:
        """What an MU observes in the markets that the policy is for."""
        return spaces.mu_observation_space(self.num_asps, satiation=self.satiation, wallet=self.wallet)

    def network(self) -> nn.Sequential:
        """The network: an MU's features in, one output in [-1, 1] per ASP; see :func:`leader_features`, :func:`mlp`."""
        inputs = leader_features_size(self.num_mus, self.observation_space().shape[0], wallet=self.wallet)
        return mlp(inputs, self.hidden, self.num_asps, activation=self.activation, squashed=self.squashed)


class LeaderPolicy(MLPPolicy[LeaderArchitecture]):
    """Posts rewards for every MU of a market of one size, deterministically.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str] = "leader_mlp"
    architecture_type: ClassVar[type[Any]] = LeaderArchitecture
    group: ClassVar[str] = "mu"

    @property
    def mus(self) -> Self:
        """Who acts for the MUs."""
        return self

    @property
    def asps(self) -> None:
        """Nobody acts for the ASPs."""

    @classmethod
    def _checked_entries(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        return {name: checked_flag(document, name) for name in _SEEN}

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that a scenario's markets have the size of those trained on, and satiation or wallets if they had.

        Raises:
            ValueError: they do not; the message begins with what the policy is for.
        """
        super().check_fits(scenario)
        for name, present in scenario.extra_entries.items():
            seen = getattr(self.architecture, name)
            if seen != present:
                kind = f"with {_SEEN[name]}, which MUs then observe" if seen else f"without {_SEEN[name]}"
                raise ValueError(f"a policy for markets {kind}; {scenario.name} is not one")

    def post(self, market: Market, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Rewards as shares of ω/q, (B, M, N), by what the MUs observe, (B, M, D); see :meth:`act_batch`."""
        return self.act_batch(observations)

    def act_batch(self, observations: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Actions of the batched environment's ``"mu"`` group, (B, M, N), from its observations, (B, M, D).

        Raises:
            ValueError: the observations are from a market of another size.
        """
        expected = (self.architecture.num_mus, *self.architecture.observation_space().shape)
        if observations.shape[1:] != expected:
            raise ValueError(
                f"this policy prices markets of {expected[0]} MUs and {self.architecture.num_asps} ASPs, which it sees "
                f"as observations of shape (…, {expected[0]}, {expected[1]}); got {observations.shape}"
            )
        with torch.no_grad():
            features = leader_features(observations, wallet=self.architecture.wallet)
            return shares_of(self.network(torch.from_numpy(features)).numpy())
