"""Trainings where the process has settings, or a thread, of its own: they give the same bits and leave no trace."""

import io
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from tiny_configs import TINY, made

from agents.algorithms.sac import SAC
from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.config import FollowerConfig, JointConfig
from agents.market_draws import MarketDistribution
from agents.policy.files import WEIGHTS_FILE
from agents.set_training.train import train_set_policy
from agents.sweeps.sweep import SweepRun, begin, train_runs
from agents.training.both import train_both
from agents.training.one_side import train_followers, train_leaders
from experiments.execute import here

SHARED = {"scenario": "duo", "markets": 8, "slots": 4, "batch_size": 32, "epochs": 1, "hidden": (8,)} | {
    "transitions": 128, "evaluation_slots": 4, "final_evaluation_slots": 4,
}  # fmt: skip
SETS = {
    "markets": MarketDistribution(num_mus=(2, 3), num_asps=(1, 2)), "updates": 3, "links": 24, "width": 8, "layers": 1,
    "evaluation_markets": 2, "final_evaluation_markets": 2, "larger_sizes": (),
}  # fmt: skip
KINDS = {
    "leaders": (train_leaders, replace(TINY, transitions=128)),
    "sac": (train_leaders, replace(TINY, transitions=128, algorithm=SAC(batch_size=32, epochs=1))),
    "followers": (train_followers, made(FollowerConfig, **SHARED)),
    "both": (train_both, made(JointConfig, **SHARED, follower_slots=4, follower_hidden=(6,))),
    "set": (train_set_policy, EquilibriumConfig(**SETS)),
    "set of followers": (train_set_policy, EquilibriumConfig(side="followers", **SETS)),
    "set by ppo": (train_set_policy, SetPPOConfig(**SETS)),
}
EVERY = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """Weights of runs of every kind, trained as usual."""
    found = {}
    for kind, (train, config) in KINDS.items():
        folder = tmp_path_factory.mktemp("usual")
        train(config, folder)
        found[kind] = weights(folder)
    return found


def weights(folder):
    found = [path.read_bytes() for path in sorted(folder.rglob(WEIGHTS_FILE))]
    assert found
    return found


@contextmanager
def setting(change, value, before):
    change(value)
    try:
        yield
    finally:
        change(before)


SETTINGS = {
    "double precision": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "a device": lambda: setting(torch.set_default_device, "meta", None),
    "a device of a block": lambda: torch.device("meta"),
    "no gradients": torch.no_grad,
    "inference": torch.inference_mode,
    "low precision": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "low precision of products": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "deterministic algorithms": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "strict floating point": lambda: np.errstate(all="raise"),
}


def settings():
    modes = torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu")
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        *modes,
        torch.get_float32_matmul_precision(),
        np.geterr(),
    )


@EVERY
def test_settings_of_the_process_change_no_bit_and_stay(usual, tmp_path, kind):
    train, config = KINDS[kind]
    for name, enter in SETTINGS.items():
        folder = tmp_path / name
        with enter():
            before = settings()
            train(config, folder)
            assert settings() == before, name
        assert weights(folder) == usual[kind], name


def test_settings_stay_when_training_fails(tmp_path):
    with ExitStack() as stack:
        for enter in SETTINGS.values():
            stack.enter_context(enter())
        before = settings()
        with pytest.raises(ValueError, match="nowhere"):
            train_leaders(replace(TINY, scenario="nowhere"), tmp_path)
        assert settings() == before


def test_a_learner_without_a_run_heeds_no_setting_either():
    def learned():
        learner = KINDS["set"][1].make_learner()
        learner.step()
        return [tensor.numpy().tobytes() for tensor in learner.policy().network.state_dict().values()]

    expected = learned()
    for name, enter in SETTINGS.items():
        with enter():
            assert learned() == expected, name


def in_a_thread(work):
    """What work comes to in a thread that is not the main one."""
    found = []

    def run():
        try:
            found.append(work())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if isinstance(found[0], BaseException):
        raise found[0]
    return found[0]


@EVERY
def test_a_thread_trains_and_resumes_like_any_other(usual, tmp_path, kind):
    train, config = KINDS[kind]
    for resume in (False, True):
        in_a_thread(lambda resume=resume: train(config, tmp_path, resume=resume))
        assert weights(tmp_path) == usual[kind]


def test_a_thread_trains_several_runs(usual, tmp_path):
    runs = [SweepRun(replace(KINDS["leaders"][1], seed=seed), tmp_path / str(seed)) for seed in (0, 1)]
    begin(runs)
    done = in_a_thread(lambda: train_runs(runs, here, Console(file=io.StringIO())))
    assert [one.error for one in done] == [None, None]
    assert weights(runs[0].out) == usual["leaders"]
