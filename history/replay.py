"""
What an auditor reads: histories as rows, with the facts in them, and their replay by today's code.

A history names its facts without any code of ours (`recorded`). The replay goes further: today's code must ask for the
same commands, and must come to the same facts.
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message import Message
from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_json
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
    WorkflowRunner,
)
from temporalio.workflow import ActivityHandle
from workflows.feed import Feed

from history.fact_words import describe_fact
from history.reading import FoundFact, facts_in, facts_of_event, plain
from schemas import names
from schemas.facts import AnyFact
from schemas.messages import Publication

TASK_EVENTS = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT,
)
ANY_FACT: TypeAdapter[AnyFact] = TypeAdapter(AnyFact)


class HistoryFormatError(ValueError):
    """A file is not a history, or holds what cannot be read."""


@dataclass(frozen=True)
class EventRow:
    """One event for people; who and why are given where a person or a fact stands behind it."""

    event_id: int
    at: str
    what: str
    detail: str
    who: str = ""
    why: str = ""


@dataclass(frozen=True)
class Replay:
    """What came of replaying one run; `difference` says where today's code first does something else."""

    workflow_id: str
    run_id: str
    events: int
    facts: int
    difference: str | None = None


# Reading


def to_document(runs: Sequence[WorkflowHistory]) -> dict[str, Any]:
    """Return Temporal's own history JSON, as its UI and CLI write it; several runs stand in a list under 'runs'."""
    documents = [run.to_json_dict() for run in runs]
    return documents[0] if len(documents) == 1 else {"runs": documents}


def read_document(text: str) -> list[WorkflowHistory]:
    """
    Read what `to_document` wrote, or a history from Temporal's UI or CLI.

    Raises:
        HistoryFormatError: it is not such a document.
    """
    try:
        document = json.loads(text)
        parts = document.get("runs", [document])
        histories = [WorkflowHistory.from_json("", part) for part in parts]
        return [WorkflowHistory(_workflow_id(history), history.events) for history in histories]
    except Exception as error:  # noqa: BLE001 - the protobuf parser and the SDK raise whatever suits them
        raise HistoryFormatError(f"not a Temporal history in JSON: {type(error).__name__}: {error}") from None


def _workflow_id(history: WorkflowHistory) -> str:
    first = history.events[0]
    if not first.HasField("workflow_execution_started_event_attributes"):
        raise HistoryFormatError("its first event is not a workflow's start")
    return first.workflow_execution_started_event_attributes.workflow_id


# Rows


def rows_of(run: WorkflowHistory) -> list[EventRow]:
    """Return one run for people: a row for each event, and one for each fact below the marker that carries it."""
    rows: list[EventRow] = []
    for event in run.events:
        rows.append(_row(event))
        rows += [_fact_row(fact) for fact in facts_of_event(run, event)]
    return rows


def _fact_row(found: FoundFact) -> EventRow:
    fact = found.fact
    who = f"{fact['who']} ({fact['role']})"
    what = f"  fact {found.sequence}: {fact['kind']}"
    return EventRow(found.event_id, str(fact["at"]), what, describe_fact(fact), who, str(fact["why"]))


def _row(event: HistoryEvent) -> EventRow:
    attributes = _attributes(event)
    envelope = _envelope(attributes)
    who = f"{envelope['person']} ({envelope['role']})" if envelope else ""
    why = str(envelope.get("reason", "")) if envelope else ""
    return EventRow(event.event_id, _at(event), _what(event), _detail(attributes), who, why)


def _what(event: HistoryEvent) -> str:
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    return name.replace("_", " ").capitalize()


def _at(event: HistoryEvent) -> str:
    return f"{event.event_time.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def _attributes(event: HistoryEvent) -> Message:
    attributes = getattr(event, event.WhichOneof("attributes") or "")
    if not isinstance(attributes, Message):
        raise HistoryFormatError(f"event {event.event_id} has no attributes")
    return attributes


NAMED = (
    ("workflow_type", "name"),
    ("activity_type", "name"),
    ("accepted_request", "input", "name"),
    ("signal_name",),
    ("marker_name",),
    ("timer_id",),
    ("workflow_id",),
    ("workflow_execution", "workflow_id"),
    ("failure", "message"),
    ("outcome", "failure", "application_failure_info", "type"),
    ("outcome", "failure", "message"),
    ("new_execution_run_id",),
    ("cause",),
)
"""The parts of an event that say what it is about; those that it has are shown."""


def _detail(attributes: Message) -> str:
    found = [value for path in NAMED if (value := _follow(attributes, path))]
    if timeout := _follow(attributes, ("start_to_fire_timeout",)):
        found.append(f"after {timeout.ToTimedelta()}")
    return " ".join(dict.fromkeys(str(value) for value in found))


