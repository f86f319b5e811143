"""Every algorithm that is registered, on either side and on both; and one more, of a single file."""

import re
from pathlib import Path

import pytest
import torch
from tiny_configs import made

from agents import load_policy
from agents.algorithms import ALGORITHMS
from agents.config import SIDES
from agents.documents import as_document, config_of
from agents.policy.files import WEIGHTS_FILE
from agents.sweeps.arguments import parse
from agents.sweeps.whole_run import train_whole

GUIDE = Path(__file__).parents[3] / "docs" / "how-to" / "algorithm.md"
SMALL = {
    "scenario": "duo", "markets": 8, "slots": 4, "hidden": (8,), "evaluation_slots": 4, "final_evaluation_slots": 4,
}  # fmt: skip
EVERY = pytest.mark.parametrize(("name", "side"), [(name, side) for name in ALGORITHMS for side in SIDES])


def weights(folder):
    found = [path.read_bytes() for path in sorted(folder.rglob(WEIGHTS_FILE))]
    assert found
    return found


def is_trained_resumed_and_loaded(name, side, folder):
    """Trained at once and in two pieces, the second of which goes on from the first's checkpoint."""
    config = made(SIDES[side], algorithm=name, **SMALL, transitions=512)
    train_whole(config, folder / "at once", resume=False)
    half = made(SIDES[side], algorithm=name, **SMALL, transitions=512, checkpoint_seconds=1e-9)
    train_whole(half, folder / "twice", resume=False)
    (folder / "twice" / "evaluation.json").unlink()
    train_whole(half, folder / "twice", resume=True)
    assert weights(folder / "twice") == weights(folder / "at once")
    policy = load_policy(folder / "at once")
    assert (policy.mus is not None, policy.asps is not None) == (side != "followers", side != "leaders")
    assert all(bool(torch.isfinite(one).all()) for one in _tensors(policy))


def _tensors(policy):
    sides = [side for side in (policy.mus, policy.asps) if side is not None]
    return [tensor for side in sides for tensor in side.network.state_dict().values()]


@EVERY
def test_every_algorithm_trains_goes_on_and_gives_a_policy(name, side, tmp_path):
    is_trained_resumed_and_loaded(name, side, tmp_path)


@EVERY
def test_every_option_of_an_algorithm_is_one_of_the_command_line_and_of_the_file(name, side):
    config = SIDES[side](algorithm=ALGORITHMS[name]())
    assert config_of(as_document(config)) == config
    asked = parse(None, ["--train", side, "--algorithm", name, "--gamma", "0.5"])
    assert asked.config == made(SIDES[side], algorithm=name, gamma=0.5)
    assert asked.given == {"gamma"}


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("gamma", [-0.1, 1.0, float("nan")])
def test_a_discount_out_of_range_is_named(name, gamma):
    with pytest.raises(ValueError, match=r"^gamma = "):
        ALGORITHMS[name](gamma=gamma)


def test_an_algorithm_is_one_file(tmp_path):
    (code,) = re.findall(r'```python title="agents/algorithms/a2c\.py"\n(.*?)```', GUIDE.read_text(), re.DOTALL)
    try:
        exec(compile(code, "a2c.py", "exec"), {"__name__": "a2c"})
        for side in SIDES:
            is_trained_resumed_and_loaded("a2c", side, tmp_path / side)
        asked = parse(None, ["--algorithm", "a2c", "--entropy", "0.01"])
        assert asked.config.algorithm.entropy == 0.01
    finally:
        ALGORITHMS.pop("a2c", None)
