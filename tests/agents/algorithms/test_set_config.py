import json

import pytest

from agents.algorithms.set_equilibrium import EquilibriumConfig
from agents.algorithms.set_ppo import SetPPOConfig
from agents.documents import as_document
from agents.market_draws import MarketDistribution
from agents.run_folder import read_config

CONFIGS = [
    EquilibriumConfig(side="followers", larger_sizes=((3, 2),), seed=4),
    SetPPOConfig(markets=MarketDistribution("town", (3, 5), (2, 3), (0.5, 2.0)), final_evaluation_markets=3),
]
BAD = {
    "side": ["leader", None],
    "updates": [-1, 1.0],
    "links": [0],
    "seed": [1.5, -1],
    "learning_rate": [float("nan"), "x"],
    "kink_width": [-1.0],
    "width": [0],
    "evaluation_markets": [0, None],
    "final_evaluation_markets": [0],
    "larger_sizes": [((1,),), ((0, 1),)],
    "checkpoint_seconds": [None],
}


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.algorithm)
def test_a_configuration_comes_back_from_its_file(tmp_path, config):
    (tmp_path / "config.json").write_text(json.dumps(as_document(config)))
    assert read_config(tmp_path) == config


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(ValueError, match=f"^{name} = "):
        EquilibriumConfig(**{name: value})


@pytest.mark.parametrize(
    "changes",
    [{"side": "followers"}, {"batches": 0}, {"epochs": 0}, {"final_std": 0.0}, {"initial_std": 0.01}],
    ids=str,
)
def test_a_wrong_setting_of_ppo_is_named(changes):
    with pytest.raises(ValueError, match=r"side|batches|epochs|final_std"):
        SetPPOConfig(**changes)


@pytest.mark.parametrize(
    "change", [{"algorithm": "guess"}, {"loads": 3}, {"scenario": 3}, {"unknown": 1}, {"larger_sizes": 3}]
)
def test_a_damaged_configuration_is_an_error_that_names_it(tmp_path, change):
    (tmp_path / "config.json").write_text(json.dumps(as_document(EquilibriumConfig()) | change))
    with pytest.raises(ValueError, match=r"config\.json: "):
        read_config(tmp_path)
