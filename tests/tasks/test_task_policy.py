from dataclasses import replace

import numpy as np
import pytest

from aigc_market_env import tasks
from aigc_market_env.evaluation.leaders import EVALUATION_SEED


def judge(policy, name="campus-v1"):
    seeds = (range(EVALUATION_SEED, EVALUATION_SEED + 2),)
    return tasks.score(replace(tasks.make(name), preset="duo", options={}, market_seed=0, test_seeds=seeds), policy)


def constant(observations):
    return np.full((*observations.shape[:2], 1), 0.2)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda seen: np.full((2, 2), 0.2), r"must be numbers of shape \(2, 2, 1\), \(markets, MUs, ASPs\)"),
        (lambda seen: np.full((2, 2, 2, 1), 0.2), r"the policy returned float64 of shape \(2, 2, 2, 1\)"),
        (lambda seen: None, "must be numbers of shape"),
        (lambda seen: [["a"]], "must be numbers of shape"),
        (lambda seen: [[1.0], [1.0, 2.0]], "must be an array"),
        (lambda seen: np.full((2, 2, 1), np.nan), "must be finite"),
        (lambda seen: np.random.default_rng().random((2, 2, 1)), "is not the same when it is asked again"),
        (lambda seen: 0.1 + 0 * constant(seen) + 0.05 * seen.mean(axis=(1, 2), keepdims=True), "depends on what other"),
    ],
)  # fmt: skip
def test_actions_that_are_none_are_named(answer, message):
    with pytest.raises(ValueError, match=message):
        judge(answer)


@pytest.mark.parametrize("policy", [None, 3, {"mu": constant, "asp": constant}, {"mu": 3}, {}])
def test_what_is_no_policy_is_refused(policy):
    with pytest.raises(ValueError, match=r"policy = .* must"):
        judge(policy)


def test_one_function_may_act_for_all_roles():
    def act(observations):
        shape = (1,) if observations.shape[1] == 2 else (2, 2)
        return np.full((*observations.shape[:2], *shape), 0.2)

    assert set(judge(act, "campus-both-v1").relative_regret) == {"mu", "asp"}


def test_policies_may_write_into_what_they_see_and_answer_in_any_number_type():
    def scribbling(observations):
        observations[:] = 0.0
        return np.ones((*observations.shape[:2], 1), np.int64)

    assert judge(scribbling).document() == judge(
        lambda seen: np.ones((*seen.shape[:2], 1)),
    ).document() | {"policy": "scribbling"}


def test_a_policy_with_a_memory_is_begun_anew():
    class Memory:
        def reset(self, num_envs, seed):
            self.slots, self.begun = 0, (num_envs, seed)

        def __call__(self, observations):
            assert self.begun == (2, 0)
            self.slots += 1
            return constant(observations) + 0.01 * self.slots

    policy = Memory()
    judge(policy)
    assert policy.slots == 9


def test_what_is_beyond_the_bound_is_posted_at_the_bound():
    beyond, bound = (judge(lambda seen, to=to: np.full((*seen.shape[:2], 1), to)) for to in (3.0, 1.0))
    assert beyond.document() == bound.document()
