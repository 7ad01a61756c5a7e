"""Amendments of an adverse event: docs/domain.md, sections 3 and 8."""

import json
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.safety.amendments import changes, refused_amendment, upgraded
from schemas.problem import Problem, ProblemType
from schemas.safety.adverse_events import AdverseEvent, Causality, EventCategory, GradeOn, Seriousness, StudyPart
from schemas.safety.reports import EventVersion, FieldChange

ONSET = date(2026, 3, 4)
AWARE = datetime(2026, 3, 5, 6, 30, tzinfo=UTC)
EVENT = AdverseEvent(
    term="Pneumonitis",
    grade=3,
    onset_on=ONSET,
    related=True,
    causality={StudyPart.CAR_NK: Causality.POSSIBLE, StudyPart.CYTOKINE: Causality.UNLIKELY},
    aware_at=AWARE,
)


def amended(**fields: object) -> AdverseEvent:
    """Make the event with other values."""
    return AdverseEvent.model_validate(EVENT.model_dump() | fields)


def names(found: tuple[FieldChange, ...]) -> list[str]:
    """Return the fields of changes."""
    return [change.field for change in found]


# What changes


@pytest.mark.parametrize(
    ("fields", "old", "new"),
    [
        ({"grade": 4}, "3", "4"),
        ({"grade": 2}, "3", "2"),
        ({"term": "Pneumonitis (中)"}, '"Pneumonitis"', '"Pneumonitis (中)"'),
        ({"onset_on": date(2026, 3, 5)}, '"2026-03-04"', '"2026-03-05"'),
        ({"ended_on": date(2026, 3, 9)}, "null", '"2026-03-09"'),
        ({"expected": False}, "null", "false"),
        ({"dlt": True}, "false", "true"),
        ({"category": EventCategory.ORGAN}, '"other"', '"organ"'),
        ({"seriousness": (Seriousness.HOSPITALISATION,)}, "[]", '["hospitalisation"]'),
        ({"course": (GradeOn(on=date(2026, 3, 6), grade=1),)}, "[]", '[{"grade": 1, "on": "2026-03-06"}]'),
        ({"aware_at": AWARE + timedelta(hours=1)}, '"2026-03-05T06:30:00Z"', '"2026-03-05T07:30:00Z"'),
        (
            {"causality": {"cytokine": "possible", "car_nk": "possible"}},
            '{"car_nk": "possible", "cytokine": "unlikely"}',
            '{"car_nk": "possible", "cytokine": "possible"}',
        ),
    ],
)
def test_a_change_names_the_field_and_both_values(fields: dict[str, object], old: str, new: str) -> None:
    """The values are JSON texts, whatever their type; a grade may be lowered."""
    (field,) = fields

    assert changes(EVENT, amended(**fields)) == (FieldChange(field=field, old=old, new=new),)


def test_changes_stand_in_the_order_of_the_form() -> None:
    """Not in that of the amendment."""
    after = amended(category=EventCategory.ORGAN, grade=4, term="Pneumonia")

    assert names(changes(EVENT, after)) == ["term", "grade", "category"]


def test_the_same_moment_in_another_zone_is_no_change() -> None:
    """06:30 UTC is 14:30 in Shanghai; the parts may be named in any order."""
    after = amended(
        aware_at=AWARE.astimezone(timezone(timedelta(hours=8))),
        causality=dict(reversed(EVENT.causality.items())),
    )

    assert changes(EVENT, after) == ()


@given(grade=st.integers(1, 5), category=st.sampled_from(EventCategory), dlt=st.booleans())
def test_changes_can_be_applied(grade: int, category: EventCategory, dlt: bool) -> None:
    """The new values over the earlier version are the later one, and the old ones are those of the earlier."""
    after = amended(grade=grade, category=category, dlt=dlt)
    before = EVENT.model_dump(mode="json")

    found = changes(EVENT, after)

    assert AdverseEvent.model_validate(before | {change.field: json.loads(change.new) for change in found}) == after
    assert all(json.loads(change.old) == before[change.field] for change in found)
    assert (found == ()) is (after == EVENT)


# Whether it may


KNOWN = {
    "AE-002": EventVersion(event_id="AE-002", version=1, event=amended(grade=1)),
    "AE-001": EventVersion(event_id="AE-001", version=2, event=EVENT),
}


def refusal(field: str, value: str, rule: str, expected: str) -> Problem:
    """Make the expected problem."""
    kinds = {"event_id": ProblemType.UNKNOWN_EVENT, "version": ProblemType.VERSION_CHANGED}
    kind = kinds.get(field, ProblemType.INVALID_INPUT)
    return Problem(type=kind, field=field, value=value, rule=rule, expected=expected)


