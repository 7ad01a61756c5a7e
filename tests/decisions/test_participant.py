"""The participant's fold: each fact changes what it says and nothing else."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from decisions.participant import answered_at, answered_on, apply, enrol, fold
from schemas import facts as f
from schemas.answers import (
    Answer,
    BiopsyDone,
    CytokineCourse,
    ImagingDone,
    InfusionGiven,
    LymphodepletionGiven,
    SafetyVisit,
    StudyEnded,
)
from schemas.base import Role
from schemas.commands import AdverseEvent, EndReason
from schemas.eligibility import EligibilityVerdict
from schemas.outcome import Disposition, DltStatus
from schemas.panel import Antigen, SampleType
from schemas.problem import Problem, ProblemType
from schemas.protocol import ArmKind, ProtocolReference
from schemas.states import Assignment, ParticipantState, Slot, Stage
from schemas.task import Task, TaskEnd, TaskKind
from tests.decisions.makers import make_cells, make_check, make_form, make_profile, make_report, make_sample

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CONSENT = date(2026, 3, 1)
DAY = date(2026, 3, 20)
SYSTEM: dict[str, Any] = {"at": NOW, "who": "system", "role": Role.SYSTEM, "why": "the rule"}
PERSON: dict[str, Any] = {"at": NOW, "who": "inv-01", "role": Role.INVESTIGATOR, "why": "seen today"}
PROTOCOL_REFERENCE = ProtocolReference(id="example", version="1.0", sha256="0" * 64)
ENROLLED = f.ParticipantEnrolled(
    **PERSON,
    study="study",
    subject="CN01-001",
    site="CN01",
    consent_signed_on=CONSENT,
    consent_version="2.0",
    age_years=60,
    protocol=PROTOCOL_REFERENCE,
)
NEW = ParticipantState(
    study="study",
    subject="CN01-001",
    site="CN01",
    protocol=PROTOCOL_REFERENCE,
    consent_signed_on=CONSENT,
    age_years=60,
    latest_on=CONSENT,
)
SLOT = Slot(arm="single-target", cohort=1, level=1, million_cells=100)
EVENT = AdverseEvent(term="Fatigue", grade=1, onset_on=DAY, related=False)


def make_task(number: int = 1, step: str = "infusion-1") -> Task:
    """Make an open task; its kind does not matter to the fold."""
    return Task(
        id=f"CN01-001:{number:02d}-{step}",
        kind=TaskKind.INFUSION,
        step=step,
        title="A step",
        role=Role.COORDINATOR,
        opened_at=NOW,
        due_at=NOW + timedelta(days=1),
        escalate_at=NOW + timedelta(days=2),
    )


TASK, OTHER = make_task(), make_task(2, "safety-day-21")
OPENED = NEW.model_copy(update={"tasks": {TASK.id: TASK, OTHER.id: OTHER}, "tasks_opened": 2})


def infusion(unit_id: str = "U-001") -> InfusionGiven:
    """Make an infusion at noon of the day."""
    return InfusionGiven(started_at=datetime(2026, 3, 20, 12, tzinfo=UTC), unit_id=unit_id, million_cells=100)


def test_a_participant_begins_with_the_enrolment() -> None:
    """Screening begins at consent, with what the enrolment says and nothing more."""
    assert enrol(ENROLLED) == NEW
    assert fold([ENROLLED]) == NEW
    assert NEW.stage is Stage.SCREENING


def test_a_history_is_folded_fact_by_fact() -> None:
    """The state after a history is that of applying one fact after another."""
    facts: list[f.ParticipantFact] = [ENROLLED, f.TaskOpened(**SYSTEM, task=TASK), f.TreatmentStopped(**SYSTEM)]

    expected = NEW.model_copy(update={"tasks": {TASK.id: TASK}, "tasks_opened": 1, "treatment_stopped": True})
    assert fold(facts) == expected


def test_a_history_that_does_not_begin_with_the_enrolment_is_wrong() -> None:
    """The error names the fact that came first."""
    refusal = f.Refused(**PERSON, command="answer_task", problem=PROBLEM)

    with pytest.raises(ValueError, match=r"^a participant's facts begin with participant_enrolled, not refused$"):
        fold([refusal])


PROBLEM = Problem(type=ProblemType.ON_HOLD, field="task_id", value="1", rule="held", expected="later")
PROFILE = make_profile({Antigen.AXL: 1.5})
VERDICT = EligibilityVerdict(outcome="eligible", criteria=())


@pytest.mark.parametrize(
    ("before", "fact", "changes"),
    [
        ({}, f.AntigensProfiled(**SYSTEM, profile=PROFILE), {"profile": PROFILE}),
        ({}, f.EligibilityJudged(**SYSTEM, verdict=VERDICT), {"eligibility": VERDICT}),
        (
            {},
            f.Assigned(**SYSTEM, arm="single-target", arm_kind=ArmKind.SINGLE, target=(Antigen.AXL,)),
            {
                "assignment": Assignment(arm="single-target", arm_kind=ArmKind.SINGLE, target=(Antigen.AXL,)),
                "stage": Stage.WAITING_FOR_SLOT,
            },
        ),
        (
            {
                "assignment": Assignment(arm="dual-target", arm_kind=ArmKind.DUAL, target=(Antigen.AXL, Antigen.EGFR)),
                "stage": Stage.WAITING_FOR_SLOT,
                "refused_arms": ("first-arm",),
            },
            f.ArmRefused(**SYSTEM, arm="dual-target"),
            {"refused_arms": ("first-arm", "dual-target"), "assignment": None, "stage": Stage.SCREENING},
        ),
        ({}, f.SlotGranted(**SYSTEM, slot=SLOT), {"slot": SLOT, "stage": Stage.WAITING_FOR_PRODUCT}),
        (
            {"slot": SLOT, "stage": Stage.LYMPHODEPLETION},
            f.SlotReturned(**SYSTEM),
            {"slot": None, "stage": Stage.WAITING_FOR_PRODUCT},
        ),
        (
            {},
            f.ProductReserved(**SYSTEM, units=("U-001", "U-002"), lots=("LOT-1", "LOT-2")),
            {"units": ("U-001", "U-002"), "stage": Stage.LYMPHODEPLETION},
        ),
        ({}, f.ProductAwaited(**SYSTEM), {}),
        (
            {"units": ("U-001", "U-002", "U-003")},
            f.ProductReturned(**SYSTEM, units=("U-001", "U-003")),
            {"units": ("U-002",)},
        ),
        ({}, f.DayZeroPlanned(**SYSTEM, day_zero=DAY), {"day_zero": DAY}),
        ({}, f.TreatmentChecked(**SYSTEM, step="infusion-1", go=True), {"last_check_go": True}),
        (
            {"last_check_go": True},
            f.TreatmentChecked(**SYSTEM, step="infusion-1", go=False, failed=("ECOG 2",)),
            {"last_check_go": False},
        ),
        (
            {"skipped": ("infusion-2",)},
            f.StepSkipped(**SYSTEM, step="infusion-3"),
            {"skipped": ("infusion-2", "infusion-3")},
        ),
        ({}, f.TreatmentStopped(**SYSTEM), {"treatment_stopped": True}),
        (
            {"stage": Stage.TREATMENT},
            f.DltJudged(**SYSTEM, status=DltStatus.NO_DLT),
            {"dlt": DltStatus.NO_DLT, "stage": Stage.FOLLOW_UP},
        ),
        (
            {"stage": Stage.ENDED, "disposition": Disposition.DIED},
            f.DltJudged(**SYSTEM, status=DltStatus.DLT),
            {"dlt": DltStatus.DLT},
        ),
        (
            {"adverse_events": (EVENT,)},
            f.AdverseEventReported(**PERSON, event=EVENT.model_copy(update={"grade": 3})),
            {"adverse_events": (EVENT, EVENT.model_copy(update={"grade": 3}))},
        ),
        ({"holds": ("study",)}, f.HoldPlaced(**PERSON, scope="single-target"), {"holds": ("single-target", "study")}),
        ({"holds": ("study",)}, f.HoldPlaced(**PERSON, scope="study"), {}),
        ({"holds": ("dual-target", "study")}, f.HoldLifted(**PERSON, scope="study"), {"holds": ("dual-target",)}),
        ({"refusals": 2}, f.Refused(**PERSON, command="answer_task", problem=PROBLEM), {"refusals": 3}),
        (
            {},
            f.EndRequested(**PERSON, reason=EndReason.WITHDRAWAL, occurred_on=DAY),
            {"end": EndReason.WITHDRAWAL, "end_on": DAY},
        ),
        (
            {},
            f.ParticipationEnded(**SYSTEM, disposition=Disposition.WITHDRAWN),
            {"disposition": Disposition.WITHDRAWN, "disposition_reason": "the rule", "stage": Stage.ENDED},
        ),
        ({}, ENROLLED, {}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_fact_changes_what_it_says(before: dict[str, Any], fact: f.ParticipantFact, changes: dict[str, Any]) -> None:
    """Everything else in the participant's state stays as it was."""
    state = OPENED.model_copy(update=before)

    assert apply(state, fact) == state.model_copy(update=changes)


