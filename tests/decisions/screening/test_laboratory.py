"""Laboratory values against the cut-offs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.screening.laboratory import (
    failed_laboratory,
    judge_laboratory,
    laboratory_problems,
    wrong_unit_or_implausible,
)
from schemas.problem import ProblemType
from schemas.screening.eligibility import Laboratory, Verdict
from tests.decisions.makers import GOOD_LABORATORY, PROTOCOL, make_laboratory

RULES = PROTOCOL.eligibility.laboratory


@pytest.mark.parametrize(
    ("analyte", "value", "liver_metastases", "gilbert_syndrome", "expected"),
    [
        # Lower limits: 1.0, 75, 80, 50.
        ("neutrophils", 1.01, False, False, Verdict.MET),
        ("neutrophils", 1.0, False, False, Verdict.MET),
        ("neutrophils", 0.99, False, False, Verdict.NOT_MET),
        ("platelets", 75, False, False, Verdict.MET),
        ("platelets", 74.9, False, False, Verdict.NOT_MET),
        ("haemoglobin", 80, False, False, Verdict.MET),
        ("haemoglobin", 79.9, False, False, Verdict.NOT_MET),
        ("creatinine_clearance", 50, False, False, Verdict.MET),
        ("creatinine_clearance", 49.9, False, False, Verdict.NOT_MET),
        # Upper limits: 1.5 (with Gilbert 3), 3 (with liver metastases 5).
        ("bilirubin", 1.49, False, False, Verdict.MET),
        ("bilirubin", 1.5, False, False, Verdict.MET),
        ("bilirubin", 1.51, False, False, Verdict.NOT_MET),
        ("bilirubin", 1.51, True, False, Verdict.NOT_MET),
        ("bilirubin", 3.0, False, True, Verdict.MET),
        ("bilirubin", 3.01, False, True, Verdict.NOT_MET),
        ("bilirubin", 3.0, False, None, Verdict.MISSING),
        ("bilirubin", 3.01, False, None, Verdict.NOT_MET),
        ("bilirubin", 1.5, False, None, Verdict.MET),
        ("alt", 3.0, False, False, Verdict.MET),
        ("alt", 3.01, False, False, Verdict.NOT_MET),
        ("alt", 3.01, False, True, Verdict.NOT_MET),
        ("alt", 5.0, True, False, Verdict.MET),
        ("alt", 5.01, True, False, Verdict.NOT_MET),
        ("alt", 5.0, None, False, Verdict.MISSING),
        ("ast", 3.0, False, False, Verdict.MET),
        ("ast", 5.0, True, False, Verdict.MET),
        ("ast", 5.01, True, False, Verdict.NOT_MET),
    ],
)
def test_limits_are_inclusive_and_relaxed_only_by_their_own_condition(
    analyte: str, value: float, liver_metastases: bool | None, gilbert_syndrome: bool | None, expected: Verdict
) -> None:
    """A value equal to its limit passes; an unknown condition leaves only what it would decide missing."""
    findings = judge_laboratory(RULES, make_laboratory(**{analyte: value}), liver_metastases, gilbert_syndrome)

    assert expected == {finding.analyte: finding.verdict for finding in findings}[analyte]


@pytest.mark.parametrize("analyte", [rule.analyte for rule in RULES])
def test_a_missing_value_is_a_failed_finding(analyte: str) -> None:
    """Each analyte of the protocol is asked for: leaving it out is reported with its limit."""
    (finding,) = failed_laboratory(RULES, make_laboratory(**{analyte: None}), False, False)

    assert (analyte, Verdict.MISSING) == (finding.analyte, finding.verdict)
    assert finding.value == "missing"
    assert finding.reason.startswith(f"{analyte} missing, required: at ")


def test_good_values_leave_no_failed_finding() -> None:
    """Nothing is reported when all values are within their limits."""
    assert failed_laboratory(RULES, GOOD_LABORATORY, False, False) == ()


@pytest.mark.parametrize(
    ("liver_metastases", "alt", "note"),
    [
        (True, 5.2, "; liver_metastases applies"),
        (False, 3.2, ""),
        (None, 3.2, "; liver_metastases missing"),
        (None, 5.2, ""),
    ],
)
def test_a_reason_names_value_unit_and_both_limits(liver_metastases: bool | None, alt: float, note: str) -> None:
    """A person can see from the reason alone why the value fails, or which answer would decide."""
    (finding,) = failed_laboratory(RULES, make_laboratory(alt=alt), liver_metastases, False)

    limits = "required: at most 3 xULN, with liver_metastases at most 5 xULN"
    assert finding.value == f"{alt} xULN"
    assert finding.reason == f"alt {alt} xULN, {limits}{note}"


@pytest.mark.parametrize(
    ("values", "liver_metastases", "gilbert_syndrome", "failed"),
    [
        ({"bilirubin": 2.5}, False, True, []),
        ({"bilirubin": 2.5}, True, False, ["bilirubin"]),
        ({"bilirubin": 2.5}, False, None, ["bilirubin"]),
        ({"alt": 4.0, "ast": 4.0}, True, None, []),
        ({"alt": 4.0, "ast": 4.0}, None, True, ["alt", "ast"]),
    ],
)
def test_each_condition_excuses_its_own_analytes(
    values: dict[str, float], liver_metastases: bool | None, gilbert_syndrome: bool | None, failed: list[str]
) -> None:
    """Gilbert's syndrome excuses bilirubin, liver metastases the transaminases, and neither the other's."""
    findings = failed_laboratory(RULES, make_laboratory(**values), liver_metastases, gilbert_syndrome)

    assert [finding.analyte for finding in findings] == failed


@pytest.mark.parametrize(
    "given_value",
    [
        Laboratory(value=8.1, unit="g/dL"),
        Laboratory(value=8.1, unit="g/L"),
        Laboratory(value=math.nan, unit="g/L"),
        Laboratory(value=math.inf, unit="g/L"),
    ],
)
def test_an_unusable_value_is_missing_not_judged(given_value: Laboratory) -> None:
    """A value in another unit, outside the plausible range or not a number can neither pass nor fail."""
    findings = failed_laboratory(RULES, GOOD_LABORATORY | {"haemoglobin": given_value}, False, False)

    assert [(finding.analyte, finding.verdict) for finding in findings] == [("haemoglobin", Verdict.MISSING)]


def test_a_wrong_unit_names_field_value_and_unit_wanted() -> None:
    """The refusal says which field is wrong and what would be right."""
    problem = wrong_unit_or_implausible(RULES, {"neutrophils": Laboratory(value=1500, unit="/uL")}, "laboratory")

    assert problem is not None
    assert ProblemType.WRONG_UNIT is problem.type
    assert (problem.field, problem.value, problem.expected) == ("laboratory.neutrophils.unit", "/uL", "1e9/L")


@pytest.mark.parametrize(
    ("value", "usable"), [(0, True), (-0.01, False), (100, True), (100.01, False), (math.nan, False)]
)
def test_the_plausible_range_is_inclusive(value: float, usable: bool) -> None:
    """Neutrophils of 0 to 100 are plausible; what lies outside is refused by name."""
    problem = wrong_unit_or_implausible(RULES, {"neutrophils": Laboratory(value=value, unit="1e9/L")}, "answer.lab")

    assert usable == (problem is None)
    if problem is not None:
        assert (problem.type, problem.field) == (ProblemType.OUT_OF_RANGE, "answer.lab.neutrophils.value")
        assert problem.expected == "0 to 100 1e9/L"


def test_an_unknown_analyte_is_invalid_input() -> None:
    """An analyte that the protocol does not ask for is a slip of the name; the known names are listed."""
    problem = wrong_unit_or_implausible(RULES, {"neutrophil": Laboratory(value=1, unit="1e9/L")}, "laboratory")

    assert problem is not None
    assert (problem.type, problem.field) == (ProblemType.INVALID_INPUT, "laboratory.neutrophil")
    assert (problem.value, problem.rule) == ("1 1e9/L", "the protocol asks for no such analyte")
    assert "neutrophils, platelets" in problem.expected


def test_all_problems_are_listed_in_the_order_given() -> None:
    """Someone correcting a form sees every problem at once."""
    values = {
        "platelets": Laboratory(value=75_000, unit="1e9/L"),
        "sodium": Laboratory(value=140, unit="mmol/L"),
        "alt": Laboratory(value=1, unit="xULN"),
        "haemoglobin": Laboratory(value=8, unit="g/dL"),
    }

    problems = laboratory_problems(RULES, values)

    fields = ["laboratory.platelets.value", "laboratory.sodium", "laboratory.haemoglobin.unit"]
    assert fields == [problem.field for problem in problems]


@given(
    values=st.fixed_dictionaries({rule.analyte: st.floats(rule.plausible_low, rule.plausible_high) for rule in RULES}),
    liver_metastases=st.booleans(),
    gilbert_syndrome=st.booleans(),
)
def test_a_known_condition_can_only_help(
    values: dict[str, float], liver_metastases: bool, gilbert_syndrome: bool
) -> None:
    """Whoever passes without liver metastases and Gilbert's syndrome passes with them."""
    laboratory = make_laboratory(**values)

    without = failed_laboratory(RULES, laboratory, False, False)
    with_conditions = failed_laboratory(RULES, laboratory, liver_metastases, gilbert_syndrome)

    assert {finding.analyte for finding in with_conditions} <= {finding.analyte for finding in without}
