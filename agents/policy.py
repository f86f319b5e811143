"""Trained policies and their files: weights as safetensors, everything else JSON, nothing that executes."""

import itertools
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from agents.actions import shares_of
from agents.follower_set_policy import FollowerSetPolicy
from agents.leader_env import with_identity
from agents.set_policy import LeaderSetPolicy
from aigc_market_env import spaces

SCHEMA = "aigc-market-policy/1"
WEIGHTS_FILE, DESCRIPTION_FILE = "policy.safetensors", "policy.json"


@dataclass(frozen=True)
class Architecture:
    """A policy's shape: enough to build the network that the weights belong to.

    Attributes:
        num_mus: M of the scenario it was trained on.
        num_asps: N, likewise.
        hidden: width of each hidden layer.
    """

    num_mus: int
    num_asps: int
    hidden: tuple[int, ...]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The architecture that a policy's description tells.

        Raises:
            ValueError: an entry is missing, or not a whole number from 1 to 65536.
        """
        hidden = document.get("hidden")
        sizes = [document.get("num_mus"), document.get("num_asps"), *(hidden if isinstance(hidden, list) else [None])]
        if not hidden or not all(type(size) is int and 0 < size <= 65536 for size in sizes):
            raise ValueError("num_mus, num_asps and the entries of hidden must be integers from 1 to 65536")
        return cls(sizes[0], sizes[1], tuple(sizes[2:]))

    def network(self) -> nn.Sequential:
        """The network: an MU's identity and observation in, one output in [-1, 1] per ASP.

        Its weights are still to be loaded, with ``assign=True``: none are drawn, so that the random numbers of a
        training run do not depend on how often it is measured, and no memory is taken on the word of a file.
        """
        observation = spaces.mu_observation_space(self.num_asps).shape[0]
        widths = [self.num_mus + observation, *self.hidden]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after, device="meta"), nn.Tanh()]
        return nn.Sequential(*layers, nn.Linear(widths[-1], self.num_asps, device="meta"))


class LeaderPolicy:
    """Posts rewards for every MU of a market of one size, deterministically.

    Args:
        architecture: the network's shape.
        network: the network itself.
    """

    kind: ClassVar[str] = "leader_mlp"
    architecture_type: ClassVar[type[Architecture]] = Architecture

    def __init__(self, architecture: Architecture, network: nn.Sequential) -> None:
        self.architecture = architecture
        self.network = network.eval()

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
        names = [f"mu_{m}" for m in range(self.architecture.num_mus)]
        present = [name for name in observations if name.startswith("mu_")]
        if sorted(present) != sorted(names):
            raise ValueError(f"this policy acts for {names[0]} … {names[-1]}, got observations of {sorted(present)}")
        actions = self.act_batch(np.stack([observations[name] for name in names])[None])[0].astype(np.float32)
        return dict(zip(names, actions, strict=True))


# Files ---------------------------------------------------------------------------------------------------------------


class StoredPolicy(Protocol):
    """What a policy needs to be kept in a file. Its class attribute ``architecture_type`` reads a description."""

    kind: ClassVar[str]

    @property
    def architecture(self) -> Any:
        """A dataclass of plain numbers, with ``network()``, and ``of(document)`` that reads it from JSON."""

    @property
    def network(self) -> nn.Module:
        """The network that the architecture builds, with its weights."""


#: The kinds of policy that files may hold, by the name that stands in them.
KINDS: dict[str, Any] = {kind.kind: kind for kind in (LeaderPolicy, LeaderSetPolicy, FollowerSetPolicy)}

P = TypeVar("P", bound=StoredPolicy)


def save_policy(policy: StoredPolicy, run: str | PathLike[str]) -> None:
    """Write a policy's two files into a run folder, each replaced at once or not at all."""
    folder = Path(run)
    weights = {name: tensor.contiguous() for name, tensor in policy.network.state_dict().items()}
    save_file(weights, folder / f"{WEIGHTS_FILE}.new")
    description = {"schema": SCHEMA, "kind": policy.kind} | asdict(policy.architecture)
    (folder / f"{DESCRIPTION_FILE}.new").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    for name in (WEIGHTS_FILE, DESCRIPTION_FILE):
        os.replace(folder / f"{name}.new", folder / name)


@overload
def load_policy(run: str | PathLike[str]) -> Any: ...
@overload
def load_policy(run: str | PathLike[str], kind: type[P]) -> P: ...
def load_policy(run: str | PathLike[str], kind: type[P] | None = None) -> Any:
    """Read the policy of a run folder; only numbers and JSON are read, so a stranger's folder is safe to load.

    Args:
        run: the folder.
        kind: the kind of policy that is wanted; by default, any of ``KINDS``.

    Raises:
        FileNotFoundError: the folder has no policy.
        ValueError: a file is damaged, the two do not fit one another, or the policy is of another kind; the message
            names the file.
    """
    description_path, weights_path = Path(run) / DESCRIPTION_FILE, Path(run) / WEIGHTS_FILE
    for path in (description_path, weights_path):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; a run folder holds {DESCRIPTION_FILE} and {WEIGHTS_FILE}")
    policy_type, architecture = _read_description(description_path, KINDS if kind is None else {kind.kind: kind})
    with torch.device("meta"):  # no random numbers drawn, and no memory taken on the word of a file
        network = architecture.network()
    try:
        weights = load_file(weights_path)
        if any(tensor.dtype != torch.float32 for tensor in weights.values()):
            raise ValueError("the weights must be of type float32")
        # Cloned, because how a file aligns them in memory changes the last bits of what they compute.
        network.load_state_dict({name: tensor.clone() for name, tensor in weights.items()}, assign=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        problem = f"damaged, or not the weights that {DESCRIPTION_FILE} describes"
        raise ValueError(f"{weights_path}: {problem}: {error}") from None
    if not all(bool(torch.isfinite(tensor).all()) for tensor in network.state_dict().values()):
        raise ValueError(f"{weights_path}: a weight is not finite")
    return policy_type(architecture, network)


def _read_description(path: Path, kinds: Mapping[str, Any]) -> tuple[Any, Any]:
    """The class of the policy that a file describes, and its architecture."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except (ValueError, RecursionError) as error:  # a number of too many digits is a plain ValueError
        raise ValueError(f"{path}: not a JSON document: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: not a policy of schema {SCHEMA!r}")
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{path}: a policy of kind {kind!r}, expected {' or '.join(map(repr, kinds))}")
    try:
        return kinds[kind], kinds[kind].architecture_type.of(document)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
