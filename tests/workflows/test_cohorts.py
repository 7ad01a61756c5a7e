"""Cohorts: who gets a slot when, and how the safety review committee decides on dose."""

import asyncio
from datetime import timedelta

from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import ProblemType
from schemas.safety.adverse_events import EventCategory
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmStatus, SlotState
from simulation.people import VirtualParticipant
from simulation.trial import fill_bank, run_phase_one, start_study
from simulation.world import World
from tests.workflows.safety_stories import mild, report
from tests.workflows.stories import (
    MESOTHELIN,
    SINGLE,
    Case,
    arm_facts,
    arm_refusals,
    begin,
    committee_is_asked,
    decide,
    eventually,
    in_line,
    one,
    refused,
    somebody,
    task_row,
    with_changes,
    with_cohorts_of_one,
    with_escalation,
    with_levels,
    without_stagger,
)


async def judged(*cases: Case) -> list[DltStatus | None]:
    """Play everybody ahead to the outcome of the DLT window."""
    await asyncio.gather(*(case.reach_fact("dlt_judged") for case in cases))
    return [(await case.state()).dlt for case in cases]


async def dose_limiting(case: Case) -> None:
    """Have a participant show a DLT a week after the first infusion."""
    await case.reach("treatment-check-infusion-2")
    await case.report()
    await case.reach_fact("dlt_judged")


async def test_three_without_a_dlt_lead_to_a_recommendation_to_escalate(world: World, protocol: LoadedProtocol) -> None:
    """The committee is asked once all three windows have closed, and its decision opens cohort 2 at level 2."""
    *cohort, waiting = await begin(world, without_stagger(protocol), *(somebody(n) for n in range(1, 5)))
    await in_line([*cohort, waiting])
    assert (await world.arm_state(SINGLE)).queue == (waiting.subject,)

    assert await judged(*cohort) == [DltStatus.NO_DLT] * 3

    task = await committee_is_asked(world)
    assert (task["role"], task["detail"]["recommendation"], task["detail"]["level"]) == ("committee", "escalate", "2")
    assert (await world.arm_state(SINGLE)).queue == (waiting.subject,)
    await decide(world, DecisionAction.ESCALATE)
    await waiting.reach_fact("product_reserved")
    state = await waiting.state()
    assert state.slot is not None
    assert (state.slot.cohort, state.slot.level, state.slot.million_cells) == (2, 2, 300.0)
    assert (await task_row(world, task["task_id"]))["status"] == "answered"


async def test_a_decision_before_the_window_closes_is_refused(world: World, protocol: LoadedProtocol) -> None:
    """One of the cohort is still observed: the committee's decision is refused, and the arm's history says so."""
    case = await one(world, with_cohorts_of_one(protocol))
    await case.reach("safety-day-28")

    with refused(ProblemType.WINDOW_OPEN):
        await decide(world, DecisionAction.ESCALATE, reason="no toxicity so far")

    arm = await world.arm_state(SINGLE)
    assert (arm.cohort, arm.level, arm.decisions) == (1, 1, ())
    await eventually(lambda: says(world, ProblemType.WINDOW_OPEN), "the refusal is in the arm's history")


async def says(world: World, kind: ProblemType) -> bool:
    """Tell whether the latest refusal in the arm's history is of this type."""
    return (await arm_refusals(world))[-1:] == [kind]


async def test_the_committee_may_be_more_cautious_than_the_rule_but_not_less(
    world: World, protocol: LoadedProtocol
) -> None:
    """The rule says level 2: level 3 never, level 1 again only with a reason; and only the committee may say it."""
    case, following = await begin(world, with_cohorts_of_one(protocol), somebody(1), somebody(2))
    await in_line([case, following])
    await judged(case)
    await committee_is_asked(world)

    with refused(ProblemType.LESS_CAUTIOUS_THAN_RULE):
        await decide(world, DecisionAction.ESCALATE, 3, reason="the drug is known to be safe")
    with refused(ProblemType.REASON_REQUIRED):
        await decide(world, DecisionAction.STAY)
    with refused(ProblemType.WRONG_ROLE):
        await decide(world, DecisionAction.ESCALATE, role=Role.INVESTIGATOR)
    with refused(ProblemType.NO_DECISION_DUE):
        await decide(world, DecisionAction.ESCALATE, cohort=7)
    await decide(world, DecisionAction.STAY, reason="grade 2 fever in the only participant")

    await following.reach_fact("slot_granted")
    arm = await world.arm_state(SINGLE)
    (decision,) = arm.decisions
    assert (decision.action, decision.recommended, decision.level) == (DecisionAction.STAY, DecisionAction.ESCALATE, 1)
    assert decision.reason == "grade 2 fever in the only participant"
    assert (arm.cohort, arm.level, arm.slots[-1].level) == (2, 1, 1)
    assert await arm_refusals(world) == [
        ProblemType.LESS_CAUTIOUS_THAN_RULE,
        ProblemType.REASON_REQUIRED,
        ProblemType.WRONG_ROLE,
        ProblemType.NO_DECISION_DUE,
    ]


