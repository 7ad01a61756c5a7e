"""Custody against the histories: each unit in at most one hand, and every change of hands in both, once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

Row = Mapping[str, Any]
Handover = tuple[str, str, str]
"""Subject, unit, and what became of it: reserved, returned, infused."""
NEXT = {
    None: ("loaded",),
    "loaded": ("reserved",),
    "returned": ("reserved",),
    "reserved": ("returned", "infused"),
    "infused": (),
}


def custody_violations(histories: Mapping[str, Sequence[Mapping[str, Any]]], custody: Sequence[Row]) -> Iterator[str]:
    """
    Name every difference.

    Args:
        histories: the facts of each participant, by subject.
        custody: all rows of the study's units, by unit and number.
    """
    for unit_id, rows in groupby(custody, key=lambda row: str(row["unit_id"])):
        yield from chain_violations(unit_id, list(rows))
    recorded = Counter(_handovers_in(histories))
    kept = Counter((row["subject"], row["unit_id"], row["event"]) for row in custody if row["event"] != "loaded")
    for subject, unit_id, event in sorted(recorded.keys() | kept.keys()):
        said, done = recorded[subject, unit_id, event], kept[subject, unit_id, event]
        if said != done:
            yield f"unit {unit_id} of {subject}: {event} {said} times by the history, {done} times in custody"


def chain_violations(unit_id: str, rows: Sequence[Row]) -> Iterator[str]:
    """Name breaks in one unit's custody: a number left out, an event that may not follow, a unit in two hands."""
    event: str | None = None
    holder: str | None = None
    for number, row in enumerate(rows, start=1):
        if row["number"] != number:
            yield f"unit {unit_id}: custody has {row['number']} in place of {number}"
        if row["event"] not in NEXT[event]:
            yield f"unit {unit_id}: {row['event']} follows on {event}"
        if event == "reserved" and row["subject"] != holder:
            yield f"unit {unit_id}: reserved for {holder}, and {row['event']} for {row['subject']}"
        event, holder = row["event"], row["subject"]


def _handovers_in(histories: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Handover]:
    for subject, facts in histories.items():
        for fact in facts:
            match fact:
                case {"kind": "product_reserved", "units": units}:
                    yield from ((subject, unit, "reserved") for unit in units)
                case {"kind": "product_returned", "units": units}:
                    yield from ((subject, unit, "returned") for unit in units)
                case {"kind": "task_answered", "answer": {"kind": "infusion", "unit_id": unit}}:
                    yield subject, unit, "infused"
