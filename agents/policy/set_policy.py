"""What policies for markets of any size share, whichever side they are for: the network's shape, and its file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import nn

from aigc_market_env import Scenario
from aigc_market_env.model.parameters import FloatArray


@dataclass(frozen=True)
class SetArchitecture:
    """Shape of a set policy's network; it does not depend on the size of a market.

    Attributes:
        width: hidden features of a link.
        layers: number of exchangeable layers.
    """

    width: int = 96
    layers: int = 4

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The architecture that a policy's description tells.

        Raises:
            ValueError: an entry is missing, or not a whole number within its range.
        """
        for name, largest in (("width", 4096), ("layers", 64)):
            size = document.get(name)
            if type(size) is not int or not 0 < size <= largest:
                raise ValueError(f"{name} = {size!r} must be an integer from 1 to {largest}")
        return cls(document["width"], document["layers"])

    def network(self) -> nn.Module:
        """The network, its weights drawn from torch's global generator."""
        raise NotImplementedError


class SetPolicy:
    """A policy for markets of any size, of either side.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str]
    any_size: ClassVar[Literal[True]] = True
    architecture_type: ClassVar[type[SetArchitecture]]

    def __init__(self, architecture: SetArchitecture, network: nn.Module) -> None:
        self.architecture = architecture
        self.network = network.eval()

    @classmethod
    def described(cls, document: Mapping[str, Any]) -> Self:
        """The policy that a file describes; its weights are still to be loaded.

        Raises:
            ValueError: an entry is missing or impossible.
        """
        architecture = cls.architecture_type.of(document)
        with torch.device("meta"):  # no random numbers drawn, and no memory taken on the word of a file
            return cls(architecture, architecture.network())

    def check_fits(self, scenario: Scenario) -> None:
        """Nothing to check: the policy acts in the markets of any scenario."""


def finite(output: torch.Tensor) -> FloatArray:
    """A network's output as float64.

    Raises:
        ValueError: it is not finite.
    """
    if not bool(torch.isfinite(output).all()):
        raise ValueError("the policy's output is not finite: its weights are damaged")
    return output.numpy().astype(np.float64)
