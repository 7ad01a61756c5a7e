"""Signed decisions: the committee reads a packet, and signs exactly what it has read."""

from datetime import UTC, datetime, timedelta
from typing import Any

from protocols.loader import LoadedProtocol
from schemas import messages as m
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, ChangeDelegation, Decide, DecisionAction, Signature
from schemas.problem import ProblemType
from schemas.state.arm import SlotState
from simulation.committee import APPROVAL
from simulation.site import PEOPLE
from simulation.trial import delegate
from simulation.world import World
from tests.workflows.stories import (
    SINGLE,
    Case,
    Row,
    arm_facts,
    arm_now,
    arm_refusals,
    committee_is_asked,
    decide,
    envelope,
    eventually,
    hold,
    lift,
    one,
    refused,
    updates_accepted,
    with_changes,
    with_cohorts_of_one,
)

SIGNED = Signature(meaning=APPROVAL, signed_sha256="0" * 64)


async def due(world: World, protocol: LoadedProtocol) -> Case:
    """Bring a cohort of one to the committee's task: the rule recommends to escalate."""
    case = await one(world, with_cohorts_of_one(protocol))
    await case.reach_fact("dlt_judged")
    await committee_is_asked(world)
    await case.reach("imaging-week-8")
    return case


async def escalate(
    world: World, signature: Signature | None, *, person: str = PEOPLE[Role.COMMITTEE], reason: str | None = None
) -> Accepted:
    """Send the committee's decision to escalate, with this signature under it."""
    who = envelope(Role.COMMITTEE, await arm_now(world, SINGLE), reason)
    command = Decide(
        envelope=who.model_copy(update={"person": person, "signature": signature}),
        cohort=1,
        action=DecisionAction.ESCALATE,
    )
    return await world.client.decide(SINGLE, command)


async def read_and_sign(world: World) -> Signature:
    """Read the packet and sign it."""
    return Signature(meaning=APPROVAL, signed_sha256=(await world.packet(SINGLE)).sha256)


async def has_candidate(case: Case) -> Row:
    """Report an event of day 20 that may be a DLT; return the investigator's task to judge it, left unanswered."""
    day_zero = (await case.state()).day_zero
    assert day_zero is not None
    case.leave("imaging", "dlt-adjudication", "sae-report", "susar-report")
    await case.report("Pneumonitis", onset_on=day_zero + timedelta(days=20))
    return await case.reach("dlt-adjudication")


async def is_rejected(case: Case, task: Row) -> None:
    """Have the investigator judge that the event is not dose-limiting."""
    why = "pneumonia, with the pathogen found in the lavage"
    await case.send(task, case.usual(task, dose_limiting=False, rationale=why))


async def test_the_signature_under_a_decision_names_the_packet_that_was_read(
    world: World, protocol: LoadedProtocol
) -> None:
    """The packet has the rule's recommendation and its data; its hash stands in the decision's record and fact."""
    case = await due(world, protocol)
    read = await world.packet(SINGLE)
    assert (read.packet.cohort, read.packet.level, read.packet.recommendation.action) == (1, 1, DecisionAction.ESCALATE)
    assert [slot.subject for slot in read.packet.levels[0].slots] == [case.subject]
    assert (read.packet.dlt_window_days, read.packet.planned_infusions) == (28, 3)

    assert (await world.packet(SINGLE)).sha256 == read.sha256, "reading it changes nothing"
    await escalate(world, Signature(meaning=APPROVAL, signed_sha256=read.sha256))

    (decision,) = (await world.arm_state(SINGLE)).decisions
    assert decision.signature == Signature(meaning=APPROVAL, signed_sha256=read.sha256)
    (fact,) = [fact for fact in await decided(world) if fact["kind"] == "decided"]
    assert fact["body"]["signature"] == {"meaning": "approval", "signed_sha256": read.sha256}
    assert (fact["who"], fact["role"]) == ("src-chair", "committee")


async def decided(world: World) -> list[dict[str, Any]]:
    """Return the arm's facts once its decision is published."""

    async def published() -> bool:
        return any(fact["kind"] == "decided" for fact in await arm_facts(world))

    await eventually(published, "the decision is published")
    return await arm_facts(world)


async def test_a_decision_without_a_proper_signature_is_refused_on_record(
    world: World, protocol: LoadedProtocol
) -> None:
    """Unsigned, not delegated, on another hash: refused by name and on record; a strange meaning is malformed."""
    await due(world, protocol)
    good = await read_and_sign(world)
    arm_id = names.arm_id(world.client.study, SINGLE)

    with refused(ProblemType.SIGNATURE_REQUIRED):
        await escalate(world, None)
    with refused(ProblemType.NOT_DELEGATED):
        await escalate(world, good, person="src-guest")
    with refused(ProblemType.PACKET_CHANGED) as changed:
        await escalate(world, SIGNED)
    assert good.signed_sha256 not in changed.value.problem.message(), "it is to be read, not copied from the refusal"
    accepted = await updates_accepted(world, arm_id)
    with refused(ProblemType.INVALID_INPUT):
        await escalate(world, good.model_copy(update={"meaning": "authorship"}))

    assert await updates_accepted(world, arm_id) == accepted, "what is malformed is not in the history"
    assert (await world.arm_state(SINGLE)).decisions == ()

    async def on_record() -> bool:
        return await arm_refusals(world) == ["SignatureRequired", "NotDelegated", "PacketChanged"]

    await eventually(on_record, "the refusals are in the arm's history")
    await escalate(world, good)


