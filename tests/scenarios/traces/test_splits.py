import numpy as np
import pytest

from aigc_market_env.scenarios.traces.demand import COUNT_WINDOWS, FIRST_WINDOW, NEXT, demand_of
from aigc_market_env.scenarios.traces.drives import stretches
from aigc_market_env.scenarios.traces.splits import SPLITS, check_split, clients_of, drives_of, times_of
from aigc_market_env.scenarios.traces.tables import LANGUAGE_MODELS, REQUEST_LOGS, tables


@pytest.mark.parametrize(("count", "window"), [(350, 1), (343, 1), (2016, 36), (144, 36)])
def test_no_held_out_hour_is_in_training(count, window):
    training, held_out = (set(range(count)[times_of(split, count, window)]) for split in SPLITS)
    assert not training & held_out
    assert training | held_out == set(range(count))
    assert max(training) < min(held_out)
    assert len(held_out) / count == pytest.approx(0.25, abs=0.01)
    assert min(held_out) % window == 0


def test_no_held_out_client_is_in_training():
    model, rate = tables()["client_model"], tables()["client_rate"]
    training, held_out = (clients_of(split, model, rate) for split in SPLITS)
    assert sorted([*training, *held_out]) == list(range(331))
    for own in range(len(LANGUAGE_MODELS)):  # clients of all rates are in both
        of_training, of_held_out = (rate[part][model[part] == own] for part in (training, held_out))
        assert len(of_held_out) / (len(of_training) + len(of_held_out)) == pytest.approx(0.25, abs=0.02)
        assert 0.2 < np.median(of_held_out) / np.median(of_training) < 5


def test_no_held_out_drive_is_in_training():
    environment, band = tables()["drive_environment"], tables()["drive_band"]
    training, held_out = (drives_of(split, environment, band) for split in SPLITS)
    assert sorted([*training, *held_out]) == list(range(102))
    kinds = [set(zip(environment[part], band[part], strict=True)) for part in (training, held_out)]
    assert kinds[0] == kinds[1]
    seconds = [set(np.concatenate(stretches(split)).tolist()) for split in SPLITS]
    assert not seconds[0] & seconds[1]
    drives = [set(tables()["drive"][sorted(part)].tolist()) for part in seconds]
    assert drives == [set(training.tolist()), set(held_out.tolist())]


@pytest.mark.parametrize("split", SPLITS)
def test_windows_of_a_part_lead_to_one_another_only(split):
    windows = demand_of(split).windows
    firsts = windows[:, FIRST_WINDOW]
    after = windows[:, NEXT].astype(int)
    assert sorted(after) == list(range(len(windows)))
    assert (firsts[after] == firsts).all()
    assert (after[:-1] - np.arange(len(windows) - 1) == 1).sum() == len(windows) - len(REQUEST_LOGS + LANGUAGE_MODELS)
    assert sum(windows[np.unique(firsts).astype(int), COUNT_WINDOWS]) == len(windows)


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="split = 'test' must be 'training' or 'held_out'"):
        check_split("test")
