import contextlib

import pytest

from aigc_market_env import Scenario
from aigc_market_env.files import replacing


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with replacing(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with contextlib.suppress(OSError), replacing(str(path)) as new:
        new.write_text("half")
        raise OSError("the disk is full")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_market_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path, (old, new) = tmp_path / "market.json", (Scenario.preset("random").sample(seed) for seed in (0, 1))
    old.to_json(path)
    monkeypatch.setattr("pathlib.Path.write_text", lambda self, *_, **__: self.write_bytes(b"{") and 1 / 0)
    with pytest.raises(ZeroDivisionError):
        new.to_json(path)
    assert type(old).from_json(path) == old