async def test_the_second_of_a_cohort_is_dosed_only_after_the_first_was_observed(
    world: World, protocol: LoadedProtocol
) -> None:
    """The second participant's slot comes 14 days after the first one's first infusion, and not to be used earlier."""
    first, second = await begin(world, protocol, somebody(1), somebody(2))
    await in_line([first, second])
    await first.reach("treatment-check-infusion-2")
    assert (await world.arm_state(SINGLE)).queue == (second.subject,)

    await first.reach("safety-day-21")
    await second.reach("infusion-1")

    told, before = await first.state(), await second.state()
    assert told.day_zero is not None
    observed = told.day_zero + timedelta(days=protocol.protocol.escalation.stagger_days)
    assert before.slot is not None
    assert before.slot.not_before is not None
    assert before.slot.not_before >= observed
    assert before.day_zero is not None
    assert before.day_zero > observed
    assert [f["kind"] for f in await arm_facts(world)] == [
        "arm_opened",
        "delegation_changed",
        "delegation_changed",
        "slot_requested",
        "slot_given",
        "slot_requested",
        "first_dose_reported",
        "stagger_cleared",
        "slot_given",
    ]


async def test_the_fourth_participant_waits_while_three_are_pending(world: World, protocol: LoadedProtocol) -> None:
    """All three places are taken until their outcome is known; one who leaves undosed makes room."""
    *cohort, fourth = await begin(world, without_stagger(protocol), *(somebody(n) for n in range(1, 5)))
    await in_line([*cohort, fourth])
    arm = await world.arm_state(SINGLE)
    assert [slot.subject for slot in arm.slots] == [case.subject for case in cohort]
    assert arm.queue == (fourth.subject,)

    cohort[0].leave("lymphodepletion-1")
    await cohort[0].reach_end()

    await fourth.reach_fact("slot_granted")
    arm = await world.arm_state(SINGLE)
    assert [slot.state for slot in arm.slots] == [SlotState.NOT_EVALUABLE, *[SlotState.GIVEN] * 3]
    assert arm.queue == ()


async def test_one_dlt_in_three_expands_the_cohort_to_six(world: World, protocol: LoadedProtocol) -> None:
    """A DLT counts at once; when the other two have none, the rule asks for three more at the same level."""
    toxic, *others = cases = await begin(world, without_stagger(protocol), *(somebody(n) for n in range(1, 8)))
    await in_line(cases)
    await dose_limiting(toxic)
    assert (await toxic.state()).dlt is DltStatus.DLT
    await judged(*others[:2])

    task = await committee_is_asked(world)
    assert task["detail"]["recommendation"] == "expand"
    await decide(world, DecisionAction.EXPAND)
    await asyncio.gather(*(case.reach_fact("slot_granted") for case in others[2:5]))

    arm = await world.arm_state(SINGLE)
    assert [slot.level for slot in arm.slots] == [1] * 6
    assert arm.queue == (others[5].subject,)


async def test_two_dlts_stop_slots_at_once(world: World, protocol: LoadedProtocol) -> None:
    """With two DLTs at the lowest level nobody more gets a slot, the rule says stop, and the arm closes."""
    first, second = cases = await begin(world, without_stagger(protocol), somebody(1), somebody(2))
    await in_line(cases)
    await asyncio.gather(*(dose_limiting(case) for case in cases))
    (late,) = [Case(world, protocol, somebody(3))]
    await late.enroll()
    await in_line([late])
    assert [slot.state for slot in (await world.arm_state(SINGLE)).slots] == [SlotState.DLT] * 2
    assert (await world.arm_state(SINGLE)).queue == (late.subject,)

    task = await committee_is_asked(world)
    assert task["detail"]["recommendation"] == "stop"
    await decide(world, DecisionAction.STOP)

    assert (await late.reach_end()).disposition is Disposition.SCREEN_FAILURE
    assert (await world.arm_state(SINGLE)).status is ArmStatus.CLOSED
    for case in (first, second):
        state = await case.state()
        assert len(state.infusions) == 1, "no infusion after a DLT"


