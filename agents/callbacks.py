"""What happens beside learning: TensorBoard scalars, evaluation, checkpoints, the progress bar, a clean stop."""

import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Figure as Picture
from stable_baselines3.common.logger import HParam, Logger, configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.checkpoint import save_checkpoint
from agents.evaluation import LeaderEvaluation
from agents.figures import REGRETS, OneSided, small_figures
from agents.market_env import MarketVecEnv
from agents.relative import worst_of
from aigc_market_env.files import readable
from aigc_market_env.qoe import QOE_DIMENSIONS


class MarketScalars(BaseCallback):
    """Logs what the last slot of each rollout looked like, as ``market/…``."""

    def __init__(self, env: MarketVecEnv) -> None:
        super().__init__()
        self._env = env

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        served, market = self._env.markets.served, self._env.markets.market
        scalars = {
            "payment_per_mu": (served.rewards * served.qoe).sum(axis=-1).mean(),
            "utility_per_mu": served.mu_utility.mean(),
            "profit_per_asp": served.asp_profit.mean(),
            "qoe_per_mu": served.qoe.sum(axis=-1).mean(),
            "utilisation_compute": (served.compute.sum(axis=-2) / market.compute_capacity).mean(),
            "utilisation_bandwidth": (served.bandwidth.sum(axis=-2) / market.bandwidth_capacity).mean(),
            "shadow_price_compute": (served.prices[..., 0] - market.compute_cost).mean(),
            "shadow_price_bandwidth": (served.prices[..., 1] - market.bandwidth_cost).mean(),
        }
        scalars |= {f"qoe_{name}": served.qoe_terms[..., j].mean() for j, name in enumerate(QOE_DIMENSIONS)}
        for name, value in scalars.items():
            self.logger.record(f"market/{name}", float(value))
        if isinstance(self.model, OffPolicyAlgorithm):  # which itself writes when episodes end, and none does
            self.model.dump_logs()


def open_log(folder: Path, document: dict[str, Any]) -> Logger:
    """Begin TensorBoard events in a folder, with a run's configuration as text and as hyperparameters."""
    logger = configure(str(folder), ["tensorboard"])
    logger.record("config", "\n".join(f"    {key}: {readable(str(value))}" for key, value in document.items()))
    plain = {
        key: value if isinstance(value, bool | int | float) else readable(str(value)) for key, value in document.items()
    }
    names = [shown for name in REGRETS for shown in (name, worst_of(name))]
    regrets = {f"equilibrium/{name}": math.nan for name in names}  # TensorBoard takes their values from the scalars
    logger.record("hparams", HParam(plain, regrets))
    return logger


def log_evaluation(logger: Logger, numbers: dict[str, float], result: OneSided, step: int) -> None:
    """Show an evaluation in TensorBoard: its numbers and what it looks like as ``equilibrium/…``, and each agent's.

    ``payoff/mu_0`` and ``regret/mu_0`` are in credits per slot, means over the slots.
    """
    for name, value in ({f"equilibrium/{name}": value for name, value in numbers.items()} | by_agent(result)).items():
        logger.record(name, value)
    for name, figure in small_figures(result).items():
        logger.record(f"equilibrium/{name}", Picture(figure, close=False))
    logger.dump(step)


def by_agent(result: OneSided) -> dict[str, float]:
    """Mean payoff and regret, credits per slot, of each agent of the side measured; ``payoff/asp_1`` for one."""
    mus = isinstance(result, LeaderEvaluation)
    agent, payoffs = ("mu", result.outcome.mu_utility) if mus else ("asp", result.outcome.asp_profit)
    means = {"payoff": payoffs.mean(axis=0), "regret": result.regret.mean(axis=0)}
    return {f"{what}/{agent}_{i}": float(value) for what, values in means.items() for i, value in enumerate(values)}


