"""What the two trainings of set policies share: a network, its optimiser, and a state to go on from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from agents.algorithms.set_config import SetConfig
from agents.policy.agent_features import Features
from agents.policy.follower_set import FollowerSetArchitecture
from agents.policy.leader_set import LeaderSetArchitecture
from agents.policy.level_set import LevelSetArchitecture
from agents.policy.network import SetNetwork
from agents.torch_settings import usual_numerics

Metrics = dict[str, float]
AnySetArchitecture = LeaderSetArchitecture | FollowerSetArchitecture | LevelSetArchitecture

#: What random numbers of a run are for: generators are seeded with (seed, purpose) or (seed, purpose, update).
_STANDARD, _UPDATE = 0, 1


class SetLearner(ABC):
    """Learns a set policy, update by update.

    An update depends on the seed, its number and the state before it alone. So a run that goes on from a saved state
    ends with the same weights, to the bit, as one that was never interrupted.

    Args:
        config: what to train.
        architecture: the network's shape.

    Attributes:
        update: how many updates were made.
        transitions: how many decisions of an MU or ASP in a market were learned from.
    """

    @usual_numerics()
    def __init__(self, config: SetConfig, architecture: AnySetArchitecture) -> None:
        self.config, self.architecture = config, architecture
        self.update = self.transitions = 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network: Any = architecture.network()  # SetNetwork, or the two of levels
        self._begin(np.random.default_rng([config.seed, _STANDARD]))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate)

    @property
    def done(self) -> bool:
        """Whether all updates were made."""
        return self.update >= self.config.updates

    @usual_numerics()
    def step(self) -> Metrics:
        """Make one update; figures of it, with the names under which TensorBoard shows them."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._learning_rate()
        metrics = self._learn(np.random.default_rng([self.config.seed, _UPDATE, self.update]))
        self.update += 1
        return metrics | {"learning_rate": self.optimiser.param_groups[0]["lr"]}

    def policy(self) -> Any:
        """A policy with a copy of the present weights."""
        with torch.device("meta"):
            network: Any = self.architecture.network()
        weights = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        network.load_state_dict(weights, assign=True)
        return self.architecture.policy(network)

    def state(self) -> dict[str, Any]:
        """All that the rest of the run depends on, as numbers and tensors; not copies."""
        return {
            "update": self.update,
            "transitions": self.transitions,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a :meth:`state` of a training with the same configuration, or a shorter one, bit for bit.

        Raises:
            ValueError: the state does not fit the network.
        """
        try:
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.update, self.transitions = int(state["update"]), int(state["transitions"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise ValueError(f"not the saved state of a run: {error}") from None

    def _descend(self, loss: torch.Tensor) -> None:
        """Make a gradient step."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()

    def _learning_rate(self) -> float:
        rise = (self.update + 1) / self.config.warm_up
        fall = 1.0 - self.update / self.config.updates
        return self.config.learning_rate * min(rise, 1.0) * fall

    @abstractmethod
    def _learn(self, rng: np.random.Generator) -> Metrics:
        """Draw markets and learn from them."""

    @abstractmethod
    def _begin(self, rng: np.random.Generator) -> None:
        """Have networks :func:`begin at no correction <begin_at_none>`, by features as they will see them."""


def begin_at_none(network: SetNetwork, sample: list[Features]) -> None:
    """Have a network begin at the output that features suggest, and standardise these by samples (..., K)."""
    torch.nn.init.zeros_(network.last.weight)
    torch.nn.init.zeros_(network.last.bias)
    network.standardise(torch.cat([torch.from_numpy(seen).reshape(-1, seen.shape[-1]) for seen in sample]))
