"""What policies for markets of one size share: a network of layers, its sizes and nonlinearities, agents by name."""

import itertools
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt
from torch import nn

from aigc_market_env import Scenario
from aigc_market_env.model.parameters import FloatArray

#: What may stand between two layers, by the name that a policy's file gives it.
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


class _Sized(Protocol):
    @property
    def num_mus(self) -> int: ...
    @property
    def num_asps(self) -> int: ...


Architecture = TypeVar("Architecture", bound=_Sized)


class MLPPolicy(ABC, Generic[Architecture]):
    """Acts for every agent of one side of a market of one size, deterministically.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str]
    any_size: ClassVar[Literal[False]] = False
    architecture_type: ClassVar[type[Any]]
    #: What the agents' names begin with.
    group: ClassVar[str]

    def __init__(self, architecture: Architecture, network: nn.Sequential) -> None:
        self.architecture = architecture
        self.network = network.eval()

    @classmethod
    def described(cls, document: Mapping[str, Any]) -> Self:
        """The policy that a file describes; its weights are still to be loaded.

        Raises:
            ValueError: an entry is missing or impossible.
        """
        sizes, own = checked_sizes(document), cls._checked_entries(document)
        architecture = cls.architecture_type(*sizes, **own, **checked_nonlinearities(document))
        return cls(architecture, architecture.network())

    @classmethod
    def _checked_entries(cls, document: Mapping[str, Any]) -> dict[str, Any]:
        """What else the architecture says."""
        return {}

    def check_fits(self, scenario: Scenario) -> None:
        """Make sure that a scenario's markets are of the size that the policy was trained on.

        Raises:
            ValueError: they are not; the message begins with what the policy is for.
        """
        m, n = self.architecture.num_mus, self.architecture.num_asps
        if (m, n) != (scenario.num_mus, scenario.num_asps):
            raise ValueError(
                f"a policy for markets of {m} MUs and {n} ASPs; {scenario.name} has {scenario.num_mus} and "
                f"{scenario.num_asps}. Only set policies act in markets of other sizes"
            )

    @abstractmethod
    def act_batch(self, observations: npt.NDArray[np.float32]) -> FloatArray:
        """Actions of the batched environment's group from its observations, (B, agents, D).

        Raises:
            ValueError: the observations are from a market of another size.
        """

    def act(self, observations: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, npt.NDArray[np.float32]]:
        """Actions of the side's agents among those of a PettingZoo environment.

        Raises:
            ValueError: an observation of one of them is missing, or the market has another size.
        """
        count = {"mu": self.architecture.num_mus, "asp": self.architecture.num_asps}[self.group]
        names = [f"{self.group}_{i}" for i in range(count)]
        present = [name for name in observations if name.startswith(f"{self.group}_")]
        if sorted(present) != sorted(names):
            strangers, missing = sorted(set(present) - set(names)), [name for name in names if name not in present]
            wrong = [f"it has no actions for {strangers}"] if strangers else []
            wrong += [f"there are no observations of {missing}"] if missing else []
            raise ValueError(f"this policy acts for {names[0]} … {names[-1]}; {' and '.join(wrong)}")
        actions = self.act_batch(np.stack([observations[name] for name in names])[None])[0].astype(np.float32)
        return dict(zip(names, actions, strict=True))


def mlp(
    inputs: int, hidden: tuple[int, ...], outputs: int, *, activation: str = "tanh", squashed: bool = False
) -> nn.Sequential:
    """A network whose weights are still to be loaded, with ``assign=True``.

    None are drawn, so that the random numbers of a training run do not depend on how often it is measured, and no
    memory is taken on the word of a file.

    Args:
        inputs: how many.
        hidden: width of each hidden layer.
        outputs: how many.
        activation: what follows each hidden layer, a name in :data:`ACTIVATIONS`.
        squashed: whether a tanh keeps the outputs within [-1, 1]; otherwise whoever reads them clips.
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after, device="meta"), ACTIVATIONS[activation]()]
    layers.append(nn.Linear(widths[-1], outputs, device="meta"))
    return nn.Sequential(*layers, *([nn.Tanh()] if squashed else []))


def checked_sizes(document: Mapping[str, Any]) -> tuple[int, int, tuple[int, ...]]:
    """What a file says of ``num_mus``, ``num_asps`` and ``hidden``.

    Raises:
        ValueError: one of them is impossible.
    """
    num_mus, num_asps, hidden = (document.get(name) for name in ("num_mus", "num_asps", "hidden"))
    widths = hidden if isinstance(hidden, list) and hidden else [None]
    sizes = [size for size in (num_mus, num_asps, *widths) if type(size) is int and 0 < size <= 65536]
    if len(sizes) < 2 + len(widths):
        raise ValueError("num_mus, num_asps and the entries of hidden must be integers from 1 to 65536")
    return sizes[0], sizes[1], tuple(sizes[2:])


def checked_flag(document: Mapping[str, Any], name: str) -> bool:
    """What a file says of something that is so or not; files of before it was thought of say nothing, and it is not.

    Raises:
        ValueError: it is neither true nor false.
    """
    flag = document.get(name, False)
    if not isinstance(flag, bool):
        raise ValueError(f"{name} = {flag!r} must be true or false")
    return flag


def checked_nonlinearities(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of a network's ``activation`` and whether it is ``squashed``; files of old say neither.

    Raises:
        ValueError: one of them is impossible.
    """
    activation = document.get("activation", "tanh")
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"activation = {activation!r} must be {' or '.join(map(repr, ACTIVATIONS))}")
    return {"activation": activation, "squashed": checked_flag(document, "squashed")}
