"""Reopened decisions: what is learnt later about an earlier cohort stops the dosing until the committee has met."""

from typing import Any

from protocols.loader import LoadedProtocol
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import ProblemType
from schemas.safety.summary import EventDlt
from schemas.state.arm import ArmState, SlotState
from simulation.world import World
from tests.workflows.stories import (
    SINGLE,
    Case,
    Row,
    arm_facts,
    begin,
    committee_is_asked,
    decide,
    eventually,
    in_line,
    refused,
    somebody,
    task_row,
    with_cohorts_of_one,
    with_escalation,
    with_levels,
)
from tests.workflows.test_signed_decisions import has_candidate, is_rejected

SCOPE = f"{SINGLE}/review"


async def escalated(world: World, protocol: LoadedProtocol) -> tuple[Case, Case, Case]:
    """Escalate to level 2 after one participant without a DLT; the next has the slot there, a third one waits."""
    early, higher, waiting = await begin(world, with_cohorts_of_one(protocol), *(somebody(n) for n in (1, 2, 3)))
    await in_line([early, higher, waiting])
    await early.reach_fact("dlt_judged")
    await committee_is_asked(world)
    await decide(world, DecisionAction.ESCALATE)
    await higher.reach("lymphodepletion-1")
    return early, higher, waiting


async def has_late_dlt(world: World, case: Case) -> None:
    """Have an event of day 20 be reported only now and be judged dose-limiting; wait until the arm counts it."""
    await case.reach("imaging-week-8")
    question = await has_candidate(case)
    await case.send(question, case.usual(question, dose_limiting=True))

    async def counted() -> bool:
        return (await world.arm_state(SINGLE)).slots[0].state is SlotState.DLT

    await eventually(counted, "the arm counts the late DLT")


async def review_is_asked(world: World, recommendation: str = "de_escalate") -> Row:
    """Wait for the committee's task to review the decision on cohort 1, with this recommendation."""

    async def asked() -> bool:
        task = await committee_is_asked(world)
        return (task["step"], task["detail"]["recommendation"]) == ("review-cohort-1", recommendation)

    await eventually(asked, "the committee is asked for a review")
    return await committee_is_asked(world)


async def is_held(case: Case, *, held: bool = True) -> None:
    """Wait until the participant's workflow knows of the hold, or of its end."""

    async def heard() -> bool:
        return (SCOPE in (await case.state()).holds) is held

    await eventually(heard, f"{case.subject} held for the review: {held}")


async def facts_since_reopening(world: World) -> list[dict[str, Any]]:
    """Return the arm's facts from the reopening on, once the review's end is published."""

    async def published() -> bool:
        return any(fact["kind"] == "hold_lifted" for fact in await arm_facts(world))

    await eventually(published, "the review's end is published")
    facts = await arm_facts(world)
    first = next(number for number, fact in enumerate(facts) if fact["kind"] == "decision_reopened")
    return facts[first:]


async def test_after_a_late_dlt_nobody_is_dosed_at_the_higher_level_until_the_committee_has_reviewed(
    world: World, protocol: LoadedProtocol
) -> None:
    """Level 2 was opened on 0 DLTs in 1; now there is 1 in 1. Who has the slot there waits for the committee's word."""
    early, higher, waiting = await escalated(world, protocol)
    await has_late_dlt(world, early)
    await is_held(higher)

    task = await review_is_asked(world)
    assert (task["detail"]["recommendation"], task["detail"]["level"]) == ("de_escalate", "1")
    assert task["role"] == "committee"
    await higher.reach("lymphodepletion-2")
    assert (await higher.state()).infusions == ()
    assert (await world.arm_state(SINGLE)).queue == (waiting.subject,)

    with refused(ProblemType.LESS_CAUTIOUS_THAN_RULE):
        await decide(world, DecisionAction.ESCALATE, 3, reason="level 2 is known to be safe")
    with refused(ProblemType.REASON_REQUIRED):
        await decide(world, DecisionAction.STAY)
    assert (await higher.state()).infusions == ()
    await decide(world, DecisionAction.STAY, reason="the liver failure was fulminant hepatitis B")

    await is_held(higher, held=False)
    await higher.reach("treatment-check-infusion-2")
    arm = await world.arm_state(SINGLE)
    assert (arm.review_due, arm.reviewing, arm.holds, arm.cohort, arm.level) == (False, (), (), 2, 2)
    assert [(d.action, d.level, d.recommended, d.reviews) for d in arm.decisions] == [
        (DecisionAction.ESCALATE, 2, DecisionAction.ESCALATE, None),
        (DecisionAction.STAY, 2, DecisionAction.DE_ESCALATE, (1,)),
    ]
    assert (await task_row(world, task["task_id"]))["status"] == "answered"


