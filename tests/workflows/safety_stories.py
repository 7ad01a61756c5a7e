"""Adverse events that the safety tests tell of, and how they are sent."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from activities.read_model import fact_rows
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, AdverseEvent, AmendAdverseEvent, ReportAdverseEvent
from schemas.safety.adverse_events import Causality, EventCategory, Seriousness, StudyPart
from schemas.schedule.task import TaskKind
from simulation.world import World
from tests.workflows.stories import Case, Row, envelope, eventually

CAUSED = {StudyPart.CAR_NK: Causality.PROBABLE}


def crs(case: Case, *, grade: int, **changes: object) -> AdverseEvent:
    """Make a CRS of today, related to the cells."""
    told: dict[str, object] = {
        "term": "Cytokine release syndrome",
        "grade": grade,
        "onset_on": case.today,
        "category": EventCategory.CRS,
        "causality": CAUSED,
    }
    return AdverseEvent.model_validate(told | changes)


def mild(case: Case, **changes: object) -> AdverseEvent:
    """Make a mild event of today that nobody has to act on."""
    told: dict[str, object] = {"term": "Fatigue", "grade": 1, "onset_on": case.today, "related": False}
    return AdverseEvent.model_validate(told | changes)


def life_threatening(case: Case, **changes: object) -> AdverseEvent:
    """Make a serious event of today that is related and not expected."""
    serious: dict[str, object] = {"seriousness": (Seriousness.LIFE_THREATENING,)}
    return crs(case, grade=4, **(serious | changes))


async def report(case: Case, event: AdverseEvent) -> Accepted:
    """Report an event."""
    command = ReportAdverseEvent(envelope=envelope(Role.INVESTIGATOR, case.now, "seen at the ward"), event=event)
    return await case.world.client.report_adverse_event(case.subject, command)


async def amend(
    case: Case, event_id: str, version: int, reason: str | None = "the chart was read again", **changes: object
) -> Accepted:
    """Amend an event, as it was read at this version."""
    state = await case.state()
    before = state.adverse_events[int(event_id.removeprefix("AE-")) - 1]
    given = before.model_dump(exclude={"related"} if before.causality else set()) | changes
    command = AmendAdverseEvent(
        envelope=envelope(Role.INVESTIGATOR, case.now, reason),
        event_id=event_id,
        version=version,
        event=AdverseEvent.model_validate(given),
    )
    return await case.world.client.amend_adverse_event(case.subject, command)


async def open_tasks(case: Case, kind: TaskKind) -> list[str]:
    """Return the steps of a participant's open tasks of a kind."""
    return [task.step for task in (await case.state()).tasks.values() if task.kind is kind]


async def shown(case: Case, step: str) -> Row:
    """Wait until a task stands on the worklist; return its row."""
    query = "SELECT * FROM task WHERE workflow_id = $1 AND step = $2 AND status = 'open'"
    found: list[Row] = []

    async def is_shown() -> bool:
        found[:] = [dict(row) for row in await case.world.pool.fetch(query, case.workflow_id, step)]
        return bool(found)

    await eventually(is_shown, f"{step} is on the worklist")
    return found[0]


async def told_of(world: World, arm: str, subject: str) -> list[dict[str, Any]]:
    """Return what an arm was told of a participant's safety and outcome."""
    facts = await fact_rows(world.pool, names.arm_id(world.client.study, arm))
    return [
        fact
        for fact in facts
        if subject in (fact["body"].get("subject"), fact["body"].get("summary", {}).get("subject"))
        and fact["kind"] in {"safety_received", "outcome_reported"}
    ]


async def at_once(*sent: Awaitable[Accepted]) -> list[Accepted | BaseException]:
    """Send commands at the same moment; return answers and errors in their order."""
    return await asyncio.gather(*sent, return_exceptions=True)
