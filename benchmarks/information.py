"""What information is worth to mobile users: leader regret by what they see of the market when they post rewards.

    python -m benchmarks.information                          # three seeds; writes docs/information.png
    python -m benchmarks.information --updates 300 --seeds 1  # a look, in a minute or two

Three views of the same markets:

- ``links``: an MU's own type and links, and what is public of the ASPs.
- ``private``: its whole observation in the environment, which has the last slot's price board and its own QoE as well.
- ``complete``: what all MUs see, and every ASP's capacities and costs.

One network learns in one way from each of them. It is the exchangeable one of :mod:`agents.policy.network`, over all
links of a market where MUs see all of it, and over each MU's own row where they do not; MUs share its weights. Markets
are ``campus`` with loads from 0.3 to 3, drawn anew every ``EPISODE`` slots, with the preset's fading in between. The
ASPs respond exactly. In every slot each MU is told the exact derivative of its utility by the logarithm of its own
rewards, so that learning comes to rest where the derivative is zero *on average over what the MU does not see*, which
is the first-order condition of a Bayesian equilibrium. Far from there these derivatives lead to rewards of zero, so at
first the steps of the first-order conditions with complete information stand in for them.

Regret is that of the ordinary evaluation: against the best deviation of an MU that knows the whole market. What remains
of it when learning has come to rest is the price of not knowing. What learning lacks is in it, too; ``complete`` shows
how much that is.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import tyro
from rich.console import Console

from agents.config import STREAMS_PER_SEED
from agents.policy.network import SetNetwork
from agents.reports.figures import Axes, drawn
from agents.torch_settings import one_torch_thread
from aigc_market_env import (
    BatchedMarketEnv,
    Market,
    Scenario,
    leader_regret,
    relative_regret,
    reward_gradient,
    solve_equilibrium,
)
from aigc_market_env.equilibrium.first_order import first_order
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS
from aigc_market_env.files import replacing
from aigc_market_env.model.parameters import FloatArray
from aigc_market_env.spaces import MU_LINK, MU_LINK_SIZE, MU_LINKS, MU_TYPE, REFERENCE
from experiments.command import run_command
from experiments.places import check_file

View = Literal["links", "private", "complete"]
VIEWS: tuple[View, ...] = get_args(View)
LABELS = {
    "links": ("own links", "#d55e00"),
    "private": ("own links and price board", "#0072b2"),
    "complete": ("the whole market", "#009e73"),
}

LOADS = 0.3, 3.0
#: Markets side by side, slots before they are drawn anew, and slots that regret is measured in.
LANES, EPISODE, EVALUATION_SLOTS = 64, 16, 128
WIDTH, LAYERS = 64, 3
LEARNING_RATE, WARM_UP = 1e-3, 50
#: Points of a curve.
POINTS = 8
#: Longest step in log r; derivatives of U/ω are of this order near equilibrium; logarithm of the shares begun with.
_STEP, _DERIVATIVE, _START = 0.5, 0.01, -1.5
_LOWEST = -12.0
#: Entries of an MU's observation that only a price board or a delivery tells, counted within a link.
_OF_THE_MARKET = [MU_LINK.log_compute_price, MU_LINK.log_bandwidth_price, MU_LINK.last_qoe]
_ASP_FIELDS = ("compute_capacity", "bandwidth_capacity", "compute_cost", "bandwidth_cost")
_FEATURES = len(MU_TYPE) + MU_LINK_SIZE + len(_ASP_FIELDS) + 1

Observations = npt.NDArray[np.float32]


def scenario() -> Scenario:
    """Campus markets whose load is drawn with them, evenly in the logarithm."""
    campus, (low, high) = Scenario.preset("campus"), LOADS

    def build(uniforms: FloatArray) -> Market:
        market = campus.build(uniforms[..., :-1])
        load = low * (high / low) ** uniforms[..., -1:]
        return market.replace(
            compute_capacity=market.compute_capacity / load, bandwidth_capacity=market.bandwidth_capacity / load
        )

    return Scenario("campus", campus.num_mus, campus.num_asps, campus.dynamics, campus.num_draws + 1, build)


def features(observations: Observations, market: Market, view: View) -> torch.Tensor:
    """What the network sees of each link: (B, M, N, K), or (B·M, 1, N, K) where every MU sees its own row alone."""
    lanes, num_mus, num_asps = market.accuracy.shape
    types = np.broadcast_to(observations[:, :, None, MU_TYPE], (lanes, num_mus, num_asps, len(MU_TYPE)))
    links = observations[:, :, MU_LINKS:].reshape(lanes, num_mus, num_asps, MU_LINK_SIZE).copy()
    asps = np.stack([np.log(getattr(market, name) / REFERENCE[name]) for name in _ASP_FIELDS], axis=-1)
    asps = np.broadcast_to(asps[:, None], (lanes, num_mus, *asps.shape[1:])).copy()
    if view != "complete":
        asps[:] = 0.0
    if view == "links":
        links[..., _OF_THE_MARKET] = 0.0
    even = np.full((lanes, num_mus, num_asps, 1), 1.0 / num_asps)  # the share that weights the network's averages
    seen = torch.from_numpy(np.concatenate([types, links, asps, even], axis=-1).astype(np.float32))
    return seen if view == "complete" else seen.reshape(-1, 1, num_asps, _FEATURES)


def log_shares(network: SetNetwork, observations: Observations, market: Market, view: View) -> torch.Tensor:
    """Logarithms of the rewards as shares of ω/q. (B, M, N)."""
    return _START + network(features(observations, market, view)).reshape(market.accuracy.shape)


def posted(logs: torch.Tensor) -> FloatArray:
    """The shares that are posted for their logarithms. (B, M, N)."""
    return np.exp(np.clip(logs.detach().numpy().astype(np.float64), _LOWEST, 0.0))


def regret(network: SetNetwork, view: View) -> float:
    """Leader regret over mean utility at equilibrium, in slots of fresh markets after a warm-up."""
    env = BatchedMarketEnv(scenario(), EVALUATION_SLOTS, asps="best_response", max_cycles=None, seed=EVALUATION_SEED)
    observations, _ = env.reset()
    with torch.no_grad():
        for _ in range(WARM_UP_SLOTS):
            shares = posted(log_shares(network, observations["mu"], env.market, view))
            observations, *_ = env.step({"mu": shares})
        market = env.market
        shares = posted(log_shares(network, observations["mu"], market, view))
    gained = leader_regret(market, shares * market.reward_bound[..., None])
    return float(relative_regret(gained, solve_equilibrium(market, certify=False).outcome.mu_utility).mean)


def uphill(market: Market, logs: FloatArray, remaining: float) -> FloatArray:
    """Where log r should go: at first by the first-order conditions' steps, in the end by exact derivatives. (B, M, N).

    A pair that is priced out has no derivative; that of one beyond the bound leads back to it.
    """
    shares = np.exp(np.clip(logs, _LOWEST, 0.0))
    rewards = shares * market.reward_bound[..., None]
    step = np.clip(first_order(market, rewards, kink_width=0.1).step + np.log(shares) - logs, -_STEP, _STEP)
    derivative = rewards * reward_gradient(market, rewards) / market.satisfaction_scale[..., None]
    exact = np.clip(np.where(logs > 0.0, -logs, derivative / _DERIVATIVE), -5.0, 5.0)
    early = np.clip(2.0 * remaining - 0.6, 0.0, 1.0)
    towards: FloatArray = early * step + (1.0 - early) * exact
    return towards


def train(view: View, seed: int, updates: int) -> list[tuple[int, float]]:
    """Train one network; transitions (MUs times slots) and regret, from none to the end."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SetNetwork(_FEATURES, WIDTH, LAYERS, 1, (), (_FEATURES - 1,))
    env = BatchedMarketEnv(
        scenario(), LANES, asps="best_response", max_cycles=EPISODE, seed=seed * STREAMS_PER_SEED, copy=False
    )
    network.standardise(_typical(env, view))
    observations, _ = env.reset()
    optimiser = torch.optim.Adam(network.parameters())
    curve, per_update = [(0, regret(network, view))], LANES * env.num_mus
    for update in range(updates):
        market, remaining = env.market, 1.0 - update / updates
        logs = log_shares(network, observations["mu"], market, view)
        towards = uphill(market, logs.detach().numpy().astype(np.float64), remaining)
        optimiser.param_groups[0]["lr"] = LEARNING_RATE * remaining * min(1.0, (update + 1) / WARM_UP)
        optimiser.zero_grad()
        (-torch.from_numpy(towards.astype(np.float32)) * logs).mean().backward()
        optimiser.step()
        observations, *_ = env.step({"mu": posted(logs)})
        if (update + 1) * POINTS // updates > update * POINTS // updates:
            curve.append(((update + 1) * per_update, regret(network, view)))
    return curve


