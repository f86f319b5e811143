"""What a learning algorithm is to the trainings of one market: options, and how to make a learner of them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from agents.algorithms.checks import finite_numbers

if TYPE_CHECKING:  # configurations are read where stable-baselines3 is not installed
    from stable_baselines3.common.base_class import BaseAlgorithm
    from stable_baselines3.common.vec_env import VecEnv

#: Log standard deviations of exploration at the start and at the end of a training, in outputs that span [-1, 1].
LogStd = tuple[float, float]
#: All algorithms, by name.
ALGORITHMS: dict[str, type["Algorithm"]] = {}


@dataclass(frozen=True)
class Algorithm(ABC):
    """An algorithm of stable-baselines3, for either side; a subclass with a ``name`` is registered under it.

    Fields are options of the command line and entries of ``config.json``.

    Attributes:
        gamma: discount of later slots, from 0 to below 1. By default 0, for nothing that an agent does matters beyond
            the slot; but 0.999 for mobile users with wallets, for whom what they pay now is missing later.
    """

    name: ClassVar[str]
    #: Whether a tanh ends the network of the policy.
    squashed: ClassVar[bool] = False
    #: How many markets are to go through the same episodes, where mobile users have wallets, to be compared.
    copies: ClassVar[int] = 1

    gamma: float | None = None

    def __init_subclass__(cls) -> None:
        if "name" in vars(cls):
            ALGORITHMS[cls.name] = cls

    def __post_init__(self) -> None:
        finite_numbers(self, "gamma", optional=("gamma",))
        if self.gamma is not None and not 0.0 <= self.gamma < 1.0:
            raise ValueError(f"gamma = {self.gamma!r} must be at least 0 and below 1")

    @abstractmethod
    def make(
        self, env: "VecEnv", *, slots: int, hidden: Sequence[int], rate: Any, usual_log_std: LogStd, seed: int
    ) -> "BaseAlgorithm":
        """The learner, untrained; ``gamma`` is a number by then.

        Args:
            env: where it learns.
            slots: slots in a rollout, between two updates.
            hidden: width of each hidden layer.
            rate: learning rate, a function of the share of the training that remains.
            usual_log_std: exploration that suits the side.
            seed: of its weights and of what it draws.
        """

    def explore(  # noqa: B027 - most algorithms have nothing to do
        self, model: Any, *, usual_log_std: LogStd, remaining: float
    ) -> None:
        """Set how far a model explores in its next rollout, where the algorithm does not see to that itself.

        Args:
            model: what learns.
            usual_log_std: exploration that suits the side.
            remaining: share of the training that remains, from 1 to 0.
        """

    @abstractmethod
    def layers(self, model: Any) -> nn.Sequential:
        """What a model does on average, from what it sees to its outputs; they share the model's weights."""
