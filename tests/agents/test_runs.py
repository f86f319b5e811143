import os

import pytest

from agents.run_folder import begin_run, read_config
from agents.runs import CONFIG_FILE, latest_run_folder, new_run_folder, write_json
from aigc_market_env import Scenario
from aigc_market_env.files import FolderTakenError, read_json


def make_run(root, name, age):
    (root / name).mkdir()
    write_json(root / name / CONFIG_FILE, {})
    os.utime(root / name / CONFIG_FILE, (1e9 - age, 1e9 - age))
    return root / name


def test_a_new_run_gets_a_folder_of_its_own(tmp_path):
    for expected in ("campus-seed0", "campus-seed0-2", "campus-seed0-3"):
        folder = new_run_folder("campus-seed0", tmp_path)
        assert folder == tmp_path / expected
        folder.mkdir()


def test_the_latest_run_is_the_youngest_of_that_name(tmp_path):
    make_run(tmp_path, "campus-seed1", age=30)
    youngest = make_run(tmp_path, "campus-seed1-2", age=20)
    make_run(tmp_path, "campus-seed1-3", age=40)
    assert latest_run_folder("campus-seed1", tmp_path) == youngest


def test_the_latest_run_is_not_one_whose_name_only_begins_alike(tmp_path):
    one = make_run(tmp_path, "campus-seed1", age=30)
    make_run(tmp_path, "campus-seed10", age=10)
    make_run(tmp_path, "campus-seed1-of-mine", age=10)
    assert latest_run_folder("campus-seed1", tmp_path) == one


def test_a_name_is_not_a_pattern(tmp_path):
    run = make_run(tmp_path, "a[b]*c.d-seed0", age=0)
    make_run(tmp_path, "abxcxd-seed0", age=0)
    assert latest_run_folder("a[b]*c.d-seed0", tmp_path) == run


def test_no_run_to_resume_is_an_error_that_names_it(tmp_path):
    (tmp_path / "campus-seed0").mkdir()  # without a configuration
    with pytest.raises(ValueError, match="campus-seed0"):
        latest_run_folder("campus-seed0", tmp_path)


def test_json_is_written_whole_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"ω": [1, 0.1, None]})
    assert read_json(path) == {"ω": [1, 0.1, None]}
    with pytest.raises(TypeError):
        write_json(path, {"ω": object()})
    assert read_json(path) == {"ω": [1, 0.1, None]}
    write_json(path, 1)
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


def test_a_leftover_of_an_interrupted_write_is_not_read(tmp_path):
    write_json(tmp_path / "a.json", 1)
    (tmp_path / "a.json.new").write_text("{")
    assert read_json(tmp_path / "a.json") == 1
    write_json(tmp_path / "a.json", 2)
    assert read_json(tmp_path / "a.json") == 2


@pytest.mark.parametrize("there", [False, True])
def test_a_folder_is_begun_once(tiny, tmp_path, there):
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
        (folder / "notes.txt").touch()
    begin_run(tiny(), folder)
    with pytest.raises(FolderTakenError, match="run already holds a run; add --resume"):
        begin_run(tiny(seed=1), folder)
    assert read_config(folder) == tiny()
    assert {path.name for path in folder.iterdir()} == ({CONFIG_FILE, "notes.txt"} if there else {CONFIG_FILE})


@pytest.mark.parametrize("failing", ["write_new", "keep_market", "write_config"])
def test_a_run_that_cannot_be_begun_leaves_nothing_behind(tiny, tmp_path, monkeypatch, failing):
    market, mine = tmp_path / "m.json", tmp_path / "mine"
    Scenario.preset("duo").sample(0).to_json(market)
    mine.mkdir()

    def fail(*_):
        raise OSError("no more")

    monkeypatch.setattr(f"agents.run_folder.{failing}", fail)
    for folder in (tmp_path / "deep" / "run", mine):
        with pytest.raises(OSError, match="no more"):
            begin_run(tiny(scenario=str(market)), folder)
    assert set(tmp_path.rglob("*")) == {market, mine}