def test_a_fact_of_an_arm_is_none_of_a_participant_s() -> None:
    """Facts of another workflow cannot slip into a participant's history."""
    fact: Any = f.ArmClosed(**SYSTEM)

    with pytest.raises(ValueError, match=r"^not a participant's fact: arm_closed$"):
        apply(NEW, fact)


def test_tasks_are_opened_reminded_and_escalated() -> None:
    """Open tasks are kept by id, and their number only grows; what happens to one leaves the other alone."""
    opened = fold([ENROLLED, f.TaskOpened(**SYSTEM, task=TASK), f.TaskOpened(**SYSTEM, task=OTHER)])
    reminded = apply(opened, f.TaskReminded(**SYSTEM, task_id=TASK.id))
    escalated = apply(opened, f.TaskEscalated(**SYSTEM, task_id=TASK.id))

    assert opened == OPENED
    assert reminded.tasks == {TASK.id: TASK.model_copy(update={"reminded": True}), OTHER.id: OTHER}
    both = {"reminded": True, "escalated": True}
    assert escalated.tasks == {TASK.id: TASK.model_copy(update=both), OTHER.id: OTHER}


def test_a_task_closes_without_an_answer() -> None:
    """It leaves the worklist, and the record says how."""
    first = apply(OPENED, f.TaskClosed(**SYSTEM, task_id=OTHER.id, end=TaskEnd.EXPIRED))
    second = apply(first, f.TaskClosed(**SYSTEM, task_id=TASK.id, end=TaskEnd.CANCELLED))

    expected = {"tasks": {TASK.id: TASK}, "closed": {OTHER.id: TaskEnd.EXPIRED}}
    assert first == OPENED.model_copy(update=expected)
    closed = {OTHER.id: TaskEnd.EXPIRED, TASK.id: TaskEnd.CANCELLED}
    assert second == OPENED.model_copy(update={"tasks": {}, "closed": closed})


