"""Proximal policy optimisation (Schulman et al., arXiv 1707.06347), from rewards alone; stable-baselines3's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from agents.algorithms.algorithm import Algorithm, LogStd
from agents.algorithms.checks import finite_numbers, whole_numbers

if TYPE_CHECKING:
    import stable_baselines3
    from stable_baselines3.common.vec_env import VecEnv


@dataclass(frozen=True)
class PPO(Algorithm):
    """Proximal policy optimisation, from what has just been played.

    Attributes:
        batch_size: transitions in a gradient step; by default 512, or 1,024 where markets share episodes.
        epochs: passes over a rollout.
        gae_lambda: how much later slots count in an advantage, from 0 to 1; without effect while gamma is 0. By default
            0.95, or 0.98 where mobile users have wallets.
        clip_range: how far a ratio of probabilities may move from 1 before it stops to count.
        initial_log_std: log standard deviation of exploration at the start, in outputs that span [-1, 1]; by default
            -2 for mobile users and -1.5 for providers.
        final_log_std: at the end; in between it falls evenly. By default -3.9 for mobile users and -3 for providers.
    """

    name: ClassVar[str] = "ppo"
    copies: ClassVar[int] = 4

    batch_size: int | None = None
    epochs: int = 4
    gae_lambda: float | None = None
    clip_range: float = 0.2
    initial_log_std: float | None = None
    final_log_std: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        whole_numbers(self, optional=("batch_size",), batch_size=(2, 2**31 - 1), epochs=(1, 2**31 - 1))
        optional = "gae_lambda", "initial_log_std", "final_log_std"
        finite_numbers(self, "clip_range", *optional, optional=optional)
        if self.gae_lambda is not None and not 0.0 <= self.gae_lambda <= 1.0:
            raise ValueError(f"gae_lambda = {self.gae_lambda!r} must be from 0 to 1")
        if self.clip_range <= 0.0:
            raise ValueError(f"clip_range = {self.clip_range!r} must be above 0")

    @property
    def policy(self) -> Any:
        """The actor and the critic, as stable-baselines3 is told of them."""
        return "MlpPolicy"

    def make(
        self, env: "VecEnv", *, slots: int, hidden: Sequence[int], rate: Any, usual_log_std: LogStd, seed: int
    ) -> "stable_baselines3.PPO":
        """See :meth:`Algorithm.make`.

        Raises:
            ValueError: a rollout is a single transition, of which there is no advantage over others.
        """
        import stable_baselines3

        from agents.training.partial_critic import PartialCritic
        from agents.training.shared_episodes import SharedEpisodeBuffer

        if env.num_envs * slots < 2:
            raise ValueError(f"slots = {slots!r} makes a rollout of a single transition, which ppo cannot learn from")
        copies: int = getattr(env, "copies", 1)  # other environments have none
        shared = {"copies": copies, "agents": env.num_agents} if copies > 1 else None  # type: ignore[attr-defined]
        batch_size = self.batch_size or (1024 if shared else 512)  # advantages over many slots are noisier
        entries: Sequence[int] | None = getattr(env, "critic_entries", None)
        # Where later slots count, a critic's errors do as well, the less so the nearer this is to 1.
        gae_lambda = (0.98 if entries else 0.95) if self.gae_lambda is None else self.gae_lambda
        model = stable_baselines3.PPO(
            PartialCritic if entries else self.policy,
            env,
            learning_rate=rate,
            n_steps=slots,
            batch_size=_even_batch_size(env.num_envs * slots, batch_size),
            n_epochs=self.epochs,
            gamma=self.gamma or 0.0,
            gae_lambda=gae_lambda,
            clip_range=self.clip_range,
            rollout_buffer_class=SharedEpisodeBuffer if shared else None,
            rollout_buffer_kwargs=shared,
            policy_kwargs={
                "net_arch": {"pi": list(hidden), "vf": list(hidden)},
                "activation_fn": nn.ReLU,  # as good here as tanh, and an update takes a quarter less time
                **({"critic_entries": entries} if entries else {}),
            },
            seed=seed,
            device="cpu",
        )
        log_std: Any = model.policy.log_std
        log_std.requires_grad_(False)  # see explore
        self.explore(model, usual_log_std=usual_log_std, remaining=1.0)
        return model

    def explore(self, model: Any, *, usual_log_std: LogStd, remaining: float) -> None:
        """Narrow exploration evenly in its logarithm; see :meth:`Algorithm.explore`.

        It is not learned. What an agent learns is what is best amid its own noise: as wide as half an e-fold, a reward
        little above an entry threshold is worth less than none, the mean sinks until the pair is priced out, and there
        nothing tells it to come back when the noise has gone.
        """
        start = usual_log_std[0] if self.initial_log_std is None else self.initial_log_std
        end = usual_log_std[1] if self.final_log_std is None else self.final_log_std
        with torch.no_grad():
            model.policy.log_std.fill_(end + (start - end) * remaining)

    def layers(self, model: "stable_baselines3.PPO") -> nn.Sequential:
        """See :meth:`Algorithm.layers`."""
        policy: Any = model.policy
        return nn.Sequential(*policy.mlp_extractor.policy_net, policy.action_net)


def _even_batch_size(rollout: int, batch_size: int) -> int:
    """The largest size up to ``batch_size`` that divides a rollout, unless that is 1 or less than half of it."""
    batches = math.ceil(rollout / batch_size)
    while rollout % batches:
        batches += 1
    even = rollout // batches
    return even if even > 1 and 2 * even >= min(batch_size, rollout) else min(batch_size, rollout)
