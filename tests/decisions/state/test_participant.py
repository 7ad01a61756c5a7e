"""The participant's fold: each fact changes what it says and nothing else."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from decisions.safety.event_ids import event_id, event_index, report_key
from decisions.state.participant import apply, enrol, fold
from schemas import facts as f
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
    SusarReported,
)
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import Problem, ProblemType
from schemas.protocol import ArmKind, ProtocolReference
from schemas.response.tumour import BaselineAssessment, BestResponse, Response, TimepointResponse, TumourAssessment
from schemas.safety.reports import DltFinding, DltFindingStatus, ReportDue, ReportKind, ReportRow
from schemas.safety.toxicity import ComputedGrade
from schemas.schedule.task import Task, TaskEnd, TaskKind
from schemas.screening.eligibility import EligibilityVerdict
from schemas.screening.panel import Antigen, SampleType
from schemas.state.participant import Assignment, ParticipantState, Slot, Stage
from schemas.treatment.support import Deviation, DeviationKind, SupportState, SupportVerdict, ToxicityCheck
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
WORSE = EVENT.model_copy(update={"grade": 3})
RENAMED = EVENT.model_copy(update={"term": "Asthenia"})
NOT_LIMITING = DltAdjudication(event_id="AE-001", dose_limiting=False, adjudicated_on=DAY, rationale="explained")
GRADE_1, GRADE_3 = (ComputedGrade(grade=grade, why="by the observations") for grade in (1, 3))
FINDING = DltFinding(status=DltFindingStatus.CANDIDATE, why="grade 3")
NO_FINDING = DltFinding(status=DltFindingStatus.NONE, why="grade 1")
SAE_DUE = ReportDue(kind=ReportKind.SAE, clock_started_at=NOW, due_at=NOW + timedelta(days=1), why="serious")
SUSAR_DUE = SAE_DUE.model_copy(update={"kind": ReportKind.SUSAR})
VERDICT_HOLD = SupportVerdict(state=SupportState.HOLD, judged_on=DAY, reasons=("CRS grade 1",))
VERDICT_GIVE = SupportVerdict(state=SupportState.GIVE, judged_on=DAY, reasons=("no toxicity",))
VERDICT_OFFER = SupportVerdict(state=SupportState.OFFER, judged_on=DAY, reasons=("response SD",))
DEVIATION = Deviation(visit="imaging-week-8", kind=DeviationKind.MISSED, why="no scan in its window")
PARTIAL = TimepointResponse(assessed_on=DAY, overall=Response.PR, why="by the sums")
STABLE = TimepointResponse(assessed_on=DAY - timedelta(days=56), overall=Response.SD, why="by the sums")
PROGRESSED_FIRST = STABLE.model_copy(update={"overall": Response.PD})
BEST = BestResponse(response=Response.PR, why="PR, not confirmed yet")


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
            {"dlt": DltStatus.NO_DLT, "dlt_reason": "the rule", "stage": Stage.FOLLOW_UP},
        ),
        (
            {"stage": Stage.ENDED, "disposition": Disposition.DIED},
            f.DltJudged(**SYSTEM, status=DltStatus.DLT),
            {"dlt": DltStatus.DLT, "dlt_reason": "the rule"},
        ),
        (
            {"adverse_events": (EVENT,)},
            f.AdverseEventReported(**PERSON, event=WORSE),
            {"adverse_events": (EVENT, WORSE)},
        ),
        # The grade that the rules compute is kept beside the reported one, under the event's id.
        (
            {"adverse_events": (EVENT,), "computed_grades": {"AE-001": GRADE_1}},
            f.AdverseEventReported(**PERSON, event=WORSE, computed=GRADE_3),
            {"adverse_events": (EVENT, WORSE), "computed_grades": {"AE-001": GRADE_1, "AE-002": GRADE_3}},
        ),
        # An amendment replaces its own event, and the computed grade goes with the version that it was computed for.
        (
            {"adverse_events": (EVENT, EVENT), "computed_grades": {"AE-001": GRADE_1, "AE-002": GRADE_1}},
            f.AdverseEventAmended(**PERSON, event_id="AE-002", version=2, event=WORSE, changes=(), computed=GRADE_3),
            {
                "adverse_events": (EVENT, WORSE),
                "event_versions": {"AE-002": 2},
                "computed_grades": {"AE-001": GRADE_1, "AE-002": GRADE_3},
            },
        ),
        (
            {
                "adverse_events": (EVENT, EVENT),
                "event_versions": {"AE-001": 2, "AE-002": 2},
                "computed_grades": {"AE-001": GRADE_1, "AE-002": GRADE_1},
            },
            f.AdverseEventAmended(**PERSON, event_id="AE-001", version=3, event=WORSE, changes=()),
            {
                "adverse_events": (WORSE, EVENT),
                "event_versions": {"AE-001": 3, "AE-002": 2},
                "computed_grades": {"AE-002": GRADE_1},
            },
        ),
        # What an event was judged as no longer stands once it changes in what the question goes by, and not before.
        (
            {"adverse_events": (EVENT, EVENT), "adjudications": {"AE-001": NOT_LIMITING, "AE-002": NOT_LIMITING}},
            f.AdverseEventAmended(**PERSON, event_id="AE-002", version=2, event=WORSE, changes=()),
            {
                "adverse_events": (EVENT, WORSE),
                "event_versions": {"AE-002": 2},
                "adjudications": {"AE-001": NOT_LIMITING},
            },
        ),
        (
            {"adverse_events": (EVENT,), "adjudications": {"AE-001": NOT_LIMITING}},
            f.AdverseEventAmended(**PERSON, event_id="AE-001", version=2, event=RENAMED, changes=()),
            {"adverse_events": (RENAMED,), "event_versions": {"AE-001": 2}},
        ),
        (
            {"dlt_findings": {"AE-001": NO_FINDING, "AE-002": NO_FINDING}},
            f.DltFindingMade(**SYSTEM, event_id="AE-002", finding=FINDING),
            {"dlt_findings": {"AE-001": NO_FINDING, "AE-002": FINDING}},
        ),
        (
            {"reports": {"sae-AE-001": ReportRow(due=SAE_DUE)}},
            f.ReportingClockStarted(**SYSTEM, event_id="AE-001", due=SUSAR_DUE),
            {"reports": {"sae-AE-001": ReportRow(due=SAE_DUE), "susar-AE-001": ReportRow(due=SUSAR_DUE)}},
        ),
        (
            {"reports": {"sae-AE-001": ReportRow(due=SAE_DUE), "susar-AE-001": ReportRow(due=SUSAR_DUE)}},
            f.ReportingClockStopped(**SYSTEM, event_id="AE-001", report=ReportKind.SUSAR),
            {"reports": {"sae-AE-001": ReportRow(due=SAE_DUE)}},
        ),
        (
            {"timepoints": (STABLE,)},
            f.ResponseAssessed(**SYSTEM, step="imaging-week-16", timepoint=PARTIAL, best=BEST),
            {"timepoints": (STABLE, PARTIAL), "best_response": BEST},
        ),
        # An earlier timepoint that is judged anew stays in its place.
        (
            {"timepoints": (STABLE, PARTIAL)},
            f.ResponseAssessed(**SYSTEM, step="imaging-week-8", timepoint=PROGRESSED_FIRST, best=BEST),
            {"timepoints": (PROGRESSED_FIRST, PARTIAL), "best_response": BEST},
        ),
        (
            {"deviations": (DEVIATION,)},
            f.DeviationRecorded(**SYSTEM, step="imaging-week-8", deviation=DEVIATION),
            {"deviations": (DEVIATION, DEVIATION)},
        ),
        (
            {"cytokine": VERDICT_GIVE, "cytokine_verdicts": (VERDICT_GIVE,)},
            f.CytokineJudged(**SYSTEM, verdict=VERDICT_HOLD),
            {"cytokine": VERDICT_HOLD, "cytokine_verdicts": (VERDICT_GIVE, VERDICT_HOLD)},
        ),
        ({}, f.RetreatmentJudged(**SYSTEM, verdict=VERDICT_OFFER), {"retreatment": VERDICT_OFFER}),
        (
            {"retreatment_accepted": True},
            f.RetreatmentJudged(**SYSTEM, verdict=VERDICT_OFFER),
            {"retreatment": VERDICT_OFFER, "retreatment_accepted": None},
        ),
        (
            {"retreatment_accepted": False},
            f.RetreatmentJudged(**SYSTEM, verdict=VERDICT_OFFER),
            {"retreatment": VERDICT_OFFER},
        ),
        # What was said of the cycle that begins says nothing of the next one.
        (
            {
                "stage": Stage.FOLLOW_UP,
                "cycles": 1,
                "cycle_depleted_on": CONSENT,
                "retreatment": VERDICT_OFFER,
                "retreatment_accepted": True,
            },
            f.CycleStarted(**SYSTEM, cycle=2, day_zero=DAY, lymphodepletion=True),
            {
                "cycles": 2,
                "cycle_day_zero": DAY,
                "cycle_lymphodepletion": True,
                "cycle_depleted_on": None,
                "stage": Stage.TREATMENT,
                "retreatment": None,
                "retreatment_accepted": None,
            },
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

    with pytest.raises(AssertionError, match="ArmClosed"):
        apply(NEW, fact)


@pytest.mark.parametrize(("number", "name"), [(1, "AE-001"), (42, "AE-042"), (1234, "AE-1234")])
def test_an_adverse_event_is_named_by_its_number(number: int, name: str) -> None:
    """Three digits at least, counted from 1."""
    assert event_id(number) == name


@pytest.mark.parametrize(
    ("name", "index"), [("AE-000", None), ("AE-001", 0), ("AE-002", 1), ("AE-003", None), ("AE-010", None)]
)
def test_an_event_s_id_leads_to_it(name: str, index: int | None) -> None:
    """Of two events there is a first and a second, and no other."""
    assert event_index(NEW.model_copy(update={"adverse_events": (EVENT, WORSE)}), name) == index


def test_a_report_is_kept_by_kind_and_event() -> None:
    """One event may owe several reports."""
    assert report_key("AE-001", ReportKind.SAE) == "sae-AE-001"
    assert report_key("AE-001", ReportKind.SUSAR_FOLLOW_UP) == "susar_follow_up-AE-001"


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


BASELINE = BaselineAssessment(assessed_on=DAY)
FIRST_SCAN = TumourAssessment(assessed_on=date(2026, 3, 10))
SCAN = TumourAssessment(assessed_on=DAY)
SAMPLE = make_sample(make_cells(Antigen.AXL, 0, 0, 0, 100), collected_on=DAY)
REPORT = make_report(SAMPLE).model_copy(update={"reported_on": DAY})
AT = datetime(2026, 3, 20, 12, tzinfo=UTC)
DEPLETED = LymphodepletionGiven(given_at=AT, fludarabine_mg_per_m2=30, cyclophosphamide_mg_per_m2=500)
DAYS_BEFORE = {
    "biopsies": 1,
    "lymphodepletion_on": (date(2026, 3, 19),),
    "infusions": (infusion("U-000"),),
    "infusion_steps": ("infusion-0",),
    "infused_by": ("coordinator-01",),
    "units": ("U-001", "U-002"),
    "responses": (("imaging-week-8", "SD"),),
    "assessments": (FIRST_SCAN,),
    "stage": Stage.LYMPHODEPLETION,
}


@pytest.mark.parametrize(
    ("answer", "changes"),
    [
        (BiopsyDone(collected_on=DAY, sample=SampleType.TISSUE), {"biopsies": 2}),
        (REPORT, {"panel": REPORT}),
        (make_form(assessed_on=DAY), {"eligibility_form": make_form(assessed_on=DAY)}),
        (
            make_check(checked_on=DAY, crs_grade=2, icans_grade=1),
            {"last_toxicity_check": ToxicityCheck(checked_on=DAY, crs_grade=2, icans_grade=1)},
        ),
        (BaselineImaging(baseline=BASELINE), {"baseline": BASELINE}),
        (DEPLETED, {"lymphodepletion_on": (date(2026, 3, 19), DAY)}),
        (
            infusion(),
            {
                "infusions": (infusion("U-000"), infusion()),
                "infusion_steps": ("infusion-0", "infusion-1"),
                "infused_by": ("coordinator-01", "inv-01"),
                "units": ("U-002",),
                "stage": Stage.TREATMENT,
            },
        ),
        (CytokineCourse(administered_on=(date(2026, 3, 18), DAY), million_units_per_m2=1), {}),
        (
            SafetyVisit(visited_on=DAY, crs_grade=1, icans_grade=3),
            {
                "last_safety_visit_on": DAY,
                "last_toxicity_check": ToxicityCheck(checked_on=DAY, crs_grade=1, icans_grade=3),
            },
        ),
        (
            ImagingDone(scanned_on=DAY, response="PR"),
            {"responses": (("imaging-week-8", "SD"), ("infusion-1", "PR")), "imaging_on": {"infusion-1": DAY}},
        ),
        (
            ImagingDone(scanned_on=DAY, assessment=SCAN),
            {"assessments": (FIRST_SCAN, SCAN), "imaging_on": {"infusion-1": DAY}},
        ),
        (GradeQueryAnswered(event_id="AE-001", grade=2, answered_on=DAY, explanation="read again"), {}),
        (RetreatmentDecided(decided_on=DAY, accepted=True), {"retreatment_accepted": True}),
        (RetreatmentDecided(decided_on=DAY, accepted=False), {"retreatment_accepted": False}),
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


ADJUDICATED = DltAdjudication(event_id="AE-002", dose_limiting=True, adjudicated_on=DAY, rationale="clearly related")
SAE = SaeReported(event_id="AE-001", reported_at=AT, reference="SAE-7")
SUSAR = SusarReported(event_id="AE-001", reported_at=AT, reference="SUSAR-7")


def test_an_adjudication_is_kept_by_its_event() -> None:
    """What the committee said of another event stays; the participant's own days do not move."""
    earlier = ADJUDICATED.model_copy(update={"event_id": "AE-001"})
    state = OPENED.model_copy(update={"adjudications": {"AE-001": earlier}})

    told = apply(state, f.TaskAnswered(**PERSON, task_id=TASK.id, answer=ADJUDICATED))

    assert told.adjudications == {"AE-001": earlier, "AE-002": ADJUDICATED}
    assert (told.closed, told.latest_on) == ({TASK.id: TaskEnd.ANSWERED}, CONSENT)


