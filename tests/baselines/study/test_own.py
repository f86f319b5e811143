"""Mechanisms of a user's own, from a file or a module, wherever they are played."""

import ast
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tyro
from rich.console import Console

from baselines import MECHANISMS
from baselines.study.command import Arguments, main, plan_of
from baselines.study.comparison import MEAN, benchmark_values
from baselines.study.jobs import Setting, Trial
from baselines.study.own import own_mechanisms
from baselines.study.study import Results, Study
from experiments.execute import here, in_processes

ROOT = Path(__file__).parents[3]
SETTING = Setting("campus", 3, 2, 1.0)

MINE = """
from dataclasses import dataclass

import numpy as np

from baselines import MechanismResult
from beside import SHARE


@dataclass(frozen=True)
class Mine:
    name: str = "mine"
    label: str = "my [own] one"

    def run(self, market, rng):
        rewards = np.repeat(SHARE * market.reward_bound[:, None], market.num_asps, axis=1)
        return MechanismResult.of_rewards(market, rewards)


@dataclass(frozen=True)
class Another(Mine):
    name: str = "another"
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("beside", None)
    (tmp_path / "beside.py").write_text("from further import SHARE")
    (tmp_path / "further.py").write_text("SHARE = 0.25")
    sys.modules.pop("further", None)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path / "mine.py"


def loaded(text):
    (found,) = own_mechanisms([str(text)], MECHANISMS)
    return found


def test_a_class_in_a_file_is_played_as_one_of_the_projects(mine):
    own = loaded(f"{mine}:Mine")
    assert (own.name, own.label) == ("mine", "my [own] one")
    found = own.run(SETTING.market(3), np.random.default_rng(0)).outcome
    np.testing.assert_array_equal(found.rewards, 0.25 * np.repeat(SETTING.market(3).reward_bound[:, None], 2, axis=1))
    figures = Trial(SETTING, 3, own).run()
    assert figures["mu_utility"] == found.mu_utility.mean()


def test_a_class_in_a_module_too(mine, monkeypatch):
    package = mine.parent / "my_package_of_mechanisms"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text(MINE.replace("from beside", "from .other"))
    (package / "other.py").write_text("SHARE = 0.75")
    monkeypatch.chdir(mine.parent)
    own = loaded("my_package_of_mechanisms.part:Mine")
    assert own.run(SETTING.market(3), np.random.default_rng(0)).outcome.rewards[0, 0] == pytest.approx(
        0.75 * SETTING.market(3).reward_bound[0]
    )
    before = own.code
    (package / "other.py").write_text("SHARE = 0.5")
    assert fresh(own) != before


def fresh(own):
    """The code as another process would see it."""
    from baselines.study.fingerprint import fingerprint

    fingerprint.cache_clear()
    return own.code


def test_kept_results_depend_on_the_file_and_on_what_it_imports_from_beside_it(mine):
    own, folder = loaded(f"{mine}:Mine"), mine.parent
    codes = [fresh(own)]
    for file, text in (("further.py", "SHARE = 0.5"), ("beside.py", "SHARE = 0.5"), ("mine.py", MINE + "\n")):
        (folder / file).write_text(text)
        codes.append(fresh(own))
    assert len(set(codes)) == 4
    (folder / "unrelated.py").write_text("SHARE = 0.5")
    assert fresh(own) == codes[-1]


def test_it_travels_to_processes_that_have_never_seen_the_file(mine):
    trials = [Trial(SETTING, seed, loaded(f"{mine}:Mine")) for seed in range(2)]
    apart = {done.key: done for done in in_processes(2)(trials)}
    assert [apart[done.key] for done in here(trials)] == list(here(trials))
    assert all(done.error is None for done in apart.values())


def test_what_travels_is_where_the_class_is(mine):
    pickled = pickle.dumps(Trial(SETTING, 0, loaded(f"{mine}:Mine")))  # as Ray gets it
    code = "import pickle, sys; print(pickle.loads(sys.stdin.buffer.read()).run()['mu_utility'])"
    done = subprocess.run([sys.executable, "-c", code], input=pickled, capture_output=True, cwd=ROOT, check=True)
    assert float(done.stdout) == Trial(SETTING, 0, loaded(f"{mine}:Mine")).run()["mu_utility"]


def test_the_command_has_it_in_tables_and_files(mine, tmp_path):
    words = ["--mechanism", f"{mine}:Mine", "--mechanism", f"{mine}:Another", "--only", "oracle"]
    quick = ["--markets", "2", "--size", "3", "2", "--loads", "--workers", "1", "--out", str(tmp_path / "out")]
    text = io.StringIO()
    assert main(tyro.cli(Arguments, args=[*words, *quick]), Console(file=text)) == 0
    assert "my [own] one" in text.getvalue()
    assert "worst MU" in text.getvalue()
    summary = json.loads((tmp_path / "out" / "mechanisms.json").read_text())
    assert list(summary["table"]) == ["oracle", "mine", "another"]
    assert summary["table"]["mine"]["mu_regret_worst"]["value"] > summary["table"]["mine"]["mu_regret"]["value"] > 0
    header = (tmp_path / "out" / "mechanisms.csv").read_text().splitlines()[0].split(",")
    assert {"mu_regret", "mu_regret_worst", "asp_regret", "asp_regret_worst"} < set(header)


def test_several_may_follow_one_option_or_each_have_its_own(mine):
    for words in (
        ["--mechanism", f"{mine}:Mine", f"{mine}:Another"],
        ["--mechanism", f"{mine}:Mine", "--mechanism", f"{mine}:Another"],
    ):
        plan = plan_of(tyro.cli(Arguments, args=[*words, "--only", "oracle"]))
        assert [mechanism.name for mechanism in plan.mechanisms] == ["oracle", "mine", "another"]


def test_the_mean_of_the_benchmarks_is_that_of_the_project(mine):
    plan = plan_of(Arguments(mechanism=((f"{mine}:Mine",),), only=("fixed_reward",), size=(3, 2), markets=2, loads=()))
    trials = plan.trials([plan.table], plan.mechanisms)
    played = Results(plan.seeds, zip(trials, here(trials), strict=True))
    study = Study(plan, played, played, played)
    mean = benchmark_values(study, plan.table, MEAN, "mu_utility")
    np.testing.assert_array_equal(mean, played.values(plan.table, "fixed_reward", "mu_utility"))


FAULTS = {
    "mine.py": "must be like FILE.py:Class or module:Class",
    "mine.py:": "must be like FILE.py:Class or module:Class",
    "nowhere.py:Mine": "no such file: nowhere.py",
    "no_such_module_anywhere:Mine": "no module no_such_module_anywhere can be imported; name a file",
    "no_such.module:Mine": "no module no_such.module can be imported; name a file",
    "mine.py:Yours": ".*mine.py has no class Yours; there are Mine, Another",
    "faulty.py:Mine": "importing .*faulty.py failed: ZeroDivisionError",
    "unreadable.py:Mine": "importing .*unreadable.py failed: SyntaxError",
    "needy.py:Mine": "importing .*needy.py failed: ModuleNotFoundError: No module named 'no_such_library'",
    "kinds.py:value": "that is no class; name the class of a mechanism",
    "kinds.py:NoRun": "that is no mechanism, it lacks label, run; see docs/how-to/mechanism.md",
    "kinds.py:Needy": "it is made without arguments, so give them defaults: missing a required argument: 'share'",
    "kinds.py:Refusing": "making it failed: RuntimeError: not today",
    "kinds.py:OldRun": "its run must take a market and a random generator",
    "kinds.py:Oracle": "there is a mechanism called 'oracle' already",
    "kinds.py:Mean": "there is a mechanism called 'mean_of_benchmarks' already",
    "kinds.py:Spaced": "its name 'a b' must be of letters",
    "kinds.py:Unlabelled": "its label None must be a line of text",
}
KINDS = """
value = 3
class Base:
    name, label = "base", "base"
    def run(self, market, rng): ...
