"""SuperSuit and stable-baselines3: PPO with one policy for all MUs, ASPs at their best response.

SuperSuit's vector environments cannot be seeded for stable-baselines3: ``PPO(seed=0)`` raises, so no run is like
another. For seeded and much faster training see ``agents.training.leader_env``.
"""

import supersuit
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed

from aigc_market_env import market_v0
from interop.common import SCENARIO, Arrays, clipped, report

_STEPS = 40_960


def main() -> None:
    """Train and report."""
    set_random_seed(0)
    env = market_v0.parallel_env(SCENARIO, asps="best_response")
    agents = supersuit.pettingzoo_env_to_vec_env_v1(env)
    envs = supersuit.concat_vec_envs_v1(agents, 8, base_class="stable_baselines3")
    # What an agent does in a slot changes nothing in the next: no discounting to learn from.
    model = PPO("MlpPolicy", envs, n_steps=128, batch_size=512, gamma=0.0, learning_rate=1e-3, device="cpu")

    def act(observations: Arrays) -> Arrays:
        batch, mus, size = observations["mu"].shape
        actions, _ = model.predict(observations["mu"].reshape(-1, size), deterministic=True)
        return {"mu": clipped(actions, (batch, mus, -1))}

    def train() -> None:
        model.learn(_STEPS)

    ran = f"SB3's PPO, MUs, {_STEPS:,} steps of an agent"
    report(("supersuit", "stable-baselines3"), ran, train, act, "best_response")


if __name__ == "__main__":
    main()
