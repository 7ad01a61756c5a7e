"""What a participant's workflow asks of its arm's record; the arm's own workflow answers no questions of others."""

from temporalio import activity

from activities.database import Pool
from activities.worklist import facts_of
from decisions.arm import apply_arm, open_arm
from decisions.escalation import lowest_toxic_level
from schemas import facts as f
from schemas import names
from schemas.base import Frozen
from schemas.messages import ToxicityQuestion, ToxicLevel


class _Recorded(Frozen):
    """A fact of an arm, as pydantic reads it."""

    fact: f.ArmFact


class ArmActivities:
    """Activities over what the arms have published."""

    def __init__(self, pool: Pool) -> None:
        """Use the pool."""
        self._pool = pool

    @activity.defn(name=names.LOWEST_TOXIC_LEVEL)
    async def lowest_toxic_level(self, question: ToxicityQuestion) -> ToxicLevel:
        """Find the lowest dose level that the arm has found toxic so far, by the fold that the arm itself uses."""
        rows = await facts_of(self._pool, names.arm_id(question.study, question.arm.id))
        told = ("kind", "at", "who", "role", "why")
        facts = [_Recorded.model_validate({"fact": row["body"] | {key: row[key] for key in told}}).fact for row in rows]
        if not facts or not isinstance(facts[0], f.ArmOpened):
            return ToxicLevel()
        state = open_arm(question.study, question.arm, facts[0])
        for fact in facts[1:]:
            state = apply_arm(state, fact)
        return ToxicLevel(level=lowest_toxic_level(question.escalation, state))
