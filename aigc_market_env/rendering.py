"""Pictures of the slot served last: a text table, an image, a window."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aigc_market_env._engine.engine import Engine
from aigc_market_env._matplotlib import without_missing_backend
from aigc_market_env.model.parameters import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

#: Render modes of all environments, and slots a second in a video.
MODES, FPS = ("ansi", "rgb_array", "human"), 2
_SIZE_INCHES, _DPI = (8.0, 6.0), 120
#: Points; the smaller can still be read in a picture scaled to 600 pixels.
_LARGE, _SMALL = 14.0, 11.0
_GREY = "0.35"
#: Width of the edge of a link with next to nothing, and what is added for all of an ASP's compute, points.
_THINNEST, _WIDEST = 0.8, 24.0
#: Rewards, as shares of the bound, from the palest colour to the darkest.
_SHARES_SHOWN = (0.01, 1.0)
_MU_X, _ASP_X, _HEADINGS = 0.2, 0.69, 1.035


@dataclass(frozen=True)
class Snapshot:
    """What a rendering shows of one market.

    Attributes:
        title: the scenario's name.
        slot: its number in the episode, from 1; 0 before the first.
        rewards: credits per QoE. (M, N)
        reward_shares: rewards as shares of each MU's bound ω/q. (M, N)
        compute: TFLOP/s. (M, N)
        compute_shares: compute as shares of each ASP's capacity. (M, N)
        bandwidth: MHz. (M, N)
        throughput: tokens/s. (M, N)
        qoe: QoE delivered. (M, N)
        utilisation: of compute and of bandwidth. (N, 2)
        prices: effective prices of compute and bandwidth, credits per slot per TFLOP/s and per MHz. (N, 2)
        utility: credits per slot. (M,)
        profit: credits per slot. (N,)
        money: what is in the MUs' wallets after the slot, credits; None without wallets. (M,)
    """

    title: str
    slot: int
    rewards: FloatArray
    reward_shares: FloatArray
    compute: FloatArray
    compute_shares: FloatArray
    bandwidth: FloatArray
    throughput: FloatArray
    qoe: FloatArray
    utilisation: FloatArray
    prices: FloatArray
    utility: FloatArray
    profit: FloatArray
    money: FloatArray | None = None

    @classmethod
    def of(cls, engine: Engine, title: str, slot: int, lane: int = 0) -> "Snapshot":
        """The slot served last in one lane of an engine."""
        market, wallet = engine.market(lane), engine.wallet(lane)
        rewards, compute, bandwidth, rates, qoe, board, utility, profit = (
            engine.quantity(name)[lane].copy()
            for name in ("rewards", "compute", "bandwidth", "rates", "qoe", "board", "utility", "profit")
        )
        bounds, capacities = market.reward_bound, np.stack([market.compute_capacity, market.bandwidth_capacity], -1)
        if engine.scenario.dynamics.worth_varies:  # the market is already that of the next slot
            bounds = engine.quantity("served_bound")[lane].copy()
        if engine.scenario.dynamics.load_varies:
            capacities = engine.quantity("served_capacities")[lane].copy()
        return cls(
            title=title,
            slot=slot,
            rewards=rewards,
            reward_shares=rewards / bounds[:, None],
            compute=compute,
            compute_shares=compute / capacities[:, 0],
            bandwidth=bandwidth,
            throughput=rates,
            qoe=qoe,
            utilisation=np.stack([compute.sum(0), bandwidth.sum(0)], axis=-1) / capacities,
            prices=board,
            utility=utility,
            profit=profit,
            money=None if wallet is None else np.asarray(wallet.money),
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


class Renderer:
    """Shows slots in one of the render modes; a copy has no window yet.

    Args:
        mode: None, ``"ansi"``, ``"rgb_array"`` or ``"human"``.

    Raises:
        ValueError: the mode is not one of those above.
    """

    def __init__(self, mode: str | None) -> None:
        if mode is not None and mode not in MODES:
            raise ValueError(f"render_mode = {mode!r} must be None or one of {list(MODES)}")
        self.mode = mode
        self._window: Window | None = None

    def show(self, snapshot: Snapshot) -> Any:
        """A table (``"ansi"``), a picture (``"rgb_array"``), or None with a window drawn (``"human"``)."""
        if self.mode == "ansi":
            return table(snapshot)
        if self.mode == "rgb_array":
            return picture(snapshot)
        if self.mode == "human":
            self._window = self._window or Window()
            self._window.show(snapshot)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_window": None}


def draw(figure: "Figure", snapshot: Snapshot) -> None:
    """Draw a slot: MUs left, ASPs right, edges coloured by the reward and as wide as what the ASP gives them.

    All scales are fixed, so that frames of an episode, and pictures of different markets, can be compared.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm

    axes = figure.add_axes((0.0, 0.16, 1.0, 0.72))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    colours = ScalarMappable(LogNorm(*_SHARES_SHOWN), reward_colours())
    mu_y, asp_y = _heights(snapshot.rewards.shape[0], 0.04), _heights(snapshot.rewards.shape[1], 0.09)
    _draw_links(axes, snapshot, colours, mu_y, asp_y)
    _draw_mus(axes, snapshot, mu_y)
    _draw_asps(axes, snapshot, asp_y)
    when = f"slot {snapshot.slot}" if snapshot.slot else "before the first slot"
    figure.text(0.5, 0.965, f"{snapshot.title}, {when}", ha="center", va="center", fontsize=_LARGE, weight="bold")
    _draw_scales(figure, colours)


