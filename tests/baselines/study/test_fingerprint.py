import pytest

from aigc_market_env._numerics.import_closure import import_closure
from baselines import MECHANISMS
from baselines.study import fingerprint as module
from baselines.study.fingerprint import fingerprint


@pytest.fixture(autouse=True)
def forgotten():
    fingerprint.cache_clear()
    yield
    fingerprint.cache_clear()


def test_a_mechanism_depends_on_the_protocol_and_the_market_and_not_on_other_mechanisms():
    found = import_closure(type(MECHANISMS["uniform_reward"]).__module__)
    assert {"baselines.mechanism", "baselines.uniform_reward", "aigc_market_env.model.qoe"} <= found.keys()
    assert "baselines.fixed_reward" not in found


def test_the_fingerprint_changes_with_sources_and_libraries(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_market_share.py").write_text("import own_share_rule\n")
    (tmp_path / "own_share_rule.py").write_text("SHARE = 0.1\n")
    before = fingerprint("own_market_share")
    fingerprint.cache_clear()
    assert fingerprint("own_market_share") == before
    (tmp_path / "own_share_rule.py").write_text("SHARE = 0.25\n")
    fingerprint.cache_clear()
    changed = fingerprint("own_market_share")
    assert changed != before
    monkeypatch.setattr(module, "version", lambda name: "another")
    fingerprint.cache_clear()
    assert fingerprint("own_market_share") != changed


def test_mechanisms_from_elsewhere_have_one():
    from fakes import Share

    assert {"fakes", "baselines.mechanism"} <= import_closure(Share.__module__).keys()
