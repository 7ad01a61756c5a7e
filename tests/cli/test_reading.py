"""Reading without a worker and without a Temporal server: from facts in Postgres alone, now and as of a moment."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.database import Pool
from activities.protocols import register
from activities.publishing import write_publication
from cli.exit_codes import Exit
from protocols.loader import LoadedProtocol
from schemas import facts as f
from schemas import names
from schemas.base import Role
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import Disposition
from schemas.messages import Publication, RegisterProtocol
from schemas.schedule.task import Task, TaskKind
from tests.cli.trial_command import Trial

WHO, ENDED = "CN01-001", "BE02-014"
BEGIN = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
NOBODY_LISTENS = "127.0.0.1:1"


def day(number: int, who: str = "coord-01", why: str = "") -> dict[str, Any]:
    """What every fact has, recorded so many days after the study's start."""
    role = Role.SYSTEM if who == "system" else Role.COORDINATOR
    return {"at": BEGIN + timedelta(days=number), "who": who, "role": role, "why": why or "as the protocol says"}


@pytest.fixture
async def reader(nowhere: Trial, pool: Pool, dsn: str, protocol: LoadedProtocol) -> Trial:
    """
    The command where only Postgres answers, in a study of two participants.

    CN01-001 (facts 1 to 3) consented on day 1, got a task, and had nausea on day 5; BE02-014 withdrew on day 4.
    """
    study = f"study-{uuid.uuid4().hex[:8]}"
    async with pool.acquire() as connection:
        await register(connection, RegisterProtocol(protocol=protocol.protocol, reference=protocol.reference))
    await publish(pool, study, names.study_id(study), study_facts(study, protocol))
    for arm in ("single-target", "dual-target"):
        opened = f.ArmOpened(study=study, arm=arm, level=1, **day(0, "system"))
        await publish(pool, study, names.arm_id(study, arm), [opened])
    await publish(pool, study, names.participant_id(study, WHO), facts_of_nausea(study, protocol))
    await publish(pool, study, names.participant_id(study, ENDED), facts_of_withdrawal(study, protocol))
    only_postgres = {"TEMPORAL_ADDRESS": NOBODY_LISTENS, "TRIAL_DATABASE_URL": dsn, "TRIAL_STUDY": study}
    return replace(nowhere, environment=nowhere.environment | only_postgres)


async def publish(pool: Pool, study: str, workflow_id: str, facts: Sequence[f.AnyFact]) -> None:
    """Write a workflow's first facts, as its activity would."""
    publication = Publication(
        study=study,
        workflow_id=workflow_id,
        run_id="run-1",
        owner=names.parts_of(workflow_id)[1],
        first_sequence=1,
        facts=tuple(facts),
    )
    async with pool.acquire() as connection, connection.transaction():
        assert await write_publication(connection, publication) is None


def study_facts(study: str, protocol: LoadedProtocol) -> list[f.AnyFact]:
    """Two were enrolled, and one has left."""
    levels = {arm.id: arm.start_level for arm in protocol.protocol.arms}
    return [
        f.StudyStarted(study=study, protocol=protocol.reference, start_levels=levels, **day(0)),
        f.SubjectEnrolled(subject=WHO, **day(1)),
        f.SubjectEnrolled(subject=ENDED, **day(2)),
        f.SubjectEnded(subject=ENDED, disposition=Disposition.WITHDRAWN, **day(4, "system")),
    ]


def enrolled(study: str, subject: str, protocol: LoadedProtocol, number: int) -> f.ParticipantEnrolled:
    """A participant's first fact."""
    on = BEGIN + timedelta(days=number)
    return f.ParticipantEnrolled(
        study=study,
        subject=subject,
        site=subject[:4],
        consent_signed_on=on.date(),
        consent_version="1.0",
        age_years=55,
        protocol=protocol.reference,
        **day(number),
    )


