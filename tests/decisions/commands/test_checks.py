"""What people send to a participant's workflow: unusable, refused, or in order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.commands.checks import (
    ended,
    ended_for_answer,
    future_day,
    future_time,
    malformed_adverse_event,
    malformed_amendment,
    malformed_end,
    missing_reason,
    wrong_role,
    wrong_site,
    wrong_site_role,
)
from decisions.commands.malformed_answers import malformed_answer
from decisions.commands.refused_answers import refused_answer
from schemas.base import Role
from schemas.commands.answers import (
    Answer,
    BaselineImaging,
    BiopsyDone,
    CytokineCourse,
    DltAdjudication,
    GradeQueryAnswered,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    RetreatmentDecided,
    SaeReported,
    SafetyVisit,
    StudyEnded,
)
from schemas.commands.commands import (
    AdverseEvent,
    AmendAdverseEvent,
    AnswerTask,
    EndParticipation,
    EndReason,
    Envelope,
    ReportAdverseEvent,
)
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import Problem, ProblemType
from schemas.protocol import Protocol, ProtocolReference
from schemas.response.tumour import BaselineAssessment
from schemas.safety.adverse_events import GradeOn
from schemas.safety.reports import DltFinding, DltFindingStatus
from schemas.schedule.task import Task, TaskEnd, TaskKind
from schemas.screening.eligibility import Laboratory
from schemas.screening.panel import Antigen, SampleType
from schemas.state.participant import ParticipantState, Slot
from tests.decisions.makers import (
    GOOD_LABORATORY,
    PROTOCOL,
    make_cells,
    make_check,
    make_form,
    make_report,
    make_sample,
)
from tests.decisions.recist_makers import target

NOW = datetime(2026, 4, 15, 10, tzinfo=UTC)
"""At 10:00 UTC the 16th begins at UTC+14."""
TODAY = date(2026, 4, 15)
CONSENT = date(2026, 3, 1)
OPENED = datetime(2026, 4, 10, 8, tzinfo=UTC)
CLOSES = datetime(2026, 4, 20, tzinfo=UTC)
SUBJECT = "CN01-001"
TASK_ID = f"{SUBJECT}:01-step"
EVENT = AdverseEvent(term="Fatigue", grade=1, onset_on=date(2026, 4, 12), related=False)
PANEL_RESULT = make_cells(Antigen.HER2, 0, 0, 0, 100)


def make_task(kind: TaskKind, **changes: object) -> Task:
    """Make an open task with a window from 10 to 20 April, answered by an investigator."""
    task = Task(
        id=TASK_ID,
        kind=kind,
        step="infusion-1",
        title="A step of the schedule",
        role=Role.INVESTIGATOR,
        opened_at=OPENED,
        due_at=CLOSES,
        escalate_at=CLOSES,
        expires_at=CLOSES,
        detail={"unit": "U-001", "event_id": "AE-001"},
    )
    return task.model_copy(update=changes)


def participant(*tasks: Task, **changes: object) -> ParticipantState:
    """Make a participant at dose level 1 (100 million cells) with open tasks, and with changes."""
    base = ParticipantState(
        study="study",
        subject=SUBJECT,
        site="CN01",
        protocol=ProtocolReference(id="example", version="1.0", sha256="0" * 64),
        consent_signed_on=CONSENT,
        age_years=60,
        tasks={task.id: task for task in tasks},
        slot=Slot(arm="single-target", cohort=1, level=1, million_cells=100),
        adverse_events=(EVENT,),
        latest_on=CONSENT,
    )
    return base.model_copy(update=changes)


def envelope(**changes: object) -> Envelope:
    """Make the envelope of an investigator of the participant's site, sent now without a reason."""
    sent: dict[str, object] = {"person": "inv-01", "role": Role.INVESTIGATOR, "site": "CN01", "time": NOW}
    return Envelope.model_validate(sent | changes)


def answered(answer: Answer, task_id: str = TASK_ID, sent: Envelope | None = None) -> AnswerTask:
    """Make the command that answers a task."""
    return AnswerTask(envelope=sent or envelope(), task_id=task_id, answer=answer)


WITHOUT_RULES = PROTOCOL.model_copy(update={"cytokine": PROTOCOL.cytokine.model_copy(update={"rules": None})})
"""The protocol with cytokines, and no rules of what holds or stops them."""


def malformed(
    answer: Answer, state: ParticipantState | None = None, now: datetime = NOW, protocol: Protocol = PROTOCOL
) -> Problem | None:
    """Check an answer to a task of its own kind, or to the tasks of `state`."""
    state = state or participant(make_task(TaskKind(answer.kind)))
    return malformed_answer(protocol, state, answered(answer), now)


def refused(answer: Answer, state: ParticipantState | None = None, **sent: object) -> Problem | None:
    """Check a well-formed answer to a task of its own kind, or to the tasks of `state`."""
    state = state or participant(make_task(TaskKind(answer.kind)))
    return refused_answer(PROTOCOL, state, answered(answer, sent=envelope(**sent)))


