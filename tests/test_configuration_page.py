"""The page of every field of a configuration is that of the dataclasses as they are."""

import importlib.util
import re
from pathlib import Path

import pytest

from agents.algorithms import ALGORITHMS, SET_ALGORITHMS
from agents.config import FollowerConfig, JointConfig, LeaderConfig
from agents.documents import flat

DOCS = Path(__file__).parents[1] / "docs"
CONFIGS = [
    LeaderConfig(),
    FollowerConfig(),
    JointConfig(),
    *(LeaderConfig(algorithm=kind()) for kind in ALGORITHMS.values()),
]
CONFIGS += [kind() for kind in SET_ALGORITHMS.values()]


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_configuration", DOCS / "make_configuration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(maker):
    assert maker.PAGE.read_text(encoding="utf-8") == maker.page(), "run: python docs/make_configuration.py"


def test_every_field_that_can_be_given_is_on_the_page(maker):
    told = set(re.findall(r"^\| `(\w+)` \|", maker.page(), re.MULTILINE))
    fields = {name for config in CONFIGS for name in flat(config)}
    assert fields - maker.OF_FILES == told
