"""What policies for markets of one size share: a network of layers, their sizes and nonlinearities, agents by name."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from aigc_market_env import Scenario
from aigc_market_env.model.parameters import FloatArray

#: What may stand between two layers, by the name that a policy's file gives it.
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


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


def checked_sizes(num_mus: object, num_asps: object, hidden: object) -> tuple[int, int, tuple[int, ...]]:
    """Sizes read from a file.

    Raises:
        ValueError: one of them is none.
    """
    widths = hidden if isinstance(hidden, list) and hidden else [None]
    sizes = [size for size in (num_mus, num_asps, *widths) if type(size) is int and 0 < size <= 65536]
    if len(sizes) < 2 + len(widths):
        raise ValueError("num_mus, num_asps and the entries of hidden must be integers from 1 to 65536")
    return sizes[0], sizes[1], tuple(sizes[2:])


def check_size(num_mus: int, num_asps: int, scenario: Scenario) -> None:
    """Make sure that a scenario has as many MUs and ASPs as a policy was trained with.

    Raises:
        ValueError: it has not.
    """
    if (num_mus, num_asps) != (scenario.num_mus, scenario.num_asps):
        raise ValueError(
            f"a policy for markets of {num_mus} MUs and {num_asps} ASPs; {scenario.name} has {scenario.num_mus} and "
            f"{scenario.num_asps}. Only set policies act in markets of other sizes"
        )


def checked_nonlinearities(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says of a network's ``activation`` and whether it is ``squashed``; files of old say neither.

    Raises:
        ValueError: one of them is impossible.
    """
    activation, squashed = document.get("activation", "tanh"), document.get("squashed", False)
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise ValueError(f"activation = {activation!r} must be {' or '.join(map(repr, ACTIVATIONS))}")
    if not isinstance(squashed, bool):
        raise ValueError(f"squashed = {squashed!r} must be true or false")
    return {"activation": activation, "squashed": squashed}


def act_by_name(
    act_batch: Callable[[npt.NDArray[np.float32]], FloatArray],
    group: str,
    count: int,
    observations: Mapping[str, npt.NDArray[np.float32]],
) -> dict[str, npt.NDArray[np.float32]]:
    """Actions of the ``count`` agents of a group among those of a PettingZoo environment.

    Raises:
        ValueError: one of their observations is missing, or there are more of them.
    """
    names = [f"{group}_{i}" for i in range(count)]
    present = [name for name in observations if name.startswith(f"{group}_")]
    if sorted(present) != sorted(names):
        strangers, missing = sorted(set(present) - set(names)), [name for name in names if name not in present]
        wrong = [f"it has no actions for {strangers}"] if strangers else []
        wrong += [f"there are no observations of {missing}"] if missing else []
        raise ValueError(f"this policy acts for {names[0]} … {names[-1]}; {' and '.join(wrong)}")
    actions = act_batch(np.stack([observations[name] for name in names])[None])[0].astype(np.float32)
    return dict(zip(names, actions, strict=True))
