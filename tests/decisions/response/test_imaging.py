"""One participant's assessments: the overview, the responses, and progression."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.response.imaging import contradiction, imaging_overview, judge_response, progressed_on, responses_on
from schemas.commands.answers import InfusionGiven
from schemas.protocol import ProtocolReference
from schemas.response.tumour import Response
from schemas.state.participant import ParticipantState
from schemas.treatment.support import Deviation, DeviationKind, ImagingStatus, ResponseOn
from tests.decisions.makers import PROTOCOL
from tests.decisions.recist_makers import DAY_0, RULES, assessment, baseline, on_day, point

INFUSED = InfusionGiven(
    started_at=datetime.combine(DAY_0, datetime.min.time(), tzinfo=UTC), unit_id="U-001", million_cells=100
)
WEEKS = [8, 16, 24, 36, 48, 60, 72, 84, 96]


def participant(**changes: Any) -> ParticipantState:  # noqa: ANN401 - any field
    """Make a participant who was infused on day 0, with changes."""
    state = ParticipantState(
        study="study",
        subject="CN01-001",
        site="CN01",
        protocol=ProtocolReference(id="example", version="1.0", sha256="0" * 64),
        consent_signed_on=date(2026, 2, 1),
        age_years=60,
        latest_on=DAY_0,
        day_zero=DAY_0,
        infusions=(INFUSED,),
        infusion_steps=("infusion-1",),
    )
    return state.model_copy(update=changes)


def test_there_is_no_overview_before_day_zero() -> None:
    """Neither without a planned day 0, nor while it is only planned."""
    assert imaging_overview(PROTOCOL, participant(day_zero=None), DAY_0) == ()
    assert imaging_overview(PROTOCOL, participant(infusions=()), DAY_0) == ()


def test_the_overview_has_a_row_for_each_planned_assessment() -> None:
    """Safety visits and the end of study are none."""
    state = participant(imaging_on={"imaging-week-8": on_day(68), "safety-day-21": on_day(21)})

    rows = imaging_overview(PROTOCOL, state, on_day(105))

    assert [row.window.visit for row in rows] == [f"imaging-week-{week}" for week in WEEKS]
    assert [row.status for row in rows] == [
        ImagingStatus.DONE_OUT_OF_WINDOW,
        ImagingStatus.DUE,
        *[ImagingStatus.PLANNED] * 7,
    ]


@pytest.mark.parametrize(
    ("end_on", "status"),
    [(None, ImagingStatus.MISSED), (on_day(63), ImagingStatus.DUE), (on_day(64), ImagingStatus.MISSED)],
)
def test_nothing_is_missed_after_the_end(end_on: date | None, status: ImagingStatus) -> None:
    """Week 8 closes on day 63: who left on that day has missed nothing, however long ago it is."""
    (row, *_) = imaging_overview(PROTOCOL, participant(end_on=end_on), on_day(400))

    assert row.status is status


def test_an_end_of_later_does_not_look_ahead() -> None:
    """An end that lies ahead of the day of the question does not count yet."""
    (row, *_) = imaging_overview(PROTOCOL, participant(end_on=on_day(400)), on_day(50))

    assert row.status is ImagingStatus.DUE


def test_progression_ends_the_overview_and_keeps_what_was_missed_before() -> None:
    """Visits that were skipped after PD have no row; one that was missed before it has."""
    missed = Deviation(visit="imaging-week-8", kind=DeviationKind.MISSED, why="no scan")
    late = Deviation(visit="imaging-week-24", kind=DeviationKind.LATE, days=1, why="late")
    state = participant(
        timepoints=(point(112, "PD"),),
        imaging_on={"imaging-week-16": on_day(112)},
        skipped=tuple(f"imaging-week-{week}" for week in WEEKS if week != 16),
        deviations=(missed, late),
    )

    rows = imaging_overview(PROTOCOL, state, on_day(700))

    assert [(row.window.visit, row.status) for row in rows] == [
        ("imaging-week-8", ImagingStatus.MISSED),
        ("imaging-week-16", ImagingStatus.DONE),
    ]
    # Without progression every visit is planned, skipped or not.
    assert len(imaging_overview(PROTOCOL, state.model_copy(update={"timepoints": ()}), on_day(700))) == len(WEEKS)


# Responses


def test_responses_come_from_the_lesions_else_from_the_investigator() -> None:
    """Of one scan that tells both, the lesions count; a response without a day is left out."""
    state = participant(
        timepoints=(point(112, "NON-CR/NON-PD"), point(56, "PR")),
        responses=(("imaging-week-8", "SD"), ("imaging-week-24", "NE"), ("imaging-week-36", "PD")),
        imaging_on={"imaging-week-8": on_day(56), "imaging-week-16": on_day(112), "imaging-week-24": on_day(168)},
    )

    assert responses_on(state) == (
        ResponseOn(on=on_day(56), response="PR"),
        ResponseOn(on=on_day(112), response="SD"),
        ResponseOn(on=on_day(168), response="NE"),
    )
    assert progressed_on(state) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"timepoints": (point(56, "SD"), point(112, "PD"), point(168, "PD"))}, on_day(112)),
        ({"responses": (("imaging-week-8", "PD"),), "imaging_on": {"imaging-week-8": on_day(57)}}, on_day(57)),
        # The lesions overrule the word.
        (
            {
                "timepoints": (point(57, "SD"),),
                "responses": (("imaging-week-8", "PD"),),
                "imaging_on": {"imaging-week-8": on_day(57)},
            },
            None,
        ),
    ],
)
def test_progression_is_dated_by_the_first_scan_that_shows_it(changes: dict[str, Any], expected: date | None) -> None:
    """By the lesions where they were told, by the investigator's word otherwise."""
    assert progressed_on(participant(**changes)) == expected


