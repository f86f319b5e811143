import json

import pytest

from baselines.study.cache import Cache
from experiments.jobs import Done

FIGURES = {"a": 0.1 + 0.2, "b": None, "c": 1e-300}


def test_figures_come_back_bit_for_bit(tmp_path):
    Cache(tmp_path / "x" / "c.jsonl").keep(Done("one", FIGURES))
    assert Cache(tmp_path / "x" / "c.jsonl").find("one") == Done("one", FIGURES)


def test_what_is_kept_is_known_at_once(tmp_path):
    cache = Cache(tmp_path / "c.jsonl")
    assert cache.find("one") is None
    cache.keep(Done("one", FIGURES))
    assert cache.find("one") == Done("one", FIGURES)


def test_failures_are_tried_again(tmp_path):
    cache = Cache(tmp_path / "c.jsonl")
    cache.keep(Done("one", error="ValueError: no"))
    assert cache.find("one") is None
    assert Cache(tmp_path / "c.jsonl").find("one") is None


@pytest.mark.parametrize("torn", ['["two", {"a": 1.', '["two"', "\x00\x00", "17", '["two", 5]', '["two", {}, 3]'])
def test_a_line_that_was_cut_short_is_ignored_and_the_next_is_whole(tmp_path, torn):
    path = tmp_path / "c.jsonl"
    Cache(path).keep(Done("one", FIGURES))
    with path.open("a") as file:
        file.write(torn)
    cache = Cache(path)
    assert cache.find("one") == Done("one", FIGURES)
    assert cache.find("two") is None
    cache.keep(Done("two", {"a": 2.0}))
    again = Cache(path)
    assert again.find("two") == Done("two", {"a": 2.0})
    assert json.loads(path.read_text().splitlines()[-1]) == ["two", {"a": 2.0}]
