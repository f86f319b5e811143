from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_levels import LevelConfig, lasting_levels, spending_lines, with_money
from agents.algorithms.set_ppo import SetPPOConfig
from agents.documents import as_document, config_of
from agents.episode_draws import drawn_episodes
from agents.evaluation.set_episodes import held_out_episodes, judge_level_policy
from agents.market_draws import MarketDistribution
from aigc_market_env import solve_equilibrium

SMALL = MarketDistribution("prepaid", (3, 5), (2, 3))
TINY = LevelConfig(
    markets=SMALL, updates=40, links=120, width=16, layers=2, warm_up=5, horizon=12, episode_links=720, level_width=32
)


@pytest.fixture(scope="module")
def episodes():
    return drawn_episodes(SMALL, np.random.default_rng(0), (4, 2), 3, 10)


@pytest.fixture(scope="module")
def lines(episodes):
    levels = np.exp(np.random.default_rng(1).uniform(-2.0, 0.0, episodes.plan.money.shape))
    return spending_lines(episodes.path, levels)


# What is drawn


def test_episodes_have_markets_and_wallets_of_their_own_and_come_again(episodes):
    again = drawn_episodes(SMALL, np.random.default_rng(0), (4, 2), 3, 10)
    assert again.path == episodes.path
    for one, other in zip(episodes.plan, again.plan, strict=True):
        np.testing.assert_array_equal(one, other)
    assert episodes.path.batch_shape == (3, 10)
    assert len(np.unique(np.round(episodes.plan.cap, 4))) == 12  # one for every MU of an episode, all along
    assert (episodes.plan.slots_left == np.arange(10, 0, -1)[:, None]).all()
    loads = episodes.path.compute_capacity.sum(axis=-1)
    assert loads.max() / loads.min() > 1.5


def test_money_is_drawn_from_nothing_to_all_that_there_can_be(episodes):
    plan = with_money(episodes.plan, np.random.default_rng(2))
    share = plan.money / plan.cap
    assert 0.0 <= share.min() < 0.05
    assert 0.8 < share.max() <= 1.0
    for name in ("income", "cap", "slots_left"):
        np.testing.assert_array_equal(getattr(plan, name), getattr(episodes.plan, name))


# What is learned


def test_lines_pass_through_what_slots_cost(episodes):
    levels = np.full(episodes.plan.money.shape, 0.4)
    lines = spending_lines(episodes.path, levels)
    paced = episodes.path.replace(satisfaction_scale=levels * episodes.path.satisfaction_scale)
    spent = solve_equilibrium(paced, certify=False).outcome.service_cost
    np.testing.assert_allclose(lines.rate * np.maximum(levels - lines.entry, 0.0), spent, rtol=1e-6, atol=1e-12)


def test_without_income_or_cap_the_level_spends_all_that_is_kept(episodes, lines):
    """By walking on from every slot at one level, as the taut string is where money can only run out at the end."""
    plan = with_money(episodes.plan, np.random.default_rng(3))
    plan = plan._replace(income=np.zeros_like(plan.money), cap=np.full_like(plan.money, np.inf))
    levels = lasting_levels(lines, plan)
    for t in range(9):
        spent = (lines.rate[:, t:] * np.maximum(levels[:, t, None] - lines.entry[:, t:], 0.0)).sum(axis=1)
        money = plan.money[:, t]
        last = levels[:, t] < 1.0
        assert (spent[last] >= money[last] * (1 - 1e-6)).all()  # more only where nothing after this slot is affordable
        assert np.isclose(spent[last], money[last], rtol=1e-6).mean() > 0.8
        assert (spent[~last] <= money[~last] * (1 + 1e-9)).all()
    assert (levels[:, -1] == 1.0).all()


def test_more_money_means_a_higher_level(episodes, lines):
    plan = with_money(episodes.plan, np.random.default_rng(4))
    less = lasting_levels(lines, plan._replace(money=0.5 * plan.money))
    assert (lasting_levels(lines, plan) >= less - 1e-12).all()


def test_who_would_waste_money_spends_more(episodes, lines):
    plan = with_money(episodes.plan, np.random.default_rng(5))
    plan = plan._replace(money=plan.cap)
    free = lasting_levels(lines, plan._replace(cap=np.full_like(plan.cap, np.inf)))
    assert (lasting_levels(lines, plan) >= free - 1e-12).all()


def test_training_lowers_the_bound_in_episodes_of_another_size():
    held_out = held_out_episodes(SMALL, (6, 4), 2, TINY.horizon)
    learner = TINY.make_learner()

    def bound():
        return judge_level_policy(learner.policy(), held_out, thorough=False).leader_regret_relative

    before = bound()
    while not learner.done:
        metrics = learner.step()
    assert {"loss", "error", "pricing_loss", "pricing_error", "learning_rate"} == set(metrics)
    assert learner.transitions > 0
    assert bound() < 0.4 * before


def test_an_update_depends_on_the_state_before_it_alone():
    first, second = TINY.make_learner(), TINY.make_learner()
    first.step()
    second.restore(deepcopy(first.state()))
    assert first.step() == second.step()
    with pytest.raises(ValueError, match="not the saved state"):
        second.restore({"update": 1})


# Configurations


def test_a_configuration_comes_back_from_its_document():
    assert config_of(as_document(replace(TINY, seed=3))) == replace(TINY, seed=3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("horizon", 0),
        ("episode_links", 0),
        ("epochs", 1.5),
        ("level_width", 0),
        ("level_layers", 0),
        ("kink_width", -1.0),
        ("updates", -1),
        ("side", "x"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} = "):
        LevelConfig(**{name: value})


@pytest.mark.parametrize("kind", [EquilibriumConfig, SetPPOConfig])
def test_other_algorithms_refuse_wallets(kind):
    with pytest.raises(ValueError, match=r"^scenario = 'prepaid': .* have wallets.*choose algorithm levels"):
        kind(markets=SMALL)


def test_levels_are_for_leaders_with_wallets():
    with pytest.raises(ValueError, match=r"^scenario = 'campus': .* no wallets.*choose algorithm equilibrium or ppo"):
        LevelConfig(markets=MarketDistribution("campus"))
    with pytest.raises(ValueError, match=r"^side = 'followers': .*scenario = 'campus'"):
        LevelConfig(side="followers")
