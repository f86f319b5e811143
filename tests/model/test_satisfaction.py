import ast
import math
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import pytest

import aigc_market_env
from aigc_market_env.model import satisfaction
from aigc_market_env.model.satisfaction import Wants

OMEGA, Q = 3.0, 0.7
ROOT = Path(aigc_market_env.__file__).parents[1]
HOUSES = ("aigc_market_env", "agents", "baselines", "experiments")
REQUIREMENTS = {"q", "requirement", "requirements", "qoe_requirement", "REQUIREMENT"}


SATIATIONS = [0.0, 1e-300, 1e-12, 0.5, 2.0, 6.0, 50.0, 100.0]
TOTALS = [0.0, 1e-12, 1e-6, 0.3, 2.0, 1e3, 1e12]


def exact(total, satiation):
    """V(S), V'(S) and -V'/V'' by fifty digits, from their definitions."""
    with localcontext() as context:
        context.prec, context.Emin = 50, -10_000
        omega, q, k, ratio = map(Decimal, (OMEGA, Q, satiation, total / Q))
        value = omega * ((1 - (1 + ratio) ** -k) / k if satiation > 1e-30 else (1 + ratio).ln())
        return float(value), float(omega / q * (1 + ratio) ** (-k - 1)), float(q * (1 + ratio) / (k + 1))


@pytest.mark.parametrize("satiation", SATIATIONS)
@pytest.mark.parametrize("total", TOTALS)
def test_forms_are_those_of_their_definitions(total, satiation):
    wants, each = Wants(OMEGA, Q, satiation), [np.array([number]) for number in (OMEGA, Q, satiation)]
    value, marginal, length = exact(Q * (total / Q), satiation)
    assert satisfaction.value(total, wants) == pytest.approx(value, rel=1e-14)
    assert satisfaction.values(np.array([total]), *each) == pytest.approx(value, rel=1e-14)
    steepness = 1e-15 * (1 + satiation * math.log1p(total / Q))  # by which an error of the logarithm is multiplied
    assert satisfaction.marginal(total, wants) == pytest.approx(max(marginal, 1e-150), rel=steepness)
    assert satisfaction.marginals(total, *each) == pytest.approx(max(marginal, 1e-150), rel=steepness)
    assert satisfaction.decay_length(total, wants) == pytest.approx(length, rel=1e-14)
    if marginal > 1e-150:
        assert satisfaction.log_marginal(total, wants) == pytest.approx(math.log(marginal), rel=1e-14, abs=1e-14)
        # Next to no QoE its worth hardly changes, and does not tell how much there is.
        assert satisfaction.inverse_marginal(marginal, wants) == pytest.approx(total, rel=1e-9, abs=1e-15)
        conjugate = satisfaction.conjugate(marginal, wants)
        assert conjugate == pytest.approx(value - marginal * total, rel=1e-12, abs=1e-14)


@pytest.mark.parametrize("total", TOTALS)
def test_without_satiation_it_is_the_logarithm_to_the_bit(total):
    wants = Wants(OMEGA, Q, 0.0)
    assert satisfaction.value(total, wants) == OMEGA * math.log1p(total / Q)
    assert satisfaction.vector_value(total, OMEGA, Q) == pytest.approx(satisfaction.value(total, wants), rel=1e-15)
    assert satisfaction.marginal(total, wants) == OMEGA / (Q + total)
    assert satisfaction.marginals(total, *(np.array([number]) for number in wants)) == OMEGA / (Q + total)
    assert satisfaction.values(np.array([total]), *(np.array([n]) for n in wants)) == OMEGA * np.log1p(total / Q)


@pytest.mark.parametrize("satiation", [0.0, 1e-9, 0.5, 6.0, 1e30])
@pytest.mark.parametrize("scale", [1e-30, 0.3, 1e30])
@pytest.mark.parametrize("requirement", [1e-30, 0.7, 1e30])
def test_the_bound_is_what_the_first_qoe_is_worth_to_the_bit(scale, requirement, satiation):
    assert satisfaction.bound(scale, requirement) == satisfaction.marginal(0.0, Wants(scale, requirement, satiation))


@pytest.mark.parametrize("total", TOTALS)
def test_a_little_satiation_is_next_to_none(total):
    little, none = Wants(OMEGA, Q, 1e-12), Wants(OMEGA, Q, 0.0)
    for form in (satisfaction.value, satisfaction.marginal, satisfaction.decay_length):
        assert form(total, little) == pytest.approx(form(total, none), rel=1e-9)


@pytest.mark.parametrize("satiation", [0.5, 2.0, 6.0])
def test_the_qoe_required_gives_so_much_of_all_there_is(satiation):
    wants = Wants(OMEGA, Q, satiation)
    assert satisfaction.value(1e300, wants) == pytest.approx(OMEGA / satiation)
    assert satisfaction.value(Q, wants) * satiation / OMEGA == pytest.approx(1 - 2**-satiation)


@pytest.mark.parametrize("satiation", SATIATIONS)
@pytest.mark.parametrize("total", [0.1, 2.0])
def test_derivatives_are_those_of_differences(total, satiation):
    step, wants = 1e-6, Wants(OMEGA, Q, satiation)
    value, log = (
        [form(total + sign * step, wants) for sign in (1, -1)]
        for form in (satisfaction.value, satisfaction.log_marginal)
    )
    slope = satisfaction.marginal(total, wants)
    assert (value[0] - value[1]) / (2 * step) == pytest.approx(slope, rel=1e-7, abs=1e-10)
    assert (log[0] - log[1]) / (2 * step) == pytest.approx(-1 / satisfaction.decay_length(total, wants), rel=1e-7)


@pytest.mark.parametrize("satiation", SATIATIONS)
def test_the_curvature_of_the_conjugate_is_how_the_qoe_bought_falls_with_its_price(satiation):
    wants, worth = Wants(OMEGA, Q, satiation), 0.5 * OMEGA / Q
    bought = [satisfaction.inverse_marginal(worth * (1 + step), wants) for step in (-1e-6, 1e-6)]
    curvature = worth * (bought[0] - bought[1]) / 2e-6
    assert satisfaction.scaled_curvature(worth, wants) == pytest.approx(curvature, rel=1e-7)
    assert satisfaction.scaled_curvature(worth, Wants(OMEGA, Q, 0.0)) == OMEGA


@pytest.mark.parametrize("satiation", [0.0, 1e-12, 0.5, 6.0])
@pytest.mark.parametrize("total", [0.0, 0.4, 2.0])
def test_the_dual_of_an_array_is_least_at_the_marginal_and_touches_the_satisfaction_there(total, satiation):
    wants = np.array([OMEGA, 1.0]), np.array([Q, 2.0]), np.array([satiation, 0.0])
    totals = np.array([total, total])
    at = np.log(satisfaction.marginals(totals, *wants))
    conjugates, slopes = satisfaction.dual_terms(at, totals, *wants)
    assert slopes == pytest.approx(0, abs=1e-14)
    touched = conjugates + np.exp(at) * totals
    assert touched == pytest.approx(satisfaction.values(totals, *wants), rel=1e-13, abs=1e-14)
    ahead, behind = (satisfaction.dual_terms(at + shift, totals, *wants) for shift in (0.11, 0.09))
    difference = (ahead[0] + np.exp(at + 0.11) * totals - behind[0] - np.exp(at + 0.09) * totals) / 0.02
    assert satisfaction.dual_terms(at + 0.1, totals, *wants)[1] == pytest.approx(difference, rel=1e-3)


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
