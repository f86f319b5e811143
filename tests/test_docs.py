"""What the documentation shows runs: Python, the notebook, and the options of commands."""

import importlib.util
import io
import json
import re
import shlex
import subprocess
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import tyro
from rich.console import Console

import aigc_market_env
import evaluate
from agents.algorithms import ALGORITHMS
from agents.sweeps.arguments import parse
from baselines.study import command as mechanisms

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TEXTS = [*sorted(ROOT.glob("*.md")), *PAGES[1:], ROOT / "pretrained" / "README.md"]
NOTEBOOK = ROOT / "docs" / "first-steps.ipynb"
#: A block to skip is preceded by a comment that says why; one to be written into a file is titled with its name.
BLOCK = re.compile(
    r'(<!-- not run: [^\n]+ -->\n)?^```python(?: title="([^"\n]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL
)
SECTION = re.compile(r"docs/([\w-]+\.md)#([\w-]+)")
COMMAND = re.compile(r"^ *python (?:train|evaluate)\.py.*$", re.MULTILINE)


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def cells() -> list[dict[str, object]]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place to write to, from which pretrained runs are found as from the repository."""
    (tmp_path / "pretrained").symlink_to(ROOT / "pretrained")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", [page for page in PAGES if BLOCK.search(page.read_text("utf-8"))], ids=name)
def test_python_of_a_page_runs_from_top_to_bottom(page, folder):
    names = {"__name__": "page"}
    for skipped, file, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if file:
            append(folder / file, block)
        elif not skipped:
            exec(compile(block, name(page), "exec"), names)


def append(path, text):
    """What a reader does who writes a block into a file, below those before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(text + "\n\n")


def test_the_command_of_the_guide_for_a_mechanism_runs_from_the_file_that_it_tells_to_write(folder):
    guide = (ROOT / "docs" / "how-to" / "mechanism.md").read_text(encoding="utf-8")
    for _, file, block in BLOCK.findall(guide):
        if file:
            append(folder / file, block)
    commands = [shlex.split(line, comments=True)[3:] for line in COMMAND.findall(guide) if "--mechanism " in line]
    assert commands
    for words in commands:
        quick = ["--markets", "1", "--loads", "--only", "oracle", "--size", "3", "2", "--workers", "1", "--out", "out"]
        arguments = tyro.cli(mechanisms.Arguments, args=[*words, *quick])
        assert mechanisms.main(arguments, Console(file=io.StringIO())) == 0
        named = [text.partition(":")[2] for text in words if ".py:" in text]
        assert len(json.loads((folder / "out" / "mechanisms.json").read_text())["table"]) == 1 + len(named)


def test_every_python_block_is_found():
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert len(BLOCK.findall(text)) == text.count("```python"), page


def test_only_what_needs_another_library_is_not_run():
    skipped = [comment for page in PAGES for comment, _, _ in BLOCK.findall(page.read_text("utf-8")) if comment]
    assert skipped
    assert all(re.search("needs (minari|supersuit|torchrl|benchmarl|ray|wandb|mlflow)", comment) for comment in skipped)


def test_what_minari_keeps_of_a_user_has_its_regret_in_every_slot(folder, monkeypatch, capsys):
    pytest.importorskip("minari")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(folder))
    text = (ROOT / "docs" / "how-to" / "interop.md").read_text(encoding="utf-8")
    (block,) = (block for _, _, block in BLOCK.findall(text) if "import minari" in block)
    names = {"__name__": "page"}
    exec(compile(block, "interop.md", "exec"), names)
    episode = names["dataset"][0]
    assert len(names["dataset"]) == 4
    assert episode.rewards.shape == (64,)
    assert (episode.infos["regret"][1:] > 0.0).all()
    assert names["dataset"].recover_environment().spec.kwargs == {"scenario": "duo", "info_regret": True}


@pytest.mark.parametrize("page", [page for page in PAGES if COMMAND.search(page.read_text("utf-8"))], ids=name)
def test_commands_of_a_page_have_such_options(page, monkeypatch):
    text = page.read_text(encoding="utf-8")
    added = [block for _, file, block in BLOCK.findall(text) if file.startswith("agents/algorithms/")]
    with monkeypatch.context() as patch:
        for algorithm in added:
            patch.setitem(ALGORITHMS, "a2c", None)  # and gone afterwards
            exec(compile(algorithm, name(page), "exec"), {"__name__": "page"})
        for line in COMMAND.findall(text):
            _, program, *arguments = shlex.split(line, comments=True)
            if arguments[:1] == ["mechanisms"]:
                tyro.cli(mechanisms.Arguments, args=arguments[1:])
            elif program == "train.py":
                parse(None, [argument for argument in arguments if argument != "--help"])
            else:
                tyro.cli(evaluate.Arguments, args=arguments)