def in_future(field: str, value: str, latest: str) -> Problem:
    """Make the problem of a time or day that lies in the future."""
    return Problem(
        type=ProblemType.DATE_IN_FUTURE,
        field=field,
        value=value,
        rule="lies in the future",
        expected=f"at most {latest}",
    )


def too_early(field: str, value: str, what: str, earliest: str) -> Problem:
    """Make the problem of a day before what had to come first."""
    return Problem(
        type=ProblemType.DATE_BEFORE_STEP,
        field=field,
        value=value,
        rule=f"lies before {what}",
        expected=f"{earliest} or later",
    )


def infusion(started_at: datetime = NOW, unit_id: str = "U-001", million_cells: float = 100) -> InfusionGiven:
    """Make an infusion."""
    return InfusionGiven(started_at=started_at, unit_id=unit_id, million_cells=million_cells)


def lymphodepletion(given_at: datetime = NOW, flu: float = 30, cy: float = 500) -> LymphodepletionGiven:
    """Make a day of lymphodepletion."""
    return LymphodepletionGiven(given_at=given_at, fludarabine_mg_per_m2=flu, cyclophosphamide_mg_per_m2=cy)


def course(*days: date, million_units_per_m2: float = 1) -> CytokineCourse:
    """Make a cytokine course; one without days says why."""
    return CytokineCourse(
        administered_on=days,
        million_units_per_m2=million_units_per_m2,
        not_given_reason=None if days else "CRS grade 1",
    )


# Every kind of answer, dated `day`, with the field that holds its day.


def dated_answers(day: date) -> dict[str, Answer]:
    """Make an answer of each kind that happened on `day`."""
    moment = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
    return {
        "answer.collected_on": BiopsyDone(collected_on=day, sample=SampleType.TISSUE),
        "answer.reported_on": make_report(make_sample(PANEL_RESULT, collected_on=date.min)).model_copy(
            update={"reported_on": day}
        ),
        "answer.assessed_on": make_form(assessed_on=day),
        "answer.checked_on": make_check(checked_on=day),
        "answer.given_at": lymphodepletion(moment),
        "answer.started_at": infusion(moment),
        "answer.administered_on": course(day),
        "answer.visited_on": SafetyVisit(visited_on=day),
        "answer.scanned_on": ImagingDone(scanned_on=day, response="SD"),
        "answer.baseline.assessed_on": BaselineImaging(
            baseline=BaselineAssessment(assessed_on=day, targets=(target("T01", "30"),))
        ),
        "answer.adjudicated_on": DltAdjudication(event_id="AE-001", dose_limiting=True, adjudicated_on=day),
        "answer.answered_on": GradeQueryAnswered(event_id="AE-001", grade=2, answered_on=day, explanation="read again"),
        "answer.decided_on": RetreatmentDecided(decided_on=day, accepted=True),
        "answer.reported_at": SaeReported(event_id="AE-001", reported_at=moment, reference="SAE-7"),
    }


FIELDS = list(dated_answers(TODAY))
SINCE_CONSENT = ("answer.reported_on", "answer.assessed_on", "answer.baseline.assessed_on")
DAYS = [field for field in FIELDS if not field.endswith("_at")]
MOMENTS = [field for field in FIELDS if field.endswith("_at")]


@pytest.mark.parametrize("field", FIELDS)
def test_an_answer_of_today_is_in_order(field: str) -> None:
    """An answer of each kind, dated within its window, has no problem."""
    assert malformed(dated_answers(TODAY)[field]) is None


@pytest.mark.parametrize("field", DAYS)
def test_a_site_may_report_its_own_calendar_day(field: str) -> None:
    """Tomorrow is accepted from the moment at which it begins at UTC+14, and not a second before."""
    tomorrow = dated_answers(TODAY + timedelta(days=1))[field]

    assert malformed(tomorrow, now=NOW) is None
    assert malformed(tomorrow, now=NOW - timedelta(seconds=1)) == in_future(field, "2026-04-16", "2026-04-15")


@pytest.mark.parametrize("field", MOMENTS)
def test_a_moment_may_run_ahead_by_the_clock_s_tolerance(field: str) -> None:
    """Lymphodepletion and infusions tell a moment: five minutes ahead of the server's clock are still now."""
    started = dated_answers(TODAY + timedelta(days=1))[field]
    midnight = datetime(2026, 4, 16, tzinfo=UTC)
    ahead = midnight - timedelta(minutes=5)
    too_far = ahead - timedelta(seconds=1)

    assert malformed(started, now=ahead) is None
    expected = in_future(field, "2026-04-16T00:00:00+00:00", "2026-04-15T23:54:59+00:00")
    assert malformed(started, participant(make_task(TaskKind(started.kind))), too_far) == expected


def test_a_cytokine_course_may_say_that_nothing_was_given() -> None:
    """Zero administrations have no day to check."""
    assert malformed(course()) is None


@pytest.mark.parametrize("field", SINCE_CONSENT)
def test_a_screening_result_may_stem_from_any_day_since_consent(field: str) -> None:
    """The panel, the form and the baseline may be older than their task, and never older than the consent."""
    before = date(2026, 2, 28)

    assert malformed(dated_answers(CONSENT)[field]) is None
    expected = too_early(field, "2026-02-28", "the consent", "2026-03-01")
    assert malformed(dated_answers(before)[field]) == expected


