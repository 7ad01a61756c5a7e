"""Publishing: once, in order, whatever is retried; and visibly waiting where the read model differs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from pydantic import TypeAdapter
from temporalio.exceptions import ApplicationError

from activities.publishing import READ_MODEL_DIFFERS, PublishingActivities
from activities.read_model import fact_of_row, fact_rows, protocol_content, waiting_publications
from client.trial_client import TrialClient
from history.reading import facts_in, fetch_runs
from history.rebuild import Rebuilt, rebuild
from history.rows import event_rows
from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import ReportAdverseEvent
from schemas.facts import AnyFact
from schemas.messages import Publication
from simulation.world import World
from tests.history.replaying import replay_all
from tests.workflows.safety_stories import mild, report
from tests.workflows.stories import Case, caught_up, envelope, eventually, one

FACTS: TypeAdapter[tuple[AnyFact, ...]] = TypeAdapter(tuple[AnyFact, ...])
MANY = 25


async def publication_of(case: Case) -> Publication:
    """Return one publication of all that a participant's workflow has published."""
    rows = await fact_rows(case.world.pool, case.workflow_id)
    return Publication(
        study=case.world.client.study,
        workflow_id=case.workflow_id,
        run_id=rows[0]["run_id"],
        owner=case.subject,
        first_sequence=1,
        facts=FACTS.validate_python([fact_of_row(row) for row in rows]),
    )


async def shown(world: World) -> dict[str, list[dict[str, Any]]]:
    """Return everything that publications write for the study."""
    found = {
        table: await world.pool.fetch(f"SELECT * FROM {table} WHERE study = $1", world.client.study)  # noqa: S608
        for table in ("fact", "task", "outbox")
    }
    return {table: sorted((dict(row) for row in rows), key=repr) for table, rows in found.items()}


async def rebuilt(world: World) -> dict[str, tuple[str, ...]]:
    """Rebuild the study's read model; return the differences that were mended, by workflow."""
    results: list[Rebuilt] = [done async for done in rebuild(world.client.temporal, world.pool, world.client.study)]
    return {done.workflow_id: done.differences for done in results if done.differences}


async def test_publishing_the_same_facts_again_changes_nothing(world: World, protocol: LoadedProtocol) -> None:
    """The transaction is retried after its commit, twice: worklist, outbox and facts stay the same."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    await case.play(lambda seen: any(task["urgency"] == "escalated" for task in seen.tasks), "escalated")
    case.unanswered.clear()
    await case.reach("treatment-check-infusion-2")
    publication, before = await publication_of(case), await shown(world)
    publishing = PublishingActivities(world.pool)

    await publishing.publish_facts(publication)
    await publishing.publish_facts(publication)

    assert await shown(world) == before


async def test_facts_do_not_overtake_those_before_them(world: World, protocol: LoadedProtocol) -> None:
    """A publication whose predecessor is missing writes nothing, and waits visibly until it has come."""
    case = await one(world, protocol)
    await case.reach("antigen-panel-1")
    whole, other_id = await publication_of(case), f"{case.workflow_id}-again"
    early = whole.model_copy(update={"workflow_id": other_id, "facts": whole.facts[:3]})
    late = early.model_copy(update={"facts": whole.facts[3:5], "first_sequence": 4})
    await world.pool.execute("DELETE FROM task WHERE workflow_id = $1", case.workflow_id)
    publishing = PublishingActivities(world.pool)

    with pytest.raises(ApplicationError, match="fact 4 does not follow on 0") as info:
        await publishing.publish_facts(late)
    assert (info.value.type, info.value.non_retryable) == (READ_MODEL_DIFFERS, False)
    assert await fact_rows(world.pool, other_id) == []
    assert [row["workflow_id"] for row in await waiting_publications(world.pool)] == [other_id]

    await publishing.publish_facts(early)
    await publishing.publish_facts(late)
    assert [row["sequence"] for row in await fact_rows(world.pool, other_id)] == [1, 2, 3, 4, 5]
    assert await waiting_publications(world.pool) == []


@asynccontextmanager
async def locked_facts(world: World) -> AsyncIterator[None]:
    """Let nobody write a fact meanwhile, and wait for nothing to be shown."""
    patient, world.client = world.client, TrialClient(world.client.temporal, world.client.study)
    async with world.pool.acquire() as connection, connection.transaction():
        await connection.execute("LOCK TABLE fact IN EXCLUSIVE MODE")
        yield
    world.client = patient


async def test_a_database_that_is_away_blocks_no_answer_and_is_caught_up_with_by_one_publication(
    world: World, protocol: LoadedProtocol
) -> None:
    """An answer and many reports are accepted while nothing can be shown; then one publication brings all of them."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    before = await case.facts()

    async with locked_facts(world):
        await case.send(task)
        for _ in range(MANY):
            await report(case, mild(case))
        assert await case.facts() == before

    await case.reach("treatment-check-lymphodepletion")
    runs = await caught_up(world, case.workflow_id)
    facts, published = facts_in(runs), await case.facts()
    assert [fact.sequence for fact in facts] == [row["sequence"] for row in published] == [*range(1, len(facts) + 1)]
    reports = {fact.event_id for fact in facts if fact.fact["kind"] == "adverse_event_reported"}
    assert len(reports) <= 2
    assert [done.difference for done in await replay_all(runs)] == [None]
    assert [row for row in event_rows(runs[0]) if row.what.startswith("  fact ") and "panel" in row.detail]


