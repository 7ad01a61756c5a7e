"""Worked examples that were published, each with its source."""

from datetime import date
from decimal import Decimal

import pytest

from decisions.response.recist_baseline import malformed_baseline
from decisions.response.recist_best_response import judge_best_response
from decisions.response.recist_timepoint import judge_timepoints
from schemas.response.tumour import NonTargetStatus, Response, TimepointResponse
from tests.decisions.recist_makers import DAY_0, RULES, Size, assessment, baseline, changed, course, new

PRESENT = NonTargetStatus.PRESENT

ADMIRALONCO = {
    "1": ("2020-01-01", "2020-01-01 PR, 2020-02-01 CR, 2020-02-16 NE, 2020-03-01 CR, 2020-04-01 SD"),
    "2": ("2019-12-12", "2020-01-01 SD, 2020-02-01 PR, 2020-03-01 SD, 2020-03-13 CR"),
    "3": ("2019-11-11", "2019-11-12 CR, 2019-12-02 CR, 2020-01-01 SD"),
    "4": ("2019-12-30", "2020-01-01 PR, 2020-03-01 SD, 2020-04-01 SD, 2020-05-01 PR, 2020-05-15 NON-CR/NON-PD"),
    "5": ("2020-01-01", "2020-01-01 PR, 2020-01-10 SD, 2020-01-20 PR, 2020-05-15 NON-CR/NON-PD"),
    "6": ("2020-02-02", "2020-02-06 PR, 2020-02-16 CR, 2020-03-30 PR"),
    "7": ("2020-02-02", "2020-02-06 PR, 2020-02-16 CR, 2020-04-01 NE"),
    "8": ("2020-04-01", ""),
    "9": ("2020-02-01", "2020-02-16 PD, 2020-03-06 SD"),
}
"""Start of treatment and responses by subject: pharmaverse/admiralonco, test-derive_param_confirmed_bor.R."""


def dated(text: str) -> tuple[TimepointResponse, ...]:
    """Make timepoint responses from text with dates."""
    entries = [entry.split() for entry in text.split(", ") if entry]
    return tuple(
        TimepointResponse(assessed_on=date.fromisoformat(on), overall=Response(overall), why="")
        for on, overall in entries
    )


@pytest.mark.parametrize(
    ("subject", "response", "on"),
    [
        ("1", "CR", "2020-02-01"),
        ("2", "SD", "2020-02-01"),
        ("3", "SD", "2020-01-01"),
        ("4", "SD", "2020-03-01"),
        ("5", "NON-CR/NON-PD", "2020-05-15"),
        ("6", "SD", "2020-03-30"),
        ("7", "NE", "2020-02-06"),
        ("8", "NE", None),
        ("9", "PD", "2020-02-16"),
    ],
)
def test_admiralonco_confirmed_best_overall_response(subject: str, response: str, on: str | None) -> None:
    """admiralonco, test 1: 28 days to confirm, 28 days to be stable, one NE; 'MISSING' there is NE here."""
    started, text = ADMIRALONCO[subject]
    rules = changed(minimum_stable_days=28)

    judged = judge_best_response(rules, date.fromisoformat(started), dated(text))

    assert judged.response == response
    assert judged.on == (None if on is None else date.fromisoformat(on))


@pytest.mark.parametrize(
    ("subject", "response", "on"),
    [
        ("1", "PR", "2020-01-01"),
        ("2", "PR", "2020-02-01"),
        ("3", "CR", "2019-11-12"),
        ("4", "SD", "2020-03-01"),
        ("5", "PR", "2020-01-01"),
        ("6", "SD", "2020-03-30"),
        ("8", "NE", None),
        ("9", "PD", "2020-02-16"),
    ],
)
def test_admiralonco_accepting_stable_disease_between(subject: str, response: str, on: str | None) -> None:
    """admiralonco, test 2: 14 days to confirm, no NE, one SD between two PR."""
    started, text = ADMIRALONCO[subject]
    rules = changed(
        minimum_stable_days=28, confirmation_days=14, maximum_not_evaluable_between=0, maximum_stable_between=1
    )

    judged = judge_best_response(rules, date.fromisoformat(started), dated(text))

    assert judged.response == response
    assert judged.on == (None if on is None else date.fromisoformat(on))


