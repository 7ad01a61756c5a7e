"""
Facts: what happened, in the past tense. State is a fold over them, and nothing else.

Every fact says when it was recorded (`at`, the workflow's clock, UTC, whole seconds), who it comes from and in which
role, and why. A person's fact carries that person's reason; a fact of the system names the rule that made it.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from schemas.answers import Answer
from schemas.base import ArmId, Frozen, Role
from schemas.commands import AdverseEvent, DecisionAction, EndReason, Signature
from schemas.eligibility import EligibilityVerdict
from schemas.expansion import ExpansionDecision, ExpansionVerdict, ResponseOutcome
from schemas.outcome import Disposition, DltStatus
from schemas.panel import AntigenProfile
from schemas.problem import Problem
from schemas.protocol import ArmKind, ProtocolReference
from schemas.safety import DltFinding, FieldChange, ReportDue, ReportKind
from schemas.states import Recommendation, Slot, Target
from schemas.stopping import StoppingFinding
from schemas.summary import Finding, SafetySummary
from schemas.support import Deviation, SupportVerdict
from schemas.task import Task, TaskEnd
from schemas.toxicity import ComputedGrade
from schemas.tumour import BestResponse, TimepointResponse


class Fact(Frozen):
    """What every fact says."""

    at: AwareDatetime
    who: str
    role: Role
    why: str


class ParticipantEnrolled(Fact):
    """Informed consent was signed and the participant's workflow began."""

    kind: Literal["participant_enrolled"] = "participant_enrolled"
    study: str
    subject: str
    site: str
    consent_signed_on: date
    consent_version: str
    age_years: int
    protocol: ProtocolReference


class TaskOpened(Fact):
    """A person is asked to act."""

    kind: Literal["task_opened"] = "task_opened"
    task: Task


class TaskReminded(Fact):
    """A task came due without an answer."""

    kind: Literal["task_reminded"] = "task_reminded"
    task_id: str


class TaskEscalated(Fact):
    """A task stayed without an answer: trial operations are told."""

    kind: Literal["task_escalated"] = "task_escalated"
    task_id: str


class TaskAnswered(Fact):
    """A person answered; the task leaves the worklist."""

    kind: Literal["task_answered"] = "task_answered"
    task_id: str
    answer: Answer


class TaskClosed(Fact):
    """A task left the worklist without an answer."""

    kind: Literal["task_closed"] = "task_closed"
    task_id: str
    end: TaskEnd


class AntigensProfiled(Fact):
    """The panel was judged."""

    kind: Literal["antigens_profiled"] = "antigens_profiled"
    profile: AntigenProfile


class EligibilityJudged(Fact):
    """All 18 criteria were judged."""

    kind: Literal["eligibility_judged"] = "eligibility_judged"
    verdict: EligibilityVerdict


class Assigned(Fact):
    """The participant was assigned to an arm and target."""

    kind: Literal["assigned"] = "assigned"
    arm: ArmId
    arm_kind: ArmKind
    target: Target


class ArmRefused(Fact):
    """The arm gives out no more slots; another is looked for."""

    kind: Literal["arm_refused"] = "arm_refused"
    arm: ArmId


class SlotGranted(Fact):
    """The arm gave a slot in its cohort at its open dose level."""

    kind: Literal["slot_granted"] = "slot_granted"
    slot: Slot


class SlotReturned(Fact):
    """The slot went back to the arm unused."""

    kind: Literal["slot_returned"] = "slot_returned"


class ProductReserved(Fact):
    """Units are kept for this participant, in the order of infusion."""

    kind: Literal["product_reserved"] = "product_reserved"
    units: tuple[str, ...]
    lots: tuple[str, ...]


class ProductAwaited(Fact):
    """The bank has no fitting units now."""

    kind: Literal["product_awaited"] = "product_awaited"


class ProductReturned(Fact):
    """Units that were not infused went back to the bank."""

    kind: Literal["product_returned"] = "product_returned"
    units: tuple[str, ...]


class DayZeroPlanned(Fact):
    """The day of the first infusion was planned (or moved by a delay)."""

    kind: Literal["day_zero_planned"] = "day_zero_planned"
    day_zero: date


class TreatmentChecked(Fact):
    """The treatment criteria were judged before a step."""

    kind: Literal["treatment_checked"] = "treatment_checked"
    step: str
    go: bool
    failed: tuple[str, ...] = ()


class StepSkipped(Fact):
    """A step of the schedule was not done within its window."""

    kind: Literal["step_skipped"] = "step_skipped"
    step: str


class TreatmentStopped(Fact):
    """No further study treatment is given; observation goes on."""

    kind: Literal["treatment_stopped"] = "treatment_stopped"


class AdverseEventReported(Fact):
    """An adverse event was reported."""

    kind: Literal["adverse_event_reported"] = "adverse_event_reported"
    event: AdverseEvent
    event_id: str | None = Field(default=None, description="'AE-001' for a participant's first, and so on.")
    computed: ComputedGrade | None = None


