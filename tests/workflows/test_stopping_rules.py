"""Stopping rules: what the protocol counts holds the arm or the study at once, until a signed decision lifts it."""

from datetime import date
from typing import Any

from protocols.loader import LoadedProtocol
from schemas import messages as m
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, ReportAdverseEvent
from schemas.problem import ProblemType
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.schedule.task import TaskEnd
from simulation.world import World
from tests.workflows.stories import (
    DUAL,
    SINGLE,
    Case,
    arm_facts,
    begin,
    envelope,
    eventually,
    in_line,
    lift,
    refused,
    somebody,
    units_by_state,
    with_escalation,
)

STUDY = "study"


async def report(
    case: Case,
    category: EventCategory,
    term: str,
    *,
    grade: int = 4,
    related: bool = True,
    ended_on: date | None = None,
) -> Accepted:
    """Report an adverse event of today."""
    event = AdverseEvent(
        term=term, grade=grade, onset_on=case.today, ended_on=ended_on, related=related, category=category
    )
    who = envelope(Role.INVESTIGATOR, case.now, "seen at the ward")
    return await case.world.client.report_adverse_event(case.subject, ReportAdverseEvent(envelope=who, event=event))


async def severe_crs(case: Case) -> None:
    """Report CRS of grade 4."""
    await report(case, EventCategory.CRS, "Cytokine release syndrome")


async def related_death(case: Case) -> None:
    """Report a death that the treatment may have caused."""
    await report(case, EventCategory.ORGAN, "Cardiac arrest", grade=5, ended_on=case.today)


async def are_held(cases: list[Case], scope: str, *, held: bool = True) -> None:
    """Wait until all participants know of a hold, or of its end."""
    for case in cases:

        async def heard(case: Case = case) -> bool:
            return (scope in (await case.state()).holds) is held

        await eventually(heard, f"{case.subject} knows: {scope} held is {held}")


async def study_has(world: World, scope: str, *, held: bool = True) -> None:
    """Wait until the study has a hold on record, or its end."""

    async def on_record() -> bool:
        return (scope in (await world.study_state()).holds) is held

    await eventually(on_record, f"the study has {scope} held: {held}")


async def findings(world: World) -> list[tuple[str, int]]:
    """Return the rules that have fired in the single-target arm, each with its count."""
    arm = await world.arm_state(SINGLE)
    return [(rule.rule, rule.count or 0) for rule in arm.fired]


def crowded(protocol: LoadedProtocol) -> LoadedProtocol:
    """Return the protocol with a cohort of four, all at once."""
    return with_escalation(protocol, stagger_days=0, cohort_size=4, toxic_at_dlts=4)


async def test_two_severe_crs_hold_the_arm_until_a_signed_lift(world: World, protocol: LoadedProtocol) -> None:
    """
    The second CRS of grade 4 holds the arm at once; it is lifted by a signature, and fires again at the third only.

    Meanwhile an open infusion is cancelled and refused, monitoring goes on and the product stays reserved.
    """
    first, second, third, waiting = cases = await begin(world, crowded(protocol), *(somebody(n) for n in range(1, 5)))
    late = Case(world, crowded(protocol), somebody(5))
    await late.enroll()
    await in_line([*cases, late])
    await first.reach("treatment-check-infusion-2")
    await second.reach("treatment-check-infusion-2")
    task = await third.reach("infusion-1")
    await waiting.reach("lymphodepletion-1")

    await severe_crs(first)
    await eventually(lambda: knows_event(world, first), "the arm knows of the first")
    assert await findings(world) == []
    await severe_crs(second)
    await are_held([*cases, late], SINGLE)

    assert await findings(world) == [("severe-crs", 2)]
    placed = [fact["body"] for fact in await third.facts("hold_placed")]
    assert placed == [{"scope": SINGLE, "rule": "severe-crs"}]
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await third.send(task)
    assert (await third.state()).closed[task["task_id"]] is TaskEnd.CANCELLED
    assert await units_by_state(world, third.subject) == (3, 0)
    await report(third, EventCategory.OTHER, "Nausea", grade=2, related=False)
    await waiting.reach("lymphodepletion-2")
    await study_has(world, SINGLE)
    record = await world.hold_record(SINGLE)
    assert record is not None
    assert (record.hold.rule, record.hold.placed_by) == ("severe-crs", "system")
    assert (await world.arm_state(DUAL)).holds == ()

    with refused(ProblemType.SIGNATURE_REQUIRED):
        await lift(world, SINGLE, signed=False)
    await lift(world, SINGLE)
    await are_held([*cases, late], SINGLE, held=False)

    await report(first, EventCategory.OTHER, "Hypokalaemia", grade=3, related=False)
    await eventually(lambda: knows_event(world, first, 2), "the arm knows of another event")
    assert await findings(world) == [("severe-crs", 2)]
    assert (await world.arm_state(SINGLE)).holds == ()
    await third.send(await third.reach("infusion-1"))
    await third.reach("treatment-check-infusion-2")
    await severe_crs(third)
    await are_held([*cases, late], SINGLE)
    assert await findings(world) == [("severe-crs", 2), ("severe-crs", 3)]