@pytest.mark.parametrize(("answer", "step"), [(SAE, "sae-AE-001"), (SUSAR, "susar-AE-001")])
def test_a_report_that_was_made_stops_its_own_clock(answer: Answer, step: str) -> None:
    """The time of the report stands beside its due time; the other report is still owed."""
    task = make_task(3, step)
    owed = {"sae-AE-001": ReportRow(due=SAE_DUE), "susar-AE-001": ReportRow(due=SUSAR_DUE)}
    state = OPENED.model_copy(update={"tasks": {task.id: task}, "reports": owed})

    told = apply(state, f.TaskAnswered(**PERSON, task_id=task.id, answer=answer))

    made = owed[step].model_copy(update={"reported_at": AT})
    assert told == state.model_copy(
        update={"tasks": {}, "closed": {task.id: TaskEnd.ANSWERED}, "reports": owed | {step: made}}
    )


def test_a_report_that_is_no_longer_owed_may_still_be_made() -> None:
    """Its task closes, and no clock begins."""
    told = apply(OPENED, f.TaskAnswered(**PERSON, task_id=TASK.id, answer=SAE))

    assert (told.reports, told.closed) == ({}, {TASK.id: TaskEnd.ANSWERED})


def test_the_latest_day_never_goes_back() -> None:
    """A result that stems from an earlier day leaves it; a course of nothing has no day."""
    for answer in (
        BiopsyDone(collected_on=CONSENT - timedelta(days=1), sample=SampleType.TISSUE),
        CytokineCourse(million_units_per_m2=0, not_given_reason="CRS grade 1"),
    ):
        assert apply(OPENED, f.TaskAnswered(**PERSON, task_id=TASK.id, answer=answer)).latest_on == CONSENT


