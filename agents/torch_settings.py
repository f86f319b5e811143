"""Settings of torch and NumPy while a policy learns or is measured: so that a run gives the same bits anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import torch


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """Have torch compute on one thread: on small matrices more of them wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def usual_numerics() -> Iterator[None]:
    """Compute with the defaults of torch and NumPy, whatever the process has set for work of its own.

    So a training gives the same bits in a notebook whose default is double precision, say, or under ``no_grad``.
    """
    dtype, precision = torch.get_default_dtype(), torch.get_float32_matmul_precision()
    elsewhere = torch.get_default_device().type != "cpu"
    torch.set_default_dtype(torch.float32)
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.device("cpu") if elsewhere else nullcontext(),  # which slows every call to torch down
            torch.inference_mode(False),  # has gradients computed, too
            torch.autocast("cpu", enabled=False),
            np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_default_dtype(dtype)
