"""Wallets refuse what is none, are equal when made alike, and are drawn between two."""

import numpy as np
import pytest

from aigc_market_env.wallets import Wallet, WalletRange
from aigc_market_env.wallets.money import after, covered


@pytest.mark.parametrize(
    ("amounts", "message"),
    [
        ({"money": -1.0}, "money = -1.0"),
        ({"money": np.nan}, "money = nan"),
        ({"money": np.inf}, "money = inf"),
        ({"money": 1e91}, "must be from 0 to 1e"),  # or income would add up to what is not finite
        ({"money": 1.0, "cap": 1e91}, "or infinite for none"),
        ({"money": 1.0, "cap": -np.inf}, "cap = -inf"),
        ({"money": "much"}, "money = 'much'"),
        ({"money": 1.0, "income": [1.0, -2.0]}, "income = -2.0"),
        ({"money": 1.0, "cap": np.nan}, "cap = nan"),
        ({"money": [1.0, 2.0], "income": [1.0, 2.0, 3.0]}, "shapes"),
        ({"money": 1.0, "unit": "euros"}, "unit = 'euros'"),
    ],
)
def test_what_is_no_wallet_is_refused_by_the_name_of_its_field(amounts, message):
    with pytest.raises(ValueError, match=message.replace("[", r"\[")):
        Wallet(**amounts)


def test_shares_of_spending_become_credits():
    wallet = Wallet(2.0, [0.5, 1.0], unit="spending").in_credits(np.array([3.0, 0.0]))
    assert wallet == Wallet([6.0, 0.0], [1.5, 0.0], [np.inf, np.inf])
    assert hash(wallet) == hash(Wallet([6.0, 0.0], [1.5, 0.0], [np.inf, np.inf]))
    assert Wallet(1.0) != Wallet(1.0, unit="spending")
    assert hash(Wallet(-0.0)) == hash(Wallet(0.0))


@pytest.mark.parametrize(
    ("spending", "message"),
    [([1.0, 2.0, 3.0], "spending has shape"), ([1.0, -1.0], "spending = -1.0"), ("a", "spending")],
)
def test_what_is_no_spending_is_refused_by_its_name(spending, message):
    with pytest.raises(ValueError, match=message):
        Wallet([1.0, 2.0], unit="spending").in_credits(spending)


def test_a_range_draws_between_its_ends():
    uniforms = np.array([[0.0, 0.5], [0.25, 1.0], [0.0, 0.0]])
    drawn = WalletRange(Wallet(1.0, 0.0, 4.0), Wallet(3.0, 2.0, np.inf)).draw(uniforms)
    assert drawn == Wallet([1.0, 2.0], [0.5, 2.0], [np.inf, np.inf])


def test_ranges_whose_ends_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="income"):
        WalletRange(Wallet(1.0, 2.0), Wallet(1.0, 1.0))
    with pytest.raises(ValueError, match="income of a wallet range has shapes"):
        WalletRange(Wallet(1.0, [0.0, 0.0]), Wallet(1.0, [1.0, 1.0, 1.0]))
    with pytest.raises(ValueError, match="units"):
        WalletRange(Wallet(1.0), Wallet(1.0, unit="spending"))
    with pytest.raises(ValueError, match="must be a Wallet"):
        WalletRange(1.0, Wallet(1.0))


def test_money_is_never_below_zero_nor_above_the_cap():
    rng = np.random.default_rng(0)
    for money, payment, income, cap in rng.exponential(size=(200, 4)):
        paid = covered(payment, money) * payment
        assert paid <= money * (1 + 1e-15)
        assert 0.0 <= after(money, paid, income, cap) <= cap
    assert covered(1.0, 1.0) == covered(0.0, 0.0) == 1.0
    assert covered(1.0, 0.0) == 0.0
