"""
People have Temporal's own page open, which queries workflows, while others write to them: every history replays.

A query that comes with a workflow task can end that task early; nothing that a workflow does may depend on it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.service import RPCError

from client.trial_client import RefusedError
from history.reading import facts_in
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, AnswerTask, Decide, DecisionAction, EndReason
from simulation.world import World
from tests.history.replaying import replay_all
from tests.workflows.stories import (
    DUAL,
    SINGLE,
    arm_now,
    begin,
    caught_up,
    committee_is_asked,
    decide,
    envelope,
    hold,
    in_line,
    lift,
    somebody,
    with_cohorts_of_one,
)


@asynccontextmanager
async def meanwhile(act: Callable[[], Awaitable[object]], people: int = 1) -> AsyncIterator[None]:
    """Let people do this again and again, without a pause; that it is refused is no matter."""
    done = asyncio.Event()

    async def again_and_again() -> None:
        while not done.is_set():
            try:
                await act()
            except RefusedError:
                continue

    async with asyncio.TaskGroup() as group:
        for _ in range(people):
            group.create_task(again_and_again())
        yield
        done.set()


async def query(world: World, workflow_id: str) -> None:
    """Query a workflow as Temporal's page does; that it fails is no matter."""
    with suppress(RPCError, WorkflowQueryFailedError, WorkflowQueryRejectedError):
        await world.client.temporal.get_workflow_handle(workflow_id).query("__temporal_workflow_metadata")


async def assert_replays(world: World, workflow_id: str) -> None:
    """Every run replays, and holds all facts that people were shown, in their order."""
    runs = await caught_up(world, workflow_id)
    assert [done.difference for done in await replay_all(runs)] == [None] * len(runs)
    shown = await world.pool.fetch("SELECT sequence FROM fact WHERE workflow_id = $1 ORDER BY sequence", workflow_id)
    recorded = [fact.sequence for fact in facts_in(runs)]
    assert recorded == [row["sequence"] for row in shown] == list(range(1, len(recorded) + 1))


async def test_a_participant_whose_page_is_open_all_the_time_replays(world: World, protocol: LoadedProtocol) -> None:
    """From consent to withdrawal, while its page is open all the time and others send answers that are refused."""
    (case,) = await begin(world, protocol, somebody())
    task = await case.reach("biopsy")
    answer = case.usual(task)
    await case.send(task)

    async def answer_again() -> Accepted:
        who = envelope(Role.COORDINATOR, task["opened_at"])
        command = AnswerTask(envelope=who, task_id=task["task_id"], answer=answer)
        return await world.client.answer_task(case.subject, command)

    async with meanwhile(lambda: query(world, case.workflow_id), people=3), meanwhile(answer_again):
        await case.reach("infusion-2")
    await case.end(EndReason.WITHDRAWAL)
    await case.reach_end()

    assert len(await case.refusals()) > 1
    await assert_replays(world, case.workflow_id)


async def test_an_arm_whose_page_is_open_while_others_decide_replays(world: World, protocol: LoadedProtocol) -> None:
    """Arm and study are on somebody's page, decisions without the right are refused; another arm is held."""
    case, waiting = await begin(world, with_cohorts_of_one(protocol), somebody(1), somebody(2))
    await in_line([case, waiting])

    async def decide_without_right() -> Accepted:
        who = envelope(Role.INVESTIGATOR, await arm_now(world, SINGLE), "not mine to decide")
        return await world.client.decide(SINGLE, Decide(envelope=who, cohort=1, action=DecisionAction.STOP))

    async def hold_and_lift() -> None:
        await hold(world, DUAL)
        await lift(world, DUAL)

    study_id, arm_id = names.study_id(world.client.study), names.arm_id(world.client.study, SINGLE)
    async with meanwhile(lambda: query(world, arm_id), people=2), meanwhile(lambda: query(world, study_id)):
        async with meanwhile(decide_without_right), meanwhile(hold_and_lift):
            await case.reach("infusion-1")
        async with meanwhile(decide_without_right):
            await case.reach_fact("dlt_judged")
            await committee_is_asked(world)
            await decide(world, DecisionAction.ESCALATE)
            await waiting.reach_fact("product_reserved")

    study = world.client.study
    for workflow_id in (
        names.arm_id(study, SINGLE),
        names.arm_id(study, DUAL),
        names.study_id(study),
        case.workflow_id,
    ):
        await assert_replays(world, workflow_id)