class Evaluations(BaseCallback):
    """Measures the regret of the current policy every so many slots, and keeps the curve.

    Args:
        evaluate: measures the current policy.
        every: transitions between two evaluations.
        curve: evaluations so far, extended in place.
        clock: seconds that the run has taken so far.
    """

    def __init__(
        self, evaluate: Callable[[], OneSided], every: int, curve: list[dict[str, float]], clock: Callable[[], float]
    ) -> None:
        super().__init__()
        self._evaluate, self._every, self._curve, self._clock = evaluate, every, curve, clock

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        last = self._curve[-1]["transitions"] if self._curve else -self._every
        if self.num_timesteps - last >= self._every:
            result = self._evaluate()
            numbers = result.point()
            self._curve.append({"transitions": self.num_timesteps, "wall_seconds": self._clock(), **numbers})
            log_evaluation(self.logger, numbers, result, self.num_timesteps)


class StopRequests:
    """Takes note of SIGINT and SIGTERM between ``listen`` and ``restore``, instead of dying of them."""

    def __init__(self) -> None:
        self.told = False
        self._previous: dict[int, Any] = {}

    def listen(self) -> None:
        """Take the signals over."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._stop)

    def restore(self) -> None:
        """Give them back to whom they belonged."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.told = True


class Checkpoints(BaseCallback):
    """Saves the run between updates, every so many seconds, and when it is told to stop by SIGINT or SIGTERM.

    Args:
        path: the checkpoint file.
        env: the environment to save with the model.
        every_seconds: time between two checkpoints.
        progress: what the run wants back when it is resumed.
    """

    def __init__(
        self, path: Path, env: MarketVecEnv, every_seconds: float, progress: Callable[[], dict[str, Any]]
    ) -> None:
        super().__init__()
        self._path, self._env, self._every, self._progress = path, env, every_seconds, progress
        self._saved_at = time.monotonic()
        self._requests = StopRequests()
        self.stopped = False

    def _on_training_start(self) -> None:
        self._requests.listen()

    def _on_training_end(self) -> None:
        self._requests.restore()

    def _on_rollout_start(self) -> None:
        if self._requests.told or time.monotonic() - self._saved_at >= self._every:
            save_checkpoint(self._path, self.model, self._env, self._progress())
            self._saved_at = time.monotonic()
            self.stopped = self._requests.told

    def _on_step(self) -> bool:
        return not self.stopped


class Bar:
    """A progress bar with speed, time left, and the regrets measured last.

    Args:
        total: transitions, or updates, in the whole run.
        curve: the evaluations so far, which others extend.
        regrets: which of their figures to show.
    """

    def __init__(self, total: int, curve: list[dict[str, float]], regrets: Sequence[str]) -> None:
        self._curve, self._total, self._regrets = curve, total, regrets
        self._bar = Progress(
            TextColumn("[bold]training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("[cyan]{task.fields[regret]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )

    def start(self, transitions: int) -> None:
        """Show the bar, with what an earlier process has done."""
        self._bar.start()
        self._task = self._bar.add_task("", total=self._total, completed=transitions, speed="", regret="")
        self._began, self._first = time.monotonic(), transitions

    def update(self, transitions: int) -> None:
        """Show what is done."""
        speed = (transitions - self._first) / max(time.monotonic() - self._began, 1e-9)
        shown = [f"{self._curve[-1][name]:.2%}" for name in self._regrets] if self._curve else []
        regret = f"regret {' / '.join(shown)}" if shown else ""
        self._bar.update(self._task, completed=min(transitions, self._total), speed=f"{speed:,.0f}/s", regret=regret)

    def stop(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


class ProgressBar(BaseCallback):
    """A :class:`Bar` for one learner."""

    def __init__(self, total: int, curve: list[dict[str, float]], regret: str) -> None:
        super().__init__()
        self._bar = Bar(total, curve, [regret])

    def _on_training_start(self) -> None:
        self._bar.start(self.num_timesteps)

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        self._bar.update(self.num_timesteps)

    def _on_training_end(self) -> None:
        self._bar.stop()