@pytest.mark.parametrize(
    ("event_id", "version", "after", "problem"),
    [
        ("AE-001", 2, amended(grade=4), None),
        ("AE-001", 2, amended(grade=1), None),
        ("AE-002", 1, EVENT, None),
        (
            "AE-003",
            1,
            amended(grade=4),
            refusal("event_id", "AE-003", "no such adverse event", "one of AE-001, AE-002"),
        ),
        (
            "AE-001",
            1,
            amended(grade=4),
            refusal("version", "1", "AE-001 is at version 2", "2, after reading what it says now"),
        ),
        (
            "AE-001",
            3,
            amended(grade=4),
            refusal("version", "3", "AE-001 is at version 2", "2, after reading what it says now"),
        ),
        (
            "AE-001",
            2,
            EVENT,
            refusal("event", "AE-001", "nothing differs from version 2", "at least one changed field"),
        ),
        (
            "AE-001",
            1,
            EVENT,
            refusal("version", "1", "AE-001 is at version 2", "2, after reading what it says now"),
        ),
    ],
)
def test_an_amendment_changes_the_version_that_was_seen(
    event_id: str, version: int, after: AdverseEvent, problem: Problem | None
) -> None:
    """The event must be known, at that version, and something must change; the version is looked at first."""
    assert refused_amendment(KNOWN, event_id, version, after) == problem


def test_the_second_of_two_amendments_at_the_same_moment_is_refused() -> None:
    """Both saw version 2; the first made version 3, which the second has not read."""
    first, second = amended(grade=4), amended(expected=True)
    assert refused_amendment(KNOWN, "AE-001", 2, first) is None
    known = KNOWN | {"AE-001": EventVersion(event_id="AE-001", version=3, event=first)}

    problem = refused_amendment(known, "AE-001", 2, second)

    assert problem is not None
    assert problem.message() == ("version = 2: AE-001 is at version 3; expected 3, after reading what it says now")
    assert refused_amendment(known, "AE-001", 3, second) is None


def test_where_nothing_was_reported_a_new_report_is_asked_for() -> None:
    """There is no event to choose from."""
    expected = refusal("event_id", "AE-001", "no such adverse event", "a new report")

    assert refused_amendment({}, "AE-001", 1, EVENT) == expected


# Whether the DLT question is asked again


@pytest.mark.parametrize(
    ("fields", "asked_for"),
    [
        ({"grade": 4}, ["grade"]),
        ({"grade": 2}, ["grade"]),
        ({"category": EventCategory.ORGAN}, ["category"]),
        ({"onset_on": date(2026, 3, 3)}, ["onset_on"]),
        ({"dlt": True}, ["dlt"]),
        ({"related": False, "causality": {"car_nk": "unlikely", "cytokine": "unlikely"}}, ["related", "causality"]),
        ({"causality": {"car_nk": "unlikely", "cytokine": "possible"}}, ["causality"]),
        ({"causality": {"car_nk": "possible", "cytokine": "possible"}}, ["causality"]),
        ({"causality": {}}, ["causality"]),
        ({"causality": {"car_nk": "probable", "cytokine": "not_related"}}, []),
        ({"causality": {"car_nk": "possible"}}, []),
        ({"grade": 4, "term": "Pneumonia", "expected": True}, ["grade"]),
        ({"term": "Pneumonia", "expected": True, "ended_on": date(2026, 3, 9)}, []),
        ({"seriousness": (Seriousness.HOSPITALISATION,), "outcome": "recovered"}, []),
        ({}, []),
    ],
)
def test_the_question_is_asked_again_for_better_or_worse(fields: dict[str, object], asked_for: list[str]) -> None:
    """Grade, category, onset, the reporter's judgement, and a cause that becomes possible or ceases to be."""
    assert names(upgraded(EVENT, amended(**fields))) == asked_for
    assert names(upgraded(amended(**fields), EVENT)) == asked_for


def test_relatedness_without_causality_counts_too() -> None:
    """The flag alone says it where no part is judged."""
    unjudged = amended(causality={})

    found = upgraded(unjudged, amended(causality={}, related=False))

    assert found == (FieldChange(field="related", old="true", new="false"),)


# The version


@pytest.mark.parametrize(("event_id", "version"), [("AE-1", 1), ("001", 1), ("AE-001", 0)])
def test_a_version_has_a_running_number_and_starts_at_1(event_id: str, version: int) -> None:
    """The id is one that people can say: AE-001."""
    with pytest.raises(ValidationError):
        EventVersion(event_id=event_id, version=version, event=EVENT)
