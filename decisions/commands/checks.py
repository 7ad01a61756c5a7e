"""
Checks of what people send to a participant's workflow.

`malformed` is asked by the update's validator: what it finds never reaches the history. `refusal` is asked by the
handler: what it finds is recorded as a `Refused` fact, since an auditor must find it (docs/decisions/0003).
"""

from datetime import date, datetime, timedelta

from decisions.dlt.status import open_events
from decisions.response.tumour_answers import malformed_tumour_answer
from decisions.safety.adverse_events import event_of
from decisions.schedule.tasks import OUTLIVES_PARTICIPATION
from decisions.screening.laboratory import wrong_unit_or_implausible
from decisions.state.participant import answered_at, answered_on
from decisions.treatment.courses import wrong_course
from decisions.treatment.readiness import treatment_is_over
from schemas.base import Role, site_of
from schemas.commands.answers import (
    Answer,
    BaselineImaging,
    CytokineCourse,
    DltAdjudication,
    GradeQueryAnswered,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    PanelReported,
    RetreatmentDecided,
    SaeReported,
    SusarReported,
    TreatmentCheck,
)
from schemas.commands.commands import (
    AdverseEvent,
    AmendAdverseEvent,
    AnswerTask,
    EndParticipation,
    Envelope,
    ReportAdverseEvent,
)
from schemas.dlt.outcome import DltStatus
from schemas.problem import Problem, ProblemType
from schemas.protocol import Protocol
from schemas.schedule.task import Task, TaskEnd
from schemas.screening.eligibility import EligibilityForm
from schemas.state.participant import ParticipantState

EASTERNMOST = timedelta(hours=14)
"""Sites report their own calendar day, and UTC+14 is where a day begins first."""
OfAnEvent = DltAdjudication | GradeQueryAnswered | SaeReported | SusarReported
"""Answers that name the adverse event that they are about."""
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a sender's clock may run ahead of the server's before its times count as future."""


def malformed_answer(protocol: Protocol, state: ParticipantState, command: AnswerTask, now: datetime) -> Problem | None:
    """Find what makes an answer unusable: the kind, dates, units or ranges."""
    problem = future_time("envelope.time", command.envelope.time, now)
    if problem:
        return problem
    if command.task_id in state.closed:
        return None
    task = state.tasks.get(command.task_id)
    if task is None:
        return Problem(
            type=ProblemType.UNKNOWN_TASK,
            field="task_id",
            value=command.task_id,
            rule=f"{state.subject} has no such task",
            expected=_any_of(sorted(state.tasks)) or "no open task now",
        )
    return (
        _wrong_kind(task, command.answer)
        or _wrong_event(task, command.answer)
        or _wrong_dates(protocol, state, task, command.answer, now)
        or _wrong_laboratory(protocol, command.answer)
        or malformed_tumour_answer(protocol, state, command.answer, now.date())
    )


def refused_answer(protocol: Protocol, state: ParticipantState, command: AnswerTask) -> Problem | None:
    """Find the rule that an otherwise well-formed answer breaks."""
    end = state.closed.get(command.task_id)
    if end is not None:
        return _already_closed(command.task_id, end)
    task = state.tasks[command.task_id]
    return (
        wrong_role("envelope.role", command.envelope.role, task.role)
        or wrong_site(state.subject, command.envelope)
        or _wrong_lymphodepletion(protocol, command.answer)
        or _wrong_infusion(protocol, state, task, command.answer)
        or _wrong_cytokine(protocol, state, task, command.answer)
        or _wrong_retreatment(state, task, command.answer)
    )


def malformed_adverse_event(state: ParticipantState, command: ReportAdverseEvent, now: datetime) -> Problem | None:
    """An adverse event's dates lie between consent and now (trial record: reported from consent on)."""
    return _malformed_event(state, command.envelope, command.event, now)


def malformed_amendment(state: ParticipantState, command: AmendAdverseEvent, now: datetime) -> Problem | None:
    """An amendment needs what a report does, and a reason (21 CFR 11.10(e))."""
    return _malformed_event(state, command.envelope, command.event, now) or missing_reason(command.envelope)


def malformed_end(state: ParticipantState, command: EndParticipation, now: datetime) -> Problem | None:
    """Participation ends between consent and now, and always with a reason."""
    return (
        future_time("envelope.time", command.envelope.time, now)
        or _outside("occurred_on", command.occurred_on, state.consent_signed_on, "the consent", now)
        or missing_reason(command.envelope)
    )


