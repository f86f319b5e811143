import numpy as np
import pytest
from playing import (
    MODES,
    parallel,
    play,
    play_slot,
    random_actions,
    same,
)

from aigc_market_env import Scenario, market_v0

both_modes = pytest.mark.parametrize("asps", MODES)
both_forms = pytest.mark.parametrize("make", [market_v0.env, market_v0.parallel_env], ids=["aec", "parallel"])


# Bad input


def good(env):
    return {agent: np.full(env.action_space(agent).shape, 0.25) for agent in env.possible_agents}


BAD_ACTIONS = {
    "nan": (lambda a: np.full(a.shape, np.nan), "nan must be finite"),
    "one nan": (lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, np.nan, a), "nan must be finite"),
    "inf": (lambda a: np.full(a.shape, np.inf), "inf must be finite"),
    "minus inf, float32": (lambda a: np.full(a.shape, -np.inf, np.float32), "-inf must be finite"),
    "nan list": (lambda a: np.full(a.shape, np.nan).tolist(), "nan must be finite"),
    "too long": (lambda a: np.zeros(a.size + 1), "has shape"),
    "extra axis": (lambda a: a[None], "has shape"),
    "scalar": (lambda a: 0.5, "has shape"),
    "empty": (lambda a: [], "has shape"),
    "string": (lambda a: "0.5", "must be an array of numbers"),
    "strings": (lambda a: np.full(a.shape, "0.5"), "must be an array of numbers"),
    "none": (lambda a: None, "must be an array of numbers"),
    "nones": (lambda a: np.full(a.shape, None), "must be an array of numbers"),
    "ragged": (lambda a: [[0.1], [0.1, 0.2]], "must be an array of numbers"),
    "complex": (lambda a: a + 1j, "must be an array of numbers"),
    "huge integer": (lambda a: [10**400], "must be an array of numbers"),
    "dates": (lambda a: a.astype("M8[s]"), "must be an array of numbers"),
    "dictionary": (lambda a: {"mu_0": a}, "must be an array of numbers"),
}


@pytest.mark.parametrize("kind", BAD_ACTIONS)
@pytest.mark.parametrize("agent", ["mu_1", "asp_0"])
def test_a_bad_action_is_refused_by_agent_and_leaves_parallel_as_it_was(agent, kind):
    spoil, message = BAD_ACTIONS[kind]
    env, twin = parallel("duo", "agents"), parallel("duo", "agents")
    play(env, 0, 1)
    play(twin, 0, 1)
    for _ in range(3):
        actions = good(env)
        with pytest.raises(ValueError, match=f"{agent}.*{message}"):
            env.step(actions | {agent: spoil(actions[agent])})
        assert same(env.step(actions), twin.step(actions))
        assert same(env.state(), twin.state())


@pytest.mark.parametrize("kind", BAD_ACTIONS)
def test_a_bad_action_is_refused_by_agent_and_leaves_aec_as_it_was(kind):
    spoil, message = BAD_ACTIONS[kind]
    env, twin = market_v0.env("duo"), market_v0.env("duo")
    env.reset(seed=0)
    twin.reset(seed=0)
    for _ in range(2):
        for agent, action in good(env).items():
            with pytest.raises(ValueError, match=f"{agent}.*{message}"):
                env.step(spoil(action))
            assert env.agent_selection == agent
            env.step(action)
            twin.step(action)
            assert same(
                [env.rewards, env.infos, env._cumulative_rewards], [twin.rewards, twin.infos, twin._cumulative_rewards]
            )
            assert same(env.state(), twin.state())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {k: v for k, v in a.items() if k != "asp_0"}, "missing for 'asp_0'"),
        (lambda a: {}, "missing for 'asp_0'"),
        (lambda a: a | {"mu_9": a["mu_0"]}, "unknown agent 'mu_9'"),
        (lambda a: a | {3: a["mu_0"]}, "unknown agent 3"),
        (lambda a: list(a.values()), "dictionary"),
        (lambda a: None, "dictionary"),
        (lambda a: np.zeros(3), "dictionary"),
    ],
)
def test_wrong_sets_of_actions_are_refused(change, message):
    env, twin = parallel("duo", "agents"), parallel("duo", "agents")
    play(env, 0, 3)
    play(twin, 0, 3)
    with pytest.raises(ValueError, match=message):
        env.step(change(good(env)))
    assert same(env.step(good(env)), twin.step(good(env)))


