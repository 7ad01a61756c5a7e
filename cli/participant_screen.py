"""A participant on the screen."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cli.output import when
from cli.tables import table

if TYPE_CHECKING:
    from schemas.state.participant import ParticipantState

# Rules are slow to load.
# ruff: noqa: PLC0415


def show_participant(state: "ParticipantState") -> None:
    """Show what is known of a participant; what is not is left out."""
    rows = [*_course(state), *_treatment(state), *_safety(state), *_response(state), *_open(state)]
    table("", (state.subject, state.study), [row for row in rows if row[1]])


def _course(state: "ParticipantState") -> Iterable[tuple[str, object]]:
    judged, assignment, slot = state.eligibility, state.assignment, state.slot
    yield "Stage", state.stage
    yield "Disposition", f"{state.disposition}: {state.disposition_reason}" if state.disposition else None
    yield "Consent", state.consent_signed_on
    yield "Protocol", f"{state.protocol.id} {state.protocol.version}"
    yield "Antigens", state.profile.reason if state.profile else None
    yield "Eligibility", "; ".join((judged.outcome, *judged.reasons())) if judged else None
    yield "Arm", f"{assignment.arm} ({'+'.join(assignment.target)})" if assignment else None
    yield "Slot", f"cohort {slot.cohort}, level {slot.level}: {slot.million_cells:g} million cells" if slot else None


def _treatment(state: "ParticipantState") -> Iterable[tuple[str, object]]:
    cytokine = state.cytokine
    yield "Reserved units", ", ".join(state.units)
    yield "Day 0", state.day_zero
    yield "Infusions", ", ".join(f"{i.started_at:%Y-%m-%d}: {i.unit_id}" for i in state.infusions)
    yield "Further cycles", f"{state.cycles}, the latest from {state.cycle_day_zero}" if state.cycles else None
    yield "Cytokines", f"{cytokine.state}, {cytokine.judged_on}: {cytokine.why}" if cytokine else None


def _safety(state: "ParticipantState") -> Iterable[tuple[str, object]]:
    yield "Adverse events", "\n".join(_events(state))
    yield "May be a DLT", "\n".join(_open_candidates(state))
    yield "Reports due", "\n".join(_reports_due(state))
    yield "DLT", f"{state.dlt}: {state.dlt_reason}" if state.dlt and state.dlt_reason else state.dlt


def _events(state: "ParticipantState") -> Iterable[str]:
    from decisions.safety.adverse_events import event_ids, event_of

    for event_id in event_ids(state):
        event, computed = event_of(state, event_id), state.computed_grades.get(event_id)
        rules = f" (rules: {computed.grade})" if computed is not None and computed.grade != event.grade else ""
        yield f"{event_id} {event.onset_on}: {event.term}, grade {event.grade}{rules}"


def _open_candidates(state: "ParticipantState") -> Iterable[str]:
    from decisions.dlt.status import dlt_status_of, open_events

    return (
        f"{event_id} {dlt_status_of(state, event_id)}: {state.dlt_findings[event_id].why}"
        for event_id in open_events(state)
    )


def _reports_due(state: "ParticipantState") -> Iterable[str]:
    return (f"{key}, due {when(row.due.due_at)}" for key, row in state.reports.items() if row.reported_at is None)


def _response(state: "ParticipantState") -> Iterable[tuple[str, object]]:
    best = state.best_response
    yield "Responses", ", ".join(f"{visit}: {response}" for visit, response in state.responses)
    yield "Best response", f"{best.response}, {'confirmed' if best.confirmed else 'not confirmed'}" if best else None
    yield "Retreatment", f"{state.retreatment.state}: {state.retreatment.why}" if state.retreatment else None
    yield "Deviations", "\n".join(each.why for each in state.deviations)


def _open(state: "ParticipantState") -> Iterable[tuple[str, object]]:
    yield "Holds", ", ".join(state.holds)
    yield "Open tasks", "\n".join(f"{task.id}, due {when(task.due_at)}" for task in state.tasks.values())
    yield "Refused commands", state.refusals
