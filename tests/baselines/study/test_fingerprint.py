import pytest

from baselines import MECHANISMS
from baselines.study import fingerprint as module
from baselines.study.fingerprint import fingerprint, sources_of


@pytest.fixture
def root(tmp_path):
    files = {
        "one": "from baselines.two import something\nimport numpy",
        "two": "def f():\n    import baselines.three",
        "three": "from baselines import four",
        "four": "from baselines.one import a_cycle",
        "apart": "from baselines.one import all",
    }
    (tmp_path / "baselines").mkdir()
    for name, text in files.items():
        (tmp_path / "baselines" / f"{name}.py").write_text(text)
    return tmp_path


def names(paths):
    return [path.stem for path in paths]


def test_what_a_module_imports_counts_and_what_imports_it_does_not(root):
    assert names(sources_of("baselines.one", root)) == ["four", "one", "three", "two"]
    assert names(sources_of("baselines.apart", root)) == ["apart", "four", "one", "three", "two"]


def test_a_mechanism_depends_on_the_protocol_and_not_on_other_mechanisms():
    found = names(sources_of(type(MECHANISMS["uniform_reward"]).__module__))
    assert "mechanism" in found
    assert "uniform_reward" in found
    assert "fixed_reward" not in found


def test_the_fingerprint_changes_with_sources_and_libraries(root, monkeypatch):
    def fresh(name):
        fingerprint.cache_clear()
        return fingerprint(name)

    monkeypatch.setattr(module, "sources_of", lambda name: sources_of(name, root))
    before = {name: fresh(f"baselines.{name}") for name in ("one", "apart")}
    assert fresh("baselines.one") == before["one"]
    (root / "baselines" / "apart.py").write_text("from baselines.one import other")
    assert fresh("baselines.one") == before["one"]
    assert fresh("baselines.apart") != before["apart"]
    monkeypatch.setattr(module, "version", lambda name: "another")
    assert fresh("baselines.one") != before["one"]
    fingerprint.cache_clear()


def test_mechanisms_from_elsewhere_have_one():
    from fakes import Share

    assert set(names(sources_of(Share.__module__))) == {"fakes", "mechanism"}
