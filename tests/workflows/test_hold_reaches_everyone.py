"""
A related death: the study holds itself, and no infusion starts anywhere from then on.

What is asserted is read from the event histories alone, as an auditor would.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from client.trial_client import RefusedError
from history.reading import FoundFact, facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.commands import ReportAdverseEvent
from schemas.problem import ProblemType
from schemas.protocol import Arm, ArmKind
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.screening.panel import Antigen
from simulation.people import VirtualParticipant
from simulation.trial import fill_bank, start_study
from simulation.world import World
from tests.workflows.stories import Case, Row, envelope, eventually, lift, with_changes

AT_ONCE = 8
"""A workflow takes ten updates at a time, and enrolments are updates of one study."""
STUDY = "study"
SIGNALED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
UPDATE_ACCEPTED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
UPDATE_COMPLETED = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
SIGNAL_SENT = EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED


class Size(NamedTuple):
    """How many take part, of whom so many are about to be infused and so many are in screening."""

    participants: int
    before_infusion: int
    in_screening: int

    @property
    def third(self) -> int:
        """So many sites try when the death is reported, when the study holds itself, and when everybody knows."""
        return self.before_infusion // 3


SIZES = [
    pytest.param(Size(participants=18, before_infusion=6, in_screening=4), id="18"),
    pytest.param(Size(participants=200, before_infusion=24, in_screening=20), id="200", marks=pytest.mark.nightly),
]


class Story(NamedTuple):
    """Everybody of the study, and the tasks of those who were about to be infused."""

    died: Case
    about_to: list[Case]
    tasks: list[Row]
    everybody: list[Case]


def crowded(loaded: LoadedProtocol) -> LoadedProtocol:
    """Return the protocol with an arm for each antigen and no stagger, so that many are treated at once."""
    first = loaded.protocol.arms[0]
    arms = [
        Arm(
            id=f"arm-{number}",
            kind=ArmKind.SINGLE,
            targets=((entry.antigen,),),
            dose_levels=first.dose_levels,
            start_level=first.start_level,
        ).model_dump()
        for number, entry in enumerate(loaded.protocol.panel, start=1)
    ]
    crowd = {"cohort_size": 6, "expanded_size": 12, "stagger_days": 0}
    return with_changes(loaded, arms=arms, escalation=loaded.protocol.escalation.model_dump() | crowd)


async def a_few_at_a_time(work: Iterable[Awaitable[Any]], at_once: int = AT_ONCE) -> list[Any]:
    """Do it all, so many at a time; return what came of it."""
    gate = asyncio.Semaphore(at_once)

    async def one(each: Awaitable[Any]) -> object:
        async with gate:
            return await each

    return await asyncio.gather(*(one(each) for each in work))


async def set_up(world: World, protocol: LoadedProtocol, size: Size) -> Story:
    """Enrol everybody; bring some to an open infusion, one beyond it, and leave the others in screening."""
    rules = crowded(protocol)
    panel = [entry.antigen for entry in rules.protocol.panel]
    await start_study(world, rules)
    await fill_bank(world.pool, rules, [(antigen,) for antigen in panel], units=20)
    everybody = [Case(world, rules, person(number, panel)) for number in range(1, size.participants + 1)]
    await a_few_at_a_time(case.enroll() for case in everybody)
    died, *about_to = everybody[: size.before_infusion + 1]
    some = everybody[size.before_infusion + 1 :][: size.in_screening]
    others = [died.reach("treatment-check-infusion-2"), *(case.reach("antigen-panel-1") for case in some)]
    reached = await asyncio.gather(*(case.reach("infusion-1") for case in about_to), *others)
    tasks = reached[: size.before_infusion]
    return Story(died, about_to, tasks, everybody)


def person(number: int, panel: Sequence[Antigen]) -> VirtualParticipant:
    """Return a participant for one of the arms."""
    antigen = panel[number % len(panel)]
    return VirtualParticipant(subject=f"CN01-{number:04d}", age_years=50, antigens=(antigen,))


async def report_related_death(case: Case) -> None:
    """Report a death that the treatment may have caused."""
    event = AdverseEvent(
        term="Cardiac arrest",
        grade=5,
        onset_on=case.today,
        ended_on=case.today,
        related=True,
        category=EventCategory.ORGAN,
    )
    who = envelope(Role.INVESTIGATOR, case.now, "died at the ward")
    await case.world.client.report_adverse_event(case.subject, ReportAdverseEvent(envelope=who, event=event))


async def keep_trying(case: Case, task: Row, stop: asyncio.Event) -> list[ProblemType]:
    """Confirm the infusion again and again, until it is accepted or the site is told to stop; return the refusals."""
    refusals: list[ProblemType] = []
    while not (stop.is_set() and refusals):
        try:
            await case.send(task)
        except RefusedError as refused:
            refusals.append(refused.problem.type)
        else:
            return refusals
    return refusals


async def study_is_held(world: World) -> bool:
    """Tell whether the study has held itself."""
    return STUDY in (await world.study_state()).holds


async def all_know(world: World, kind: str, participants: int) -> bool:
    """Tell whether everybody's workflow has said that it has received it."""
    query = "SELECT count(DISTINCT owner) FROM fact WHERE study = $1 AND kind = $2 AND workflow_id LIKE 'participant/%'"
    return int(await world.pool.fetchval(query, world.client.study, kind)) == participants


