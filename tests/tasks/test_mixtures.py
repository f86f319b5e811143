import numpy as np

from aigc_market_env import solve_equilibrium, tasks
from aigc_market_env.equilibrium.mixed import certify_mixtures
from aigc_market_env.tasks.judged_slots import slots_of
from aigc_market_env.tasks.mixtures import path_of, read_mixtures, write_mixtures

TASK = tasks.make("town-scarce-v1")


def few(count):
    (scenario,), (seeds,) = TASK.test_scenarios, TASK.test_seeds
    supports, probabilities = read_mixtures(TASK)
    return slots_of(scenario, seeds[:count], TASK.warm_up), supports[:count], probabilities[:count]


def test_all_that_is_kept_is_certified_in_the_slots_that_are_there():
    (seeds,) = TASK.test_seeds
    found = certify_mixtures(*few(len(seeds)))
    assert found.certificate.converged.all()
    assert (found.kind == "mixed").all()


def test_what_is_kept_is_found_again():
    market, *kept = few(1)
    again, known = solve_equilibrium(market, mixed=True), certify_mixtures(market, *kept)
    assert (again.kind == "mixed").all()
    np.testing.assert_allclose(known.outcome.mu_utility, again.outcome.mu_utility, rtol=1e-4)
    np.testing.assert_allclose(known.rewards, again.rewards, rtol=1e-3)


def test_no_slot_has_a_pure_equilibrium_that_is_found():
    market, *_ = few(2)
    assert not solve_equilibrium(market).certificate.converged.any()


def test_every_slot_has_its_mixture():
    supports, probabilities = read_mixtures(TASK)
    assert len(supports) == len(probabilities) == len(TASK.test_seeds[0])
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, rtol=1e-12)


def test_writing_and_reading(tmp_path, monkeypatch):
    market, *kept = few(1)
    monkeypatch.setattr("aigc_market_env.tasks.mixtures.__file__", str(tmp_path / "mixtures.py"))
    write_mixtures(TASK, certify_mixtures(market, *kept))
    assert path_of(TASK).parent == tmp_path
    again = certify_mixtures(market, *read_mixtures(TASK))
    np.testing.assert_array_equal(again.rewards, certify_mixtures(market, *kept).rewards)
