"""RLlib's new API stack: two PPO policies, one for all MUs and one for all ASPs, mapped by agent id."""

import logging

import numpy as np
import ray
import torch
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module import RLModule
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv
from ray.tune.registry import register_env

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, FlatActions, clipped, report

_ITERATIONS = 10
#: Followers learn faster: leaders that meet followers who do not respond to rewards learn to pay nothing.
_RATES = {"mu": 1e-4, "asp": 3e-3}


def _group_of(agent: str, *_: object, **__: object) -> str:
    return agent.partition("_")[0]


def _mean_action(module: RLModule, observations: np.ndarray) -> np.ndarray:
    """The policy's most likely actions, which RLlib's modules give on a scale of their own: [-1, 1]."""
    flat = torch.as_tensor(observations.reshape(-1, observations.shape[-1]))
    outputs = module.forward_inference({"obs": flat})
    means = outputs["action_dist_inputs"].chunk(2, dim=-1)[0]
    return (means.detach().numpy() + 1.0) / 2.0


def main() -> None:
    """Train and report."""
    ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    register_env("market", lambda _: ParallelPettingZooEnv(FlatActions(market_v0.parallel_env(SCENARIO))))
    algorithm = (
        PPOConfig()
        .environment("market")
        .multi_agent(
            policies=set(_RATES),
            policy_mapping_fn=_group_of,
            algorithm_config_overrides_per_module={group: PPOConfig.overrides(lr=lr) for group, lr in _RATES.items()},
        )
        .env_runners(num_env_runners=0, rollout_fragment_length=256)
        # MUs post in one step and are paid in the next.
        .training(gamma=0.5, train_batch_size_per_learner=1024, minibatch_size=256, num_epochs=8)
        .debugging(seed=0)
        .build_algo()
    )

    def act(observations: Arrays) -> Arrays:
        batch, mus, asps = len(observations["mu"]), observations["mu"].shape[1], observations["asp"].shape[1]
        shapes = {"mu": (batch, mus, -1), "asp": (batch, asps, 2, mus)}
        return {
            group: clipped(_mean_action(algorithm.get_module(group), values), shapes[group])
            for group, values in observations.items()
        }

    def train() -> None:
        for _ in range(_ITERATIONS):
            algorithm.train()

    report(("ray",), f"PPO, MUs and ASPs, {_ITERATIONS} iterations of 1,024 steps", train, act, "agents")
    algorithm.stop()
    ray.shutdown()


if __name__ == "__main__":
    main()
