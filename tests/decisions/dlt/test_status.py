"""Where events stand as dose-limiting toxicities, and what that makes of the participant's outcome."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.dlt.outcome import judge_dlt
from decisions.dlt.status import criterion_of, dlt_status_of, due_events, next_review_on, open_events
from schemas.commands.answers import DltAdjudication, InfusionGiven
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import DltStatus
from schemas.protocol import ProtocolReference
from schemas.safety.reports import DltFinding, DltFindingStatus
from schemas.safety.summary import EventDlt
from schemas.state.participant import ParticipantState, Slot
from tests.decisions.makers import PROTOCOL

DAY_0 = date(2026, 3, 2)
NONE = DltFinding(status=DltFindingStatus.NONE, why="no criterion covers it")
CANDIDATE = DltFinding(status=DltFindingStatus.CANDIDATE, criterion="crs-grade-4", why="CRS of grade 4")
RULES = PROTOCOL.dlt


def pending(day: int) -> DltFinding:
    """Make a finding that waits until the end of a study day."""
    return DltFinding(
        status=DltFindingStatus.PENDING, criterion="crs-grade-3", until=DAY_0 + timedelta(days=day), why="may improve"
    )


def judged(event_id: str, *, dose_limiting: bool) -> dict[str, DltAdjudication]:
    """Make an event's adjudication."""
    answer = DltAdjudication(
        event_id=event_id, dose_limiting=dose_limiting, adjudicated_on=DAY_0, rationale="explained otherwise"
    )
    return {event_id: answer}


def participant(*days: int, **changes: Any) -> ParticipantState:  # noqa: ANN401 - any field
    """Make a participant with all infusions, and an event on each of these study days."""
    events = tuple(
        AdverseEvent(term="CRS", grade=4, onset_on=DAY_0 + timedelta(days=day), related=True) for day in days
    )
    infusions = tuple(
        InfusionGiven(
            started_at=datetime(2026, 3, 2, 10, tzinfo=UTC) + timedelta(days=day), unit_id=f"U-{day}", million_cells=100
        )
        for day in (0, 7, 14)
    )
    base = ParticipantState(
        study="study",
        subject="CN01-001",
        site="CN01",
        protocol=ProtocolReference(id="example", version="1.1", sha256="0" * 64),
        consent_signed_on=DAY_0,
        age_years=60,
        slot=Slot(arm="single", cohort=1, level=1, million_cells=100),
        infusions=infusions,
        adverse_events=events,
        latest_on=DAY_0,
    )
    return base.model_copy(update=changes)


@pytest.mark.parametrize(
    ("finding", "answer", "status", "is_open"),
    [
        (None, None, EventDlt.NONE, False),
        (NONE, None, EventDlt.NONE, False),
        (pending(3), None, EventDlt.PENDING, True),
        (CANDIDATE, None, EventDlt.CANDIDATE, True),
        (CANDIDATE, True, EventDlt.CONFIRMED, False),
        (CANDIDATE, False, EventDlt.REJECTED, False),
        # An adjudication stands until the event changes in what it was judged by (decisions.participant drops it then).
        (NONE, True, EventDlt.CONFIRMED, False),
        (pending(3), False, EventDlt.REJECTED, False),
    ],
)
def test_an_event_stands_by_its_finding_until_it_is_judged(
    finding: DltFinding | None, answer: bool | None, status: EventDlt, is_open: bool
) -> None:
    """The investigator's answer goes before the rule's finding; what is open may still turn out dose-limiting."""
    state = participant(
        1,
        dlt_findings={} if finding is None else {"AE-001": finding},
        adjudications={} if answer is None else judged("AE-001", dose_limiting=answer),
    )

    assert dlt_status_of(state, "AE-001") is status
    assert open_events(state) == (("AE-001",) if is_open else ())
    assert criterion_of(state, "AE-001") == (None if finding is None else finding.criterion)


def test_a_pending_event_is_looked_at_on_the_day_after_its_last() -> None:
    """The earliest of several counts; what was judged, or is no longer pending, is not looked at by itself."""
    findings = {"AE-001": pending(5), "AE-002": pending(3), "AE-003": CANDIDATE, "AE-004": pending(1)}
    state = participant(1, dlt_findings=findings, adjudications=judged("AE-004", dose_limiting=False))

    assert next_review_on(state) == DAY_0 + timedelta(days=4)
    assert due_events(state, DAY_0 + timedelta(days=3)) == ()
    assert due_events(state, DAY_0 + timedelta(days=4)) == ("AE-002",)
    assert due_events(state, DAY_0 + timedelta(days=6)) == ("AE-001", "AE-002")
    assert next_review_on(participant(1)) is None


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("ended", [{}, {"end": EndReason.WITHDRAWAL, "end_on": DAY_0 + timedelta(days=9)}])
@pytest.mark.parametrize("finding", [CANDIDATE, pending(20)])
def test_the_outcome_stays_open_while_an_event_does(finding: DltFinding, ended: dict[str, Any], complete: bool) -> None:
    """Neither the end of the window nor that of the participation decides over an event that nobody has judged."""
    state = participant(3, dlt_findings={"AE-001": finding}, **ended)

    assert judge_dlt(RULES, 3, state, complete) is None


def test_a_confirmed_event_is_a_dlt_though_another_is_open() -> None:
    """The reason names the event, its day, and that it was adjudicated."""
    findings = {"AE-001": CANDIDATE, "AE-002": CANDIDATE}
    state = participant(3, 5, dlt_findings=findings, adjudications=judged("AE-002", dose_limiting=True))

    assert judge_dlt(RULES, 3, state, False) == (
        DltStatus.DLT,
        "CRS, grade 4, on day 5 of 0-28, AE-002 adjudicated as dose-limiting",
    )


@pytest.mark.parametrize(("day", "status"), [(28, DltStatus.DLT), (29, DltStatus.NO_DLT)])
def test_only_a_confirmed_event_in_the_window_is_a_dlt(day: int, status: DltStatus) -> None:
    """Day 28 is inside; an event of day 29 that was judged dose-limiting does not count."""
    confirmed = judged("AE-001", dose_limiting=True)
    outcome = judge_dlt(RULES, 3, participant(day, dlt_findings={"AE-001": CANDIDATE}, adjudications=confirmed), True)

    assert outcome is not None
    assert outcome[0] is status


def test_the_reporters_word_is_no_dlt_where_the_protocol_defines_one() -> None:
    """With a definition it makes a candidate, which is judged; without one it is the DLT."""
    event = AdverseEvent(term="CRS", grade=4, onset_on=DAY_0, related=True, dlt=True)
    state = participant(adverse_events=(event,))

    assert judge_dlt(RULES, 3, state, False) is None
    rejected = state.model_copy(update={"adjudications": judged("AE-001", dose_limiting=False)})
    complete = judge_dlt(RULES, 3, rejected, True)
    assert complete is not None
    assert complete[0] is DltStatus.NO_DLT
    without = judge_dlt(RULES.model_copy(update={"definition": None}), 3, state, False)
    assert without == (DltStatus.DLT, "CRS, grade 4, on day 0 of 0-28")
