"""Replay: today's code comes to the same commands and the same facts as the code that wrote the histories."""

import asyncio
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from client.converter import DATA_CONVERTER
from history.reading import facts_in, fetch_runs
from history.replay import Replay, read_document, replay
from schemas import names
from worker import WORKFLOWS
from workflows.sandbox import workflow_runner

FILES = sorted((Path(__file__).parents[1] / "histories").glob("*.json.gz"))


async def replay_all(runs: Sequence[WorkflowHistory]) -> list[Replay]:
    """Replay runs by today's workflows."""
    return [
        await replay(run, workflows=WORKFLOWS, runner=workflow_runner(), data_converter=DATA_CONVERTER) for run in runs
    ]


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
    """Return the history of revision 1 as if its first two batches of facts had been published the other way round."""
    events = list(history.events)
    marker = EventType.EVENT_TYPE_MARKER_RECORDED
    first, second, *_ = [index for index, event in enumerate(events) if event.event_type == marker]
    one, other = (events[index].marker_recorded_event_attributes for index in (first, second))
    kept = type(one)()
    kept.CopyFrom(one)
    one.CopyFrom(other)
    other.CopyFrom(kept)
    return WorkflowHistory(history.workflow_id, events)


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


def payloads_with_facts(event: HistoryEvent) -> Iterator[Payload]:
    """Return the payloads of an event that may name facts: of a marker, a memo, or the answer to an update."""
    for payloads in event.marker_recorded_event_attributes.details.values():
        yield from payloads.payloads
    yield from event.workflow_properties_modified_event_attributes.upserted_memo.fields.values()
    yield from event.workflow_execution_update_completed_event_attributes.outcome.success.payloads


def rewritten(history: WorkflowHistory, old: bytes, new: bytes) -> WorkflowHistory:
    """Return the history with what facts say changed by hand."""
    for event in history.events:
        for payload in payloads_with_facts(event):
            payload.data = payload.data.replace(old, new)
    return history


@pytest.mark.parametrize("version", ["v1", "v4", "v5"])
@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"disposition":"completed"', b'"disposition":"withdrawn"', "disposition"),
        (b'"status":"no_dlt"', b'"status":"dlt"', "status"),
        (b'"who":"coordinator-01"', b'"who":"coordinator-02"', "who"),
    ],
)
async def test_a_history_with_a_changed_fact_is_told_apart(version: str, old: bytes, new: bytes, field: str) -> None:
    """The commands are the same, but facts were altered by hand: replay comes to others, and says what differs."""
    file = next(file for file in FILES if file.name == f"{version}-late-imaging.json.gz")

    (done,) = await replay_all([rewritten(run, old, new) for run in read(file)])

    assert done.difference is not None
    assert field in done.difference


async def test_everything_that_ran_in_this_session_replays(client: Client, trial_worker: None, tmp_path: Path) -> None:
    """
    Every run of every participant, arm and study that the other tests started, closed or still open, replays.

    One that does not is kept in a file, since its server goes with the session.
    """
    ids = sorted({found.id async for found in client.list_workflows()})
    kinds = {name.split("/")[0] for name in ids}
    assert kinds <= {"participant", "arm", "study"}

    replayer = Replayer(workflows=WORKFLOWS, workflow_runner=workflow_runner(), data_converter=DATA_CONVERTER)
    failures: list[str] = []
    for some in (ids[start : start + 8] for start in range(0, len(ids), 8)):
        histories = await asyncio.gather(*(fetch_runs(client, workflow_id) for workflow_id in some))
        results = [await replayer.replay_workflow(r, raise_on_replay_failure=False) for runs in histories for r in runs]
        for result in results:
            if result.replay_failure is not None:
                kept = tmp_path / f"{result.history.run_id}.json"
                kept.write_text(result.history.to_json())
                failures.append(f"{result.history.workflow_id} (see {kept}): {result.replay_failure}")

    assert failures == []


def test_histories_hold_no_birth_dates() -> None:
    """Histories are kept for years: they hold subject ids and an age at consent, and no birth date."""
    for file in FILES:
        text = json.dumps(gzip.decompress(file.read_bytes()).decode())
        assert "birth" not in text.lower()
        assert names.TASK_QUEUE in text