def _typical(env: BatchedMarketEnv, view: View) -> torch.Tensor:
    """Features of links in a few episodes in which all rewards are alike."""
    observations, _ = env.reset()
    sample = []
    for _ in range(3 * EPISODE):
        sample.append(features(observations["mu"], env.market, view).reshape(-1, _FEATURES))
        observations, *_ = env.step({"mu": np.full((LANES, env.num_mus, env.num_asps), 0.2)})
    return torch.cat(sample)


def draw(curves: dict[View, list[list[tuple[int, float]]]], path: Path) -> None:
    """Regret while learning, for each view: the median of the seeds and the band from the lowest to the highest."""
    with replacing(path) as new:
        drawn(lambda axes: _draw(axes, curves), 120).savefig(new, format="png")


def _draw(axes: Axes, curves: dict[View, list[list[tuple[int, float]]]]) -> None:
    for view, of_seeds in curves.items():
        label, colour = LABELS[view]
        points = 100.0 * np.array([[share for _, share in curve] for curve in of_seeds])
        x = [transitions / 1e6 for transitions, _ in of_seeds[0]]
        axes.fill_between(x, points.min(axis=0), points.max(axis=0), color=colour, alpha=0.2, linewidth=0)
        middle = np.median(points, axis=0)
        axes.plot(x, middle, "o-", color=colour, markersize=4, label=f"{label}: {middle[-1]:.2g} %")
    seeds = len(next(iter(curves.values())))
    axes.set(yscale="log", xlabel="transitions, millions", ylabel="relative leader regret, %")
    axes.grid(which="both", color="0.92")
    axes.legend(title="MUs see")
    axes.set_title(
        "What information is worth: campus markets, loads 0.3 to 3" + (f", {seeds} seeds" if seeds > 1 else "")
    )


