"""A participant's safety summary for the arm and the study, and which events are reported to them at once."""

from decisions.dlt.status import criterion_of, dlt_status_of
from decisions.safety.adverse_events import computed_grade, event_ids, event_of, version_of, worst_grade
from decisions.safety.reporting_clocks import is_fatal, seriousness_of
from decisions.state.participant import DISPOSITIONS
from schemas.dlt.outcome import Disposition
from schemas.protocol import Protocol
from schemas.safety.adverse_events import FATAL, AdverseEvent
from schemas.safety.summary import SEVERE, DoseInfused, EventDlt, ReportedEvent, SafetySummary
from schemas.state.participant import ParticipantState
from schemas.stopping.rules import RelatedDeathRule, StoppingRules


def summary_of(protocol: Protocol, state: ParticipantState) -> SafetySummary | None:
    """
    Return a participant's safety summary for the arm; none before a slot was given.

    Of the events it has those that the committee or a stopping rule may count: severe ones, those that are or may be
    dose-limiting or were judged so, and those from the lowest grade that a stopping rule names. Deaths are among them.
    """
    slot, assignment = state.slot, state.assignment
    if slot is None or assignment is None:
        return None
    events = (_reported(state, event_id) for event_id in event_ids(state))
    return SafetySummary(
        subject=state.subject,
        target=assignment.target,
        cohort=slot.cohort,
        level=slot.level,
        million_cells=slot.million_cells,
        infusions=tuple(
            DoseInfused(
                infused_on=infusion.started_at.date(), million_cells=infusion.million_cells, unit_id=infusion.unit_id
            )
            for infusion in state.infusions
        ),
        day_zero=state.day_zero if state.infusions else None,
        dlt=state.dlt,
        dlt_reason=state.dlt_reason,
        follow_up_until=state.latest_on,
        ended=_ended(state),
        events=tuple(event for event in events if _counts(protocol.stopping, event)),
    )


def concerns_arm(event: AdverseEvent) -> bool:
    """Return whether an event is reported to the arm at once: from severe on, by either grade."""
    return is_fatal(event) or worst_grade(event, computed_grade(event)) >= SEVERE


def concerns_study(rules: StoppingRules, event: AdverseEvent) -> bool:
    """Return whether an event is reported to the study, too: a death, or a grade that some stopping rule counts."""
    if not rules:
        return False
    least = lowest_counted_grade(rules)
    return is_fatal(event) or (least is not None and worst_grade(event, computed_grade(event)) >= least)


def lowest_counted_grade(rules: StoppingRules) -> int | None:
    """Return the lowest CTCAE grade that a stopping rule counts; none where the rules count only deaths."""
    return min((rule.minimum_grade for rule in rules if not isinstance(rule, RelatedDeathRule)), default=None)


def _counts(rules: StoppingRules, event: ReportedEvent) -> bool:
    least = lowest_counted_grade(rules)
    worst = max(event.grade, event.computed_grade or 0)
    return event.severe or bool(event.fatal) or event.dlt is not EventDlt.NONE or (least is not None and worst >= least)


def _reported(state: ParticipantState, event_id: str) -> ReportedEvent:
    event = event_of(state, event_id)
    computed = state.computed_grades.get(event_id)
    return ReportedEvent(
        event_id=event_id,
        version=version_of(state, event_id),
        term=event.term,
        category=event.category,
        grade=event.grade,
        onset_on=event.onset_on,
        ended_on=event.ended_on,
        related=event.related,
        serious=bool(seriousness_of(event)),
        dlt=dlt_status_of(state, event_id),
        dlt_criterion=criterion_of(state, event_id),
        computed_grade=None if computed is None else computed.grade,
        fatal=True if is_fatal(event) and event.grade != FATAL else None,
    )


def _ended(state: ParticipantState) -> Disposition | None:
    if state.disposition is not None or state.end is None:
        return state.disposition
    return DISPOSITIONS[state.end]
