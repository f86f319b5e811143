import sys
from pathlib import Path

import pytest

from aigc_market_env._numerics.import_closure import import_closure, sources_digest


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A package of modules that import one another in every way there is."""
    package = tmp_path / "closure_of"
    (package / "inner").mkdir(parents=True)
    texts = {
        "__init__": "from closure_of.one import thing\nfrom closure_of.apart import other",
        "one": "from closure_of.two import something\nimport numpy",
        "two": "def f():\n    import closure_of.three",
        "three": "from . import four",
        "four": "from .one import a_cycle\nfrom .inner import deep",
        "inner/__init__": "from .deeper import deep",
        "inner/deeper": "",
        "apart": "from closure_of.one import all",
        "by_package": "from closure_of import thing",
    }
    for name, text in texts.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    return package


def inner(found):
    return {name.removeprefix("closure_of.") for name in found if name.startswith("closure_of")}


def test_all_that_a_module_imports_counts_and_what_imports_it_does_not(files):
    chain = {"one", "two", "three", "four", "inner", "inner.deeper"}
    # what `inner` offers is followed to the module that has it
    assert inner(import_closure("closure_of.one")) == chain - {"inner"}
    assert inner(import_closure("closure_of.apart")) == chain - {"inner"} | {"apart"}


def test_a_name_taken_from_a_package_of_ones_own_brings_the_package(files):
    assert {"by_package", "one"} <= inner(import_closure("closure_of.by_package"))


def test_nothing_is_imported_to_know_it(files):
    import_closure("closure_of.one")
    assert not [name for name in sys.modules if name.startswith("closure_of")]


def test_libraries_are_left_out():
    assert {name.partition(".")[0] for name in import_closure("aigc_market_env.market")} == {"aigc_market_env"}


def test_libraries_of_another_environment_on_the_path_are_left_out(tmp_path, monkeypatch):
    installed = tmp_path / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (installed / "closure_library.py").write_text("import nothing_of_that_name, setuptools.command")
    (tmp_path / "closure_user.py").write_text("import closure_library")
    monkeypatch.syspath_prepend(installed)
    monkeypatch.syspath_prepend(tmp_path)
    assert list(import_closure("closure_user")) == ["closure_user"]
    assert list(import_closure("closure_library")) == ["closure_library"]


def test_kernels_stand_on_the_formulas_and_not_on_pictures():
    found = import_closure("aigc_market_env._engine.kernels")
    assert {
        "aigc_market_env.model.qoe",
        "aigc_market_env.model.links",
        "aigc_market_env._numerics.compile",
    } <= found.keys()
    assert "aigc_market_env.rendering" not in found
    assert found["aigc_market_env.model.qoe"] == Path(sys.modules["aigc_market_env.model.qoe"].__file__).resolve()


def test_mechanisms_stand_on_one_another_and_on_the_market():
    found = import_closure("baselines.proportional_share")
    assert {"baselines.buying", "aigc_market_env.game.followers", "aigc_market_env.model.qoe"} <= found.keys()
    assert "aigc_market_env.rendering" not in found


def test_the_digest_changes_with_any_source_and_version_and_with_nothing_else(files):
    def digest(*versions):
        return sources_digest(["closure_of.one"], versions)

    before = digest()
    (files / "apart.py").write_text("# not imported")
    assert digest() == before
    assert digest("numba 1") not in (before, digest("numba 2"))
    (files / "inner" / "deeper.py").write_text("deep = 1")
    assert digest() != before


def test_a_module_without_source_has_none():
    with pytest.raises(ValueError, match="nowhere_to_be_found"):
        import_closure("nowhere_to_be_found")
    with pytest.raises(ValueError, match="itertools"):
        import_closure("itertools")
