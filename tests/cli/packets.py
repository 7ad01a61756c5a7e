"""A rich packet for the tests that render one: three dose levels, two DLTs, an open candidate."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from decisions.dose.packet import build_packet
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.dose.packet import PacketContext, SafetyPacket
from schemas.protocol import Arm, ArmKind, DoseLevel, Escalation, ProtocolReference
from schemas.safety.adverse_events import EventCategory
from schemas.safety.summary import DoseInfused, EventDlt, Finding, FiredRule, ReportedEvent, SafetySummary
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, ArmStatus, DecisionRecord, SlotRecord, SlotState

DAY = date(2026, 3, 2)
RULES = Escalation(
    cohort_size=3, expanded_size=6, toxic_at_dlts=2, stagger_days=14, require_expanded_cohort_for_rp2d=True
)
DOSES = {1: 100.0, 2: 300.0, 3: 1000.0, 4: 3000.0}
ARM = Arm(
    id="single-target",
    kind=ArmKind.SINGLE,
    targets=((Antigen.MESOTHELIN,), (Antigen.CLDN18_2,), (Antigen.B7_H3,)),
    dose_levels=tuple(DoseLevel(level=level, million_cells=dose) for level, dose in DOSES.items()),
    start_level=1,
)
PROTOCOL = ProtocolReference(id="car-nk-platform", version="1.0", sha256="3fa9" * 16)
CONTEXT = PacketContext(protocol=PROTOCOL, phase="Phase 1", dlt_window_days=28, planned_infusions=3)

# Subject number: cohort, level, day 0 after the first participant's, outcome, days followed, how participation ended.
COURSES: Mapping[int, tuple[int, int, int, SlotState, int, Disposition | None]] = {
    1: (1, 1, 0, SlotState.NO_DLT, 214, None),
    2: (1, 1, 16, SlotState.NO_DLT, 121, Disposition.DIED),
    3: (1, 1, 18, SlotState.NO_DLT, 198, None),
    4: (2, 2, 51, SlotState.DLT, 90, Disposition.WITHDRAWN),
    5: (2, 2, 67, SlotState.NOT_EVALUABLE, 19, Disposition.LOST_TO_FOLLOW_UP),
    6: (2, 2, 70, SlotState.NO_DLT, 144, None),
    7: (2, 2, 88, SlotState.NO_DLT, 126, None),
    8: (3, 2, 120, SlotState.NO_DLT, 96, None),
    9: (3, 2, 135, SlotState.NO_DLT, 81, None),
    10: (3, 2, 136, SlotState.NO_DLT, 80, None),
    11: (4, 3, 168, SlotState.DLT, 47, None),
    12: (4, 3, 183, SlotState.NO_DLT, 32, None),
    13: (4, 3, 185, SlotState.NO_DLT, 30, None),
}


def make_event(number: int, term: str, grade: int, onset_on: date, **changes: object) -> ReportedEvent:
    """Make an event of five days that is related and not serious."""
    good: dict[str, object] = {
        "event_id": f"AE-{number:03d}",
        "version": 1,
        "term": term,
        "category": EventCategory.OTHER,
        "grade": grade,
        "onset_on": onset_on,
        "ended_on": onset_on + timedelta(days=4),
        "related": True,
        "serious": False,
    }
    return ReportedEvent.model_validate(good | changes)


def make_summary(number: int, *events: ReportedEvent) -> SafetySummary:
    """Make a participant's summary by its course."""
    cohort, level, offset, state, followed, ended = COURSES[number]
    zero = DAY + timedelta(days=offset)
    given = (0, 7) if state is SlotState.NOT_EVALUABLE else (0, 7, 14)
    return SafetySummary(
        subject=f"CN01-{number:03d}",
        target=(Antigen.MESOTHELIN, Antigen.CLDN18_2, Antigen.B7_H3)[number % 3 : number % 3 + 1],
        cohort=cohort,
        level=level,
        million_cells=DOSES[level],
        infusions=tuple(
            DoseInfused(infused_on=zero + timedelta(days=day), million_cells=DOSES[level], unit_id=f"U-{number}{day}")
            for day in given
        ),
        day_zero=zero,
        dlt=DltStatus(state.value),
        dlt_reason=REASONS[state],
        follow_up_until=zero + timedelta(days=followed),
        ended=ended,
        events=events,
    )


REASONS = {
    SlotState.NO_DLT: "window complete without a DLT; all planned cells infused",
    SlotState.DLT: "a DLT in the window",
    SlotState.NOT_EVALUABLE: "participation ended before the window closed on 2026-06-05, no DLT",
}


def on(number: int, day: int) -> date:
    """Return the date of a participant's study day."""
    return DAY + timedelta(days=COURSES[number][2] + day)


