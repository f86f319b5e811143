"""Wrappers of the PettingZoo environments that make usual loops right, each of AEC and Parallel environments.

| wrapper | what it changes |
|---|---|
| :func:`own_turns` | agents of one side; a step is a slot, with its payoff; a policy acts for the others (Parallel) |
| :func:`log_actions` | actions from -1 to 1, evenly on a logarithmic scale |
| :func:`flatten_actions` | an ASP's action as a vector (2·M,) |
| :func:`agent_identity` | observations end with a one-hot vector of who it is |
| :func:`relative_payoffs` | payoffs in units of what satisfaction is worth, ω |

They may be put around one another in any order, and around others' wrappers (docs/how-to/wrappers.md). Spaces always
describe what a step takes and what is given. What the environment does with actions that are bad stays the same.
"""

from aigc_market_env.wrappers.actions import flatten_actions, log_actions
from aigc_market_env.wrappers.identity import agent_identity
from aigc_market_env.wrappers.payoffs import relative_payoffs
from aigc_market_env.wrappers.turns import own_turns

__all__ = ["agent_identity", "flatten_actions", "log_actions", "own_turns", "relative_payoffs"]
