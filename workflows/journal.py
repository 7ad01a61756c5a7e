"""A workflow's facts: recorded in memory, folded into state, and published before the workflow waits."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar, cast

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.workflow import ActivityHandle

from schemas import names
from schemas.base import Role
from schemas.commands import Accepted, Envelope
from schemas.facts import AnyFact, HoldLifted, HoldPlaced, Refused, TaskAnswered, TaskClosed
from schemas.messages import HoldChange, Publication, SlowPublication
from schemas.problem import Problem
from workflows.transactions import leave, transact

State = TypeVar("State")
SomeFact = TypeVar("SomeFact")
KEPT = 20
"""So many of the latest publications are kept: one that was too slow comes back with the next workflow task."""


class Journal(Generic[State, SomeFact]):
    """
    The only way in which a workflow's state changes.

    Recording is synchronous, so that a handler's check and its fact cannot be torn apart by another handler.

    With `beside` publishing is left to the workflow task in which it is asked for, and the workflow goes on at once
    (ADR 0016). Without, as in workflows of earlier revisions, it is waited for, and facts that arrive meanwhile are
    published by the next call.
    """

    def __init__(
        self,
        *,
        study: str,
        owner: str,
        state: State,
        apply: Callable[[State, SomeFact], State],
        sequence: int,
        beside: bool = False,
    ) -> None:
        """Continue a journal whose first `sequence` facts are published already."""
        self.state = state
        self.sequence = sequence
        self.beside = beside
        self._study = study
        self._owner = owner
        self._apply = apply
        self._unpublished: list[SomeFact] = []
        self._announced: datetime | None = None
        self._under_way: list[ActivityHandle[RawValue]] = []
        self._number = 0
        self._left: dict[int, Publication] = {}
        # Two publishers at once would publish the same facts in one history twice.
        self._publishing = asyncio.Lock()

    @property
    def unpublished(self) -> bool:
        """Whether facts wait to be published."""
        return bool(self._unpublished)

    @property
    def answers_unpublished(self) -> bool:
        """Whether people still see a task that is answered or closed."""
        return any(isinstance(fact, TaskAnswered | TaskClosed) for fact in self._unpublished)

    def begin(self, fact: SomeFact) -> None:
        """Note the fact from which the state was made."""
        self._unpublished.append(fact)
        self.sequence += 1

    def record(self, fact: SomeFact) -> Accepted:
        """Fold a fact into the state."""
        self.state = self._apply(self.state, fact)
        self._unpublished.append(fact)
        self.sequence += 1
        return Accepted(workflow_id=workflow.info().workflow_id, sequence=self.sequence, message=_kind(fact))

    def refuse(self, envelope: Envelope, command: str, problem: Problem) -> ApplicationError:
        """Record a refusal that an auditor must find; return the named error to raise."""
        fact: Any = Refused(
            at=now(), who=envelope.person, role=envelope.role, why=problem.rule, command=command, problem=problem
        )
        self.record(fact)
        return problem_error(problem)

    async def publish(self, next_at: datetime | None = None) -> None:
        """
        Publish what is unpublished, in order, and when the workflow acts next by itself.

        A crash after the transaction publishes the same facts again; the ledger passes over what it has.
        """
        if self.beside:
            if self._unpublished or next_at != self._announced:
                self._leave(next_at)
            return
        async with self._publishing:
            while self._unpublished or next_at != self._announced:
                self._announced = next_at
                await self._publish_batch()

    async def publish_before_leaving(self) -> None:
        """Publish before awaiting something else than people or time: nobody may see an answered task meanwhile."""
        if self.beside:
            if self._unpublished:
                self._leave(None)
            return
        async with self._publishing:
            while self._unpublished:
                self._announced = None
                await self._publish_batch()

    async def settle(self) -> None:
        """
        Publish all that is left before the run ends, and wait until it and everything before it is published.

        By an activity: its end is an event, so that it comes in the same order when the history is replayed.
        """
        if not self.beside:
            await self.publish_before_leaving()
            return
        self._announced = None
        await self._publish_by_activity(self._numbered())

    async def publish_again(self, slow: SlowPublication) -> None:
        """
        Have a publication made by an activity that was left to a workflow task, and was too slow for it.

        What is published is what this run left under that number: a signal of an attempt that died, or of a run that
        was reset, cannot bring back what the history does not have.
        """
        publication = self._left.get(slow.number)
        if publication is not None and slow.run_id == workflow.info().run_id:
            await self._publish_by_activity(publication)

    async def _publish_by_activity(self, publication: Publication) -> None:
        try:
            await transact(names.PUBLISH_FACTS, publication)
        except ActivityError as error:
            if not isinstance(error.cause, ApplicationError) or error.cause.type != names.EARLIER_FACTS_MISSING:
                raise
            # Nothing else can bring them, and the workflow must go on: all that is known here is published once more.
            for known in (*self._left.values(), publication):
                await transact(names.PUBLISH_FACTS, known.model_copy(update={"over_gap": True}))

    async def come_to_rest(self) -> None:
        """
        Wait until all that was left is published, before the workflow ends.

        Only after something else was waited for whose end is an event: then what was left has mostly ended with an
        earlier task. Were it under way when the workflow ends, the SDK would cancel it.
        """
        await workflow.wait_condition(lambda: all(publication.done() for publication in self._under_way))

    def _leave(self, next_at: datetime | None) -> None:
        self._announced = next_at
        publication = self._numbered()
        self._left[self._number] = publication
        self._left.pop(self._number - KEPT, None)
        if next_at is None:
            # A question may end this task here. Had it no event, a replay would take it and the next one as one; where
            # a moment is waited for, its timer is that event (ADR 0016).
            workflow.upsert_memo({"facts": self.sequence})
        self._under_way = [left for left in self._under_way if not left.done()]
        self._under_way.append(leave(names.PUBLISH_FACTS, publication))

    def _numbered(self) -> Publication:
        self._number += 1
        return self._publication(self._take()).model_copy(update={"number": self._number})

    def _take(self) -> tuple[SomeFact, ...]:
        batch, self._unpublished = tuple(self._unpublished), []
        return batch

    async def _publish_batch(self) -> None:
        batch = tuple(self._unpublished)
        await transact(names.PUBLISH_FACTS, self._publication(batch), local=True)
        del self._unpublished[: len(batch)]

    def _publication(self, batch: tuple[SomeFact, ...]) -> Publication:
        return Publication.model_construct(
            study=self._study,
            workflow_id=workflow.info().workflow_id,
            run_id=workflow.info().run_id,
            owner=self._owner,
            first_sequence=self.sequence - len(batch) + 1,
            facts=cast("tuple[AnyFact, ...]", batch),
            at=now(),
            next_at=self._announced,
        )


def now() -> datetime:
    """Return the workflow's time in whole seconds: facts are not finer, and shorter in the history."""
    return workflow.now().astimezone(UTC).replace(microsecond=0)


def system(why: str) -> dict[str, Any]:
    """Return who, when and why of a fact that a rule made."""
    return {"at": now(), "who": "system", "role": Role.SYSTEM, "why": why}


def person(envelope: Envelope, otherwise: str) -> dict[str, Any]:
    """Return who, when and why of a fact that a person made; `otherwise` says why where no reason was due."""
    return {"at": now(), "who": envelope.person, "role": envelope.role, "why": envelope.reason or otherwise}


def hold_fact(change: HoldChange) -> HoldPlaced | HoldLifted:
    """Return the fact of a hold that was placed or lifted, for whoever is told of it."""
    said = system(f"{change.who}: {change.why}")
    if change.held:
        return HoldPlaced(scope=change.scope, rule=change.rule, **said)
    return HoldLifted(scope=change.scope, **said)


def problem_error(problem: Problem) -> ApplicationError:
    """Return the error that callers can match by its type; its detail is the problem itself."""
    return ApplicationError(problem.message(), problem, type=problem.type.value, non_retryable=True)


def _kind(fact: object) -> str:
    return str(getattr(fact, "kind", type(fact).__name__))
