"""Draws pictures: learning.gif, users who learn beside the equilibrium, and market.png, a slot at equilibrium.

python docs/make_figures.py    # a quarter of a minute of training first
"""

import io
from pathlib import Path

import matplotlib.image
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image
from rich.progress import track

from agents.config import LeaderConfig
from agents.reports.video import draw_rewards
from agents.training.one_side import LeaderRun
from aigc_market_env import BatchedMarketEnv, Market, follower_response, leader_regret, market_v0, solve_equilibrium
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS
from aigc_market_env.files import replacing, write_whole
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.rendering import reward_colours

HERE = Path(__file__).parent
TRANSITIONS = 300_000
SLOTS = 32  # that regret is the mean of
#: Transitions so far, relative regret over all slots, and the shares posted in the first of them.
Point = tuple[int, float, FloatArray]
FRAMES, MILLISECONDS, LAST_MILLISECONDS = 40, 150, 3000


def draw_market() -> None:
    """Write docs/market.png."""
    env = market_v0.parallel_env(scenario="campus", asps="best_response", render_mode="rgb_array")
    env.reset(seed=1)
    market = env.market
    shares = solve_equilibrium(market).rewards / market.reward_bound[:, None]
    env.step({f"mu_{m}": shares[m] for m in range(market.num_mus)})
    with replacing(HERE / "market.png") as new:
        matplotlib.image.imsave(new, env.render(), format="png")


def draw_learning() -> None:
    """Write docs/learning.gif."""
    run = LeaderRun(LeaderConfig(transitions=TRANSITIONS))
    slots, _ = posted(run)
    equilibrium = solve_equilibrium(slots)
    utility = equilibrium.outcome.mu_utility.mean()
    points: list[Point] = []
    while True:
        _, rewards = posted(run)
        points.append(
            (run.progress, float(leader_regret(slots, rewards).mean() / utility), shown(slots[0], rewards[0]))
        )
        if run.finished:
            break
        run.advance()
    every = max(1, round(len(points) / FRAMES))
    ends = [*range(1, len(points), every), len(points)]
    best = shown(slots[0], equilibrium.rewards[0])
    frames = [frame(points[:end], best) for end in track(ends, "Drawing learning.gif")]
    content = io.BytesIO()
    durations = [MILLISECONDS] * (len(frames) - 1) + [LAST_MILLISECONDS]
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)
    write_whole(HERE / "learning.gif", content.getvalue())


def posted(run: LeaderRun) -> tuple[Market, FloatArray]:
    """Slots that training has not seen, the same every time, and what is posted there after some slots of play."""
    (policy,) = run.policies().values()
    env = BatchedMarketEnv(run.config.make_scenario(), SLOTS, asps="best_response", seed=EVALUATION_SEED)
    observations, _ = env.reset()
    for _ in range(WARM_UP_SLOTS):
        observations, *_ = env.step({"mu": policy.post(env.market, observations["mu"])})
    return env.market, policy.post(env.market, observations["mu"]) * env.market.reward_bound[..., None]


def shown(market: Market, rewards: FloatArray) -> FloatArray:
    """Rewards as shares of the bound, NaN where nobody is served for them. (M, N)."""
    served = follower_response(market, rewards).throughput > 0.0
    return np.where(served, rewards / market.reward_bound[:, None], np.nan)


def frame(points: list[Point], equilibrium: FloatArray) -> Image.Image:
    """One picture: what has been learned up to the last point beside the equilibrium, and the regret so far."""
    figure = Figure(figsize=(8.0, 4.6), dpi=90)
    canvas = FigureCanvasAgg(figure)
    colours = ScalarMappable(LogNorm(0.02, 1.0), reward_colours())
    steps, regrets, shares = zip(*points, strict=True)
    panels = ((0.07, "what users have learned to post", shares[-1]), (0.575, "equilibrium", equilibrium))
    for left, title, values in panels:
        axes = figure.add_axes((left, 0.41, 0.405, 0.5))
        axes.set_title(f"{title}, %", fontsize=12)
        draw_rewards(axes, values, colours)
    axes = figure.add_axes((0.07, 0.1, 0.91, 0.18))
    axes.plot(np.array(steps) / 1000, 100 * np.array(regrets), color="#0072b2")
    axes.plot(steps[-1] / 1000, 100 * regrets[-1], "o", color="#0072b2", clip_on=False)
    axes.set(xlim=(0, TRANSITIONS / 1000), ylim=(0.003, 300), yscale="log", yticks=(0.01, 1, 100))
    axes.set_yticklabels(["0.01%", "1%", "100%"])
    axes.set_title(f"exact regret: {100 * regrets[-1]:.2g}% of the utility at equilibrium", fontsize=12, loc="left")
    axes.set_xlabel("thousands of transitions", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    canvas.draw()
    image = np.asarray(canvas.buffer_rgba())[..., :3]
    return Image.fromarray(image).quantize(64, dither=Image.Dither.NONE)


def main() -> None:
    """Write both."""
    draw_market()
    draw_learning()


if __name__ == "__main__":
    main()
