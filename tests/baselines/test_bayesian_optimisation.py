import itertools
import sys

import numpy as np
import pytest
from markets import preset_market

from aigc_market_env.equilibrium.dual_perturbation import probe_of
from baselines.bayesian_optimisation import BayesianOptimisation
from baselines.random_search import own_utility


def test_without_the_library_it_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "skopt", None)
    with pytest.raises(ImportError, match=r"\[baselines\]"):
        BayesianOptimisation().run(preset_market(0, 2, 2, 1.0), np.random.default_rng(0))


def test_models_find_more_than_as_many_random_trials():
    pytest.importorskip("skopt")
    market = preset_market(0, 1, 2, 0.5)
    probe = probe_of(market)
    searched, drawn = (
        next(itertools.islice(search.updates(market, probe, np.random.default_rng(0)), 30, None))
        for search in (BayesianOptimisation(random_rounds=8), BayesianOptimisation(random_rounds=40))
    )
    assert own_utility(market, searched, probe(searched))[0] > own_utility(market, drawn, probe(drawn))[0]


def test_a_round_takes_one_probe():
    pytest.importorskip("skopt")
    result = BayesianOptimisation(rounds=3).run(preset_market(1, 2, 2, 1.0), np.random.default_rng(0))
    assert result.overhead.probes == result.overhead.rounds <= 3
