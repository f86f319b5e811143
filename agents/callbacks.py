"""What happens beside learning: TensorBoard scalars, evaluation, checkpoints, the progress bar, a clean stop."""

import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from stable_baselines3.common.callbacks import BaseCallback

from agents.checkpoint import save_checkpoint
from agents.evaluation import LeaderEvaluation
from agents.follower_evaluation import FollowerEvaluation
from agents.market_env import MarketVecEnv
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


class Evaluations(BaseCallback):
    """Measures the regret of the current policy every so many slots, and keeps the curve.

    Args:
        evaluate: measures the current policy.
        every: transitions between two evaluations.
        curve: evaluations so far, extended in place.
        clock: seconds that the run has taken so far.
    """

    def __init__(
        self,
        evaluate: Callable[[], LeaderEvaluation | FollowerEvaluation],
        every: int,
        curve: list[dict[str, float]],
        clock: Callable[[], float],
    ) -> None:
        super().__init__()
        self._evaluate, self._every, self._curve, self._clock = evaluate, every, curve, clock

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        last = self._curve[-1]["transitions"] if self._curve else -self._every
        if self.num_timesteps - last < self._every:
            return
        result = self._evaluate()
        point = {
            "transitions": self.num_timesteps,
            "wall_seconds": self._clock(),
            **result.point(),
        }
        self._curve.append(point)
        for name in list(point)[2:]:
            self.logger.record(f"equilibrium/{name}", point[name])
        self.logger.dump(self.num_timesteps)


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
        self._told_to_stop = False
        self._previous: dict[int, Any] = {}
        self.stopped = False

    def _on_training_start(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._stop)

    def _on_training_end(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._told_to_stop = True

    def _on_rollout_start(self) -> None:
        if self._told_to_stop or time.monotonic() - self._saved_at >= self._every:
            save_checkpoint(self._path, self.model, self._env, self._progress())
            self._saved_at = time.monotonic()
            self.stopped = self._told_to_stop

    def _on_step(self) -> bool:
        return not self.stopped


class ProgressBar(BaseCallback):
    """A progress bar with speed, time left, and the regret measured last.

    Args:
        total: transitions in the whole run.
        curve: the evaluations, filled by :class:`Evaluations`.
        regret: which of their figures to show.
    """

    def __init__(self, total: int, curve: list[dict[str, float]], regret: str) -> None:
        super().__init__()
        self._curve, self._total, self._regret = curve, total, regret
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

    def _on_training_start(self) -> None:
        self._bar.start()
        self._task = self._bar.add_task("", total=self._total, completed=self.num_timesteps, speed="", regret="")
        self._began, self._first = time.monotonic(), self.num_timesteps

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        speed = (self.num_timesteps - self._first) / max(time.monotonic() - self._began, 1e-9)
        regret = f"regret {self._curve[-1][self._regret]:.2%}" if self._curve else ""
        self._bar.update(
            self._task, completed=min(self.num_timesteps, self._total), speed=f"{speed:,.0f}/s", regret=regret
        )

    def _on_training_end(self) -> None:
        self._bar.stop()
