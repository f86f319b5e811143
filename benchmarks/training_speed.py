"""The speed of PPO end to end on our markets, and on an environment that does nothing."""

import time

from stable_baselines3 import PPO

from agents.config import LeaderConfig
from agents.torch_settings import one_torch_thread
from agents.training.leader_env import LeaderVecEnv
from agents.training.learner import make_model
from benchmarks.floors import DoNothingVecEnv


class Learner:
    """PPO as ``train.py`` runs it by default, torch on one thread: rollouts and updates, and the time each takes.

    The learning rate stays where it begins; callbacks, evaluations and checkpoints are left out.

    Args:
        does_nothing: whether to put an environment that does nothing in the place of ours.
    """

    def __init__(self, *, does_nothing: bool = False) -> None:
        config = LeaderConfig()
        env = LeaderVecEnv(config.make_scenario(), config.markets)
        self.model: PPO = make_model(config, DoNothingVecEnv(env) if does_nothing else env)  # type: ignore[arg-type,assignment]
        _, self._callback = self.model._setup_learn(1, None)
        self._callback.on_training_start({}, {})
        self.rollout_seconds = 0.0
        self.update_seconds = 0.0

    def _round(self) -> int:
        model, began = self.model, time.perf_counter()
        model.collect_rollouts(model.env, self._callback, model.rollout_buffer, n_rollout_steps=model.n_steps)
        collected = time.perf_counter()
        model.train()
        self.rollout_seconds += collected - began
        self.update_seconds += time.perf_counter() - collected
        return model.n_steps * model.n_envs

    def play(self, seconds: float) -> float:
        """Transitions per second, over whole rounds of a rollout and its update."""
        transitions, began = 0, time.perf_counter()
        with one_torch_thread():
            while True:
                transitions += self._round()
                spent = time.perf_counter() - began
                if spent >= seconds:
                    return transitions / spent
