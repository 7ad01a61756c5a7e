"""How things end for a participant: the named final states, and the part in the dose decision."""

from enum import StrEnum


class Disposition(StrEnum):
    """The named final states."""

    COMPLETED = "completed"
    SCREEN_FAILURE = "screen_failure"
    NOT_TREATED = "not_treated"
    WITHDRAWN = "withdrawn"
    DIED = "died"
    LOST_TO_FOLLOW_UP = "lost_to_follow_up"
    DISCONTINUED = "discontinued"


class DltStatus(StrEnum):
    """A participant's part in the dose decision (docs/domain.md, section 3)."""

    DLT = "dlt"
    NO_DLT = "no_dlt"
    NOT_EVALUABLE = "not_evaluable"