async def test_the_recommended_dose_closes_the_arm_and_those_waiting_are_told(
    world: World, protocol: LoadedProtocol
) -> None:
    """The highest level is safe: it is declared, the study knows, and who waits learns that no arm is open."""
    rules = with_escalation(
        with_levels(with_cohorts_of_one(with_changes(protocol, expansion=None)), SINGLE, 1),
        require_expanded_cohort_for_rp2d=False,
    )
    case, waiting = await begin(world, rules, somebody(1), somebody(2))
    await in_line([case, waiting])
    await judged(case)

    task = await committee_is_asked(world)
    assert task["detail"]["recommendation"] == "declare_rp2d"
    await decide(world, DecisionAction.DECLARE_RP2D)

    state = await waiting.reach_end()
    assert state.disposition is Disposition.SCREEN_FAILURE
    assert "no open arm" in str(state.disposition_reason)
    assert [f["why"] for f in await waiting.facts("arm_refused")] == ["RP2D declared at dose level 1"]
    arm = await world.arm_state(SINGLE)
    assert (arm.status, arm.rp2d_level, arm.queue) == (ArmStatus.CLOSED, 1, ())
    await eventually(lambda: study_knows(world, 1), "the study knows the recommended dose")
    with refused(ProblemType.NO_DECISION_DUE):
        await decide(world, DecisionAction.STOP, reason="an afterthought")
    await case.reach("imaging-week-8")


async def study_knows(world: World, level: int) -> bool:
    """Tell whether the study has the arm's recommended dose."""
    arm = (await world.study_state()).arms[SINGLE]
    return arm.closed and arm.rp2d_level == level


async def test_a_late_dlt_changes_what_the_committee_is_asked(world: World, protocol: LoadedProtocol) -> None:
    """A DLT of day 20 is reported after the window closed: the old question is withdrawn and a new one put."""
    case = await one(world, with_cohorts_of_one(protocol))
    await judged(case)
    asked = await committee_is_asked(world)
    assert asked["detail"]["recommendation"] == "escalate"
    day_zero = (await case.state()).day_zero
    assert day_zero is not None

    await case.report("Hepatic failure", onset_on=day_zero + timedelta(days=20))
    await case.send(await case.reach("dlt-adjudication"))

    await eventually(lambda: recommends(world, DecisionAction.EXPAND), "the rule recommends to expand")
    assert (await task_row(world, asked["task_id"]))["status"] == "cancelled"
    assert (await case.state()).dlt is DltStatus.DLT
    with refused(ProblemType.LESS_CAUTIOUS_THAN_RULE):
        await decide(world, DecisionAction.ESCALATE, reason="as asked before")


async def recommends(world: World, action: DecisionAction) -> bool:
    """Tell whether the open question to the committee recommends this."""
    task = await committee_is_asked(world)
    return bool(task["detail"]["recommendation"] == action)


async def test_an_event_that_is_no_dlt_or_comes_too_late_does_not_count(world: World, protocol: LoadedProtocol) -> None:
    """A grade 3 event that is no DLT, and a DLT with its onset after day 28, leave the participant without a DLT."""
    case = await one(world, protocol)
    await case.reach("treatment-check-infusion-2")
    await report(case, mild(case, term="Anaemia", grade=3, related=True, category=EventCategory.HAEMATOLOGICAL))
    await judged(case)
    await case.reach("imaging-week-8")
    await case.report("Pneumonitis", grade=4)

    await case.reach("imaging-week-16")

    state = await case.state()
    assert state.dlt is DltStatus.NO_DLT
    assert len(state.adverse_events) == 2


async def test_a_small_phase_one_finds_its_dose(world: World, protocol: LoadedProtocol) -> None:
    """Level 2 is toxic with two DLTs: the arm fills level 1 and declares it; the last comes to Phase 2."""
    rules = with_escalation(with_levels(protocol, SINGLE, 2), cohort_size=2, expanded_size=3)
    people = [
        VirtualParticipant(subject=f"CN02-{number:03d}", age_years=60, antigens=(Antigen.MESOTHELIN,))
        for number in range(1, 7)
    ]
    await fill_bank(world.pool, rules, [MESOTHELIN], units=30)
    await start_study(world, rules)

    (arm,) = await run_phase_one(world, rules, people, {(SINGLE, 2): (1, 2)})

    assert (arm.status, arm.rp2d_level) == (ArmStatus.EXPANSION, 1)
    assert [(d.from_level, d.action.value, d.level) for d in arm.decisions] == [
        (1, "escalate", 2),
        (2, "de_escalate", 1),
        (1, "declare_rp2d", 1),
    ]
    await eventually(lambda: nobody_is_active(world), "the study knows that everybody has ended")
    study = await world.study_state()
    assert list(study.ended.values()) == [Disposition.COMPLETED] * 6
    places = (await world.arm_state(SINGLE)).expansions["mesothelin"].places
    assert [place.subject for place in places] == [people[-1].subject]


async def nobody_is_active(world: World) -> bool:
    """Tell whether the study knows of every participant's end."""
    return (await world.study_state()).active == ()