SAMPLE = make_sample(make_cells(Antigen.AXL, 0, 0, 0, 100), collected_on=DAY)
REPORT = make_report(SAMPLE).model_copy(update={"reported_on": DAY})
AT = datetime(2026, 3, 20, 12, tzinfo=UTC)
DEPLETED = LymphodepletionGiven(given_at=AT, fludarabine_mg_per_m2=30, cyclophosphamide_mg_per_m2=500)
DAYS_BEFORE = {
    "biopsies": 1,
    "lymphodepletion_on": (date(2026, 3, 19),),
    "infusions": (infusion("U-000"),),
    "infusion_steps": ("infusion-0",),
    "units": ("U-001", "U-002"),
    "responses": (("imaging-week-8", "SD"),),
    "stage": Stage.LYMPHODEPLETION,
}


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        (BiopsyDone(collected_on=DAY, sample=SampleType.TISSUE), {"biopsies": 2}),
        (REPORT, {"panel": REPORT}),
        (make_form(assessed_on=DAY), {"eligibility_form": make_form(assessed_on=DAY)}),
        (make_check(checked_on=DAY), {}),
        (DEPLETED, {"lymphodepletion_on": (date(2026, 3, 19), DAY)}),
        (
            infusion(),
            {
                "infusions": (infusion("U-000"), infusion()),
                "infusion_steps": ("infusion-0", "infusion-1"),
                "units": ("U-002",),
                "stage": Stage.TREATMENT,
            },
        ),
        (CytokineCourse(administered_on=(date(2026, 3, 18), DAY), million_units_per_m2=1), {}),
        (SafetyVisit(visited_on=DAY), {"last_safety_visit_on": DAY}),
        (ImagingDone(scanned_on=DAY, response="PR"), {"responses": (("imaging-week-8", "SD"), ("infusion-1", "PR"))}),
        (StudyEnded(visited_on=DAY, alive=True), {}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_answer_closes_its_task_and_is_kept(answer: Answer, changes: dict[str, Any]) -> None:
    """The task ends as answered, the latest day moves, and the answer adds what it tells."""
    state = OPENED.model_copy(update=DAYS_BEFORE)

    told = apply(state, f.TaskAnswered(**PERSON, task_id=TASK.id, answer=answer))

    closed = {"tasks": {OTHER.id: OTHER}, "closed": {TASK.id: TaskEnd.ANSWERED}, "latest_on": DAY}
    assert told == state.model_copy(update=closed | changes)


def test_the_latest_day_never_goes_back() -> None:
    """A result that stems from an earlier day leaves it; a course of nothing has no day."""
    for answer in (
        BiopsyDone(collected_on=CONSENT - timedelta(days=1), sample=SampleType.TISSUE),
        CytokineCourse(million_units_per_m2=0, not_given_reason="CRS grade 1"),
    ):
        assert apply(OPENED, f.TaskAnswered(**PERSON, task_id=TASK.id, answer=answer)).latest_on == CONSENT


@pytest.mark.parametrize(
    ("answer", "day", "moment"),
    [
        (BiopsyDone(collected_on=DAY, sample=SampleType.TISSUE), DAY, None),
        (REPORT, DAY, None),
        (make_form(assessed_on=DAY), DAY, None),
        (make_check(checked_on=DAY), DAY, None),
        (DEPLETED, DAY, AT),
        (infusion(), DAY, AT),
        (CytokineCourse(administered_on=(DAY, date(2026, 3, 18)), million_units_per_m2=1), DAY, None),
        (CytokineCourse(million_units_per_m2=0, not_given_reason="CRS grade 1"), date.min, None),
        (SafetyVisit(visited_on=DAY), DAY, None),
        (ImagingDone(scanned_on=DAY, response="NE"), DAY, None),
        (StudyEnded(visited_on=DAY, alive=False), DAY, None),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_answer_tells_when_it_happened(answer: Answer, day: date, moment: datetime | None) -> None:
    """Every answer has a day, the last one of a course; lymphodepletion and infusions have a moment too."""
    assert (answered_on(answer), answered_at(answer)) == (day, moment)


def test_an_answer_that_nobody_knows_is_not_passed_over() -> None:
    """A kind of answer that the fold has not learned stops it, rather than being dropped in silence."""
    unknown: Any = EVENT

    with pytest.raises(AssertionError, match="Fatigue"):
        answered_on(unknown)
