"""Phase 2: after the RP2D each target of the arm is a two-stage trial of its own, until all are decided."""

from typing import Literal

from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import DecisionAction, EndReason, ReportAdverseEvent
from schemas.dlt.outcome import Disposition
from schemas.phase_two.expansion import ExpansionDecision, ResponseStatus
from schemas.problem import ProblemType
from schemas.safety.adverse_events import AdverseEvent, EventCategory
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmStatus
from schemas.state.participant import Target
from simulation.trial import fill_bank, start_study
from simulation.world import World
from tests.workflows.stories import (
    MESOTHELIN,
    SINGLE,
    Case,
    arm_facts,
    committee_is_asked,
    decide,
    envelope,
    eventually,
    hold,
    lift,
    refused,
    somebody,
    with_changes,
    with_cohorts_of_one,
    with_escalation,
    with_levels,
)

TROP2 = (Antigen.TROP2,)
Said = Literal["CR", "PR", "SD", "PD", "NE"]


def two_targets(protocol: LoadedProtocol, **changes: object) -> LoadedProtocol:
    """
    Return the protocol with one arm, one dose level and two targets; Simon's design is n1 = 2, r1 = 0, n = 3, r = 1.

    The RP2D follows from one participant of Phase 1.
    """
    rules = with_escalation(
        with_levels(with_cohorts_of_one(protocol), SINGLE, 1), require_expanded_cohort_for_rp2d=False
    )
    arm = rules.protocol.arm(SINGLE).model_dump() | {"targets": [MESOTHELIN, TROP2]}
    assert rules.protocol.expansion is not None
    sizes = {"stage_one_size": 2, "stage_one_futility": 0, "total_size": 3, "total_futility": 1}
    design = rules.protocol.expansion.model_dump() | sizes | changes
    return with_changes(rules, arms=[arm], expansion=design)


async def come(world: World, rules: LoadedProtocol, number: int, target: Target) -> Case:
    """Enrol a participant whose tumour has this target, and bring them to the arm."""
    case = Case(world, rules, somebody(number, antigens=target))
    await case.enroll()
    await case.reach_fact("assigned")
    return case


async def phase_two(world: World, rules: LoadedProtocol) -> Case:
    """Bring the arm through Phase 1 with one participant, and declare the RP2D; return that participant."""
    await start_study(world, rules)
    await fill_bank(world.pool, rules, [MESOTHELIN, TROP2], units=40)
    first = await come(world, rules, 1, MESOTHELIN)
    await first.reach_fact("dlt_judged")
    assert (await committee_is_asked(world))["detail"]["recommendation"] == "declare_rp2d"
    await decide(world, DecisionAction.DECLARE_RP2D)
    await first.reach("imaging-week-8")
    return first


def respond(case: Case, *responses: Said) -> None:
    """Have the investigator see these responses, one at each assessment."""
    for week, response in zip((8, 16, 24), responses, strict=False):
        case.change(f"imaging-week-{week}", response=response, assessment=None)


async def status_of(world: World, case: Case) -> ResponseStatus | None:
    """Return where a participant's place stands."""
    arm = await world.arm_state(SINGLE)
    places = (place for held in arm.expansions.values() for place in held.places if place.subject == case.subject)
    return next((place.status for place in places), None)


async def has_status(world: World, case: Case, status: ResponseStatus | None) -> None:
    """Wait until the arm has a participant's place there."""

    async def so() -> bool:
        return await status_of(world, case) is status

    await eventually(so, f"{case.subject} is {status}")


async def decided(world: World, target: str, decision: ExpansionDecision) -> None:
    """Wait until a target is decided, in the arm and in the study."""

    async def so() -> bool:
        arm = await world.arm_state(SINGLE)
        study = (await world.study_state()).arms[SINGLE]
        return arm.expansions[target].decided is decision and study.expansions.get(target) is decision

    await eventually(so, f"{target} is {decision}")


async def waits(world: World, *cases: Case) -> None:
    """Wait until these and nobody else stand in the arm's queue."""

    async def so() -> bool:
        return (await world.arm_state(SINGLE)).queue == tuple(case.subject for case in cases)

    await eventually(so, f"{len(cases)} wait")