def missing_reason(envelope: Envelope) -> Problem | None:
    """A reason is due for this command."""
    if envelope.reason and envelope.reason.strip():
        return None
    return Problem(
        type=ProblemType.REASON_REQUIRED,
        field="envelope.reason",
        value="(none)",
        rule="this command needs a reason",
        expected="a sentence an auditor will understand",
    )


def wrong_role(field: str, role: Role, due: Role) -> Problem | None:
    """Only the role that the protocol names may answer; an investigator may also answer for a coordinator."""
    stands_in = due is Role.COORDINATOR and role is Role.INVESTIGATOR
    if role is due or stands_in:
        return None
    return Problem(
        type=ProblemType.WRONG_ROLE,
        field=field,
        value=role.value,
        rule="the protocol gives this task to another role",
        expected=due.value,
    )


def wrong_site_role(state: ParticipantState, envelope: Envelope) -> Problem | None:
    """What happens to a participant is told by the coordinator or an investigator of the participant's own site."""
    if envelope.role not in (Role.COORDINATOR, Role.INVESTIGATOR):
        return wrong_role("envelope.role", envelope.role, Role.INVESTIGATOR)
    return wrong_site(state.subject, envelope)


def wrong_site(subject: str, envelope: Envelope) -> Problem | None:
    """Nobody of one site acts for a participant of another; who belongs to no site names none."""
    if envelope.site is None or envelope.site == site_of(subject):
        return None
    return Problem(
        type=ProblemType.WRONG_ROLE,
        field="envelope.site",
        value=envelope.site,
        rule=f"{subject} belongs to another site",
        expected=site_of(subject),
    )


def future_time(field: str, moment: datetime, now: datetime) -> Problem | None:
    """A moment may not lie in the future."""
    if moment <= now + CLOCK_TOLERANCE:
        return None
    return Problem(
        type=ProblemType.DATE_IN_FUTURE,
        field=field,
        value=moment.isoformat(),
        rule="lies in the future",
        expected=f"at most {now.isoformat()}",
    )


def future_day(field: str, day: date, now: datetime) -> Problem | None:
    """A day may not lie in the future."""
    return _outside(field, day, date.min, "", now)


def ended(state: ParticipantState) -> Problem | None:
    """Nothing more can be sent to a participant whose participation has ended."""
    if state.end is None and state.disposition is None:
        return None
    return Problem(
        type=ProblemType.PARTICIPATION_ENDED,
        field="subject",
        value=state.subject,
        rule=f"participation has ended ({state.disposition or state.end})",
        expected="a participant who is on study",
    )


def ended_for_answer(state: ParticipantState, command: AnswerTask) -> Problem | None:
    """After an early end only what is owed of an adverse event is still answered, until the final state."""
    task = state.tasks.get(command.task_id)
    owed = task is not None and task.kind in OUTLIVES_PARTICIPATION and state.disposition is None
    return None if owed else ended(state)


def _malformed_event(state: ParticipantState, envelope: Envelope, event: AdverseEvent, now: datetime) -> Problem | None:
    return (
        future_time("envelope.time", envelope.time, now)
        or _outside("event.onset_on", event.onset_on, state.consent_signed_on, "the consent", now)
        or (_outside("event.ended_on", event.ended_on, event.onset_on, "the onset", now) if event.ended_on else None)
        or _wrong_course_days(event, now)
        or _wrong_awareness(event, now)
    )


def _wrong_course_days(event: AdverseEvent, now: datetime) -> Problem | None:
    days = (step.on for step in event.course)
    return _first(_outside("event.course", day, event.onset_on, "the onset", now) for day in days)


def _wrong_awareness(event: AdverseEvent, now: datetime) -> Problem | None:
    if event.aware_at is None:
        return None
    # The moment may be told in UTC, and the onset is the site's own calendar day.
    local = (event.aware_at + EASTERNMOST).date()
    return future_time("event.aware_at", event.aware_at, now) or (
        Problem(
            type=ProblemType.DATE_BEFORE_STEP,
            field="event.aware_at",
            value=event.aware_at.isoformat(),
            rule="lies before the onset",
            expected=f"{event.onset_on.isoformat()} or later",
        )
        if local < event.onset_on
        else None
    )


def _outside(field: str, day: date, earliest: date, what: str, now: datetime) -> Problem | None:
    if day > (now + EASTERNMOST).date():
        return Problem(
            type=ProblemType.DATE_IN_FUTURE,
            field=field,
            value=day.isoformat(),
            rule="lies in the future",
            expected=f"at most {now.date().isoformat()}",
        )
    if day < earliest:
        return Problem(
            type=ProblemType.DATE_BEFORE_STEP,
            field=field,
            value=day.isoformat(),
            rule=f"lies before {what}",
            expected=f"{earliest.isoformat()} or later",
        )
    return None


