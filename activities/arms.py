"""What a participant's workflow asks of its arm."""

from temporalio import activity
from temporalio.exceptions import ApplicationError

from activities import states
from activities.database import Pool
from activities.publishing import READ_MODEL_DIFFERS
from activities.read_model import waiting_publications
from decisions.dose.escalation import lowest_toxic_level
from schemas import names
from schemas.messages import ToxicityQuestion, ToxicLevel


class ArmActivities:
    """Activities that read an arm's state."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    @activity.defn(name=names.LOWEST_TOXIC_LEVEL)
    async def lowest_toxic_level(self, question: ToxicityQuestion) -> ToxicLevel:
        """
        Find the lowest dose level that the arm has found toxic so far, by the fold that the arm itself uses.

        Raises:
            ApplicationError: to be retried: the arm's facts wait for a rebuild of the read model, and a dose must not
                depend on old ones.
        """
        arm_id = names.arm_id(question.study, question.arm)
        if any(waiting["workflow_id"] == arm_id for waiting in await waiting_publications(self._pool)):
            raise ApplicationError(f"{arm_id}: its facts wait for `trial audit rebuild`", type=READ_MODEL_DIFFERS)
        state = await states.arm_state(self._pool, question.study, question.arm)
        return ToxicLevel(level=lowest_toxic_level(question.escalation, state))
