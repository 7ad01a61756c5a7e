"""The refusal of a command, as its sender gets it; the constructors are in `decisions/`, by topic."""

from enum import StrEnum

from schemas.base import Frozen


class ProblemType(StrEnum):
    """The names that callers can match; each is the `type` of an `ApplicationError`."""

    INVALID_INPUT = "InvalidInput"
    OUT_OF_RANGE = "OutOfRange"
    WRONG_UNIT = "WrongUnit"
    DATE_IN_FUTURE = "DateInFuture"
    DATE_BEFORE_STEP = "DateBeforeStep"
    UNKNOWN_TASK = "UnknownTask"
    TASK_ALREADY_CLOSED = "TaskAlreadyClosed"
    ANSWER_AFTER_WINDOW = "AnswerAfterWindow"
    WRONG_ROLE = "WrongRole"
    DOSE_OUT_OF_RULE = "DoseOutOfRule"
    WRONG_PRODUCT = "WrongProduct"
    ON_HOLD = "OnHold"
    PARTICIPATION_ENDED = "ParticipationEnded"
    SUBJECT_ALREADY_ENROLLED = "SubjectAlreadyEnrolled"
    UNKNOWN_ARM = "UnknownArm"
    WINDOW_OPEN = "WindowOpen"
    NO_DECISION_DUE = "NoDecisionDue"
    LESS_CAUTIOUS_THAN_RULE = "LessCautiousThanRule"
    REASON_REQUIRED = "ReasonRequired"
    NOTHING_TO_LIFT = "NothingToLift"
    UNKNOWN_EVENT = "UnknownEvent"
    VERSION_CHANGED = "VersionChanged"
    SIGNATURE_REQUIRED = "SignatureRequired"
    NOT_DELEGATED = "NotDelegated"
    PACKET_CHANGED = "PacketChanged"
    OPEN_CANDIDATE = "OpenCandidate"


class Problem(Frozen):
    """A refusal: the field, its value, the rule that it breaks, and what would be accepted."""

    type: ProblemType
    field: str
    value: str
    rule: str
    expected: str

    def message(self) -> str:
        """Return the refusal as one sentence."""
        return f"{self.field} = {self.value}: {self.rule}; expected {self.expected}"