class AdverseEventAmended(Fact):
    """An adverse event got a new version; the changes keep the old values."""

    kind: Literal["adverse_event_amended"] = "adverse_event_amended"
    event_id: str
    version: int
    event: AdverseEvent
    changes: tuple[FieldChange, ...]
    computed: ComputedGrade | None = None


class DltFindingMade(Fact):
    """The rule was asked whether an event is dose-limiting, and its answer is new."""

    kind: Literal["dlt_finding_made"] = "dlt_finding_made"
    event_id: str
    finding: DltFinding


class ReportingClockStarted(Fact):
    """A report to the sponsor or the authority became due."""

    kind: Literal["reporting_clock_started"] = "reporting_clock_started"
    event_id: str
    due: ReportDue


class ReportingClockStopped(Fact):
    """A report is no longer due: the event was amended so that none is."""

    kind: Literal["reporting_clock_stopped"] = "reporting_clock_stopped"
    event_id: str
    report: ReportKind


class ResponseAssessed(Fact):
    """The response at a timepoint and the best overall response so far, by RECIST 1.1."""

    kind: Literal["response_assessed"] = "response_assessed"
    step: str
    timepoint: TimepointResponse
    best: BestResponse


class DeviationRecorded(Fact):
    """A visit was missed or done out of its window."""

    kind: Literal["deviation_recorded"] = "deviation_recorded"
    step: str
    deviation: Deviation


class CytokineJudged(Fact):
    """Whether cytokines may be given was judged anew."""

    kind: Literal["cytokine_judged"] = "cytokine_judged"
    verdict: SupportVerdict


class RetreatmentJudged(Fact):
    """Whether a further cycle may be offered was judged."""

    kind: Literal["retreatment_judged"] = "retreatment_judged"
    verdict: SupportVerdict


class CycleStarted(Fact):
    """A further cycle of infusions begins; `day_zero` is its first infusion's planned day."""

    kind: Literal["cycle_started"] = "cycle_started"
    cycle: int
    day_zero: date
    lymphodepletion: bool


class DltJudged(Fact):
    """The participant's outcome for the dose decision."""

    kind: Literal["dlt_judged"] = "dlt_judged"
    status: DltStatus


class HoldPlaced(Fact):
    """No infusion starts while it holds; `scope` is 'study' or the arm."""

    kind: Literal["hold_placed"] = "hold_placed"
    scope: str
    rule: str | None = Field(default=None, description="The stopping rule that placed it.")


class HoldLifted(Fact):
    """A hold ended."""

    kind: Literal["hold_lifted"] = "hold_lifted"
    scope: str
    signature: Signature | None = None


class Refused(Fact):
    """A command was refused by a rule; nothing else changed."""

    kind: Literal["refused"] = "refused"
    command: str
    problem: Problem


class EndRequested(Fact):
    """Participation ends early."""

    kind: Literal["end_requested"] = "end_requested"
    reason: EndReason
    occurred_on: date


class ParticipationEnded(Fact):
    """The participant's named final state."""

    kind: Literal["participation_ended"] = "participation_ended"
    disposition: Disposition


ParticipantFact = Annotated[
    ParticipantEnrolled
    | TaskOpened
    | TaskReminded
    | TaskEscalated
    | TaskAnswered
    | TaskClosed
    | AntigensProfiled
    | EligibilityJudged
    | Assigned
    | ArmRefused
    | SlotGranted
    | SlotReturned
    | ProductReserved
    | ProductAwaited
    | ProductReturned
    | DayZeroPlanned
    | TreatmentChecked
    | StepSkipped
    | TreatmentStopped
    | AdverseEventReported
    | AdverseEventAmended
    | DltFindingMade
    | ReportingClockStarted
    | ReportingClockStopped
    | ResponseAssessed
    | DeviationRecorded
    | CytokineJudged
    | RetreatmentJudged
    | CycleStarted
    | DltJudged
    | HoldPlaced
    | HoldLifted
    | Refused
    | EndRequested
    | ParticipationEnded,
    Field(discriminator="kind"),
]


class ArmOpened(Fact):
    """The arm opened at its starting dose level."""

    kind: Literal["arm_opened"] = "arm_opened"
    level: int


class SlotRequested(Fact):
    """A participant waits for a slot."""

    kind: Literal["slot_requested"] = "slot_requested"
    subject: str
    target: Target | None = None


class SlotGiven(Fact):
    """A slot was given to a participant."""

    kind: Literal["slot_given"] = "slot_given"
    slot: Slot
    subject: str


class SlotGivenBack(Fact):
    """A participant left before dosing; the slot is free again."""

    kind: Literal["slot_given_back"] = "slot_given_back"
    subject: str
    occurred_on: date | None = None


class FirstDoseReported(Fact):
    """A participant of the cohort received the first infusion."""

    kind: Literal["first_dose_reported"] = "first_dose_reported"
    subject: str
    infused_on: date


