"""Answers that tell of lesions, as a whole: the first problem and its place."""

from datetime import date
from typing import Any

import pytest

from decisions.response.tumour_answers import baseline_is_fresh, malformed_tumour_answer, treatment_starts_on
from schemas.commands.answers import BaselineImaging, ImagingDone, SafetyVisit
from schemas.problem import ProblemType
from tests.decisions.makers import PROTOCOL
from tests.decisions.recist_makers import DAY_0, assessment, baseline, on_day
from tests.decisions.response.test_imaging import participant

WITHOUT = PROTOCOL.model_copy(update={"recist": None})
TOO_SMALL = baseline({"T01": 9, "T02": 8})


def test_the_first_problem_of_a_baseline_is_named_by_its_place() -> None:
    """9 mm is not measurable; without the section nobody measures."""
    answer = BaselineImaging(baseline=TOO_SMALL)

    problem = malformed_tumour_answer(PROTOCOL, participant(day_zero=None), answer, DAY_0)

    assert problem is not None
    assert (problem.type, problem.field) == (ProblemType.OUT_OF_RANGE, "answer.baseline.targets.T01.diameter_mm")
    assert malformed_tumour_answer(WITHOUT, participant(day_zero=None), answer, DAY_0) is None


@pytest.mark.parametrize(("day", "fits"), [(-28, True), (-29, False)])
def test_a_baseline_is_held_against_the_planned_start(day: int, fits: bool) -> None:
    """Lymphodepletion is planned for day -5; before there is a plan, any day is in order."""
    answer = BaselineImaging(baseline=baseline({"T01": 30}, day=day - 5))

    assert (malformed_tumour_answer(PROTOCOL, participant(), answer, on_day(-9)) is None) is fits
    assert malformed_tumour_answer(PROTOCOL, participant(day_zero=None), answer, on_day(-9)) is None


def test_an_assessment_is_held_against_the_baseline() -> None:
    """Without one it says nothing; with one the first problem is named by its place."""
    answer = ImagingDone(scanned_on=on_day(56), assessment=assessment(56, {"T02": 30}))
    state = participant()

    problem = malformed_tumour_answer(PROTOCOL, state, answer, on_day(56))
    assert problem is not None
    assert (problem.field, problem.rule) == ("answer.assessment", "there is no baseline to hold them against")
    state = participant(baseline=baseline({"T01": 30}))
    problem = malformed_tumour_answer(PROTOCOL, state, answer, on_day(56))
    assert problem is not None
    assert problem.field == "answer.assessment.targets.T01"
    right = ImagingDone(scanned_on=on_day(56), assessment=assessment(56, {"T01": 30}))
    assert malformed_tumour_answer(PROTOCOL, state, right, on_day(56)) is None
    again = participant(baseline=baseline({"T01": 30}), assessments=(assessment(56, {"T01": 30}),))
    assert malformed_tumour_answer(PROTOCOL, again, right, on_day(56)) is not None


def test_answers_without_lesions_have_none_to_check() -> None:
    """A response alone, and a visit."""
    for answer in (ImagingDone(scanned_on=DAY_0, response="SD"), SafetyVisit(visited_on=DAY_0)):
        assert malformed_tumour_answer(PROTOCOL, participant(), answer, DAY_0) is None


@pytest.mark.parametrize(
    ("changes", "today", "expected"),
    [
        ({"day_zero": None}, DAY_0, None),
        ({}, on_day(-9), on_day(-5)),
        ({}, on_day(-5), on_day(-5)),
        ({}, on_day(-4), on_day(-4)),
        ({"lymphodepletion_on": (on_day(-4), on_day(-3))}, on_day(-3), on_day(-4)),
    ],
)
def test_treatment_starts_with_lymphodepletion(changes: dict[str, Any], today: date, expected: date | None) -> None:
    """As given, else as planned, and never in the past."""
    assert treatment_starts_on(PROTOCOL, participant(**changes), today) == expected


@pytest.mark.parametrize(
    ("day", "today", "fresh"), [(-33, -9, True), (-34, -9, False), (-33, -4, False), (-32, -4, True)]
)
def test_a_baseline_is_fresh_for_four_weeks(day: int, today: int, fresh: bool) -> None:
    """Counted to the day on which lymphodepletion is to start: a delay makes it older."""
    state = participant(baseline=baseline({"T01": 30}, day=day))

    assert baseline_is_fresh(PROTOCOL, state, on_day(today)) is fresh


def test_no_baseline_is_not_fresh_unless_none_is_due() -> None:
    """Without the section none is due."""
    assert not baseline_is_fresh(PROTOCOL, participant(), DAY_0)
    assert baseline_is_fresh(WITHOUT, participant(), DAY_0)
