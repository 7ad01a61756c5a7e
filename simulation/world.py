"""What virtual people share: the client, the worklist, notices of news, and the calendar."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from activities import read_model, states
from activities.database import Pool
from client.trial_client import TrialClient
from schemas import names
from schemas.dose.packet import PacketWithHash
from schemas.state.arm import ArmState
from schemas.state.participant import ParticipantState
from schemas.state.study import HoldWithHash, StudyState
from simulation.clock import Clocks
from simulation.observation import Observation, observe

PUBLISHED_SECONDS = 60.0
"""How long a virtual person waits for what a command has recorded to be shown."""
REST_SECONDS = 0.01


class News:
    """Who waits for news of which workflow."""

    def __init__(self) -> None:
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    def receive(self, workflow_id: str) -> None:
        """Wake whoever waits for news of a workflow."""
        self._events[workflow_id].set()

    def wake_all(self) -> None:
        """Wake everybody: news may have been lost."""
        for event in self._events.values():
            event.set()

    async def wait(self, workflow_id: str, seconds: float) -> None:
        """Wait for news that came since the last wait, at most so many seconds."""
        event = self._events[workflow_id]
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return
        event.clear()


class Seen(NamedTuple):
    """What a site sees of one participant: its time, whether it is at rest, its next timer, stage and open tasks."""

    at: datetime
    is_at_rest: bool
    next_at: datetime | None
    stage: str
    tasks: Sequence[Mapping[str, Any]]


class World:
    """One study as virtual people see it; states are read as anybody reads them, from the read model."""

    def __init__(self, client: TrialClient, pool: Pool, news: News) -> None:
        self.client, self.pool, self.news = client, pool, news
        self.clocks = Clocks(client.temporal)

    # ------------------------------------------------------------------ reading

    async def see(self, workflow_id: str) -> Seen | None:
        """
        Look at a participant; None before anything is shown of it.

        The history is observed before the worklist is read: of a workflow at rest everything has been published.
        """
        observed = await observe(self.client.temporal, workflow_id)
        kinds = await read_model.kinds_of(self.pool, workflow_id)
        if observed is None or not kinds:
            return None
        tasks = await read_model.tasks_of(self.pool, workflow_id)
        stage = "ended" if "participation_ended" in kinds else "assigned" if "assigned" in kinds else "screening"
        self.clocks.note(workflow_id, observed.at)
        return Seen(observed.at, observed.is_at_rest, observed.next_at, stage, tasks)

    async def observe(self, workflow_id: str) -> Observation | None:
        """Observe a workflow's history."""
        return await observe(self.client.temporal, workflow_id)

    async def participant_state(self, subject: str) -> ParticipantState:
        """Return a participant's state, with all that this client's commands have recorded."""
        await self._published(names.participant_id(self.client.study, subject))
        return await states.participant_state(self.pool, self.client.study, subject)

    async def arm_state(self, arm: str) -> ArmState:
        """Return an arm's state, with all that this client's commands have recorded."""
        await self._published(names.arm_id(self.client.study, arm))
        return await states.arm_state(self.pool, self.client.study, arm)

    async def study_state(self) -> StudyState:
        """Return the study's state, with all that this client's commands have recorded."""
        await self._published(names.study_id(self.client.study))
        return await states.study_state(self.pool, self.client.study)

    async def packet(self, arm: str) -> PacketWithHash:
        """Return an arm's packet, and the hash that a decision signs."""
        await self._published(names.arm_id(self.client.study, arm))
        return await states.packet(self.pool, self.client.study, arm)

    async def hold_record(self, scope: str) -> HoldWithHash | None:
        """Return a hold in force, and the hash that its lifting signs."""
        await self._published(names.study_id(self.client.study))
        return await states.hold_record(self.pool, self.client.study, scope)

    async def _published(self, workflow_id: str) -> None:
        number = self.client.accepted.get(workflow_id, 1)
        await read_model.wait_for_fact(self.pool, workflow_id, number, seconds=PUBLISHED_SECONDS)

    # ------------------------------------------------------------------ time

    async def arm_time(self, arm: str) -> datetime | None:
        """Return the time that an arm's workflow has reached."""
        observed = await self.observe(names.arm_id(self.client.study, arm))
        return None if observed is None else observed.at

    async def bring_arm(self, arm: str, moment: datetime) -> None:
        """Bring an arm to a moment: its committee lives on the same calendar as the participants."""
        arm_id = names.arm_id(self.client.study, arm)
        observed = await self.observe(arm_id)
        if observed is not None:
            self.clocks.note(arm_id, observed.at)
            await self.clocks.bring_to(arm_id, moment)