@pytest.mark.parametrize("field", ["answer.collected_on", "answer.checked_on"])
def test_a_task_without_a_window_accepts_any_day_since_consent(field: str) -> None:
    """Where a task does not expire, its opening is no limit."""
    answer, early = dated_answers(CONSENT)[field], dated_answers(date(2026, 2, 28))[field]
    state = participant(make_task(TaskKind(answer.kind), expires_at=None))

    assert malformed(answer, state) is None
    assert malformed(early, state) == too_early(field, "2026-02-28", "the consent", "2026-03-01")


OF_AN_EVENT = ("answer.adjudicated_on", "answer.answered_on", "answer.reported_at")
WINDOWED = [field for field in FIELDS if field not in (*SINCE_CONSENT, *OF_AN_EVENT, "answer.administered_on")]


@pytest.mark.parametrize("field", WINDOWED)
@pytest.mark.parametrize(
    ("done", "earliest"),
    [
        # The window opens on 10 April.
        ({}, date(2026, 4, 10)),
        ({"lymphodepletion_on": (date(2026, 4, 9),)}, date(2026, 4, 10)),
        # A later step moves it.
        ({"lymphodepletion_on": (date(2026, 4, 9), date(2026, 4, 11))}, date(2026, 4, 11)),
        ({"infusions": (infusion(datetime(2026, 4, 12, 23, tzinfo=UTC)),)}, date(2026, 4, 12)),
        ({"consent_signed_on": date(2026, 4, 13)}, date(2026, 4, 13)),
    ],
)
def test_a_step_comes_neither_before_its_window_nor_before_the_step_before_it(
    field: str, done: dict[str, Any], earliest: date
) -> None:
    """The first day of the window, or of the latest step given, is in order; the day before is not."""
    answer, early = dated_answers(earliest)[field], dated_answers(earliest - timedelta(days=1))[field]
    state = participant(make_task(TaskKind(answer.kind)), **done)

    what = "the step's window or the step before it"
    value = (earliest - timedelta(days=1)).isoformat()
    assert malformed(answer, state) is None
    assert malformed(early, state) == too_early(field, value, what, earliest.isoformat())


@pytest.mark.parametrize("field", OF_AN_EVENT)
def test_what_is_answered_of_an_event_does_not_come_before_it(field: str) -> None:
    """The onset on 12 April is in order, the day before is not; the task's window and the visits play no part."""
    answer, early = dated_answers(date(2026, 4, 12))[field], dated_answers(date(2026, 4, 11))[field]
    state = participant(make_task(TaskKind(answer.kind)), consent_signed_on=date(2026, 4, 13))

    assert malformed(answer, state) is None
    assert malformed(early, state) == too_early(field, "2026-04-11", "the event's onset", "2026-04-12")


@pytest.mark.parametrize("field", OF_AN_EVENT)
def test_what_is_answered_of_an_event_names_the_event_of_its_task(field: str) -> None:
    """Another event's answer would be booked on the wrong one."""
    answer = dated_answers(TODAY)[field].model_copy(update={"event_id": "AE-002"})

    assert malformed(answer) == Problem(
        type=ProblemType.INVALID_INPUT,
        field="answer.event_id",
        value="AE-002",
        rule=f"{TASK_ID} is about another adverse event",
        expected="AE-001",
    )


def test_a_cytokine_course_follows_the_infusion() -> None:
    """Each administration is on the day of the infusion or later; the first that is not is named."""
    given = infusion(datetime(2026, 4, 12, 9, tzinfo=UTC))
    state = participant(make_task(TaskKind.CYTOKINE_COURSE), infusions=(given,))
    field = "answer.administered_on"

    assert malformed(course(date(2026, 4, 12), date(2026, 4, 14)), state, protocol=WITHOUT_RULES) is None
    early = too_early(field, "2026-04-11", "the infusion", "2026-04-12")
    days = date(2026, 4, 13), date(2026, 4, 11), date(2026, 4, 10)
    assert malformed(course(*days), state, protocol=WITHOUT_RULES) == early
    # With rules it is refused on record, so it is not malformed.
    assert malformed(course(*days), state) is None
    late = in_future(field, "2026-04-17", "2026-04-15")
    assert malformed(course(date(2026, 4, 13), date(2026, 4, 17)), state) == late
    assert malformed(course(date(2026, 4, 13), date(2026, 4, 17)), state, protocol=WITHOUT_RULES) == late


def test_an_end_of_study_visit_is_dated_like_any_visit() -> None:
    """The last visit is on the day on which it was made."""
    late = StudyEnded(visited_on=date(2026, 4, 17), alive=True)

    assert malformed(late) == in_future("answer.visited_on", "2026-04-17", "2026-04-15")