def facts_of_nausea(study: str, protocol: LoadedProtocol) -> list[f.AnyFact]:
    """Consent, the biopsy's task, and an adverse event."""
    opened = BEGIN + timedelta(days=1)
    task = Task(
        id=f"{WHO}:01-biopsy-1",
        kind=TaskKind.BIOPSY,
        step="biopsy-1",
        title="Take the biopsy",
        role=Role.COORDINATOR,
        opened_at=opened,
        due_at=opened + timedelta(days=7),
        escalate_at=opened + timedelta(days=10),
    )
    nausea = AdverseEvent(term="Nausea", grade=2, onset_on=(BEGIN + timedelta(days=5)).date(), related=False)
    return [
        enrolled(study, WHO, protocol, 1),
        f.TaskOpened(task=task, **day(1, "system")),
        f.AdverseEventReported(event=nausea, event_id="AE-001", **day(5, "inv-01")),
    ]


def facts_of_withdrawal(study: str, protocol: LoadedProtocol) -> list[f.AnyFact]:
    """Consent, withdrawn two days later."""
    on = (BEGIN + timedelta(days=4)).date()
    return [
        enrolled(study, ENDED, protocol, 2),
        f.EndRequested(reason=EndReason.WITHDRAWAL, occurred_on=on, **day(4)),
        f.ParticipationEnded(disposition=Disposition.WITHDRAWN, **day(4, "system")),
    ]


def at(number: int) -> str:
    """A time on a day, such as people type it."""
    return (BEGIN + timedelta(days=number)).isoformat()


# ---------------------------------------------------------------------- without Temporal

READING = (
    ("worklist",),
    ("task", "show", f"{WHO}:01-biopsy-1"),
    ("participant", "list"),
    ("participant", "status", WHO),
    ("participant", "status", ENDED),
    ("participant", "response", WHO),
    ("participant", "timeline", WHO),
    ("arm", "status"),
    ("arm", "packet", "single-target"),
    ("study", "status"),
    ("ae", "list", WHO),
    ("ae", "show", WHO, "AE-001"),
    ("safety", "clocks"),
    ("bank", "status"),
)


@pytest.mark.parametrize("words", READING, ids=" ".join)
async def test_reading_needs_postgres_alone(reader: Trial, words: tuple[str, ...]) -> None:
    """Lines end where their text ends, and --json gives one document."""
    shown = await reader(*words)
    assert (shown.code, shown.err) == (Exit.OK, "")
    assert shown.out == "\n".join(line.rstrip() for line in shown.out.split("\n"))
    assert await reader.ok(*words) is not None


async def test_an_ended_participation_is_shown_like_any_other(reader: Trial) -> None:
    listed = await reader.ok("participant", "list")
    assert listed == [
        {"subject": ENDED, "stage": "ended: withdrawn"},
        {"subject": WHO, "stage": "screening", "arm": None, "open_tasks": 1},
    ]
    assert "withdrawn" in (await reader("participant", "status", ENDED)).out


async def test_a_timeline_names_who_and_why(reader: Trial) -> None:
    facts = await reader.ok("participant", "timeline", WHO)
    assert [(fact["sequence"], fact["kind"], fact["who"]) for fact in facts] == [
        (1, "participant_enrolled", "coord-01"),
        (2, "task_opened", "system"),
        (3, "adverse_event_reported", "inv-01"),
    ]
    shown = (await reader("participant", "timeline", WHO)).out
    assert "Nausea, grade 2" in shown
    assert "as the protocol says" in shown


async def test_a_command_that_is_sent_needs_temporal(reader: Trial) -> None:
    """The message names the address that does not answer."""
    complete = ("task", "complete", f"{WHO}:01-biopsy-1", "--set", "collected_on=2026-03-05", "--set", "sample=tissue")
    sent = await reader(*complete, "--as", "coord-01", "--role", "coordinator")
    sent.refuses(Exit.UNREACHABLE, NOBODY_LISTENS)


# ---------------------------------------------------------------------- as of a moment


