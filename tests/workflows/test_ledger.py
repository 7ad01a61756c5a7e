"""What is written of facts that do not follow on those that are there: a worker died, and the history decides."""

from collections.abc import Sequence

import pytest
from activities.ledger import Ledger
from activities.read_model import facts_of

from protocols.loader import LoadedProtocol
from schemas.facts import AnyFact, ParticipantEnrolled, TaskClosed, TaskOpened
from schemas.messages import Publication
from schemas.schedule.task import TaskEnd
from simulation.site import World
from tests.workflows.stories import one
from tests.workflows.test_tasks import publication_of


@pytest.fixture
async def whole(world: World, protocol: LoadedProtocol) -> Publication:
    """All facts of a participant whose first tasks are open, under another workflow's name."""
    case = await one(world, protocol)
    await case.reach("antigen-panel-1")
    whole = await publication_of(case)
    for table in ("task", "fact"):
        await world.pool.execute(f"DELETE FROM {table} WHERE workflow_id = $1", case.workflow_id)  # noqa: S608
    return whole.model_copy(update={"workflow_id": f"{case.workflow_id}-again"})


def part(whole: Publication, first: int, facts: Sequence[AnyFact]) -> Publication:
    """Make a publication of some facts, from a number on."""
    return whole.model_copy(update={"first_sequence": first, "facts": tuple(facts)})


def enrolment_and_tasks(whole: Publication) -> tuple[ParticipantEnrolled, list[TaskOpened]]:
    """Return the first fact, and the opening of tasks."""
    enrolled = whole.facts[0]
    assert isinstance(enrolled, ParticipantEnrolled)
    return enrolled, [fact for fact in whole.facts if isinstance(fact, TaskOpened)]


def closed(opened: TaskOpened) -> TaskClosed:
    """Make the fact that closes a task."""
    said = {"at": opened.at, "who": opened.who, "role": opened.role, "why": "no longer needed"}
    return TaskClosed.model_validate({"task_id": opened.task.id, "end": TaskEnd.CANCELLED, **said})


async def shown(world: World, workflow_id: str) -> dict[str, str]:
    """Return the tasks that are there, with their status."""
    rows = await world.pool.fetch("SELECT step, status FROM task WHERE workflow_id = $1", workflow_id)
    return {row["step"]: row["status"] for row in rows}


async def test_a_dead_attempt_whose_facts_come_one_later_in_the_history_is_put_right(
    world: World, whole: Publication
) -> None:
    """A worker dies after it has shown a task; the next one first hears of something else, so that numbers move on."""
    ledger = Ledger(world.pool)
    enrolled, (first, second, *_) = enrolment_and_tasks(whole)
    begun = part(whole, 1, [enrolled, first])
    dead = part(whole, 3, [closed(first), second])
    right = part(whole, 3, [enrolled, closed(first), second])
    assert await ledger.write_new(begun)
    assert await ledger.write_new(dead)

    assert not await ledger.write_new(right)
    assert (await ledger.has(whole.workflow_id), await ledger.stands(right)) == (4, False)
    await ledger.follow([begun, right])

    assert await ledger.stands(right)
    assert await shown(world, whole.workflow_id) == {first.task.step: "cancelled", second.task.step: "open"}
    assert [row["sequence"] for row in await facts_of(world.pool, whole.workflow_id)] == [1, 2, 3, 4, 5]
    assert await ledger.write_new(right)


async def test_what_a_history_never_came_to_is_taken_back_once_it_is_sure(world: World, whole: Publication) -> None:
    """An answer is shown, and the power fails before the history has it: the task is open again."""
    ledger = Ledger(world.pool)
    enrolled, (first, second, *_) = enrolment_and_tasks(whole)
    begun, dead = part(whole, 1, [enrolled, first]), part(whole, 3, [closed(first), second])
    assert await ledger.write_new(begun)
    assert await ledger.write_new(dead)

    await ledger.follow([begun])
    assert await shown(world, whole.workflow_id) == {first.task.step: "cancelled", second.task.step: "open"}
    await ledger.follow([begun], no_further=True)

    assert await shown(world, whole.workflow_id) == {first.task.step: "open"}
    assert await ledger.stands(begun)


async def test_facts_after_a_gap_are_left_to_the_history(world: World, whole: Publication) -> None:
    """What comes before is missing: nothing is written, and nothing half; the history brings all of it."""
    ledger = Ledger(world.pool)
    enrolled, (first, second, *_) = enrolment_and_tasks(whole)
    begun, later = part(whole, 1, [enrolled, first]), part(whole, 3, [closed(first), second])

    assert not await ledger.write_new(later)
    assert await shown(world, whole.workflow_id) == {}
    await ledger.follow([begun, later])

    assert await shown(world, whole.workflow_id) == {first.task.step: "cancelled", second.task.step: "open"}