def test_a_sample_is_collected_before_it_is_reported() -> None:
    """A sample of the report's own day is in order; of later ones the first is named."""
    report = dated_answers(TODAY)["answer.reported_on"]
    same_day = make_sample(PANEL_RESULT, collected_on=TODAY)
    next_day = make_sample(PANEL_RESULT, sample=SampleType.CTC, collected_on=date(2026, 4, 16))
    last = make_sample(PANEL_RESULT, collected_on=date(2026, 4, 17))

    assert malformed(report.model_copy(update={"samples": (same_day,)})) is None
    problem = malformed(report.model_copy(update={"samples": (same_day, next_day, last)}))
    what = "the CTC sample was collected"
    assert problem == too_early("answer.reported_on", "2026-04-15", what, "2026-04-16")


@pytest.mark.parametrize("kind", ["answer.assessed_on", "answer.checked_on"])
def test_laboratory_values_come_in_the_protocol_s_units(kind: str) -> None:
    """The form and the re-check both carry values, and another unit is named by its field."""
    values = GOOD_LABORATORY | {"neutrophils": Laboratory(value=3200, unit="/uL")}
    answer = dated_answers(TODAY)[kind].model_copy(update={"laboratory": values})

    assert malformed(answer) == Problem(
        type=ProblemType.WRONG_UNIT,
        field="answer.laboratory.neutrophils.unit",
        value="/uL",
        rule="neutrophils is given in the protocol's unit",
        expected="1e9/L",
    )


def test_an_answer_is_of_the_kind_that_its_task_asks_for() -> None:
    """An imaging result does not answer a safety visit."""
    state = participant(make_task(TaskKind.SAFETY))

    assert malformed(ImagingDone(scanned_on=TODAY, response="PR"), state) == Problem(
        type=ProblemType.INVALID_INPUT,
        field="answer.kind",
        value="imaging",
        rule=f"{TASK_ID} asks for something else",
        expected="safety",
    )


def test_an_unknown_task_is_answered_with_those_that_are_open() -> None:
    """The open tasks are listed by id, in order; without any the answer says so."""
    later, earlier = (make_task(TaskKind.SAFETY, id=f"{SUBJECT}:{number}-safety") for number in ("12", "11"))
    command = answered(SafetyVisit(visited_on=TODAY), f"{SUBJECT}:99-safety")

    expected = Problem(
        type=ProblemType.UNKNOWN_TASK,
        field="task_id",
        value=f"{SUBJECT}:99-safety",
        rule=f"{SUBJECT} has no such task",
        expected=f"{earlier.id} or {later.id}",
    )
    assert malformed_answer(PROTOCOL, participant(later, earlier), command, NOW) == expected
    nothing_open = expected.model_copy(update={"expected": "no open task now"})
    assert malformed_answer(PROTOCOL, participant(), command, NOW) == nothing_open


def test_a_closed_task_is_left_to_the_handler() -> None:
    """An answer that comes too late is not malformed: an auditor must find it among the refusals."""
    state = participant(closed={TASK_ID: TaskEnd.EXPIRED})

    assert malformed(ImagingDone(scanned_on=date(2030, 1, 1), response="PR"), state) is None


def test_a_command_from_the_future_is_malformed() -> None:
    """The sender's clock may be five minutes fast, for a closed task too."""
    state = participant(closed={TASK_ID: TaskEnd.EXPIRED})
    tolerated, ahead = NOW + timedelta(minutes=5), NOW + timedelta(minutes=5, seconds=1)
    visit = SafetyVisit(visited_on=TODAY)

    assert malformed_answer(PROTOCOL, state, answered(visit, sent=envelope(time=tolerated)), NOW) is None
    assert malformed_answer(PROTOCOL, state, answered(visit, sent=envelope(time=ahead)), NOW) == in_future(
        "envelope.time", "2026-04-15T10:05:01+00:00", "2026-04-15T10:00:00+00:00"
    )


# What the handler refuses


@pytest.mark.parametrize("field", FIELDS)
def test_an_answer_within_the_rules_is_not_refused(field: str) -> None:
    """The right person, site, dose and unit: nothing is recorded against it."""
    assert refused(dated_answers(TODAY)[field]) is None


@pytest.mark.parametrize(
    ("end", "kind", "rule"),
    [
        (TaskEnd.EXPIRED, ProblemType.ANSWER_AFTER_WINDOW, "its window has closed"),
        (TaskEnd.ANSWERED, ProblemType.TASK_ALREADY_CLOSED, "the task is already answered"),
        (TaskEnd.CANCELLED, ProblemType.TASK_ALREADY_CLOSED, "the task is already cancelled"),
    ],
)
def test_a_closed_task_takes_no_answer(end: TaskEnd, kind: ProblemType, rule: str) -> None:
    """The refusal tells a window that closed from a task that was answered or cancelled."""
    problem = refused(SafetyVisit(visited_on=TODAY), participant(closed={TASK_ID: end}))

    assert problem == Problem(type=kind, field="task_id", value=TASK_ID, rule=rule, expected="an open task")


