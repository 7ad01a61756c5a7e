"""Cytokine support: given after an infusion, held while a toxicity lasts, and stopped for good by a severe one."""

from datetime import date, timedelta

import pytest

from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import Accepted, ReportAdverseEvent
from schemas.problem import ProblemType
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.schedule.task import TaskEnd
from schemas.treatment.support import DoseUnit, SupportState
from simulation.world import World
from tests.workflows.stories import Case, Row, envelope, one, refused, with_changes

COURSE = "cytokine-course-1"


async def report_crs(case: Case, *, grade: int, onset_on: date, ended_on: date | None = None) -> Accepted:
    """Report a CRS of this grade."""
    event = AdverseEvent(
        term="Cytokine release syndrome",
        category=EventCategory.CRS,
        grade=grade,
        onset_on=onset_on,
        ended_on=ended_on,
        related=True,
    )
    command = ReportAdverseEvent(envelope=envelope(Role.INVESTIGATOR, case.now, "seen at the ward"), event=event)
    return await case.world.client.report_adverse_event(case.subject, command)


async def infused(world: World, protocol: LoadedProtocol) -> tuple[Case, Row]:
    """Play one participant ahead to the course after the first infusion."""
    case = await one(world, protocol)
    await case.send(await case.reach("infusion-1"))
    return case, await case.reach(COURSE)


async def states(case: Case) -> list[str]:
    """Return the verdicts on cytokines in the read model, in their order."""
    return [fact["body"]["verdict"]["state"] for fact in await case.facts("cytokine_judged")]


async def test_a_course_without_toxicity_is_given(world: World, protocol: LoadedProtocol) -> None:
    """Nothing stands against it: the course opens with the infusion, by one verdict, and is answered."""
    case, task = await infused(world, protocol)

    await case.reach("treatment-check-infusion-3")

    assert await states(case) == ["give"]
    assert (await case.state()).closed[task["task_id"]] is TaskEnd.ANSWERED


async def test_a_mild_crs_holds_the_course_until_it_is_gone(world: World, protocol: LoadedProtocol) -> None:
    """CRS of grade 1 on day 0 holds the open course, and the next day, when it is gone, releases it."""
    case, task = await infused(world, protocol)
    case.leave(COURSE)

    await report_crs(case, grade=1, onset_on=case.today, ended_on=case.today)
    await case.reach("treatment-check-infusion-2")

    assert await states(case) == ["give", "hold", "give"]
    await case.send(task)
    await case.reach("infusion-2")


async def test_a_severe_crs_stops_the_course_for_good(world: World, protocol: LoadedProtocol) -> None:
    """CRS of grade 3 stops cytokines: the open course is cancelled, its step skipped, and nothing can be told of it."""
    case, task = await infused(world, protocol)
    case.leave(COURSE)

    await report_crs(case, grade=3, onset_on=case.today)
    fact = await case.reach_fact("step_skipped")

    assert fact["body"]["step"] == COURSE
    assert "CRS grade 3 or more" in fact["why"]
    state = await case.state()
    assert state.cytokine is not None
    assert state.cytokine.state is SupportState.STOP
    assert state.closed[task["task_id"]] is TaskEnd.CANCELLED
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)


async def test_a_course_after_a_toxic_infusion_is_not_opened_while_held(world: World, protocol: LoadedProtocol) -> None:
    """CRS that goes on holds the second course from its infusion on, and after a week it is stopped unopened."""
    after_second = protocol.protocol.cytokine.model_dump() | {"after_infusions": [2]}
    case = await one(world, with_changes(protocol, cytokine=after_second))
    task = await case.reach("infusion-2")
    await report_crs(case, grade=1, onset_on=case.today)
    case.leave("treatment-check-infusion-3")
    await case.send(task)

    skipped = await case.reach_fact("step_skipped")

    assert await states(case) == ["hold", "stop"]
    assert skipped["body"]["step"] == "cytokine-course-2"
    assert "8 days: stopped for good" in skipped["why"]
    state = await case.state()
    assert not any(task_id.endswith("cytokine-course-2") for task_id in state.closed)
    first, last = state.cytokine_verdicts
    assert (last.judged_on - first.judged_on).days == 8


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"agent": "IL-12"}, ProblemType.INVALID_INPUT),
        ({"agent": "IL-15 agonist", "dose": 10.0, "unit": "million_units_per_m2"}, ProblemType.WRONG_UNIT),
        ({"dose": 1.0}, ProblemType.WRONG_UNIT),
        ({"million_units_per_m2": 9.0}, ProblemType.DOSE_OUT_OF_RULE),
    ],
    ids=["another-cytokine", "another-unit", "no-unit", "nine-times-the-dose"],
)
async def test_a_course_out_of_rule_is_refused_on_record(
    world: World, protocol: LoadedProtocol, changes: dict[str, object], kind: ProblemType
) -> None:
    """Agent, unit and dose are the protocol's; a refusal is kept, and the task stays open for what was really given."""
    case, task = await infused(world, protocol)

    with refused(kind):
        await case.send(task, case.usual(task, **changes))
    await case.send(task, case.usual(task, agent="IL-15 agonist", dose=10.0, unit=DoseUnit.MICROGRAMS_PER_KG.value))

    await case.reach("treatment-check-infusion-2")
    assert await case.refusals() == [kind]


async def test_administrations_before_the_infusion_or_while_held_are_refused(
    world: World, protocol: LoadedProtocol
) -> None:
    """A dose of before the infusion, two on one day, and one on a day of an unbroken hold are against the rules."""
    case, task = await infused(world, protocol)
    case.leave(COURSE)
    day_zero = case.today
    await report_crs(case, grade=1, onset_on=day_zero)
    day = timedelta(days=1)
    await case.play(lambda seen: seen.at.date() >= day_zero + 2 * day, "two days have passed")

    for days, kind in (
        ((day_zero - day,), ProblemType.DATE_BEFORE_STEP),
        ((day_zero, day_zero), ProblemType.DOSE_OUT_OF_RULE),
        ((day_zero, day_zero + 2 * day), ProblemType.ON_HOLD),
    ):
        with refused(kind):
            await case.send(task, case.usual(task, administered_on=days))
    await case.send(task, case.usual(task, administered_on=(day_zero,)))

    assert len(await case.refusals()) == 3
