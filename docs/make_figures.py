"""Draws the README's picture: a slot of the campus market at equilibrium.

python docs/make_figures.py
"""

from pathlib import Path

import matplotlib.image

from aigc_market_env import market_v0, solve_equilibrium
from aigc_market_env.files import replacing


def main() -> None:
    """Write docs/market.png."""
    env = market_v0.parallel_env(scenario="campus", asps="best_response", render_mode="rgb_array")
    env.reset(seed=1)
    market = env.market
    shares = solve_equilibrium(market).rewards / market.reward_bound[:, None]
    env.step({f"mu_{m}": shares[m] for m in range(market.num_mus)})
    with replacing(Path(__file__).parent / "market.png") as new:
        matplotlib.image.imsave(new, env.render(), format="png")


if __name__ == "__main__":
    main()