@pytest.mark.parametrize(
    ("due", "role", "allowed"),
    [
        (Role.COORDINATOR, Role.COORDINATOR, True),
        (Role.COORDINATOR, Role.INVESTIGATOR, True),
        (Role.INVESTIGATOR, Role.INVESTIGATOR, True),
        (Role.INVESTIGATOR, Role.COORDINATOR, False),
        (Role.PHARMACIST, Role.INVESTIGATOR, False),
        (Role.COORDINATOR, Role.PHARMACIST, False),
        (Role.LABORATORY, Role.COORDINATOR, False),
    ],
)
def test_a_task_is_answered_in_its_role(due: Role, role: Role, allowed: bool) -> None:
    """Only an investigator may stand in, and only for a coordinator."""
    problem = Problem(
        type=ProblemType.WRONG_ROLE,
        field="envelope.role",
        value=role.value,
        rule="the protocol gives this task to another role",
        expected=due.value,
    )
    state = participant(make_task(TaskKind.SAFETY, role=due))

    assert wrong_role("envelope.role", role, due) == (None if allowed else problem)
    assert refused(SafetyVisit(visited_on=TODAY), state, role=role) == (None if allowed else problem)


ANOTHER_SITE = Problem(
    type=ProblemType.WRONG_ROLE,
    field="envelope.site",
    value="CN02",
    rule="CN01-001 belongs to another site",
    expected="CN01",
)


@pytest.mark.parametrize(("site", "problem"), [("CN01", None), (None, None), ("CN02", ANOTHER_SITE)])
def test_nobody_acts_for_a_participant_of_another_site(site: str | None, problem: Problem | None) -> None:
    """A central laboratory or the committee belongs to no site and names none."""
    assert wrong_site(SUBJECT, envelope(site=site)) == problem
    assert refused(SafetyVisit(visited_on=TODAY), site=site) == problem


@pytest.mark.parametrize(
    ("role", "site", "problem"),
    [
        (Role.COORDINATOR, "CN01", None),
        (Role.INVESTIGATOR, "CN01", None),
        (Role.INVESTIGATOR, "CN02", ANOTHER_SITE),
        (Role.COORDINATOR, "CN02", ANOTHER_SITE),
        (
            Role.PHARMACIST,
            "CN01",
            Problem(
                type=ProblemType.WRONG_ROLE,
                field="envelope.role",
                value="pharmacist",
                rule="the protocol gives this task to another role",
                expected="investigator",
            ),
        ),
    ],
)
def test_a_site_s_own_staff_tell_what_happens_to_a_participant(role: Role, site: str, problem: Problem | None) -> None:
    """Adverse events and ends come from the coordinator or an investigator of the participant's site."""
    assert wrong_site_role(participant(), envelope(role=role, site=site)) == problem


def out_of_dose(field: str, value: str, rule: str, expected: str) -> Problem:
    """Make the problem of a dose that the protocol does not allow."""
    return Problem(type=ProblemType.DOSE_OUT_OF_RULE, field=field, value=value, rule=rule, expected=expected)


def wrong_fludarabine(value: str) -> Problem:
    """Make the problem of a fludarabine dose."""
    rule = "the dose is 30 mg/m2 within 20%"
    return out_of_dose("answer.fludarabine_mg_per_m2", f"{value} mg/m2", rule, "24 to 36 mg/m2")


def wrong_cyclophosphamide(value: str) -> Problem:
    """Make the problem of a cyclophosphamide dose."""
    rule = "the dose is 500 mg/m2 within 20%"
    return out_of_dose("answer.cyclophosphamide_mg_per_m2", f"{value} mg/m2", rule, "400 to 600 mg/m2")


@pytest.mark.parametrize(
    ("flu", "cy", "problem"),
    [
        (30, 500, None),
        (24, 400, None),
        (36, 600, None),
        (23.9, 500, wrong_fludarabine("23.9")),
        (36.1, 500, wrong_fludarabine("36.1")),
        (30, 399, wrong_cyclophosphamide("399")),
        (30, 601, wrong_cyclophosphamide("601")),
        # The first that is wrong is named.
        (0, 0, wrong_fludarabine("0")),
    ],
)
def test_lymphodepletion_is_within_a_fifth_of_its_doses(flu: float, cy: float, problem: Problem | None) -> None:
    """20% below and above are allowed, for the reduction at a low creatinine clearance (docs/domain.md, section 2)."""
    assert refused(lymphodepletion(flu=flu, cy=cy)) == problem


def wrong_cells(value: str) -> Problem:
    """Make the problem of a cell dose."""
    rule = "the dose is 100 million cells within 20%"
    return out_of_dose("answer.million_cells", f"{value} million cells", rule, "80 to 120 million cells")


@pytest.mark.parametrize(
    ("cells", "problem"),
    [
        (80, None),
        (100, None),
        (120, None),
        (79.9, wrong_cells("79.9")),
        (120.1, wrong_cells("120.1")),
        (300, wrong_cells("300")),
    ],
)
def test_an_infusion_is_within_a_fifth_of_the_dose_level(cells: float, problem: Problem | None) -> None:
    """The slot's dose decides, 20% either way (docs/domain.md, section 7)."""
    assert refused(infusion(million_cells=cells)) == problem


