"""evaluate.py --task, as a user types it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tiny_runs import ROOT, fails

from aigc_market_env import tasks
from aigc_market_env.evaluation.leaders import EVALUATION_SEED

CODE = """
import numpy as np

def act(observations):
    return np.full((*observations.shape[:2], 2), 0.1)

class Agent:
    def __call__(self, observations):
        return act(observations)

def wrong(observations):
    return act(observations)[:, :1]

def broken(observations):
    return observations.no_such_thing

both = {"mu": act}
number = 3
"""
FEW = (range(EVALUATION_SEED, EVALUATION_SEED + 3),)


@pytest.fixture
def code(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    return path


@pytest.fixture
def quick(monkeypatch):
    """Make a task known that takes no time."""

    def known(name="campus-v1", **changes):
        task = replace(
            tasks.make(name),
            **{"name": "quick-v1", "preset": "duo", "test_seeds": FEW, "kept_mixtures": False} | changes,
        )
        monkeypatch.setitem(tasks.TASKS, "quick-v1", task)
        return task

    return known


def score(folder):
    document = json.loads((folder / "score.json").read_text())
    return {name: value for name, value in document.items() if name != "policy"}


def test_a_policy_of_ones_own_gets_a_score_figures_and_a_table(command, code, tmp_path):
    status, out, err = command("evaluate.py", "--task", "town-scarce-v1", "--policy", f"{code}:act")
    assert (status, err) == (0, "")
    assert "score: 0 uniform play, 1 equilibrium" in out
    folder = tmp_path / "town-scarce-v1"
    found = tasks.Score.from_json(folder / "score.json")
    assert found.policy == f"{code}:act"
    assert found.mixed == 1.0
    assert len(list(folder.glob("*.png"))) >= 3
    assert len((folder / "slots.csv").read_text().splitlines()) == 1 + 32 * 4 * 10
    own = tasks.score("town-scarce-v1", lambda seen: np.full((*seen.shape[:2], 2), 0.1))
    assert replace(own, policy=found.policy) == found


def test_the_score_is_the_same_in_processes(command, code, tmp_path):
    for workers, policy in ((1, "act"), (2, "Agent"), (1, "both")):
        out = tmp_path / f"{policy} {workers}"
        words = "--task", "town-scarce-v1", "--policy", f"{code}:{policy}", "--workers", workers, "--out", out
        assert command("evaluate.py", *words)[0] == 0
    one, two, three = (score(tmp_path / name) for name in ("act 1", "Agent 2", "both 1"))
    assert one == two == three


def test_a_run_is_judged_as_its_bare_function_is(command, run, quick, tmp_path):
    quick()
    bare = tmp_path / "bare.py"
    bare.write_text(f"from agents import load_policy\nact = load_policy({str(run)!r}).act_batch\n")
    status, _, err = command("evaluate.py", "--task", "quick-v1", run, "--video")
    assert (status, err) == (0, "")
    assert command("evaluate.py", "--task", "quick-v1", "--policy", f"{bare}:act", "--out", tmp_path / "bare")[0] == 0
    assert score(run / "quick-v1") == score(tmp_path / "bare")
    with Image.open(run / "quick-v1" / "episode.gif") as video:
        assert video.n_frames == 24


def test_episodes_with_wallets_have_tables_of_their_own(command, tmp_path, quick):
    quick("wallet-v1", preset="prepaid", options={"num_mus": 3, "num_asps": 2}, horizon=4)
    path = tmp_path / "mine.py"
    path.write_text(CODE)
    status, out, err = command("evaluate.py", "--task", "quick-v1", "--policy", f"{path}:act")
    assert (status, err) == (0, "")
    assert "money left" in out
    assert (tmp_path / "quick-v1" / "episodes.csv").is_file()
    assert (tmp_path / "quick-v1" / "money_and_price.png").is_file()


def test_a_set_policy_is_judged_in_all_sizes(command, quick, tmp_path):
    quick("any-v1", preset="campus", sizes=((3, 2), (2, 1)), trained_sizes=1, test_seeds=FEW * 2)
    status, _, err = command(
        "evaluate.py", "--task", "quick-v1", ROOT / "pretrained" / "campus-set", "--video", "--out", tmp_path / "out"
    )
    assert (status, err) == (0, "")
    found = score(tmp_path / "out")
    assert found["episodes"] == 6
    assert found["roles"]["mu"]["relative_regret"]["value"] < 0.05


def test_what_cannot_be_judged_is_told(command, code, run, quick, tmp_path):
    campus, many = ROOT / "pretrained" / "campus", ROOT / "pretrained" / "campus-set"
    task = ("evaluate.py", "--task", "campus-v1")
    assert fails(command("evaluate.py", "--policy", f"{code}:act"), "--policy needs --task")
    assert fails(command("evaluate.py", "--task", "campus-v9", campus), "unknown task 'campus-v9'", "town-scarce-v1")
    assert fails(command(*task), "one run folder, or one --policy")
    assert fails(command(*task, campus, "--policy", f"{code}:act"), "one run folder, or one --policy")
    assert fails(command(*task, campus, "--markets", 3), "--markets", "campus-v1")
    assert fails(command(*task, "--policy", "act"), "FILE.py:callable")
    assert fails(command(*task, "--policy", f"{code}:act", "--workers", "1"), "numbers of shape (1, 8, 4)")
    assert fails(command(*task, run, "--out", tmp_path / "out"), "2 MUs")
    assert fails(command(*task, many, "--out", tmp_path / "out"), "any size")
    assert fails(command("evaluate.py", "--task", "private-v1", campus, "--out", tmp_path / "out"), "the price board")
    assert fails(command("evaluate.py", "--task", "any-v1", campus, "--out", tmp_path / "out"), "for one market")
    assert fails(command("evaluate.py", "--task", "asps-v1", run, "--out", tmp_path / "out"), "no policy of ASPs")
    quick("asps-v1")
    assert fails(command("evaluate.py", "--task", "quick-v1", "--policy", f"{code}:act", "--video"), "--video", "quick")
    quick("town-scarce-v1", preset="town")
    for name, message in (
        ("nobody", "has no nobody"),
        ("wrong", "the policy returned float64"),
        ("broken", "no_such_thing"),
        ("number", "must be a function"),
    ):
        words = "--task", "quick-v1", "--policy", f"{code}:{name}", "--out", tmp_path / "out"
        assert fails(command("evaluate.py", *words), message)
    assert not (tmp_path / "out").exists()
