"""The environments pass the check, and each kind of defect makes it fail where the defect is."""

import threading

import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from pettingzoo import ParallelEnv
from pettingzoo.utils.wrappers import BaseParallelWrapper
from playing import VARIANTS, busy

from aigc_market_env import Market, Scenario, market_v0
from aigc_market_env.testing.checks import check_env
from aigc_market_env.testing.equivalence import check_forms

forms = pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])


@forms
@pytest.mark.parametrize(("name", "asps"), VARIANTS)
def test_our_environments_pass(make, name, asps):
    check_env(make(busy(name), 10, asps=asps))


@forms
@settings(max_examples=10)
@given(st.integers(0, 2**32 - 4), st.sampled_from(VARIANTS))
def test_all_forms_are_the_same_for_every_seed(make, seed, variant):
    name, asps = variant
    check_forms(make(busy(name), 6, asps=asps), seed)


@forms
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1)])
def test_markets_of_any_size_pass(make, size):
    check_env(make(Scenario.preset("random", num_mus=size[0], num_asps=size[1]), 6))


@forms
@pytest.mark.parametrize("max_cycles", [1, 2])
def test_the_shortest_episodes_pass(make, max_cycles):
    check_env(make("duo", max_cycles))


def test_long_episodes_are_cut_off():
    env = market_v0.parallel_env("duo", 10**9)
    check_env(env, max_steps=7)


def test_wrapped_environments_pass():
    check_env(BaseParallelWrapper(market_v0.parallel_env("duo", 6)))


# Defects -------------------------------------------------------------------------------------------------------------


class BrokenParallel(market_v0.parallel_env):
    """Spoils what step 5 hands out, or what every step does."""

    def __init__(self, spoil, always=False):
        super().__init__(busy("duo"), 12, asps="best_response")
        self.spoil, self.always = spoil, always

    def step(self, actions):
        result = super().step(actions)
        if self.always or self._cycle == 5:
            self.spoil(self, *result)
        return result


def _observe_nan(env, observations, *_):
    observations["mu_1"][3] = np.nan


def _observe_infinity(env, observations, *_):
    observations["mu_1"][3] = np.inf


def _observe_out_of_space(env, observations, *_):
    observations["mu_1"][3] = 10.1


def _observe_doubles(env, observations, *_):
    observations["mu_1"] = observations["mu_1"].astype(np.float64)


def _observe_too_little(env, observations, *_):
    observations["mu_1"] = observations["mu_1"][:-1]


def _reward_nan(env, observations, rewards, *_):
    rewards["mu_1"] = float("nan")


def _reward_array(env, observations, rewards, *_):
    rewards["mu_1"] = np.array([1.0])


def _reward_nothing(env, observations, rewards, *_):
    rewards["mu_1"] = None


def _no_reward(env, observations, rewards, *_):
    del rewards["mu_1"]


def _truncate_by_number(env, observations, rewards, terminations, truncations, infos):
    truncations["mu_1"] = 0


def _share_infos(env, observations, rewards, terminations, truncations, infos):
    infos["mu_1"] = infos["mu_0"]


def _reuse_infos(env, observations, rewards, terminations, truncations, infos):
    infos["mu_1"] = env.__dict__.setdefault("buffer", {})


def _info_is_none(env, observations, rewards, terminations, truncations, infos):
    infos["mu_1"] = None


def _reuse_observations(env, observations, *_):
    buffer = env.__dict__.setdefault("buffer", np.zeros_like(observations["mu_1"]))
    buffer[:] = observations["mu_1"]
    observations["mu_1"] = buffer


def _draw_elsewhere(env, observations, *_):
    observations["mu_1"][3] = np.random.rand()  # noqa: NPY002 - the defect


def _replace_space(env, *_):
    env.action_spaces["mu_1"] = Box(0.0, 1.0, (1,), np.float32)


def _change_space(env, *_):
    env.observation_spaces["mu_1"].high[2] = 9.0