async def test_phase_two_decides_each_target_by_two_stages(world: World, protocol: LoadedProtocol) -> None:
    """
    One target is futile after its first stage, who waits for it is refused; the other goes on and is promising.

    The 3+3 counts stay as they were, and the arm closes with its last target.
    """
    rules = two_targets(protocol)
    first = await phase_two(world, rules)
    arm = await world.arm_state(SINGLE)
    assert (arm.status, arm.rp2d_level, sorted(arm.expansions)) == (ArmStatus.EXPANSION, 1, ["TROP2", "mesothelin"])
    with refused(ProblemType.NO_DECISION_DUE):
        await decide(world, DecisionAction.STOP, reason="an afterthought")

    futile = [await come(world, rules, number, TROP2) for number in (2, 3, 4)]
    good = [await come(world, rules, number, MESOTHELIN) for number in (5, 6, 7)]
    await waits(world, futile[2], good[2])
    state = await futile[0].state()
    assert state.slot is not None
    slot = state.slot
    assert (slot.phase, slot.level, slot.first_of_cohort) == (2, 1, False)
    respond(futile[0], "PR", "PD")
    respond(futile[1], "PD")
    for case in futile[:2]:
        await play_to_response(world, case, ResponseStatus.NON_RESPONDER)
    await decided(world, "TROP2", ExpansionDecision.FUTILE)

    gone = await futile[2].reach_end()
    assert gone.disposition is Disposition.SCREEN_FAILURE
    assert "TROP2 is futile" in (await futile[2].facts("arm_refused"))[0]["why"]
    late = await come(world, rules, 8, TROP2)
    assert (await late.reach_end()).disposition is Disposition.SCREEN_FAILURE

    respond(good[0], "PR", "PR")
    respond(good[1], "SD", "SD", "PD")
    await play_to_response(world, good[0], ResponseStatus.RESPONDER)
    await waits(world, good[2])
    await play_to_response(world, good[1], ResponseStatus.NON_RESPONDER)
    await waits(world)
    respond(good[2], "CR", "CR")
    await play_to_response(world, good[2], ResponseStatus.RESPONDER)
    await decided(world, "mesothelin", ExpansionDecision.COMPLETE)

    arm = await world.arm_state(SINGLE)
    assert (arm.status, arm.rp2d_level) == (ArmStatus.CLOSED, 1)
    assert [slot.subject for slot in arm.slots] == [first.subject]
    await eventually(lambda: study_has_closed(world), "the study knows that the arm has closed")
    told = [fact["body"]["verdict"]["action"] for fact in await arm_facts(world) if fact["kind"] == "expansion_judged"]
    assert told.count("open_stage_two") == 1
    assert told.count("stop_for_futility") == 1
    assert told.count("promising") == 1


async def play_to_response(world: World, case: Case, status: ResponseStatus) -> None:
    """Play a participant ahead until the arm knows the response; after progression only the end of study is left."""
    await case.reach("imaging-week-24" if status is ResponseStatus.RESPONDER else "end-of-study")
    await has_status(world, case, status)


async def study_has_closed(world: World) -> bool:
    """Tell whether the study has the arm closed, in Phase 2."""
    arm = (await world.study_state()).arms[SINGLE]
    return arm.closed and arm.phase == 2


async def test_a_held_arm_gives_no_place_and_who_leaves_is_replaced(world: World, protocol: LoadedProtocol) -> None:
    """During a hold nobody gets a place; who withdraws before an assessment is not evaluable and frees the place."""
    rules = two_targets(protocol)
    await phase_two(world, rules)
    await hold(world, SINGLE)
    one, two, three = [await come(world, rules, number, TROP2) for number in (2, 3, 4)]
    await waits(world, one, two, three)

    await lift(world, SINGLE)
    await waits(world, three)
    await one.reach("treatment-check-infusion-2")
    await one.end(EndReason.WITHDRAWAL)
    await one.reach_end()

    await has_status(world, one, ResponseStatus.NOT_EVALUABLE)
    await has_status(world, three, ResponseStatus.GIVEN)


async def test_stopping_rules_of_phase_two_count_its_participants(world: World, protocol: LoadedProtocol) -> None:
    """Two of three dosed in Phase 2 have a related event of grade 4: too many, so the arm is held by the rate."""
    rules = two_targets(protocol, stage_one_size=3, total_size=4)
    await phase_two(world, rules)
    cases = [await come(world, rules, number, TROP2) for number in (2, 3, 4)]
    for case in cases[:2]:
        await case.reach("treatment-check-infusion-2")
        event = AdverseEvent(
            term="Pneumonitis", grade=4, onset_on=case.today, related=True, category=EventCategory.ORGAN
        )
        who = envelope(Role.INVESTIGATOR, case.now, "seen at the ward")
        await world.client.report_adverse_event(case.subject, ReportAdverseEvent(envelope=who, event=event))
    assert (await world.arm_state(SINGLE)).holds == ()

    await cases[2].send(await cases[2].reach("infusion-1"))

    await eventually(lambda: is_held(world), "the arm is held")
    (rule,) = (await world.arm_state(SINGLE)).fired
    assert (rule.rule, rule.count, rule.subjects) == ("severe-toxicity-rate", 2, ("CN01-002", "CN01-003"))


async def is_held(world: World) -> bool:
    """Tell whether the arm is held."""
    return SINGLE in (await world.arm_state(SINGLE)).holds
