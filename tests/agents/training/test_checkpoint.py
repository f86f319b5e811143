import os
import pickle
import random
import shutil
import signal
import stat

import numpy as np
import pytest
import torch

from agents.policy.files import WEIGHTS_FILE
from agents.sweeps.whole_run import train_whole
from agents.training import run as loop
from agents.training import tensorboard
from agents.training.checkpoint import CHECKPOINT_FILE, save_checkpoint
from agents.training.one_side import LeaderRun, train_leaders


class Killed(BaseException):
    """What stops a run dead."""


@pytest.fixture
def begun(tiny):
    """A run that has not learned anything yet."""
    return LeaderRun(tiny())


def killed_at_save(monkeypatch, number, half_written):
    """Have the ``number``-th checkpoint be the death of the run: before it is written, or half-way through."""
    count = 0

    def save(path, *rest):
        nonlocal count
        count += 1
        if count == number:
            if half_written:
                path.with_suffix(".new").write_bytes(b"PK half a checkpoint")
            raise Killed
        save_checkpoint(path, *rest)

    monkeypatch.setattr(loop, "save_checkpoint", save)


@pytest.mark.parametrize("half_written", [False, True])
def test_a_run_killed_again_and_again_ends_with_the_same_bytes(tiny, finished_run, tmp_path, monkeypatch, half_written):
    for resume in (False, True, True):
        with monkeypatch.context() as patch:
            killed_at_save(patch, 2, half_written)
            with pytest.raises(Killed):
                train_leaders(tiny(), tmp_path, resume=resume)
        assert not (tmp_path / WEIGHTS_FILE).exists()
    _, metrics = train_leaders(tiny(), tmp_path, resume=True)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (finished_run / WEIGHTS_FILE).read_bytes()
    assert [point["transitions"] for point in metrics["curve"]] == [0, 256, 320]
    assert metrics["transitions"] == 320


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_told_to_stop_saves_itself_and_ends_with_the_same_bytes(
    tiny, finished_run, tmp_path, monkeypatch, number
):
    config = tiny(checkpoint_seconds=1e9)
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        patch.setattr(tensorboard.MarketScalars, "_on_rollout_end", lambda self: signal.raise_signal(number))
        with pytest.raises(KeyboardInterrupt):
            train_leaders(config, tmp_path)
    assert signal.getsignal(number) is before
    assert (tmp_path / CHECKPOINT_FILE).exists()
    train_leaders(config, tmp_path, resume=True)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (finished_run / WEIGHTS_FILE).read_bytes()


