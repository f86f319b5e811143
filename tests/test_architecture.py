"""Imports run one way: from commands to agents and baselines, to experiments, to aigc_market_env; none in a circle."""

import ast
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What each top-level package may import from the others.
MAY_IMPORT = {
    "aigc_market_env": set(),
    "experiments": {"aigc_market_env"},
    "baselines": {"aigc_market_env", "experiments"},
    "agents": {"aigc_market_env", "experiments"},
    "examples": {"aigc_market_env"},
    "interop": {"aigc_market_env", "experiments", "baselines", "agents"},
    "benchmarks": {"aigc_market_env", "experiments", "baselines", "agents", "interop", "train", "evaluate"},
    "train": {"aigc_market_env", "experiments", "agents"},
    "evaluate": {"aigc_market_env", "experiments", "baselines", "agents"},
}
#: What `pip install aigc-market-env` does not bring, or only for pictures.
NOT_OF_THE_ENVIRONMENT = {"torch", "stable_baselines3", "rich", "tyro", "safetensors", "tensorboard", "ray"}


def modules(root: Path = ROOT) -> dict[str, Path]:
    """The project's own modules by name, packages by theirs."""
    files = [root / f"{name}.py" for name in MAY_IMPORT if (root / f"{name}.py").exists()]
    files += [path for name in MAY_IMPORT for path in sorted((root / name).rglob("*.py"))]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def imports(path: Path, *, as_it_loads: bool = False) -> Iterator[tuple[str, str]]:
    """What a file imports: module, and name taken from it or ""; all, or what is imported as the file is."""
    for node in _statements(ast.parse(path.read_bytes()), as_it_loads):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield from ((node.module or "", alias.name) for alias in node.names)


def _statements(node: ast.AST, as_it_loads: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if as_it_loads and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if as_it_loads and isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield from _statements(child, as_it_loads)


def arrows(found: dict[str, Path]) -> dict[str, set[str]]:
    """Which of the modules each imports, anywhere in its file; a name of a package is that package's module or face."""
    return {
        module: {
            inner if (inner := f"{origin}.{name}") in found else origin
            for origin, name in imports(path)
            if origin in found
        }
        - {module}
        for module, path in found.items()
    }


def wrong_way(found: dict[str, Path]) -> list[str]:
    """Imports that the rules forbid."""
    return [
        f"{module} imports {other}"
        for module, others in arrows(found).items()
        for other in sorted(others)
        if (own := module.partition(".")[0]) != (theirs := other.partition(".")[0]) and theirs not in MAY_IMPORT[own]
    ]


def test_no_import_runs_against_the_rules():
    assert not wrong_way(modules())


def test_no_modules_import_one_another_in_a_circle():
    TopologicalSorter(arrows(modules())).prepare()


@pytest.mark.parametrize("module", [name for name in modules() if name.partition(".")[0] == "aigc_market_env"])
def test_the_environment_imports_only_what_it_is_installed_with(module):
    path = modules()[module]
    anywhere = {origin.partition(".")[0] for origin, _ in imports(path)}
    loading = {origin.partition(".")[0] for origin, _ in imports(path, as_it_loads=True)}
    assert not anywhere & NOT_OF_THE_ENVIRONMENT
    assert "matplotlib" not in loading  # an extra, asked for as a picture is drawn


def test_no_two_files_of_tests_have_one_name():
    """Test folders are no packages: pytest would take one file for the other, where both are run together."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_what_is_forbidden_is_found(tmp_path):
    texts = {
        "aigc_market_env/__init__.py": "",
        "aigc_market_env/one.py": "def f():\n    from aigc_market_env import two\n    import matplotlib.pyplot",
        "aigc_market_env/two.py": "from aigc_market_env.one import f\nif TYPE_CHECKING:\n    import torch",
        "baselines/mine.py": "import agents.yours",
        "agents/yours.py": "from aigc_market_env import two",
        "train.py": "from agents import yours",
    }
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    found = modules(tmp_path)
    assert wrong_way(found) == ["baselines.mine imports agents.yours"]
    with pytest.raises(CycleError, match=r"aigc_market_env\.one"):
        TopologicalSorter(arrows(found)).prepare()
    assert [origin for origin, _ in imports(found["aigc_market_env.one"], as_it_loads=True)] == []
    assert [origin for origin, _ in imports(found["aigc_market_env.two"])] == ["aigc_market_env.one", "torch"]
