"""
Participants, a committee and an operator that a test plays by hand, through the same client as people use.

A `Case` answers as a site usually does, and lets its participant's clock go on only when nothing is left to answer; a
test says which steps are answered otherwise, and which are left unanswered.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from activities.bank_file import load_units
from activities.read_model import fact_rows
from client.trial_client import RefusedError
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.answers import Answer
from schemas.commands.commands import (
    Accepted,
    AdverseEvent,
    AnswerTask,
    Decide,
    DecisionAction,
    EndParticipation,
    EndReason,
    Enroll,
    Envelope,
    Hold,
    LiftHold,
    ReportAdverseEvent,
    Signature,
)
from schemas.problem import ProblemType
from schemas.product.bank import LoadResult
from schemas.screening.panel import Antigen
from schemas.state.participant import ParticipantState
from simulation.answers import answer_for
from simulation.clock import fast_forward
from simulation.committee import APPROVAL
from simulation.observation import Observation
from simulation.people import VirtualParticipant
from simulation.site import PEOPLE
from simulation.trial import bank_csv, fill_bank, start_study
from simulation.world import REST_SECONDS, Seen, World

MESOTHELIN = (Antigen.MESOTHELIN,)
SINGLE, DUAL = "single-target", "dual-target"
LIMIT_SECONDS = 60.0
FORWARD_AGAIN_SECONDS = 2.0
POLL_SECONDS = 0.05

Row = Mapping[str, Any]
Change = Callable[[Row, datetime], Mapping[str, object]]


def envelope(role: Role, time: datetime, reason: str | None = None) -> Envelope:
    """Say who acts: the one person that plays this role."""
    return Envelope(person=PEOPLE[role], role=role, time=time, reason=reason)


async def eventually(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Ask until it is true, at most `LIMIT_SECONDS`."""
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await true():  # noqa: ASYNC110 - what is asked lives on a server
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        pytest.fail(f"did not become true: {what}")


async def caught_up(world: World, workflow_id: str) -> list[WorkflowHistory]:
    """Wait until people are shown what a workflow's history holds, no more and no less; return its runs."""
    runs: list[WorkflowHistory] = []

    async def has_caught_up() -> bool:
        shown = await fact_rows(world.pool, workflow_id)
        runs[:] = await fetch_runs(world.client.temporal, workflow_id)
        observed = await world.observe(workflow_id)
        return observed is not None and observed.is_at_rest and len(facts_in(runs)) == len(shown)

    await eventually(has_caught_up, f"people are shown what the history of {workflow_id} holds")
    return runs


