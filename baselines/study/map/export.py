"""The map as files: a CSV row per cell, match and benchmark, and one JSON document."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aigc_market_env.files import write_whole
from baselines.study.comparison import SAVINGS, share_left_out
from baselines.study.export import failures, number
from baselines.study.map.cells import CONDITIONS, OVERHEAD, Cell, Map
from baselines.study.map.plan import axes
from baselines.study.own import code_of
from baselines.study.regimes import PAPER
from baselines.study.study import Study
from experiments.intervals import Estimate

CELLS_FILE, DOCUMENT_FILE = "map.csv", "map.json"

_SAVED = (*SAVINGS, OVERHEAD)


def save_map(found: Map, study: Study, folder: Path) -> list[str]:
    """Write the files; their names."""
    write_whole(folder / CELLS_FILE, _csv(found).encode())
    document = json.dumps(_document(found, study), indent=1, allow_nan=False) + "\n"
    write_whole(folder / DOCUMENT_FILE, document.encode())
    return [CELLS_FILE, DOCUMENT_FILE]


def _csv(found: Map) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    ends = [f"{metric}_{part}" for metric in (*_SAVED, "mu_utility_gain") for part in ("saved", "low", "high")]
    writer.writerow(("load", "satiation", "spread", "match", "benchmark", "matched", "markets", *ends, *CONDITIONS))
    for match, name, cell in _rows(found):
        setting, point = cell.setting, cell.point
        numbers = [end for estimate in _estimates(cell).values() for end in _ends(estimate)]
        markets = point.utility_gain.markets
        met = [int(cell.meets(condition)) for condition in CONDITIONS]
        place = (setting.load, setting.satiation, setting.spread, match, name)
        writer.writerow((*place, number(point.matched), markets, *numbers, *met))
    return text.getvalue()


def _document(found: Map, study: Study) -> dict[str, Any]:
    plan, (loads, satiations, spreads) = found.plan, axes(found.plan)
    return {
        "settings": {
            "scenario": plan.table.scenario,
            "num_mus": plan.table.num_mus,
            "num_asps": plan.table.num_asps,
            "loads": loads,
            "satiations": satiations,
            "spreads": spreads,
            "market_seeds": list(plan.seeds),
            "code": {m.name: code_of(m) for m in plan.mechanisms},
        },
        "paper": PAPER,
        "ours_reached": number(found.reached),
        "ours_leaves_out": [
            _world(setting) | {"share": number(share_left_out(study, setting))} for setting in plan.sweep
        ],
        "cells": [
            _world(cell.setting)
            | {"match": match, "benchmark": name, "matched": number(cell.point.matched)}
            | {metric: estimate.as_json() for metric, estimate in _estimates(cell).items() if estimate is not None}
            | {"meets": {c: {"estimate": cell.meets(c), "interval": cell.meets(c, surely=True)} for c in CONDITIONS}}
            for match, name, cell in _rows(found)
        ],
        "failures": failures(study),
    }


def _rows(found: Map) -> Iterator[tuple[str, str, Cell]]:
    for match, benchmarks in found.cells.items():
        for name, cells in benchmarks.items():
            for cell in cells:
                yield match, name, cell


def _world(setting: Any) -> dict[str, float | None]:
    return {"load": setting.load, "satiation": setting.satiation, "spread": setting.spread}


def _estimates(cell: Cell) -> dict[str, Estimate | None]:
    saved = {metric: cell.point.reductions[metric] for metric in SAVINGS}
    return saved | {OVERHEAD: cell.overhead, "mu_utility_gain": cell.point.utility_gain}


def _ends(estimate: Estimate | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if estimate is None else (number(estimate.value), estimate.low, estimate.high)
