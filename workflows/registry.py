"""Every kind of workflow that a worker runs and an auditor replays."""

from workflows.arm.workflow import ArmWorkflow
from workflows.participant.workflow import ParticipantWorkflow
from workflows.study.workflow import StudyWorkflow

WORKFLOWS: tuple[type, ...] = (ParticipantWorkflow, ArmWorkflow, StudyWorkflow)
