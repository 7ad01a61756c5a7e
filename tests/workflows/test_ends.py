"""Ends: withdrawal, death and loss to follow-up at any moment, and what they leave behind."""

import asyncio

import pytest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from client.trial_client import RefusedError, TrialClient, UnknownError
from protocols.loader import LoadedProtocol
from schemas.commands.commands import Accepted, EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import ProblemType
from schemas.schedule.task import TaskEnd
from schemas.state.arm import SlotState
from simulation.world import World
from tests.workflows.stories import SINGLE, begin, in_line, one, refused, somebody, units_by_state


async def test_a_withdrawal_before_treatment_frees_product_and_slot_for_the_next(
    world: World, protocol: LoadedProtocol
) -> None:
    """Consent is withdrawn during lymphodepletion: tasks close, units return, and who waits gets slot and product."""
    leaver, next_one = await begin(world, protocol, somebody(1), somebody(2), units=3)
    await in_line([leaver])
    task = await leaver.reach("lymphodepletion-2")
    await in_line([next_one])
    assert (await world.arm_state(SINGLE)).queue == (next_one.subject,)

    await leaver.end(EndReason.WITHDRAWAL)
    state = await leaver.reach_end()

    assert state.disposition is Disposition.WITHDRAWN
    assert state.tasks == {}
    assert state.closed[task["task_id"]] is TaskEnd.CANCELLED
    assert await units_by_state(world, leaver.subject) == (0, 0)
    await next_one.reach("infusion-1")
    assert await units_by_state(world, next_one.subject) == (3, 0)
    slots = (await world.arm_state(SINGLE)).slots
    assert [(s.subject, s.state) for s in slots] == [
        (leaver.subject, SlotState.NOT_EVALUABLE),
        (next_one.subject, SlotState.GIVEN),
    ]


async def test_a_withdrawal_while_waiting_for_a_slot_leaves_the_queue(world: World, protocol: LoadedProtocol) -> None:
    """Who withdraws while waiting is no longer waited for: the arm's queue is empty again."""
    first, waiting = await begin(world, protocol, somebody(1), somebody(2))
    await in_line([first, waiting])

    await waiting.end(EndReason.WITHDRAWAL)
    state = await waiting.reach_end()

    assert state.disposition is Disposition.WITHDRAWN
    assert (await world.arm_state(SINGLE)).queue == ()
    assert (await world.study_state()).active == (first.subject,)


async def test_a_death_in_the_dlt_window_is_not_evaluable_and_is_replaced(
    world: World, protocol: LoadedProtocol
) -> None:
    """A death without a DLT before day 28 leaves the participant uncounted, and another gets the place."""
    patient, replacement = await begin(world, protocol, somebody(1), somebody(2))
    await in_line([patient, replacement])
    await patient.reach("treatment-check-infusion-3")

    await patient.end(EndReason.DEATH, "progression of the tumour")
    state = await patient.reach_end()

    assert (state.disposition, state.dlt) == (Disposition.DIED, DltStatus.NOT_EVALUABLE)
    await replacement.reach("infusion-1")
    slots = (await world.arm_state(SINGLE)).slots
    assert [slot.state for slot in slots] == [SlotState.NOT_EVALUABLE, SlotState.GIVEN]
    assert slots[0].first_infused_on is not None
    assert await units_by_state(world, patient.subject) == (0, 2)


async def test_lost_to_follow_up_keeps_what_was_observed(world: World, protocol: LoadedProtocol) -> None:
    """After the DLT window contact is lost: the outcome for the dose decision stays, and participation ends."""
    case = await one(world, protocol)
    await case.reach("imaging-week-16")

    await case.end(EndReason.LOST_TO_FOLLOW_UP, "three calls and a letter without an answer")
    state = await case.reach_end()

    assert (state.disposition, state.dlt) == (Disposition.LOST_TO_FOLLOW_UP, DltStatus.NO_DLT)
    assert len(state.responses) == 1
    assert (await world.study_state()).ended == {case.subject: Disposition.LOST_TO_FOLLOW_UP}


async def test_an_end_without_a_reason_is_not_accepted(world: World, protocol: LoadedProtocol) -> None:
    """Loss to follow-up needs a reason that an auditor will understand; without one nothing is recorded."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")

    with refused(ProblemType.REASON_REQUIRED):
        await case.end(EndReason.LOST_TO_FOLLOW_UP, " ")

    assert (await case.state()).end is None


async def test_an_answer_sent_together_with_the_end_is_recorded_before_it_or_refused(
    world: World, protocol: LoadedProtocol
) -> None:
    """Withdrawal and an answer arrive at once: the answer counts only if it came first; never both ways."""
    case = await one(world, protocol)
    task = await case.reach("infusion-1")

    _ended, answer = await asyncio.gather(case.end(EndReason.WITHDRAWAL), case.send(task), return_exceptions=True)
    state = await case.reach_end()

    if isinstance(answer, Accepted):
        assert state.infusion_steps == ("infusion-1",)
    else:
        assert isinstance(answer, RefusedError | UnknownError)
        assert state.infusions == ()
    assert state.disposition is Disposition.WITHDRAWN
    assert await units_by_state(world, case.subject) == (0, len(state.infusions))


async def test_nothing_can_be_sent_after_the_end(world: World, protocol: LoadedProtocol) -> None:
    """Participation has ended: an answer, an adverse event and a second end each get an error that says so."""
    case = await one(world, protocol)
    task = await case.reach("infusion-1")
    await case.end(EndReason.WITHDRAWAL)
    before = await case.reach_end()

    for command in (case.send(task), case.report(), case.end(EndReason.DEATH)):
        with pytest.raises((UnknownError, RefusedError), match="has ended"):
            await command

    assert await case.state() == before


async def test_a_second_end_is_refused(world: World, protocol: LoadedProtocol) -> None:
    """Of two ends at the same moment one stands; the other is refused by name."""
    case = await one(world, protocol)
    await case.reach("lymphodepletion-1")

    ends = await asyncio.gather(
        case.end(EndReason.WITHDRAWAL), case.end(EndReason.INVESTIGATOR), return_exceptions=True
    )
    state = await case.reach_end()

    accepted = [end for end in ends if isinstance(end, Accepted)]
    assert len(accepted) == 1
    assert len(await case.facts("end_requested")) == 1
    assert state.disposition in {Disposition.WITHDRAWN, Disposition.DISCONTINUED}


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ("workflow execution already completed", "participant study-1 CN01-001: has ended"),
        ("workflow update was aborted by closing workflow", "participant study-1 CN01-001: has ended"),
        ("workflow not found for ID", "participant study-1 CN01-001: not known to this server"),
    ],
)
async def test_who_has_ended_is_not_called_unknown(client: Client, told: str, says: str) -> None:
    """Temporal says 'not found' of all three; what ended while a command was on its way is known all the same."""
    error = RPCError(told, RPCStatusCode.NOT_FOUND, b"")

    assert str(TrialClient(client, "study-1")._unknown("participant/study-1/CN01-001", error)).startswith(says)
