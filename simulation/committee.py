"""A virtual safety review committee: it reads its task, and follows the rule unless told to be more cautious."""

import asyncio

from schemas import names
from schemas.base import Role
from schemas.commands import Decide, Envelope
from schemas.states import ArmState, ArmStatus
from simulation.site import LOOK_AGAIN_SECONDS, PEOPLE, World


class VirtualCommittee:
    """Decides on one arm until it closes."""

    def __init__(self, world: World, arm: str) -> None:
        """Serve one arm."""
        self._world, self._arm = world, arm
        self._workflow_id = names.arm_id(world.doors.study, arm)

    async def serve(self) -> ArmState:
        """Decide whenever a decision is asked for; return the arm's state when it has closed."""
        while True:
            await self._world.news.wait(self._workflow_id, LOOK_AGAIN_SECONDS)
            state = await self._world.doors.arm_state(self._arm)
            if state.status is ArmStatus.CLOSED:
                return state
            if state.recommendation is not None:
                await self._decide(state)

    async def _decide(self, state: ArmState) -> None:
        recommendation = state.recommendation
        if recommendation is None:
            return
        opened = max(task.opened_at for task in state.tasks.values())
        command = Decide(
            envelope=Envelope(
                person=PEOPLE[Role.COMMITTEE],
                role=Role.COMMITTEE,
                time=opened,
                reason=f"agrees with the rule: {recommendation.why}",
            ),
            cohort=state.cohort,
            action=recommendation.action,
            level=recommendation.level,
        )
        await self._world.doors.decide(self._arm, command)


async def decide_all(world: World, arms: list[str]) -> list[ArmState]:
    """Serve several arms at once."""
    return list(await asyncio.gather(*(VirtualCommittee(world, arm).serve() for arm in arms)))
