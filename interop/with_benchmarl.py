"""BenchMARL: the market as a custom task, MUs trained by IPPO and by MAPPO, whose critic sees ``env.state()``."""

import tempfile
from collections.abc import Callable

import torch
from benchmarl.algorithms import IppoConfig, MappoConfig
from benchmarl.environments.common import TaskClass
from benchmarl.experiment import Experiment, ExperimentConfig
from benchmarl.models.mlp import MlpConfig
from tensordict import TensorDict
from torchrl.data import Composite
from torchrl.envs import EnvBase, PettingZooWrapper
from torchrl.envs.utils import ExplorationType, set_exploration_type

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, clipped, report

_ITERATIONS, _FRAMES = 8, 1024


class MarketTask(TaskClass):
    """One market, ASPs at their best response; ``config`` goes to :class:`aigc_market_env.market_v0.parallel_env`."""

    def get_env_fun(
        self, num_envs: int, continuous_actions: bool, seed: int | None, device: torch.device
    ) -> Callable[[], EnvBase]:
        return lambda: PettingZooWrapper(
            market_v0.parallel_env(**self.config), return_state=True, seed=seed, device=device
        )

    def supports_continuous_actions(self) -> bool:
        return True

    def supports_discrete_actions(self) -> bool:
        return False

    def max_steps(self, env: EnvBase) -> int:
        return env.max_cycles

    def has_render(self, env: EnvBase) -> bool:
        return False

    def group_map(self, env: EnvBase) -> dict[str, list[str]]:
        return env.group_map

    def observation_spec(self, env: EnvBase) -> Composite:
        spec = env.observation_spec.clone()
        return Composite(
            {
                group: Composite(observation=spec[group]["observation"], shape=spec[group].shape)
                for group in env.group_map
            }
        )

    def info_spec(self, env: EnvBase) -> None:
        return None

    def state_spec(self, env: EnvBase) -> Composite:
        return Composite(state=env.observation_spec["state"].clone())

    def action_spec(self, env: EnvBase) -> Composite:
        return env.full_action_spec

    def action_mask_spec(self, env: EnvBase) -> None:
        return None

    @staticmethod
    def env_name() -> str:
        return "aigc_market_env"


def main() -> None:
    """Train by both algorithms and report on each."""
    config = ExperimentConfig.get_from_yaml()
    config.gamma, config.lr, config.loggers, config.evaluation, config.create_json = 0.0, 1e-3, [], False, False
    config.max_n_iters, config.max_n_frames = _ITERATIONS, None
    config.on_policy_collected_frames_per_batch, config.on_policy_n_envs_per_worker = _FRAMES, 4
    config.on_policy_minibatch_size, config.on_policy_n_minibatch_iters = 256, 8
    task = MarketTask("market", {"scenario": SCENARIO, "asps": "best_response"})
    model = MlpConfig(num_cells=[64, 64], activation_class=torch.nn.Tanh, layer_class=torch.nn.Linear)
    for algorithm in (IppoConfig, MappoConfig):
        config.save_folder = tempfile.mkdtemp()
        experiment = Experiment(task, algorithm.get_from_yaml(), model, seed=0, config=config)

        def act(observations: Arrays, policy: torch.nn.Module = experiment.policy) -> Arrays:
            seen = torch.as_tensor(observations["mu"])
            given = TensorDict({"mu": TensorDict({"observation": seen}, seen.shape[:2])}, seen.shape[:1])
            with torch.no_grad(), set_exploration_type(ExplorationType.DETERMINISTIC):
                return {"mu": clipped(policy(given)["mu", "action"], (*seen.shape[:2], -1))}

        name = algorithm.__name__.removesuffix("Config").upper()
        ran = f"{name}, MUs, {_ITERATIONS * _FRAMES:,} steps"
        report(("benchmarl", "torchrl"), ran, experiment.run, act, "best_response")


if __name__ == "__main__":
    main()
