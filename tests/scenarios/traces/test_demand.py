import numpy as np
import pytest

from aigc_market_env.scenarios.traces.demand import (
    COUNT_TOKENS,
    FIRST_TOKENS,
    LEAST_LOAD,
    LOAD,
    SLOTS,
    demand_of,
)
from aigc_market_env.scenarios.traces.splits import SPLITS, times_of
from aigc_market_env.scenarios.traces.tables import (
    LANGUAGE_MODELS,
    QUANTILE_LEVELS,
    REQUEST_LOGS,
    SERVICES,
    SLOTS_PER_RATE,
    tables,
)


def windows_of(split, service):
    demand = demand_of(split)
    ends = [*demand.services, len(demand.windows)]
    place = SERVICES.index(service)
    return demand.windows[ends[place] : ends[place + 1]], demand.tokens


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", REQUEST_LOGS)
def test_a_slot_of_a_log_has_the_requests_that_arrived_in_it(split, name):
    counts = tables()[f"{name}_counts"]
    windows, tokens = windows_of(split, name)
    part = range(len(counts))[times_of(split, len(counts))]
    assert (windows[:, SLOTS] == 1).all()
    mean = counts[times_of("training", len(counts))].mean()
    np.testing.assert_allclose(windows[:, LOAD], np.maximum(counts[part] / mean, LEAST_LOAD))
    for place in (0, 7, len(windows) - 1):
        before = counts[: part[place]].sum()
        expected = tables()[f"{name}_tokens"][before : before + counts[part[place]]]
        first, count = windows[place, [FIRST_TOKENS, COUNT_TOKENS]].astype(int)
        np.testing.assert_array_equal(tokens[first : first + count], expected)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_token_counts_of_a_model_have_its_quantiles(split, name):
    windows, tokens = windows_of(split, name)
    first, count = windows[0, [FIRST_TOKENS, COUNT_TOKENS]].astype(int)
    own = np.sort(tokens[first : first + count])
    table = tables()[f"{name}_quantiles"]
    quantiles = table[times_of(split, len(table))][0]
    for level, quantile in zip(QUANTILE_LEVELS, quantiles, strict=True):  # a share of `level` is at most the quantile
        assert np.mean(own <= max(quantile, 1)) >= level - 0.01
        assert np.mean(own < quantile) <= level + 0.01


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_loads_of_a_model_are_its_rates_without_gaps(name):
    windows, _ = windows_of("training", name)
    rates = tables()[f"{name}_rates"]
    rates = rates[times_of("training", len(rates), 36)].astype(float)
    rates = rates[rates > 0]
    assert (windows[:, SLOTS] == SLOTS_PER_RATE).all()
    np.testing.assert_allclose(windows[:, LOAD], np.maximum(rates / rates.mean(), LEAST_LOAD))


@pytest.mark.parametrize("split", SPLITS)
def test_all_demand_is_positive_and_finite(split):
    demand = demand_of(split)
    assert demand.windows[:, LOAD].min() >= LEAST_LOAD
    assert demand.windows[:, LOAD].max() < 20
    assert demand.tokens.min() >= 1
    ends = demand.windows[:, FIRST_TOKENS] + demand.windows[:, COUNT_TOKENS]
    assert ends.max() == len(demand.tokens)