def _wrong_kind(task: Task, answer: Answer) -> Problem | None:
    if answer.kind == task.kind.value:
        return None
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field="answer.kind",
        value=answer.kind,
        rule=f"{task.id} asks for something else",
        expected=task.kind.value,
    )


def _wrong_event(task: Task, answer: Answer) -> Problem | None:
    wanted = task.detail.get("event_id")
    if not isinstance(answer, OfAnEvent) or answer.event_id == wanted:
        return None
    return Problem(
        type=ProblemType.INVALID_INPUT,
        field="answer.event_id",
        value=answer.event_id,
        rule=f"{task.id} is about another adverse event",
        expected=str(wanted),
    )


def _wrong_dates(
    protocol: Protocol, state: ParticipantState, task: Task, answer: Answer, now: datetime
) -> Problem | None:
    moment = answered_at(answer)
    if moment is not None and (problem := future_time(f"answer.{_moment_field(answer)}", moment, now)):
        return problem
    if isinstance(answer, CytokineCourse):
        # With rules, what lies before the infusion is refused on record (decisions.cytokine).
        since = _previous_step(state) if protocol.cytokine.rules is None else date.min
        return _first(
            _outside("answer.administered_on", day, since, "the infusion", now) for day in answer.administered_on
        )
    earliest, what = _earliest(protocol, state, task, answer)
    return _outside(_day_field(answer), answered_on(answer), earliest, what, now) or _wrong_sample_dates(answer)


def _earliest(protocol: Protocol, state: ParticipantState, task: Task, answer: Answer) -> tuple[date, str]:
    if isinstance(answer, OfAnEvent):
        return event_of(state, answer.event_id).onset_on, "the event's onset"
    # A visit's window opens with its task; a screening result may stem from any day since consent.
    if isinstance(answer, EligibilityForm | PanelReported | BaselineImaging) or task.expires_at is None:
        return state.consent_signed_on, "the consent"
    if isinstance(answer, ImagingDone) and any(visit.late_days for visit in protocol.visits if visit.id == task.step):
        return _after_visit_before(state), "the visit before it, or the infusion"
    return max(_previous_step(state), task.opened_at.date()), "the step's window or the step before it"


def _previous_step(state: ParticipantState) -> date:
    infused = [infusion.started_at.date() for infusion in state.infusions]
    return max([state.consent_signed_on, *state.lymphodepletion_on, *infused])


def _after_visit_before(state: ParticipantState) -> date:
    """Return the first day for an assessment that may also be told out of its window, as a deviation."""
    scans = [day + timedelta(days=1) for day in state.imaging_on.values()]
    return max([_previous_step(state), state.last_safety_visit_on or date.min, *scans])


def _wrong_sample_dates(answer: Answer) -> Problem | None:
    if not isinstance(answer, PanelReported):
        return None
    late = (s for s in answer.samples if s.collected_on > answer.reported_on)
    return _first(
        Problem(
            type=ProblemType.DATE_BEFORE_STEP,
            field="answer.reported_on",
            value=answer.reported_on.isoformat(),
            rule=f"lies before the {sample.sample} sample was collected",
            expected=f"{sample.collected_on.isoformat()} or later",
        )
        for sample in late
    )


def _wrong_laboratory(protocol: Protocol, answer: Answer) -> Problem | None:
    if isinstance(answer, EligibilityForm | TreatmentCheck):
        return wrong_unit_or_implausible(protocol.eligibility.laboratory, answer.laboratory, "answer.laboratory")
    return None


def _wrong_lymphodepletion(protocol: Protocol, answer: Answer) -> Problem | None:
    if not isinstance(answer, LymphodepletionGiven):
        return None
    rule = protocol.lymphodepletion
    return _wrong_dose(
        "answer.fludarabine_mg_per_m2",
        answer.fludarabine_mg_per_m2,
        rule.fludarabine_mg_per_m2,
        rule.dose_tolerance_fraction,
        "mg/m2",
    ) or _wrong_dose(
        "answer.cyclophosphamide_mg_per_m2",
        answer.cyclophosphamide_mg_per_m2,
        rule.cyclophosphamide_mg_per_m2,
        rule.dose_tolerance_fraction,
        "mg/m2",
    )


