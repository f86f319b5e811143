from pathlib import Path

import numpy as np
import pytest

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.documents import as_document
from agents.evaluation.sets import MarketDistribution
from agents.policy.files import load_policy, save_policy
from agents.policy.followers import FollowerArchitecture, FollowerPolicy
from agents.reports.episode import play_episode, posting_mus, scenario_of
from agents.runs import write_json
from agents.torch_settings import one_torch_thread
from aigc_market_env import leader_best_response, market_v0, solve_equilibrium
from aigc_market_env.evaluation.leaders import EVALUATION_SEED, WARM_UP_SLOTS

CAMPUS = Path(__file__).parents[3] / "pretrained" / "campus"
SMALL = EquilibriumConfig(
    markets=MarketDistribution(num_mus=(2, 3), num_asps=(1, 2), loads=(2.0, 8.0)), width=4, layers=1, links=64
)


def played_one_by_one(run, slots):
    """The same slots in the PettingZoo environment: markets, and rewards as shares of ω/q."""
    policy, scenario = load_policy(run), scenario_of(run)
    asps = "agents" if policy.kind == "both" else "best_response"
    env = market_v0.parallel_env(scenario, 1000, asps=asps)
    observations, _ = env.reset(seed=EVALUATION_SEED)
    for slot in range(WARM_UP_SLOTS + slots):
        market = env.market
        if policy.kind == "leader_set":
            shares = policy.act_market(market)
            actions = {f"mu_{m}": shares[m] for m in range(market.num_mus)}
            observations, *_ = env.step(actions)
        else:
            for _ in range(2 if asps == "agents" else 1):
                observations, *_ = env.step(policy.act(observations))
        if slot >= WARM_UP_SLOTS:
            yield market, env.posted_rewards


def check(run, slots=2):
    episode = play_episode(run, slots)
    assert episode.learned.shape == episode.equilibrium.shape
    assert len(episode.learned) == len(episode.regret) == len(episode.equilibrium_regret) == slots
    for slot, (market, rewards) in enumerate(played_one_by_one(run, slots)):
        bound = market.reward_bound[:, None]
        served = np.isfinite(episode.learned[slot])
        np.testing.assert_allclose(episode.learned[slot][served], (rewards / bound)[served], rtol=1e-5)
        oracle = solve_equilibrium(market, certify=False)
        served = oracle.outcome.throughput > 0.0
        assert (np.isfinite(episode.equilibrium[slot]) == served).all()
        np.testing.assert_allclose(episode.equilibrium[slot][served], (oracle.rewards / bound)[served], rtol=1e-6)
        best, reached = leader_best_response(market, rewards)[1], posted_utility(market, rewards)
        expected = np.maximum(best - reached, 0.0).sum() / oracle.outcome.mu_utility.sum()
        assert episode.regret[slot] == pytest.approx(expected, rel=1e-4, abs=1e-9)
        assert episode.equilibrium_regret[slot] < 1e-6
    return episode


def posted_utility(market, rewards):
    """The MUs' utilities where ASPs respond in the environment."""
    env = market_v0.parallel_env(market, asps="best_response")
    env.reset(seed=0)
    shares = rewards / market.reward_bound[:, None]
    _, payoffs, *_ = env.step({f"mu_{m}": shares[m] for m in range(market.num_mus)})
    return np.array([payoffs[f"mu_{m}"] for m in range(market.num_mus)])


def test_a_run_of_leaders_is_played_on_its_market(run):
    assert check(run).title == "duo, 2 MUs and 1 ASPs"


def test_a_run_of_both_sides_is_played_by_both():
    episode = check(CAMPUS)
    assert episode.regret.max() < 0.05
    again = play_episode(CAMPUS, 2)
    np.testing.assert_array_equal(again.learned, episode.learned)
    assert (again.regret == episode.regret).all()


@pytest.fixture
def set_run(tmp_path):
    with one_torch_thread():
        save_policy(SMALL.make_learner().policy(), tmp_path)
    write_json(tmp_path / "config.json", as_document(SMALL))
    return tmp_path


def test_a_set_policy_is_played_on_one_market_of_its_usual_size_and_load(set_run):
    episode, scenario = check(set_run), scenario_of(set_run)
    assert episode.learned.shape == (2, 2, 1)
    assert scenario.dynamics.shadowing_db > 0.0
    first, second = (market for market, _ in played_one_by_one(set_run, 2))
    assert first.compute_capacity == second.compute_capacity
    assert (first.spectral_efficiency != second.spectral_efficiency).all()
    lighter = MarketDistribution(num_mus=(2, 3), num_asps=(1, 2), loads=(1.0, 1.0))
    write_json(set_run / "config.json", as_document(EquilibriumConfig(markets=lighter)))
    np.testing.assert_allclose(scenario_of(set_run).sample(0).compute_capacity, 4.0 * first.compute_capacity)


def test_providers_alone_have_no_rewards_to_show(tmp_path):
    architecture = FollowerArchitecture(2, 1, (4,), 1.0)
    with pytest.raises(ValueError, match=r"only ASPs.*--video"):
        posting_mus(FollowerPolicy(architecture, architecture.network()), tmp_path)
