"""
Phase 2 expansion: for each target of an arm, one single-arm trial of the response rate in Simon's two stages.

Simon R. Optimal two-stage designs for phase II clinical trials. Controlled Clinical Trials 1989;10:1-10.
"""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Frozen
from schemas.screening.panel import Antigen

Rate = Annotated[float, Field(gt=0, lt=1, description="A fraction, neither 0 nor 1.")]


class SimonDesign(Frozen):
    """
    Simon's two-stage design, sizes in evaluable participants.

    Futile with `stage_one_futility` (r1) responses or fewer in the first `stage_one_size` (n1), or with
    `total_futility` (r) or fewer in all `total_size` (n); promising with more. `alpha` bounds the probability of
    'promising' at the uninteresting `null_rate` (p0), `beta` that of 'futile' at the desirable `target_rate` (p1);
    `decisions.phase_two.simon.check_design` checks whether they are kept.
    """

    null_rate: Rate
    target_rate: Rate
    alpha: Rate
    beta: Rate
    stage_one_size: int = Field(ge=1, le=500)
    stage_one_futility: int = Field(ge=0)
    total_size: int = Field(ge=2, le=1000)
    total_futility: int = Field(ge=0)
    open_stage_two_early: bool = Field(
        description="Whether stage 2 may open with more than r1 responses before n1 are evaluable: the rest of stage 1 "
        "cannot undo the responses, so alpha and beta are the same either way."
    )

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if self.target_rate <= self.null_rate:
            raise ValueError(f"target_rate {self.target_rate:g} must be above null_rate {self.null_rate:g}")
        if self.total_size <= self.stage_one_size:
            raise ValueError(f"total_size {self.total_size} must be above stage_one_size {self.stage_one_size}")
        if self.stage_one_futility >= self.stage_one_size:
            raise ValueError(
                f"stage_one_futility {self.stage_one_futility} must be below stage_one_size {self.stage_one_size}"
            )
        between = self.total_futility - self.stage_one_futility
        if not 0 <= between <= self.total_size - self.stage_one_size:
            raise ValueError(
                f"total_futility {self.total_futility} must be at least stage_one_futility {self.stage_one_futility}, "
                f"and above it by no more than the {self.total_size - self.stage_one_size} of stage 2"
            )
        return self


class ResponseStatus(StrEnum):
    """The status of a place's participant for the response rate."""

    GIVEN = "given"
    DOSED = "dosed"
    RESPONDER = "responder"
    NON_RESPONDER = "non_responder"
    NOT_EVALUABLE = "not_evaluable"


ResponseOutcome = Literal[ResponseStatus.RESPONDER, ResponseStatus.NON_RESPONDER, ResponseStatus.NOT_EVALUABLE]


class ExpansionPlace(Frozen):
    """A place that was given out; it is never removed."""

    subject: str
    status: ResponseStatus = ResponseStatus.GIVEN
    first_infused_on: date | None = None


class ExpansionDecision(StrEnum):
    """
    What was decided on a target.

    After `EFFICACIOUS` places are given on up to the total size, since the design does not stop early for a high rate
    (Simon 1989); `FUTILE` and `COMPLETE` give out no more.
    """

    OPEN = "open"
    FUTILE = "futile"
    EFFICACIOUS = "efficacious"
    COMPLETE = "complete"


class ExpansionState(Frozen):
    """The expansion for one target; `places` in the order in which they were given."""

    target: tuple[Antigen, ...] = Field(min_length=1)
    stage: Literal[1, 2] = 1
    places: tuple[ExpansionPlace, ...] = ()
    decided: ExpansionDecision = ExpansionDecision.OPEN


class ResponseTally(Frozen):
    """
    Counts of participants against a size of the design.

    `evaluable`, `responses` and `pending` (place given, response open) are among the first `size` that are not 'not
    evaluable'; those after them are `beyond` and count for no boundary. `not_evaluable` are replaced.
    """

    size: int
    evaluable: int
    responses: int
    pending: int
    beyond: int
    not_evaluable: int


class ExpansionAction(StrEnum):
    """What the design does next with a target."""

    CONTINUE_STAGE_ONE = "continue_stage_one"
    AWAIT_STAGE_ONE = "await_stage_one"
    OPEN_STAGE_TWO = "open_stage_two"
    CONTINUE_STAGE_TWO = "continue_stage_two"
    AWAIT_STAGE_TWO = "await_stage_two"
    STOP_FOR_FUTILITY = "stop_for_futility"
    PROMISING = "promising"


class ExpansionVerdict(Frozen):
    """The design's verdict on a target, why, and on which counts of either stage."""

    target: tuple[Antigen, ...]
    action: ExpansionAction
    why: str
    stage_one: ResponseTally
    total: ResponseTally
