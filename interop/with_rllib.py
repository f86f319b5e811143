"""RLlib's new API stack: two PPO policies, one for all MUs and one for all ASPs, mapped by agent id.

ASPs learn first, from what untrained MUs post: leaders that meet followers who do not respond to rewards yet learn to
pay nothing. Then both learn, ASPs faster, at rates that fall to zero.
"""

import logging
from typing import Any

import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module import RLModule
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, LearnerActions, clipped, posted, report

_ITERATIONS, _STEPS = 28, 1024
_HEAD_START, _END = 12 * _STEPS, _ITERATIONS * _STEPS
#: Learning rates at numbers of steps, linear in between.
_RATES = {
    "mu": [[0, 0.0], [_HEAD_START, 0.0], [_HEAD_START + 1, 2e-4], [_END, 0.0]],
    "asp": [[0, 2e-3], [_HEAD_START, 2e-3], [_END, 0.0]],
}


class TakingTurns(ParallelPettingZooEnv):
    """RLlib's way of taking turns: who sees something acts. MUs post in one step, ASPs serve in the next."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Begin an episode; MUs see."""
        observations, infos = super().reset(seed=seed, options=options)
        return {agent: seen for agent, seen in observations.items() if infos[agent]["acting"]}, {}

    def step(self, action_dict: Arrays) -> Any:
        """Take one step with the actions of those whose turn it is; who acts next sees, or all at the end."""
        idle = {agent: np.zeros(space.shape) for agent, space in self.action_space.items()}
        observations, rewards, terminated, truncated, infos = super().step(idle | action_dict)
        over = truncated["__all__"]
        seen = {agent: seen for agent, seen in observations.items() if over or infos[agent]["acting"]}
        return seen, rewards, terminated, truncated, {}


def group_of(agent: str, *_: object, **__: object) -> str:
    """The policy of an agent, by its id: ``"mu"`` or ``"asp"``."""
    return agent.partition("_")[0]


def _mean_action(module: RLModule, observations: np.ndarray) -> np.ndarray:
    """The policy's most likely actions, which RLlib's modules give on a scale of their own: [-1, 1]."""
    flat = torch.as_tensor(observations.reshape(-1, observations.shape[-1]))
    outputs = module.forward_inference({"obs": flat})
    means = outputs["action_dist_inputs"].chunk(2, dim=-1)[0]
    return (means.detach().double().numpy().reshape(*observations.shape[:2], -1) + 1.0) / 2.0


def main(seed: int = 0) -> None:
    """Train and report."""
    ray.init("local", num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    register_env("market", lambda _: TakingTurns(LearnerActions(market_v0.parallel_env(SCENARIO))))
    algorithm = (
        PPOConfig()
        .environment("market")
        .multi_agent(
            policies=set(_RATES),
            policy_mapping_fn=group_of,
            algorithm_config_overrides_per_module={group: PPOConfig.overrides(lr=lr) for group, lr in _RATES.items()},
        )
        .env_runners(num_env_runners=0, rollout_fragment_length=256)
        .rl_module(model_config=DefaultModelConfig(fcnet_hiddens=[64, 64]))
        # No action changes the next slot: nothing to discount.
        .training(gamma=0.0, lambda_=0.0, train_batch_size_per_learner=_STEPS, minibatch_size=128, num_epochs=10)
        .debugging(seed=seed)
        .build_algo()
    )

    def act(observations: Arrays) -> Arrays:
        means = {group: _mean_action(algorithm.get_module(group), seen) for group, seen in observations.items()}
        return {"mu": posted(means["mu"]), "asp": clipped(means["asp"], (*means["asp"].shape[:2], 2, -1))}

    def train() -> None:
        for _ in range(_ITERATIONS):
            algorithm.train()

    ran = f"PPO, ASPs {_END:,} steps, MUs the last {_END - _HEAD_START:,}"
    report(("ray",), ran, train, act, "agents")
    algorithm.stop()
    ray.shutdown()


if __name__ == "__main__":
    main()
