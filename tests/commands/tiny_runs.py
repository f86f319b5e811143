"""What tests of the command lines share."""

import json
from dataclasses import replace
from pathlib import Path

import tiny_configs

from agents.sweeps.arguments import parse

ROOT = Path(__file__).parents[2]
TINY = replace(tiny_configs.TINY, transitions=640)


def fails(result, *words):
    status, out, err = result
    assert status == 2
    assert "Traceback" not in out + err
    assert err.count("\n") == 1
    for word in words:
        assert str(word) in err
    return True


def evaluated(folder, run):
    """What evaluate.py wrote of a run on one market."""
    (found,) = json.loads((folder / "evaluation.json").read_text())["runs"][str(run)].values()
    return found


def typed(text, *more):
    """The arguments of train.py, as it reads them."""
    return parse(None, [*text.split(), *map(str, more)])
