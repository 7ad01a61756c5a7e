"""The verification after faults: each check finds what it is there for, and nothing in what is right."""

from typing import Any

import pytest

from simulation.custody_check import custody_violations
from simulation.verification import end_violations, notice_violations, outcome_violations, step_violations

SUBJECT, OTHER, UNIT = "CN01-001", "CN01-002", "P01-0001"


def opened(task_id: str, step: str) -> dict[str, Any]:
    return {"kind": "task_opened", "task": {"id": task_id, "step": step}}


def answered(task_id: str, **answer: str) -> dict[str, Any]:
    return {"kind": "task_answered", "task_id": task_id, "answer": answer}


def closed(task_id: str, end: str) -> dict[str, Any]:
    return {"kind": "task_closed", "task_id": task_id, "end": end}


def units(kind: str) -> dict[str, Any]:
    return {"kind": kind, "units": [UNIT]}


def custody(*events: tuple[str, str | None]) -> list[dict[str, Any]]:
    """Return one unit's custody from its events, each with the subject that it is about."""
    rows = [("loaded", None), *events]
    return [
        {"unit_id": UNIT, "number": number, "event": event, "subject": subject}
        for number, (event, subject) in enumerate(rows, start=1)
    ]


RESERVED, RETURNED = units("product_reserved"), units("product_returned")
INFUSED = answered("t", kind="infusion", unit_id=UNIT)


@pytest.mark.parametrize(
    "facts",
    [
        [opened("01", "biopsy-1"), answered("01"), opened("02", "infusion-1"), answered("02")],
        # An infusion that a hold took off the worklist is asked for again once the hold is lifted.
        [opened("01", "infusion-1"), closed("01", "cancelled"), opened("02", "infusion-1"), answered("02")],
    ],
)
def test_a_step_that_is_done_once_is_in_order(facts: list[dict[str, Any]]) -> None:
    assert list(step_violations(facts)) == []


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ([opened("01", "biopsy-1"), opened("02", "biopsy-1")], "step biopsy-1 has a second task 02, though 01 is open"),
        (
            [opened("01", "biopsy-1"), answered("01"), opened("02", "biopsy-1")],
            "step biopsy-1 has a second task 02, though 01 is answered",
        ),
        (
            [opened("01", "biopsy-1"), answered("01"), closed("01", "expired")],
            "task 01 was expired, though it was answered before",
        ),
    ],
)
def test_a_step_that_is_done_twice_is_named(facts: list[dict[str, Any]], sentence: str) -> None:
    assert list(step_violations(facts)) == [sentence]


def test_a_participant_who_has_ended_once_is_in_order() -> None:
    history = [opened("01", "biopsy-1"), answered("01"), {"kind": "participation_ended", "disposition": "completed"}]
    study = [{"kind": "subject_ended", "subject": SUBJECT, "disposition": "completed"}]

    assert list(end_violations({SUBJECT: history}, study)) == []


def test_a_participant_whose_step_or_end_was_lost_is_named() -> None:
    """A task is open for ever, the participation has not ended, and the study does not know."""
    found = list(end_violations({SUBJECT: [opened("01", "biopsy-1")]}, []))

    assert found == [
        f"{SUBJECT}: participation ended 0 times; latest fact: task_opened",
        f"{SUBJECT}: ended as [], and the study has received []",
        f"{SUBJECT}: task 01 was never closed",
    ]


@pytest.mark.parametrize(
    ("received", "found"),
    [
        (["no_dlt"], []),
        ([], [f"{SUBJECT}: DLT outcomes are ['no_dlt'], and an arm has received []"]),
        (["no_dlt"] * 2, [f"{SUBJECT}: DLT outcomes are ['no_dlt'], and an arm has received ['no_dlt', 'no_dlt']"]),
    ],
    ids=["once", "lost", "twice"],
)
def test_an_outcome_reaches_the_arm_once(received: list[str], found: list[str]) -> None:
    arm = [{"kind": "outcome_reported", "subject": SUBJECT, "status": status} for status in received]

    assert list(outcome_violations({SUBJECT: [{"kind": "dlt_judged", "status": "no_dlt"}]}, [arm])) == found


@pytest.mark.parametrize(
    ("histories", "rows"),
    [
        ({SUBJECT: [RESERVED, INFUSED]}, custody(("reserved", SUBJECT), ("infused", SUBJECT))),
        (
            {SUBJECT: [RESERVED, RETURNED], OTHER: [RESERVED, INFUSED]},
            custody(("reserved", SUBJECT), ("returned", SUBJECT), ("reserved", OTHER), ("infused", OTHER)),
        ),
    ],
)
def test_custody_that_says_what_the_histories_say_is_in_order(
    histories: dict[str, list[dict[str, Any]]], rows: list[dict[str, Any]]
) -> None:
    assert list(custody_violations(histories, rows)) == []


@pytest.mark.parametrize(
    ("histories", "rows", "sentence"),
    [
        (
            {SUBJECT: [RESERVED, INFUSED]},
            custody(("reserved", SUBJECT)),
            f"unit {UNIT} of {SUBJECT}: infused 1 times by the history, 0 times in custody",
        ),
        (
            {SUBJECT: [RESERVED]},
            custody(("reserved", SUBJECT), ("infused", SUBJECT)),
            f"unit {UNIT} of {SUBJECT}: infused 0 times by the history, 1 times in custody",
        ),
        (
            {SUBJECT: [RESERVED], OTHER: [RESERVED]},
            custody(("reserved", SUBJECT), ("reserved", OTHER)),
            f"unit {UNIT}: reserved for {SUBJECT}, and reserved for {OTHER}",
        ),
        (
            {SUBJECT: [RESERVED, INFUSED, INFUSED]},
            custody(("reserved", SUBJECT), ("infused", SUBJECT), ("infused", SUBJECT)),
            f"unit {UNIT}: infused follows on infused",
        ),
    ],
    ids=["not booked", "booked without an infusion", "in two hands", "infused twice"],
)
def test_custody_that_says_something_else_is_named(
    histories: dict[str, list[dict[str, Any]]], rows: list[dict[str, Any]], sentence: str
) -> None:
    assert sentence in list(custody_violations(histories, rows))


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (["opened"], []),
        ([], ["notice 'opened' of task 01: 0 in the outbox, 1 in the histories"]),
        (["opened", "opened"], ["notice 'opened' of task 01: 2 in the outbox, 1 in the histories"]),
        (["opened", "reminded"], ["notice 'reminded' of task 01: 1 in the outbox, 0 in the histories"]),
    ],
    ids=["once", "lost", "twice", "without a reminder"],
)
def test_a_notice_is_sent_once_for_each_fact_that_it_follows_from(events: list[str], found: list[str]) -> None:
    notices = [{"task_id": "01", "event": event} for event in events]

    assert list(notice_violations([[opened("01", "biopsy-1")]], notices)) == found
