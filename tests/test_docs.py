"""What the documentation shows runs: Python, the notebook, and the options of commands."""

import json
import re
import shlex
from pathlib import Path

import matplotlib as mpl
import pytest
import tyro

import evaluate
import train
from baselines.study import command as mechanisms

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
NOTEBOOK = ROOT / "docs" / "first-steps.ipynb"
#: A block to skip is preceded by a comment that says why.
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *python (?:train|evaluate)\.py.*$", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT / "docs"))


def cells() -> list[dict[str, object]]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place to write to, from which pretrained runs are found as from the repository."""
    (tmp_path / "pretrained").symlink_to(ROOT / "pretrained")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))], ids=name)
def test_python_of_a_page_runs_from_top_to_bottom(page, folder):
    names = {"__name__": "page"}
    for skipped, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if not skipped:
            exec(compile(block, name(page), "exec"), names)


def test_every_python_block_is_found():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(BLOCK.findall(text)) == text.count("```python"), page


def test_only_what_needs_another_library_is_not_run():
    skipped = [comment for page in PAGES for comment, _ in BLOCK.findall(page.read_text("utf-8")) if comment]
    assert skipped
    assert all(re.search("needs (supersuit|torchrl|ray)", comment) for comment in skipped)


@pytest.mark.parametrize("page", [page for page in PAGES if COMMAND.search(page.read_text("utf-8"))], ids=name)
def test_commands_of_a_page_have_such_options(page):
    for line in COMMAND.findall(page.read_text(encoding="utf-8")):
        _, program, *arguments = shlex.split(line, comments=True)
        if arguments[:1] == ["mechanisms"]:
            tyro.cli(mechanisms.Arguments, args=arguments[1:])
        elif program == "train.py":
            tyro.cli(train.Arguments, args=arguments).config()
        else:
            tyro.cli(evaluate.Arguments, args=arguments)


def test_the_notebook_runs(folder):
    mpl.use("agg")
    names = {"__name__": "notebook"}
    for cell in cells():
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    mpl.pyplot.close("all")
    learned, equilibrium, served = names["learned"], names["equilibrium"].rewards, names["served"]
    assert abs(learned[served] / equilibrium[served] - 1.0).mean() < 0.1


def test_the_notebook_is_kept_with_its_outputs_and_without_traces_of_a_machine():
    outputs = [output for cell in cells() if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert not any(output["output_type"] == "error" for output in outputs)
    text = json.dumps([{**cell, "outputs": [o.get("text", "") for o in cell.get("outputs", [])]} for cell in cells()])
    assert not re.search(r"/home/|/root/|/tmp/|/usr/|/Users/|site-packages", text)