@pytest.mark.parametrize(
    ("nes", "response", "on"),
    [(1, "SD", "2020-05-01"), (2, "CR", "2020-03-16")],
)
def test_admiralonco_two_unevaluable_assessments_between(nes: int, response: str, on: str) -> None:
    """admiralonco, example of derive_param_confirmed_bor, subject 9, by its rules: two NE between are one too many."""
    text = "2020-03-16 CR, 2020-04-01 NE, 2020-04-16 NE, 2020-05-01 CR"
    rules = changed(minimum_stable_days=28, maximum_not_evaluable_between=nes)

    judged = judge_best_response(rules, date(2020, 3, 1), dated(text))

    assert judged.response == response
    assert judged.on == date.fromisoformat(on)


def test_admiralonco_a_response_after_progression_does_not_count() -> None:
    """admiralonco, example of derive_param_confirmed_bor, subject 6, by its rules: CR twice, but after PD."""
    text = "2020-02-06 PR, 2020-02-16 CR, 2020-03-30 PR, 2020-04-12 PD, 2020-05-01 CR, 2020-06-01 CR"

    judged = judge_best_response(changed(minimum_stable_days=28), date(2020, 2, 2), dated(text))

    assert (judged.response, judged.on) == (Response.SD, date(2020, 3, 30))
    assert judged.progressed_on == date(2020, 4, 12)
    assert len(judged.review) == 1


@pytest.mark.parametrize(
    ("first", "second", "early", "late"),
    [
        ("CR", "CR", "CR", "CR"),
        ("CR", "PD", "PD", "SD"),
        ("CR", "NE", "NE", "SD"),
        ("PR", "CR", "PR", "PR"),
        ("PR", "PR", "PR", "PR"),
        ("PR", "SD", "SD", "SD"),
        ("PR", "PD", "PD", "SD"),
        ("PR", "NE", "NE", "SD"),
        ("NE", "NE", "NE", "NE"),
    ],
)
def test_eisenhauer_table_3(first: str, second: str, early: str, late: str) -> None:
    """
    Eisenhauer EJC 2009;45:228-247, table 3: best overall response when confirmation of CR and PR is required.

    SD takes the minimum duration, else it is PD or NE: `early` has the first assessment before it, `late` after.
    """
    assert judge_best_response(RULES, DAY_0, course(f"41 {first}, 69 {second}")).response == early
    assert judge_best_response(RULES, DAY_0, course(f"42 {first}, 70 {second}")).response == late


@pytest.mark.parametrize("second", ["PR", "SD"])
def test_eisenhauer_table_3_note_a(second: str) -> None:
    """Eisenhauer, table 3, note a: CR, then disease: either that is PD, or there was no CR. It is to be looked at."""
    judged = judge_best_response(RULES, DAY_0, course(f"56 CR, 84 {second}"))

    assert judged.response is Response.SD
    assert len(judged.review) == 1


def test_eisenhauer_an_unevaluable_scan_between_two_partial_responses() -> None:
    """Eisenhauer, 4.4.4: PR, NE, PR is a confirmed response."""
    judged = judge_best_response(RULES, DAY_0, course("56 PR, 84 NE, 112 PR"))

    assert (judged.response, judged.confirmed) == (Response.PR, True)


def test_eisenhauer_a_missing_lesion_does_not_hide_progression() -> None:
    """Eisenhauer, 4.4.2: three targets of 50 mm in all; later two of them alone are 80 mm: that is PD."""
    before = baseline({"T01": 20, "T02": 15, "L01": 15})
    (judged,) = judge_timepoints(RULES, before, [assessment(56, {"T01": 45, "T02": 35, "L01": "NE"})])

    assert judged.overall is Response.PD


