"""
Replay: a history run through today's code, which must ask for the same commands and come to the same facts.

The SDK compares commands by type and order; the facts that a publication carries are compared here.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.workflow import ActivityHandle

from activities.publishing import fields_that_differ
from history.reading import FoundFact, facts_in
from history.rows import at, attributes_of, detail, what
from schemas import names
from schemas.facts import AnyFact

TASK_EVENTS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)
ANY_FACT: TypeAdapter[AnyFact] = TypeAdapter(AnyFact)


@dataclass(frozen=True)
class Replay:
    """What came of replaying one run; `difference` says where today's code first does something else."""

    workflow_id: str
    run_id: str
    events: int
    facts: int
    difference: str | None = None


async def replay(
    run: WorkflowHistory, *, workflows: Sequence[type], runner: WorkflowRunner, data_converter: DataConverter
) -> Replay:
    """
    Run a history through the workflows given: the same commands, and the same facts.

    Args:
        run: one run's history.
        workflows: today's workflow classes.
        runner: the sandbox they run in.
        data_converter: how their payloads are written.
    """
    recomputed = _Publications()
    replayer = Replayer(
        workflows=workflows,
        workflow_runner=runner,
        data_converter=data_converter,
        interceptors=[recomputed],
        runtime=_silent_runtime(),
    )
    result = await replayer.replay_workflow(run, raise_on_replay_failure=False)
    recorded = facts_in([run])
    if result.replay_failure is not None:
        difference: str | None = _first_difference(run, str(result.replay_failure))
    else:
        difference = _other_fact(recorded, recomputed.facts) or _left_out(run, recorded, recomputed.facts)
    return Replay(run.workflow_id, run.run_id, len(run.events), len(recorded), difference)


@cache
def _silent_runtime() -> Runtime:
    # The SDK's core logs a difference to stdout, amid what the caller prints; we return it instead.
    return Runtime(telemetry=TelemetryConfig(logging=None))


def _first_difference(run: WorkflowHistory, failure: str) -> str:
    # The core wraps what it found: the sentence in the middle is for people, and mostly names the event.
    wrapped = re.search(r'message: "((?:[^"\\]|\\.)*)"', failure)
    message = wrapped[1] if wrapped else failure
    number = re.search(r"\bid: (\d+)", message)
    if number:
        event = next((event for event in run.events if event.event_id == int(number[1])), None)
    else:
        named = set(re.findall(r"'([^']+)'", message))
        event = next((e for e in run.events if named & set(detail(attributes_of(e)).split())), None)
    return f"event {event.event_id} ({what(event)}, {at(event)}): {message}" if event else message


def _other_fact(recorded: Iterable[FoundFact], recomputed: dict[int, dict[str, Any]]) -> str | None:
    for found in recorded:
        ours = recomputed.get(found.sequence)
        if ours != found.fact and ours != _as_of_today(found.fact):
            return f"event {found.event_id}, fact {found.sequence}: {_difference(found.fact, ours)}"
    return None


def _left_out(run: WorkflowHistory, recorded: Iterable[FoundFact], recomputed: dict[int, dict[str, Any]]) -> str | None:
    """Name a fact that today's code publishes and the history does not have, unless its last task is not over."""
    tasks = (event.event_type for event in reversed(run.events) if event.event_type in TASK_EVENTS)
    if next(tasks, None) != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
        return None
    missing = sorted(recomputed.keys() - {found.sequence for found in recorded})
    return f"fact {missing[0]} is missing from the history" if missing else None


def _as_of_today(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded fact as today's model writes it: a field that was added later says nothing at its default."""
    try:
        fact = ANY_FACT.validate_json(json.dumps(recorded))
    except ValidationError:
        return recorded
    document: dict[str, Any] = json.loads(to_json(fact, exclude_none=True))
    return document


def _difference(recorded: dict[str, Any], ours: dict[str, Any] | None) -> str:
    if ours is None:
        return f"recorded {recorded.get('kind')}, today's code comes to no such fact"
    return fields_that_differ(recorded, ours, other_is="today's code says")


class _Publications(Interceptor):
    """Keeps the facts that a replayed workflow asks to be published, by number."""

    def __init__(self) -> None:
        self.facts: dict[int, dict[str, Any]] = {}

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK names it so
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        keep = self._keep

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(
                self,
                input: StartActivityInput,  # noqa: A002 - the SDK names it so
            ) -> ActivityHandle[Any]:
                keep(input)
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound

    def _keep(self, asked: StartActivityInput) -> None:
        if asked.activity == names.PUBLISH_FACTS:
            publication = asked.args[0]
            for sequence, fact in enumerate(publication.facts, start=publication.first_sequence):
                self.facts[sequence] = json.loads(to_json(fact, exclude_none=True))
