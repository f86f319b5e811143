"""What TensorBoard calls the figures of an evaluation, and which it shows beside one another; docs/tensorboard.md.

Mobile users are ``mu``, providers are ``asp``, as in ``runs/…/mus`` and ``runs/…/asps``. Regrets as shares of what is
the agents' own are ``regret/…``, and under the same names ``regret_log10/…``, where a thousandth is -3.
"""

import math
from collections.abc import Mapping

#: Of relative regrets, by their names in ``metrics.json``.
REGRET_TAGS = {
    "leader_regret_relative": "mus",
    "leader_regret_worst": "worst_mu",
    "leader_regret_relative_learned_asps": "mus_served_by_learned_asps",
    "leader_regret_worst_learned_asps": "worst_mu_served_by_learned_asps",
    "follower_regret_relative": "asps",
    "follower_regret_worst": "worst_asp",
    "follower_regret_relative_near": "asps_near_equilibrium",
    "follower_regret_worst_near": "worst_asp_near_equilibrium",
}
#: Of the other figures, likewise.
_OTHER_TAGS = {
    "nash_conv": "nash_conv",
    "utility_ratio": "mu_utility_over_equilibrium",
    "mu_utility_learned": "mu_utility",
    "mu_utility_at_equilibrium": "mu_utility_at_equilibrium",
    "mu_utility_ratio_learned_asps": "mu_utility_kept_with_learned_asps",
    "asp_profit_learned": "asp_profit",
    "asp_profit_best": "asp_profit_at_best",
    "money_left": "mu_money_left",
    "money_wasted": "mu_money_wasted",
}
#: Groups of tags that are written when policies are evaluated; the others, while they learn.
EVALUATION_GROUPS = ("regret/", "regret_log10/", "held_out/", "payoff_of_each/", "regret_of_each/")
#: Smaller regrets are rounding, and zero has no logarithm.
_LEAST_REGRET = 1e-12

#: Charts that show a run at a glance, with regular expressions of their tags, in the form of torch's ``SummaryWriter``.
LAYOUT = {
    "Mobile users (leaders)": {
        "regret, log10 of its share": ["Multiline", ["regret_log10/(mus|worst_mu)$"]],
        "utility of an MU, credits per slot": ["Multiline", ["held_out/mu_utility(_at_equilibrium)?$"]],
    },
    "Providers (followers)": {
        "regret, log10 of its share": ["Multiline", ["regret_log10/(asps|asps_near_equilibrium|worst_asp)$"]],
        "profit of an ASP, credits per slot": ["Multiline", ["held_out/asp_profit(_at_best)?$"]],
    },
    "Money and resources, while learning": {
        "who gets what, credits per slot": ["Multiline", ["market/(payment_per_mu|utility_per_mu|profit_per_asp)$"]],
        "shadow prices, credits per unit": ["Multiline", ["market/shadow_price_"]],
        "share of capacity in use": ["Multiline", ["market/utilisation_"]],
    },
}


def tagged(figures: Mapping[str, float | str]) -> dict[str, float]:
    """The numbers among the figures of an evaluation, by the tags under which TensorBoard shows them."""
    found = {}
    for name, value in figures.items():
        if isinstance(value, str):  # whose regret is the worst
            continue
        if name in REGRET_TAGS:
            found[f"regret/{REGRET_TAGS[name]}"] = value
            found[f"regret_log10/{REGRET_TAGS[name]}"] = math.log10(max(value, _LEAST_REGRET))
        else:
            found[f"held_out/{_OTHER_TAGS[name]}"] = value
    return found
