"""Tasks: reminded and escalated once, answered once, and refused or rejected where a rule says so."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from activities.read_model import open_tasks
from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.problem import ProblemType
from schemas.schedule.task import TaskEnd
from simulation.answers import laboratory
from simulation.world import World
from tests.workflows.stories import (
    Case,
    Row,
    begin,
    notices,
    one,
    refused,
    somebody,
    task_row,
    updates_accepted,
)


async def test_a_forgotten_task_is_reminded_and_escalated_once(world: World, protocol: LoadedProtocol) -> None:
    """A panel that nobody reports becomes urgent in the worklist, and each step is notified once, to the right role."""
    case = await one(world, protocol)
    case.leave("antigen-panel")
    task = await case.reach("antigen-panel-1")

    await case.play(lambda seen: any(t["urgency"] == "reminded" for t in seen.tasks), "reminded")
    assert await notices(world, task["task_id"]) == {"opened": 1, "reminded": 1}
    await case.play(lambda seen: any(t["urgency"] == "escalated" for t in seen.tasks), "escalated")

    assert await notices(world, task["task_id"]) == {"opened": 1, "reminded": 1, "escalated": 1}
    roles = await world.pool.fetch(
        "SELECT event, role FROM outbox WHERE study = $1 AND task_id = $2 ORDER BY id",
        world.client.study,
        task["task_id"],
    )
    assert [tuple(row) for row in roles] == [
        ("opened", "laboratory"),
        ("reminded", "laboratory"),
        ("escalated", "operations"),
    ]
    assert [row["urgency"] for row in await open_tasks(world.pool, world.client.study, role="laboratory")] == [
        "escalated"
    ]
    await case.send(await case.reach("antigen-panel-1"))
    await case.reach_fact("assigned")


async def test_a_task_answered_in_time_is_not_reminded(world: World, protocol: LoadedProtocol) -> None:
    """Whoever answers before the due day hears of a task once."""
    case = await one(world, protocol)
    task = await case.reach("biopsy-1")

    await case.reach("treatment-check-lymphodepletion")

    assert await notices(world, task["task_id"]) == {"opened": 1}
    assert await case.facts("task_reminded", "task_escalated") == []


async def test_a_task_is_answered_once(world: World, protocol: LoadedProtocol) -> None:
    """The second answer to a task is refused on record, whatever it says; the first one stands."""
    case = await one(world, protocol)
    case.leave("eligibility")
    task = await case.reach("biopsy-1")
    await case.send(task)

    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)

    await case.reach("antigen-panel-1")
    assert (await case.state()).biopsies == 1
    assert await case.refusals() == [ProblemType.TASK_ALREADY_CLOSED]


async def test_an_answer_after_the_window_is_refused(world: World, protocol: LoadedProtocol) -> None:
    """The second infusion's window has closed: its answer comes too late, and is kept as a refusal."""
    case = await one(world, protocol)
    case.leave("infusion-2")
    task = await case.reach("infusion-2")
    await case.reach("treatment-check-infusion-3")
    assert (await case.state()).closed[task["task_id"]] is TaskEnd.EXPIRED

    with refused(ProblemType.ANSWER_AFTER_WINDOW):
        await case.send(task)

    await case.reach("infusion-3")
    assert (await case.state()).infusion_steps == ("infusion-1",)
    assert await case.refusals() == [ProblemType.ANSWER_AFTER_WINDOW]


async def test_only_the_role_that_the_protocol_names_may_answer(world: World, protocol: LoadedProtocol) -> None:
    """A pharmacist may not take the biopsy; an investigator may stand in for the coordinator."""
    case = await one(world, protocol)
    task = await case.reach("biopsy-1")

    with refused(ProblemType.WRONG_ROLE) as info:
        await case.send(task, role=Role.PHARMACIST)
    assert info.value.problem.expected == "coordinator"
    await case.send(task, role=Role.INVESTIGATOR)

    await case.reach("antigen-panel-1")
    assert await case.refusals() == [ProblemType.WRONG_ROLE]
    (fact,) = await case.facts("refused")
    assert (fact["who"], fact["role"]) == ("pharmacist-01", "pharmacist")


Spoil = Callable[[Case, Row], dict[str, object]]


