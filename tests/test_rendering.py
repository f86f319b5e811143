import copy
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from playing import MODES, PRESETS, busy, decoded, parallel, play_slot, random_actions, same, steps_per_slot

from aigc_market_env import Scenario, follower_response, market_v0, rendering
from aigc_market_env._matplotlib import without_missing_backend

both_modes = pytest.mark.parametrize("asps", MODES)


@pytest.fixture(autouse=True)
def headless(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].use("agg")


def serve(env, rng):
    """Play one slot of a Parallel environment; the market and the outcome of the slot."""
    market, actions = env.market, random_actions(rng, env)
    for _ in range(steps_per_slot(env)):
        env.step(actions)
    rewards, compute, bandwidth = decoded(market, actions)
    if compute is None:
        response = follower_response(market, rewards)
        compute, bandwidth = response.compute, response.bandwidth
    return market, market.outcome(rewards, compute, bandwidth)


def rows_of(text):
    """The table's rows by label, cells split at blanks."""
    rows = {}
    for line in text.splitlines()[3:]:
        label = "in use" if line.startswith("in use") else line.split()[0]
        rows[label] = [float(cell) for cell in line[len(label) :].split()]
    return rows


@both_modes
@pytest.mark.parametrize("name", PRESETS)
def test_the_table_tells_the_outcome(name, asps):
    env = parallel(busy(name), asps, render_mode="ansi")
    rng = np.random.default_rng(0)
    for seed in range(5):
        env.reset(seed=seed)
        market, outcome = serve(env, rng)
        text = env.render()
        title, head, units = text.splitlines()[:3]
        assert title.startswith(name)
        assert head.split() == [*(f"asp_{n}" for n in range(market.num_asps)), "utility"]
        assert units.split() == ["reward", "TFLOP/s", "MHz", "QoE"] * market.num_asps
        assert max(map(len, text.splitlines())) <= 8 + 30 * market.num_asps + 9 + 4
        rows = rows_of(text)
        for m in range(market.num_mus):
            links = np.stack([outcome.rewards, outcome.compute, outcome.bandwidth, outcome.qoe], axis=-1)[m]
            np.testing.assert_allclose(rows[f"mu_{m}"], [*links.ravel(), outcome.mu_utility[m]], atol=6e-4)
        np.testing.assert_allclose(rows["in use"], outcome.utilisation.ravel(), atol=6e-4)
        np.testing.assert_allclose(rows["profit"], outcome.asp_profit, atol=6e-4)
        assert len(rows["price"]) == 2 * market.num_asps
        assert len(rows) == market.num_mus + 3


@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_numbers_of_a_large_market_stay_apart(scale):
    market = Scenario.preset("duo").sample(0)
    large = market.replace(
        satisfaction_scale=market.satisfaction_scale * scale,
        compute_capacity=market.compute_capacity * scale,
        bandwidth_capacity=market.bandwidth_capacity * scale,
        bits_per_token=market.bits_per_token * scale,
    )
    env = parallel(large, "agents", render_mode="ansi")
    env.reset(seed=0)
    serve(env, np.random.default_rng(0))
    rows = rows_of(env.render())
    assert [len(row) for row in rows.values()] == [5, 5, 2, 2, 1]


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_a_picture_shows_the_slot_served_last_also_once_new_rewards_are_posted(mode):
    env, rng = parallel("duo", "agents", render_mode=mode), np.random.default_rng(0)
    aec = market_v0.env("duo", render_mode=mode)
    env.reset(seed=0)
    aec.reset(seed=0)
    actions, more = random_actions(rng, env), random_actions(rng, env)
    blank = env.render()
    env.step(actions)
    assert same(env.render(), blank)
    env.step(actions)
    play_slot(aec, actions)
    shown = env.render()
    assert not same(shown, blank)
    assert same(aec.render(), shown)
    env.step(more)
    aec.step(more["mu_0"])
    aec.step(more["mu_1"])
    assert same(env.render(), shown)
    assert same(aec.render(), shown)


