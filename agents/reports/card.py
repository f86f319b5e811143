"""A card of a trained run: what it is, what it does, how good it is, how it was made. ``README.md`` in its folder.

python -m agents.reports.card RUN...
"""

import sys
from pathlib import Path
from typing import Any

from agents.documents import as_document
from agents.reports.tables import shown
from agents.run_folder import read_config
from agents.runs import METRICS_FILE
from aigc_market_env.files import read_json, readable, write_whole

CARD_FILE = "README.md"
_REGRETS = {
    "leader_regret": "mobile users, providers responding exactly, of their utility at equilibrium",
    "follower_regret": "providers, of their best profit",
}

#: Endings of figures of set policies, of which the worst size counts; the usual size has none.
_MARKETS = {
    "": "",
    "_trained_sizes": "; worst of the sizes trained on",
    "_other_sizes": "; worst of larger sizes",
}


def model_card(run: Path) -> str:
    """The card of a run folder, Markdown.

    Raises:
        FileNotFoundError: the folder is not a run, or it has not ended.
        ValueError: a file is damaged or from another version.
    """
    config, metrics = read_config(run), read_json(run / METRICS_FILE)
    fields = "\n".join(f"| `{name}` | `{readable(str(value))}` |" for name, value in as_document(config).items())
    return f"""# {run.name}

{config.described}; seed {config.seed}: {metrics["transitions"]:,} transitions, {metrics["wall_seconds"]:.0f} s.
Made by `train.py`; every field of its configuration is below.

## How good it is

Regret on held-out slots, what an agent could gain alone by its best response:

| of | mean | worst agent |
|---|--:|--:|
{_regrets(metrics)}

## What it is for

Research on learning in this market: as an opponent, or as a figure to compare with. `agents.load_policy` with its
folder loads it and runs no code from its files, which are JSON and safetensors. It knows the market, or markets, that
it was trained on; elsewhere measure it first, with `python evaluate.py`. Markets are simulated: it says nothing of real
prices.

## Configuration

| field | value |
|---|---|
{fields}
"""


def _regrets(metrics: dict[str, Any]) -> str:
    rows = []
    for name, whose in _REGRETS.items():
        for kind, markets in _MARKETS.items():
            if metrics.get(f"{name}_relative{kind}") is not None:
                found = (metrics[f"{name}_{what}{kind}"] for what in ("relative", "worst"))
                mean, worst = (shown(f"{name}_relative", value) for value in found)
                rows.append(f"| {whose}{markets} | {mean} | {worst} |")
    return "\n".join(rows)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        write_whole(Path(argument) / CARD_FILE, model_card(Path(argument)).encode())
