import codecs
import contextlib

import pytest

from aigc_market_env import Scenario
from aigc_market_env.files import read_json, replacing


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


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_json_is_read_with_a_byte_order_mark_and_without(tmp_path, mark):
    path = tmp_path / "file.json"
    path.write_bytes(mark + '{"ω": [1, 0.1]}'.encode())
    assert read_json(path) == {"ω": [1, 0.1]}


@pytest.mark.parametrize("content", [b"", b"{", b"{'a': 1}", b"\xff\xfe\x00", b"9" * 5000, b"[" * 100_000])
def test_what_is_no_json_is_refused_by_the_name_of_the_file(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.json: not a JSON document"):
        read_json(path)