@both_modes
@pytest.mark.parametrize("name", ["duo", "town"])
def test_pictures_are_rgb_and_differ_between_slots(name, asps):
    env = parallel(name, asps, render_mode="rgb_array")
    env.reset(seed=0)
    pictures = [env.render()]
    for share in (0.3, 0.4):
        for _ in range(steps_per_slot(env)):
            env.step({agent: np.full(env.action_space(agent).shape, share) for agent in env.agents})
        pictures.append(env.render())
    for picture in pictures:
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert picture.shape[2] == 3
        assert picture.min() < 100
        assert picture.max() == 255
    assert len({picture.tobytes() for picture in pictures}) == 3
    assert same(env.render(), pictures[-1])


def test_frames_of_an_episode_are_of_one_size_and_numbered():
    env, aec = (make("duo", 6, "rgb_array") for make in (market_v0.parallel_env, market_v0.env))
    actions = None
    for _ in range(2):
        env.reset(seed=0)
        aec.reset(seed=0)
        frames = [env.render()]
        actions = actions or random_actions(np.random.default_rng(0), env)
        for _ in range(3):
            for _ in range(2):
                env.step(actions)
            play_slot(aec, actions)
            frames.append(env.render())
            assert same(aec.render(), frames[-1])
        assert len({frame.shape for frame in frames}) == 1
    snapshot = rendering.Snapshot.of(env._engine, "duo", slot=3)
    assert same(rendering.picture(snapshot), frames[-1])
    assert not same(rendering.picture(replace(snapshot, slot=2)), frames[-1])


def drawn(snapshot):
    """A picture's texts, and its edges as (width, colour) in the order in which they are drawn."""
    figure = Figure(figsize=(8, 6))
    rendering.draw(figure, snapshot)
    texts = [text.get_text() for text in figure.findobj(Text)]
    edges = [(line.get_linewidth(), to_hex(line.get_color())) for line in figure.axes[0].lines]
    return texts, [edge for edge in edges if edge[1] != "#ffffff"]


def test_scales_are_the_same_whatever_is_drawn():
    market = Scenario.preset("duo").sample(0)
    env = parallel(market, "agents")
    env.reset(seed=0)
    seen = []
    for share in (0.2, 0.4):
        posted = {f"mu_{m}": [share / (m + 1)] for m in range(2)}
        env.step(posted | {"asp_0": np.zeros((2, 2))})
        env.step(posted | {"asp_0": [[share, share / 2], [0.5, 0.5]]})
        snapshot = rendering.Snapshot.of(env._engine, "duo", slot=1)
        np.testing.assert_allclose(snapshot.compute_shares[:, 0], [share, share / 2])
        seen.append(drawn(snapshot)[1])
    assert seen[0][0] == (pytest.approx(0.8 + 24 * 0.2), seen[1][1][1])  # mu_0 first pays what mu_1 pays later
    assert seen[1][1] == (pytest.approx(0.8 + 24 * 0.2), seen[0][0][1])
    assert seen[1][0][0] == pytest.approx(0.8 + 24 * 0.4)


@pytest.mark.parametrize("size", [(1, 1), (8, 4), (20, 5), (50, 10)])
def test_a_picture_names_all_agents_and_scales_and_no_text_leaves_it(size):
    env = parallel(Scenario.preset("campus", num_mus=size[0], num_asps=size[1]), "best_response")
    env.reset(seed=0)
    serve(env, np.random.default_rng(0))
    snapshot = rendering.Snapshot.of(env._engine, "campus", slot=7)
    texts, _ = drawn(snapshot)
    names = {f"mu_{m}" for m in range(size[0])} | {f"asp_{n}" for n in range(size[1])}
    said = {"campus, slot 7", "utility and profit in credits per slot", "colour: reward, share of the bound ω/q"}
    assert names | said | {"width: share of the ASP's compute", "utility", "profit"} <= set(texts)
    figure = Figure(figsize=(8, 6), dpi=120)
    canvas = FigureCanvasAgg(figure)
    rendering.draw(figure, snapshot)
    canvas.draw()
    boxes = [text.get_window_extent() for text in figure.findobj(Text) if text.get_text() in names | said]
    assert len(boxes) == len(names | said)
    for box in boxes:
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= 960
        assert box.y1 <= 720
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))


