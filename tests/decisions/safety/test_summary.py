"""What the arm and the study are told of a participant's safety."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from decisions.safety.summary import concerns_arm, concerns_study, lowest_counted_grade, summary_of
from schemas.commands.answers import DltAdjudication, InfusionGiven
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.protocol import ArmKind, ProtocolReference
from schemas.safety.adverse_events import AdverseEvent, EventCategory, EventOutcome, Seriousness
from schemas.safety.reports import DltFinding, DltFindingStatus
from schemas.safety.summary import DoseInfused, EventDlt
from schemas.safety.toxicity import ComputedGrade, CrsObservation
from schemas.screening.panel import Antigen
from schemas.state.participant import Assignment, ParticipantState, Slot
from schemas.stopping.rules import RelatedDeathRule, StoppingScope
from tests.decisions.makers import PROTOCOL

DAY = date(2026, 3, 20)
SLOT = Slot(arm="single-target", cohort=2, level=3, million_cells=300)
ASSIGNED = Assignment(arm="single-target", arm_kind=ArmKind.SINGLE, target=(Antigen.AXL,))
SHOCK = CrsObservation(highest_temperature_celsius=39.1, hypotension=True, vasopressors=1)
DEATHS_ONLY = (
    RelatedDeathRule(kind="related_death", id="death", text="A death", scope=StoppingScope.STUDY, maximum=0),
)


def event(**changes: Any) -> AdverseEvent:  # noqa: ANN401 - any field
    """Make a mild, related event."""
    told = {"term": "Fatigue", "grade": 1, "onset_on": DAY, "related": True}
    return AdverseEvent.model_validate(told | changes)


def participant(*events: AdverseEvent, **changes: Any) -> ParticipantState:  # noqa: ANN401 - any field
    """Make a treated participant with events."""
    base = ParticipantState(
        study="study",
        subject="CN01-001",
        site="CN01",
        protocol=ProtocolReference(id="example", version="1.1", sha256="0" * 64),
        consent_signed_on=DAY,
        age_years=60,
        assignment=ASSIGNED,
        slot=SLOT,
        day_zero=DAY,
        infusions=(InfusionGiven(started_at=datetime(2026, 3, 20, 9, tzinfo=UTC), unit_id="U-001", million_cells=290),),
        adverse_events=events,
        latest_on=DAY,
    )
    return base.model_copy(update=changes)


def test_a_summary_tells_dose_outcome_and_follow_up() -> None:
    """Everything comes from the state; day 0 is told once there was an infusion."""
    state = participant(dlt=DltStatus.NO_DLT, dlt_reason="window complete")

    told = summary_of(PROTOCOL, state)

    assert told is not None
    assert (told.subject, told.target, told.cohort, told.level, told.million_cells) == (
        "CN01-001",
        (Antigen.AXL,),
        2,
        3,
        300,
    )
    assert told.infusions == (DoseInfused(infused_on=DAY, million_cells=290, unit_id="U-001"),)
    assert (told.day_zero, told.dlt, told.dlt_reason) == (DAY, DltStatus.NO_DLT, "window complete")
    assert (told.follow_up_until, told.ended, told.events) == (DAY, None, ())
    undosed = summary_of(PROTOCOL, state.model_copy(update={"infusions": ()}))
    assert undosed is not None
    assert undosed.day_zero is None


@pytest.mark.parametrize("missing", ["slot", "assignment"])
def test_there_is_nothing_to_tell_before_a_slot(missing: str) -> None:
    """No arm waits for it."""
    assert summary_of(PROTOCOL, participant(**{missing: None})) is None


@pytest.mark.parametrize(
    ("changes", "ended"),
    [
        ({"end": EndReason.DEATH}, Disposition.DIED),
        ({"disposition": Disposition.COMPLETED}, Disposition.COMPLETED),
        ({"end": EndReason.DEATH, "disposition": Disposition.DIED}, Disposition.DIED),
    ],
)
def test_an_end_is_told_as_soon_as_it_is_known(changes: dict[str, Any], ended: Disposition) -> None:
    """The final state may still wait for reports that are owed."""
    told = summary_of(PROTOCOL, participant(**changes))

    assert told is not None
    assert told.ended is ended


def test_events_are_told_that_somebody_counts() -> None:
    """Severe as reported or as computed, fatal, or a question of DLT; what is mild and none of these is left out."""
    finding = DltFinding(status=DltFindingStatus.CANDIDATE, criterion="by-hand", why="by the reporter")
    mild, judged, severe, computed, fatal = (
        event(),
        event(term="Rash", dlt=True),
        event(term="Colitis", grade=3),
        event(term="CRS", category=EventCategory.CRS, crs=SHOCK),
        event(term="Stroke", grade=2, outcome=EventOutcome.FATAL),
    )
    answer = DltAdjudication(event_id="AE-002", dose_limiting=True, adjudicated_on=DAY)
    state = participant(
        mild,
        judged,
        severe,
        computed,
        fatal,
        event_versions={"AE-003": 4},
        computed_grades={"AE-004": ComputedGrade(grade=3, why="one vasopressor")},
        dlt_findings={"AE-002": finding},
        adjudications={"AE-002": answer},
    )

    told = summary_of(PROTOCOL, state)

    assert told is not None
    assert [each.event_id for each in told.events] == ["AE-002", "AE-003", "AE-004", "AE-005"]
    rash, colitis, crs, stroke = told.events
    assert (rash.dlt, rash.dlt_criterion, rash.version) == (EventDlt.CONFIRMED, "by-hand", 1)
    assert (colitis.term, colitis.grade, colitis.version, colitis.dlt) == ("Colitis", 3, 4, EventDlt.NONE)
    assert (crs.grade, crs.computed_grade, crs.category) == (1, 3, EventCategory.CRS)
    assert (stroke.fatal, stroke.serious, stroke.related) == (True, True, True)
    assert (colitis.fatal, colitis.serious) == (None, False)


@pytest.mark.parametrize(
    ("told", "arm", "study"),
    [
        (event(grade=2), False, False),
        (event(grade=3), True, False),
        (event(grade=4), True, True),
        (event(grade=5, seriousness=(Seriousness.DEATH,)), True, True),
        (event(grade=2, outcome=EventOutcome.FATAL), True, True),
        (event(category=EventCategory.CRS, crs=SHOCK), True, False),
    ],
)
def test_who_hears_of_an_event_at_once(told: AdverseEvent, arm: bool, study: bool) -> None:
    """The arm of severe ones, the study of those that the protocol's stopping rules count, from grade 4 on."""
    assert concerns_arm(told) is arm
    assert concerns_study(PROTOCOL.stopping, told) is study
    assert concerns_study((), told) is False


def test_rules_about_deaths_count_no_grade() -> None:
    """The lowest grade that any rule counts is what the study hears of; a rule about deaths alone has none."""
    assert lowest_counted_grade(PROTOCOL.stopping) == 4
    assert lowest_counted_grade(DEATHS_ONLY) is None
    assert concerns_study(DEATHS_ONLY, event(grade=4)) is False
    assert concerns_study(DEATHS_ONLY, event(grade=5)) is True
