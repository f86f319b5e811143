"""Training that the system interrupts."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from tiny_runs import ROOT, TINY

from agents.algorithms.set_ppo import SetPPOConfig
from agents.market_draws import MarketDistribution
from agents.policy.files import WEIGHTS_FILE
from agents.run_folder import write_config
from agents.set_training.train import train_set_policy
from agents.training.one_side import train_leaders


def child(config, out):
    """train.py with a configuration, in a process of its own."""
    asked = out.with_name(f"{out.name} asked")
    write_config(config, asked)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "train.py"), "--config", str(asked), "--out", str(out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert path.exists()


def test_a_killed_run_of_a_set_policy_ends_with_the_same_bytes(tmp_path):
    small = MarketDistribution(num_mus=(2, 3), num_asps=(1, 2))
    config = SetPPOConfig(
        markets=small, updates=200, links=24, width=8, layers=1, evaluate_every=1000, evaluation_markets=2,
        final_evaluation_markets=2, larger_sizes=(), checkpoint_seconds=0.0,
    )  # fmt: skip
    killed = tmp_path / "killed"
    process = child(config, killed)
    wait_for(killed / "checkpoint.pt", process)
    process.kill()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / WEIGHTS_FILE).exists()
    rarely = replace(config, checkpoint_seconds=1e9)
    train_set_policy(rarely, killed, resume=True)
    train_set_policy(rarely, tmp_path / "whole")
    assert (killed / WEIGHTS_FILE).read_bytes() == (tmp_path / "whole" / WEIGHTS_FILE).read_bytes()


LONG = replace(TINY, transitions=64 * 80)
RARELY_SAVED = replace(LONG, checkpoint_seconds=60.0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train_leaders(RARELY_SAVED, folder)
    torch.set_num_threads(threads)
    return (folder / WEIGHTS_FILE).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_process_leaves_a_run_that_ends_with_the_same_bytes(tmp_path, uninterrupted, number):
    process = child(LONG, tmp_path)
    wait_for(tmp_path / "checkpoint.pt", process)
    time.sleep(random.Random(int(number)).uniform(0, 0.3))
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130
        assert f"python train.py --resume --out {tmp_path}" in out
    assert not (tmp_path / WEIGHTS_FILE).exists()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    _, metrics = train_leaders(RARELY_SAVED, tmp_path, resume=True)
    torch.set_num_threads(threads)
    assert (tmp_path / WEIGHTS_FILE).read_bytes() == uninterrupted
    assert metrics["transitions"] == LONG.transitions
