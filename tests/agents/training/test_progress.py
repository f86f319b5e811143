"""What is shown of runs while they train, on a terminal and in a file."""

import io
import json
import re
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console
from tiny_configs import TINY, made

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.config import JointConfig
from agents.market_draws import MarketDistribution
from agents.set_training.train import train_set_policy
from agents.sweeps.follow import Followed, follow
from agents.sweeps.sweep import SweepRun, begin, train_runs
from agents.training import progress as shown
from agents.training import tensorboard
from agents.training.both import train_both
from agents.training.one_side import train_leaders
from agents.training.progress import PROGRESS_FILE, Bar, Standing, clock, read_standing, told_in_file
from experiments.execute import here
from experiments.jobs import Done
from experiments.progress import watch

STOPPING = "Stopping; the checkpoint is being written"
TINY_BOTH = made(
    JointConfig,
    scenario="duo", transitions=256, markets=8, slots=4, follower_slots=4, batch_size=32, epochs=1, hidden=(8,),
    evaluation_slots=4, final_evaluation_slots=4,
)  # fmt: skip
TINY_SET = EquilibriumConfig(
    markets=MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), updates=2, links=24, width=8, layers=1,
    evaluation_markets=2, final_evaluation_markets=2, larger_sizes=(),
)  # fmt: skip
#: Trainings and configurations that save when they are told to stop alone.
TO_STOP = {
    "leaders": (train_leaders, replace(TINY, checkpoint_seconds=1e9)),
    "both": (train_both, replace(TINY_BOTH, checkpoint_seconds=1e9)),
}


class Written(io.StringIO):
    """A file that knows when it was flushed last."""

    flushed = ""

    def flush(self):
        self.flushed = self.getvalue()


def wait_for(text, file):
    end = time.monotonic() + 60
    while text not in file.flushed:
        assert time.monotonic() < end, file.getvalue()[-500:]
        time.sleep(0.005)


@pytest.fixture
def file(monkeypatch):
    """What a single run prints where there is no terminal."""
    file = Written()
    console = Console(file=file, width=40)
    monkeypatch.setattr(shown.rich, "get_console", lambda: console)
    return file


def test_a_run_in_a_file_is_a_line_an_evaluation(file, tmp_path):
    _, metrics = train_leaders(replace(TINY, evaluate_every=128), tmp_path)
    lines = file.flushed.splitlines()
    assert len(lines) == 3
    for line, point in zip(lines, metrics["curve"][:3], strict=True):
        assert line.startswith(f"training: {point['transitions']} of 320 transitions")
        assert f"MUs' regret {point['leader_regret_relative']:.2%}" in line
        assert re.search(r", \d+:\d\d:\d\d elapsed, [\d-]+:[\d-]+:[\d-]+ left$", line)
    assert not lines[-1].endswith("-:--:-- left")


def test_both_sides_have_two_regrets_and_set_policies_count_updates(file, tmp_path):
    _, metrics = train_both(TINY_BOTH, tmp_path / "both")
    first = metrics["curve"][0]
    regrets = f"MUs' regret {first['leader_regret_relative']:.2%}, ASPs' regret {first['follower_regret_relative']:.2%}"
    assert regrets in file.flushed.splitlines()[0]
    train_set_policy(TINY_SET, tmp_path / "set")
    assert "1 of 2 updates, MUs' regret" in file.flushed.splitlines()[-1]


@pytest.mark.parametrize(("train", "config"), TO_STOP.values(), ids=TO_STOP)
def test_a_run_told_to_stop_says_so_at_once(file, tmp_path, monkeypatch, train, config):
    def told(self):
        signal.raise_signal(signal.SIGINT)
        wait_for(STOPPING, file)  # long before the checkpoint
        assert not (tmp_path / "checkpoint.pt").exists()
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(tensorboard.MarketScalars, "_on_rollout_end", told)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path)
    assert file.getvalue().count(STOPPING) == 1


def test_a_terminal_shows_a_bar_and_the_stop(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=100, _environ={})
    monkeypatch.setattr(shown.rich, "get_console", lambda: console)
    bar = Bar(1000, [{"leader_regret_relative": 0.0123}], ["leader_regret_relative"])
    bar.start(0)
    bar.update(400)
    bar.stopping()
    bar.stop()
    for text in ("training: 400 of 1,000 transitions", "MUs' regret 1.23%", "left", STOPPING):
        assert text in file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_bar_breaks_no_figure_on_a_terminal_of_any_width(monkeypatch, width):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=width, color_system=None, _environ={})
    monkeypatch.setattr(shown.rich, "get_console", lambda: console)
    point = {"leader_regret_relative": 0.1234, "follower_regret_relative": 0.0056}
    bar = Bar(1_000_000, [point], list(point))
    bar.start(0)
    bar.update(400_000)
    bar.stop()
    lines = [line.strip() for line in re.split(r"\r|\n|\x1b\[[\d?]*\w", file.getvalue())]
    assert max(map(len, lines)) <= width
    text = " ".join(lines)
    for part in ("training:", "400,000 of 1,000,000 transitions,", "MUs' regret 12.34%,", "ASPs' regret 0.56%,"):
        assert part in text
    assert re.search(r"\d:\d\d:\d\d elapsed, \d:\d\d:\d\d left", text)
    assert ("━" in text) == (width >= 72)


def test_time_left_is_that_of_what_this_process_has_done():
    standing = Standing(done=600, total=1000, first=400, seconds=10.0)
    assert standing.left == 20.0
    assert replace(standing, done=400).left is None
    assert replace(standing, done=1100).left == 0.0
    assert [clock(seconds) for seconds in (None, 0.4, 100.0, 3661.0)] == ["-:--:--", "0:00:00", "0:01:40", "1:01:01"]


