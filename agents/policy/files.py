"""Files of trained policies: weights as safetensors, everything else JSON, nothing that executes."""

from collections.abc import Mapping
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, overload

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from agents.policy.follower_set import FollowerSetPolicy
from agents.policy.followers import FollowerPolicy
from agents.policy.joint import JointPolicy
from agents.policy.leader_set import LeaderSetPolicy
from agents.policy.leaders import LeaderPolicy
from agents.policy.level_set import LevelSetPolicy
from agents.runs import write_json
from aigc_market_env import Scenario
from aigc_market_env.files import read_json, write_whole

SCHEMA = "aigc-market-policy/1"
WEIGHTS_FILE, DESCRIPTION_FILE = "policy.safetensors", "policy.json"

OneSidePolicy = LeaderPolicy | FollowerPolicy | LeaderSetPolicy | FollowerSetPolicy | LevelSetPolicy
AnyPolicy = OneSidePolicy | JointPolicy
P = TypeVar("P", LeaderPolicy, FollowerPolicy, LeaderSetPolicy, FollowerSetPolicy, LevelSetPolicy)

#: Sub-folders of a run of both sides, each with the files of one policy.
MUS_FOLDER, ASPS_FOLDER = "mus", "asps"

#: Every kind of policy by the name that its file gives it.
KINDS: dict[str, type[OneSidePolicy]] = {
    kind.kind: kind for kind in (LeaderPolicy, FollowerPolicy, LeaderSetPolicy, FollowerSetPolicy, LevelSetPolicy)
}


def save_policy(policy: OneSidePolicy, run: str | PathLike[str]) -> None:
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


def load_one_side(run: str | PathLike[str], kinds: Mapping[str, type[OneSidePolicy]] = KINDS) -> OneSidePolicy:
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
        policy: OneSidePolicy = found.described(document)
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


def check_fits(policy: AnyPolicy, run: str | PathLike[str], scenario: Scenario) -> None:
    """Make sure that the policy of a run folder acts in a scenario's markets.

    Raises:
        ValueError: it does not; the message names the folder, and says what the policy is for and what the scenario is.
    """
    try:
        policy.check_fits(scenario)
    except ValueError as error:
        raise ValueError(f"{run} holds {error}") from None


def _load_joint_policy(folder: Path) -> JointPolicy:
    mus, asps = load_one_side(folder / MUS_FOLDER), load_one_side(folder / ASPS_FOLDER)
    if mus.any_size or mus.mus is None:
        raise ValueError(f"{folder / MUS_FOLDER}: a policy of kind {mus.kind!r}, not one of mobile users")
    if asps.any_size or asps.asps is None:
        raise ValueError(f"{folder / ASPS_FOLDER}: a policy of kind {asps.kind!r}, not one of providers")
    sizes = [(policy.architecture.num_mus, policy.architecture.num_asps) for policy in (mus, asps)]
    if sizes[0] != sizes[1]:
        raise ValueError(f"{folder}: policies of two sizes of markets, {sizes[0]} and {sizes[1]} MUs and ASPs")
    return JointPolicy(mus, asps)


def _read_description(
    path: Path, kinds: Mapping[str, type[OneSidePolicy]]
) -> tuple[type[OneSidePolicy], dict[str, Any]]:
    """The class of the policy that a file describes, and all that it says."""
    document = read_json(path)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise ValueError(f"{path}: not a policy of schema {SCHEMA!r}")
    kind = document.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{path}: a policy of kind {kind!r}, expected {' or '.join(map(repr, kinds))}")
    return kinds[kind], document