async def knows_event(world: World, case: Case, count: int = 1) -> bool:
    """Tell whether the arm has been told of a participant's events."""
    summary = (await world.arm_state(SINGLE)).summaries.get(case.subject)
    return summary is not None and len(summary.events) == count


async def test_a_lift_signed_before_the_rule_fired_leaves_the_arm_held(world: World, protocol: LoadedProtocol) -> None:
    """The arm holds itself while the lift of an earlier hold is on its way: that lift ends only what it was for."""
    first, second = cases = await begin(world, crowded(protocol), somebody(1), somebody(2))
    await in_line(cases)
    for case in cases:
        await case.reach("treatment-check-infusion-2")
        await severe_crs(case)
    await are_held(cases, SINGLE)

    arm = world.client.temporal.get_workflow_handle(names.arm_id(world.client.study, SINGLE))
    lifted = m.HoldChange(scope=SINGLE, held=False, who="operations-01", why="an earlier signal", fired=0)
    await arm.signal("change_hold", lifted)
    await report(first, EventCategory.OTHER, "Hypokalaemia", grade=3, related=False)
    await eventually(lambda: knows_event(world, first, 2), "the arm has gone on")

    assert (await world.arm_state(SINGLE)).holds == (SINGLE,)
    await study_has(world, SINGLE)
    await lift(world, SINGLE)
    await are_held([first, second], SINGLE, held=False)


async def test_a_related_death_holds_the_whole_study(world: World, protocol: LoadedProtocol) -> None:
    """Both arms, everybody on study and who died are held; an unrelated death holds nobody; enrolment stops."""
    dual = somebody(3, antigens=protocol.protocol.arm(DUAL).targets[0])
    died, other, elsewhere = cases = await begin(world, crowded(protocol), somebody(1), somebody(2), dual)
    await in_line([died, other])
    await died.reach("treatment-check-infusion-2")
    task = await other.reach("infusion-1")
    await elsewhere.reach("lymphodepletion-1")

    await report(other, EventCategory.OTHER, "Disease progression", grade=5, related=False, ended_on=other.today)
    await eventually(lambda: study_knows(world, other), "the study knows of the unrelated death")
    assert (await world.study_state()).holds == ()
    await related_death(died)
    await are_held(cases, STUDY)

    study = await world.study_state()
    assert study.holds == (STUDY,)
    assert [(rule.rule, rule.count, rule.subjects) for rule in study.fired] == [("related-death", 1, (died.subject,))]
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await other.send(task)
    for arm in (SINGLE, DUAL):
        await eventually(lambda arm=arm: arm_is_held(world, arm), f"{arm} is held")  # type: ignore[misc]
    with refused(ProblemType.ON_HOLD):
        await Case(world, protocol, somebody(4)).enroll()
    assert "hold_placed" in [fact["kind"] for fact in await arm_facts(world)]

    await lift(world)
    await are_held(cases, STUDY, held=False)
    await report(died, EventCategory.OTHER, "Pneumonia", grade=4, related=False)
    await eventually(lambda: study_knows(world, died, 2), "the study knows of another event")
    assert (await world.study_state()).holds == ()


async def arm_is_held(world: World, arm: str) -> bool:
    """Tell whether the arm knows that the study is held."""
    return STUDY in (await world.arm_state(arm)).holds


async def study_knows(world: World, case: Case, count: int = 1) -> bool:
    """Tell whether the study has been told of a participant's events."""
    record: Any = (await world.study_state()).safety.get(case.subject)
    return record is not None and len(record.events) == count