def _pay_a_little_more(env, observations, rewards, *_):
    rewards["mu_1"] = np.nextafter(rewards["mu_1"], np.inf)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_observe_nan, r"mu_1, episode 0, step 5: observation\[3\] is nan"),
        (_observe_infinity, r"mu_1, episode 0, step 5: observation\[3\] is inf"),
        (_observe_out_of_space, "mu_1, episode 0, step 5: observation is not in its space"),
        (_observe_doubles, "mu_1, episode 0, step 5: observation is not in its space"),
        (_observe_too_little, "mu_1, episode 0, step 5: observation is not in its space"),
        (_reward_nan, "mu_1, episode 0, step 5: reward nan is not a finite number"),
        (_reward_array, r"mu_1, episode 0, step 5: reward array\(\[1\.\]\) is not a finite number"),
        (_reward_nothing, "mu_1, episode 0, step 5: reward None is not a finite number"),
        (_no_reward, "mu_1, episode 0, step 5: reward missing"),
        (_truncate_by_number, "mu_1, episode 0, step 5: truncation 0 is not a bool"),
        (_share_infos, "mu_1, episode 0, step 5: info is an object that mu_0 was given before"),
        (_info_is_none, "mu_1, episode 0, step 5: info None is not a dictionary"),
        (_draw_elsewhere, "mu_1, episode 0, step 5: observation differs between two environments with the same seed"),
        (_replace_space, "mu_1, episode 0, step 5: action_space is another object than before"),
        (_change_space, "mu_1, episode 0, step 5: observation_space has changed to Box"),
        (_pay_a_little_more, "mu_1, step 5: reward differs from that of the AEC form"),
    ],
)
def test_a_defect_of_one_step_is_found_there(spoil, message):
    with pytest.raises(AssertionError, match=message):
        check_env(BrokenParallel(spoil))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_reuse_observations, "mu_1, episode 0, step 1: observation was overwritten, it has changed by step"),
        (_reuse_infos, "mu_1, episode 0, step 2: info is an object that mu_1 was given before"),
    ],
)
def test_buffers_used_again_are_found(spoil, message):
    with pytest.raises(AssertionError, match=message):
        check_env(BrokenParallel(spoil, always=True))


class LateWriter(market_v0.parallel_env):
    """Writes into an observation long after it was handed out, and only then."""

    def step(self, actions):
        result = super().step(actions)
        if self._cycle == 1:
            self.kept = result[0]["mu_0"]
        if self._cycle == 11:
            self.kept[2] += 1.0
        return result


def test_an_observation_overwritten_much_later_is_found():
    with pytest.raises(AssertionError, match="mu_0, episode 0, step 1: observation was overwritten"):
        check_env(LateWriter("duo", 12))


class Deaf(market_v0.parallel_env):
    """Ignores seeds: the stream goes on from where it was."""

    def reset(self, seed=None, options=None):
        return super().reset(seed=None if self._has_reset else 0)


class Forgetful(market_v0.parallel_env):
    """Draws unpredictable markets when it is not seeded."""

    def reset(self, seed=None, options=None):
        return super().reset(seed=np.random.SeedSequence().entropy if seed is None else seed)


class Unsteady(market_v0.parallel_env):
    """Plays episodes of a length that depends on what was played before."""

    def reset(self, seed=None, options=None):
        self.max_cycles += 1
        return super().reset(seed)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Deaf, "mu_0, episode 0, step 0: observation differs between two environments with the same seed"),
        (Forgetful, "mu_0, episode 1, step 0: observation differs between two environments with the same seed"),
        (Unsteady, "mu_0, episode 0, step 4: truncation differs between two environments with the same seed"),
    ],
)
def test_seeds_not_honoured_are_found(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_env(kind("campus", 3))


class BrokenState(market_v0.parallel_env):
    def state(self):
        state = super().state()
        if self._has_reset and self._cycle == 2:
            state[7] = np.nan
        return state


class BufferedState(market_v0.parallel_env):
    def state(self):
        self.buffer = self.__dict__.get("buffer", super().state())
        self.buffer[:] = super().state()
        return self.buffer


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (BrokenState, r"mu_0, episode 0, step 2: state\[7\] is nan"),
        (BufferedState, "mu_0, episode 0, step 0: state was overwritten"),
    ],
)
def test_a_broken_state_is_found(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_env(kind("duo", 6))


class BlindAEC(market_v0.raw_env):
    """ASPs see the rewards of the slot before."""

    def _post(self):
        before = {agent: row.copy() for agent, row in self._current.items() if agent.startswith("asp_")}
        super()._post()
        self._current = self._current | before


class NaNAEC(market_v0.raw_env):
    def observe(self, agent):
        observation = super().observe(agent)
        if agent == "asp_0" and self._cycle == 3:
            observation[0] = np.nan
        return observation


class BufferedAEC(market_v0.raw_env):
    def observe(self, agent):
        buffers = self.__dict__.setdefault("buffers", {})
        buffers.setdefault(agent, super().observe(agent))[:] = super().observe(agent)
        return buffers[agent]


class UnpaidAEC(market_v0.raw_env):
    def _serve(self):
        return super()._serve() | {"mu_1": float("nan")}


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (BlindAEC, "asp_0, step 1: observation differs from that of the Parallel form"),
        (NaNAEC, r"asp_0, episode 0, step 3: observation\[0\] is nan"),
        (BufferedAEC, "mu_0, episode 0, step 0: observation was overwritten, it has changed by step 1"),
        (UnpaidAEC, "mu_1, episode 0, step 1: reward nan is not a finite number"),
    ],
)
def test_defects_of_aec_are_found(kind, message):
    with pytest.raises(AssertionError, match=message):
        check_env(kind("duo", 6))


