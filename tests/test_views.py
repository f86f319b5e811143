import numpy as np
import pytest
from playing import parallel, play

from aigc_market_env import BatchedMarketEnv, Scenario, market_v0, spaces
from aigc_market_env.testing import check_env
from aigc_market_env.views import VIEWS


def batch(view, scenario="office", **options):
    env = BatchedMarketEnv(scenario, 3, view=view, seed=1, **options)
    observations, _ = env.reset()
    for _ in range(2):
        actions = {"mu": np.full((3, env.num_mus, env.num_asps), 0.3)}
        observations, *_ = env.step(actions if env.acting == "mu" else {"asp": np.full((3, 4, 2, 8), 0.1)})
    return env, observations


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("scenario", ["duo", "campus", "office", "prepaid"])
def test_every_entry_has_a_name_and_lies_in_the_space(view, scenario):
    env, observations = batch(view, scenario, asps="best_response")
    names = VIEWS[view].names(env.scenario)
    assert len(set(names)) == len(names)
    assert observations["mu"].shape == (3, env.num_mus, len(names))
    assert env.single_observation_space["mu"].contains(observations["mu"][0, 0])


@pytest.mark.parametrize("asps", ["agents", "best_response"])
def test_links_are_the_board_without_what_the_market_tells(asps):
    (env, links), (_, board) = batch("links", asps=asps), batch("board", asps=asps)
    names = VIEWS["board"].names(env.scenario)
    told = [i for i, name in enumerate(names) if "price" not in name and "last_qoe" not in name]
    assert VIEWS["links"].names(env.scenario) == [names[i] for i in told]
    np.testing.assert_array_equal(links["mu"], board["mu"][..., told])
    if asps == "agents":
        np.testing.assert_array_equal(links["asp"], board["asp"])


def test_full_is_the_board_of_all_and_what_asps_have():
    (env, full), (_, board) = batch("full", asps="best_response"), batch("board", asps="best_response")
    own, size = board["mu"], board["mu"].shape[-1]
    seen = full["mu"][:, 2]
    np.testing.assert_array_equal(seen[:, :size], own[:, 2])
    others = seen[:, size : size + 7 * (size - 1)].reshape(3, 7, size - 1)
    np.testing.assert_array_equal(others, own[:, [0, 1, 3, 4, 5, 6, 7], 1:])
    i = VIEWS["full"].names(env.scenario).index("asp_3/log_bandwidth_capacity")
    expected = np.log(env.market.bandwidth_capacity[:, 3] / spaces.REFERENCE["bandwidth_capacity"])
    np.testing.assert_allclose(seen[:, i], expected, rtol=1e-6)


@pytest.mark.parametrize("view", ["links", "full"])
@pytest.mark.parametrize("asps", ["agents", "best_response"])
@pytest.mark.parametrize("form", [market_v0.env, market_v0.parallel_env])
def test_all_forms_show_the_same(view, asps, form):
    check_env(form(Scenario.preset("duo"), max_cycles=4, asps=asps, view=view))


def test_one_user_has_no_others():
    env = parallel(Scenario.preset("town", num_mus=1, num_asps=1), view="full", max_cycles=2)
    observations, _ = env.reset(seed=0)
    assert env.observation_space("mu_0").contains(observations["mu_0"])
    assert observations["mu_0"].shape == (9 + 8 + 4,)


def test_the_last_observations_of_an_episode_are_views_too():
    env = BatchedMarketEnv("duo", 2, asps="best_response", max_cycles=1, view="links", seed=0)
    env.reset()
    observations, *_, infos = env.step({"mu": np.full((2, 2, 1), 0.5)})
    assert infos["final_obs"]["mu"].shape == observations["mu"].shape == (2, 2, 9 + 5)


def test_payoffs_do_not_depend_on_the_view():
    board, links = (play(parallel("duo", view=view), 0, 5) for view in ("board", "links"))
    assert [step[1] for step in board[1:]] == [step[1] for step in links[1:]]


def test_another_view_is_refused():
    for make in (BatchedMarketEnv, market_v0.env, market_v0.parallel_env):
        with pytest.raises(ValueError, match="view = 'all' must be one of links, board, full"):
            make("duo", view="all")
