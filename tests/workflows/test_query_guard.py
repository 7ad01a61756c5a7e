"""
Somebody looks at a workflow whose worker is away, and its timer fires meanwhile: the history must still replay.

Without the guard it does not: the next worker answers from a state that no workflow task has led to, and goes on from
there (ADR 0019). The first tests show the fault and its absence on a real server, the others which queries are failed.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client, WorkflowHandle, WorkflowQueryFailedError
from temporalio.converter import SerializationContext, StorageDriverStoreContext
from temporalio.worker import PollerBehaviorSimpleMaximum, Replayer, Worker, WorkflowInstance, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner
from temporalio.workflow import Info

from client.converter import DATA_CONVERTER
from simulation.clock import fast_forward
from workflows.query_guard import NOT_ANSWERED, QUERY_ALONE, GuardedInstance
from workflows.sandbox import workflow_runner

DAY = timedelta(days=1)
PARTICIPANTS = 8
GUARDED = workflow_runner(__name__)
UNGUARDED = SandboxedWorkflowRunner(restrictions=GUARDED.restrictions)
STACK_TRACE, METADATA = "__stack_trace", "__temporal_workflow_metadata"
"""What Temporal's own page asks every workflow."""


@workflow.defn
class DailyVisits:
    """Waits for each day by the workflow's clock, and records the visit of that day."""

    @workflow.run
    async def run(self, days: int) -> None:
        """Record one visit a day."""
        for visit in range(days):
            due = workflow.now() + DAY
            while workflow.now() < due:
                await workflow.sleep(due - workflow.now())
            workflow.upsert_memo({"visits": visit + 1})


TIMER_FIRED = EventType.EVENT_TYPE_TIMER_FIRED
TASK_ENDED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
VISIT = (TIMER_FIRED, EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED)
"""The events of a visit, in their order."""


class Site:
    """Participants on a task queue of their own, whose worker comes and goes."""

    def __init__(self, client: Client, runner: WorkflowRunner) -> None:
        self.client, self.runner, self.queue = client, runner, f"visits-{uuid4().hex[:8]}"
        self.participants: list[WorkflowHandle[DailyVisits, None]] = []

    def worker(self) -> Worker:
        """Return a new worker, which asks for one task of the queue at a time."""
        return Worker(
            self.client,
            task_queue=self.queue,
            workflows=[DailyVisits],
            workflow_runner=self.runner,
            workflow_task_poller_behavior=PollerBehaviorSimpleMaximum(2),
        )

    async def enrol(self) -> None:
        """Start the participants; each waits for its first day."""
        for number in range(PARTICIPANTS):
            name = f"{self.queue}-{number}"
            started = await self.client.start_workflow(DailyVisits.run, 3, id=name, task_queue=self.queue)
            self.participants.append(started)

    async def ask(self, query: str = STACK_TRACE) -> list[object]:
        """Ask each participant's workflow once; return answers and errors."""
        queries = (participant.query(query) for participant in self.participants)
        return list(await asyncio.gather(*queries, return_exceptions=True))

    async def pass_a_day(self, *until: EventType.ValueType) -> None:
        """Let a day pass for each, until its history holds these events."""
        for participant in self.participants:
            await fast_forward(self.client, participant.id, DAY)
        await self.reach(*until)

    async def reach(self, *until: EventType.ValueType) -> None:
        """Follow each history until it holds these events, in this order."""
        for participant in self.participants:
            missing = list(until)
            async for event in participant.fetch_history_events(wait_new_event=True):
                if event.event_type == missing[0]:
                    missing.pop(0)
                if not missing:
                    break

    async def replay_failures(self) -> list[Exception]:
        """Replay each history; return why some do not."""
        replayer = Replayer(workflows=[DailyVisits], workflow_runner=self.runner, data_converter=DATA_CONVERTER)
        histories = [await participant.fetch_history() for participant in self.participants]
        results = [await replayer.replay_workflow(each, raise_on_replay_failure=False) for each in histories]
        return [result.replay_failure for result in results if result.replay_failure]

    async def leave(self) -> None:
        """Delete the workflows: those that do not replay are not the trial's."""
        for participant in self.participants:
            await self.client.workflow_service.delete_workflow_execution(
                DeleteWorkflowExecutionRequest(
                    namespace=self.client.namespace, workflow_execution=WorkflowExecution(workflow_id=participant.id)
                )
            )


@asynccontextmanager
async def site_of(client: Client, runner: WorkflowRunner) -> AsyncIterator[Site]:
    """Open a site whose workers run workflows so; delete its workflows afterwards."""
    site = Site(client, runner)
    yield site
    await site.leave()


async def begin_while_asked(site: Site) -> list[object]:
    """
    Ask while no worker is there, and let a day pass; only then the next worker begins, and ends after a task of each.

    Returns:
        the answers and errors.
    """
    async with site.worker():
        await site.enrol()
        await site.ask(METADATA)
    asked = asyncio.create_task(site.ask())
    await site.pass_a_day(TIMER_FIRED)
    async with site.worker():
        outcomes = await asked
        await site.reach(TIMER_FIRED, TASK_ENDED)
    return outcomes