@dataclass(frozen=True)
class Arguments:
    """Train with three views of the market, and draw leader regret."""

    updates: int = 3000
    """Gradient steps of each network, each on one slot of 64 markets; 55 s of processor time for 1,000."""
    seeds: int = 3
    """Networks for each view."""
    out: Annotated[Path, tyro.conf.arg(metavar="FILE")] = Path(__file__).parents[1] / "docs" / "information.png"
    """The figure."""


def main(arguments: Arguments, console: Console) -> int:
    """Train, print and draw; the exit status."""
    check_file(arguments.out, "--out")
    curves: dict[View, list[list[tuple[int, float]]]] = {}
    with one_torch_thread():
        for view in VIEWS:
            curves[view] = []
            for seed in range(arguments.seeds):
                curves[view].append(train(view, seed, arguments.updates))
                shown = "  ".join(f"{share:.3%}" for _, share in curves[view][-1])
                print(f"{view:9} seed {seed}: {shown}", flush=True)
            final: Sequence[float] = [curve[-1][1] for curve in curves[view]]
            print(f"{view:9} median {np.median(final):.3%}, {min(final):.3%} to {max(final):.3%}", flush=True)
    draw(curves, arguments.out)
    console.print(f"Written: {arguments.out}", markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main, Arguments, __doc__))
