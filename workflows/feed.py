"""What a workflow notes in its history is handed to the process that it runs in: to a worker, or to an auditor."""

from collections.abc import Callable
from typing import Any, Protocol

from temporalio import workflow
from temporalio.worker import (
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from schemas.messages import Publication

Take = Callable[[Publication], None]


class KeepsJournal(Protocol):
    """A workflow whose journal hands on what it notes."""

    def hand_to(self, take: Take) -> None:
        """See Journal."""


class Feed(Interceptor):
    """
    Hands on what the workflows of a worker note, from their threads.

    A worker hears only what is new: what a replay brings was handed on before (`projection` sees to what got lost).
    """

    def __init__(self, take: Take, *, replays: bool = False) -> None:
        """`replays` says whether to hand on what is replayed, too."""
        self._take = take if replays else _only_new(take)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK names it so
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        take = self._take

        class Inbound(WorkflowInboundInterceptor):
            async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:  # noqa: A002, ANN401
                keeper: KeepsJournal = workflow.instance()
                keeper.hand_to(take)
                return await super().execute_workflow(input)

        return Inbound


def _only_new(take: Take) -> Take:
    def take_if_new(publication: Publication) -> None:
        if not workflow.unsafe.is_replaying():
            take(publication)

    return take_if_new
