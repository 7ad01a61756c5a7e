"""Which cytokine courses there are, and what is against one that a site tells of."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.treatment.courses import (
    PlannedCourse,
    course_step,
    course_title,
    infusion_number,
    judge_support,
    planned_courses,
    wrong_course,
)
from schemas.commands.answers import CytokineCourse, InfusionGiven
from schemas.problem import ProblemType
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.state.participant import ParticipantState
from schemas.treatment.support import DoseUnit, SupportState, SupportVerdict
from tests.decisions.makers import PROTOCOL
from tests.decisions.response.test_imaging import participant

CYTOKINE = PROTOCOL.cytokine
DAY = date(2026, 3, 2)


def infused(*steps: str) -> ParticipantState:
    """Make a participant with an infusion a week for each step, the first on 2 March."""
    days = [datetime(2026, 3, 2, 23, tzinfo=UTC) + timedelta(days=7 * number) for number in range(len(steps))]
    given = tuple(InfusionGiven(started_at=day, unit_id="U-001", million_cells=100) for day in days)
    return participant(infusions=given, infusion_steps=steps, latest_on=DAY)


@pytest.mark.parametrize(
    ("steps", "courses"),
    [
        ((), []),
        (("infusion-1",), ["cytokine-course-1"]),
        (("infusion-2", "infusion-3"), []),
        (("infusion-1", "infusion-2", "cycle-1-infusion-1"), ["cytokine-course-1", "cycle-1-cytokine-course-1"]),
        (("infusion-1", "infusion-11"), ["cytokine-course-1"]),
    ],
)
def test_a_course_follows_the_infusions_that_the_protocol_names(steps: tuple[str, ...], courses: list[str]) -> None:
    """After the first of the planned infusions, and after the first of each further cycle."""
    assert [course.step for course in planned_courses(CYTOKINE, infused(*steps))] == courses


def test_a_course_has_the_window_of_its_infusion() -> None:
    """Fourteen days from the infusion's own day on."""
    (course,) = planned_courses(CYTOKINE, infused("infusion-1"))

    assert course == PlannedCourse(step="cytokine-course-1", infused_on=DAY, closes_on=date(2026, 3, 16))


def test_steps_and_titles_name_the_cycle() -> None:
    """So that two courses of one participant can be told apart."""
    assert course_step("infusion-1") == "cytokine-course-1"
    assert course_step("cycle-2-infusion-1") == "cycle-2-cytokine-course-1"
    assert course_title("infusion-1") == "Give the cytokine course"
    assert course_title("cycle-2-infusion-1") == "Give the cytokine course of cycle 2"
    assert (infusion_number("infusion-3"), infusion_number("cycle-2-infusion-1")) == (3, 1)


def crs(onset_on: date) -> AdverseEvent:
    """Make a CRS of grade 1 that goes on."""
    return AdverseEvent(term="CRS", category=EventCategory.CRS, grade=1, onset_on=onset_on, related=True)


@pytest.mark.parametrize(
    ("changes", "judged_on", "state"),
    [
        ({}, DAY, SupportState.GIVE),
        ({"adverse_events": (crs(DAY),)}, DAY, SupportState.HOLD),
        # A site that is ahead of UTC has told of its own tomorrow.
        ({"latest_on": DAY + timedelta(days=1)}, DAY + timedelta(days=1), SupportState.GIVE),
        ({"adverse_events": (crs(DAY + timedelta(days=1)),)}, DAY + timedelta(days=1), SupportState.HOLD),
    ],
)
def test_support_is_judged_on_the_latest_day_that_is_told(
    changes: dict[str, Any], judged_on: date, state: SupportState
) -> None:
    """Today, or the latest day that the record tells."""
    assert CYTOKINE.rules is not None
    verdict = judge_support(CYTOKINE.rules, infused("infusion-1").model_copy(update=changes), DAY)

    assert (verdict.judged_on, verdict.state) == (judged_on, state)


def test_a_hold_goes_on_from_the_earlier_verdict() -> None:
    """A stop is for good."""
    assert CYTOKINE.rules is not None
    stop = SupportVerdict(state=SupportState.STOP, judged_on=DAY, reasons=("CRS grade 3",))

    assert judge_support(CYTOKINE.rules, infused("infusion-1").model_copy(update={"cytokine": stop}), DAY) == stop


