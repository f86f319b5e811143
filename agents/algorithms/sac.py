"""Soft actor-critic (Haarnoja et al., arXiv 1801.01290), off-policy, by way of a critic; stable-baselines3's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from torch import nn

from agents.algorithms.algorithm import Algorithm, LogStd
from agents.algorithms.checks import finite_numbers, whole_numbers

if TYPE_CHECKING:
    import stable_baselines3
    from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True)
class SAC(Algorithm):
    """Soft actor-critic, from the latest transitions; its gradient is a critic's, which wants many small steps.

    Attributes:
        batch_size: transitions in a gradient step.
        epochs: how often a transition is learned from on average.
        replay: transitions that it remembers and learns from.
        initial_entropy_coefficient: what it pays for a nat of entropy at the start, in rewards; it adapts.
    """

    name: ClassVar[str] = "sac"
    squashed: ClassVar[bool] = True

    batch_size: int = 256
    epochs: int = 2
    replay: int = 200_000
    initial_entropy_coefficient: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(self, batch_size=(2, 2**31 - 1), epochs=(1, 2**31 - 1), replay=(1, 2**31 - 1))
        finite_numbers(self, "initial_entropy_coefficient")
        if self.initial_entropy_coefficient <= 0.0:
            raise ValueError(f"initial_entropy_coefficient = {self.initial_entropy_coefficient!r} must be above 0")

    def make(
        self, env: "VecEnv", *, slots: int, hidden: Sequence[int], rate: Any, usual_log_std: LogStd, seed: int
    ) -> "stable_baselines3.SAC":
        """See :meth:`Algorithm.make`; exploration is what its entropy makes it."""
        import stable_baselines3

        return stable_baselines3.SAC(
            "MlpPolicy",
            env,
            learning_rate=rate,
            # A transition's successor is the one stored next, so at least two slots must fit.
            buffer_size=max(self.replay, 2 * env.num_envs),
            optimize_memory_usage=True,
            replay_buffer_kwargs={"handle_timeout_termination": False},  # episodes do not end
            learning_starts=0,
            batch_size=self.batch_size,
            train_freq=slots,
            gradient_steps=math.ceil(self.epochs * slots * env.num_envs / self.batch_size),
            gamma=self.gamma or 0.0,
            ent_coef=f"auto_{self.initial_entropy_coefficient}",
            policy_kwargs={"net_arch": list(hidden), "activation_fn": nn.ReLU},
            seed=seed,
            device="cpu",
        )

    def layers(self, model: "stable_baselines3.SAC") -> nn.Sequential:
        """See :meth:`Algorithm.layers`."""
        actor: Any = model.policy.actor
        return nn.Sequential(*actor.latent_pi, actor.mu, nn.Tanh())
