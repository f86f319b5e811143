"""The single-agent view, shown: pictures, windows and videos."""

import sys

import gymnasium
import numpy as np
import pytest
from playing import busy, parallel, same

from aigc_market_env.leader_v0 import LeaderEnv, LeaderVectorEnv
from aigc_market_env.registration import LEADER_ID


@pytest.fixture
def headless(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    import matplotlib

    matplotlib.use("agg")


def test_without_a_render_mode_nothing_is_shown():
    for env in (gymnasium.make(LEADER_ID, scenario="duo", render_mode=None), LeaderVectorEnv(2, "duo")):
        assert env.render_mode is None
        env.reset(seed=0)
        with pytest.warns(UserWarning, match="render"):
            assert env.unwrapped.render() is None


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_the_picture_is_that_of_the_market_environment(mode):
    env, singles = LeaderVectorEnv(2, busy("campus"), 1, render_mode=mode), []
    env.reset(seed=5)
    for lane in range(2):
        single = gymnasium.make(LEADER_ID, scenario=busy("campus"), mu=1, render_mode=mode)
        single.reset(seed=5 + lane)
        singles.append((single, parallel(busy("campus"), render_mode=mode)))
        singles[-1][1].reset(seed=5 + lane)
    for step in range(3):
        frames = env.render()
        assert type(frames) is tuple
        for lane, (single, market) in enumerate(singles):
            assert same(single.render(), frames[lane])
            assert same(market.render(), frames[lane])
            shares = env.equilibrium_rewards[lane] / market.market.reward_bound[:, None]
            shares[1] = 0.1 * step
            market.step({f"mu_{m}": row for m, row in enumerate(shares)})
            single.step(shares[1])
        env.step(np.full((2, 4), 0.1 * step))


def test_a_window_is_drawn_by_itself_and_closed(headless):
    import matplotlib.pyplot as plt

    env = gymnasium.make(LEADER_ID, scenario="duo", render_mode="human")
    env.reset(seed=0)
    (number,) = plt.get_fignums()
    shown = plt.figure(number).canvas.buffer_rgba().tobytes()
    env.step(np.full(1, 0.4))
    assert env.render() is None
    assert plt.figure(number).canvas.buffer_rgba().tobytes() != shown
    env.close()
    assert plt.get_fignums() == []
    lanes = gymnasium.make_vec(LEADER_ID, num_envs=2, scenario="duo", render_mode="human")
    lanes.reset(seed=0)
    assert lanes.render() == (None, None)
    assert len(plt.get_fignums()) == 2
    lanes.close()
    assert plt.get_fignums() == []


def test_gymnasium_makes_videos_of_it():
    env = gymnasium.make(LEADER_ID, scenario="duo", render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(np.full(1, 0.4))
    assert [frame.dtype for frame in env.render()] == [np.uint8, np.uint8]
    assert env.metadata["render_fps"] == LeaderVectorEnv.metadata["render_fps"] == 2


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("make", [gymnasium.make, gymnasium.make_vec])
@pytest.mark.parametrize("mode", ["png", "", "rgb"])
def test_another_render_mode_is_refused(make, mode):
    with pytest.raises(ValueError, match=r"render_mode = .* must be None or one of \['ansi', 'rgb_array', 'human'\]"):
        make(LEADER_ID, scenario="duo", render_mode=mode)


@pytest.mark.parametrize("mode", ["rgb_array", "human"])
def test_a_picture_without_matplotlib_tells_what_to_install(monkeypatch, mode):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    env = LeaderEnv("duo", render_mode=mode)
    show = env.reset if mode == "human" else env.render
    if mode != "human":
        env.reset()
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"aigc-market-env\[render\]"):
        show()
