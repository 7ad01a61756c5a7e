"""Holds: no infusion starts while the study or the arm is held; what is lifted goes on where it can."""

from datetime import UTC, datetime

from temporalio.api.enums.v1 import EventType

from activities.read_model import fact_rows
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas import names
from schemas.base import Role
from schemas.commands.commands import Accepted, LiftHold, Signature
from schemas.dlt.outcome import Disposition
from schemas.problem import ProblemType
from schemas.schedule.task import TaskEnd
from schemas.state.study import HoldRecord
from simulation.committee import APPROVAL
from simulation.site import PEOPLE
from simulation.world import World
from tests.workflows.stories import (
    DUAL,
    SINGLE,
    Case,
    begin,
    envelope,
    eventually,
    hold,
    in_line,
    lift,
    one,
    refused,
    somebody,
    units_by_state,
    with_changes,
)


async def is_held(case: Case, *, held: bool = True) -> None:
    """Wait until the participant's workflow knows of a hold, or of its end."""

    async def heard() -> bool:
        return (await case.state()).on_hold() is held

    await eventually(heard, f"{case.subject} on hold: {held}")


async def test_a_study_hold_stops_an_infusion_that_was_about_to_start(world: World, protocol: LoadedProtocol) -> None:
    """The open infusion task is cancelled and its answer refused; after the hold a new check and a new task follow."""
    case = await one(world, protocol)
    task = await case.reach("infusion-1")

    await hold(world)
    await is_held(case)
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)
    assert (await case.state()).closed[task["task_id"]] is TaskEnd.CANCELLED
    assert (await case.state()).infusions == ()

    await lift(world)
    await is_held(case, held=False)
    again = await case.reach("infusion-1")
    assert again["task_id"] != task["task_id"]
    assert again["detail"] == task["detail"]
    assert [f["body"]["step"][-1] for f in await case.facts("treatment_checked")][-2:] == ["1", "2"]
    await case.send(again)
    await case.reach("treatment-check-infusion-2")
    assert len((await case.state()).infusions) == 1


async def test_a_hold_that_outlasts_the_window_leaves_the_participant_untreated(
    world: World, protocol: LoadedProtocol
) -> None:
    """Nothing is lifted before the first infusion's window closes: not treated, and the units go back."""
    case = await one(world, protocol)
    await case.reach("treatment-check-infusion-1")
    await hold(world)
    await is_held(case)

    state = await case.reach_end()

    assert state.disposition is Disposition.NOT_TREATED
    assert state.infusions == ()
    assert await units_by_state(world, case.subject) == (0, 0)


async def test_an_arm_hold_reaches_its_participants_and_stops_its_slots(world: World, protocol: LoadedProtocol) -> None:
    """The single arm is held: who is on it may not be infused, who asks waits, and the other arm goes on."""
    dual = somebody(2, antigens=protocol.protocol.arm(DUAL).targets[0])
    treated, elsewhere, late = await begin(world, protocol, somebody(1), dual, somebody(3))
    await treated.reach("treatment-check-infusion-1")

    await hold(world, SINGLE)
    await is_held(treated)
    await in_line([late])
    await is_held(late)

    arm = await world.arm_state(SINGLE)
    assert arm.holds == (SINGLE,)
    assert arm.queue == (late.subject,)
    await elsewhere.reach("infusion-1")
    assert (await elsewhere.state()).holds == ()

    await lift(world, SINGLE)
    await is_held(treated, held=False)
    await is_held(late, held=False)
    await treated.reach("infusion-1")


async def test_a_hold_gives_no_slot_to_whoever_waits_until_it_is_lifted(world: World, protocol: LoadedProtocol) -> None:
    """A participant who comes to a held arm gets the slot when the hold is lifted, and is then treated."""
    (case,) = await begin(world, protocol, somebody())
    await hold(world, SINGLE)
    await in_line([case])
    assert (await world.arm_state(SINGLE)).slots == ()

    await lift(world, SINGLE)

    await case.reach("infusion-1")
    assert (await case.state()).holds == ()


async def test_nobody_is_enrolled_while_the_study_is_held(world: World, protocol: LoadedProtocol) -> None:
    """Enrolment is refused on record during a study hold; the same participant can come after it."""
    await begin(world, protocol)
    await hold(world)
    case = Case(world, protocol, somebody())

    with refused(ProblemType.ON_HOLD):
        await case.enroll()

    assert (await world.study_state()).active == ()
    await lift(world)
    await case.enroll()
    assert (await world.study_state()).active == (case.subject,)


async def test_what_is_not_held_cannot_be_lifted(world: World, protocol: LoadedProtocol) -> None:
    """Lifting a hold that was never placed is refused with what is held; so is placing one in the wrong role."""
    await begin(world, protocol)

    with refused(ProblemType.NOTHING_TO_LIFT):
        await lift(world, DUAL)
    with refused(ProblemType.WRONG_ROLE):
        await hold(world, role=Role.COORDINATOR)
    with refused(ProblemType.UNKNOWN_ARM):
        await hold(world, "triple-target")

    assert (await world.study_state()).holds == ()