def reward_colours() -> "Colormap":
    """Pale for low rewards, dark for high ones, told apart by colour-blind readers and on white paper."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis_r"](np.linspace(0.1, 1.0, 256)))


def _draw_links(
    axes: "Axes", snapshot: Snapshot, colours: "ScalarMappable", mu_y: FloatArray, asp_y: FloatArray
) -> None:
    """One edge for each link that is served, the widest at the bottom, each with a white border where they cross."""
    shares = snapshot.compute_shares
    order = np.argsort(-shares, axis=None, kind="stable")
    for layer, (m, n) in enumerate(zip(*np.unravel_index(order, shares.shape), strict=True)):
        if snapshot.throughput[m, n] > 0:
            x, y, width = [_MU_X, _ASP_X], [mu_y[m], asp_y[n]], _width(shares[m, n])
            colour, zorder = colours.to_rgba(snapshot.reward_shares[m, n]), 1.0 + layer / shares.size
            axes.plot(x, y, color="white", linewidth=width + 1.5, zorder=zorder, solid_capstyle="butt")
            axes.plot(x, y, color=colour, linewidth=width, zorder=zorder, solid_capstyle="butt")


def _width(share: float) -> float:
    """Width of an edge, points, for a share of the ASP's compute; what is served at all can be seen."""
    return _THINNEST + _WIDEST * float(share)


def _draw_mus(axes: "Axes", snapshot: Snapshot, heights: FloatArray) -> None:
    size = _fitting(axes, len(heights), 1.0)
    look: dict[str, Any] = {"va": "center", "fontsize": size}
    axes.scatter(np.full(len(heights), _MU_X), heights, s=size**2, color="#d55e00", edgecolors="white", zorder=3)
    for m, y in enumerate(heights):
        axes.text(0.025, y, f"mu_{m}", **look)
        axes.text(_MU_X - 0.022, y, f"{snapshot.utility[m]:.3f}", ha="right", **look)
    axes.text(0.025, _HEADINGS, "MU", fontsize=_SMALL, color=_GREY)
    axes.text(_MU_X - 0.022, _HEADINGS, "utility", ha="right", fontsize=_SMALL, color=_GREY)


def _draw_asps(axes: "Axes", snapshot: Snapshot, heights: FloatArray) -> None:
    size, left, right = _fitting(axes, len(heights), 3.6), _ASP_X + 0.03, 0.975
    line = 1.35 * size / _points_high(axes)
    axes.scatter(np.full(len(heights), _ASP_X), heights, s=1.4 * size**2, marker="s", color="#0072b2", zorder=3)
    for n, y in enumerate(heights):
        axes.text(left, y + line, f"asp_{n}", va="center", fontsize=size)
        axes.text(right, y + line, f"{snapshot.profit[n]:.3f}", ha="right", va="center", fontsize=size)
        for row, label in enumerate(("compute", "bandwidth")):
            used, height = float(snapshot.utilisation[n, row]), 0.55 * line
            for share, colour in ((1.0, "0.88"), (min(used, 1.0), ("#009e73", "#cc79a7")[row])):
                axes.barh(y - row * line, 0.07 * share, height, left=left, color=colour, zorder=2)
            text = f"{label} {used:.0%}"
            axes.text(left + 0.08, y - row * line, text, va="center", fontsize=min(size, _SMALL))
    top = _HEADINGS if len(heights) > 1 else heights[0] + 2.2 * line
    axes.text(left, top, "ASP", fontsize=_SMALL, color=_GREY)
    axes.text(right, top, "profit", ha="right", fontsize=_SMALL, color=_GREY)


def _draw_scales(figure: "Figure", colours: "ScalarMappable") -> None:
    """What colours and widths of edges mean, and the unit of the payoffs."""
    figure.text(0.5, 0.925, "utility and profit in credits per slot", ha="center", va="center", fontsize=_SMALL)
    bar = figure.colorbar(
        colours, cax=figure.add_axes((0.05, 0.095, 0.42, 0.025)), orientation="horizontal", extend="min"
    )
    bar.set_ticks([0.01, 0.03, 0.1, 0.3, 1.0], labels=["1%", "3%", "10%", "30%", "100%"])
    bar.minorticks_off()
    bar.ax.tick_params(labelsize=_SMALL)
    figure.text(0.26, 0.025, "colour: reward, share of the bound ω/q", ha="center", va="center", fontsize=_SMALL)
    figure.text(0.76, 0.025, "width: share of the ASP's compute", ha="center", va="center", fontsize=_SMALL)
    axes = figure.add_axes((0.55, 0.05, 0.42, 0.075))
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    for x, share in ((0.12, 0.05), (0.45, 0.2), (0.78, 0.5)):
        axes.plot([x - 0.1, x + 0.1], [0.7, 0.7], color="0.45", linewidth=_width(share), solid_capstyle="butt")
        axes.text(x, 0.22, f"{share:.0%}", ha="center", va="center", fontsize=_SMALL)


def _fitting(axes: "Axes", rows: int, lines: float) -> float:
    """The largest font size, points, at which so many rows of so many lines do not touch."""
    return min(_LARGE - 1.0, _points_high(axes) * 0.92 / (1.3 * lines * max(rows - 1, 1)))


def _points_high(axes: "Axes") -> float:
    pixels = axes.get_window_extent().height
    return float(72.0 * pixels / axes.figure.dpi)


def _heights(count: int, margin: float) -> FloatArray:
    return np.array([0.5]) if count == 1 else np.linspace(1.0 - margin, margin, count)


def _require_matplotlib() -> None:
    without_missing_backend()
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        from gymnasium.error import DependencyNotInstalled

        raise DependencyNotInstalled(
            "render_mode 'rgb_array' and 'human' need matplotlib: pip install 'aigc-market-env[render]'"
        ) from None
