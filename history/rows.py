"""Histories as rows for people: a row for each event, and one for each fact."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from history.documents import HistoryFormatError
from history.fact_words import describe_fact
from history.reading import FoundFact, facts_of_event, plain


@dataclass(frozen=True)
class EventRow:
    """One event for people; who and why are given where a person or a fact stands behind it."""

    event_id: int
    at: str
    what: str
    detail: str
    who: str = ""
    why: str = ""


def event_rows(run: WorkflowHistory) -> list[EventRow]:
    """Return one run for people: a row for each event, and one for each fact below the event that publishes it."""
    rows: list[EventRow] = []
    for event in run.events:
        rows.append(row_of(event))
        rows += [_fact_row(fact) for fact in facts_of_event(run, event)]
    return rows


def _fact_row(found: FoundFact) -> EventRow:
    fact = found.fact
    who = f"{fact['who']} ({fact['role']})"
    what = f"  fact {found.sequence}: {fact['kind']}"
    return EventRow(found.event_id, str(fact["at"]), what, describe_fact(fact), who, str(fact["why"]))


def row_of(event: HistoryEvent) -> EventRow:
    """Return an event as a row."""
    attributes = attributes_of(event)
    envelope = _envelope(attributes)
    who = f"{envelope['person']} ({envelope['role']})" if envelope else ""
    why = str(envelope.get("reason", "")) if envelope else ""
    return EventRow(event.event_id, at(event), what(event), detail(attributes), who, why)


def what(event: HistoryEvent) -> str:
    """Return the type of an event in words."""
    name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")
    return name.replace("_", " ").capitalize()


def at(event: HistoryEvent) -> str:
    """Return when an event happened, in UTC."""
    return f"{event.event_time.ToDatetime():%Y-%m-%dT%H:%M:%SZ}"


def attributes_of(event: HistoryEvent) -> Message:
    """Return the part of an event that its type has."""
    attributes = getattr(event, event.WhichOneof("attributes") or "")
    if not isinstance(attributes, Message):
        raise HistoryFormatError(f"event {event.event_id} has no attributes")
    return attributes


NAMED = (
    ("workflow_type", "name"),
    ("activity_type", "name"),
    ("accepted_request", "input", "name"),
    ("signal_name",),
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


def detail(attributes: Message) -> str:
    """Return what an event is about."""
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
