"""A study as files: tidy CSV of every market, and one JSON document of all that is estimated."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aigc_market_env.files import write_whole
from baselines.study.comparison import (
    CLAIMS,
    Matched,
    at_equal_guarantee,
    at_equal_qoe,
    reductions,
    share_left_out,
    utility_gain,
)
from baselines.study.jobs import Setting
from baselines.study.metrics import HEADLINES, METRICS, OVERHEAD, REGRETS
from baselines.study.own import code_of
from baselines.study.regimes import Findings, Point, Regime
from baselines.study.study import MEAN, ORACLE, OURS, Results, Study
from experiments.intervals import mean

PLAYED_FILE, SUMMARY_FILE = "mechanisms.csv", "mechanisms.json"
MATCHED_FILE, GUARANTEED_FILE = "equal_qoe.csv", "equal_guarantee.csv"

_OF_A_SLOT = tuple(metric for metric in METRICS if metric not in (*REGRETS, *OVERHEAD))
_PLACE = ("scenario", "num_mus", "num_asps", "load", "market_seed", "mechanism")


def save_files(study: Study, findings: Findings, folder: Path) -> list[str]:
    """Write the files of a study; their names."""
    settings = list(dict.fromkeys((study.plan.table, *study.plan.sweep, *study.plan.sizes)))
    names = [mechanism.name for mechanism in study.plan.mechanisms]
    played = _csv(study.played, settings, names, ("reached", *METRICS))
    write_whole(folder / PLAYED_FILE, played.encode())
    matched = _csv(study.matched, settings, names, ("matched", "scale", *_OF_A_SLOT))
    write_whole(folder / MATCHED_FILE, matched.encode())
    guaranteed = _csv(study.guaranteed, settings, names, ("matched", "guarantee", "intensity", *_OF_A_SLOT))
    write_whole(folder / GUARANTEED_FILE, guaranteed.encode())
    document = json.dumps(summary(study, findings), indent=1, allow_nan=False) + "\n"
    write_whole(folder / SUMMARY_FILE, document.encode())
    return [PLAYED_FILE, MATCHED_FILE, GUARANTEED_FILE, SUMMARY_FILE]


def _csv(results: Results, settings: Iterable[Setting], names: Iterable[str], columns: Iterable[str]) -> str:
    """A row per market and mechanism; empty where a metric does not apply, the error where a mechanism failed."""
    columns = tuple(columns)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*_PLACE, *columns, "error"))
    names = tuple(names)
    for setting in settings:
        for name in names:
            for seed, done in results.of(setting, name):
                place = (setting.scenario, setting.num_mus, setting.num_asps, setting.load, seed, name)
                writer.writerow((*place, *((done.result or {}).get(column) for column in columns), done.error))
    return text.getvalue()


def summary(study: Study, findings: Findings) -> dict[str, Any]:
    """All that is estimated, with intervals."""
    plan = study.plan
    return {
        "settings": {
            "scenario": plan.table.scenario,
            "num_mus": plan.table.num_mus,
            "num_asps": plan.table.num_asps,
            "load": plan.table.load,
            "loads": [setting.load for setting in plan.sweep],
            "market_seeds": list(plan.seeds),
            "sweep_markets": plan.sweep_markets,
            "markets_at_most": dict(plan.at_most),
            "code": {m.name: code_of(m) for m in plan.mechanisms},
        },
        "paper": {claim.metric: claim.paper for claim in CLAIMS},
        "table": _means(study, plan.table, ("reached", *METRICS)),
        "reductions": {ours: _reductions(study, plan.table, ours) for ours in (OURS, ORACLE)},
        "equal_qoe": {m.name: matched_json(at_equal_qoe(study, plan.table, m.name)) for m in plan.benchmarks},
        "equal_guarantee": {
            m.name: matched_json(at_equal_guarantee(study, plan.table, m.name)) for m in study.with_intensity()
        },
        "ours_leaves_out": number(share_left_out(study, plan.table)),
        "overhead": [
            {"num_mus": setting.num_mus, "num_asps": setting.num_asps}
            | {m.name: _overhead(study, setting, m.name) for m in study.learners()}
            for setting in plan.sizes
        ],
        "sweep": [{"load": setting.load, "means": _means(study.swept, setting, HEADLINES)} for setting in plan.sweep],
        "regimes": {name: _regime(found) for name, found in findings.as_played.items()},
        "regimes_at_equal_qoe": {name: _regime(found) for name, found in findings.at_equal_qoe.items()},
        "regimes_at_equal_guarantee": {name: _regime(found) for name, found in findings.at_equal_guarantee.items()},
        "failures": failures(study),
    }


def failures(study: Study) -> list[dict[str, Any]]:
    """Every market in which a mechanism, or ours at its QoE, failed."""
    return [
        {"what": what, "mechanism": name, "setting": str(setting), "market_seed": seed, "error": error}
        for what, results in (("mechanism", study.played), ("equal QoE", study.matched))
        for setting, name, seed, error in results.failures()
    ]


def _means(study: Study, setting: Setting, metrics: Sequence[str]) -> dict[str, Any]:
    return {
        mechanism.name: {
            metric: mean(study.played.values(setting, mechanism.name, metric)).as_json() for metric in metrics
        }
        for mechanism in study.plan.mechanisms
    }


def _reductions(study: Study, setting: Setting, ours: str) -> dict[str, Any]:
    names = [mechanism.name for mechanism in study.plan.benchmarks] + [MEAN]
    return {
        name: {metric: found.as_json() for metric, found in reductions(study, setting, name, ours).items()}
        | {"mu_utility_gain": utility_gain(study, setting, name, ours).as_json()}
        for name in names
    }


def matched_json(found: Matched | Point) -> dict[str, Any]:
    """A comparison of what was made alike, for a JSON document."""
    return {
        "matched": number(found.matched),
        "reductions": {metric: estimate.as_json() for metric, estimate in found.reductions.items()},
        "mu_utility_gain": found.utility_gain.as_json(),
    }


def number(value: float) -> float | None:
    """A number for a JSON document, which has no NaN."""
    return value if value == value else None


def _overhead(study: Study, setting: Setting, name: str) -> dict[str, Any]:
    means = {metric: mean(study.played.values(setting, name, metric)).as_json() for metric in (*OVERHEAD, "reached")}
    saved = reductions(study, setting, name, metrics=OVERHEAD)
    return means | {"reductions": {metric: estimate.as_json() for metric, estimate in saved.items()}}


def _regime(found: Regime) -> dict[str, Any]:
    return {
        "intervals": {condition: [list(pair) for pair in pairs] for condition, pairs in found.intervals.items()},
        "largest": {
            metric: None if best is None else {"reduction": best[0], "load": best[1]}
            for metric, best in found.best.items()
        },
        "points": [{"load": point.setting.load} | matched_json(point) for point in found.points],
    }