class NoRun:
    name = "no_run"
class Needy(Base):
    def __init__(self, share): ...
class Refusing(Base):
    def __init__(self): raise RuntimeError("not today")
class OldRun(Base):
    def run(self, market): ...
class Oracle(Base):
    name = "oracle"
class Mean(Base):
    name = "mean_of_benchmarks"
class Spaced(Base):
    name = "a b"
class Unlabelled(Base):
    label = None
"""


@pytest.mark.parametrize(("text", "problem"), FAULTS.items(), ids=FAULTS)
def test_what_is_wrong_is_told_and_nothing_is_written(mine, monkeypatch, text, problem):
    folder = mine.parent
    (folder / "faulty.py").write_text("1 / 0")
    (folder / "unreadable.py").write_text("class Mine(:")
    (folder / "needy.py").write_text("import no_such_library")
    (folder / "kinds.py").write_text(KINDS)
    monkeypatch.chdir(folder)
    with pytest.raises(ValueError, match=f"^--mechanism {text}: {problem}|^--mechanism {text} {problem}"):
        main(Arguments(mechanism=((text,),), out=folder / "out"), Console(file=io.StringIO()))
    assert not (folder / "out").exists()


def test_two_of_one_name_are_refused(mine):
    with pytest.raises(ValueError, match="there is a mechanism called 'mine' already"):
        own_mechanisms([f"{mine}:Mine", f"{mine}:Mine"], MECHANISMS)


def test_a_result_of_another_kind_is_told_with_the_market(mine):
    mine.write_text(MINE + "\n\nclass Odd(Mine):\n    def run(self, market, rng):\n        return 3\n")
    (done,) = here([Trial(SETTING, 0, loaded(f"{mine}:Odd"))])
    assert done.error == "TypeError: Odd.run gave int, not a MechanismResult"


def test_the_help_says_that_code_is_executed(capsys):
    with pytest.raises(SystemExit):
        tyro.cli(Arguments, args=["--help"])
    assert "executes the code of the file" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_mechanism_of_the_project_may_take_the_protocol_from_the_package(tmp_path):
    shutil.copytree(ROOT / "baselines", tmp_path / "baselines", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (tmp_path / "baselines", *(tmp_path / "baselines").rglob("*")):
        path.chmod(0o755)  # the repository may be one that can only be read
    path = tmp_path / "baselines" / "throughput_greedy.py"
    text = path.read_text()
    assert ast.parse(text)
    path.write_text(text.replace("from baselines.mechanism import", "from baselines import"))
    assert path.read_text() != text
    code = "import baselines; print(len(baselines.MECHANISMS), baselines.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert done.stdout.split() == [str(len(MECHANISMS)), str(tmp_path / "baselines" / "__init__.py")]
