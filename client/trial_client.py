"""The typed client of a study's workflows: one call for each command of a person."""

import asyncio
import uuid

from pydantic import BaseModel
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from decisions.commands.checks import wrong_role
from decisions.commands.refusals import unnamed_error
from decisions.commands.study_refusals import study_already_started
from schemas import names
from schemas.base import Role
from schemas.commands import commands as c
from schemas.problem import Problem

NOT_READY = "NotReady"
PASSING = (
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.ABORTED,
    RPCStatusCode.UNAVAILABLE,
)
"""A workflow takes ten updates at a time, drops them when a worker dies, and takes none before it starts."""
HAS_ENDED = ("already completed", "aborted by closing workflow")
"""What Temporal says of a workflow that has ended, or ended while a command was on its way."""
NOT_READY_ATTEMPTS = 60
NOT_READY_PAUSE_SECONDS = 0.1


class RefusedError(Exception):
    """A workflow refused a command; `problem` says which field, value and rule."""

    def __init__(self, problem: Problem) -> None:
        """Keep the problem."""
        super().__init__(problem.message())
        self.problem = problem


class UnknownError(Exception):
    """There is no such study, arm or subject."""


class NotReadyError(Exception):
    """A workflow does not take commands now; nothing was changed."""


class TrialClient:
    """Sends commands to the workflows of one study."""

    def __init__(self, client: Client, study: str) -> None:
        """Use the client; the study need not exist yet."""
        self.temporal = client
        self.study = study
        self.accepted: dict[str, int] = {}
        """The number of the latest fact that a command of this client has recorded, by workflow."""

    async def start_study(self, command: c.StartStudy) -> str:
        """Start the study; its id can be used once, for ever."""
        workflow_id = names.study_id(command.study)
        problem = wrong_role("envelope.role", command.envelope.role, Role.OPERATIONS)
        if problem is not None:
            raise RefusedError(problem)
        try:
            await self.temporal.start_workflow(
                "StudyWorkflow",
                args=[command, None],
                id=workflow_id,
                task_queue=names.TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            )
        except WorkflowAlreadyStartedError:
            raise RefusedError(study_already_started(command.study)) from None
        return workflow_id

    async def enroll(self, command: c.Enroll) -> c.Accepted:
        """Enrol a participant."""
        return await self._send(names.study_id(self.study), "enroll", command)

    async def hold(self, command: c.Hold) -> c.Accepted:
        """Hold an arm or the study."""
        return await self._send(names.study_id(self.study), "hold", command)

    async def lift_hold(self, command: c.LiftHold) -> c.Accepted:
        """Lift a hold."""
        return await self._send(names.study_id(self.study), "lift_hold", command)

    async def answer_task(self, subject: str, command: c.AnswerTask) -> c.Accepted:
        """Answer a participant's task."""
        return await self._send(names.participant_id(self.study, subject), "answer_task", command)

    async def report_adverse_event(self, subject: str, command: c.ReportAdverseEvent) -> c.Accepted:
        """Report an adverse event."""
        return await self._send(names.participant_id(self.study, subject), "report_adverse_event", command)

    async def amend_adverse_event(self, subject: str, command: c.AmendAdverseEvent) -> c.Accepted:
        """Replace an adverse event by a new version."""
        return await self._send(names.participant_id(self.study, subject), "amend_adverse_event", command)

    async def end_participation(self, subject: str, command: c.EndParticipation) -> c.Accepted:
        """End a participation early."""
        return await self._send(names.participant_id(self.study, subject), "end_participation", command)

    async def decide(self, arm: str, command: c.Decide) -> c.Accepted:
        """Decide on an arm's cohort."""
        return await self._send(names.arm_id(self.study, arm), "decide", command)

    async def change_delegation(self, command: c.ChangeDelegation) -> c.Accepted:
        """Delegate a role to a person, or take it back."""
        return await self._send(names.study_id(self.study), "change_delegation", command)

    async def _send(self, workflow_id: str, update: str, command: BaseModel) -> c.Accepted:
        # The id makes every retry land on the same update: a command takes effect once, however often it is tried.
        # Only an update that found its workflow not ready gets a new one: its outcome is kept under the old.
        update_id = uuid.uuid4().hex
        for attempt in range(NOT_READY_ATTEMPTS):
            try:
                accepted: c.Accepted = await self.temporal.get_workflow_handle(workflow_id).execute_update(
                    update, command, id=update_id, result_type=c.Accepted
                )
                self.accepted[workflow_id] = max(accepted.sequence, self.accepted.get(workflow_id, 0))
                return accepted
            except WorkflowUpdateFailedError as failed:
                error = refusal(failed)
                if error is None:
                    raise
                if error.type != NOT_READY:
                    raise RefusedError(_problem(error)) from None
                update_id = uuid.uuid4().hex
            except RPCError as error:
                if error.status not in PASSING:
                    raise self._unknown(workflow_id, error) from None
            await asyncio.sleep(min(attempt + 1, 10) * NOT_READY_PAUSE_SECONDS)
        raise NotReadyError(f"{workflow_id} did not become ready to take {update}; nothing was changed, try again")

    def _unknown(self, workflow_id: str, error: RPCError) -> Exception:
        if error.status is not RPCStatusCode.NOT_FOUND:
            return error
        what = workflow_id.replace("/", " ")
        if any(said in error.message for said in HAS_ENDED):
            return UnknownError(f"{what}: has ended; nothing more can be sent to it")
        return UnknownError(f"{what}: not known to this server and namespace")


def refusal(failed: WorkflowUpdateFailedError) -> ApplicationError | None:
    """Return the named error behind a failed update."""
    cause = failed.cause
    return cause if isinstance(cause, ApplicationError) else None


def _problem(error: ApplicationError) -> Problem:
    if error.details:
        return Problem.model_validate(error.details[0])
    return unnamed_error(error.message)
