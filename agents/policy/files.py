"""Trained policies and their files: weights as safetensors, everything else JSON, nothing that executes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from agents.policy.actions import shares_of
from agents.policy.agent_features import with_identity
from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.followers import FollowerPolicy
from agents.policy.joint import JointPolicy
from agents.policy.leader_set import LeaderSetPolicy
from agents.policy.mlp import act_by_name, checked_nonlinearities, checked_sizes, mlp
from agents.runs import write_json
from aigc_market_env import spaces
from aigc_market_env.files import read_json, write_whole

SCHEMA = "aigc-market-policy/1"
WEIGHTS_FILE, DESCRIPTION_FILE = "policy.safetensors", "policy.json"


@dataclass(frozen=True)
class Architecture:
    """A policy's shape: enough to build the network that the weights belong to.

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

    def __init__(self, architecture: Architecture, network: nn.Sequential) -> None:
        self.architecture = architecture
        self.network = network.eval()

    @classmethod
    def described(cls, document: Mapping[str, Any]) -> Self:
        """The policy that a file describes; its weights are still to be loaded.

        Raises:
            ValueError: an entry is missing or impossible.
        """
        sizes = checked_sizes(*(document.get(name) for name in ("num_mus", "num_asps", "hidden")))
        architecture = Architecture(*sizes, **checked_nonlinearities(document))
        return cls(architecture, architecture.network())

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


Policy = LeaderPolicy | FollowerPolicy | LeaderSetPolicy | FollowerSetPolicy
AnyPolicy = Policy | JointPolicy
P = TypeVar("P", LeaderPolicy, FollowerPolicy, LeaderSetPolicy, FollowerSetPolicy)

#: Sub-folders of a run of both sides, each with the files of one policy.
MUS_FOLDER, ASPS_FOLDER = "mus", "asps"

#: Every kind of policy by the name that its file gives it.
KINDS: dict[str, type[Policy]] = {
    kind.kind: kind for kind in (LeaderPolicy, FollowerPolicy, LeaderSetPolicy, FollowerSetPolicy)
}


def save_policy(policy: Policy, run: str | PathLike[str]) -> None:
    """Write a policy's two files into a run folder, each replaced at once or not at all."""
    weights = {name: tensor.contiguous() for name, tensor in policy.network.state_dict().items()}
    # As bytes: safetensors' own file would be for its owner's eyes only, whatever the umask.
    write_whole(Path(run) / WEIGHTS_FILE, save(weights))
    write_json(Path(run) / DESCRIPTION_FILE, {"schema": SCHEMA, "kind": policy.kind} | asdict(policy.architecture))


@overload
def load_policy(run: str | PathLike[str]) -> AnyPolicy: ...
@overload
def load_policy(run: str | PathLike[str], kind: type[P]) -> P: ...
def load_policy(run: str | PathLike[str], kind: Any = None) -> Any:
    """Read the policy of a run folder; only numbers and JSON are read, so a stranger's folder is safe to load.

    A run of both sides gives one policy that acts for both; ``run/mus`` and ``run/asps`` are folders of one side's.

    Args:
        run: the folder.
        kind: the kind of policy that is wanted; by default, any.

    Raises:
        FileNotFoundError: the folder has no policy.
        ValueError: a file is damaged, the two do not fit one another, or the policy is of another kind; the message
            names the file.
    """
    folder = Path(run)
    if kind is None and not (folder / DESCRIPTION_FILE).exists() and (folder / MUS_FOLDER).is_dir():
        return _load_joint_policy(folder)
    return load_one_side(folder, KINDS if kind is None else {kind.kind: kind})


def load_one_side(run: str | PathLike[str], kinds: Mapping[str, type[Policy]] = KINDS) -> Policy:
    """Like :func:`load_policy`, of a folder that holds a policy's two files itself, of one of ``kinds``."""
    description_path, weights_path = Path(run) / DESCRIPTION_FILE, Path(run) / WEIGHTS_FILE
    for path in (description_path, weights_path):
        if not path.is_file():
            if not Path(run).exists():
                raise FileNotFoundError(f"{run}: no such run folder")
            raise FileNotFoundError(
                f"{path}: no such file; a run folder holds {DESCRIPTION_FILE} and {WEIGHTS_FILE}, one of both sides "
                f"{MUS_FOLDER}/ and {ASPS_FOLDER}/"
            )
    found, document = _read_description(description_path, kinds)
    try:
        policy: Policy = found.described(document)
    except ValueError as error:
        raise ValueError(f"{description_path}: {error}") from None
    try:
        weights = load(weights_path.read_bytes())  # by bytes, for its own reader takes names in UTF-8 only
        if any(tensor.dtype != torch.float32 for tensor in weights.values()):
            raise ValueError("the weights must be of type float32")
        # Cloned, because how a file aligns them in memory changes the last bits of what they compute.
        policy.network.load_state_dict({name: tensor.clone() for name, tensor in weights.items()}, assign=True)
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        problem = f"damaged, or not the weights that {DESCRIPTION_FILE} describes"
        raise ValueError(f"{weights_path}: {problem}: {error}") from None
    if not all(bool(torch.isfinite(parameter).all()) for parameter in policy.network.state_dict().values()):
        raise ValueError(f"{weights_path}: a weight is not finite")
    return policy


def _load_joint_policy(folder: Path) -> JointPolicy:
    mus, asps = load_one_side(folder / MUS_FOLDER), load_one_side(folder / ASPS_FOLDER)
    if not isinstance(mus, LeaderPolicy):
        raise ValueError(f"{folder / MUS_FOLDER}: a policy of kind {mus.kind!r}, not one of mobile users")
    if not isinstance(asps, FollowerPolicy):
        raise ValueError(f"{folder / ASPS_FOLDER}: a policy of kind {asps.kind!r}, not one of providers")
    sizes = [(policy.architecture.num_mus, policy.architecture.num_asps) for policy in (mus, asps)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"{folder}: policies of two sizes of markets, {sizes[0]} and {sizes[1]} MUs and ASPs")
    return JointPolicy(mus, asps)


def _read_description(path: Path, kinds: Mapping[str, type[Policy]]) -> tuple[type[Policy], dict[str, Any]]:
    """The class of the policy that a file describes, and all that it says."""
    document = read_json(path)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: not a policy of schema {SCHEMA!r}")
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{path}: a policy of kind {kind!r}, expected {' or '.join(map(repr, kinds))}")
    return kinds[kind], document
