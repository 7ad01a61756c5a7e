"""
Checks that commands share: who sends them, when, and why; adverse events and the end of participation.

A `malformed_...` function is called by the validator of an update: what it refuses is not written to the history. The
other checks are called by the handler, which records what they refuse (docs/decisions/0003-two-kinds-of-refusal.md).
"""

from datetime import date, datetime, timedelta

from decisions.commands import refusals
from decisions.schedule.tasks import OUTLIVES_PARTICIPATION
from schemas.base import Role, site_of
from schemas.commands.commands import (
    AdverseEvent,
    AmendAdverseEvent,
    AnswerTask,
    EndParticipation,
    Envelope,
    ReportAdverseEvent,
)
from schemas.problem import Problem
from schemas.state.participant import ParticipantState

EASTERNMOST = timedelta(hours=14)
"""Sites report their own calendar day, and UTC+14 is where a day begins first."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock may run ahead of the server's before its times count as future."""

# Who, and why


def missing_reason(envelope: Envelope) -> Problem | None:
    """Return the refusal of a command without a reason, or none."""
    return None if envelope.reason and envelope.reason.strip() else refusals.reason_required()


def wrong_role(field: str, role: Role, due: Role) -> Problem | None:
    """Return the refusal of a role other than `due`, or none; an investigator may also answer for a coordinator."""
    substitutes = due is Role.COORDINATOR and role is Role.INVESTIGATOR
    return None if role is due or substitutes else refusals.wrong_role(field, role, due)


def wrong_site_role(state: ParticipantState, envelope: Envelope) -> Problem | None:
    """Return the refusal of a report from anybody but a coordinator or investigator of the participant's own site."""
    if envelope.role not in (Role.COORDINATOR, Role.INVESTIGATOR):
        return wrong_role("envelope.role", envelope.role, Role.INVESTIGATOR)
    return wrong_site(state.subject, envelope)


def wrong_site(subject: str, envelope: Envelope) -> Problem | None:
    """Return the refusal of a person of another site, or none; who belongs to no site names none."""
    if envelope.site is None or envelope.site == site_of(subject):
        return None
    return refusals.wrong_site(envelope.site, subject)


# When


def future_time(field: str, instant: datetime, now: datetime) -> Problem | None:
    """Return the refusal of a time more than `CLOCK_TOLERANCE` after now, or none."""
    return None if instant <= now + CLOCK_TOLERANCE else refusals.time_in_future(field, instant, now)


def future_day(field: str, day: date, now: datetime) -> Problem | None:
    """Return the refusal of a day that has begun nowhere yet, or none."""
    return None if day <= (now + EASTERNMOST).date() else refusals.day_in_future(field, day, now.date())


def day_outside(field: str, day: date, earliest: date, step: str, now: datetime) -> Problem | None:
    """Return the refusal of a day in the future or before `earliest`, the day of a step such as 'the consent'."""
    future = future_day(field, day, now)
    if future is None and day < earliest:
        return refusals.before_step(field, day, earliest, step)
    return future


# Adverse events


def malformed_adverse_event(state: ParticipantState, command: ReportAdverseEvent, now: datetime) -> Problem | None:
    """Return the refusal of an event with a date before consent (events are reported from then on) or after now."""
    return _malformed_event(state, command.envelope, command.event, now)


def malformed_amendment(state: ParticipantState, command: AmendAdverseEvent, now: datetime) -> Problem | None:
    """Return the refusal of an amendment with wrong dates, as of a report, or without a reason (21 CFR 11.10(e))."""
    return _malformed_event(state, command.envelope, command.event, now) or missing_reason(command.envelope)


def _malformed_event(state: ParticipantState, envelope: Envelope, event: AdverseEvent, now: datetime) -> Problem | None:
    return (
        future_time("envelope.time", envelope.time, now)
        or day_outside("event.onset_on", event.onset_on, state.consent_signed_on, "the consent", now)
        or (day_outside("event.ended_on", event.ended_on, event.onset_on, "the onset", now) if event.ended_on else None)
        or _wrong_course_days(event, now)
        or _wrong_awareness(event, now)
    )


def _wrong_course_days(event: AdverseEvent, now: datetime) -> Problem | None:
    found = (day_outside("event.course", step.on, event.onset_on, "the onset", now) for step in event.course)
    return next((problem for problem in found if problem is not None), None)


def _wrong_awareness(event: AdverseEvent, now: datetime) -> Problem | None:
    if event.aware_at is None:
        return None
    future = future_time("event.aware_at", event.aware_at, now)
    # The time may be given in UTC, and the onset is the site's own calendar day.
    if future is None and (event.aware_at + EASTERNMOST).date() < event.onset_on:
        return refusals.before_step("event.aware_at", event.aware_at, event.onset_on, "the onset")
    return future


# The end of participation


def malformed_end(state: ParticipantState, command: EndParticipation, now: datetime) -> Problem | None:
    """Return the refusal of an end before consent, after now, or without a reason."""
    return (
        future_time("envelope.time", command.envelope.time, now)
        or day_outside("occurred_on", command.occurred_on, state.consent_signed_on, "the consent", now)
        or missing_reason(command.envelope)
    )


def ended(state: ParticipantState) -> Problem | None:
    """Return the refusal of any command after the end of participation, or none."""
    if state.end is None and state.disposition is None:
        return None
    return refusals.participation_ended(state.subject, str(state.disposition or state.end))


def ended_for_answer(state: ParticipantState, command: AnswerTask) -> Problem | None:
    """Return the refusal of an answer after the end; reports of adverse events may come until the final state."""
    task = state.tasks.get(command.task_id)
    still_due = task is not None and task.kind in OUTLIVES_PARTICIPATION and state.disposition is None
    return None if still_due else ended(state)
