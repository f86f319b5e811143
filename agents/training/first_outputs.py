"""Networks that begin with outputs known beforehand, agent by agent; what they make of anything else is still to learn.

Every agent's network sees a one-hot vector of who it is first (:mod:`agents.policy.agent_features`). One unit for each
agent in every hidden layer hands it on, and the last layer turns it into the agent's outputs. Learning then begins at a
policy at hand, as in residual policy learning (Silver et al., arXiv 1812.06298), and is free to leave it.
"""

import torch
from torch import nn

from agents.policy.actions import outputs_for
from aigc_market_env import Scenario, solve_equilibrium
from aigc_market_env.model.parameters import FloatArray

#: With wallets, what is posted at first over the equilibrium of the base market: money has a price.
_WITH_WALLETS = 0.65


def usual_rewards(scenario: Scenario) -> FloatArray:
    """Outputs at which MUs with wallets post a share of what they post at the base market's equilibrium. (M, N)."""
    market = scenario.sample(0)
    shares = solve_equilibrium(market, certify=False).rewards / market.reward_bound[:, None]
    return outputs_for(_WITH_WALLETS * shares)


def begin_with(layers: nn.Sequential, outputs: FloatArray) -> bool:
    """Have a network with ReLUs begin with these outputs, (agents, outputs each), about.

    Returns:
        Whether it does: hidden layers with fewer units than there are agents have no room, and stay as they are.
    """
    agents = len(outputs)
    *hidden, last = [layer for layer in layers if isinstance(layer, nn.Linear)]
    if not hidden or min(layer.out_features for layer in hidden) < agents:
        return False
    with torch.no_grad():
        for layer in hidden:
            layer.weight[:agents] = torch.eye(agents, layer.in_features)
            layer.bias[:agents] = 0.0
        last.weight[:, :agents] = torch.from_numpy(outputs.T.copy()).to(last.weight.dtype)
    return True