async def test_who_lost_the_delegation_signs_no_more(world: World, protocol: LoadedProtocol) -> None:
    """The committee's role is taken back from its chair: the decision is refused until it is delegated again."""
    await due(world, protocol)
    await delegate(world, Role.COMMITTEE, delegated=False)
    await eventually(lambda: signers_are(world), "nobody may sign for the arm")

    with refused(ProblemType.NOT_DELEGATED):
        await escalate(world, await read_and_sign(world))

    await delegate(world, Role.COMMITTEE)
    await eventually(lambda: signers_are(world, PEOPLE[Role.COMMITTEE]), "the chair may sign again")
    await escalate(world, await read_and_sign(world))
    study = await world.study_state()
    assert study.delegations == {"src-chair": (Role.COMMITTEE,), "operations-01": (Role.OPERATIONS,)}


async def signers_are(world: World, *people: str) -> bool:
    """Tell whether these are the people who may sign for the arm."""
    return (await world.arm_state(SINGLE)).signers == people


async def test_a_packet_that_news_has_changed_is_to_be_read_again(world: World, protocol: LoadedProtocol) -> None:
    """A hold comes between the reading and the decision: the signature no longer names what is known."""
    await due(world, protocol)
    before = await read_and_sign(world)
    await hold(world, SINGLE)
    await eventually(lambda: changed_since(world, before), "the packet shows the hold")

    with refused(ProblemType.PACKET_CHANGED):
        await escalate(world, before)

    now = await world.packet(SINGLE)
    assert now.packet.holds == (SINGLE,)
    await escalate(world, await read_and_sign(world))
    await lift(world, SINGLE)


async def changed_since(world: World, signature: Signature) -> bool:
    """Tell whether the packet is another than the one signed."""
    return (await world.packet(SINGLE)).sha256 != signature.signed_sha256


async def test_an_event_that_may_still_be_a_dlt_blocks_the_decision(world: World, protocol: LoadedProtocol) -> None:
    """Nothing is decided while a candidate is open; the refusal names it, and once it is rejected the rule stands."""
    case = await due(world, protocol)
    before = await read_and_sign(world)
    question = await has_candidate(case)
    await eventually(lambda: changed_since(world, before), "the packet has the candidate")

    with refused(ProblemType.PACKET_CHANGED):
        await escalate(world, before)
    with refused(ProblemType.OPEN_CANDIDATE) as blocked:
        await escalate(world, await read_and_sign(world))
    assert f"{case.subject} AE-001" in blocked.value.problem.rule
    (found,) = (await world.packet(SINGLE)).packet.open_candidates
    assert (found.subject, found.event.event_id, found.level) == (case.subject, "AE-001", 1)

    blocking = await read_and_sign(world)
    await is_rejected(case, question)
    await eventually(lambda: changed_since(world, blocking), "the packet has the judgement")
    await escalate(world, await read_and_sign(world))
    assert (await world.arm_state(SINGLE)).slots[0].state is SlotState.NO_DLT


async def test_the_same_summary_again_is_no_news(world: World, protocol: LoadedProtocol) -> None:
    """What the arm knows already leaves the packet and its hash alone, so that a signature on it holds."""
    case = await due(world, protocol)
    signed = await read_and_sign(world)
    summary = (await world.arm_state(SINGLE)).summaries[case.subject]
    report = m.SafetyReport(subject=case.subject, arm=SINGLE, phase=1, summary=summary, why="reported once more")

    arm = world.client.temporal.get_workflow_handle(names.arm_id(world.client.study, SINGLE))
    await arm.signal("report_safety", report)

    await escalate(world, signed)
    assert [fact for fact in await decided(world) if fact["why"] == "reported once more"] == []


async def test_a_protocol_without_signatures_asks_for_none(world: World, protocol: LoadedProtocol) -> None:
    """Version 1.0 of the protocol knows no signatures: the decision is taken as it always was."""
    await due(world, with_changes(protocol, signatures=None))

    await escalate(world, None)

    (decision,) = (await world.arm_state(SINGLE)).decisions
    assert (decision.action, decision.signature) == (DecisionAction.ESCALATE, None)


async def test_only_operations_delegate_and_they_say_why(world: World, protocol: LoadedProtocol) -> None:
    """An investigator's delegation is refused on record, one without a reason is malformed; nobody gains a role."""
    await due(world, protocol)
    study = await world.study_state()

    for role, reason, problem in (
        (Role.INVESTIGATOR, "I am on leave", ProblemType.WRONG_ROLE),
        (Role.OPERATIONS, None, ProblemType.REASON_REQUIRED),
    ):
        with refused(problem):
            await world.client.change_delegation(
                ChangeDelegation(
                    envelope=envelope(role, datetime.now(UTC), reason),
                    person="src-guest",
                    role=Role.COMMITTEE,
                    delegated=True,
                )
            )

    assert (await world.study_state()).delegations == study.delegations
    with refused(ProblemType.LESS_CAUTIOUS_THAN_RULE):
        await decide(world, DecisionAction.ESCALATE, 3, reason="a signature does not lift the rule")