@pytest.mark.parametrize("size", SIZES)
async def test_a_related_death_stops_every_infusion_of_a_study(
    world: World, protocol: LoadedProtocol, size: Size
) -> None:
    """
    The study holds itself when the death is reported, while many sites keep trying to confirm infusions.

    Everybody is signalled in one step. Nobody's history has an infusion, or a request for one, between the hold and its
    lift; and every answer that came after the hold was refused, on record.
    """
    story = await set_up(world, protocol, size)
    stop = asyncio.Event()
    sites = [keep_trying(case, task, stop) for case, task in zip(story.about_to, story.tasks, strict=True)]

    early = [asyncio.create_task(site) for site in sites[: size.third]]
    await report_related_death(story.died)
    await eventually(lambda: study_is_held(world), "the study holds itself")
    late = [asyncio.create_task(site) for site in sites[size.third : 2 * size.third]]
    await eventually(lambda: all_know(world, "hold_placed", size.participants), "everybody is held")
    stop.set()
    await asyncio.gather(*early, *late, *sites[2 * size.third :])
    await lift(world)
    await eventually(lambda: all_know(world, "hold_lifted", size.participants), "everybody knows of the lift")
    waiting = story.about_to[-1]
    await waiting.send(await waiting.reach("infusion-1"))
    await waiting.reach("treatment-check-infusion-2")

    study = await fetch_runs(world.client.temporal, names.study_id(world.client.study))
    assert [fact.fact["rule"] for fact in of_kind(facts_in(study), "hold_placed")] == ["related-death"]
    assert signalled_in_one_step(study) == (size.participants + len(crowded(protocol).protocol.arms), 1)
    for arm in crowded(protocol).protocol.arms:
        runs = await fetch_runs(world.client.temporal, names.arm_id(world.client.study, arm.id))
        assert [fact.fact["scope"] for fact in of_kind(facts_in(runs), "hold_placed")] == [STUDY]
    counts: Counter[str] = Counter()
    async for runs in histories(world, story.everybody):
        counts.update(check_history(runs))
    assert counts["held"] == size.participants
    assert counts["refused after the hold"] >= size.third


# ---------------------------------------------------------------------- what the histories say


async def histories(world: World, cases: Sequence[Case]) -> AsyncIterator[list[WorkflowHistory]]:
    """Fetch everybody's history."""
    ids = [case.workflow_id for case in cases]
    for runs in await a_few_at_a_time((fetch_runs(world.client.temporal, each) for each in ids), at_once=16):
        yield runs


def of_kind(facts: Iterable[FoundFact], kind: str) -> list[FoundFact]:
    """Return the facts of a kind."""
    return [fact for fact in facts if fact.fact["kind"] == kind]


def signalled_in_one_step(runs: Sequence[WorkflowHistory]) -> tuple[int, int]:
    """Count the hold's signals that the study sent until its lift, and the steps of the study that sent them."""
    steps: list[int] = []
    for event in (event for run in runs for event in run.events if event.event_type == SIGNAL_SENT):
        sent = event.signal_external_workflow_execution_initiated_event_attributes
        if sent.signal_name == "change_hold" and b'"held":true' in sent.input.payloads[0].data:
            steps.append(sent.workflow_task_completed_event_id)
    return len(steps), len(set(steps))


def check_history(runs: Sequence[WorkflowHistory]) -> Counter[str]:
    """Check one participant's history: nothing of an infusion between the hold and its lift."""
    facts = facts_in(runs)
    (placed,), (lifted,) = of_kind(facts, "hold_placed"), of_kind(facts, "hold_lifted")
    assert (placed.fact["scope"], placed.fact["rule"]) == (STUDY, "related-death")
    during = [fact.fact for fact in facts if placed.sequence < fact.sequence < lifted.sequence]
    opened = [fact["task"] for fact in during if fact["kind"] == "task_opened"]
    answered = [fact["answer"] for fact in during if fact["kind"] == "task_answered"]
    assert [task["id"] for task in opened if task["kind"] == "infusion"] == []
    assert [answer for answer in answered if answer["kind"] == "infusion"] == []

    events = [event for run in runs for event in run.events]
    reached, ended = hold_events(events)
    outcomes = {
        event.workflow_execution_update_completed_event_attributes.accepted_event_id: event
        for event in events
        if event.event_type == UPDATE_COMPLETED
    }
    after = [
        event
        for event in events
        if is_infusion(event)
        and reached.event_time.ToDatetime() <= event.event_time.ToDatetime()
        and reached.event_id < event.event_id < ended.event_id
    ]
    for event in after:
        outcome = outcomes[event.event_id].workflow_execution_update_completed_event_attributes.outcome
        assert outcome.HasField("failure"), f"{runs[0].workflow_id}: an infusion was accepted after the hold"
    refused = [fact for fact in during if fact["kind"] == "refused" and fact["command"] == "answer_task"]
    assert len(refused) >= len(after)
    return Counter({"held": 1, "refused after the hold": bool(after)})


def hold_events(events: Iterable[HistoryEvent]) -> tuple[HistoryEvent, HistoryEvent]:
    """Return where the hold reached a participant, and its lift."""
    told = [
        event
        for event in events
        if event.event_type == SIGNALED
        and event.workflow_execution_signaled_event_attributes.signal_name == "change_hold"
    ]
    placed, lifted = told
    return placed, lifted


def is_infusion(event: HistoryEvent) -> bool:
    """Tell whether an event is the answer to an infusion's task, as it was taken in."""
    if event.event_type != UPDATE_ACCEPTED:
        return False
    request = event.workflow_execution_update_accepted_event_attributes.accepted_request
    payloads = request.input.args.payloads
    return bool(payloads) and b'"kind":"infusion"' in payloads[0].data