# Arguments and other people's environments ---------------------------------------------------------------------------


@pytest.mark.parametrize("env", [None, market_v0.parallel_env, Market])
def test_what_is_no_environment_is_refused(env):
    with pytest.raises(ValueError, match="must be a PettingZoo AECEnv or ParallelEnv"):
        check_env(env)


class Locked(market_v0.parallel_env):
    def __init__(self, *args):
        super().__init__(*args)
        self.lock = threading.Lock()

    __getstate__ = object.__getstate__


def test_what_cannot_be_copied_needs_a_twin():
    with pytest.raises(ValueError, match=r"cannot be copied .* twin="):
        check_env(Locked("duo", 4))
    check_env(Locked("duo", 4), Locked("duo", 4))
    with pytest.raises(AssertionError, match="mu_0, episode 0, step 0: state differs between two environments"):
        check_env(Locked("duo", 4), Locked(Scenario.preset("duo", load=3.0), 4))


class Masked(ParallelEnv):
    """Two agents that drop out one after the other, observations that are dictionaries, and actions not allowed."""

    metadata = {"name": "masked"}  # noqa: RUF012 - PettingZoo's own convention
    possible_agents = ["left", "right"]  # noqa: RUF012

    def __init__(self):
        space = Dict({"place": Box(-np.inf, np.inf, (2,)), "action_mask": Box(0, 1, (3,), np.int8)})
        self.spaces = dict.fromkeys(self.possible_agents, space), dict.fromkeys(self.possible_agents, Discrete(3))

    def observation_space(self, agent):
        return self.spaces[0][agent]

    def action_space(self, agent):
        return self.spaces[1][agent]

    def reset(self, seed=None, options=None):
        if seed is not None or not hasattr(self, "rng"):
            self.rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        self.count = 0
        return self._observations(), {agent: {} for agent in self.agents}

    def _observations(self):
        self.mask = np.array([0, 1, self.count % 2], np.int8)
        place = {agent: self.rng.normal(size=2).astype(np.float32) for agent in self.agents}
        return {agent: {"place": place[agent], "action_mask": self.mask.copy()} for agent in self.agents}

    def step(self, actions):
        assert actions.keys() == set(self.agents)
        assert all(self.mask[action] for action in actions.values())
        self.count += 1
        observations, agents = self._observations(), self.agents
        over = {agent: self.count == (4 if agent == "left" else 6) for agent in agents}
        self.agents = [agent for agent in agents if not over[agent]]
        return observations, dict.fromkeys(agents, 0.5), over, dict.fromkeys(agents, False), {a: {} for a in agents}


class MaskedNaN(Masked):
    def _observations(self):
        observations = super()._observations()
        if self.count == 5:
            observations["right"]["place"][1] = np.inf  # within its space
        return observations


def test_other_environments_are_checked_too():
    check_env(Masked())
    with pytest.raises(AssertionError, match=r"right, episode 0, step 5: observation\['place'\]\[1\] is inf"):
        check_env(MaskedNaN())
