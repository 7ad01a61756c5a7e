"""
Virtual sites: they see the worklist and answer it, as coordinators do, and say when nothing is left to do.

A site receives news from Postgres (`trial_facts`), reads the worklist, answers what is open through the same updates as
people, and lets the participant's clock go on only when nothing is left to answer.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from client.trial_client import RefusedError, UnknownError
from schemas import names
from schemas.base import Role, site_of
from schemas.commands.commands import (
    AdverseEvent,
    AnswerTask,
    EndParticipation,
    EndReason,
    Enroll,
    Envelope,
    ReportAdverseEvent,
)
from schemas.problem import ProblemType
from schemas.protocol import Protocol
from schemas.safety.adverse_events import Causality, EventCategory, Seriousness, StudyPart
from schemas.safety.toxicity import IcansObservation
from schemas.state.participant import ParticipantState
from simulation.answers import answer_for
from simulation.observation import Observation
from simulation.people import VirtualParticipant
from simulation.world import REST_SECONDS, Seen, World

PEOPLE = {
    Role.COORDINATOR: "coordinator-01",
    Role.INVESTIGATOR: "investigator-01",
    Role.LABORATORY: "laboratory-01",
    Role.PHARMACIST: "pharmacist-01",
    Role.COMMITTEE: "src-chair",
    Role.OPERATIONS: "operations-01",
}
LOOK_AGAIN_SECONDS = 20.0
"""News can be lost with a connection: a site reads its worklist now and then all the same."""
OVERTAKEN = (
    ProblemType.TASK_ALREADY_CLOSED,
    ProblemType.ON_HOLD,
    ProblemType.OPEN_CANDIDATE,
    ProblemType.UNKNOWN_TASK,
    ProblemType.PARTICIPATION_ENDED,
)
"""
An infusion is taken off the worklist when a hold or a possible DLT comes in its way, and the worklist follows the
history by a moment.
"""
Toxicity = Callable[[ParticipantState], Awaitable[bool]]


def severe_icans(now: datetime) -> AdverseEvent:
    """
    Return neurotoxicity of grade 3 by ASTCT, which the protocol puts up as a candidate DLT.

    Not a CRS of grade 4: two of those hold an arm by a stopping rule, and a Phase 1 that is to run on must not.
    """
    return AdverseEvent(
        term="Immune effector cell-associated neurotoxicity syndrome",
        grade=3,
        onset_on=now.date(),
        related=True,
        category=EventCategory.ICANS,
        causality={StudyPart.CAR_NK: Causality.PROBABLE},
        seriousness=(Seriousness.HOSPITALISATION,),
        icans=IcansObservation(ice_points=2),
    )


def has_ended(stage: str) -> bool:
    """Tell whether a stage, as a site sees it, is the end of participation."""
    return stage == "ended"


class VirtualSite:
    """One virtual site for one participant."""

    def __init__(self, world: World, protocol: Protocol, person: VirtualParticipant, toxicity: Toxicity) -> None:
        """`toxicity` says whether a dosed participant will have a DLT."""
        self._world, self._protocol, self._person, self._toxicity = world, protocol, person, toxicity
        self._client, self._pool, self._news = world.client, world.pool, world.news
        self._workflow_id = names.participant_id(world.client.study, person.subject)
        self._forwarded: datetime | None = None
        self._toxicity_known = False
        self._day_zero: date | None = None

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
        await self._client.enroll(command)

    async def live(self, until: Callable[[str], bool] = has_ended) -> None:
        """Answer everything until the participant has ended (or reached another stage)."""
        while True:
            seen = await self._world.see(self._workflow_id)
            if seen is not None and until(seen.stage):
                return
            is_waiting_for_others = False
            if seen is not None and seen.is_at_rest and not await self._answer(seen.tasks, seen.at):
                is_waiting_for_others = seen.next_at is None
                await self._let_time_pass(seen)
            await self._news.wait(self._workflow_id, LOOK_AGAIN_SECONDS if is_waiting_for_others else REST_SECONDS)

    async def _answer(self, tasks: Sequence[Mapping[str, Any]], now: datetime) -> bool:
        answered = False
        for task in tasks:
            late = task["step"] in self._person.late_steps and task["urgency"] == "open"
            if late or (task["kind"] == "cytokine_course" and now < task["opened_at"] + timedelta(days=3)):
                continue
            answered = True
            if self._person.withdraws_at == task["step"]:
                await self._withdraw(now)
                break
            await self._report_toxicity(task, now)
            answer = answer_for(self._protocol, self._person, task, now)
            command = AnswerTask(
                envelope=self._envelope(Role(task["role"]), now), task_id=task["task_id"], answer=answer
            )
            if await self._is_taken(command) and task["step"] == "infusion-1":
                self._day_zero = now.date()
        return answered

    async def _is_taken(self, command: AnswerTask) -> bool:
        """Send an answer; return whether it was accepted; the worklist may have changed meanwhile."""
        try:
            await self._client.answer_task(self._person.subject, command)
        except RefusedError as refused:
            if refused.problem.type not in OVERTAKEN:
                raise
            return False
        except UnknownError:
            return False  # the participant's workflow has ended meanwhile, as the next reading will show
        return True

    async def _let_time_pass(self, seen: Seen) -> None:
        """Move the clock to the next timer, unless it is on its way there, or something has happened meanwhile."""
        if seen.next_at is None or seen.next_at == self._forwarded:
            return
        if await self._world.observe(self._workflow_id) == Observation(seen.at, seen.is_at_rest, seen.next_at):
            self._forwarded = seen.next_at
            await self._bring_the_arm(seen.next_at)
            await self._world.clocks.bring_to(self._workflow_id, seen.next_at)

    async def _bring_the_arm(self, moment: datetime) -> None:
        if self._day_zero is None or (moment.date() - self._day_zero).days != self._protocol.dlt.window_days:
            return
        state = await self._world.participant_state(self._person.subject)
        if state.slot is not None:
            await self._world.bring_arm(state.slot.arm, moment)

    async def _withdraw(self, now: datetime) -> None:
        command = EndParticipation(
            envelope=self._envelope(Role.INVESTIGATOR, now, "the participant withdrew consent to treatment"),
            reason=EndReason.WITHDRAWAL,
            occurred_on=now.date(),
        )
        try:
            await self._client.end_participation(self._person.subject, command)
        except RefusedError as refused:
            if refused.problem.type not in OVERTAKEN:
                raise

    async def _report_toxicity(self, task: Mapping[str, Any], now: datetime) -> None:
        if self._toxicity_known or not str(task["step"]).startswith("treatment-check-infusion-2"):
            return
        state = await self._world.participant_state(self._person.subject)
        if state.slot is not None and not state.adverse_events and await self._toxicity(state):
            await self._world.bring_arm(state.slot.arm, now)
            command = ReportAdverseEvent(
                envelope=self._envelope(Role.INVESTIGATOR, now, "seen at the ward"), event=severe_icans(now)
            )
            await self._client.report_adverse_event(self._person.subject, command)
        self._toxicity_known = True

    def _envelope(self, role: Role, now: datetime, reason: str | None = None) -> Envelope:
        return Envelope(person=PEOPLE[role], role=role, site=site_of(self._person.subject), time=now, reason=reason)
