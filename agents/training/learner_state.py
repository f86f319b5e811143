"""What a stable-baselines3 learner depends on, as numbers and tensors: weights, optimisers, replay, RNGs, markets."""

from collections.abc import Mapping
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.training.vec_env import MarketVecEnv


def learner_state(model: BaseAlgorithm, env: MarketVecEnv) -> dict[str, Any]:
    """All that a learner's future depends on, but for the random numbers of the process."""
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


def restore_learner(document: Mapping[str, Any], model: BaseAlgorithm, env: MarketVecEnv) -> None:
    """Put a freshly made model and environment into a saved state.

    Raises:
        Exception: of almost any kind; the state is damaged, or does not fit the model or environment.
    """
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


def random_state() -> dict[str, Any]:
    """The state of the generators of the process that learners draw from."""
    _, keys, position, has_gauss, cached = np.random.get_state(legacy=True)  # noqa: NPY002 - what stable-baselines3 draws from
    numpy_rng = [torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position), int(has_gauss), float(cached)]
    return {"torch_rng": torch.get_rng_state(), "numpy_rng": numpy_rng}


def restore_random(document: Mapping[str, Any]) -> None:
    """Go on from a :func:`random_state`."""
    torch.set_rng_state(document["torch_rng"])
    keys, position, has_gauss, cached = document["numpy_rng"]
    state = ("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached)
    np.random.set_state(state)  # noqa: NPY002 - what stable-baselines3 draws from


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array.view(np.int64) if array.dtype == np.uint64 else array)


def _array(tensor: torch.Tensor) -> np.ndarray:
    array = tensor.numpy()
    return array.view(np.uint64) if array.dtype == np.int64 and array.ndim == 1 else array