@both_modes
@pytest.mark.parametrize(("number", "clipped_to"), [(-0.1, 0.0), (1.5, 1.0), (1e300, 1.0), (-1e30, 0.0)])
def test_actions_out_of_range_are_clipped_and_counted(number, clipped_to, asps):
    env, twin = parallel("campus", asps), parallel("campus", asps)
    env.reset(seed=0)
    twin.reset(seed=0)
    wild, tame = good(env), good(env)
    for position, agent in enumerate(wild):
        wild[agent].flat[: position % 4] = number
        tame[agent].flat[: position % 4] = clipped_to
    for _ in range(4):
        *seen, infos = env.step(wild)
        *expected, nothing = twin.step(tame)
        assert same(seen, expected)
        assert [info["clipped"] for info in infos.values()] == [i % 4 for i in range(len(wild))]
        assert {info["clipped"] for info in nothing.values()} == {0}


def test_aec_counts_clipped_entries():
    env = market_v0.env("duo")
    env.reset(seed=0)
    for action in ([3.0], [0.5], [[1.0, -1.0], [9.0, 0.0]]):
        env.step(action)
    assert [info["clipped"] for info in env.infos.values()] == [1, 0, 2]
    assert env.last()[4]["clipped"] == 1


@pytest.mark.parametrize("number", [-1e-9, 1.0 + 1e-9, 2])
@pytest.mark.parametrize("agent", ["mu_0", "asp_0"])
def test_strict_refuses_what_is_out_of_range(agent, number):
    env, twin = (parallel("duo", "agents", strict=True) for _ in range(2))
    aec = market_v0.env("duo", strict=True)
    env.reset(seed=0)
    twin.reset(seed=0)
    aec.reset(seed=0)
    bad = np.full(env.action_space(agent).shape, number)
    message = rf"{agent}.*must be finite and in \[0, 1\]"
    with pytest.raises(ValueError, match=message):
        env.step(good(env) | {agent: bad})
    assert same(env.step(good(env)), twin.step(good(env)))
    for name, action in good(env).items():
        if name == agent:
            with pytest.raises(ValueError, match=message):
                aec.step(bad)
        aec.step(action)


@both_modes
@pytest.mark.parametrize(
    "convert",
    [
        *(np.float64, np.float32, np.float16, np.longdouble, np.int64, np.uint8, np.bool_),
        *(">f4", ">f8", "list", "fortran", "backwards"),
    ],
)
def test_every_number_type_is_taken(convert, asps):
    env, twin = parallel("campus", asps), parallel("campus", asps)
    env.reset(seed=0)
    twin.reset(seed=0)
    rng = np.random.default_rng(0)
    actions = {agent: rng.integers(0, 2, env.action_space(agent).shape).astype(float) for agent in env.agents}
    converted = {
        "list": lambda a: a.tolist(),
        "fortran": np.asfortranarray,
        "backwards": lambda a: a[..., ::-1].copy()[..., ::-1],
    }.get(convert, lambda a: a.astype(convert))
    for _ in range(4):
        assert same(env.step({agent: converted(action) for agent, action in actions.items()}), twin.step(actions))


@pytest.mark.parametrize("shapes", [((3,), (5,)), ((1, 4), (4,)), ((2, 2), (4,)), ((8,), (0,))])
def test_sizes_that_are_right_in_sum_are_not_enough(shapes):
    env, twin = parallel("campus", "agents"), parallel("campus", "agents")
    play(env, 0, 2)
    play(twin, 0, 2)
    wrong = {f"mu_{m}": np.zeros(shape, np.float32) for m, shape in enumerate(shapes)}
    with pytest.raises(ValueError, match=r"'mu_0' has shape .* expected \(4,\)"):
        env.step(good(env) | wrong)
    assert same(env.step(good(env)), twin.step(good(env)))