def test_drawing_changes_neither_the_snapshot_nor_the_game():
    env, twin = (parallel("campus", "agents", render_mode=mode) for mode in ("rgb_array", None))
    env.reset(seed=0)
    twin.reset(seed=0)
    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    for _ in range(2):
        serve(env, rng)
        serve(twin, other)
        snapshot = rendering.Snapshot.of(env._engine, "campus", slot=1)
        before = copy.deepcopy(vars(snapshot))
        rendering.table(snapshot)
        rendering.picture(snapshot)
        assert same(vars(snapshot), before)
        env.render()
        assert same(env.state(), twin.state())


def test_a_snapshot_does_not_change_with_the_game():
    env, rng = parallel("campus", "agents"), np.random.default_rng(0)
    env.reset(seed=0)
    serve(env, rng)
    snapshot = rendering.Snapshot.of(env._engine, "campus", slot=1)
    before = copy.deepcopy(vars(snapshot))
    serve(env, rng)
    assert same(vars(snapshot), before)


@pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env])
def test_human_mode_without_a_display_draws_unseen(make):
    from matplotlib import pyplot

    before = len(pyplot.get_fignums())
    env = make("duo", render_mode="human")
    env.reset(seed=0)
    actions = random_actions(np.random.default_rng(0), env)
    if make is market_v0.env:
        play_slot(env, actions)
    else:
        env.step(actions)
    assert env.render() is None
    assert len(pyplot.get_fignums()) == before + 1
    copy.deepcopy(env).close()
    env.close()
    env.close()
    assert len(pyplot.get_fignums()) == before


def test_without_a_render_mode_nothing_is_shown():
    env = parallel()
    env.reset(seed=0)
    assert env.render() is None


@pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env])
def test_rendering_before_reset_says_so(make):
    with pytest.raises((AssertionError, AttributeError), match="reset"):
        make("duo", render_mode="ansi").render()


@pytest.mark.parametrize("mode", ["rgb_array", "human"])
def test_without_matplotlib_the_message_says_what_to_install(monkeypatch, mode):
    env = parallel(render_mode=mode)
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(gymnasium.error.DependencyNotInstalled, match=r"pip install 'aigc-market-env\[render\]'"):
        env.render()


def test_the_table_needs_no_matplotlib(monkeypatch):
    env = parallel(render_mode="ansi")
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "mu_1" in env.render()


@pytest.mark.parametrize("backend", ["nonsense", "module://no_such.backend", "module://matplotlib.no_such_backend"])
@pytest.mark.parametrize("module", ["agents.reports.figures", "baselines.study.figures", "aigc_market_env"])
def test_a_backend_that_is_not_there_is_no_hindrance(backend, module):
    """A notebook hands its own down to all that is started from it."""
    code = f"""
import {module}
from aigc_market_env import market_v0
for mode in ("rgb_array", "human"):
    env = market_v0.parallel_env("duo", render_mode=mode)
    env.reset(seed=0)
    env.render()
"""
    surroundings = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(Path(__file__).parents[1]), "DISPLAY": ""}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_a_backend_that_is_there_is_kept(monkeypatch):
    for backend in ("svg", "module://matplotlib.backends.backend_agg"):
        monkeypatch.setenv("MPLBACKEND", backend)
        without_missing_backend()
        assert os.environ["MPLBACKEND"] == backend
    monkeypatch.setenv("MPLBACKEND", "nonsense")
    without_missing_backend()
    assert "MPLBACKEND" not in os.environ
