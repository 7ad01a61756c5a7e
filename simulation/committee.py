"""A virtual safety review committee: it reads the packet, signs it, and follows the rule."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from client.trial_client import RefusedError
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Decide, Envelope, LiftHold, Signature
from schemas.dose.packet import PacketWithHash
from schemas.problem import ProblemType
from schemas.state.arm import ArmState, ArmStatus
from simulation.site import LOOK_AGAIN_SECONDS, PEOPLE
from simulation.world import World

APPROVAL = "approval"
"""What the committee's signature means, in the protocol's word."""
STUDY_HEARS_SECONDS = 0.1
"""An arm that holds itself tells the study, which keeps the record that is signed."""


class VirtualCommittee:
    """Decides on one arm until it closes."""

    def __init__(self, world: World, arm: str) -> None:
        """Serve one arm."""
        self._world, self._arm = world, arm
        self._workflow_id = names.arm_id(world.client.study, arm)

    async def serve(self) -> ArmState:
        """Decide whenever a decision is asked for; return the arm's state when its escalation has ended."""
        while True:
            await self._world.news.wait(self._workflow_id, LOOK_AGAIN_SECONDS)
            state = await self._world.arm_state(self._arm)
            if state.status in (ArmStatus.CLOSED, ArmStatus.EXPANSION):
                return state
            if self._arm in state.holds:
                await self._lift_hold_of_a_rule()
            if state.recommendation is not None or state.review_due:
                await self._decide_on_packet()

    async def _lift_hold_of_a_rule(self) -> None:
        """Lift what a stopping rule has placed: the committee has met on it, and signs the record of the hold."""
        read = await self._world.hold_record(self._arm)
        while read is None or read.hold.rule is None:
            if self._arm not in (await self._world.arm_state(self._arm)).holds or read is not None:
                return
            await asyncio.sleep(STUDY_HEARS_SECONDS)
            read = await self._world.hold_record(self._arm)
        who = Envelope(
            person=PEOPLE[Role.COMMITTEE],
            role=Role.COMMITTEE,
            time=datetime.now(UTC),
            reason="the committee has reviewed what the stopping rule found",
            signature=Signature(meaning=APPROVAL, signed_sha256=read.sha256),
        )
        try:
            await self._world.client.lift_hold(LiftHold(envelope=who, arm=self._arm))
        except RefusedError as refused:
            # The rule found more meanwhile, or somebody else has lifted it: the arm tells, and is looked at again.
            if refused.problem.type not in (ProblemType.PACKET_CHANGED, ProblemType.NOTHING_TO_LIFT):
                raise

    async def _decide_on_packet(self) -> None:
        """Decide on what is read; news that comes before the decision arrives has it read again."""
        while True:
            read = await self._world.packet(self._arm)
            state = await self._world.arm_state(self._arm)
            asked = state.recommendation is not None or state.review_due
            if not (asked and state.tasks) or read.packet.open_candidates:
                return
            try:
                await self._decide(state, read)
            except RefusedError as refused:
                if refused.problem.type is not ProblemType.PACKET_CHANGED:
                    raise
            else:
                return

    async def _decide(self, state: ArmState, read: PacketWithHash) -> None:
        recommendation = read.packet.recommendation
        opened = max(task.opened_at for task in state.tasks.values())
        command = Decide(
            envelope=Envelope(
                person=PEOPLE[Role.COMMITTEE],
                role=Role.COMMITTEE,
                time=opened,
                reason=f"agrees with the rule: {recommendation.why}",
                signature=Signature(meaning=APPROVAL, signed_sha256=read.sha256),
            ),
            cohort=read.packet.cohort,
            action=recommendation.action,
            level=recommendation.level,
        )
        await self._world.client.decide(self._arm, command)


async def decide_all(
    world: World, arms: list[str], make_committee: Callable[[World, str], VirtualCommittee] = VirtualCommittee
) -> list[ArmState]:
    """Serve several arms at once."""
    return list(await asyncio.gather(*(make_committee(world, arm).serve() for arm in arms)))