@pytest.mark.parametrize(
    ("told", "overall", "contradicts"),
    [
        (None, Response.PD, False),
        ("PD", Response.PD, False),
        ("SD", Response.PD, True),
        ("SD", Response.NON_CR_NON_PD, False),
        ("PR", Response.NON_CR_NON_PD, True),
    ],
)
def test_a_contradiction_is_said(told: str | None, overall: Response, contradicts: bool) -> None:
    """Disease with nothing to measure has no word of its own in the investigator's list: stable is as good."""
    expected = f"the investigator's response is {told}, the lesions give {overall}" if contradicts else None
    assert contradiction(told, overall) == expected


@pytest.mark.parametrize(
    "changes", [{"baseline": None}, {"assessments": ()}, {"day_zero": None}], ids=["baseline", "assessment", "day 0"]
)
def test_nothing_is_judged_without(changes: dict[str, Any]) -> None:
    """A baseline, an assessment and day 0 are needed."""
    whole = {"baseline": baseline({"T01": 50}), "assessments": (assessment(56, {"T01": 50}),)}

    assert judge_response(RULES, participant(**whole | changes)) == ((), None)
    assert judge_response(RULES, participant(**whole))[1] is not None


def test_only_what_is_new_or_has_changed_is_judged_again() -> None:
    """The second assessment is new; the first one's judgement stays as it is recorded."""
    first, second = assessment(56, {"T01": 30}), assessment(112, {"T01": 30})
    state = participant(baseline=baseline({"T01": 50}), assessments=(first,))
    (before,), _best = judge_response(RULES, state)

    told, best = judge_response(
        RULES, state.model_copy(update={"assessments": (first, second), "timepoints": (before,)})
    )

    assert [point.assessed_on for point in told] == [on_day(112)]
    assert best is not None
    assert (best.response, best.confirmed) == (Response.PR, True)


def test_a_death_ends_the_response() -> None:
    """The duration runs to the death, and is not censored."""
    scans = (assessment(56, {"T01": 30}), assessment(112, {"T01": 30}))
    state = participant(baseline=baseline({"T01": 50}), assessments=scans)

    _told, best = judge_response(RULES, state, died_on=on_day(112) + timedelta(days=10))

    assert best is not None
    assert (best.duration_days, best.duration_censored) == (66, False)
