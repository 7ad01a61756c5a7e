"""Reading histories: what can't be read is an error, never left out."""

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

from history.documents import HistoryFormatError
from history.reading import facts_in
from history.rows import event_rows
from schemas import names


def scheduled(activity: str, payload: Payload) -> WorkflowHistory:
    """Make a history with one activity and its input."""
    event = HistoryEvent(event_id=7)
    attributes = event.activity_task_scheduled_event_attributes
    attributes.activity_type.name = activity
    attributes.input.payloads.append(payload)
    return WorkflowHistory("participant/nk-01/CN01-001", [event])


ENCRYPTED = Payload(metadata={"encoding": b"binary/encrypted"}, data=b"\x01\x02\x03")


def test_an_encrypted_publication_is_not_left_out() -> None:
    """Who reads without the key learns which event holds facts, and that they were not read."""
    run = scheduled(names.PUBLISH_FACTS, ENCRYPTED)
    words = r"event 7 of participant/nk-01/CN01-001: its facts can't be read: \(binary/encrypted, 3 bytes\)"

    with pytest.raises(HistoryFormatError, match=words):
        facts_in([run])
    with pytest.raises(HistoryFormatError, match=words):
        event_rows(run)


def test_what_is_no_publication_need_not_be_readable() -> None:
    """The input of another activity says nothing of facts."""
    run = scheduled(names.RESERVE_UNITS, ENCRYPTED)

    assert facts_in([run]) == []
