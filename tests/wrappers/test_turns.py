"""The wrapper that gives each agent its own turns, and what an AEC loop gives without it."""

import pickle
import warnings

import numpy as np
import pytest
from playing import busy, same

from aigc_market_env import market_v0, wrappers
from aigc_market_env.testing import check_env

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from pettingzoo.test import parallel_api_test, parallel_seed_test

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")

SCENARIO = busy("campus")
#: What an MU posts and an ASP gives, as functions of what they see, so that whoever acts does the same.
SHAPES = {"mu": (4,), "asp": (2, 8)}


def usual(seen):
    """Actions that depend on what is seen, by agent."""
    return {
        agent: np.full(SHAPES[agent.split("_")[0]], 0.1 + 0.02 * (abs(float(entries.sum())) % 1.0), np.float32)
        for agent, entries in seen.items()
    }


def own(side, max_cycles=13):
    return wrappers.own_turns(market_v0.parallel_env(SCENARIO, max_cycles=max_cycles), side, usual)


def usual_loop(env, seed):
    """Transitions of every agent by a loop that knows nothing of turns: (seen, done, paid, seen next)."""
    transitions = {agent: [] for agent in env.possible_agents}
    observations, _ = env.reset(seed=seed)
    while env.agents:
        actions = usual(observations)
        following, payoffs, *_ = env.step(actions)
        for agent, action in actions.items():
            transitions[agent].append((observations[agent], action, payoffs[agent], following[agent]))
        observations = following
    return transitions


def game(seed, slots):
    """What happens in the market, slot by slot, told by the environment itself."""
    env = market_v0.parallel_env(SCENARIO, max_cycles=2 * slots + 1)
    transitions = {agent: [] for agent in env.possible_agents}
    mus = env.reset(seed=seed)[0]
    asps, _, _, _, _ = env.step(usual(mus))
    for _ in range(slots):
        posted, served = usual(mus), usual(asps)
        later_mus, payoffs, *_ = env.step(served)
        later_asps, *_ = env.step(usual(later_mus))
        for agent, payoff in payoffs.items():
            now, action, later = (mus, posted, later_mus) if agent[0] == "m" else (asps, served, later_asps)
            transitions[agent].append((now[agent], action[agent], payoff, later[agent]))
        mus, asps = later_mus, later_asps
    return transitions


@pytest.mark.parametrize("side", ["mu", "asp"])
def test_a_usual_loop_has_what_was_seen_done_and_paid_in_the_agents_own_slot(side):
    found, expected = usual_loop(own(side), 3), game(3, 6)
    assert list(found) == [agent for agent in expected if agent.startswith(side)]
    for agent, transitions in found.items():
        assert len(transitions) == 6
        assert same(transitions, expected[agent])
        assert all(seen[0] == later[0] == 1.0 for seen, _, _, later in transitions)  # its turn, always


def test_a_usual_aec_loop_has_the_same_without_it():
    env, expected = market_v0.env(SCENARIO, max_cycles=6), game(3, 6)
    found, last = {agent: [] for agent in env.possible_agents}, {}
    env.reset(seed=3)
    for agent in env.agent_iter():
        seen, paid, _, truncated, _ = env.last()
        if agent in last:
            found[agent].append((*last[agent], paid, seen))
        action = None if truncated else usual({agent: seen})[agent]
        last[agent] = seen, action
        env.step(action)
    for agent, transitions in found.items():
        # The last observation of an ASP is from before the MUs would have posted once more.
        kept = slice(None) if agent.startswith("mu") else slice(-1)
        assert same(transitions[kept], expected[agent][kept])
        assert [one[2] for one in transitions] == [one[2] for one in expected[agent]]