async def test_what_a_failed_publication_has_written_is_known_when_it_comes_again(
    world: World, protocol: LoadedProtocol
) -> None:
    """An attempt was given up after its commit: it comes again with what was recorded since, and nothing is doubled."""
    case = await one(world, protocol)
    await case.reach("antigen-panel-1")
    whole, other_id = await publication_of(case), f"{case.workflow_id}-again"
    early = whole.model_copy(update={"workflow_id": other_id, "facts": whole.facts[:1]})
    again = early.model_copy(update={"facts": whole.facts[:2]})
    await world.pool.execute("DELETE FROM task WHERE workflow_id = $1", case.workflow_id)
    publishing = PublishingActivities(world.pool)

    await publishing.publish_facts(early)
    await publishing.publish_facts(again)

    assert [row["sequence"] for row in await fact_rows(world.pool, other_id)] == [1, 2]
    assert len(await world.pool.fetch("SELECT FROM task WHERE workflow_id = $1", other_id)) == 1


async def test_a_long_outage_is_caught_up_with_in_publications_that_the_server_takes(
    world: World, protocol: LoadedProtocol
) -> None:
    """More is recorded while nothing can be shown than one payload may hold: it comes in several, in order."""
    case = await one(world, protocol)
    task = await case.reach("biopsy-1")
    reason = "because " * 240

    async with locked_facts(world):
        await case.send(task)
        for _ in range(300):
            event, who = mild(case), envelope(Role.INVESTIGATOR, case.now, reason)
            await world.client.report_adverse_event(case.subject, ReportAdverseEvent(envelope=who, event=event))

    facts = facts_in(await caught_up(world, case.workflow_id))
    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    assert len({fact.event_id for fact in facts if fact.fact["why"] == reason}) > 1


async def test_facts_stand_in_the_history_without_code(world: World, protocol: LoadedProtocol) -> None:
    """Who reads the history's JSON alone finds every fact, with who, when and why, in order."""
    case = await one(world, protocol)
    await case.reach("antigen-panel-1")

    facts = facts_in(await fetch_runs(world.client.temporal, case.workflow_id))

    assert [fact.sequence for fact in facts] == list(range(1, len(facts) + 1))
    assert all(fact.fact[name] for fact in facts for name in ("kind", "at", "who", "role", "why"))