def test_eortc_a_confirmed_partial_response_goes_on() -> None:
    """EORTC RECIST, 'Managing PR when TP measurements change slightly over time': 100; 70, 70, 80, 80, 80: all PR."""
    before = baseline({"T01": 100}, ["N01"])
    sums: list[Size] = [70, 70, 80, 80, 80]
    later = [assessment(56 * number, {"T01": size}, {"N01": PRESENT}) for number, size in enumerate(sums, start=1)]

    assert [point.overall for point in judge_timepoints(RULES, before, later)] == [Response.PR] * 5


def test_eortc_a_small_rise_from_the_nadir_is_no_progression() -> None:
    """EORTC RECIST, 'The definition of SD: a clarification': 165 mm, at week 8 63 mm, at week 16 65 mm is still PR."""
    later = [assessment(56, {"T01": 63}), assessment(112, {"T01": 65})]
    judged = judge_timepoints(RULES, baseline({"T01": 165}), later)

    assert [point.overall for point in judged] == [Response.PR, Response.PR]
    assert [point.nadir_mm for point in judged] == [Decimal(165), Decimal(63)]


def test_eortc_what_reappears_is_progression_only_after_a_definite_complete_response() -> None:
    """EORTC RECIST, 'Does a new lesion always result in PD?': a node back at 11 mm is PD after a confirmed CR only."""
    before = baseline({"L01": 20})
    once = [assessment(56, {"L01": 9}), assessment(112, {"L01": 11})]
    twice = [assessment(56, {"L01": 9}), assessment(84, {"L01": 9}), assessment(112, {"L01": 11})]

    assert judge_timepoints(RULES, before, once)[-1].overall is Response.PR
    assert judge_timepoints(RULES, before, twice)[-1].overall is Response.PD


def test_eortc_all_lymph_nodes_are_one_organ() -> None:
    """EORTC RECIST 1.1 questions, 'Two target lesions': nodes of three regions are three targets of one organ."""
    problems = malformed_baseline(RULES, baseline({"L01": 20, "L02": 20, "L03": 20}))

    assert [problem.value for problem in problems] == ["3 targets"]


def test_cdisc_too_small_to_measure_is_5_mm_but_a_measured_4_mm_is_4_mm() -> None:
    """CDISC RECIST 1.1 supplement, TR, row 30: 'TOO SMALL TO MEASURE' counts 5 mm; a number counts as it is."""
    before = baseline({"T01": 20, "T02": 20})

    assert judge_timepoints(RULES, before, [assessment(56, {"T01": 10, "T02": "small"})])[0].sum_mm == 15
    assert judge_timepoints(RULES, before, [assessment(56, {"T01": 10, "T02": 4})])[0].sum_mm == 14


def test_recist_tracker_rebound_after_a_deep_response_is_progression() -> None:
    """heyhey-yoyo/RECIST-tracker, docs/RULES.md: PD goes before PR where a sum meets both."""
    later = [assessment(56, {"T01": 40}), assessment(112, {"T01": 50})]

    assert judge_timepoints(RULES, baseline({"T01": 100}), later)[-1].overall is Response.PD


def test_recist_tracker_an_equivocal_lesion_is_dated_back_when_confirmed() -> None:
    """heyhey-yoyo/RECIST-tracker, docs/RULES.md: once certain, progression is at the first scan with it."""
    later = [
        assessment(56, {"T01": 50}, new_lesions=[new("NEW01", certain=False)]),
        assessment(84, {"T01": 50}, new_lesions=[new("NEW01")]),
    ]
    judged = judge_best_response(RULES, DAY_0, judge_timepoints(RULES, baseline({"T01": 50}), later))

    assert judged.progressed_on == later[0].assessed_on