@pytest.mark.parametrize(
    ("answer", "day"),
    [
        (BiopsyDone(collected_on=DAY, sample=SampleType.TISSUE), DAY),
        (REPORT, DAY),
        (make_form(assessed_on=DAY), DAY),
        (make_check(checked_on=DAY), DAY),
        (DEPLETED, DAY),
        (infusion(), DAY),
        (CytokineCourse(administered_on=(DAY, date(2026, 3, 18)), million_units_per_m2=1), DAY),
        (CytokineCourse(million_units_per_m2=0, not_given_reason="CRS grade 1"), date.min),
        (SafetyVisit(visited_on=DAY), DAY),
        (ImagingDone(scanned_on=DAY, response="NE"), DAY),
        (StudyEnded(visited_on=DAY, alive=False), DAY),
        (BaselineImaging(baseline=BASELINE), DAY),
        (ADJUDICATED, DAY),
        (SAE, DAY),
        (SUSAR, DAY),
        (GradeQueryAnswered(event_id="AE-001", grade=2, answered_on=DAY, explanation="read again"), DAY),
        (RetreatmentDecided(decided_on=DAY, accepted=True), DAY),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_answer_has_a_day(answer: Answer, day: date) -> None:
    """It is the last one of a course, and of a time the sender's own calendar day."""
    assert answer.happened_on == day


def test_an_answer_that_nobody_knows_is_not_passed_over() -> None:
    """A kind of answer that the fold has not learned stops it, rather than being dropped in silence."""
    unknown: Any = SimpleNamespace(kind="unplanned_visit", happened_on=DAY)

    with pytest.raises(AssertionError, match="unplanned"):
        apply(OPENED, f.TaskAnswered.model_construct(**PERSON, task_id=TASK.id, answer=unknown))


@pytest.mark.parametrize(
    ("step", "day"), [("cycle-1-infusion-1", DAY), ("cycle-1-infusion-2", None), ("infusion-1", None)]
)
def test_a_cycle_s_first_infusion_is_its_day_zero(step: str, day: date | None) -> None:
    """Whatever was planned; the planned infusions and a cycle's later ones do not move it."""
    task = make_task(step=step)
    state = NEW.model_copy(update={"tasks": {task.id: task}})

    assert apply(state, f.TaskAnswered(**PERSON, task_id=task.id, answer=infusion())).cycle_day_zero == day


@pytest.mark.parametrize(
    ("step", "day"),
    [("cycle-1-lymphodepletion-1", DAY), ("cycle-1-lymphodepletion-2", None), ("lymphodepletion-1", None)],
)
def test_a_cycle_remembers_the_first_day_of_its_lymphodepletion(step: str, day: date | None) -> None:
    """The cycle's infusions move with it."""
    task = make_task(step=step)
    state = NEW.model_copy(update={"tasks": {task.id: task}})

    assert apply(state, f.TaskAnswered(**PERSON, task_id=task.id, answer=DEPLETED)).cycle_depleted_on == day


@pytest.mark.parametrize(("cycles", "stage"), [(0, Stage.TREATMENT), (1, Stage.FOLLOW_UP)])
def test_the_scan_after_a_cycle_is_follow_up_again(cycles: int, stage: Stage) -> None:
    """A further cycle runs between two visits, and the next one ends it."""
    task = make_task(step="imaging-week-16")
    state = NEW.model_copy(update={"tasks": {task.id: task}, "cycles": cycles, "stage": Stage.TREATMENT})

    answer = ImagingDone(scanned_on=DAY, response="SD")
    assert apply(state, f.TaskAnswered(**PERSON, task_id=task.id, answer=answer)).stage is stage
