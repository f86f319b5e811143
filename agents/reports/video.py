"""An episode as a GIF: rewards as learned on the left, at equilibrium of the very same slots on the right.

What is drawn of a slot are the rewards of all links, as shares of the most that an MU would pay; below, what the
learned rewards have cost the MUs so far.
"""

import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from rich.console import Console
from rich.progress import track

from agents.reports.episode import Episode
from aigc_market_env.files import write_whole
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.rendering import reward_colours

VIDEO_FILE = "episode.gif"
_MILLISECONDS = 500  # that a slot is shown for
_SIZE_INCHES, _DPI, _COLOURS = (9.0, 5.6), 100, 128
#: Rewards are written into the cells of markets with at most so many MUs and ASPs.
_MOST_WRITTEN = (12, 6)
_LEARNED = "#0072b2"


def write_video(episode: Episode, path: Path, console: Console) -> None:
    """Write an episode as a GIF, whole or not at all.

    Args:
        episode: what to show, a slot a frame.
        path: the file.
        console: where progress is shown.
    """
    total, what = len(episode.regret), f"Drawing {path.name}"
    images = [
        Image.fromarray(image).quantize(_COLOURS, dither=Image.Dither.NONE)
        for image in track(frames(episode), what, total=total, console=console, transient=True)
    ]
    look = {"duration": _MILLISECONDS, "loop": 0, "optimize": True}
    content = io.BytesIO()
    images[0].save(content, format="GIF", save_all=True, append_images=images[1:], **look)
    write_whole(path, content.getvalue())


def frames(episode: Episode) -> Iterator[npt.NDArray[np.uint8]]:
    """RGB images (height, width, 3) of all slots, all of one size and on the same scales."""
    shares = np.concatenate([episode.learned, episode.equilibrium])
    shown = shares[shares > 0.0]
    lowest, highest = (float(shown.min()), float(shown.max())) if shown.size else (0.01, 1.0)
    colours = ScalarMappable(LogNorm(max(lowest, highest / 1000.0) * 0.99, highest), reward_colours())
    for slot in range(len(episode.learned)):
        figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI)
        canvas = FigureCanvasAgg(figure)
        _draw_frame(figure, episode, slot, colours)
        canvas.draw()  # type: ignore[no-untyped-call]
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


def _draw_frame(figure: Figure, episode: Episode, slot: int, colours: ScalarMappable) -> None:
    figure.text(0.5, 0.955, f"{episode.title}: slot {slot + 1}", ha="center", va="center", fontsize=14, weight="bold")
    figure.text(0.5, 0.91, "rewards in % of the bound ω/q; –: not served", ha="center", va="center", fontsize=11)
    for left, name, shares, regret in (
        (0.075, "learned", episode.learned, episode.regret),
        (0.5, "at equilibrium", episode.equilibrium, episode.equilibrium_regret),
    ):
        axes = figure.add_axes((left, 0.36, 0.365, 0.48))
        axes.set_title(f"{name}: regret {100.0 * regret[slot]:.2f}%", fontsize=13)
        draw_rewards(axes, shares[slot], colours)
    bar = figure.colorbar(colours, cax=figure.add_axes((0.895, 0.36, 0.02, 0.48)))
    bar.ax.set_title("reward, %", fontsize=11)
    bar.set_ticks(ticks := _ticks(colours), labels=[f"{100.0 * tick:g}" for tick in ticks])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=11)
    _draw_regret(figure.add_axes((0.075, 0.11, 0.84, 0.125)), episode.regret, slot)


def draw_rewards(axes: Axes, shares: FloatArray, colours: ScalarMappable) -> None:
    """One cell a link; white where nobody is served."""
    num_mus, num_asps = shares.shape
    axes.imshow(colours.to_rgba(np.ma.masked_invalid(shares)), aspect="auto", interpolation="nearest")
    each = math.ceil(num_mus / 20), math.ceil(num_asps / 8)
    axes.set_yticks(range(0, num_mus, each[0]), [f"mu_{m}" for m in range(0, num_mus, each[0])])
    axes.set_xticks(range(0, num_asps, each[1]), [f"asp_{n}" for n in range(0, num_asps, each[1])])
    axes.tick_params(labelsize=11 if num_mus <= 12 else 9, length=0)
    if num_mus > _MOST_WRITTEN[0] or num_asps > _MOST_WRITTEN[1]:
        return
    dark = np.dot(colours.to_rgba(np.ma.masked_invalid(shares))[..., :3], (0.3, 0.59, 0.11)) < 0.4
    for (m, n), share in np.ndenumerate(shares):
        served = bool(np.isfinite(share))
        text = f"{100.0 * share:#.3g}".rstrip(".") if served else "–"
        axes.text(
            n, m, text, ha="center", va="center", fontsize=11, color="white" if served and dark[m, n] else "black"
        )


def _draw_regret(axes: Axes, regret: FloatArray, slot: int) -> None:
    """Regret of the learned rewards up to this slot."""
    percent = 100.0 * regret
    axes.plot(np.arange(1, slot + 2), percent[: slot + 1], color=_LEARNED, linewidth=1.5)
    axes.plot(slot + 1, percent[slot], "o", color=_LEARNED, markersize=6, clip_on=False)
    axes.set(xlim=(0.5, len(regret) + 0.5), ylim=(0.0, 1.15 * float(percent.max()) or 1.0))
    axes.set_title(
        "regret of the MUs, % of their utility at equilibrium, ASPs responding exactly", fontsize=11, loc="left"
    )
    axes.set_xlabel("slot", fontsize=11)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=11)
    axes.spines[["top", "right"]].set_visible(False)


def _ticks(colours: ScalarMappable) -> list[float]:
    """Round numbers within the scale."""
    low, high = colours.get_clim()
    assert low is not None
    assert high is not None
    return [digit * 10.0**power for power in range(-7, 1) for digit in (1, 2, 5) if low <= digit * 10.0**power <= high]
