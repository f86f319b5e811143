"""Checkpoints from which a run goes on as if it had never stopped: weights, optimiser, random streams, markets.

A checkpoint is taken between an update and the next rollout. It is written to a file beside the old one and then
renamed, so that a run killed at any moment finds a whole one. It is read with ``weights_only=True``: numbers, no code.
Its checksums are verified first, so that a flipped bit does not go unnoticed.
"""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.market_env import MarketVecEnv

CHECKPOINT_FILE = "checkpoint.pt"


def save_checkpoint(path: Path, model: BaseAlgorithm, env: MarketVecEnv, progress: dict[str, Any]) -> None:
    """Write the state of a run; ``progress`` is whatever else, in plain numbers and lists, the run wants back."""
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002 - what stable-baselines3 draws from
    state = env.state()
    document = {
        "policy": model.policy.state_dict(),
        "optimizer": model.policy.optimizer.state_dict(),
        "num_timesteps": model.num_timesteps,
        "n_updates": model._n_updates,
        "last_obs": torch.from_numpy(np.array(model._last_obs)),
        "torch_rng": torch.get_rng_state(),
        "numpy_rng": [
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(cached),
        ],
        "markets": {name: _tensor(array) for name, array in state["markets"].items()},
        "slot": state["slot"],
        "returns": torch.from_numpy(state["returns"]),
        "progress": progress,
    }
    torch.save(document, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def load_checkpoint(path: Path, model: BaseAlgorithm, env: MarketVecEnv) -> dict[str, Any]:
    """Put a freshly made model and environment into a saved state; the progress saved with it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or does not fit the model or environment; the message names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        document = torch.load(path, weights_only=True)
        last_obs = document["last_obs"].numpy()
        if last_obs.shape[0] != env.num_envs or last_obs.shape[1:] != model.observation_space.shape:
            raise ValueError(f"last_obs has shape {last_obs.shape}")
        markets = {name: _array(tensor) for name, tensor in document["markets"].items()}
        env.restore(markets, document["slot"], document["returns"].numpy())
        model.policy.load_state_dict(document["policy"])
        model.policy.optimizer.load_state_dict(document["optimizer"])
        model.num_timesteps, model._n_updates = int(document["num_timesteps"]), int(document["n_updates"])
        model._last_obs = last_obs
        model._last_episode_starts = np.zeros(env.num_envs, bool)
        torch.set_rng_state(document["torch_rng"])
        keys, position, has_gauss, cached = document["numpy_rng"]
        state = ("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached)
        np.random.set_state(state)  # noqa: NPY002 - what stable-baselines3 draws from
        progress = dict(document["progress"])
    except FileNotFoundError:
        raise
    except Exception as error:  # damaged archives and pickles raise almost anything
        raise ValueError(f"{path}: damaged, or of a run with another configuration: {error}") from None
    return progress


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.view(np.int64) if array.dtype == np.uint64 else array)


def _array(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.numpy()
    return array.view(np.uint64) if array.dtype == np.int64 and array.ndim == 1 else array