async def test_a_participant_is_shown_as_of_a_time_or_a_number(reader: Trial) -> None:
    """Before the nausea there was none: by the time before it, by the fact before it; a fact's own time counts."""

    async def events(*words: str) -> list[str]:
        state = await reader.ok("participant", "status", WHO, *words)
        return [event["term"] for event in state["adverse_events"]]

    assert await events() == ["Nausea"]
    assert await events("--as-of", at(4)) == []
    assert await events("--as-of", at(5)) == ["Nausea"]
    assert await events("--as-of", "2") == []
    assert await events("--as-of", "3") == ["Nausea"]
    assert (await reader.ok("ae", "list", WHO, "--as-of", at(4))) == []
    (await reader("ae", "show", WHO, "AE-001", "--as-of", "2")).refuses(Exit.UNKNOWN, "AE-001")
    assert (await reader.ok("ae", "show", WHO, "AE-001", "--as-of", "3"))["grade"] == 2


async def test_a_study_and_its_arms_are_shown_as_of_a_time(reader: Trial) -> None:
    assert (await reader.ok("study", "status", "--as-of", at(3)))["active"] == [WHO, ENDED]
    assert (await reader.ok("study", "status", "--as-of", "4"))["active"] == [WHO]
    assert len(await reader.ok("arm", "status", "--as-of", at(1))) == 2
    assert (await reader.ok("arm", "status", "dual-target", "--as-of", "1"))["arm"] == "dual-target"
    assert (await reader.ok("arm", "packet", "dual-target", "--as-of", "1"))["packet"]["arm"] == "dual-target"
    assert await reader.ok("participant", "response", WHO, "--as-of", "1")


AS_OF = (
    ("participant", "status", WHO),
    ("participant", "response", WHO),
    ("ae", "list", WHO),
    ("ae", "show", WHO, "AE-001"),
    ("arm", "status", "single-target"),
    ("arm", "packet", "single-target"),
    ("study", "status"),
)


@pytest.mark.parametrize("words", AS_OF, ids=" ".join)
async def test_there_is_nothing_before_the_first_fact_and_in_the_future(reader: Trial, words: tuple[str, ...]) -> None:
    (await reader(*words, "--as-of", at(-1))).refuses(Exit.BAD_INPUT, "--as-of", "before the first fact", "2026-03-0")
    (await reader(*words, "--as-of", "2126-01-01T00:00:00Z")).refuses(Exit.BAD_INPUT, "--as-of", "in the future")
    (await reader(*words, "--as-of", "0")).refuses(Exit.BAD_INPUT, "--as-of", "numbered 1 to")
    (await reader(*words, "--as-of", "99")).refuses(Exit.BAD_INPUT, "--as-of", "there is no fact 99")
    (await reader(*words, "--as-of", "2026-03-03T09:00")).refuses(Exit.BAD_INPUT, "--as-of", "has no zone")
    (await reader(*words, "--as-of", "yesterday")).refuses(Exit.BAD_INPUT, "--as-of = yesterday", "with its zone")


async def test_a_number_belongs_to_one_arm(reader: Trial) -> None:
    (await reader("arm", "status", "--as-of", "1")).refuses(Exit.BAD_INPUT, "--as-of = 1", "the arm's name")


# ---------------------------------------------------------------------- filters and empty lists


async def test_a_filter_that_names_nothing_is_an_error_with_what_there_is(reader: Trial) -> None:
    """A site that never had a task, a role that there is not; a role without tasks is an empty list that says so."""
    (await reader("worklist", "--site", "CN02")).refuses(Exit.BAD_INPUT, "--site = CN02", "expected CN01")
    (await reader("worklist", "--role", "nurse")).refuses(Exit.BAD_INPUT, "--role = nurse", "pharmacist")
    assert [task["task_id"] for task in await reader.ok("worklist", "--site", "CN01")] == [f"{WHO}:01-biopsy-1"]
    assert await reader.ok("worklist", "--role", "pharmacist") == []
    study = reader.environment["TRIAL_STUDY"]
    assert (await reader("worklist", "--role", "pharmacist")).out == f"Open tasks of {study}: none\n\n"


async def test_empty_lists_say_that_they_are_empty(reader: Trial) -> None:
    assert "none was reported" in (await reader("ae", "list", ENDED)).out
    assert "No report is owed" in (await reader("safety", "clocks")).out
    assert "no response yet" in (await reader("participant", "response", WHO)).out
