import pytest
from matplotlib.image import imread
from random_policies import make_policy
from rich.console import Console
from widths import loses_nothing

from agents.evaluation.sets import evaluate_set_policy
from agents.market_draws import MarketDistribution
from agents.reports.set_table import save_set_figures, set_table
from experiments.pictures import Pictures

SMALL = MarketDistribution(num_mus=(2, 4), num_asps=(1, 2))


@pytest.fixture(scope="module", params=["leader_set", "follower_set"])
def result(request):
    return evaluate_set_policy(make_policy(request.param), SMALL, [(2, 1), (3, 1), (5, 2)], count=3)


def test_the_table_tells_the_worst_of_both_kinds_of_sizes(result):
    console = Console(width=80, record=True)
    console.print(set_table(result, "title"))
    text = console.export_text()
    assert loses_nothing(set_table(result, "title"))
    regret = result.regret
    for size, value in regret.items():
        assert f"{size[0]} × {size[1]}" in text
        assert f"{value:.3%}" in text
    for value in result.worst_agent.values():
        assert f"{value:.3%}" in text
    assert "worst" in text
    lines = text.splitlines()
    assert f"{result.worst_agent[5, 2]:.3%}" in next(line for line in lines if "worst unseen" in line)
    assert f"{max(regret[2, 1], regret[3, 1]):.3%}" in next(line for line in lines if "worst trained" in line)
    assert f"{regret[5, 2]:.3%}" in next(line for line in lines if "worst unseen" in line)


def test_figures_are_written(result, tmp_path):
    written = save_set_figures(result, [], Pictures(tmp_path))
    names = {path.name for path in written}
    assert names == {path.name for path in tmp_path.iterdir()}
    assert "regret_by_size.png" in names
    assert len(names) == 3
    assert all(imread(path).size for path in written)


def test_one_market_of_one_size_is_shown(tmp_path):
    result = evaluate_set_policy(make_policy("leader_set"), SMALL, [(7, 3)], count=1)
    console = Console(width=80, record=True)
    console.print(set_table(result, "title"))
    assert "worst trained" not in console.export_text()
    assert save_set_figures(result, [], Pictures(tmp_path))
