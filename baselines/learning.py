"""Playing until it is good enough: how the overhead of every mechanism that learns is counted.

A mechanism that learns is played round by round until the mean leader regret is at most GOAL of the mean utility of the
MUs, or until its cap. A *probe* is one slot of the whole market: every MU posts its rewards, every ASP solves its
problem once, every MU hears what QoE it got. :class:`~aigc_market_env.equilibrium.Overhead` counts them, for all
of them alike. Beside it stands the *lean* count of a protocol in which only rewards that are perturbed, and the QoE for
them, are sent, and only ASPs that are posted another reward solve anew.

When to stop is ours to know and not the mechanism's: regrets are computed with all that the market hides from its
users, after round 0, 1, 2, … and, from round 10 on, every time that a tenth more has been played, so that an overhead
is overstated by at most that. Nothing is counted for it.
"""

from collections.abc import Iterator

from aigc_market_env import Market, leader_regret
from aigc_market_env.equilibrium import Overhead
from aigc_market_env.model.parameters import FloatArray
from baselines.mechanism import MechanismResult, has_arrived


def leaders_have_arrived(market: Market, rewards: FloatArray) -> bool:
    """Whether MUs regret at most GOAL of what they have, on average, at rewards (M, N), the ASPs responding exactly."""
    utility = MechanismResult.of_rewards(market, rewards).outcome.mu_utility
    return has_arrived(leader_regret(market, rewards), utility)


def play_until_goal(
    market: Market,
    updates: Iterator[FloatArray],
    probes_per_round: int,
    max_rounds: int,
    perturbed_per_probe: int | None = None,
) -> MechanismResult:
    """Play until the relative regret is at most GOAL, or for ``max_rounds`` rounds.

    Args:
        market: a single market.
        updates: the start, then the rewards (M, N) after every round, without end.
        probes_per_round: times that the market is served in a round.
        max_rounds: the cap.
        perturbed_per_probe: rewards that a probe perturbs; all if not given.

    Returns:
        The slot at the rewards reached, and the overhead until then.
    """
    check = 0
    for played, rewards in enumerate(updates):
        if played < min(check, max_rounds):
            continue
        reached = leaders_have_arrived(market, rewards)
        if reached or played == max_rounds:
            break
        check = played + 1 + played // 10
    overhead = Overhead.of(played, probes_per_round * played, market.num_mus, market.num_asps, perturbed_per_probe)
    return MechanismResult.of_rewards(market, rewards, overhead, reached)