class Case:
    """One participant and the site's people around it."""

    def __init__(self, world: World, loaded: LoadedProtocol, person: VirtualParticipant) -> None:
        """Nobody is enrolled yet."""
        self.world, self.protocol, self.person = world, loaded.protocol, person
        self.subject = person.subject
        self.workflow_id = names.participant_id(world.client.study, person.subject)
        self.unanswered: set[str] = set()
        self.changes: dict[str, Change] = {}
        self._forwarded: datetime | None = None
        self._forwarded_at = 0.0
        self._now = datetime.now(UTC)

    @property
    def now(self) -> datetime:
        """The latest moment that this participant's workflow was seen at."""
        return self._now

    @property
    def today(self) -> date:
        """The participant's present day."""
        return self._now.date()

    def leave(self, *steps: str) -> None:
        """Leave every task unanswered whose step begins so."""
        self.unanswered.update(steps)

    def change(self, step: str, **changes: object) -> None:
        """Answer the tasks whose step begins so with these fields in place of the usual ones."""
        self.changes[step] = lambda _task, _now: changes

    async def enroll(self, *, role: Role = Role.COORDINATOR) -> Accepted:
        """Enrol the participant, who signs today."""
        command = Enroll(
            envelope=envelope(role, self._now),
            subject=self.subject,
            consent_signed_on=self.today,
            consent_version="1.0",
            age_years=self.person.age_years,
        )
        return await self.world.client.enroll(command)

    async def state(self) -> ParticipantState:
        """Return the participant's state."""
        return await self.world.participant_state(self.subject)

    async def facts(self, *kinds: str) -> list[dict[str, Any]]:
        """Return the facts in the read model, of these kinds or of all."""
        found = await fact_rows(self.world.pool, self.workflow_id)
        return [fact for fact in found if not kinds or fact["kind"] in kinds]

    async def refusals(self) -> list[str]:
        """Return the types of the refusals that the event history itself names, in their order."""
        found = facts_in(await fetch_runs(self.world.client.temporal, self.workflow_id))
        return [fact.fact["problem"]["type"] for fact in found if fact.fact["kind"] == "refused"]

    # ------------------------------------------------------------------ playing ahead

    async def reach(self, step: str) -> Row:
        """Play ahead until a task whose step begins so is open and settled; return its row of the worklist."""
        found: list[Row] = []

        def is_open(seen: Seen) -> bool:
            found[:] = [task for task in seen.tasks if task["step"].startswith(step)]
            return bool(found) and seen.is_at_rest

        await self.play(is_open, f"{step} is open")
        return found[0]

    async def reach_end(self) -> ParticipantState:
        """Play ahead until participation has ended, and the workflow too."""
        await self.play(lambda seen: seen.stage == "ended", "participation has ended")
        await self.world.client.temporal.get_workflow_handle(self.workflow_id).result()
        return await self.state()

    async def reach_fact(self, *kinds: str) -> dict[str, Any]:
        """Play ahead until a fact of one of these kinds is published; return the latest."""

        async def recorded(_seen: Seen) -> bool:
            return bool(await self.facts(*kinds))

        await self._play(recorded, " or ".join(kinds))
        return (await self.facts(*kinds))[-1]

    async def play(self, done: Callable[[Seen], bool], what: str) -> None:
        """Answer and let time pass, in turn, until `done`."""

        async def is_done(seen: Seen) -> bool:
            return done(seen)

        await self._play(is_done, what)

    async def _play(self, done: Callable[[Seen], Awaitable[bool]], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not await self._round(done):
                    await self._wait_for_news()
        except TimeoutError:
            pytest.fail(f"{self.subject}: never came to this: {what}; {await self.state()!r}")

    async def _round(self, done: Callable[[Seen], Awaitable[bool]]) -> bool:
        seen = await self.world.see(self.workflow_id)
        if seen is None:
            return False
        self._now = seen.at
        if await done(seen):
            return True
        assert seen.stage != "ended", f"{self.subject} ended before: {await self.state()!r}"
        if seen.is_at_rest and not await self._answer_all(seen.tasks):
            await self._forward(seen)
        return False

    async def _answer_all(self, tasks: Sequence[Row]) -> bool:
        due = [task for task in tasks if not task["step"].startswith(tuple(self.unanswered))]
        if len(due) > 1 or self.now < self._reportable_at(due):
            due = [task for task in due if task["kind"] != "cytokine_course"]
        for task in due:
            try:
                await self.send(task)
            except RefusedError as error:
                # The arm refused the participant while the answer was on its way: the next reading shows the end.
                if error.problem.type is not ProblemType.PARTICIPATION_ENDED:
                    raise
        return bool(due)

    def _reportable_at(self, tasks: Sequence[Row]) -> datetime:
        """Return when a course of several days can be reported at the earliest."""
        opened = (task["opened_at"] for task in tasks if task["kind"] == "cytokine_course")
        return max((moment + timedelta(days=3) for moment in opened), default=self.now)

    async def _forward(self, seen: Seen) -> None:
        """Move the clock to the next timer; once more when it is not there after a while: a worker may have died."""
        if seen.next_at is None or await self.world.observe(self.workflow_id) != Observation(*seen[:3]):
            return
        clock = asyncio.get_running_loop().time
        if seen.next_at != self._forwarded:
            self._forwarded, self._forwarded_at = seen.next_at, clock()
            await self.world.clocks.bring_to(self.workflow_id, seen.next_at)
        elif clock() - self._forwarded_at >= FORWARD_AGAIN_SECONDS:
            self._forwarded_at = clock()
            await fast_forward(self.world.client.temporal, self.workflow_id, seen.next_at - seen.at)

    async def _wait_for_news(self) -> None:
        await self.world.news.wait(self.workflow_id, REST_SECONDS)

    async def let_pass(self, days: int) -> None:
        """Let days pass in which nobody acts, though tasks are open."""
        moment = self._now + timedelta(days=days)
        await self.world.clocks.bring_to(self.workflow_id, moment)
        self._now = moment

    # ------------------------------------------------------------------ single acts

    def usual(self, task: Row, **changes: object) -> Answer:
        """Return what the site usually answers, but for the changes."""
        answer = answer_for(self.protocol, self.person, task, self.now)
        return type(answer).model_validate(answer.model_dump() | changes)

    async def send(
        self, task: Row, answer: Answer | None = None, *, role: Role | None = None, time: datetime | None = None
    ) -> Accepted:
        """Answer a task, as usual if nothing else is said."""
        if answer is None:
            made = next((c for step, c in self.changes.items() if task["step"].startswith(step)), None)
            answer = self.usual(task, **(made(task, self.now) if made else {}))
        command = AnswerTask(
            envelope=envelope(role or Role(task["role"]), time or self.now), task_id=task["task_id"], answer=answer
        )
        return await self.world.client.answer_task(self.subject, command)

    async def end(self, reason: EndReason, why: str = "as the participant asked") -> Accepted:
        """End participation today."""
        command = EndParticipation(
            envelope=envelope(Role.INVESTIGATOR, self.now, why), reason=reason, occurred_on=self.today
        )
        return await self.world.client.end_participation(self.subject, command)

    async def report(
        self, term: str = "Cytokine release syndrome", *, grade: int = 4, dlt: bool = True, onset_on: date | None = None
    ) -> Accepted:
        """Report an adverse event, of today unless said otherwise."""
        event = AdverseEvent(term=term, grade=grade, onset_on=onset_on or self.today, related=True, dlt=dlt)
        command = ReportAdverseEvent(envelope=envelope(Role.INVESTIGATOR, self.now, "seen at the ward"), event=event)
        return await self.world.client.report_adverse_event(self.subject, command)


async def begin(
    world: World, loaded: LoadedProtocol, *people: VirtualParticipant, units: int | None = None
) -> list[Case]:
    """Start the study, fill the bank for everybody's target (unless `units` says 0), and enrol people one by one."""
    await start_study(world, loaded)
    if units != 0:
        targets = [MESOTHELIN, (Antigen.MESOTHELIN, Antigen.TROP2)]
        await fill_bank(world.pool, loaded, targets, units=units or 60)
    cases = [Case(world, loaded, person) for person in people]
    for case in cases:
        await case.enroll()
    return cases


def somebody(
    number: int = 1, *, antigens: tuple[Antigen, ...] = MESOTHELIN, age_years: int = 50, weight: float = 1.0
) -> VirtualParticipant:
    """Return a participant who meets every criterion."""
    subject = f"CN01-{number:03d}"
    return VirtualParticipant(subject=subject, age_years=age_years, antigens=antigens, weight=weight)


async def one(world: World, loaded: LoadedProtocol, person: VirtualParticipant | None = None) -> Case:
    """Begin with one participant, and enough product for everybody."""
    return (await begin(world, loaded, person or somebody()))[0]


async def in_line(cases: Sequence[Case]) -> None:
    """Bring participants to their arm one after another, so that slots are asked for in this order."""
    for case in cases:
        await case.reach_fact("assigned")
        await eventually(lambda case=case: _is_known(case), f"the arm knows {case.subject}")  # type: ignore[misc]


async def _is_known(case: Case) -> bool:
    assignment = (await case.state()).assignment
    if assignment is None:
        return False
    arm = await case.world.arm_state(assignment.arm)
    return case.subject in arm.queue or any(slot.subject == case.subject for slot in arm.slots)


async def load_bank(
    world: World,
    *,
    units: int,
    target: tuple[Antigen, ...] = MESOTHELIN,
    quality: str = "released",
    expires_in_days: int = 900,
    prefix: str = "N",
) -> LoadResult:
    """Load `units` more units of a target into the bank."""
    today = datetime.now(UTC).date()
    text = bank_csv([target], units=units, million_cells=3000, first_expiry=today + timedelta(days=expires_in_days))
    text = text.replace("\nP01-", f"\n{prefix}01-").replace(",released,", f",{quality},")
    return await load_units(world.pool, text, today, PEOPLE[Role.PHARMACIST])


def refused(kind: ProblemType) -> AbstractContextManager[pytest.ExceptionInfo[RefusedError]]:
    """Expect a refusal of this type."""
    return pytest.raises(RefusedError, check=lambda error: error.problem.type is kind)


# ---------------------------------------------------------------------- operations and committee


async def arm_now(world: World, arm: str) -> datetime:
    """Return the latest moment that an arm's workflow has reached."""
    at = await world.arm_time(arm)
    assert at is not None, f"{arm} is unknown"
    return at


async def hold(world: World, arm: str | None = None, *, role: Role = Role.OPERATIONS) -> Accepted:
    """Hold an arm, or the study."""
    why = "a safety signal is looked into"
    return await world.client.hold(Hold(envelope=envelope(role, datetime.now(UTC), why), arm=arm))


async def lift(world: World, arm: str | None = None, *, role: Role = Role.OPERATIONS, signed: bool = True) -> Accepted:
    """Lift a hold, signing what is on record of it."""
    record = await world.hold_record(arm or "study") if signed else None
    who = envelope(role, datetime.now(UTC), "the signal was not confirmed")
    if record is not None:
        who = who.model_copy(update={"signature": Signature(meaning=APPROVAL, signed_sha256=record.sha256)})
    return await world.client.lift_hold(LiftHold(envelope=who, arm=arm))


async def decide(
    world: World,
    action: DecisionAction,
    level: int | None = None,
    *,
    arm: str = SINGLE,
    reason: str | None = None,
    role: Role = Role.COMMITTEE,
    cohort: int | None = None,
) -> Accepted:
    """Decide on the arm's present cohort and sign the packet; read it anew when news came meanwhile."""
    while True:
        read = await world.packet(arm)
        signature = Signature(meaning=APPROVAL, signed_sha256=read.sha256)
        who = envelope(role, await arm_now(world, arm), reason).model_copy(update={"signature": signature})
        command = Decide(envelope=who, cohort=cohort or read.packet.cohort, action=action, level=level)
        try:
            return await world.client.decide(arm, command)
        except RefusedError as error:
            if error.problem.type is not ProblemType.PACKET_CHANGED:
                raise


async def committee_is_asked(world: World, arm: str = SINGLE) -> Row:
    """Wait until the committee has a task; return its row of the worklist."""
    query = "SELECT * FROM task WHERE study = $1 AND owner = $2 AND status = 'open'"
    found: list[Row] = []

    async def asked() -> bool:
        found[:] = [dict(row) for row in await world.pool.fetch(query, world.client.study, arm)]
        return bool(found)

    await eventually(asked, f"the committee is asked about {arm}")
    return found[0]


# ---------------------------------------------------------------------- what is on record


async def arm_refusals(world: World, arm: str = SINGLE) -> list[str]:
    """Return the types of the refusals that an arm's event histories name, in their order."""
    runs = await fetch_runs(world.client.temporal, names.arm_id(world.client.study, arm))
    return [fact.fact["problem"]["type"] for fact in facts_in(runs) if fact.fact["kind"] == "refused"]


async def arm_facts(world: World, arm: str = SINGLE) -> list[dict[str, Any]]:
    """Return an arm's facts in the read model, in their order."""
    return await fact_rows(world.pool, names.arm_id(world.client.study, arm))


async def updates_accepted(world: World, workflow_id: str) -> int:
    """Count the updates that a workflow's event histories hold."""
    runs = await fetch_runs(world.client.temporal, workflow_id)
    accepted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
    return sum(event.event_type == accepted for run in runs for event in run.events)


async def notices(world: World, task_id: str) -> Counter[str]:
    """Count the outbox's notices of a task by their event."""
    rows = await world.pool.fetch(
        "SELECT event FROM outbox WHERE study = $1 AND task_id = $2", world.client.study, task_id
    )
    return Counter(row["event"] for row in rows)


async def task_row(world: World, task_id: str) -> Row:
    """Return a task's row, open or closed."""
    row = await world.pool.fetchrow("SELECT * FROM task WHERE study = $1 AND task_id = $2", world.client.study, task_id)
    assert row is not None, f"no task {task_id}"
    return dict(row)


async def units_by_state(world: World, subject: str) -> tuple[int, int]:
    """Count a participant's units in the bank: reserved, and infused."""
    rows = await world.pool.fetch(
        "SELECT event FROM unit_custody WHERE study = $1 AND subject = $2", world.client.study, subject
    )
    events = Counter(row["event"] for row in rows)
    return events["reserved"], events["infused"]


# ---------------------------------------------------------------------- other protocols


def with_changes(loaded: LoadedProtocol, **changes: object) -> LoadedProtocol:
    """Return the protocol with other rules, under another hash."""
    protocol = type(loaded.protocol).model_validate(loaded.protocol.model_dump() | changes)
    digest = hashlib.sha256(protocol.model_dump_json().encode()).hexdigest()
    reference = loaded.reference.model_copy(update={"sha256": digest})
    return loaded.model_copy(update={"protocol": protocol, "reference": reference})


def with_escalation(loaded: LoadedProtocol, **changes: object) -> LoadedProtocol:
    """Return the protocol with other rules of escalation."""
    return with_changes(loaded, escalation=loaded.protocol.escalation.model_dump() | changes)


def without_stagger(loaded: LoadedProtocol) -> LoadedProtocol:
    """Return the protocol with all slots of a cohort free at once."""
    return with_escalation(loaded, stagger_days=0)


def with_cohorts_of_one(loaded: LoadedProtocol) -> LoadedProtocol:
    """Return the protocol with one participant a cohort, two in an expanded one, two DLTs making a level toxic."""
    return with_escalation(loaded, stagger_days=0, cohort_size=1, expanded_size=2)


def with_levels(loaded: LoadedProtocol, arm_id: str, levels: int) -> LoadedProtocol:
    """Return the protocol with this arm alone, at its lowest dose levels, starting at the first."""
    arm = loaded.protocol.arm(arm_id).model_dump()
    arm |= {"dose_levels": arm["dose_levels"][:levels], "start_level": 1}
    return with_changes(loaded, arms=[arm])