async def test_without_the_guard_a_query_makes_a_history_that_does_not_replay(client: Client) -> None:
    """The fault of the SDK: a timer stands in the history where a visit was due."""
    async with site_of(client, UNGUARDED) as site:
        await begin_while_asked(site)

        failures = await site.replay_failures()
        assert failures
        assert all("TMPRL1100" in str(failure) for failure in failures)


async def test_with_the_guard_only_the_query_fails_and_every_history_replays(client: Client) -> None:
    """The same with the guard: queries fail or are answered, visits are recorded; who asks again is answered."""
    async with site_of(client, GUARDED) as site:
        outcomes = await begin_while_asked(site)

        refused = [outcome for outcome in outcomes if isinstance(outcome, WorkflowQueryFailedError)]
        assert {error.message for error in refused} == {NOT_ANSWERED}
        assert len(refused) + sum(isinstance(outcome, str) for outcome in outcomes) == PARTICIPANTS
        async with site.worker():
            assert all(isinstance(answer, str) for answer in await site.ask())
            await site.pass_a_day(*VISIT * 2)
            await site.pass_a_day(*VISIT * 3)
        assert await site.replay_failures() == []


async def test_a_workflow_in_memory_answers_the_queries_of_each_day(client: Client) -> None:
    """The worker did not go away: each query of Temporal's page is answered, every day and after the last."""
    async with site_of(client, GUARDED) as site, site.worker():
        await site.enrol()
        for day in range(1, 4):
            assert all(isinstance(answer, str) for answer in await site.ask())
            await site.pass_a_day(*VISIT * day)

        assert not any(isinstance(answer, Exception) for answer in await site.ask(METADATA))
        assert await site.replay_failures() == []


class Answering(WorkflowInstance):
    """A workflow that completes every activation."""

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Complete it with nothing."""
        completion = WorkflowActivationCompletion(run_id=act.run_id)
        completion.successful.SetInParent()
        return completion

    def get_serialization_context(self, command_info: object) -> SerializationContext | None:
        """None is needed."""

    def get_external_store_context(self, command_info: object) -> StorageDriverStoreContext:  # noqa: ARG002
        """Nothing is stored elsewhere."""
        return StorageDriverStoreContext(target=None)

    def get_info(self) -> Info:
        """Never asked for."""
        raise NotImplementedError


def activation(what: str, day: int, *, replaying: bool = False) -> WorkflowActivation:
    """Make an activation: a timer that fires, a query alone, or one that came with a workflow task."""
    made = WorkflowActivation(run_id="run", is_replaying=replaying)
    made.timestamp.FromSeconds(day)
    match what:
        case "timer":
            made.jobs.add().fire_timer.seq = 1
        case "query":
            made.jobs.add().query_workflow.query_id = QUERY_ALONE
        case _:
            made.jobs.add().query_workflow.query_id = "1"
    return made


REPLAYED = activation("timer", 1, replaying=True)
QUERY = activation("query", 1, replaying=True)
WITH_A_TASK = activation("query with a task", 2, replaying=True)


@pytest.mark.parametrize(
    ("before", "is_failed"),
    [
        pytest.param([REPLAYED], False, id="the history ends with its last task"),
        pytest.param([REPLAYED, activation("timer", 1)], True, id="no task has begun for what came last"),
        pytest.param([REPLAYED, activation("timer", 2)], True, id="a task of this worker, or of one that is gone"),
        pytest.param([REPLAYED, activation("timer", 2), WITH_A_TASK], True, id="a query with a task shows nothing"),
        pytest.param([REPLAYED, activation("timer", 2), activation("timer", 3)], False, id="a second task followed"),
        pytest.param([REPLAYED, QUERY, activation("timer", 2)], False, id="a task followed on an answer"),
        pytest.param([REPLAYED, QUERY, activation("timer", 1)], True, id="no task followed on an answer"),
        pytest.param([activation("timer", 1), activation("timer", 2)], False, id="never replayed"),
        pytest.param([activation("timer", 1), activation("timer", 1)], True, id="in memory, but read to its end"),
    ],
)
def test_a_query_fails_where_the_workflow_may_be_ahead_of_its_history(
    before: Sequence[WorkflowActivation], is_failed: bool
) -> None:
    """What came before the query makes the difference."""
    instance = GuardedInstance(Answering())
    for each in before:
        assert instance.activate(each).HasField("successful")

    assert instance.activate(QUERY).HasField("failed") is is_failed


def test_a_query_with_a_task_is_always_answered() -> None:
    """It is completed with its task, which is in the history."""
    instance = GuardedInstance(Answering())
    for each in (REPLAYED, activation("timer", 2), WITH_A_TASK):
        assert instance.activate(each).HasField("successful")