async def test_what_was_known_when_is_on_record(world: World, protocol: LoadedProtocol) -> None:
    """Finding, hold, question, signed review and lifting stand in this order; the packet shows then and now."""
    early, higher, _ = await escalated(world, protocol)
    (earlier,) = (await world.arm_state(SINGLE)).decisions
    assert earlier.signature is not None
    await has_late_dlt(world, early)
    await review_is_asked(world)

    read = await world.packet(SINGLE)
    candidate, found = read.packet.reopened
    assert candidate.about.startswith(f"{early.subject} (cohort 1, level 1) may have a DLT: AE-001, Pneumonitis")
    assert (candidate.cohort, found.cohort) == (1, 1)
    assert found.about == f"{early.subject} (cohort 1, level 1) has a DLT"
    assert found.known_then == (
        f"{earlier.decided_at.date()}: level 1 has 0 DLTs in 1 evaluable; the rule recommended 'escalate', "
        "decided was 'escalate at level 2'"
    )
    assert found.known_now.endswith(": level 1 has 1 DLT in 1 evaluable; the rule says 'expand at level 1'")
    assert read.packet.recommendation.action is DecisionAction.DE_ESCALATE

    await decide(world, DecisionAction.STAY, reason="not related to the cells")
    facts = await facts_since_reopening(world)
    assert [fact["kind"] for fact in facts if fact["kind"] != "safety_received"] == [
        "decision_reopened",
        "hold_placed",
        "task_opened",
        "outcome_reported",
        "decision_reopened",
        "task_closed",
        "task_opened",
        "decided",
        "decision_reviewed",
        "hold_lifted",
        "task_closed",
    ]
    findings = [fact["body"]["finding"] for fact in facts if fact["kind"] == "decision_reopened"]
    assert findings == [candidate.model_dump(mode="json"), found.model_dump(mode="json")]
    signed, reviewed = (next(fact for fact in facts if fact["kind"] == k) for k in ("decided", "decision_reviewed"))
    assert signed["body"]["signature"]["signed_sha256"] == read.sha256
    assert (reviewed["who"], reviewed["body"]["cohort"]) == ("src-chair", 1)
    await is_held(higher, held=False)
    later = await world.packet(SINGLE)
    assert later.packet.reopened == (candidate, found), "later packets show it, too"


async def test_a_review_that_goes_back_leaves_nobody_dosed_at_the_level_that_was_left(
    world: World, protocol: LoadedProtocol
) -> None:
    """The committee goes back to level 1: who had the slot at level 2 is never dosed there, the next one is at 1."""
    early, higher, waiting = await escalated(world, protocol)
    await has_late_dlt(world, early)
    await is_held(higher)
    await review_is_asked(world)

    await decide(world, DecisionAction.DE_ESCALATE)

    state = await waiting.reach_fact("slot_granted")
    assert (state["body"]["slot"]["level"], state["body"]["slot"]["cohort"]) == (1, 3)
    gone = await higher.reach_end()
    assert (gone.disposition, gone.infusions) == (Disposition.NOT_TREATED, ())
    (lifted,) = (fact for fact in await facts_since_reopening(world) if fact["kind"] == "hold_lifted")
    assert higher.subject in lifted["why"]


async def test_a_review_can_stop_the_arm(world: World, protocol: LoadedProtocol) -> None:
    """The committee stops the arm for good: who waits is refused, and the one with a slot is not dosed."""
    early, higher, waiting = await escalated(world, protocol)
    await has_late_dlt(world, early)
    await review_is_asked(world)

    await decide(world, DecisionAction.STOP, reason="the sponsor ends the programme")

    assert (await waiting.reach_end()).disposition is Disposition.SCREEN_FAILURE
    assert (await higher.reach_end()).infusions == ()
    arm = await world.arm_state(SINGLE)
    assert (arm.status.value, arm.rp2d_level, arm.review_due) == ("closed", None, False)


async def test_a_late_dlt_at_the_recommended_dose_stops_phase_two_until_the_review(
    world: World, protocol: LoadedProtocol
) -> None:
    """The RP2D was declared on 0 DLTs in 1, and now there is 1: nobody is dosed in Phase 2 before the review."""
    rules = with_escalation(
        with_levels(with_cohorts_of_one(protocol), SINGLE, 1), require_expanded_cohort_for_rp2d=False
    )
    early, place = await begin(world, rules, somebody(1), somebody(2))
    await in_line([early])
    await early.reach_fact("dlt_judged")
    await committee_is_asked(world)
    await decide(world, DecisionAction.DECLARE_RP2D)
    await place.reach("lymphodepletion-1")
    await has_late_dlt(world, early)
    await is_held(place)
    task = await review_is_asked(world, "expand")
    assert task["detail"]["level"] == "1"

    await decide(world, DecisionAction.EXPAND)

    await is_held(place, held=False)
    arm = await world.arm_state(SINGLE)
    assert (arm.status.value, arm.rp2d_level, arm.cohort, arm.level) == ("open", None, 2, 1)
    await eventually(lambda: study_has_no_rp2d(world), "the study knows that the dose was taken back")
    await place.reach("treatment-check-infusion-2")


async def study_has_no_rp2d(world: World) -> bool:
    """Tell whether the study knows the arm as open again."""
    arm = (await world.study_state()).arms[SINGLE]
    return (arm.closed, arm.rp2d_level, arm.phase) == (False, None, 1)


async def test_a_candidate_of_a_decided_cohort_stops_the_dosing_until_it_is_judged(
    world: World, protocol: LoadedProtocol
) -> None:
    """An event that may be a DLT reopens the decision; once it is rejected the decision stands, and dosing goes on."""
    early, higher, _ = await escalated(world, protocol)
    await early.reach("imaging-week-8")
    question = await has_candidate(early)
    await is_held(higher)
    await review_is_asked(world, "stay")
    with refused(ProblemType.OPEN_CANDIDATE):
        await decide(world, DecisionAction.STAY, reason="it will not be one")

    await is_rejected(early, question)
    await eventually(lambda: shows(world, EventDlt.REJECTED), "the packet has the judgement")
    await decide(world, DecisionAction.STAY)

    await is_held(higher, held=False)
    await higher.reach("treatment-check-infusion-2")
    arm: ArmState = await world.arm_state(SINGLE)
    assert "if it counts" in arm.reopened[0].known_now
    assert (await early.state()).dlt is DltStatus.NO_DLT


async def shows(world: World, dlt: EventDlt) -> bool:
    """Tell whether the packet shows an event that stands so."""
    return any(found.event.dlt is dlt for found in (await world.packet(SINGLE)).packet.dose_limiting)
