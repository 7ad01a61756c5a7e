"""A participant's adverse events: ids, versions, and the grade that the findings give."""

from datetime import date
from typing import Any

import pytest

from decisions.safety.adverse_events import (
    computed_grade,
    event_ids,
    event_of,
    grade_question,
    newest_version,
    next_event_id,
    version_of,
    worst_grade,
)
from schemas.protocol import ProtocolReference
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.safety.reports import EventVersion
from schemas.safety.toxicity import (
    ComputedGrade,
    CrsObservation,
    GvhdStages,
    IcansObservation,
    InfusionReactionObservation,
)
from schemas.state.participant import ParticipantState

DAY = date(2026, 3, 20)
EVENT = AdverseEvent(term="Fatigue", grade=2, onset_on=DAY, related=False)
OTHER = AdverseEvent(term="Nausea", grade=1, onset_on=DAY, related=False)
STATE = ParticipantState(
    study="study",
    subject="CN01-001",
    site="CN01",
    protocol=ProtocolReference(id="example", version="1.1", sha256="0" * 64),
    consent_signed_on=DAY,
    age_years=60,
    latest_on=DAY,
    adverse_events=(EVENT, OTHER),
    event_versions={"AE-002": 3},
)
NONE_YET = STATE.model_copy(update={"adverse_events": (), "event_versions": {}})


def test_events_are_numbered_in_the_order_of_their_reports() -> None:
    """The first is AE-001, and the next has a number that none has."""
    assert event_ids(STATE) == ("AE-001", "AE-002")
    assert next_event_id(STATE) == "AE-003"
    assert (event_ids(NONE_YET), next_event_id(NONE_YET)) == ((), "AE-001")


def test_an_event_is_known_by_its_id_in_its_latest_version() -> None:
    """An event that was never amended is at version 1."""
    assert (event_of(STATE, "AE-001"), version_of(STATE, "AE-001")) == (EVENT, 1)
    assert newest_version(STATE, "AE-002") == EventVersion(event_id="AE-002", version=3, event=OTHER)
    for unknown in ("AE-003", "AE-000"):
        with pytest.raises(KeyError, match=unknown):
            event_of(STATE, unknown)


@pytest.mark.parametrize(
    ("category", "observation", "grade"),
    [
        ("crs", CrsObservation(highest_temperature_celsius=38.0, hypotension=True), 2),
        ("icans", IcansObservation(ice_points=2), 3),
        ("gvhd", GvhdStages(skin=3), 2),
        ("infusion_reaction", InfusionReactionObservation(life_threatening=True), 4),
    ],
)
def test_an_observation_gives_a_grade(category: str, observation: Any, grade: int) -> None:  # noqa: ANN401 - any of four
    """Each kind of observation is graded by its own scale."""
    event = AdverseEvent.model_validate(
        {"term": "Event", "grade": 1, "onset_on": DAY, "related": True, "category": category, category: observation}
    )

    computed = computed_grade(event)

    assert computed is not None
    assert computed.grade == grade
    assert event.category is EventCategory(category)


def test_without_an_observation_there_is_no_computed_grade() -> None:
    """Most events are graded by the reporter alone."""
    assert computed_grade(EVENT) is None


@pytest.mark.parametrize(
    ("computed", "question"),
    [
        (None, None),
        (ComputedGrade(grade=2, why="as found"), None),
        (ComputedGrade(grade=3, why="as found"), "reported grade 2 is below the computed grade 3: as found"),
        (ComputedGrade(grade=2, why="as found", review="look again"), "look again"),
    ],
)
def test_a_difference_or_a_doubt_is_asked_about(computed: ComputedGrade | None, question: str | None) -> None:
    """The same grade, and nothing that the grading leaves to a person: nobody is asked."""
    assert grade_question(EVENT, computed) == question


@pytest.mark.parametrize(("computed", "worst"), [(None, 2), (1, 2), (2, 2), (4, 4)])
def test_the_worse_of_both_grades_counts(computed: int | None, worst: int) -> None:
    """A computed grade never makes an event milder than it was reported."""
    graded = None if computed is None else ComputedGrade(grade=computed, why="as found")

    assert worst_grade(EVENT, graded) == worst
