"""Where results cannot go is told beforehand."""

import errno

import pytest

from experiments import places
from experiments.places import check_file, check_folder


def test_a_folder_that_can_be_written_is_let_pass_and_not_made(tmp_path):
    for out in (tmp_path, tmp_path / "a" / "b"):
        check_folder(out)
    assert not list(tmp_path.iterdir())


def test_a_file_what_is_under_one_and_a_broken_link_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "file/deep/er", "link"):
        with pytest.raises(ValueError, match=rf"^--out .*{name} .*name a folder$"):
            check_folder(tmp_path / name)
    with pytest.raises(ValueError, match=r"--cache .*too long; name another"):
        check_folder(tmp_path / ("x" * 300), "--cache")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    def refused(dir):  # noqa: A002
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(places, "TemporaryFile", refused)
    with pytest.raises(ValueError, match=r"--out .*cannot be written \(Permission denied\)"):
        check_folder(tmp_path / "new")


def test_a_file_is_checked_with_its_folder(tmp_path):
    check_file(tmp_path / "new.json", "--json")
    with pytest.raises(ValueError, match=r"--json .* is a folder; name a file"):
        check_file(tmp_path, "--json")
    with pytest.raises(ValueError, match=r"--json .*no folder"):
        check_file(tmp_path / "none" / "x.json", "--json")
