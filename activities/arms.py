"""What a participant's workflow asks of its arm."""

from typing import Any, Protocol, cast

from temporalio import activity

from decisions.dose.escalation import lowest_toxic_level
from decisions.state.arm import apply_arm, open_arm
from schemas import facts as f
from schemas import names
from schemas.messages import ArmStart, Publication, ToxicityQuestion, ToxicLevel


class PresentRun(Protocol):
    """The record of a workflow's present run."""

    async def present_run(self, workflow_id: str) -> tuple[Any, list[Publication]]:
        """Return what a workflow's present run was given, and what it has on record since."""


class ArmActivities:
    """
    Activities that read an arm's history.

    A dose depends on it, and what is published of the arm may be a moment old. The arm's workflow itself is asked
    nothing: in an arm of an earlier revision a question may do harm (ADR 0016).
    """

    def __init__(self, record: PresentRun) -> None:
        """Read the record."""
        self._record = record

    @activity.defn(name=names.LOWEST_TOXIC_LEVEL)
    async def lowest_toxic_level(self, question: ToxicityQuestion) -> ToxicLevel:
        """Find the lowest dose level that the arm has found toxic so far, by the fold that the arm itself uses."""
        given, published = await self._record.present_run(names.arm_id(question.study, question.arm.id))
        facts = cast("list[f.ArmFact]", [fact for publication in published for fact in publication.facts])
        state = ArmStart.model_validate(given).state
        if state is None:
            opened = facts.pop(0) if facts else None
            if not isinstance(opened, f.ArmOpened):
                return ToxicLevel()
            state = open_arm(question.study, question.arm, opened)
        for fact in facts:
            state = apply_arm(state, fact)
        return ToxicLevel(level=lowest_toxic_level(question.escalation, state))
