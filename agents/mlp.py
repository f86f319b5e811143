"""The network of a policy for markets of one size: layers of one width after another, with tanh between them."""

import itertools

from torch import nn


def mlp(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    """A network whose weights are still to be loaded, with ``assign=True``.

    None are drawn, so that the random numbers of a training run do not depend on how often it is measured, and no
    memory is taken on the word of a file.
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(widths):
        layers += [nn.Linear(before, after, device="meta"), nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], outputs, device="meta"))


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