def haemoglobin(value: float, unit: str) -> Spoil:
    """Enter haemoglobin so, and the other laboratory values as they are."""
    return lambda case, _task: {
        "laboratory": {k: v.model_dump() for k, v in laboratory(case.protocol).items()}
        | {"haemoglobin": {"value": value, "unit": unit}}
    }


MALFORMED: dict[str, tuple[str, ProblemType, str, Spoil]] = {
    "a biopsy of tomorrow": (
        "biopsy-1",
        ProblemType.DATE_IN_FUTURE,
        "answer.collected_on",
        lambda case, _task: {"collected_on": case.today + timedelta(days=2)},
    ),
    "a biopsy before consent": (
        "biopsy-1",
        ProblemType.DATE_BEFORE_STEP,
        "answer.collected_on",
        lambda case, _task: {"collected_on": case.today - timedelta(days=3)},
    ),
    "haemoglobin in g/dL": (
        "eligibility-1",
        ProblemType.WRONG_UNIT,
        "answer.laboratory.haemoglobin.unit",
        haemoglobin(11.8, "g/dL"),
    ),
    "haemoglobin of 11.8 g/L": (
        "eligibility-1",
        ProblemType.OUT_OF_RANGE,
        "answer.laboratory.haemoglobin.value",
        haemoglobin(11.8, "g/L"),
    ),
    "an infusion in an hour": (
        "infusion-1",
        ProblemType.DATE_IN_FUTURE,
        "answer.started_at",
        lambda case, _task: {"started_at": case.now + timedelta(hours=1)},
    ),
    "an infusion before lymphodepletion": (
        "infusion-1",
        ProblemType.DATE_BEFORE_STEP,
        "answer.started_at",
        lambda case, _task: {"started_at": case.now - timedelta(days=6)},
    ),
}


@pytest.mark.parametrize(("step", "kind", "field", "spoil"), MALFORMED.values(), ids=MALFORMED)
async def test_malformed_answers_never_reach_the_history(
    world: World, protocol: LoadedProtocol, step: str, kind: ProblemType, field: str, spoil: Spoil
) -> None:
    """A slip of date, unit or digit is named by its field and leaves no trace; the task stays open for better data."""
    case = await one(world, protocol)
    task = await case.reach(step)
    before = await updates_accepted(world, case.workflow_id)

    with refused(kind) as info:
        await case.send(task, case.usual(task, **spoil(case, task)))

    assert info.value.problem.field == field
    assert await updates_accepted(world, case.workflow_id) == before
    assert await case.refusals() == []
    assert (await task_row(world, task["task_id"]))["status"] == "open"
    await case.send(task)
    assert await updates_accepted(world, case.workflow_id) == before + 1


async def test_a_clock_ahead_of_time_and_an_unknown_task_are_rejected(world: World, protocol: LoadedProtocol) -> None:
    """A sender's clock an hour ahead, and a task id that was never given out, are turned away at the door."""
    case = await one(world, protocol)
    task = await case.reach("biopsy-1")
    unknown = dict(task) | {"task_id": f"{case.subject}:99-biopsy-9"}
    hour_ahead: datetime = case.now + timedelta(hours=1)

    with refused(ProblemType.DATE_IN_FUTURE):
        await case.send(task, time=hour_ahead)
    with refused(ProblemType.UNKNOWN_TASK) as info:
        await case.send(unknown)
    with refused(ProblemType.INVALID_INPUT):
        await case.send(task, case.usual(await case.reach("eligibility-1")))

    assert task["task_id"] in info.value.problem.expected
    assert await updates_accepted(world, case.workflow_id) == 0


async def test_every_refusal_is_in_the_history(world: World, protocol: LoadedProtocol) -> None:
    """What a rule refuses is accepted as an update, and its refusal can be read from the event history alone."""
    (case,) = await begin(world, protocol, somebody())
    task = await case.reach("biopsy-1")
    before = await updates_accepted(world, case.workflow_id)

    for role in (Role.LABORATORY, Role.PHARMACIST, Role.COMMITTEE):
        with refused(ProblemType.WRONG_ROLE):
            await case.send(task, role=role)
    await case.send(task)
    await case.reach("antigen-panel-1")

    assert await updates_accepted(world, case.workflow_id) >= before + 4
    assert await case.refusals() == [ProblemType.WRONG_ROLE] * 3
    assert (await case.state()).refusals == 3