def _follow(message: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - protobuf fields are of any type
    for name in path:
        message = getattr(message, name, None)
        if message is None or (isinstance(message, Message) and not message.ByteSize()):
            return None
    return message


def _envelope(attributes: Message) -> dict[str, Any] | None:
    arguments = _follow(attributes, ("accepted_request", "input", "args"))
    command = plain(arguments) if arguments is not None else None
    envelope = command.get("envelope") if isinstance(command, dict) else None
    return envelope if isinstance(envelope, dict) else None


# Replay


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
    recomputed = _Publications({}, set())
    replayer = Replayer(
        workflows=workflows,
        workflow_runner=runner,
        data_converter=data_converter,
        interceptors=[recomputed, Feed(recomputed.take, replays=True)],
        runtime=_silent_runtime(),
    )
    result = await replayer.replay_workflow(run, raise_on_replay_failure=False)
    if result.replay_failure is not None:
        difference: str | None = _first_difference(run, str(result.replay_failure))
    else:
        difference = _other_fact(facts_in([run]), recomputed.facts) or _left_out(run, recomputed.noted)
    return Replay(run.workflow_id, run.run_id, len(run.events), len(facts_in([run])), difference)


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
        at = next((event for event in run.events if event.event_id == int(number[1])), None)
    else:
        named = set(re.findall(r"'([^']+)'", message))
        at = next((event for event in run.events if named & set(_detail(_attributes(event)).split())), None)
    return f"event {at.event_id} ({_what(at)}, {_at(at)}): {message}" if at else message


def _other_fact(recorded: Iterable[FoundFact], recomputed: dict[int, dict[str, Any]]) -> str | None:
    last = 0
    for found in recorded:
        ours, last = recomputed.get(found.sequence), found.sequence
        if ours != found.fact and ours != _in_todays_words(found.fact):
            return f"event {found.event_id}, fact {found.sequence}: {_fields_that_differ(found.fact, ours)}"
    known = {found.sequence for found in recorded}
    # Later facts were not published yet when the history was taken.
    left_out = [sequence for sequence in recomputed if sequence < last and sequence not in known]
    return f"fact {left_out[0]} is missing from the history" if left_out else None


def _left_out(run: WorkflowHistory, noted: set[int]) -> str | None:
    """Name a fact that today's code notes and the history does not have, though its last task has ended."""
    tasks = (kind for kind in (event.event_type for event in reversed(run.events)) if kind in TASK_EVENTS)
    if next(tasks, None) != EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
        return None
    missing = sorted(noted - {found.sequence for found in facts_in([run])})
    return f"fact {missing[0]} is missing from the history" if missing else None


def _in_todays_words(recorded: dict[str, Any]) -> dict[str, Any]:
    """A field that was added later says nothing at its default: the recorded fact is read as today's model."""
    try:
        fact = ANY_FACT.validate_json(json.dumps(recorded))
    except ValidationError:
        return recorded
    words: dict[str, Any] = json.loads(to_json(fact, exclude_none=True))
    return words


def _fields_that_differ(recorded: dict[str, Any], ours: dict[str, Any] | None) -> str:
    if ours is None:
        return f"recorded {recorded.get('kind')}, today's code comes to no such fact"
    keys = [key for key in {**recorded, **ours} if recorded.get(key) != ours.get(key)]
    return "; ".join(f"{key}: recorded {recorded.get(key)!r}, today's code says {ours.get(key)!r}" for key in keys)


@dataclass
class _Publications(Interceptor):
    """Listens to what replayed workflows of earlier revisions ask to be published by activities."""

    facts: dict[int, dict[str, Any]]
    noted: set[int]

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002, ARG002 - the SDK names it so
    ) -> type[WorkflowInboundInterceptor]:
        """See base class."""
        return _listening(self._hear)

    def _hear(self, asked: StartActivityInput | StartLocalActivityInput) -> None:
        if asked.activity == names.PUBLISH_FACTS:
            self._take(asked.args[0])

    def take(self, publication: Publication) -> None:
        """Take what a workflow of today notes."""
        self.noted.update(range(publication.first_sequence, publication.last_sequence + 1))
        self._take(publication)

    def _take(self, publication: Publication) -> None:
        for sequence, fact in enumerate(publication.facts, start=publication.first_sequence):
            # What is asked for first stands: a publication that comes back repeats it.
            self.facts.setdefault(sequence, json.loads(to_json(fact, exclude_none=True)))


def _listening(
    hear: Callable[[StartActivityInput | StartLocalActivityInput], None],
) -> type[WorkflowInboundInterceptor]:
    class Outbound(WorkflowOutboundInterceptor):
        def start_activity(
            self,
            input: StartActivityInput,  # noqa: A002 - the SDK names it so
        ) -> ActivityHandle[Any]:
            hear(input)
            return super().start_activity(input)

        def start_local_activity(
            self,
            input: StartLocalActivityInput,  # noqa: A002 - the SDK names it so
        ) -> ActivityHandle[Any]:
            hear(input)
            return super().start_local_activity(input)

    class Inbound(WorkflowInboundInterceptor):
        def init(self, outbound: WorkflowOutboundInterceptor) -> None:
            super().init(Outbound(outbound))

    return Inbound
