"""
States folded from facts, also as of a moment or a fact's number.

The facts come from the read model or from an event history; both give them as their models' JSON, in order.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from decisions.state import arm as arm_state
from decisions.state import participant as participant_state
from decisions.state import study as study_state
from schemas import facts as f
from schemas.state.arm import ArmState
from schemas.state.participant import ParticipantState
from schemas.state.study import StudyState

Facts = Sequence[Mapping[str, Any]]
AsOf = datetime | int | None
"""A moment (facts recorded up to and including it), the number of a fact, or now."""
Row = TypeVar("Row", bound=Mapping[str, Any])


class AsOfError(ValueError):
    """A moment or a number at which there is nothing to show."""


@cache
def _adapter(union: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - a discriminated union of facts
    return TypeAdapter(tuple[union, ...])


def participant(facts: Facts) -> ParticipantState:
    """Fold a participant's facts."""
    return participant_state.fold(_adapter(f.ParticipantFact).validate_python(facts))


def arm(facts: Facts) -> ArmState:
    """Fold an arm's facts."""
    return arm_state.fold(_adapter(f.ArmFact).validate_python(facts))


def study(facts: Facts) -> StudyState:
    """Fold a study's facts."""
    return study_state.fold(_adapter(f.StudyFact).validate_python(facts))


def up_to(facts: Sequence[Row], as_of: AsOf, now: datetime) -> Sequence[Row]:
    """
    Return the facts up to a moment or a number.

    Args:
        facts: all facts of a workflow in order, at least one.
        as_of: a moment, the number of a fact, or None for all.
        now: the present; a later moment than it and the latest fact is in the future.

    Raises:
        AsOfError: it lies before the first fact, or in the future.
    """
    if as_of is None:
        return facts
    first, last = _recorded_at(facts[0]), max(now, _recorded_at(facts[-1]))
    if isinstance(as_of, int):
        if not 1 <= as_of <= len(facts):
            raise AsOfError(f"there is no fact {as_of}: the facts are numbered 1 to {len(facts)}")
        return facts[:as_of]
    if as_of < first:
        raise AsOfError(f"lies before the first fact, which was recorded at {first:%Y-%m-%dT%H:%M:%SZ}")
    if as_of > last:
        raise AsOfError(f"lies in the future: it is {last:%Y-%m-%dT%H:%M:%SZ}")
    return [fact for fact in facts if _recorded_at(fact) <= as_of]


def _recorded_at(fact: Mapping[str, Any]) -> datetime:
    at = fact["at"]
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)
