"""Checkpoints from which a run goes on as if it had never stopped: weights, optimisers, replay, RNGs, markets.

A checkpoint is taken between an update and the next rollout. It is written to a file beside the old one and then
renamed, so that a run killed at any moment, or out of disk space, finds a whole one. It is read with
``weights_only=True``: numbers, no code. Its checksums are verified first, so that a flipped bit does not go unnoticed.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.training.vec_env import MarketVecEnv
from aigc_market_env.files import write_whole

CHECKPOINT_FILE = "checkpoint.pt"

Learner = tuple[BaseAlgorithm, MarketVecEnv]


def save_checkpoint(path: Path, model: BaseAlgorithm, env: MarketVecEnv, progress: dict[str, Any]) -> None:
    """Write the state of a run; ``progress`` is whatever else, in plain numbers and lists, the run wants back."""
    _write(path, _learner_state(model, env) | _random_state() | {"progress": progress})


def load_checkpoint(path: Path, model: BaseAlgorithm, env: MarketVecEnv) -> dict[str, Any]:
    """Put a freshly made model and environment into a saved state; the progress saved with it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or does not fit the model or environment; the message names the file.
    """
    with _blaming(path):
        document = _read(path)
        _restore_learner(document, model, env)
        _restore_random(document)
        return dict(document["progress"])


def save_joint_checkpoint(path: Path, learners: Mapping[str, Learner], progress: dict[str, Any]) -> None:
    """Like :func:`save_checkpoint`, for several learners of one process, by their names."""
    states = {name: _learner_state(model, env) for name, (model, env) in learners.items()}
    _write(path, {"learners": states} | _random_state() | {"progress": progress})


def load_joint_checkpoint(path: Path, learners: Mapping[str, Learner]) -> dict[str, Any]:
    """Like :func:`load_checkpoint`, for what :func:`save_joint_checkpoint` wrote."""
    with _blaming(path):
        document = _read(path)
        for name, (model, env) in learners.items():
            _restore_learner(document["learners"][name], model, env)
        _restore_random(document)
        return dict(document["progress"])


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state of a learner that keeps it itself: numbers, tensors, lists and dictionaries of them."""
    _write(path, state)


@contextmanager
def load_state(path: Path) -> Iterator[Mapping[str, Any]]:
    """What :func:`save_state` wrote; whatever goes wrong while it is used is a ValueError that names the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or does not fit what is restored from it.
    """
    with _blaming(path):
        yield _read(path)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    """Whatever is wrong with a file is a ValueError that names it, unless there is none."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives and pickles raise almost anything
        raise ValueError(f"{path}: damaged, or of a run with another configuration: {error}") from None


def _write(path: Path, document: dict[str, Any]) -> None:
    content = io.BytesIO()
    torch.save(document, content)  # in memory: torch's own error of a full disk tells neither that nor the file
    write_whole(path, content.getvalue())


def _read(path: Path) -> Any:
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise ValueError(f"the checksum of {damaged} is wrong")
    return torch.load(path, weights_only=True)


def _learner_state(model: BaseAlgorithm, env: MarketVecEnv) -> dict[str, Any]:
    state = env.state()
    modules, variables = model._get_torch_save_params()
    return {
        **{name: attrgetter(name)(model).state_dict() for name in modules},
        **{name: attrgetter(name)(model).detach() for name in variables},
        "replay": _replay_state(model),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "last_obs": torch.from_numpy(np.array(model._last_obs)),
        "markets": {name: _tensor(array) for name, array in state["markets"].items()},
        "slot": state["slot"],
        "returns": torch.from_numpy(state["returns"]),
    }


def _restore_learner(document: dict[str, Any], model: BaseAlgorithm, env: MarketVecEnv) -> None:
    last_obs = document["last_obs"].numpy()
    if last_obs.shape[0] != env.num_envs or last_obs.shape[1:] != model.observation_space.shape:
        raise ValueError(f"last_obs has shape {last_obs.shape}")
    markets = {name: _array(tensor) for name, tensor in document["markets"].items()}
    env.restore(markets, document["slot"], document["returns"].numpy())
    modules, variables = model._get_torch_save_params()
    for name in modules:
        attrgetter(name)(model).load_state_dict(document[name])
    for name in variables:  # in place, because an optimiser may know them
        _fill(name, attrgetter(name)(model).detach().numpy(), document[name])
    _restore_replay(document["replay"], model)
    model.num_timesteps, model._n_updates = int(document["num_timesteps"]), int(document["n_updates"])
    model._last_obs = last_obs
    model._last_episode_starts = np.zeros(env.num_envs, bool)


def _replay_of(model: BaseAlgorithm) -> ReplayBuffer | None:
    return model.replay_buffer if isinstance(model, OffPolicyAlgorithm) else None


def _replay_state(model: BaseAlgorithm) -> dict[str, Any]:
    """What an off-policy learner remembers; nothing of the others."""
    replay = _replay_of(model)
    if replay is None:
        return {}
    arrays = {name: torch.from_numpy(array) for name, array in _arrays(replay).items()}
    return arrays | {"pos": replay.pos, "full": replay.full}


def _restore_replay(state: dict[str, Any], model: BaseAlgorithm) -> None:
    replay = _replay_of(model)
    if replay is not None:
        for name, array in _arrays(replay).items():
            _fill(name, array, state[name])
        replay.pos, replay.full = int(state["pos"]), bool(state["full"])


def _arrays(replay: ReplayBuffer) -> dict[str, np.ndarray]:
    return {name: value for name, value in vars(replay).items() if isinstance(value, np.ndarray)}


def _fill(name: str, array: np.ndarray, saved: torch.Tensor) -> None:
    """Copy what was saved into an array of the same shape.

    Raises:
        ValueError: it has another one.
    """
    if array.shape != tuple(saved.shape):
        raise ValueError(f"{name} has shape {tuple(saved.shape)}, expected {array.shape}")
    array[...] = saved.numpy()


def _random_state() -> dict[str, Any]:
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002 - what stable-baselines3 draws from
    numpy_rng = [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)]
    return {"torch_rng": torch.get_rng_state(), "numpy_rng": numpy_rng}


def _restore_random(document: dict[str, Any]) -> None:
    torch.set_rng_state(document["torch_rng"])
    keys, position, has_gauss, cached = document["numpy_rng"]
    state = ("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached)
    np.random.set_state(state)  # noqa: NPY002 - what stable-baselines3 draws from


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.view(np.int64) if array.dtype == np.uint64 else array)


def _array(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.numpy()
    return array.view(np.uint64) if array.dtype == np.int64 and array.ndim == 1 else array
