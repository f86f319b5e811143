"""Pictures of the slot served last: a text table, an image, a window."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aigc_market_env._engine import Engine
from aigc_market_env.market import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_INCHES, _DPI = (9.0, 6.0), 100
_WIDEST_EDGE = 7.0  # points
_MU_X, _ASP_X = 0.16, 0.70


@dataclass(frozen=True)
class Snapshot:
    """What a rendering shows of one market.

    Attributes:
        title: the scenario's name.
        rewards: credits per QoE. (M, N)
        reward_shares: rewards as shares of each MU's bound ω/q. (M, N)
        compute: TFLOP/s. (M, N)
        bandwidth: MHz. (M, N)
        throughput: tokens/s. (M, N)
        qoe: QoE delivered. (M, N)
        utilisation: of compute and of bandwidth. (N, 2)
        prices: effective prices of compute and bandwidth, credits per slot per TFLOP/s and per MHz. (N, 2)
        utility: credits per slot. (M,)
        profit: credits per slot. (N,)
    """

    title: str
    rewards: FloatArray
    reward_shares: FloatArray
    compute: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray
    qoe: FloatArray
    utilisation: FloatArray
    prices: FloatArray
    utility: FloatArray
    profit: FloatArray

    @classmethod
    def of(cls, engine: Engine, title: str, lane: int = 0) -> "Snapshot":
        """The slot served last in one lane of an engine."""
        market = engine.market(lane)
        rewards, compute, bandwidth, rates, qoe, board, utility, profit = (
            engine.quantity(name)[lane].copy()
            for name in ("rewards", "compute", "bandwidth", "rates", "qoe", "board", "utility", "profit")
        )
        return cls(
            title=title,
            rewards=rewards,
            reward_shares=rewards / market.reward_bound[:, None],
            compute=compute,
            bandwidth=bandwidth,
            throughput=rates,
            qoe=qoe,
            utilisation=np.stack(
                [compute.sum(0) / market.compute_capacity, bandwidth.sum(0) / market.bandwidth_capacity], axis=-1
            ),
            prices=board,
            utility=utility,
            profit=profit,
        )


def table(snapshot: Snapshot) -> str:
    """The slot as text: rewards, allocation and QoE of every link, utilisation, prices and payoffs."""
    num_mus, num_asps = snapshot.rewards.shape
    cell = 30
    head = f"{'':8}" + "".join(f"{f'asp_{n}':^{cell}}" for n in range(num_asps)) + f"{'utility':>9}"
    units = f"{'':8}" + f"{'reward':>7}{'TFLOP/s':>8}{'MHz':>7}{'QoE':>6}  " * num_asps
    lines = [f"{snapshot.title}: the slot served last", head, units]
    for m in range(num_mus):
        links = "".join(
            f"{snapshot.rewards[m, n]:7.3f} {snapshot.compute[m, n]:7.4f} {snapshot.bandwidth[m, n]:6.4f}"
            f" {snapshot.qoe[m, n]:5.3f}  "
            for n in range(num_asps)
        )
        lines.append(f"{f'mu_{m}':8}{links}{snapshot.utility[m]:9.4f}")
    for label, column in (("in use", snapshot.utilisation), ("price", snapshot.prices)):
        cells = (f"{'':7}{column[n, 0]:8.3f} {column[n, 1]:6.3f}{'':8}" for n in range(num_asps))
        lines.append(f"{label:8}" + "".join(cells))
    lines.append(f"{'profit':8}" + "".join(f"{profit:7.3f}{'':23}" for profit in snapshot.profit))
    return "\n".join(line.rstrip() for line in lines) + "\n"


def picture(snapshot: Snapshot) -> npt.NDArray[np.uint8]:
    """The slot as an RGB image (height, width, 3).

    Raises:
        gymnasium.error.DependencyNotInstalled: matplotlib is not installed.
    """
    _require_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI)
    canvas = FigureCanvasAgg(figure)
    draw(figure, snapshot)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()  # type: ignore[no-untyped-call]


class Window:
    """A matplotlib window that is redrawn slot by slot; without a display it draws unseen."""

    def __init__(self) -> None:
        _require_matplotlib()
        import matplotlib.pyplot as plt

        self._plt: Any = plt
        self._figure = plt.figure(figsize=_SIZE_INCHES, dpi=_DPI)

    def show(self, snapshot: Snapshot) -> None:
        """Draw a slot."""
        self._figure.clear()
        draw(self._figure, snapshot)
        self._figure.canvas.draw()
        if self._plt.get_backend().lower() != "agg":
            self._plt.pause(0.001)

    def close(self) -> None:
        """Close the window."""
        self._plt.close(self._figure)


def draw(figure: "Figure", snapshot: Snapshot) -> None:
    """Draw a slot: MUs left, ASPs right, edges as wide as the throughput and coloured by the reward."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes((0.0, 0.1, 1.0, 0.82))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.03, 1.06)
    highest = float(snapshot.reward_shares.max(initial=1e-9, where=snapshot.throughput > 0))
    colours = ScalarMappable(Normalize(0.0, highest), colormaps["viridis"])
    num_mus, num_asps = snapshot.rewards.shape
    mu_y, asp_y = _heights(num_mus), _heights(num_asps)
    fastest = max(float(snapshot.throughput.max()), 1e-9)
    for m, n in np.ndindex(num_mus, num_asps):
        if snapshot.throughput[m, n] > 0:
            width = 0.3 + _WIDEST_EDGE * snapshot.throughput[m, n] / fastest
            colour = colours.to_rgba(snapshot.reward_shares[m, n])
            axes.plot([_MU_X, _ASP_X], [mu_y[m], asp_y[n]], color=colour, linewidth=width, alpha=0.85, zorder=1)
    _draw_mus(axes, snapshot, mu_y)
    _draw_asps(axes, snapshot, asp_y)
    figure.suptitle(f"{snapshot.title}: rewards, tokens served, utility and profit (credits) in a slot", fontsize=12)
    bar = figure.colorbar(colours, cax=figure.add_axes((0.16, 0.075, 0.42, 0.022)), orientation="horizontal")
    bar.set_label("reward, share of the MU's bound ω/q", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    figure.text(0.62, 0.06, f"widest edge: {fastest:.3g} tokens/s", fontsize=9)


def _draw_mus(axes: "Axes", snapshot: Snapshot, heights: FloatArray) -> None:
    size = 9 if len(heights) <= 12 else 7
    axes.text(_MU_X - 0.02, 1.035, "MU    utility", ha="right", fontsize=size, color="0.35")
    axes.scatter(np.full(len(heights), _MU_X), heights, s=110 if size == 9 else 50, color="#d55e00", zorder=3)
    for m, y in enumerate(heights):
        text = f"mu_{m}   {snapshot.utility[m]:.3f}"
        axes.text(_MU_X - 0.02, y, text, ha="right", va="center", fontsize=size)


def _draw_asps(axes: "Axes", snapshot: Snapshot, heights: FloatArray) -> None:
    axes.text(_ASP_X + 0.02, 1.035, "ASP    profit", fontsize=9, color="0.35")
    axes.scatter(np.full(len(heights), _ASP_X), heights, s=170, marker="s", color="#0072b2", zorder=3)
    for n, y in enumerate(heights):
        axes.text(_ASP_X + 0.025, y + 0.035, f"asp_{n}   {snapshot.profit[n]:.3f}", va="center", fontsize=9)
        for row, (label, colour) in enumerate((("compute", "#009e73"), ("bandwidth", "#cc79a7"))):
            _draw_bar(axes, _ASP_X + 0.025, y - 0.002 - 0.032 * row, snapshot.utilisation[n, row], label, colour)


def _draw_bar(axes: "Axes", x: float, y: float, share: float, label: str, colour: str) -> None:
    width, height = 0.1, 0.02
    axes.barh(y, width, height, left=x, color="0.9", zorder=2)
    axes.barh(y, width * min(share, 1.0), height, left=x, color=colour, zorder=3)
    axes.text(x + width + 0.008, y, f"{label} {share:.0%}", va="center", fontsize=8)


def _heights(count: int) -> FloatArray:
    return np.array([0.5]) if count == 1 else np.linspace(0.96, 0.04, count)


def _require_matplotlib() -> None:
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        from gymnasium.error import DependencyNotInstalled

        raise DependencyNotInstalled(
            "render_mode 'rgb_array' and 'human' need matplotlib: pip install 'aigc-market-env[render]'"
        ) from None