def test_without_a_slot_there_is_no_dose_to_give() -> None:
    """Cells given to somebody without a dose level are out of rule, however few."""
    state = participant(make_task(TaskKind.INFUSION), slot=None)

    expected = out_of_dose(
        "answer.million_cells",
        "0.5 million cells",
        "the dose is 0 million cells within 20%",
        "0 to 0 million cells",
    )
    assert refused(infusion(million_cells=0.5), state) == expected


def test_an_infusion_is_of_the_reserved_unit() -> None:
    """Identity comes before dose: another unit is refused by its id."""
    assert refused(infusion(unit_id="U-002", million_cells=5)) == Problem(
        type=ProblemType.WRONG_PRODUCT,
        field="answer.unit_id",
        value="U-002",
        rule="another unit is reserved for infusion-1",
        expected="U-001",
    )


def test_no_infusion_while_held() -> None:
    """Every hold is named, and the hold comes before all else."""
    state = participant(make_task(TaskKind.INFUSION), holds=("single-target", "study"), treatment_stopped=True)

    assert refused(infusion(unit_id="U-002"), state) == Problem(
        type=ProblemType.ON_HOLD,
        field="task_id",
        value=TASK_ID,
        rule="no infusion starts while held: single-target, study",
        expected="the hold to be lifted first",
    )


@pytest.mark.parametrize(
    "stopped", [{"treatment_stopped": True}, {"dlt": DltStatus.DLT}, {"dlt": DltStatus.NOT_EVALUABLE}]
)
def test_no_infusion_after_treatment_stopped_or_the_outcome_was_judged(stopped: dict[str, Any]) -> None:
    """After a dose-limiting toxicity, or once the dose decision has counted the participant, nothing more is given."""
    state = participant(make_task(TaskKind.INFUSION), **stopped)

    expected = out_of_dose("task_id", TASK_ID, "treatment has stopped: no further infusion is given", "no infusion")
    assert refused(infusion(), state) == expected


def test_a_hold_does_not_stop_what_is_no_infusion() -> None:
    """Visits go on while infusions are held."""
    state = participant(make_task(TaskKind.SAFETY), holds=("study",), treatment_stopped=True)

    assert refused(SafetyVisit(visited_on=TODAY), state) is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (course(*[TODAY] * 6), None),
        (
            course(*[TODAY] * 7),
            out_of_dose("answer.administered_on", "7", "more administrations than the protocol allows", "at most 6"),
        ),
        (course(TODAY, million_units_per_m2=0.5), None),
        (
            course(TODAY, million_units_per_m2=1.5),
            out_of_dose(
                "answer.million_units_per_m2", "1.5", "above the protocol's dose", "at most 1 million units/m2"
            ),
        ),
        # Nothing given has no dose.
        (course(million_units_per_m2=9), None),
    ],
)
def test_a_cytokine_course_keeps_its_dose_and_number(answer: CytokineCourse, problem: Problem | None) -> None:
    """At most six administrations of at most 1 million units/m2; less is always allowed."""
    state = participant(make_task(TaskKind.CYTOKINE_COURSE))

    assert refused_answer(WITHOUT_RULES, state, answered(answer)) == problem


def test_a_course_with_rules_is_judged_by_them() -> None:
    """Where the protocol has rules, they say what is against a course (decisions.courses)."""
    given = infusion(datetime(2026, 4, 12, 9, tzinfo=UTC))
    state = participant(
        make_task(TaskKind.CYTOKINE_COURSE, step="cytokine-course-1"),
        infusions=(given,),
        infusion_steps=("infusion-1",),
    )

    assert refused(course(date(2026, 4, 12), date(2026, 4, 14)), state) is None
    problem = refused(course(date(2026, 4, 12), date(2026, 4, 13)), state)
    assert problem is not None
    assert problem.type is ProblemType.DOSE_OUT_OF_RULE


# Assessments out of their window, and further cycles


@pytest.mark.parametrize(
    ("done", "earliest"),
    [
        ({}, date(2026, 3, 1)),
        ({"infusions": (infusion(datetime(2026, 3, 12, 23, tzinfo=UTC)),)}, date(2026, 3, 12)),
        ({"last_safety_visit_on": date(2026, 3, 30)}, date(2026, 3, 30)),
        ({"imaging_on": {"imaging-week-8": date(2026, 4, 2)}}, date(2026, 4, 3)),
    ],
    ids=["consent", "infusion", "safety-visit", "scan"],
)
def test_a_scan_may_come_before_its_window_but_not_before_the_visit_before_it(
    done: dict[str, Any], earliest: date
) -> None:
    """The task opens on 10 April; where the protocol allows a deviation, a scan of before counts too."""
    state = participant(make_task(TaskKind.IMAGING, step="imaging-week-16"), **done)
    before = earliest - timedelta(days=1)

    assert malformed(ImagingDone(scanned_on=earliest, response="SD"), state) is None
    what = "the visit before it, or the infusion"
    expected = too_early("answer.scanned_on", before.isoformat(), what, earliest.isoformat())
    assert malformed(ImagingDone(scanned_on=before, response="SD"), state) == expected


