"""What tests of the command lines share."""

import json
from pathlib import Path

from agents.training import LeaderConfig

ROOT = Path(__file__).parents[2]
TINY = LeaderConfig(
    scenario="duo",
    transitions=640,
    markets=8,
    slots=4,
    batch_size=32,
    epochs=1,
    hidden=(8,),
    evaluate_every=200,
    evaluation_slots=4,
    final_evaluation_slots=8,
    checkpoint_seconds=1e-9,
)


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