HELD = SupportVerdict(state=SupportState.HOLD, judged_on=DAY, reasons=("CRS grade 1",), since=DAY)


def told(*days: int, **changes: object) -> CytokineCourse:
    """Make a course with an administration on each day after the infusion."""
    given = {"administered_on": [DAY + timedelta(days=day) for day in days], "not_given_reason": "none was wanted"}
    return CytokineCourse.model_validate(given | {"million_units_per_m2": 1.0} | changes)


@pytest.mark.parametrize(
    ("course", "kind"),
    [
        (told(0, 2, 4, 6, 8, 10), None),
        (told(), None),
        (told(dose=5.0), None),
        (told(14), None),
        (told(15), ProblemType.OUT_OF_RANGE),
        (told(-1), ProblemType.DATE_BEFORE_STEP),
        (told(0, 1), ProblemType.DOSE_OUT_OF_RULE),
        (told(0, million_units_per_m2=1.1), ProblemType.DOSE_OUT_OF_RULE),
        (told(0, agent="IL-12"), ProblemType.INVALID_INPUT),
        (told(0, agent="IL-15 agonist"), ProblemType.WRONG_UNIT),
        (told(0, agent="IL-15 agonist", dose=10, unit=DoseUnit.MICROGRAMS_PER_KG), None),
        (told(0, agent="IL-15 agonist", dose=11, unit=DoseUnit.MICROGRAMS_PER_KG), ProblemType.DOSE_OUT_OF_RULE),
        (told(0, dose=0.5, unit=DoseUnit.MILLION_UNITS_PER_M2), None),
        (told(0, dose=1.0), ProblemType.WRONG_UNIT),
    ],
)
def test_a_course_is_judged_by_its_agent_s_rules(course: CytokineCourse, kind: ProblemType | None) -> None:
    """The protocol's first agent where none is named; a dose of its own needs its unit."""
    assert CYTOKINE.rules is not None
    problem = wrong_course(CYTOKINE, CYTOKINE.rules, infused("infusion-1"), "cytokine-course-1", course)

    assert (None if problem is None else problem.type) is kind


def test_a_dose_without_its_unit_is_named() -> None:
    """The units that the protocol knows are offered."""
    assert CYTOKINE.rules is not None
    problem = wrong_course(CYTOKINE, CYTOKINE.rules, infused("infusion-1"), "cytokine-course-1", told(0, dose=1.5))

    assert problem is not None
    assert (problem.field, problem.value) == ("answer.unit", "(none)")
    assert problem.rule == "a dose of 1.5 says nothing without its unit"
    assert problem.expected == "million_units_per_m2 or micrograms_per_kg"


def test_nothing_is_given_on_the_days_of_a_hold() -> None:
    """The verdicts so far say which days these are; on the day of the hold itself it may have come before."""
    assert CYTOKINE.rules is not None
    state = infused("infusion-1").model_copy(update={"cytokine_verdicts": (HELD,)})

    assert wrong_course(CYTOKINE, CYTOKINE.rules, state, "cytokine-course-1", told(0)) is None
    problem = wrong_course(CYTOKINE, CYTOKINE.rules, state, "cytokine-course-1", told(0, 2))
    assert problem is not None
    assert problem.type is ProblemType.ON_HOLD


def test_a_course_counts_from_its_own_infusion() -> None:
    """A cycle's course is not measured by the first infusion; one of an unknown infusion is nobody's to judge."""
    assert CYTOKINE.rules is not None
    state = infused("infusion-1", "infusion-2", "infusion-3", "cycle-1-infusion-1")
    course = told(21)

    assert wrong_course(CYTOKINE, CYTOKINE.rules, state, "cycle-1-cytokine-course-1", course) is None
    assert wrong_course(CYTOKINE, CYTOKINE.rules, state, "cytokine-course-1", course) is not None
    assert wrong_course(CYTOKINE, CYTOKINE.rules, state, "cytokine-course-2", course) is None
