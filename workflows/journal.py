"""
A workflow's facts: recorded in memory, folded into its state, and published by one ordinary activity.

The facts of a publication stand in plain JSON in the input of the activity `publish_facts`: the history holds them
before the read model does (docs/decisions/0020).
"""

import asyncio
from collections.abc import Callable
from itertools import accumulate
from typing import Any, Generic, TypeVar, cast

from pydantic_core import to_json
from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError

from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, Envelope
from schemas.facts import AnyFact, HoldLifted, HoldPlaced, Refused
from schemas.messages import HoldChange, Publication
from schemas.problem import Problem
from workflows import activity_options
from workflows.workflow_time import now

State = TypeVar("State")
SomeFact = TypeVar("SomeFact")


class Journal(Generic[State, SomeFact]):
    """
    The only way in which a workflow's state changes.

    Recording is synchronous, so that a handler's check and its fact cannot be torn apart by another handler. Facts are
    published in order, one publication at a time; nobody waits for one but the end of a run.
    """

    def __init__(
        self, *, study: str, owner: str, state: State, apply: Callable[[State, SomeFact], State], sequence: int
    ) -> None:
        """Continue a journal whose first `sequence` facts were published by earlier runs."""
        self.state = state
        self.sequence = sequence
        self._study, self._owner, self._apply = study, owner, apply
        self._recorded: list[SomeFact] = []
        self._publisher: asyncio.Task[None] | None = None

    def begin(self, fact: SomeFact) -> None:
        """Record the fact from which the state was made."""
        self._recorded.append(fact)
        self.sequence += 1

    def record(self, fact: SomeFact) -> Accepted:
        """Fold a fact into the state; return its number."""
        self.state = self._apply(self.state, fact)
        self.begin(fact)
        kind = str(getattr(fact, "kind", type(fact).__name__))
        return Accepted(workflow_id=workflow.info().workflow_id, sequence=self.sequence, message=kind)

    def refuse(self, envelope: Envelope, command: str, problem: Problem) -> ApplicationError:
        """Record a refusal that an auditor must find; return the named error to raise."""
        fact: Any = Refused(
            at=now(), who=envelope.person, role=envelope.role, why=problem.rule, command=command, problem=problem
        )
        self.record(fact)
        return problem_error(problem)

    def publish(self) -> None:
        """Start to publish what is recorded, unless a publication is under way: the next one follows its end."""
        if self._recorded and (self._publisher is None or self._publisher.done()):
            self._publisher = asyncio.create_task(self._publish_all())

    async def drain(self) -> None:
        """Wait until all that is recorded has been published: a run must not end before."""
        while self._recorded:
            self.publish()
            if self._publisher is not None:
                await self._publisher

    async def _publish_all(self) -> None:
        while self._recorded:
            facts = self._next_facts()
            try:
                await workflow.execute_activity(
                    names.PUBLISH_FACTS, self._publication(facts), **activity_options.TRANSACTION
                )
            except ActivityError as error:
                # Somebody failed or cancelled it by hand: the facts are still to be published.
                workflow.logger.warning("publication_failed", extra={"error": str(error.cause)})
                await workflow.sleep(activity_options.PAUSE_AFTER_FAILURE)
            else:
                del self._recorded[: len(facts)]

    def _next_facts(self) -> tuple[SomeFact, ...]:
        """Return the first facts, as many as one payload may hold, and at least one."""
        sizes = accumulate(len(to_json(fact)) for fact in self._recorded)
        fitting = sum(size <= activity_options.LARGEST_PUBLICATION_BYTES for size in sizes)
        return tuple(self._recorded[: max(1, fitting)])

    def _publication(self, facts: tuple[SomeFact, ...]) -> Publication:
        info = workflow.info()
        # What was folded into the state is valid: validating it again would double the cost of each fact.
        return Publication.model_construct(
            study=self._study,
            workflow_id=info.workflow_id,
            run_id=info.run_id,
            owner=self._owner,
            first_sequence=self.sequence - len(self._recorded) + 1,
            facts=cast("tuple[AnyFact, ...]", facts),
        )


def system(why: str) -> dict[str, Any]:
    """Return who, when and why of a fact that a rule made."""
    return {"at": now(), "who": "system", "role": Role.SYSTEM, "why": why}


def person(envelope: Envelope, otherwise: str) -> dict[str, Any]:
    """Return who, when and why of a fact that a person made; `otherwise` says why where no reason was due."""
    return {"at": now(), "who": envelope.person, "role": envelope.role, "why": envelope.reason or otherwise}


def hold_fact(change: HoldChange) -> HoldPlaced | HoldLifted:
    """Return the fact of a hold that was placed or lifted, for whoever receives the change."""
    said = system(f"{change.who}: {change.why}")
    if change.held:
        return HoldPlaced(scope=change.scope, rule=change.rule, **said)
    return HoldLifted(scope=change.scope, **said)


def problem_error(problem: Problem) -> ApplicationError:
    """Return the error that callers can match by its type; its detail is the problem itself."""
    return ApplicationError(problem.message(), problem, type=problem.type.value, non_retryable=True)


def reject(problem: Problem | None) -> None:
    """Stop a command in its validator: it is malformed, and does not enter the history."""
    if problem is not None:
        raise problem_error(problem)
