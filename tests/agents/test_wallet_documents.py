import json

import numpy as np
import pytest

from agents.config import LeaderConfig
from agents.documents import as_document, config_of
from agents.runs import json_bytes
from agents.training.checkpoint import check_goes_on
from agents.wallet_documents import wallet_document, wallet_of
from aigc_market_env import Dynamics, Wallet, WalletRange

WALLETS = [
    None,
    Wallet(1.0),
    Wallet(1.0, 0.5, 2.0, "spending"),
    Wallet([1.0, 0.1 + 0.2], 0.5, [np.inf, 3.0]),
    WalletRange(Wallet(0.0, 0.0, 1.0), Wallet([2.0, 3.0], 1.0, np.inf)),
]


@pytest.mark.parametrize("wallet", WALLETS)
def test_a_wallet_is_the_same_after_a_file(wallet):
    written = json.loads(json_bytes({"wallet": wallet_document(wallet)}))
    assert wallet_of(written["wallet"]) == wallet
    config = LeaderConfig(scenario="duo", wallet=wallet, dynamics=Dynamics(load_profile=(1.0, 2.0)))
    assert config_of(json.loads(json_bytes(as_document(config)))) == config


@pytest.mark.parametrize(
    "document", [{"money": 1.0}, {"low": {}, "high": {}}, {"money": -1.0, "income": 0.0, "cap": 1.0}]
)
def test_what_describes_no_wallet_is_refused(document):
    with pytest.raises((KeyError, ValueError)):
        wallet_of({"unit": "credits"} | document)


def test_runs_from_before_there_were_wallets_are_read_and_gone_on_with():
    config = LeaderConfig(scenario="duo", dynamics=Dynamics(shadowing_db=2.0))
    old = as_document(config)
    del old["wallet"]
    old["dynamics"] = {"shadowing_db": 2.0, "shadowing_correlation": 0.9, "request_probability": 0.0}
    assert config_of(old) == config
    check_goes_on({"config": old}, config)
    with pytest.raises(ValueError, match="another configuration"):
        check_goes_on({"config": old}, LeaderConfig(scenario="duo", wallet=Wallet(1.0), dynamics=config.dynamics))


@pytest.mark.parametrize("wallet", [1.0, "prepaid", {"money": 1.0}])
def test_a_configuration_takes_no_other_wallets(wallet):
    with pytest.raises(ValueError, match=r"wallet = .* must be a Wallet or a WalletRange"):
        LeaderConfig(wallet=wallet)
