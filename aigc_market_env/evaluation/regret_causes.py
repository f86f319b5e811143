"""Where the regret over an episode comes from: spending, saving, the cap, or rewards within a slot.

The bound on an MU's regret at prices A of money is a sum over slots of two terms, neither of which is negative
(docs/wallets.md#certificate). With S the satisfaction and p the payment of the slot, z the money left after it, and

    v(s) = max_r [s S - p],    what the slot is worth at a level s,

the slot's own term is v(s_A)/s_A + p/s_A - S with s_A = 1/(1 + A). For no payment p is there more satisfaction than
min_s [v(s) + p]/s. What is short of that is *mispriced*: the same money, paid to others or at other rewards, would have
bought more. The rest is money spent at the wrong price: *overspent* where the minimum is at a level above s_A,
*underspent* below. The other term is max_z [A' min(cap, z + y) - A z] less the same of what was left: money *lost to
the cap*, at its price of the next slot; and money kept while its price fell, or beyond the end: *underspent*, too. A
slot that was cut short is mispriced: the same money buys more at rewards that can be paid.
"""

import numpy as np

from aigc_market_env import Episode, Market, Wallet, leader_best_response
from aigc_market_env.model.parameters import FloatArray

CAUSES = ("overspent", "underspent", "lost_to_cap", "mispriced")
#: Levels between which what a payment can buy is interpolated, from above.
_LEVELS = np.geomspace(0.003, 1.0, 18)


def regret_causes(path: Market, wallet: Wallet, episode: Episode, prices: FloatArray) -> dict[str, FloatArray]:
    """What the bound on each MU's regret at given prices is made of, slot by slot.

    Best responses are those that the search finds, so that the sum may be below a proven bound, by what the search and
    the proof are apart.

    Args:
        path: markets of the slots, batch (E, T).
        wallet: amounts in credits, (E, M).
        episode: what was played, batch (E, ·).
        prices: of money, (E, T, M).

    Returns:
        By names of :data:`CAUSES`, credits, >= 0. (E, T, M) each.
    """
    paid, level = episode.outcome.service_cost, 1.0 / (1.0 + prices)
    satisfaction = episode.outcome.mu_utility + paid
    term = _worth(path, episode.rewards, level, paid) - satisfaction
    best, at = term.copy(), level.copy()
    for one in _LEVELS:
        levels = np.full_like(level, one)
        missed = _worth(path, episode.rewards, levels, paid) - satisfaction
        lower = missed < best
        best, at = np.where(lower, missed, best), np.where(lower, levels, at)
    mispriced = np.clip(best, 0.0, np.maximum(term, 0.0))
    misspent = np.maximum(term, 0.0) - mispriced
    lost, kept = _of_money(wallet, episode, prices)
    return {
        "overspent": np.where(at > level, misspent, 0.0),
        "underspent": np.where(at > level, 0.0, misspent) + kept,
        "lost_to_cap": lost,
        "mispriced": mispriced,
    }


def _worth(path: Market, rewards: FloatArray, levels: FloatArray, paid: FloatArray) -> FloatArray:
    """At least the satisfaction that a payment can buy, others' rewards fixed: [v(s) + p]/s. (E, T, M)."""
    _, utility = leader_best_response(path.replace(satisfaction_scale=path.satisfaction_scale * levels), rewards)
    worth: FloatArray = (utility + paid) / levels
    return worth


def _of_money(wallet: Wallet, episode: Episode, prices: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What was lost to the cap and what was kept at a loss, at these prices, slot by slot. (E, T, M) each."""
    money, (start, income, cap) = episode.money, (amount[:, None] for amount in wallet.amounts)
    later = np.concatenate([prices[:, 1:], np.zeros_like(prices[:, :1])], axis=1)
    left = money[:, :-1] - episode.outcome.service_cost
    most = np.empty_like(left)
    most[:, 0] = np.minimum(start, cap)[:, 0]
    for t in range(1, most.shape[1]):
        most[:, t] = np.minimum(most[:, t - 1] + income[:, 0], cap[:, 0])

    def value(z: FloatArray) -> FloatArray:
        worth: FloatArray = later * np.minimum(cap, z + income) - prices * z
        return worth

    kink = np.clip(cap - income, 0.0, most)
    term = np.maximum(np.maximum(value(np.zeros_like(left)), value(kink)), value(most)) - value(left)
    lost = np.clip(later * np.maximum(left + income - cap, 0.0), 0.0, np.maximum(term, 0.0))
    return lost, np.maximum(term, 0.0) - lost
