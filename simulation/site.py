"""
Virtual sites: they see the worklist and answer it, as coordinators do, and say when nothing is left to do.

A site is told of news by Postgres (`trial_facts`), reads the worklist, answers what is open through the same updates as
people, and lets the participant's clock go on only when nothing is left to answer.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from activities.worklist import open_tasks_of
from schemas import names
from schemas.base import Role
from schemas.commands import (
    AdverseEvent,
    AnswerTask,
    EndParticipation,
    EndReason,
    Enroll,
    Envelope,
    ReportAdverseEvent,
)
from schemas.protocol import Protocol
from schemas.states import ParticipantState
from simulation.answers import answer_for
from simulation.clock import fast_forward
from simulation.people import VirtualParticipant
from workflows.doors import Doors

PEOPLE = {
    Role.COORDINATOR: "coordinator-01",
    Role.INVESTIGATOR: "investigator-01",
    Role.LABORATORY: "laboratory-01",
    Role.PHARMACIST: "pharmacist-01",
    Role.COMMITTEE: "src-chair",
    Role.OPERATIONS: "operations-01",
}
Toxicity = Callable[[ParticipantState], Awaitable[bool]]


class News:
    """Who waits for news of which workflow."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def listen(self, dsn: str) -> asyncpg.Connection:
        """Listen until the returned connection is closed."""
        connection = await asyncpg.connect(dsn)
        await connection.add_listener("trial_facts", lambda *args: self._events[args[3]].set())
        return connection

    async def wait(self, workflow_id: str, timeout: float | None = None) -> None:
        """Wait for news that came since the last wait, at most `timeout` seconds."""
        event = self._events[workflow_id]
        try:
            await asyncio.wait_for(event.wait(), timeout)
        except TimeoutError:
            return
        event.clear()

    def stir(self, workflow_id: str) -> None:
        """Have somebody look again."""
        self._events[workflow_id].set()


class VirtualSite:
    """One virtual site for one participant."""

    def __init__(
        self, doors: Doors, pool: asyncpg.Pool, news: News, protocol: Protocol, person: VirtualParticipant, toxicity: Toxicity
    ) -> None:
        """`toxicity` says whether a dosed participant will have a DLT."""
        self._doors, self._pool, self._news, self._protocol = doors, pool, news, protocol
        self._person, self._toxicity = person, toxicity
        self._workflow_id = names.participant_id(doors.study, person.subject)
        self._forwarded: datetime | None = None
        self._toxicity_known = False

    async def enroll(self) -> None:
        """Enrol the participant."""
        now = datetime.now(UTC)
        command = Enroll(
            envelope=self._envelope(Role.COORDINATOR, now),
            subject=self._person.subject,
            consent_signed_on=now.date(),
            consent_version="1.0",
            age_years=self._person.age_years,
        )
        await self._doors.enroll(command)

    async def live(self, until: Callable[[str], bool] = lambda stage: stage == "ended") -> None:
        """Answer everything until the participant has ended (or reached another stage)."""
        while True:
            await self._news.wait(self._workflow_id, timeout=20)
            standing = await self._pool.fetchrow("SELECT at, next_at FROM standing WHERE workflow_id = $1", self._workflow_id)
            if standing is None:
                continue
            stage = await self._stage()
            if until(stage):
                self._news.stir(self._workflow_id)
                return
            if not await self._answer_open_tasks(standing["at"]):
                await self._let_time_pass(standing["at"], standing["next_at"])

    async def _stage(self) -> str:
        kinds = await self._pool.fetch(
            "SELECT kind FROM fact WHERE workflow_id = $1 AND kind IN ('participation_ended', 'assigned')", self._workflow_id
        )
        found = {row["kind"] for row in kinds}
        if "participation_ended" in found:
            return "ended"
        return "assigned" if "assigned" in found else "screening"

    async def _answer_open_tasks(self, now: datetime) -> bool:
        answered = False
        for task in await open_tasks_of(self._pool, self._workflow_id):
            late = task["step"] in self._person.late_steps and task["urgency"] == "open"
            if late or (task["kind"] == "cytokine_course" and now < task["opened_at"] + timedelta(days=3)):
                continue
            answered = True
            if self._person.withdraws_at == task["step"]:
                await self._withdraw(now)
                break
            await self._report_toxicity(task, now)
            answer = answer_for(self._protocol, self._person, task, now)
            command = AnswerTask(envelope=self._envelope(Role(task["role"]), now), task_id=task["task_id"], answer=answer)
            await self._doors.answer_task(self._person.subject, command)
        return answered

    async def _let_time_pass(self, at: datetime, next_at: datetime | None) -> None:
        if next_at is None or next_at == self._forwarded:
            return
        self._forwarded = next_at
        await fast_forward(self._doors.client, self._workflow_id, max(next_at - at, timedelta(0)))

    async def _withdraw(self, now: datetime) -> None:
        command = EndParticipation(
            envelope=self._envelope(Role.INVESTIGATOR, now, "the participant withdrew consent to treatment"),
            reason=EndReason.WITHDRAWAL,
            occurred_on=now.date(),
        )
        await self._doors.end_participation(self._person.subject, command)

    async def _report_toxicity(self, task: dict[str, Any], now: datetime) -> None:
        if self._toxicity_known or not str(task["step"]).startswith("treatment-check-infusion-2"):
            return
        self._toxicity_known = True
        if await self._toxicity(await self._doors.participant_state(self._person.subject)):
            event = AdverseEvent(term="Cytokine release syndrome", grade=4, onset_on=now.date(), related=True, dlt=True)
            command = ReportAdverseEvent(envelope=self._envelope(Role.INVESTIGATOR, now, "meets the DLT definition"), event=event)
            await self._doors.report_adverse_event(self._person.subject, command)

    def _envelope(self, role: Role, now: datetime, reason: str | None = None) -> Envelope:
        return Envelope(person=PEOPLE[role], role=role, site=self._person.subject.split("-")[0], time=now, reason=reason)