def test_what_passes_before_a_run_learns_is_not_counted_as_its_speed(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(shown, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with told_in_file(tmp_path / "progress.json"):
        bar = Bar(1000, [], ())
        bar.start(400)
        for now[0], done in ((60.0, 400), (62.0, 600)):  # a minute of compiling, then two seconds of learning
            bar.update(done)
    standing = bar._standing
    assert (standing.seconds, standing.waited, standing.left) == (62.0, 60.0, 4.0)
    assert "100/s" in standing.parts
    assert "0:01:02 elapsed" in standing.parts


# Several runs --------------------------------------------------------------------------------------------------------


def followed(folder, **totals):
    return {name: Followed(folder / name, total, "transitions", ended=False) for name, total in totals.items()}


def training(run, total, curve):
    with told_in_file(run.out / PROGRESS_FILE):
        return Bar(total, curve, ["leader_regret_relative"])


def test_several_runs_are_followed_in_transitions_before_any_has_ended(tmp_path):
    file, runs = Written(), followed(tmp_path, a=1000, b=3000)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / PROGRESS_FILE).write_text("{")  # of a run that was killed
    curve = [{"leader_regret_relative": 0.5}]

    def done():
        assert not (tmp_path / "b" / PROGRESS_FILE).exists()
        bar = training(runs["b"], 3000, curve)
        bar.start(0)
        wait_for("b: 0 of 3,000 transitions, MUs' regret 50.00%", file)
        curve.append({"leader_regret_relative": 0.25})
        bar.update(1500)
        wait_for("b: 1,500 of 3,000 transitions, MUs' regret 25.00%", file)
        wait_for("all runs: 1,500 of 4,000 transitions, 0 of 2 runs ended", file)
        bar.stop()
        yield Done("b", {})
        wait_for("b: ended", file)
        yield Done("a", error="ValueError: no [good]")

    found = follow(runs, done(), Console(file=file, width=30))
    assert set(found) == {"a", "b"}
    assert "a: failed: ValueError: no [good]" in file.getvalue()
    lines = [line for line in file.getvalue().splitlines() if line.startswith("all runs")]
    assert all(line.endswith(" left") for line in lines)
    assert not lines[-1].endswith("-:--:-- left")
    assert not list(tmp_path.rglob(PROGRESS_FILE))


def test_a_terminal_shows_every_run_under_way_and_all_of_them(tmp_path):
    file, runs = Written(), followed(tmp_path, a=1000, b=3000)

    def done():
        bar = training(runs["b"], 3000, [{"leader_regret_relative": 0.5}])
        bar.start(1500)
        wait_for("regret 50.00%", file)
        wait_for("all runs: 1,500 of 4,000 transitions", file)
        bar.stop()
        yield from (Done("a", {}), Done("b", {}))

    follow(runs, done(), Console(file=file, force_terminal=True, width=120, _environ={}))
    assert "all runs" in file.getvalue()
    assert "4,000 of 4,000 transitions, 2 of 2 runs ended" in file.getvalue()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_several_runs_told_to_stop_say_so_before_they_have(tmp_path, number):
    file, before = Written(), signal.getsignal(number)

    def done():
        try:
            signal.raise_signal(number)
            yield Done("a", {})
        except KeyboardInterrupt:
            wait_for("Stopping; the checkpoints are being written", file)  # while workers write them
            raise

    with pytest.raises(KeyboardInterrupt):
        follow(followed(tmp_path, a=1000), done(), Console(file=file))
    assert signal.getsignal(number) is before


def test_several_runs_in_this_process_say_that_they_stop(tmp_path, monkeypatch):
    file = Written()
    runs = [SweepRun(replace(TINY, seed=seed, checkpoint_seconds=1e9), tmp_path / f"seed{seed}") for seed in (0, 1)]

    def told(self):
        signal.raise_signal(signal.SIGINT)
        wait_for("Stopping; the checkpoints are being written", file)

    monkeypatch.setattr(tensorboard.MarketScalars, "_on_rollout_end", told)
    begin(runs)
    with pytest.raises(KeyboardInterrupt):
        train_runs(runs, here, Console(file=file))
    assert (runs[0].out / "checkpoint.pt").exists()
    assert file.getvalue().count("Stopping") == 1
    assert not list(tmp_path.rglob(PROGRESS_FILE))


def test_what_is_no_standing_is_none(tmp_path):
    path = tmp_path / PROGRESS_FILE
    assert read_standing(path) is None
    for text in ("{", "[]", "{}", json.dumps({"done": 1, "regrets": 3}), json.dumps({"regrets": [], "new": 1})):
        path.write_text(text)
        assert read_standing(path) is None


def test_jobs_in_a_file_are_a_line_a_tenth():
    file = Written()
    keys = [str(number) for number in range(40)]
    watch("measuring", (Done(key, 0) for key in keys), dict.fromkeys(keys, 5), Console(file=file, width=20))
    lines = file.flushed.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("measuring: 20 of 200, ")


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_bar_of_jobs_is_whole_on_a_terminal_of_any_width(width):
    file, keys = io.StringIO(), ("a", "b")
    console = Console(file=file, force_terminal=True, width=width, color_system=None, _environ={})
    watch("measuring episodes", (Done(key, 0) for key in keys), dict.fromkeys(keys, 500), console)
    assert "measuring" in file.getvalue()
    assert "1000/1000" in file.getvalue()
    assert "…" not in file.getvalue()
