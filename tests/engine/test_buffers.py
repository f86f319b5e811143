import gc

import numpy as np
import pytest
import torch

from aigc_market_env import BatchedMarketEnv
from aigc_market_env._engine import buffers
from aigc_market_env._engine.buffers import BufferPool

SHAPES = ((2, 3, 5), (2, 4, 6))
AGENTS = range(7)

#: Ways to go on holding a buffer, given the buffer.
HOLDS = {
    "observations": lambda buffer: buffer.observations.mus,
    "row": lambda buffer: buffer.rows[4],
    "part of observations": lambda buffer: buffer.observations.asps[1, :, 2:4],
    "part of a row": lambda buffer: buffer.rows[0][::2],
    "tensor": lambda buffer: torch.from_numpy(buffer.observations.mus),
    "tensor of a row": lambda buffer: torch.from_numpy(buffer.rows[6])[1:],
    "memory": lambda buffer: memoryview(buffer.rows[0]),
    "dictionary": lambda buffer: buffer.rows.copy(),
    "transpose": lambda buffer: buffer.observations.mus.reshape(6, 5).T,
}


@pytest.mark.parametrize("hold", HOLDS)
def test_a_buffer_is_used_again_when_nobody_holds_it_and_only_then(hold):
    pool = BufferPool(SHAPES, AGENTS)
    first = pool.take()
    assert [row.shape for row in first.rows.values()] == [(5,)] * 3 + [(6,)] * 4
    held = HOLDS[hold](first)
    second = pool.take()
    assert second is not first
    assert not np.shares_memory(second.observations.mus, first.observations.mus)
    del held
    gc.collect()
    assert pool.take() is first


def test_no_more_buffers_are_kept_than_a_loop_needs():
    pool = BufferPool(SHAPES)
    taken = [list(pool.take().observations) for _ in range(10)]
    assert len({id(groups[0]) for groups in taken}) == 10
    del taken
    assert len({id(pool.take()) for _ in range(10)}) == 1


def test_without_reference_counts_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr(buffers, "_COUNTS", False)
    pool = BufferPool(SHAPES, AGENTS)
    assert pool.take() is not pool.take()


def test_a_loop_makes_do_with_a_few_buffers():
    env = BatchedMarketEnv("duo", 2, asps="best_response", max_cycles=None, seed=0)
    observations, _ = env.reset()
    seen = set()
    for _ in range(50):
        observations, *_ = env.step({"mu": observations["mu"][..., :1]})
        seen.add(observations["mu"].ctypes.data)
    assert 1 < len(seen) <= 3
