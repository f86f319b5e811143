import ast
import math
from pathlib import Path

import numpy as np
import pytest

import aigc_market_env
from aigc_market_env.model import satisfaction

OMEGA, Q = 3.0, 0.7
ROOT = Path(aigc_market_env.__file__).parents[1]
HOUSES = ("aigc_market_env", "agents", "baselines", "experiments")
REQUIREMENTS = {"q", "requirement", "requirements", "qoe_requirement", "REQUIREMENT"}


@pytest.mark.parametrize("total", [0.0, 1e-9, 0.3, 2.0, 1e3])
def test_all_forms_are_of_one_function(total):
    value, marginal = satisfaction.value(total, OMEGA, Q), satisfaction.marginal(total, OMEGA, Q)
    assert value == pytest.approx(OMEGA * math.log1p(total / Q), rel=1e-15)
    assert satisfaction.vector_value(total, OMEGA, Q) == pytest.approx(value, rel=1e-15)
    assert satisfaction.values(np.array([total]), np.array([OMEGA]), np.array([Q])) == pytest.approx(value, rel=1e-15)
    assert satisfaction.marginals(total, np.array([OMEGA]), np.array([Q])) == marginal
    assert math.exp(satisfaction.log_marginal(total, OMEGA, Q)) == pytest.approx(marginal, rel=1e-14)
    assert satisfaction.inverse_marginal(marginal, OMEGA, Q) == pytest.approx(total, rel=1e-9, abs=1e-14)
    assert satisfaction.conjugate(marginal, OMEGA, Q) == pytest.approx(value - marginal * total, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("total", [0.1, 2.0])
def test_derivatives_are_those_of_differences(total):
    step = 1e-6
    value, log = (
        [form(total + sign * step, OMEGA, Q) for sign in (1, -1)]
        for form in (satisfaction.value, satisfaction.log_marginal)
    )
    assert (value[0] - value[1]) / (2 * step) == pytest.approx(satisfaction.marginal(total, OMEGA, Q), rel=1e-8)
    assert (log[0] - log[1]) / (2 * step) == pytest.approx(-1 / satisfaction.decay_length(total, Q), rel=1e-8)


@pytest.mark.parametrize("total", [0.0, 0.4, 2.0])
def test_the_dual_of_an_array_is_least_at_the_marginal_and_touches_the_satisfaction_there(total):
    omega, q, totals = np.array([OMEGA, 1.0]), np.array([Q, 2.0]), np.array([total, total])
    at = np.log(satisfaction.marginals(totals, omega, q))
    conjugates, slopes = satisfaction.dual_terms(at, totals, omega, q)
    assert slopes == pytest.approx(0, abs=1e-14)
    touched = conjugates + np.exp(at) * totals
    assert touched == pytest.approx(satisfaction.values(totals, omega, q), rel=1e-13, abs=1e-14)
    ahead, behind = (satisfaction.dual_terms(at + shift, totals, omega, q) for shift in (0.11, 0.09))
    difference = (ahead[0] + np.exp(at + 0.11) * totals - behind[0] - np.exp(at + 0.09) * totals) / 0.02
    assert satisfaction.dual_terms(at + 0.1, totals, omega, q)[1] == pytest.approx(difference, rel=1e-3)


def named(node):
    """The last name of ``market.qoe_requirement[k, m]`` and the like."""
    while isinstance(node, ast.Subscript):
        node = node.value
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)


def restated(source):
    """Lines in which a QoE requirement is added to, subtracted or divided, or a market's scale by it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub | ast.Div):
            for side in (node.left, node.right):
                if named(side) in REQUIREMENTS or (isinstance(side, ast.Subscript) and in_row(side)):
                    yield ast.unparse(node)


def in_row(node):
    """Whether it is ``mus[at.REQUIREMENT, m]`` or the like."""
    return any(named(part) in REQUIREMENTS for part in ast.walk(node.slice))


def test_nobody_else_restates_it():
    files = [path for house in HOUSES for path in (ROOT / house).rglob("*.py")]
    own = Path(satisfaction.__file__)
    assert own in files
    found = {str(path.relative_to(ROOT)): list(restated(path.read_text("utf-8"))) for path in files if path != own}
    assert {path: lines for path, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "restatement",
    [
        "market.satisfaction_scale * np.log1p(total / market.qoe_requirement)",
        "omega / (q + total)",
        "scale / worth - market.qoe_requirement[k, m]",
        "mus[at.OMEGA, m] / mus[at.REQUIREMENT, m]",
        "0.5 * omega / q",
    ],
)
def test_restatements_are_found(restatement):
    assert len(list(restated(restatement))) == 1
