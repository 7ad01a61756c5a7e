"""A workflow's facts that are recorded and not yet published."""

from collections.abc import Callable
from datetime import datetime
from typing import Generic, TypeVar, cast

from temporalio import workflow

from schemas.facts import AnyFact, TaskAnswered, TaskClosed
from schemas.messages import Publication
from workflows.moments import now

SomeFact = TypeVar("SomeFact")


def _nobody(publication: Publication) -> None:
    """Take a publication, and do nothing."""


class Unpublished(Generic[SomeFact]):
    """Numbers facts as they come, and hands them on in publications, each of them once."""

    def __init__(self, study: str, owner: str, sequence: int) -> None:
        """Go on after the first `sequence` facts, which are published already."""
        self.sequence = sequence
        self.announced: datetime | None = None
        self.hand_on: Callable[[Publication], None] = _nobody
        self._study, self._owner = study, owner
        self._facts: list[SomeFact] = []

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._facts)

    @property
    def answers(self) -> bool:
        """Whether people still see a task that is answered or closed."""
        return any(isinstance(fact, TaskAnswered | TaskClosed) for fact in self._facts)

    def add(self, fact: SomeFact) -> int:
        """Add a fact; return its number."""
        self._facts.append(fact)
        self.sequence += 1
        return self.sequence

    def peek(self, next_at: datetime | None) -> Publication:
        """Make a publication of all there are, and keep them."""
        self.announced = next_at
        return Publication.model_construct(
            study=self._study,
            workflow_id=workflow.info().workflow_id,
            run_id=workflow.info().run_id,
            owner=self._owner,
            first_sequence=self.sequence - len(self._facts) + 1,
            facts=cast("tuple[AnyFact, ...]", tuple(self._facts)),
            at=now(),
            next_at=next_at,
        )

    def drop(self, count: int) -> None:
        """Drop the first ones: they are published."""
        del self._facts[:count]

    def take(self, next_at: datetime | None) -> Publication:
        """Make a publication of all there are, and drop them."""
        publication = self.peek(next_at)
        self._facts.clear()
        return publication
