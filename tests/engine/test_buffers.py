import gc

import numpy as np
import pytest
import torch

from aigc_market_env import BatchedMarketEnv
from aigc_market_env._engine import buffers as _sheets
from aigc_market_env._engine.buffers import Sheets

SHAPES = ((2, 3, 5), (2, 4, 6))
AGENTS = range(7)

#: Ways to go on holding a sheet, given the sheet.
HOLDS = {
    "views": lambda sheet: sheet.views.mus,
    "row": lambda sheet: sheet.rows[4],
    "part of a view": lambda sheet: sheet.views.asps[1, :, 2:4],
    "part of a row": lambda sheet: sheet.rows[0][::2],
    "tensor": lambda sheet: torch.from_numpy(sheet.views.mus),
    "tensor of a row": lambda sheet: torch.from_numpy(sheet.rows[6])[1:],
    "memory": lambda sheet: memoryview(sheet.rows[0]),
    "dictionary": lambda sheet: sheet.rows.copy(),
    "transpose": lambda sheet: sheet.views.mus.reshape(6, 5).T,
}


@pytest.mark.parametrize("hold", HOLDS)
def test_a_sheet_is_used_again_when_nobody_holds_it_and_only_then(hold):
    sheets = Sheets(SHAPES, AGENTS)
    first = sheets.take()
    assert [row.shape for row in first.rows.values()] == [(5,)] * 3 + [(6,)] * 4
    held = HOLDS[hold](first)
    second = sheets.take()
    assert second is not first
    assert not np.shares_memory(second.views.mus, first.views.mus)
    del held
    gc.collect()
    assert sheets.take() is first


def test_no_more_sheets_are_kept_than_a_loop_needs():
    sheets = Sheets(SHAPES)
    taken = [list(sheets.take().views) for _ in range(10)]
    assert len({id(views[0]) for views in taken}) == 10
    del taken
    assert len({id(sheets.take()) for _ in range(10)}) == 1


def test_without_reference_counts_nothing_is_used_again(monkeypatch):
    monkeypatch.setattr(_sheets, "_COUNTS", False)
    sheets = Sheets(SHAPES, AGENTS)
    assert sheets.take() is not sheets.take()


def test_a_loop_makes_do_with_a_few_sheets():
    env = BatchedMarketEnv("duo", 2, asps="best_response", max_cycles=None, seed=0)
    observations, _ = env.reset()
    seen = set()
    for _ in range(50):
        observations, *_ = env.step({"mu": observations["mu"][..., :1]})
        seen.add(observations["mu"].ctypes.data)
    assert 1 < len(seen) <= 3
