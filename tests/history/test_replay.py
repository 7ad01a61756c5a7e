"""Replay: today's code comes to the same commands and the same facts as the code that wrote the histories."""

import gzip
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from history.documents import read_document
from history.reading import facts_in
from tests.history.replaying import replay_all

RELEASE = "0.1.0"
FILES = sorted((Path(__file__).parents[1] / "histories").glob("*.json.gz"))


def read(file: Path) -> list[WorkflowHistory]:
    """Read a committed history."""
    return read_document(gzip.decompress(file.read_bytes()).decode())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".json.gz"))
async def test_recorded_histories_replay(file: Path) -> None:
    """A history that an earlier version wrote replays, with every fact of it."""
    runs = read(file)

    for done in await replay_all(runs):
        assert done.difference is None, f"{done.workflow_id}: {done.difference}"
    numbers = [fact.sequence for fact in facts_in(runs)]
    assert len(numbers) > 1
    assert numbers == list(range(1, len(numbers) + 1))


def test_there_are_recorded_histories_of_every_kind() -> None:
    """The committed histories cover participants with different ends, both arms and a study."""
    kinds = {file.name.removesuffix(".json.gz").partition("-")[2] for file in FILES}

    assert kinds >= {
        "single-completed",
        "dual-completed",
        "screen-failure",
        "withdrawal",
        "dual-with-dlt",
        "arm-single-target",
        "arm-dual-target",
        "study",
    }


def swapped(history: WorkflowHistory) -> WorkflowHistory:
    """Return the history as if an activity had been another one."""
    scheduled = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
    first = next(event for event in history.events if event.event_type == scheduled)
    first.activity_task_scheduled_event_attributes.activity_type.name = "another_activity"
    return history


def without_first_timer(history: WorkflowHistory) -> WorkflowHistory:
    """Return the history as of code that waited for something else where the first timer was started."""
    events = list(history.events)
    index = next(i for i, e in enumerate(events) if e.event_type == EventType.EVENT_TYPE_TIMER_STARTED)
    events[index].timer_started_event_attributes.timer_id = "another"
    event = events[index]
    event.event_type = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED
    return WorkflowHistory(history.workflow_id, events)


@pytest.mark.parametrize("change", [swapped, without_first_timer])
async def test_a_history_with_other_commands_does_not_replay(change: object) -> None:
    """The replayer bites: a history whose commands come in another order is told apart, with the event that differs."""
    assert callable(change)
    file = next(file for file in FILES if "single-completed" in file.name)

    (done,) = await replay_all([change(run) for run in read(file)])

    assert done.difference is not None


def rewritten(history: WorkflowHistory, old: bytes, new: bytes) -> WorkflowHistory:
    """Return the history with what facts say changed by hand."""
    for event in history.events:
        for payload in event.activity_task_scheduled_event_attributes.input.payloads:
            payload.data = payload.data.replace(old, new)
    return history


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"disposition":"completed"', b'"disposition":"withdrawn"', "disposition"),
        (b'"status":"no_dlt"', b'"status":"dlt"', "status"),
        (b'"who":"coordinator-01"', b'"who":"coordinator-02"', "who"),
    ],
)
async def test_a_history_with_a_changed_fact_is_told_apart(old: bytes, new: bytes, field: str) -> None:
    """The commands are the same, but facts were altered by hand: replay comes to others, and says what differs."""
    file = next(file for file in FILES if file.name == f"{RELEASE}-late-imaging.json.gz")

    (done,) = await replay_all([rewritten(run, old, new) for run in read(file)])

    assert done.difference is not None
    assert field in done.difference
