"""The benchmark's yardstick gives the commands of a real journey, in their numbers and sizes."""

import os
from collections import Counter

import psutil
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowHistory

from activities.database import Pool
from deploy.stack_file import Stack
from protocols.loader import LoadedProtocol
from schemas.screening.panel import Antigen
from simulation.bench_journeys import nobody
from simulation.bench_stack import BenchStack
from simulation.people import VirtualParticipant
from simulation.site import VirtualSite
from simulation.trial import fill_bank, start_study
from simulation.world import World
from simulation.yardstick_runs import YardstickRuns, read_scripts
from simulation.yardstick_worker import make_yardstick_worker

ACTIVITY = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
TIMER = EventType.EVENT_TYPE_TIMER_STARTED
UPDATE = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED
SIGNALLED = EventType.EVENT_TYPE_SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED
SIGNALS = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED


async def test_the_yardstick_gives_the_commands_of_a_real_journey(
    world: World, protocol: LoadedProtocol, client: Client, pool: Pool, stack: Stack
) -> None:
    """A journey, the yardstick of its commands, and the one of its updates and timers only."""
    await fill_bank(world.pool, protocol, [(Antigen.MESOTHELIN,)], units=3)
    await start_study(world, protocol)
    person = VirtualParticipant(subject="CN01-001", age_years=50, antigens=(Antigen.MESOTHELIN,))
    site = VirtualSite(world, protocol.protocol, person, nobody)
    await site.enroll()
    await site.live()
    measured = BenchStack(stack.data, client, pool, psutil.Process(os.getpid()))
    arm = protocol.protocol.arms[0].id

    scripts = await read_scripts(measured, world.client.study, person.subject, arm)
    runs = YardstickRuns(measured, measured.worker, scripts, arms=1)
    async with make_yardstick_worker(client, scripts.participant.rest().to_text()):
        run = await runs.same_commands(1, 1)
        same = await measured.history(runs.participant_id(1))
        await runs.updates_and_timers(1, 1)
        bare = await measured.history(runs.participant_id(1))
    real = await measured.history(scripts.like)

    counted = _counted(real)
    assert {kind: _counted(same)[kind] for kind in (UPDATE, SIGNALLED, SIGNALS)} == {
        kind: counted[kind] for kind in (UPDATE, SIGNALLED, SIGNALS)
    }
    # A participant keeps a deadline while it waits for the bank; the yardstick leaves out these timers.
    left_out = range(counted[TIMER] // 10 + 1)
    assert counted[TIMER] - _counted(same)[TIMER] in left_out
    # What is recorded while a publication is under way goes with the next one, in both.
    assert abs(_counted(same)[ACTIVITY] - counted[ACTIVITY]) <= 2
    assert abs(_bytes(same) / _bytes(real) - 1) < 0.1
    assert len(run.latencies) == counted[UPDATE]
    assert _counted(bare)[UPDATE] == counted[UPDATE]
    assert counted[TIMER] - _counted(bare)[TIMER] in left_out
    assert _counted(bare)[ACTIVITY] == _counted(bare)[SIGNALLED] == 0


def _counted(history: WorkflowHistory) -> Counter[int]:
    return Counter(event.event_type for event in history.events)


def _bytes(history: WorkflowHistory) -> int:
    return sum(event.ByteSize() for event in history.events)
