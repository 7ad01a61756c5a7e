"""A workflow's facts: recorded in memory, folded into state, and published before the workflow waits."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from schemas.base import Role
from schemas.commands.commands import Accepted, Envelope
from schemas.facts import HoldLifted, HoldPlaced, Refused
from schemas.messages import HoldChange, Publication, SlowPublication
from schemas.problem import Problem
from workflows.moments import now
from workflows.publishing import Noting, Publishing
from workflows.publishing_before import Awaiting, Leaving
from workflows.unpublished import Unpublished

State = TypeVar("State")
SomeFact = TypeVar("SomeFact")
UNAWAITED = 4
"""The first revision whose publications are waited for by nobody."""
NOTED = 5
"""The first revision whose facts are noted in the history, and not published by activities."""


class Journal(Generic[State, SomeFact]):
    """
    The only way in which a workflow's state changes.

    Recording is synchronous, so that a handler's check and its fact cannot be torn apart by another handler.
    """

    def __init__(
        self,
        *,
        study: str,
        owner: str,
        state: State,
        apply: Callable[[State, SomeFact], State],
        sequence: int,
        revision: int,
    ) -> None:
        """Continue a journal whose first `sequence` facts are published already, as this revision publishes."""
        self.state = state
        self._apply = apply
        self._at_rest = False
        self._unpublished: Unpublished[SomeFact] = Unpublished(study, owner, sequence)
        self.publish_as(revision)

    def publish_as(self, revision: int) -> None:
        """Publish from now on as workflows of this revision do; only before anything is published."""
        self.revision = revision
        self._publishing: Publishing
        if revision >= NOTED:
            self._publishing = Noting(self._unpublished)
        elif revision >= UNAWAITED:
            self._publishing = Leaving(self._unpublished)
        else:
            self._publishing = Awaiting(self._unpublished)

    def hand_to(self, take: Callable[[Publication], None]) -> None:
        """Hand what is noted in the history to somebody in this process, also while it is replayed."""
        self._unpublished.hand_on = take

    @property
    def sequence(self) -> int:
        """The number of the latest fact."""
        return self._unpublished.sequence

    @property
    def unpublished(self) -> bool:
        """Whether facts wait to be published."""
        return bool(self._unpublished)

    @property
    def urgent(self) -> bool:
        """Whether something must be published before the workflow awaits something else than people or time."""
        return self._publishing.urgent

    def begin(self, fact: SomeFact) -> None:
        """Note the fact from which the state was made."""
        self._unpublished.add(fact)

    def record(self, fact: SomeFact) -> Accepted:
        """Fold a fact into the state."""
        self.state = self._apply(self.state, fact)
        sequence = self._unpublished.add(fact)
        return Accepted(workflow_id=workflow.info().workflow_id, sequence=sequence, message=_kind(fact))

    def refuse(self, envelope: Envelope, command: str, problem: Problem) -> ApplicationError:
        """Record a refusal that an auditor must find; return the named error to raise."""
        fact: Any = Refused(
            at=now(), who=envelope.person, role=envelope.role, why=problem.rule, command=command, problem=problem
        )
        self.record(fact)
        return problem_error(problem)

    async def pause(self, stirred: Callable[[], bool], at_most: float | timedelta | None = None) -> None:
        """Wait, in the workflow's main loop, until something stirs it or the time is over; facts must stir it."""
        self._at_rest = True
        try:
            await workflow.wait_condition(stirred, timeout=at_most)
        except TimeoutError:
            return
        finally:
            self._at_rest = False

    async def answer(self, accepted: Accepted) -> Accepted:
        """
        Return the answer to a command as it is to be sent: with the facts of this task where that is their way.

        Only a main loop that is at rest is sure to wake in the same activation, and to publish.
        """
        return await self._publishing.answer(accepted) if self._at_rest else accepted

    async def publish(self, next_at: datetime | None = None) -> None:
        """Publish what is unpublished, in order, and when the workflow acts next by itself."""
        await self._publishing.publish(next_at)

    async def publish_before_leaving(self) -> None:
        """Publish before awaiting something else than people or time: nobody may see an answered task meanwhile."""
        await self._publishing.publish_before_leaving()

    async def settle(self) -> None:
        """Publish all that is left before the run ends, and wait until it is safe."""
        await self._publishing.settle()

    async def come_to_rest(self) -> None:
        """Wait for what was left to itself, before the workflow ends."""
        await self._publishing.come_to_rest()

    async def publish_again(self, slow: SlowPublication) -> None:
        """Publish what was left to itself, and was too slow."""
        await self._publishing.publish_again(slow)


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