def rich_summaries() -> dict[str, SafetySummary]:
    """Make thirteen participants with their events."""
    events: dict[int, tuple[ReportedEvent, ...]] = {
        1: (
            make_event(1, "Neutrophil count decreased", 4, on(1, -2), category=EventCategory.HAEMATOLOGICAL),
            make_event(2, "Platelet count decreased", 3, on(1, 4), category=EventCategory.HAEMATOLOGICAL),
            make_event(3, "Fatigue", 2, on(1, 9)),
        ),
        2: (make_event(1, "Disease progression", 5, on(2, 121), related=False, serious=True, ended_on=None),),
        4: (
            make_event(1, "Lymphocyte count decreased", 4, on(4, 1), category=EventCategory.HAEMATOLOGICAL),
            make_event(
                2,
                "Cytokine release syndrome",
                3,
                on(4, 3),
                category=EventCategory.CRS,
                serious=True,
                dlt=EventDlt.CONFIRMED,
                dlt_criterion="CRS of grade 3 that did not improve to grade 2 within 72 hours",
                version=3,
                computed_grade=4,
            ),
            make_event(3, "Hypotension", 3, on(4, 4), category=EventCategory.ORGAN),
        ),
        6: (
            make_event(
                1, "ALT increased", 3, on(6, 12), category=EventCategory.LABORATORY, dlt=EventDlt.REJECTED, version=2
            ),
        ),
        11: (
            make_event(
                1,
                "Pneumonitis",
                3,
                on(11, 17),
                category=EventCategory.ORGAN,
                serious=True,
                dlt=EventDlt.CONFIRMED,
                dlt_criterion="non-haematological organ toxicity of grade 3 for more than 72 hours",
            ),
            make_event(2, "Febrile neutropenia", 3, on(11, 8), category=EventCategory.HAEMATOLOGICAL),
        ),
        13: (
            make_event(
                1,
                "Acute graft versus host disease of skin",
                3,
                on(13, 26),
                category=EventCategory.GVHD,
                dlt=EventDlt.CANDIDATE,
                dlt_criterion="acute GVHD of grade III or IV",
                ended_on=None,
                serious=True,
            ),
        ),
    }
    return {f"CN01-{number:03d}": make_summary(number, *events.get(number, ())) for number in COURSES}


def rich_state() -> ArmState:
    """Make the arm at level 3, its fourth cohort complete."""
    slots = tuple(
        SlotRecord(
            subject=f"CN01-{number:03d}",
            cohort=cohort,
            level=level,
            state=state,
            first_infused_on=DAY + timedelta(days=offset),
        )
        for number, (cohort, level, offset, state, _, _) in COURSES.items()
    )
    return ArmState(
        study="nk-01",
        arm="single-target",
        status=ArmStatus.DECISION_DUE,
        level=3,
        cohort=4,
        expanded_levels=(2,),
        slots=slots,
        decisions=(
            make_decision(1, 2, "no DLT in 3; the committee agrees with the rule", dlts=0, evaluable=3, treated=3),
            make_decision(2, 2, "1 DLT in 3, resolved within a week", dlts=1, evaluable=3, treated=4),
            make_decision(3, 3, "1 DLT in 6; no other severe event of this treatment", dlts=1, evaluable=6, treated=7),
        ),
    )


def make_decision(cohort: int, level: int, reason: str, *, dlts: int, evaluable: int, treated: int) -> DecisionRecord:
    """Make a decision as the rule said: to escalate to the level, or to expand it after its DLT."""
    from_level = 1 if cohort == 1 else 2
    action = DecisionAction.ESCALATE if level > from_level else DecisionAction.EXPAND
    return DecisionRecord(
        cohort=cohort,
        from_level=from_level,
        action=action,
        level=level,
        recommended=action,
        decided_by="src-chair",
        decided_at=datetime(2026, 3 + 2 * cohort, 4, 9, 30, tzinfo=UTC),
        reason=reason,
        evaluable=evaluable,
        dlts=dlts,
        treated=treated,
    )


def rich_packet(context: PacketContext = CONTEXT) -> SafetyPacket:
    """Make the packet of the fourth cohort."""
    return build_packet(RULES, ARM, rich_state(), rich_summaries(), context)


def troubled_packet() -> SafetyPacket:
    """Make a packet with everything that a committee must not overlook."""
    context = CONTEXT.model_copy(
        update={
            "fired": (
                FiredRule(rule="severe infections", why="3 of 13 participants, at most 2 allowed", fired_on=on(13, 30)),
            ),
            "reopened": (
                Finding(
                    cohort=2,
                    about="CN01-006, ALT increased",
                    known_then="no DLT",
                    known_now="DLT candidate, reported on 2026-09-20",
                ),
            ),
        }
    )
    state = rich_state().model_copy(update={"holds": ("study",)})
    summaries = {subject: summary for subject, summary in rich_summaries().items() if subject != "CN01-012"}
    return build_packet(RULES, ARM, state, summaries, context)