@pytest.mark.parametrize(
    ("accepted", "state", "kind"),
    [
        (True, {}, None),
        (True, {"dlt": DltStatus.NO_DLT}, None),
        (True, {"holds": ("study",)}, ProblemType.ON_HOLD),
        (True, {"treatment_stopped": True}, ProblemType.DOSE_OUT_OF_RULE),
        (True, {"dlt": DltStatus.DLT}, ProblemType.DOSE_OUT_OF_RULE),
        (False, {"holds": ("study",), "treatment_stopped": True}, None),
    ],
)
def test_no_cycle_is_accepted_while_held_or_after_treatment(
    accepted: bool, state: dict[str, Any], kind: ProblemType | None
) -> None:
    """Declining is always possible."""
    answer = RetreatmentDecided(decided_on=TODAY, accepted=accepted)
    problem = refused(answer, participant(make_task(TaskKind.RETREATMENT), **state))

    assert (None if problem is None else problem.type) is kind


@pytest.mark.parametrize(
    ("step", "state", "allowed"),
    [
        ("infusion-2", {}, True),
        ("infusion-2", {"dlt": DltStatus.NO_DLT}, False),
        ("cycle-1-infusion-1", {"dlt": DltStatus.NO_DLT}, True),
        ("cycle-1-infusion-1", {"dlt": DltStatus.NOT_EVALUABLE}, True),
        ("cycle-1-infusion-1", {"dlt": DltStatus.DLT}, False),
        ("cycle-1-infusion-1", {"dlt": DltStatus.NO_DLT, "treatment_stopped": True}, False),
    ],
)
def test_the_infusion_of_a_further_cycle_comes_after_the_window_s_judgement(
    step: str, state: dict[str, Any], allowed: bool
) -> None:
    """The planned infusions end with it, a further cycle with a dose-limiting toxicity only."""
    problem = refused(infusion(), participant(make_task(TaskKind.INFUSION, step=step), **state))

    assert (problem is None) is allowed


# Adverse events, ends, and what they share


def event(**changes: object) -> AdverseEvent:
    """Make an adverse event of 1 to 3 April, with changes that nobody has validated."""
    base = AdverseEvent(term="Fatigue", grade=2, onset_on=date(2026, 4, 1), ended_on=date(2026, 4, 3), related=False)
    return base.model_copy(update=changes)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, None),
        ({"ended_on": None}, None),
        ({"onset_on": CONSENT}, None),
        (
            {"onset_on": date(2026, 2, 28)},
            too_early("event.onset_on", "2026-02-28", "the consent", "2026-03-01"),
        ),
        ({"ended_on": date(2026, 4, 1)}, None),
        (
            {"ended_on": date(2026, 3, 31)},
            too_early("event.ended_on", "2026-03-31", "the onset", "2026-04-01"),
        ),
        ({"onset_on": date(2026, 4, 17)}, in_future("event.onset_on", "2026-04-17", "2026-04-15")),
        ({"ended_on": date(2026, 4, 17)}, in_future("event.ended_on", "2026-04-17", "2026-04-15")),
    ],
)
def test_an_adverse_event_lies_between_consent_and_now(changes: dict[str, Any], problem: Problem | None) -> None:
    """Events are reported from consent on (trial record), and end no earlier than they begin."""
    command = ReportAdverseEvent(envelope=envelope(), event=event()).model_copy(update={"event": event(**changes)})

    assert malformed_adverse_event(participant(), command, NOW) == problem


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"course": (GradeOn(on=date(2026, 4, 2), grade=1),)}, None),
        (
            {"ended_on": None, "course": (GradeOn(on=date(2026, 4, 17), grade=1),)},
            in_future("event.course", "2026-04-17", "2026-04-15"),
        ),
        ({"aware_at": NOW + timedelta(minutes=5)}, None),
        (
            {"aware_at": NOW + timedelta(minutes=6)},
            in_future("event.aware_at", "2026-04-15T10:06:00+00:00", "2026-04-15T10:00:00+00:00"),
        ),
        # At 10:00 UTC of the day before, the day of the onset begins at UTC+14.
        ({"aware_at": datetime(2026, 3, 31, 10, tzinfo=UTC)}, None),
        (
            {"aware_at": datetime(2026, 3, 31, 9, 59, tzinfo=UTC)},
            too_early("event.aware_at", "2026-03-31T09:59:00+00:00", "the onset", "2026-04-01"),
        ),
    ],
)
def test_what_an_event_tells_of_its_course_lies_between_onset_and_now(
    changes: dict[str, Any], problem: Problem | None
) -> None:
    """A later grade and the site's awareness have their days, too; an amendment is looked at in the same way."""
    reported = event(**changes)
    sent = envelope(reason="the chart was read again")
    amendment = AmendAdverseEvent(envelope=sent, event_id="AE-001", version=1, event=event()).model_copy(
        update={"event": reported}
    )
    report = ReportAdverseEvent(envelope=sent, event=event()).model_copy(update={"event": reported})

    assert malformed_adverse_event(participant(), report, NOW) == problem
    assert malformed_amendment(participant(), amendment, NOW) == problem