def test_the_tutorial_shows_the_curve_of_the_run_that_comes_along(folder, capsys):
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (block,) = (block for _, _, block in BLOCK.findall(text) if "curve" in block)
    exec(compile(block, "tutorial.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    (shown,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    head, tail = (part.splitlines() for part in shown.split("…\n"))
    assert head == printed[: len(head)]
    assert tail == printed[-len(tail) :]


def test_the_results_tell_the_regrets_of_the_runs_that_come_along():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    (row,) = re.findall(r"^.*\| `make train` \|$", text, re.MULTILINE)
    ranges = re.findall(r"(MUs|ASPs) ([\d.]+)(?:–([\d.]+))? %", row)
    metrics = json.loads((ROOT / "pretrained" / "campus" / "metrics.json").read_text())
    for (who, low, high), name in zip(ranges, ("leader", "follower"), strict=True):
        found = 100 * metrics[f"{name}_regret_relative"]
        assert float(low) - 0.005 <= found <= float(high or low) + 0.005, who
    (worst,) = re.findall(r"the worst MU forgoes ([\d.]+) %", row)
    assert f"{100 * metrics['leader_regret_worst']:.2f}" == worst


def test_sections_that_are_referred_to_exist():
    sources = [path for folder in ("aigc_market_env", "agents", "baselines") for path in (ROOT / folder).rglob("*.py")]
    referred = {found for path in sources for found in SECTION.findall(path.read_text(encoding="utf-8"))}
    assert len(referred) > 5
    for page, section in referred:
        assert section in sections_of(ROOT / "docs" / page), (page, section)
    pages = [sections_of(page) for page in (ROOT / "docs").rglob("*.md")]
    for page, section in referred:  # the site looks for a section by its name alone
        assert sum(section in sections for sections in pages) == 1, (page, section)


def sections_of(page):
    """The names by which a page's sections are linked to."""
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [re.sub(r"[^\w]+", "-", heading.lower()) for heading in headings]


def paths_told(text):
    """Folders and files of the repository that a page names in backticks, but those that it tells to write."""
    package = ROOT / "aigc_market_env"
    folders = {path.name for place in (ROOT, package) for path in place.iterdir() if path.is_dir()} - {"site", "runs"}
    to_write = [file for _, file, _ in BLOCK.findall(text)]
    for told in re.findall(r"`([\w./-]+)`", text):
        first, *inner = told.split("/")
        is_ours = inner and first in folders and not told.endswith("-v0")  # which is an environment
        if told not in to_write and (is_ours or told.endswith(".py")):
            yield told


@pytest.mark.parametrize("page", TEXTS, ids=name)
def test_paths_modules_and_links_of_a_page_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    places = ROOT, ROOT / "aigc_market_env"
    lost = [path for path in paths_told(text) if not any((place / path).exists() for place in places)]
    modules = re.findall(r"python -m ((?:benchmarks|interop)\.[a-z]\w+)", text)
    for module in modules:
        place = ROOT / module.replace(".", "/")
        lost += [] if place.with_suffix(".py").exists() or (place / "__main__.py").exists() else [module]
    links = re.findall(r"\]\((?!https?:)([^)#\s]+)", text)
    assert not lost + [link for link in links if not (page.parent / link).exists()]


def test_the_test_of_paths_finds_what_is_not_there():
    told = "`agents/gone.py`, `gone.py`, `model/`, `game/gone/`, `runs/campus-seed0`, `aigc_market_env/market-v0`"
    assert list(paths_told(told)) == ["agents/gone.py", "gone.py", "model/", "game/gone/"]
    assert not list(paths_told('`mine.py`\n```python title="mine.py"\n1\n```\n'))


def code_cells() -> list[str]:
    return ["".join(cell["source"]) for cell in cells() if cell["cell_type"] == "code"]


def test_the_notebook_runs(folder):
    mpl.use("agg")
    names = {"__name__": "notebook"}
    for code in code_cells():
        exec(compile(code, NOTEBOOK.name, "exec"), names)
    mpl.pyplot.close("all")
    assert names["served"].all()  # as the text says
    assert names["curve"][0] > 0.2
    assert names["regret"].mean() < 0.001 * names["at_equilibrium"].mean()
    assert names["deviation"] < 0.05
    assert names["relative"] < 0.001
    earned = np.array(names["of_learned"]) / names["of_equilibrium"]
    assert 0.995 < earned.min() < 1.0 < earned.max() < 1.005  # "within half a percent"
    assert names["planned"].converged
    assert names["unplanned"].money[20:-1, 0].max() < 0.1 * names["planned"].money[20, 0]  # it is short, as drawn


def install_cell(found, monkeypatch):
    """Run the cell where only some packages are found; what pip is asked for."""
    asked = []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name in found)
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.extend(command[1:]))
    exec(code_cells()[0], {"__name__": "notebook"})
    return asked


def test_the_notebook_installs_what_is_missing_and_nothing_where_all_is_there(folder, monkeypatch):
    wheel = f"aigc_market_env-{aigc_market_env.__version__}-py3-none-any.whl"
    assert install_cell(["aigc_market_env", "matplotlib"], monkeypatch) == []
    assert install_cell(["aigc_market_env"], monkeypatch) == ["-m", "pip", "install", "--quiet", "matplotlib"]
    with pytest.raises(FileNotFoundError, match=f"no {wheel} here: upload it, or change SOURCE"):
        install_cell([], monkeypatch)
    (folder / wheel).touch()
    assert install_cell(["matplotlib"], monkeypatch)[-1] == wheel


def test_the_notebook_is_kept_with_its_outputs_and_without_traces_of_a_machine():
    outputs = [output for cell in cells() if cell["cell_type"] == "code" for output in cell["outputs"]]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    assert not any(output["output_type"] == "error" for output in outputs)
    text = json.dumps([{**cell, "outputs": [o.get("text", "") for o in cell.get("outputs", [])]} for cell in cells()])
    assert not re.search(r"/home/|/root/|/tmp/|/usr/|/Users/|site-packages", text)
