"""evaluate.py, as a user types it."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from PIL import Image
from tiny_runs import ROOT, evaluated, fails

from agents.policy.files import WEIGHTS_FILE, save_policy
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from aigc_market_env import Scenario
from aigc_market_env.files import LOCK_FILE, writing


def test_evaluation_writes_figures_and_numbers_into_a_folder_of_the_run(command, run):
    before = {path: path.read_bytes() for path in run.iterdir()}
    status, out, err = command("evaluate.py", run, "--markets", "8")
    assert (status, err) == (0, "")
    assert "regret" in out
    assert {path: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    folder = run / "evaluation"
    metrics, document = json.loads((run / "metrics.json").read_text()), evaluated(folder, run)
    assert document["slots"] == 8
    assert document["leader_regret_relative"] == metrics["leader_regret_relative"]
    assert set(document["plays"]) == {"learned", "equilibrium", "best_response", "uniform"}
    figures = list(folder.glob("*.png"))
    assert len(figures) >= 4
    assert all(imread(path).size for path in figures)
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    command("evaluate.py", run, "--markets", "8")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_a_run_of_which_only_policy_configuration_and_metrics_are_kept_can_be_evaluated(command, run, tmp_path):
    kept = {"config.json", "metrics.json", "policy.json", WEIGHTS_FILE}
    for path in run.iterdir():
        if path.name not in kept:
            path.unlink()
    assert command("evaluate.py", run, "--markets", "2", "--out", tmp_path / "out")[0] == 0
    assert {path.name for path in run.iterdir()} == kept
    assert command("evaluate.py", run, "--markets", "2")[0] == 0
    assert {path.name for path in run.iterdir()} == kept | {"evaluation"}


def test_a_run_is_measured_in_the_markets_of_another_preset_or_of_files(command, run, tmp_path):
    out = tmp_path / "out"
    arguments = ("evaluate.py", run, "--scenario", "traces_v0_held_out", "--out", out)
    assert command(*arguments, "--markets", "4")[0] == 0
    assert evaluated(out, run)["slots"] == 4
    Scenario.preset("duo").sample().to_json(tmp_path / "duo.json")
    assert fails(command(*arguments, "--markets", tmp_path / "duo.json"), "--scenario", "give one")
    assert fails(command("evaluate.py", run, "--scenario", "twon"), "'twon'", "the presets are")


def test_a_video_is_written_beside_the_figures(command, run, tmp_path):
    status, out, err = command("evaluate.py", run, "--markets", "2", "--video", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "episode.gif" in "".join(out.split())
    with Image.open(tmp_path / "out" / "episode.gif") as video:
        assert (video.format, video.n_frames) == ("GIF", 24)


def test_a_video_of_providers_alone_is_refused_before_anything_is_measured(command, run, tmp_path):
    architecture = FollowerArchitecture(2, 1, (4,), 1.0)
    network = architecture.network().to_empty(device="cpu")
    for weights in network.parameters():
        weights.data.zero_()
    save_policy(FollowerPolicy(architecture, network), run)
    assert fails(command("evaluate.py", run, "--video", "--out", tmp_path / "out"), "only ASPs", "--video")
    assert not (tmp_path / "out").exists()


def test_several_runs_are_evaluated_together(command, run, tmp_path):
    other = Path(shutil.copytree(run, tmp_path / "b run"))
    assert fails(command("evaluate.py", run, other), "--out")
    assert fails(command("evaluate.py", run, other, run, "--out", tmp_path / "out"), "name each run once")
    status, out, err = command("evaluate.py", run, other, "--markets", "4", "--out", tmp_path / "out")
    assert (status, err) == (0, "")
    assert "mean of all" in out
    document = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert set(document["runs"]) == {str(run), str(other)}
    assert document["together"]["2x1"]["leader_regret_relative"]["mean_interval_95"] is not None
    rows = (tmp_path / "out" / "slots.csv").read_text().splitlines()
    assert len(rows) == 1 + 2 * 4 * 4 * 3  # runs, slots, plays, agents


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_two_commands_do_not_write_into_one_folder_at_once(command, run, tmp_path):
    out = tmp_path / "out"
    with writing(out):
        for asked in ([run], ["mechanisms", "--markets", "1", "--loads"]):
            assert fails(command("evaluate.py", *asked, "--out", out), out, "another command")
            assert [path.name for path in out.iterdir()] == [LOCK_FILE]
    assert not out.exists()


def test_evaluation_on_market_files_goes_where_it_is_told(command, run, tmp_path):
    for seed in range(3):
        Scenario.preset("random", num_mus=2, num_asps=1).sample(seed).to_json(tmp_path / f"{seed}.json")
    before = {path: path.read_bytes() for path in run.iterdir()}
    for count in (1, 3):
        out = tmp_path / "deep" / str(count)
        files = [f"{seed}.json" for seed in range(count)]
        status, _, err = command("evaluate.py", run, "--out", out, "--markets", *files)
        assert (status, err) == (0, "")
        found = evaluated(out, run)
        assert found["slots"] == count
        assert (found["leader_regret_relative_interval_95"] is None) == (count == 1)
        assert len(list(out.glob("*.png"))) >= 2
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_that_was_interrupted_before_its_metrics_can_be_evaluated(command, run):
    (run / "metrics.json").unlink()
    assert command("evaluate.py", run, "--markets", "2")[0] == 0


BAD_EVALUATION = {
    "no markets": (["--markets", "0"], "--markets 0"),
    "two numbers": (["--markets", "3", "4"], "3"),
    "missing file": (["--markets", "none.json"], "none.json"),
    "folder": (["--markets", "."], "no such file"),
    "half a market": (["--markets", "3.5"], "whole number"),
    "not a market": (["--markets", "bad.json"], "bad.json"),
    "another size": (["--markets", "campus.json"], "2 MUs and 1 ASPs"),
    "two sizes": (["--markets", "duo.json", "campus.json"], "size"),
    "out a file": (["--out", "bad.json"], "bad.json"),
}


@pytest.mark.parametrize(("arguments", "word"), BAD_EVALUATION.values(), ids=BAD_EVALUATION)
def test_a_wrong_argument_of_evaluate_is_one_line(command, run, tmp_path, arguments, word):
    for name in ("duo", "campus"):
        Scenario.preset(name).sample(0).to_json(tmp_path / f"{name}.json")
    (tmp_path / "bad.json").write_bytes(b"\x80\x04\xff{")
    before = {path: path.read_bytes() for path in run.iterdir()}
    assert fails(command("evaluate.py", run, *arguments), word)
    assert {path: path.read_bytes() for path in run.iterdir()} == before


def test_what_is_not_a_run_is_named(command, tmp_path):
    for path in (tmp_path / "nowhere", tmp_path, ROOT / "train.py"):
        assert fails(command("evaluate.py", path), path)


class Trap:
    def __reduce__(self):
        return open, ("sprung", "w")


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "policy.json", WEIGHTS_FILE, "checkpoint.pt"])
@pytest.mark.parametrize("save", [lambda path: path.write_bytes(pickle.dumps(Trap())), lambda p: torch.save(Trap(), p)])
def test_no_file_of_a_run_can_make_the_commands_execute_code(command, run, tmp_path, name, save):
    save(run / name)
    if name in ("config.json", "checkpoint.pt"):
        assert fails(command("train.py", "--resume", "--out", run), name)
    if name != "checkpoint.pt":
        assert fails(command("evaluate.py", run, "--markets", "2"), name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", ["[]", "{}", '{"curve": 3}', '{"curve": [{}]}', '{"curve": [[]]}', "NaN", "{"])
def test_damaged_metrics_are_named(command, run, content):
    (run / "metrics.json").write_text(content)
    assert fails(command("evaluate.py", run, "--markets", "2"), "metrics.json")


def test_paths_that_look_like_markup_are_shown_as_they_are(command, run, tmp_path):
    odd = Path(shutil.copytree(run, tmp_path / "[bold]x"))
    status, out, _ = command("evaluate.py", odd, "--markets", "2")
    assert status == 0
    assert "[bold]x" in out
