"""What TensorBoard shows of a run: its configuration, its markets and updates, its evaluations."""

import math
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Figure as Picture
from stable_baselines3.common.logger import HParam, Logger, TensorBoardOutputFormat
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.reports.figures import REGRETS, small_figures
from agents.training.event_files import delete_events, keep_events
from agents.training.tags import LAYOUT, REGRET_TAGS, tagged
from agents.training.vec_env import MarketVecEnv
from aigc_market_env.evaluation.protocol import OneSidedEvaluation
from aigc_market_env.evaluation.side_regret import worst_of
from aigc_market_env.files import readable
from aigc_market_env.model.qoe import QOE_DIMENSIONS


class MarketScalars(BaseCallback):
    """Logs what the last slot of each rollout looked like, as ``market/…``, and what the update after it came to.

    With a horizon it is the last slot but one of the last episode in it, for the last one is followed by a reset.

    A learner keeps figures of an update until it has played another rollout. Here they are written when it was made, at
    its step, so that the last one is not missing, and none when a run goes on from a checkpoint.
    """

    def __init__(self, env: MarketVecEnv) -> None:
        super().__init__()
        self._env = env

    def _on_step(self) -> bool:
        horizon = self._env.horizon
        if horizon is not None and (self._env.slot + 1) % horizon == 0:  # the next one resets
            self._record()
        return True

    def _on_training_end(self) -> None:
        self.logger.dump(self.num_timesteps)

    def _on_rollout_end(self) -> None:
        if self._env.horizon is None:
            self._record()
        if isinstance(self.model, OffPolicyAlgorithm):  # which itself writes when episodes end, and none does
            self.model.dump_logs()

    def _record(self) -> None:
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
        wallet = self._env.markets.wallet
        if wallet is not None:
            money, _, cap = wallet.amounts
            scalars |= {"money_per_mu": money.mean(), "wallets_full": (money >= cap).mean()}
            scalars["slots_cut_short"] = (served.time_share < 1.0).mean()
        for name, value in scalars.items():
            self.logger.record(f"market/{name}", float(value))


class RunLogger(Logger):
    """Writes TensorBoard events, all at the step of the run, whichever of its learners asks.

    Args:
        folder: for the events.
        progress: how far the run is. Learners count their own transitions alone.
    """

    def __init__(self, folder: Path, progress: Callable[[], int]) -> None:
        self.events = TensorBoardOutputFormat(str(folder))
        super().__init__(str(folder), [self.events])
        self._progress = progress

    def dump(self, step: int = 0) -> None:
        """Write what was recorded since the last time."""
        super().dump(self._progress())


def open_log(
    folder: Path,
    document: dict[str, Any],
    progress: Callable[[], int],
    *,
    resumed: bool = False,
    evaluations: Container[float] = (),
) -> RunLogger:
    """Begin TensorBoard events in a folder, with a run's configuration as text and as hyperparameters; or go on there.

    Args:
        folder: for the events; those of a run that was begun there before are deleted.
        document: the configuration.
        progress: how far the run is, which every event has as its step.
        resumed: whether it goes on from a checkpoint. What was written later is taken out, since it will be again.
        evaluations: steps of the evaluations in that checkpoint; others are taken out likewise.
    """
    if not resumed:
        delete_events(folder)
    begun = resumed and keep_events(folder, progress(), evaluations)
    logger = RunLogger(folder, progress)
    if not begun:
        _introduce(logger, document)
    return logger


def _introduce(logger: RunLogger, document: dict[str, Any]) -> None:
    logger.events.writer.add_custom_scalars(LAYOUT)
    logger.record("config", "\n".join(f"    {key}: {readable(str(value))}" for key, value in document.items()))
    plain = {
        key: value if isinstance(value, bool | int | float) else readable(str(value)) for key, value in document.items()
    }
    names = [shown for name in REGRETS for shown in (name, worst_of(name))]
    regrets = {f"regret/{REGRET_TAGS[name]}": math.nan for name in names}  # TensorBoard has their values from scalars
    logger.record("hparams", HParam(plain, regrets))


def log_evaluation(
    logger: Logger, numbers: dict[str, float], result: OneSidedEvaluation, step: int, *, pictures: bool = True
) -> None:
    """Show an evaluation in TensorBoard: its numbers, each agent's, and what it looks like; see docs/tensorboard.md.

    Args:
        logger: what a learner has recorded there stays for the learner to write.
        numbers: of the evaluation.
        result: the evaluation.
        step: at which it was made.
        pictures: whether to draw it, which takes as long as the evaluation.
    """
    beside = Logger(None, logger.output_formats)
    for tag, value in (tagged(numbers) | by_agent(result)).items():
        beside.record(tag, value)
    for name, figure in small_figures(result).items() if pictures else ():
        beside.record(f"held_out/{name}", Picture(figure, close=False))
    beside.dump(step)


def worth_pictures(curve: list[dict[str, float]]) -> bool:
    """Whether to draw the next evaluation of a curve: every other is, for TensorBoard shows some ten of them."""
    return len(curve) % 2 == 0


def by_agent(result: OneSidedEvaluation) -> dict[str, float]:
    """Mean payoff and regret, credits per slot, of each agent of the side measured; ``payoff_of_each/asp_1`` of one."""
    means = {"payoff": result.payoffs.mean(axis=0), "regret": result.regret.mean(axis=0)}
    return {
        f"{what}_of_each/{result.group}_{i}": float(value)
        for what, values in means.items()
        for i, value in enumerate(values)
    }
