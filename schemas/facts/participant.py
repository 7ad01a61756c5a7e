"""Facts of a participant."""

from datetime import date
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import ArmId
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.facts.shared import (
    Fact,
    HoldLifted,
    HoldPlaced,
    Refused,
    TaskAnswered,
    TaskClosed,
    TaskEscalated,
    TaskOpened,
    TaskReminded,
)
from schemas.protocol import ArmKind, ProtocolReference
from schemas.response.tumour import BestResponse, TimepointResponse
from schemas.safety.reports import DltFinding, FieldChange, ReportDue, ReportKind
from schemas.safety.toxicity import ComputedGrade
from schemas.screening.eligibility import EligibilityVerdict
from schemas.screening.panel import AntigenProfile
from schemas.state.participant import Slot, Target
from schemas.treatment.support import Deviation, SupportVerdict


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
    """The arm gives out no more slots; the participant is assigned again."""

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
    """The rule gave a new finding on whether an event is dose-limiting."""

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
    """The cytokine rules gave a new verdict."""

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