def test_actions_of_two_types_are_taken_together():
    env, twin = parallel("campus", "agents"), parallel("campus", "agents")
    env.reset(seed=0)
    twin.reset(seed=0)
    actions = random_actions(np.random.default_rng(0), env)
    mixed = actions | {"mu_1": actions["mu_1"].astype(np.float64)}
    for _ in range(2):
        assert same(env.step(mixed), twin.step(actions))


def test_the_order_of_the_actions_does_not_matter():
    env, twin = parallel("campus", "agents"), parallel("campus", "agents")
    env.reset(seed=0)
    twin.reset(seed=0)
    actions = random_actions(np.random.default_rng(0), env)
    for _ in range(2):
        assert same(env.step(dict(reversed(actions.items()))), twin.step(actions))


@both_forms
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_cycles": 0}, "max_cycles = 0"),
        ({"max_cycles": -1}, "max_cycles = -1"),
        ({"max_cycles": 2.5}, "max_cycles = 2.5"),
        ({"max_cycles": "x"}, "max_cycles = 'x'"),
        ({"max_cycles": None}, "max_cycles = None"),
        ({"render_mode": "pixels"}, "render_mode = 'pixels'"),
        ({"render_mode": 3}, "render_mode = 3"),
        ({"asps": "agent"}, "asps = 'agent'"),
        ({"asps": None}, "asps = None"),
        ({"scenario": "camps"}, "'camps'.*campus"),
        ({"scenario": ""}, "unknown scenario"),
        ({"scenario": "no/such/file.json"}, r"no/such/file\.json"),
        ({"scenario": "{" * 5000}, "unknown scenario"),
        ({"scenario": None}, "scenario must be"),
        ({"scenario": 3}, "scenario must be"),
        ({"scenario": Scenario.preset("duo").sample(0, (2,))}, r"batch of shape \(2,\)"),
    ],
)
def test_bad_arguments_are_refused_by_name(make, options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


@both_forms
def test_before_reset_errors_say_so(make):
    env = make("duo")
    for use in (lambda: env.step(None), env.state, lambda: env.market):
        with pytest.raises((AssertionError, AttributeError), match="reset"):  # PettingZoo prescribes which
            use()
    if make is market_v0.env:
        for use in (lambda: env.observe("mu_0"), env.last, lambda: env.agent_selection, lambda: env.infos):
            with pytest.raises((AssertionError, AttributeError), match="reset"):
                use()


def test_stepping_past_the_end_of_parallel_is_refused():
    env, twin = (parallel("duo", max_cycles=2) for _ in range(2))
    play(env, 0, 2)
    play(twin, 0, 2)
    assert env.agents == []
    with pytest.raises(ValueError, match="reset"):
        env.step(good(env))
    assert same(env.reset(), twin.reset())


def test_stepping_past_the_end_of_aec_is_refused():
    env = market_v0.env("duo", max_cycles=1, asps="best_response")
    env.reset(seed=0)
    play_slot(env, good(env))
    with pytest.raises(ValueError, match="None"):
        env.step([0.5])
    assert env.agents == ["mu_0", "mu_1"]
    env.step(None)
    env.step(None)
    assert env.agents == []
    with pytest.raises(ValueError, match="reset"):
        env.step([0.5])
    env.reset()
    assert env.agents == env.possible_agents


@pytest.mark.parametrize("seed", [-1, 1.5, "x"])
@both_forms
def test_a_bad_seed_changes_nothing(make, seed):
    env, twin = make("duo"), make("duo")
    env.reset(seed=0)
    twin.reset(seed=0)
    with pytest.raises((ValueError, TypeError)):
        env.reset(seed=seed)
    assert same(env.state(), twin.state())
    env.reset()
    twin.reset()
    assert same(env.state(), twin.state())