class StaggerCleared(Fact):
    """The cohort's first participant was observed long enough for the others to be dosed."""

    kind: Literal["stagger_cleared"] = "stagger_cleared"
    subject: str
    occurred_on: date | None = None


class OutcomeReported(Fact):
    """A participant's DLT outcome."""

    kind: Literal["outcome_reported"] = "outcome_reported"
    subject: str
    status: DltStatus
    occurred_on: date | None = None


class SafetyTold(Fact):
    """A participant's workflow told what is known of the participant's safety."""

    kind: Literal["safety_told"] = "safety_told"
    summary: SafetySummary
    arm: ArmId | None = Field(default=None, description="Whose participant it is, told to the study.")
    phase: Literal[1, 2] = 1


class DecisionReopened(Fact):
    """News put an earlier decision in question: what it went by, and what is known now."""

    kind: Literal["decision_reopened"] = "decision_reopened"
    finding: Finding


class DecisionReviewed(Fact):
    """The committee has reviewed what was reopened."""

    kind: Literal["decision_reviewed"] = "decision_reviewed"
    cohort: int


class StoppingRuleFired(Fact):
    """A stopping rule of the protocol fired."""

    kind: Literal["stopping_rule_fired"] = "stopping_rule_fired"
    finding: StoppingFinding


class DelegationChanged(Fact):
    """A role was delegated to a person, or taken back."""

    kind: Literal["delegation_changed"] = "delegation_changed"
    person: str
    delegated_role: Role
    delegated: bool


class ExpansionOpened(Fact):
    """Phase 2 opened at the RP2D, a Simon two-stage trial for each target."""

    kind: Literal["expansion_opened"] = "expansion_opened"
    level: int
    targets: tuple[Target, ...]


class ResponseTold(Fact):
    """A participant's response, for the expansion's count."""

    kind: Literal["response_told"] = "response_told"
    subject: str
    target: Target
    outcome: ResponseOutcome
    occurred_on: date | None = None


class ExpansionJudged(Fact):
    """The two-stage rule was asked, and its answer is new; `decided` is where the target stands after it."""

    kind: Literal["expansion_judged"] = "expansion_judged"
    verdict: ExpansionVerdict
    decided: ExpansionDecision = ExpansionDecision.OPEN
    arm: ArmId | None = Field(default=None, description="Whose target it is, told to the study.")


class DecisionAsked(Fact):
    """The cohort's window has closed for all: the SRC is asked, with the rule's recommendation and its data."""

    kind: Literal["decision_asked"] = "decision_asked"
    cohort: int
    recommendation: Recommendation


class Decided(Fact):
    """The SRC decided."""

    kind: Literal["decided"] = "decided"
    cohort: int
    from_level: int
    action: DecisionAction
    level: int | None = None
    recommended: DecisionAction
    signature: Signature | None = None


class ArmClosed(Fact):
    """The arm gives out no more slots: its escalation has ended, or its expansion where there is one."""

    kind: Literal["arm_closed"] = "arm_closed"
    rp2d_level: int | None = None
    arm: ArmId | None = Field(default=None, description="Which arm it is, told to the study.")


ArmFact = Annotated[
    ArmOpened
    | SlotRequested
    | SlotGiven
    | SlotGivenBack
    | FirstDoseReported
    | StaggerCleared
    | OutcomeReported
    | SafetyTold
    | DecisionReopened
    | DecisionReviewed
    | StoppingRuleFired
    | DelegationChanged
    | ExpansionOpened
    | ResponseTold
    | ExpansionJudged
    | TaskOpened
    | TaskReminded
    | TaskEscalated
    | TaskClosed
    | DecisionAsked
    | Decided
    | ArmClosed
    | HoldPlaced
    | HoldLifted
    | Refused,
    Field(discriminator="kind"),
]


class StudyStarted(Fact):
    """The study began under a protocol."""

    kind: Literal["study_started"] = "study_started"
    study: str
    protocol: ProtocolReference


class SubjectEnrolled(Fact):
    """A participant's workflow was started."""

    kind: Literal["subject_enrolled"] = "subject_enrolled"
    subject: str


class SubjectEnded(Fact):
    """A participant reached a final state."""

    kind: Literal["subject_ended"] = "subject_ended"
    subject: str
    disposition: Disposition


class ArmDecided(Fact):
    """An arm's SRC decision reached the study."""

    kind: Literal["arm_decided"] = "arm_decided"
    arm: str
    cohort: int
    action: DecisionAction
    level: int | None = None
    rp2d_level: int | None = None
    phase: Literal[1, 2] = Field(default=1, description="The arm's phase after the decision.")


StudyFact = Annotated[
    StudyStarted
    | SubjectEnrolled
    | SubjectEnded
    | ArmDecided
    | ExpansionJudged
    | ArmClosed
    | SafetyTold
    | StoppingRuleFired
    | DelegationChanged
    | HoldPlaced
    | HoldLifted
    | Refused,
    Field(discriminator="kind"),
]

AnyFact = Annotated[ParticipantFact | ArmFact | StudyFact, Field(discriminator="kind")]