async def test_a_publication_waits_for_a_rebuild_that_names_what_was_altered(
    world: World, protocol: LoadedProtocol
) -> None:
    """Facts and tasks are altered, deleted and added by hand: the next publication waits, and a rebuild names each."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")
    right, count = await shown(world), len(await case.facts())
    pool, workflow_id = world.pool, case.workflow_id
    await pool.execute("UPDATE fact SET who = 'mallory' WHERE workflow_id = $1 AND sequence = 2", workflow_id)
    await pool.execute("DELETE FROM fact WHERE workflow_id = $1 AND sequence = 3", workflow_id)
    await pool.execute(
        "INSERT INTO fact SELECT workflow_id, $2, study, owner, run_id, kind, at, who, role, why, body "
        "FROM fact WHERE workflow_id = $1 AND sequence = 1",
        workflow_id,
        count + 1,
    )
    await pool.execute("DELETE FROM task WHERE workflow_id = $1 AND step = 'biopsy-1'", workflow_id)
    await pool.execute("UPDATE task SET due_at = due_at + interval '1 day' WHERE task_id = $1", task["task_id"])
    impatient = TrialClient(world.client.temporal, world.client.study)
    patient, world.client = world.client, impatient
    await case.send(task)
    await eventually(lambda: _waits(world, workflow_id), "the publication waits")

    differences = (await rebuilt(world))[workflow_id]

    world.client = patient
    assert [difference.split(":")[0] for difference in differences[:3]] == ["fact 2", "fact 3", f"fact {count + 1}"]
    assert "altered: who: recorded 'system', shown 'mallory'" in differences[0]
    assert "missing" in differences[1]
    assert "altered" in differences[2]
    assert any(difference.startswith(f"task {case.subject}:01-biopsy-1: missing") for difference in differences)
    assert any(difference.startswith(f"task {task['task_id']}: altered") for difference in differences)
    await caught_up(world, workflow_id)
    assert await waiting_publications(pool) == []
    assert await rebuilt(world) == {}
    kept = {row["sequence"] for row in right["fact"] if row["workflow_id"] == workflow_id}
    now = [row for row in (await shown(world))["fact"] if row["workflow_id"] == workflow_id and row["sequence"] in kept]
    assert now == [row for row in right["fact"] if row["workflow_id"] == workflow_id]
    notices = {row["id"]: row for row in (await shown(world))["outbox"]}
    assert [notices[row["id"]] for row in right["outbox"]] == right["outbox"]


async def _waits(world: World, workflow_id: str) -> bool:
    return any(row["workflow_id"] == workflow_id for row in await waiting_publications(world.pool))


async def test_a_read_model_that_was_dropped_is_rebuilt(world: World, protocol: LoadedProtocol) -> None:
    """Facts, worklist and protocol of a study are lost: the histories bring all back, and nobody is notified anew."""
    case = await one(world, protocol)
    await case.send(await case.reach("infusion-1"))
    await case.reach("treatment-check-infusion-2")
    before, custody = await shown(world), await world.pool.fetch("SELECT * FROM custody ORDER BY unit_id, number")
    for table in ("fact", "task"):
        await world.pool.execute(f"DELETE FROM {table} WHERE study = $1", world.client.study)  # noqa: S608

    differences = await rebuilt(world)

    assert len(differences) == 4
    assert all("missing" in difference for each in differences.values() for difference in each)
    assert await shown(world) == before
    assert await world.pool.fetch("SELECT * FROM custody ORDER BY unit_id, number") == custody


FORGED = {
    "another participant's": "UPDATE fact SET owner = 'CN09-999' WHERE workflow_id = $1 AND sequence = 2",
    "a task moved away": "UPDATE task SET workflow_id = 'participant/x/CN09-999' WHERE workflow_id = $1",
    "another time": "UPDATE fact SET at = at + interval '1 day' WHERE workflow_id = $1 AND sequence = 2",
    "a body of nothing": "UPDATE fact SET body = '{}' WHERE workflow_id = $1 AND sequence = 2",
}


@pytest.mark.parametrize("name", FORGED)
async def test_whatever_was_altered_is_named_and_mended(world: World, protocol: LoadedProtocol, name: str) -> None:
    """A rebuild never stops at what it is there to mend."""
    case = await one(world, protocol)
    await case.reach("antigen-panel-1")
    before = await shown(world)
    await world.pool.execute(FORGED[name], case.workflow_id)

    differences = await rebuilt(world)

    assert differences[case.workflow_id]
    assert await shown(world) == before
    assert await rebuilt(world) == {}


IMPOSSIBLE = (
    "UPDATE fact SET sequence = 0 WHERE workflow_id = $1 AND sequence = 1",
    "UPDATE fact SET body = '[1]' WHERE workflow_id = $1",
    "UPDATE fact SET at = '20000-01-01' WHERE workflow_id = $1",
)


@pytest.mark.parametrize("statement", IMPOSSIBLE)
async def test_what_could_not_be_read_again_cannot_be_written(
    world: World, protocol: LoadedProtocol, statement: str
) -> None:
    """A fact has a number from 1 on, an object as its body, and a time that people live to see."""
    case = await one(world, protocol)
    await case.reach("biopsy-1")

    with pytest.raises(asyncpg.CheckViolationError):
        await world.pool.execute(statement, case.workflow_id)


async def test_an_altered_protocol_is_put_right(world: World, protocol: LoadedProtocol) -> None:
    """Somebody widens the dose's tolerance in the database: the rebuild names it, and restores what was registered."""
    await one(world, protocol)
    sha256 = protocol.reference.sha256
    await world.pool.execute(
        "UPDATE protocol SET content = jsonb_set(content, '{infusions,dose_tolerance_fraction}', '0.9') "
        "WHERE sha256 = $1",
        sha256,
    )

    differences = await rebuilt(world)

    assert [each for each in differences[f"study/{world.client.study}"] if "altered" in each and "protocol" in each]
    assert await protocol_content(world.pool, sha256) == protocol.protocol.model_dump(mode="json")