async def test_an_arm_hold_is_not_delayed_by_those_who_have_left(world: World, protocol: LoadedProtocol) -> None:
    """A participant of the arm has ended: the hold reaches the one who is about to be infused all the same, at once."""
    gone, present = await begin(world, protocol, somebody(1), somebody(2))
    gone.leave("lymphodepletion-1")
    await gone.reach_end()
    await present.reach("treatment-check-infusion-1")

    await hold(world, SINGLE)
    await is_held(present)

    history = await world.client.temporal.get_workflow_handle(names.arm_id(world.client.study, SINGLE)).fetch_history()
    timers = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED]
    assert timers == [], "the arm waited before it told the next participant"


async def send_lift(
    world: World, signature: Signature | None, *, who: str = PEOPLE[Role.OPERATIONS], role: Role = Role.OPERATIONS
) -> Accepted:
    """Lift the hold on the single arm with this signature under it."""
    said = envelope(role, datetime.now(UTC), "the signal was not confirmed")
    signed = said.model_copy(update={"person": who, "signature": signature})
    return await world.client.lift_hold(LiftHold(envelope=signed, arm=SINGLE))


async def read_hold(world: World) -> tuple[HoldRecord, Signature]:
    """Read the hold on the single arm, and sign it."""
    read = await world.hold_record(SINGLE)
    assert read is not None
    return read.hold, Signature(meaning=APPROVAL, signed_sha256=read.sha256)


async def study_refusals(world: World) -> list[str]:
    """Return the types of the refusals that the study's event history names, in their order."""
    found = facts_in(await fetch_runs(world.client.temporal, names.study_id(world.client.study)))
    return [fact.fact["problem"]["type"] for fact in found if fact.fact["kind"] == "refused"]


async def test_a_hold_is_lifted_by_the_signature_of_a_delegated_person(world: World, protocol: LoadedProtocol) -> None:
    """Unsigned, signed by a guest, or in a role that the person does not have: refused on record; then lifted."""
    await begin(world, protocol)
    await hold(world, SINGLE)
    record, good = await read_hold(world)
    assert (record.scope, record.placed_by, record.why) == (SINGLE, "operations-01", "a safety signal is looked into")

    with refused(ProblemType.SIGNATURE_REQUIRED):
        await send_lift(world, None)
    with refused(ProblemType.NOT_DELEGATED):
        await send_lift(world, good, who="operations-guest")
    with refused(ProblemType.NOT_DELEGATED):
        await send_lift(world, good, role=Role.COMMITTEE)
    with refused(ProblemType.WRONG_ROLE):
        await send_lift(world, good, who="investigator-01", role=Role.INVESTIGATOR)
    with refused(ProblemType.INVALID_INPUT):
        await send_lift(world, good.model_copy(update={"meaning": "authorship"}))
    assert (await world.study_state()).holds == (SINGLE,)

    await send_lift(world, good, who=PEOPLE[Role.COMMITTEE], role=Role.COMMITTEE)

    state = await world.study_state()
    assert (state.holds, state.hold_records) == ((), {})
    assert await world.hold_record(SINGLE) is None
    await eventually(lambda: is_lifted_on_record(world, good), "the signature stands in the study's facts")
    assert await study_refusals(world) == ["SignatureRequired", "NotDelegated", "NotDelegated", "WrongRole"]


async def is_lifted_on_record(world: World, signature: Signature) -> bool:
    """Tell whether the lifting is published with this signature."""
    facts = await fact_rows(world.pool, names.study_id(world.client.study))
    lifted = [fact["body"]["signature"] for fact in facts if fact["kind"] == "hold_lifted"]
    return lifted == [signature.model_dump()]


async def test_a_signature_on_a_hold_does_not_lift_it_once_there_is_more_to_it(
    world: World, protocol: LoadedProtocol
) -> None:
    """The arm is held for a second reason before the first is lifted: the earlier signature no longer fits."""
    await begin(world, protocol)
    await hold(world, SINGLE)
    _, before = await read_hold(world)
    await hold(world, SINGLE)

    with refused(ProblemType.PACKET_CHANGED):
        await send_lift(world, before)

    record, now = await read_hold(world)
    assert record.why == "a safety signal is looked into; a safety signal is looked into"
    await send_lift(world, now)
    assert (await world.study_state()).holds == ()


async def test_a_protocol_without_signatures_lifts_a_hold_as_it_always_did(
    world: World, protocol: LoadedProtocol
) -> None:
    """Version 1.0 of the protocol knows no signatures."""
    await begin(world, with_changes(protocol, signatures=None))
    await hold(world, SINGLE)

    await send_lift(world, None)

    assert (await world.study_state()).holds == ()
