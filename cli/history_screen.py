"""The events of histories as tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from cli.tables import table

if TYPE_CHECKING:
    from temporalio.client import WorkflowHistory


def show_events(runs: "Iterable[WorkflowHistory]", to: TextIO) -> None:
    """Show every event, and every fact below the event that publishes it."""
    from history.rows import event_rows  # noqa: PLC0415 - slow to load

    for run in runs:
        rows = [(row.event_id, row.at, row.what, row.detail, row.who, row.why) for row in event_rows(run)]
        columns = ("Event", "Time (UTC)", "What", "Detail", "Who", "Why")
        table(f"{run.workflow_id}, run {run.run_id}", columns, rows, to=to)
