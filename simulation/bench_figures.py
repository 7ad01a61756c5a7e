"""The benchmark's figures: the trial's runs beside the yardstick's, paired in time."""

import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from client.converter import DATA_CONVERTER
from simulation.bench_journeys import Journeys
from simulation.bench_run import Run
from simulation.bench_stack import BenchStack
from simulation.yardstick import YardstickParticipant
from simulation.yardstick_runs import YardstickRuns
from simulation.yardstick_script import Script, Trigger
from workflows.participant.workflow import ParticipantWorkflow
from workflows.sandbox import workflow_runner

Figures = dict[str, float]
TOGETHER = 8
"""How many enrolments are on their way at a time."""
ONE_BY_ONE = 4
"""How many journeys, one after another, the latency of updates is taken from in a round."""


class Round(NamedTuple):
    """The trial, the yardstick of the same commands and that of updates and timers, one after another."""

    trial: Run
    same_commands: Run
    updates_and_timers: Run


async def rounds_of(
    journeys: Journeys, yardstick: YardstickRuns, rounds: int, count: int, together: int
) -> list[Round]:
    """Run rounds; every second one in the reverse order, so that a machine that slows down is fair to all."""
    measures: list[Callable[[int, int], Awaitable[Run]]] = [
        journeys.whole,
        yardstick.same_commands,
        yardstick.updates_and_timers,
    ]
    found = []
    for number in range(rounds):
        order = list(enumerate(measures))
        runs = {place: await measure(count, together) for place, measure in (order[::-1] if number % 2 else order)}
        found.append(Round(*(runs[place] for place in range(len(measures)))))
    return found


def throughput_figures(rounds: Sequence[Round]) -> Figures:
    """Return journeys per second, and what each takes of a worker's processor."""
    return {
        "participants_per_second": statistics.median(each.trial.rate for each in rounds),
        "same_commands_per_second": statistics.median(each.same_commands.rate for each in rounds),
        "same_commands_ratio": statistics.median(each.trial.rate / each.same_commands.rate for each in rounds),
        "participants_ratio": statistics.median(each.trial.rate / each.updates_and_timers.rate for each in rounds),
        "worker_ms_per_journey": statistics.median(each.trial.worker_ms for each in rounds),
        "same_commands_worker_ms_per_journey": statistics.median(each.same_commands.worker_ms for each in rounds),
    }


def latency_figures(rounds: Sequence[Round]) -> Figures:
    """Return the latency of updates, taken one participant at a time."""
    ours, same, bare = (
        [latency for each in rounds for latency in each[place].latencies] for place in range(len(Round._fields))
    )
    return {
        "update_latency_ms_median": statistics.median(ours),
        "update_latency_ms_p99": percentile(ours, 0.99),
        "same_commands_latency_ms_median": statistics.median(same),
        "same_commands_latency_ms_p99": percentile(same, 0.99),
        "same_commands_latency_ratio": _latency_ratio([(each.trial, each.same_commands) for each in rounds]),
        "update_latency_ratio": _latency_ratio([(each.trial, each.updates_and_timers) for each in rounds]),
        "update_latency_p99_ratio": percentile(ours, 0.99) / percentile(bare, 0.99),
    }


def _latency_ratio(pairs: Sequence[tuple[Run, Run]]) -> float:
    return statistics.median(statistics.median(a.latencies) / statistics.median(b.latencies) for a, b in pairs)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of all values lie below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def history_figures(history: WorkflowHistory, script: Script) -> Figures:
    """Count a history's events and bytes; those that only virtual time adds are counted apart."""
    virtual = [
        event
        for event in history.events
        if event.HasField("workflow_execution_time_skipping_transitioned_event_attributes")
        or event.HasField("workflow_execution_options_updated_event_attributes")
    ]
    return {
        "history_events": float(len(history.events)),
        "history_events_of_virtual_time": float(len(virtual)),
        "history_bytes": float(sum(event.ByteSize() for event in history.events)),
        "updates": float(sum(step.trigger is Trigger.UPDATE for step in script.steps)),
        "timers": float(sum(step.timer is not None for step in script.steps)),
        "publications": float(sum(len(step.published) for step in script.steps)),
        "other_activities": float(sum(len(step.awaited) for step in script.steps)),
        "signals_sent": float(sum(len(step.signals) for step in script.steps)),
    }


async def start_figures(journeys: Journeys, yardstick: YardstickRuns, count: int) -> Figures:
    """Return how many participants can be enrolled, and how many workflows that do nothing started, a second."""
    ours, _world = await journeys.enrolments(count, TOGETHER)
    bare = await yardstick.starts(count, TOGETHER)
    return {
        "starts_per_second": ours.rate,
        "bare_starts_per_second": bare.rate,
        "start_ratio": ours.rate / bare.rate,
    }


async def replay_figures(trial: WorkflowHistory, same_commands: WorkflowHistory, seconds: float) -> Figures:
    """Return how fast the same runner replays a participant and the yardstick; once before, to import."""
    await replay_rate(trial, ParticipantWorkflow, 0)
    await replay_rate(same_commands, YardstickParticipant, 0)
    ours = await replay_rate(trial, ParticipantWorkflow, seconds)
    same = await replay_rate(same_commands, YardstickParticipant, seconds)
    return {
        "replay_events_per_second": ours,
        "same_commands_replay_events_per_second": same,
        "replay_ratio": ours / same,
    }


async def replay_rate(history: WorkflowHistory, workflow: type, seconds: float) -> float:
    """Replay a history again and again, for so many seconds of processor time; return events per such second."""
    replayed = 0
    began = time.process_time()

    async def again() -> AsyncIterator[WorkflowHistory]:
        yield history
        while time.process_time() - began < seconds:
            yield history

    replayer = Replayer(
        workflows=[workflow], workflow_runner=workflow_runner("simulation"), data_converter=DATA_CONVERTER
    )
    async with replayer.workflow_replay_iterator(again()) as results:
        async for result in results:
            if result.replay_failure is not None:
                raise result.replay_failure
            replayed += len(history.events)
    return replayed / (time.process_time() - began)


async def memory_figures(stack: BenchStack, count: int) -> Figures:
    """Enrol so many participants, and have each of them open its first tasks; return what the worker holds then."""
    before = stack.worker.memory_info().rss
    journeys = Journeys(stack)
    run, world = await journeys.enrolments(count, TOGETHER)
    opened = await journeys.wait_for_tasks(world, count)
    return {
        "open_participants": float(opened),
        "worker_rss_mb_before": before / 2**20,
        f"worker_rss_mb_at_{count}": stack.worker.memory_info().rss / 2**20,
        "enrolments_per_second_at_open": run.rate,
    }
