"""The product bank: units are waited for, promised once, and used only when they fit."""

import asyncio
from datetime import UTC, datetime, timedelta

from activities.bank_file import load_units
from activities.read_model import custody_of, tasks_of
from client.trial_client import TrialClient
from protocols.loader import LoadedProtocol
from schemas.dlt.outcome import Disposition
from schemas.safety.adverse_events import Seriousness
from schemas.state.arm import SlotState
from schemas.state.participant import Stage
from simulation.trial import bank_csv
from simulation.world import World
from tests.workflows.safety_stories import mild, report
from tests.workflows.stories import (
    MESOTHELIN,
    SINGLE,
    Case,
    begin,
    eventually,
    load_bank,
    one,
    somebody,
    units_by_state,
    without_stagger,
)


async def test_a_participant_waits_for_product_without_keeping_the_slot(world: World, protocol: LoadedProtocol) -> None:
    """The bank is empty: the slot goes back at once; when units come, a new slot is asked for and treatment follows."""
    (case,) = await begin(world, protocol, somebody(), units=0)

    awaited = await case.reach_fact("product_awaited")
    await case.reach_fact("slot_returned")

    assert "0 of 0 units fit" in awaited["why"]
    state = await case.state()
    assert (state.stage, state.slot, state.units) == (Stage.WAITING_FOR_PRODUCT, None, ())

    await load_bank(world, units=3)
    task = await case.reach("infusion-1")

    arm = await world.arm_state(SINGLE)
    assert [slot.state for slot in arm.slots] == [SlotState.NOT_EVALUABLE, SlotState.GIVEN]
    assert task["detail"]["unit"] == "N01-0001"
    assert await units_by_state(world, case.subject) == (3, 0)


async def test_without_product_for_four_weeks_a_participant_is_not_treated(
    world: World, protocol: LoadedProtocol
) -> None:
    """The bank is asked every third day; after 28 days nothing more is waited for, and no slot stays taken."""
    (case,) = await begin(world, protocol, somebody(), units=0)

    state = await case.reach_end()

    asked = await case.facts("product_awaited")
    rule = protocol.protocol.assignment
    assert state.disposition is Disposition.NOT_TREATED
    assert "no fitting product" in str(state.disposition_reason)
    assert asked[-1]["at"] - asked[0]["at"] >= timedelta(days=rule.product_give_up_after_days)
    assert len(asked) >= rule.product_give_up_after_days / rule.product_check_every_days
    arm = await world.arm_state(SINGLE)
    assert {slot.state for slot in arm.slots} == {SlotState.NOT_EVALUABLE}
    assert arm.queue == ()


async def test_the_last_three_units_go_to_one_of_two_participants(world: World, protocol: LoadedProtocol) -> None:
    """Two participants ask for the last three units at the same moment: one gets all, the other none and waits."""
    cases = await begin(world, without_stagger(protocol), somebody(1), somebody(2), units=3)

    answers = await asyncio.gather(*(case.reach_fact("product_reserved", "product_awaited") for case in cases))

    assert sorted(fact["kind"] for fact in answers) == ["product_awaited", "product_reserved"]
    states = [await case.state() for case in cases]
    assert sorted(len(state.units) for state in states) == [0, 3]
    assert await world.pool.fetchval("SELECT count(*) FROM unit_custody WHERE event = 'reserved'") == 3


async def test_unreleased_and_soon_expiring_units_are_left_in_the_bank(world: World, protocol: LoadedProtocol) -> None:
    """Units in quarantine, rejected, or expiring before the last planned infusion are passed over for fitting ones."""
    await load_bank(world, units=3, quality="quarantined", expires_in_days=30, prefix="Q")
    await load_bank(world, units=3, quality="rejected", expires_in_days=60, prefix="R")
    await load_bank(world, units=3, expires_in_days=5, prefix="E")
    await load_bank(world, units=3, prefix="N")
    (case,) = await begin(world, protocol, somebody(), units=0)

    fact = await case.reach_fact("product_reserved")

    assert fact["body"]["units"] == ["N01-0001", "N01-0002", "N01-0003"]


async def test_only_unfit_units_are_as_good_as_none(world: World, protocol: LoadedProtocol) -> None:
    """With nothing but quarantined and soon expiring units, the participant waits, and the reason counts them."""
    await load_bank(world, units=3, quality="quarantined", prefix="Q")
    await load_bank(world, units=2, expires_in_days=5, prefix="E")
    (case,) = await begin(world, protocol, somebody(), units=0)

    fact = await case.reach_fact("product_awaited")

    assert "3 not released" in fact["why"]
    assert "2 expiring too early" in fact["why"]


async def test_an_expired_unit_does_not_enter_the_bank(world: World) -> None:
    """A unit that expired yesterday is listed as rejected when the file is loaded, and the good one is loaded."""
    today = datetime.now(UTC).date()
    text = bank_csv([MESOTHELIN], units=2, million_cells=100, first_expiry=today - timedelta(days=2))

    result = await load_units(world.pool, text, today, "pharmacist-01")

    assert result.loaded == ("P01-0002",)
    assert [(row.field, row.line) for row in result.rejected] == [("expires_on", 2)]


async def test_infused_units_stay_with_the_participant_in_the_custody_record(
    world: World, protocol: LoadedProtocol
) -> None:
    """Each unit goes from loaded to reserved to infused, once, in the order of infusion."""
    case = await one(world, protocol)

    await case.reach("safety-day-21")

    state = await case.state()
    used = [infusion.unit_id for infusion in state.infusions]
    assert len(used) == 3
    rows = await custody_of(world.pool, used)
    assert [(row["unit_id"], row["event"]) for row in rows] == [
        (unit_id, event) for unit_id in sorted(used) for event in ("loaded", "reserved", "infused")
    ]
    assert {row["who"] for row in rows if row["event"] == "infused"} == {"coordinator-01"}
    assert await units_by_state(world, case.subject) == (0, 3)


async def test_while_an_infusion_waits_for_the_bank_to_be_put_right_a_serious_event_opens_its_tasks(
    world: World, protocol: LoadedProtocol
) -> None:
    """Somebody has returned the reserved unit by hand: its infusion is on record, and waits; nothing else does."""
    case = await one(world, protocol)
    task = await case.reach("infusion-1")
    await by_hand(world, task["detail"]["unit"], "returned")
    world.client = TrialClient(world.client.temporal, world.client.study)
    await case.send(task)

    await report(case, mild(case, seriousness=(Seriousness.HOSPITALISATION,)))
    await eventually(lambda: _asks(case, "sae_report"), "the report to the sponsor is on the worklist")
    assert await units_by_state(world, case.subject) == (2, 0)

    await by_hand(world, task["detail"]["unit"], "reserved")
    await eventually(lambda: _has_units(case, (2, 1)), "the infusion is booked")
    await case.reach("treatment-check-infusion-2")


async def by_hand(world: World, unit_id: str, event: str) -> None:
    """Append an event to a unit's custody, past the program."""
    await world.pool.execute(
        "INSERT INTO custody (unit_id, number, event, previous_event, key, study, subject, at, who, why) "
        "SELECT unit_id, number + 1, $2, event, 'by hand: ' || $2, study, subject, now(), 'operations-01', 'by hand' "
        "FROM unit_custody WHERE unit_id = $1",
        unit_id,
        event,
    )


async def _asks(case: Case, kind: str) -> bool:
    return any(task["kind"] == kind for task in await tasks_of(case.world.pool, case.workflow_id))


async def _has_units(case: Case, counts: tuple[int, int]) -> bool:
    return await units_by_state(case.world, case.subject) == counts