def test_an_amendment_needs_a_reason() -> None:
    """Every change is documented with its reason (21 CFR 11.10(e)); a report needs none."""
    amendment = AmendAdverseEvent(envelope=envelope(), event_id="AE-001", version=1, event=event())

    assert malformed_amendment(participant(), amendment, NOW) == NO_REASON
    assert malformed_adverse_event(participant(), ReportAdverseEvent(envelope=envelope(), event=event()), NOW) is None


@pytest.mark.parametrize("kind", list(TaskKind))
def test_after_an_end_only_what_is_owed_of_an_event_is_answered(kind: TaskKind) -> None:
    """Adjudications, queries and reports outlive the participation, up to the final state."""
    state = participant(make_task(kind), end=EndReason.WITHDRAWAL, end_on=TODAY)
    command = answered(SafetyVisit(visited_on=TODAY))
    owed = {TaskKind.DLT_ADJUDICATION, TaskKind.GRADE_QUERY, TaskKind.SAE_REPORT, TaskKind.SUSAR_REPORT}

    assert (ended_for_answer(state, command) is None) == (kind in owed)
    final = state.model_copy(update={"disposition": Disposition.WITHDRAWN})
    assert ended_for_answer(final, command) == ended(final)
    assert ended_for_answer(participant(make_task(kind)), command) is None


def test_no_infusion_is_taken_while_an_event_may_be_dose_limiting() -> None:
    """The candidates are named; the adjudication comes first."""
    finding = DltFinding(status=DltFindingStatus.CANDIDATE, why="CRS of grade 4")
    state = participant(make_task(TaskKind.INFUSION), dlt_findings={"AE-001": finding})

    assert refused(infusion(), state) == Problem(
        type=ProblemType.OPEN_CANDIDATE,
        field="task_id",
        value=TASK_ID,
        rule="no infusion starts while AE-001 may be dose-limiting",
        expected="the adjudication first",
    )


AHEAD = in_future("envelope.time", "2026-04-15T11:00:00+00:00", "2026-04-15T10:00:00+00:00")
NO_REASON = Problem(
    type=ProblemType.REASON_REQUIRED,
    field="envelope.reason",
    value="(none)",
    rule="this command needs a reason",
    expected="a sentence an auditor will understand",
)


def test_an_adverse_event_from_the_future_is_malformed() -> None:
    """The sender's clock is checked here too."""
    command = ReportAdverseEvent(envelope=envelope(time=NOW + timedelta(hours=1)), event=event())

    assert malformed_adverse_event(participant(), command, NOW) == AHEAD


@pytest.mark.parametrize(
    ("occurred_on", "sent", "problem"),
    [
        (TODAY, {"reason": "moved abroad"}, None),
        (CONSENT, {"reason": "moved abroad"}, None),
        (date(2026, 2, 28), {"reason": "x"}, too_early("occurred_on", "2026-02-28", "the consent", "2026-03-01")),
        (date(2026, 4, 17), {"reason": "x"}, in_future("occurred_on", "2026-04-17", "2026-04-15")),
        (TODAY, {}, NO_REASON),
        (TODAY, {"reason": "x", "time": NOW + timedelta(hours=1)}, AHEAD),
    ],
)
def test_participation_ends_between_consent_and_now_with_a_reason(
    occurred_on: date, sent: dict[str, Any], problem: Problem | None
) -> None:
    """Withdrawal needs no justification by the participant, but the record says what happened."""
    command = EndParticipation(envelope=envelope(**sent), reason=EndReason.WITHDRAWAL, occurred_on=occurred_on)

    assert malformed_end(participant(), command, NOW) == problem


@pytest.mark.parametrize(
    ("reason", "problem"), [("a word", None), (None, NO_REASON), ("", NO_REASON), ("  ", NO_REASON)]
)
def test_a_reason_has_words(reason: str | None, problem: Problem | None) -> None:
    """Blanks are no reason."""
    assert missing_reason(envelope(reason=reason)) == problem


def test_a_moment_or_day_in_the_future_is_named() -> None:
    """Both checks name the field that they were asked about."""
    assert future_time("envelope.time", NOW + timedelta(minutes=5), NOW) is None
    assert future_time("envelope.time", NOW + timedelta(hours=1), NOW) == AHEAD
    assert future_day("consent_signed_on", date(2026, 4, 16), NOW) is None
    expected = in_future("consent_signed_on", "2026-04-17", "2026-04-15")
    assert future_day("consent_signed_on", date(2026, 4, 17), NOW) == expected


@pytest.mark.parametrize(
    ("changes", "how"),
    [
        ({}, None),
        ({"end": EndReason.DEATH}, "death"),
        ({"disposition": Disposition.COMPLETED}, "completed"),
        ({"end": EndReason.WITHDRAWAL, "disposition": Disposition.WITHDRAWN}, "withdrawn"),
    ],
)
def test_after_the_end_nothing_is_sent(changes: dict[str, Any], how: str | None) -> None:
    """The refusal names the final state, or the end that leads to it."""
    problem = Problem(
        type=ProblemType.PARTICIPATION_ENDED,
        field="subject",
        value=SUBJECT,
        rule=f"participation has ended ({how})",
        expected="a participant who is on study",
    )

    assert ended(participant(**changes)) == (None if how is None else problem)