def test_a_crash_gives_the_signal_handlers_back(tiny, tmp_path, monkeypatch):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    killed_at_save(monkeypatch, 1, half_written=False)
    with pytest.raises(Killed):
        train_leaders(tiny(), tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_resuming_before_the_first_checkpoint_begins_anew(tiny, finished_run, tmp_path):
    train_leaders(tiny(), tmp_path, resume=True)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == (finished_run / WEIGHTS_FILE).read_bytes()


def test_resuming_a_finished_run_trains_no_more(tiny, run, monkeypatch):
    before = (run / WEIGHTS_FILE).read_bytes()
    monkeypatch.setattr(tensorboard.MarketScalars, "_on_rollout_end", lambda self: pytest.fail("a rollout"))
    _, metrics = train_leaders(tiny(), run, resume=True)
    assert (run / WEIGHTS_FILE).read_bytes() == before
    assert metrics["transitions"] == 320


def test_a_checkpoint_of_another_configuration_is_refused(tiny, run):
    for change in ({"learning_rate": 2e-3}, {"markets": 4}, {"hidden": (9,)}, {"seed": 1}, {"scenario": "campus"}):
        with pytest.raises(ValueError, match=r"checkpoint\.pt: .*configuration"):
            train_leaders(tiny(**change), run, resume=True)


def test_a_checkpoint_that_does_not_fit_on_the_disk_is_named_and_the_old_one_stays(begun, run, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "full" / CHECKPOINT_FILE
    path.parent.mkdir()
    begun.load(run)
    save_checkpoint(path, document := begun._state())
    before, (soft, hard) = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
    try:
        with pytest.raises(OSError, match=r"checkpoint\.pt'$"):
            save_checkpoint(path, document)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == before
    save_checkpoint(path, document)
    assert path.read_bytes() == before  # nor does a checkpoint depend on what its file was called meanwhile


@pytest.mark.skipif(os.name != "posix", reason="POSIX")
def test_every_file_of_a_run_may_be_read_by_whom_the_umask_lets(tiny, tmp_path):
    before = os.umask(0o002)
    try:
        train_whole(tiny(), tmp_path, resume=False)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*") if path.is_file()}
    assert {WEIGHTS_FILE, CHECKPOINT_FILE, "config.json", "learning.png"} <= set(modes)
    assert set(modes.values()) == {0o664}


def test_a_run_made_longer_is_exactly_resumable_and_its_rate_falls_to_the_new_end(
    tiny, finished_run, tmp_path, monkeypatch
):
    longer = tiny(transitions=640)
    rates = []
    monkeypatch.setattr(
        tensorboard.MarketScalars, "_on_rollout_end", lambda self: rates.append(self.model.lr_schedule(1.0))
    )
    for name in ("whole", "killed"):
        shutil.copytree(finished_run, tmp_path / name)
    _, metrics = train_leaders(longer, tmp_path / "whole", resume=True)
    assert metrics["transitions"] == 640
    assert np.allclose(rates, [4e-4, 3e-4, 2e-4, 1e-4, 0.0])  # of the last five of ten in all
    for _ in range(2):
        with monkeypatch.context() as patch:
            killed_at_save(patch, 2, half_written=False)
            with pytest.raises(Killed):
                train_leaders(longer, tmp_path / "killed", resume=True)
    train_leaders(longer, tmp_path / "killed", resume=True)
    assert (tmp_path / "killed" / WEIGHTS_FILE).read_bytes() == (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()
    assert (tmp_path / "whole" / WEIGHTS_FILE).read_bytes() != (finished_run / WEIGHTS_FILE).read_bytes()
    with pytest.raises(ValueError, match=r"checkpoint\.pt: .*configuration"):
        train_leaders(tiny(), tmp_path / "whole", resume=True)


def test_a_missing_checkpoint_is_not_called_damaged(begun, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"checkpoint\.pt"):
        begun.load(tmp_path)


@pytest.mark.parametrize("save_trap", [lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save])
def test_code_in_a_checkpoint_is_not_executed(begun, tmp_path, trap, save_trap):
    trapped, sprung = trap
    save_trap(trapped, tmp_path / CHECKPOINT_FILE)
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        begun.load(tmp_path)
    assert not sprung.exists()


def test_a_damaged_checkpoint_is_an_error_that_names_it(begun, run):
    path = run / CHECKPOINT_FILE
    good = path.read_bytes()
    rng = random.Random(0)
    accepted = 0
    for i in range(200):
        content = bytearray(good)
        if i % 2:
            del content[rng.randrange(len(content)) :]
        else:
            for _ in range(1 + 19 * (i % 4 == 0)):
                content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            begun.load(run)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017 - a flip in the padding of the archive does no harm
        else:
            accepted += 1
            document = torch.load(path, weights_only=True)
            saved = document["learners"]["."]["policy"]["action_net.weight"]
            assert torch.equal(saved, begun.mus.model.policy.action_net.weight)
    assert accepted < 40


def of_learner(change):
    """A change of what a checkpoint holds of its learner."""
    return lambda document: document | {"learners": {".": change(document["learners"]["."])}}


WRONG = {
    "not a dictionary": lambda document: [document],
    "slot": of_learner(lambda learner: learner | {"slot": "many"}),
    "weights": of_learner(lambda learner: learner | {"policy": {}}),
    "no markets": of_learner(lambda learner: learner | {"markets": {}}),
    "observations of another market": of_learner(lambda learner: learner | {"last_obs": torch.zeros(3, 3)}),
    "returns": of_learner(lambda learner: learner | {"returns": torch.zeros(1)}),
    "missing": of_learner(lambda learner: {name: learner[name] for name in learner if name != "policy.optimizer"}),
    "no learner": lambda document: document | {"learners": {}},
    "another learner": lambda document: document | {"learners": {"mus": document["learners"]["."]}},
    "curve": lambda document: document | {"curve": 3},
    "rollouts": lambda document: document | {"rollouts": "many"},
    "configuration": lambda document: document | {"config": 3},
    "random numbers": lambda document: document | {"torch_rng": torch.zeros(3, dtype=torch.uint8)},
    "numpy": lambda document: document | {"numpy_rng": [torch.zeros(3, dtype=torch.int64), 0, 0, 0.0]},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_checkpoint_with_a_wrong_entry_is_an_error_that_names_it(begun, run, change):
    path = run / CHECKPOINT_FILE
    torch.save(change(torch.load(path, weights_only=True)), path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt"):
        begun.load(run)
