"""Draws the README's picture: a slot of the campus market, rewards near equilibrium.

python docs/make_figures.py
"""

from pathlib import Path

import matplotlib.image
import numpy as np

from aigc_market_env import leader_best_response, market_v0


def main() -> None:
    """Write docs/market.png."""
    env = market_v0.parallel_env(scenario="campus", asps="best_response", render_mode="rgb_array")
    env.reset(seed=1)
    market = env.market
    rewards = np.full((market.num_mus, market.num_asps), 0.2) * market.reward_bound[:, None]
    for _ in range(60):  # damped best responses
        rewards = rewards**0.7 * leader_best_response(market, rewards)[0] ** 0.3
    shares = rewards / market.reward_bound[:, None]
    env.step({f"mu_{m}": shares[m] for m in range(market.num_mus)})
    matplotlib.image.imsave(Path(__file__).parent / "market.png", env.render())


if __name__ == "__main__":
    main()