def _wrong_infusion(protocol: Protocol, state: ParticipantState, task: Task, answer: Answer) -> Problem | None:
    if not isinstance(answer, InfusionGiven):
        return None
    if state.on_hold():
        return Problem(
            type=ProblemType.ON_HOLD,
            field="task_id",
            value=task.id,
            rule=f"no infusion starts while held: {', '.join(state.holds)}",
            expected="the hold to be lifted first",
        )
    undecided = open_events(state)
    if undecided:
        return Problem(
            type=ProblemType.OPEN_CANDIDATE,
            field="task_id",
            value=task.id,
            rule=f"no infusion starts while {', '.join(undecided)} may be dose-limiting",
            expected="the adjudication first",
        )
    if treatment_is_over(state, task.step):
        return _treatment_has_stopped(task)
    planned = task.detail["unit"]
    if answer.unit_id != planned:
        return Problem(
            type=ProblemType.WRONG_PRODUCT,
            field="answer.unit_id",
            value=answer.unit_id,
            rule=f"another unit is reserved for {task.step}",
            expected=planned,
        )
    dose = state.slot.million_cells if state.slot else 0.0
    return _wrong_dose(
        "answer.million_cells", answer.million_cells, dose, protocol.infusions.dose_tolerance_fraction, "million cells"
    )


def _treatment_has_stopped(task: Task) -> Problem:
    return Problem(
        type=ProblemType.DOSE_OUT_OF_RULE,
        field="task_id",
        value=task.id,
        rule="treatment has stopped: no further infusion is given",
        expected="no infusion",
    )


def _wrong_retreatment(state: ParticipantState, task: Task, answer: Answer) -> Problem | None:
    if not isinstance(answer, RetreatmentDecided) or not answer.accepted:
        return None
    if state.on_hold():
        return Problem(
            type=ProblemType.ON_HOLD,
            field="answer.accepted",
            value="true",
            rule=f"no further cycle begins while held: {', '.join(state.holds)}",
            expected="the hold to be lifted first",
        )
    stopped = state.treatment_stopped or state.dlt is DltStatus.DLT
    return _treatment_has_stopped(task) if stopped else None


def _wrong_cytokine(protocol: Protocol, state: ParticipantState, task: Task, answer: Answer) -> Problem | None:
    if not isinstance(answer, CytokineCourse):
        return None
    if protocol.cytokine.rules is not None:
        return wrong_course(protocol.cytokine, protocol.cytokine.rules, state, task.step, answer)
    rule = protocol.cytokine
    if len(answer.administered_on) > rule.maximum_administrations:
        return Problem(
            type=ProblemType.DOSE_OUT_OF_RULE,
            field="answer.administered_on",
            value=str(len(answer.administered_on)),
            rule="more administrations than the protocol allows",
            expected=f"at most {rule.maximum_administrations}",
        )
    if answer.administered_on and answer.million_units_per_m2 > rule.million_units_per_m2:
        return Problem(
            type=ProblemType.DOSE_OUT_OF_RULE,
            field="answer.million_units_per_m2",
            value=f"{answer.million_units_per_m2:g}",
            rule="above the protocol's dose",
            expected=f"at most {rule.million_units_per_m2:g} million units/m2",
        )
    return None


def _wrong_dose(field: str, given: float, planned: float, tolerance: float, unit: str) -> Problem | None:
    low, high = planned * (1 - tolerance), planned * (1 + tolerance)
    if low <= given <= high:
        return None
    return Problem(
        type=ProblemType.DOSE_OUT_OF_RULE,
        field=field,
        value=f"{given:g} {unit}",
        rule=f"the dose is {planned:g} {unit} within {tolerance:.0%}",
        expected=f"{low:g} to {high:g} {unit}",
    )


def _already_closed(task_id: str, end: TaskEnd) -> Problem:
    late = end is TaskEnd.EXPIRED
    return Problem(
        type=ProblemType.ANSWER_AFTER_WINDOW if late else ProblemType.TASK_ALREADY_CLOSED,
        field="task_id",
        value=task_id,
        rule="its window has closed" if late else f"the task is already {end}",
        expected="an open task",
    )


def _day_field(answer: Answer) -> str:
    if isinstance(answer, BaselineImaging):
        return "answer.baseline.assessed_on"
    names = (
        *("collected_on", "reported_on", "assessed_on", "checked_on", "visited_on", "scanned_on"),
        *("adjudicated_on", "answered_on", "decided_on"),
    )
    return "answer." + next((name for name in names if hasattr(answer, name)), _moment_field(answer))


def _moment_field(answer: Answer) -> str:
    return next((name for name in ("given_at", "reported_at") if hasattr(answer, name)), "started_at")


def _any_of(values: list[str]) -> str:
    return " or ".join(values)


def _first(problems: object) -> Problem | None:
    return next((p for p in problems if p is not None), None)  # type: ignore[attr-defined]
