"""Tasks for people, as the worklist shows them."""

from enum import StrEnum

from pydantic import AwareDatetime, Field

from schemas.base import Frozen, Role


class TaskKind(StrEnum):
    """The steps of the schedule at which a person acts."""

    BIOPSY = "biopsy"
    ANTIGEN_PANEL = "antigen_panel"
    ELIGIBILITY = "eligibility"
    TREATMENT_CHECK = "treatment_check"
    LYMPHODEPLETION = "lymphodepletion"
    INFUSION = "infusion"
    CYTOKINE_COURSE = "cytokine_course"
    SAFETY = "safety"
    IMAGING = "imaging"
    END_OF_STUDY = "end_of_study"
    COMMITTEE_DECISION = "committee_decision"
    BASELINE_IMAGING = "baseline_imaging"
    DLT_ADJUDICATION = "dlt_adjudication"
    GRADE_QUERY = "grade_query"
    SAE_REPORT = "sae_report"
    SUSAR_REPORT = "susar_report"
    RETREATMENT = "retreatment"


class Task(Frozen):
    """
    One piece of work with its times (UTC).

    `expires_at` is the close of the visit's window: then an answer is refused and the schedule goes on without it.
    """

    id: str = Field(description="'<subject or arm>:<number>-<step>', such as 'CN01-001:07-infusion-1'.")
    kind: TaskKind
    step: str
    title: str
    role: Role
    opened_at: AwareDatetime
    due_at: AwareDatetime
    escalate_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    reminded: bool = False
    escalated: bool = False
    detail: dict[str, str] = Field(default_factory=dict, description="What to do: doses, units, planned day.")


class TaskPlan(Frozen):
    """What a step of the schedule asks of a person; times are UTC."""

    kind: TaskKind
    step: str = Field(description="The step of the schedule, such as 'infusion-1': a part of the task's id.")
    title: str
    due_at: AwareDatetime | None = Field(default=None, description="None: the protocol's days for this kind.")
    expires_at: AwareDatetime | None = Field(default=None, description="The close of the visit's window, if any.")
    detail: dict[str, str] = Field(default_factory=dict, description="What to do: doses, units, planned day.")
    why: str | None = Field(default=None, description="Why it is asked; None: by the schedule of activities.")


class TaskEnd(StrEnum):
    """How a task left the worklist."""

    ANSWERED = "answered"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
