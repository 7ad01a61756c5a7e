"""Histories as documents: Temporal's own JSON, as its page and its command write it."""

import json
from collections.abc import Sequence
from typing import Any

from temporalio.client import WorkflowHistory


class HistoryFormatError(ValueError):
    """A file is not a history, or holds what cannot be read."""


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