@pytest.mark.parametrize("side", ["mu", "asp"])
@pytest.mark.parametrize("max_cycles", [2, 12, 13])
def test_all_slots_of_an_episode_are_served(side, max_cycles):
    transitions = usual_loop(own(side, max_cycles), 1)
    assert {len(found) for found in transitions.values()} == {max_cycles // 2}
    assert all(paid != 0.0 for found in transitions.values() for _, _, paid, _ in found)


@pytest.mark.parametrize("side", ["mu", "asp"])
def test_check_env_and_pettingzoos_own_tests(side):
    check_env(own(side), max_steps=20)
    parallel_api_test(own(side), num_cycles=12)
    parallel_seed_test(lambda: own(side), num_cycles=6)


@pytest.mark.parametrize("side", ["mu", "asp"])
def test_it_goes_around_other_wrappers_and_inside_of_them(side):
    def others(seen):
        return {agent: np.full(16 if agent[0] == "a" else 4, 0.2) for agent in seen}

    env = wrappers.agent_identity(wrappers.flatten_actions(market_v0.parallel_env("campus", max_cycles=7)))
    env = wrappers.log_actions(wrappers.relative_payoffs(wrappers.own_turns(env, side, others)))
    check_env(env, max_steps=10)
    assert env.possible_agents == [f"{side}_{i}" for i in range(8 if side == "mu" else 4)]


def test_copies_go_on_alike():
    env = own("asp")
    observations, _ = env.reset(seed=3)
    observations = env.step(usual(observations))[0]
    other = pickle.loads(pickle.dumps(env))
    for _ in range(3):
        assert same(env.step(usual(observations)), other.step(usual(observations)))


@pytest.mark.parametrize("side", ["mu", "asp"])
def test_what_is_out_of_range_is_counted_for_who_did_it(side):
    env = own(side)
    actions = usual(env.reset(seed=0)[0])
    actions[f"{side}_1"] = actions[f"{side}_1"] + 2.0
    infos = env.step(actions)[4]
    counts = {agent: info["clipped"] for agent, info in infos.items()}
    assert counts.pop(f"{side}_1") == actions[f"{side}_1"].size
    assert set(counts.values()) == {0}
    assert all(info["acting"] for info in infos.values())


@pytest.mark.parametrize("bad", [None, {}, {"mu_0": np.zeros(4)}, {f"mu_{m}": np.zeros(3) for m in range(8)}])
def test_bad_actions_are_refused_and_change_nothing(bad):
    env = own("mu")
    env.reset(seed=0)
    before = env.state()
    with pytest.raises(ValueError, match="mu_0"):
        env.step(bad)
    assert same(before, env.state())


def test_no_step_after_the_end():
    env = own("mu", 2)
    env.step(usual(env.reset(seed=0)[0]))
    with pytest.raises(ValueError, match="call reset"):
        env.step({})


@pytest.mark.parametrize("answer", [None, {}, {"asp_0": np.zeros((2, 8))}])
def test_others_must_act_for_all_of_their_side(answer):
    env = wrappers.own_turns(market_v0.parallel_env("campus"), "mu", lambda seen: answer)
    actions = usual(env.reset(seed=0)[0])
    with pytest.raises(ValueError, match="expected actions of asp_0, asp_1, asp_2, asp_3 by name"):
        env.step(actions)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: wrappers.own_turns(market_v0.env("duo"), "mu", usual), "Parallel environment with asps='agents'"),
        (lambda: wrappers.own_turns(market_v0.parallel_env("duo", asps="best_response"), "mu", usual), "a step is a"),
        (lambda: wrappers.own_turns(market_v0.parallel_env("duo"), "leaders", usual), "'mu' or 'asp'"),
        (lambda: wrappers.own_turns(market_v0.parallel_env("duo"), "mu", None), "others = None must be a function"),
        (lambda: wrappers.own_turns(market_v0.parallel_env("duo", max_cycles=1), "mu", usual), "max_cycles=2"),
        (lambda: wrappers.own_turns(None, "mu", usual), r"market_v0\.parallel_env\(\)"),
    ],
)
def test_what_cannot_be_wrapped_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
