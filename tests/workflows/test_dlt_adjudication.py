"""Dose-limiting toxicities: found by the protocol's definition, judged by the investigator, counted once judged."""

from datetime import timedelta

from protocols.loader import LoadedProtocol
from schemas.commands.answers import DltAdjudication
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import ProblemType
from schemas.safety.adverse_events import GradeOn
from schemas.safety.reports import DltFindingStatus
from schemas.safety.summary import EventDlt
from schemas.schedule.task import TaskEnd, TaskKind
from schemas.state.arm import SlotState
from simulation.world import World
from tests.workflows.safety_stories import amend, crs, mild, open_tasks, report, shown, told_of
from tests.workflows.stories import SINGLE, Case, Row, eventually, one, refused, units_by_state

NOT_LIMITING = "reversed within hours by tocilizumab, explained by the infection"


def no(case: Case, event_id: str = "AE-001") -> DltAdjudication:
    """Judge an event as not dose-limiting."""
    return DltAdjudication(event_id=event_id, dose_limiting=False, adjudicated_on=case.today, rationale=NOT_LIMITING)


async def after_first_infusion(world: World, protocol: LoadedProtocol) -> Case:
    """Bring a participant to the check before the second infusion."""
    case = await one(world, protocol)
    case.leave("dlt-adjudication", "sae", "susar", "grade-query")
    await case.reach("treatment-check-infusion-2")
    return case


async def candidate(case: Case) -> Row:
    """Report a CRS of grade 4; return the investigator's task."""
    await report(case, crs(case, grade=4))
    return await shown(case, "dlt-adjudication-AE-001.v1")


async def slot_is(case: Case, state: SlotState) -> None:
    """Wait until the arm counts the participant so."""

    async def counted() -> bool:
        arm = await case.world.arm_state(SINGLE)
        return [slot.state for slot in arm.slots if slot.subject == case.subject] == [state]

    await eventually(counted, f"the arm counts {case.subject} as {state}")


async def test_a_candidate_waits_for_the_investigator_and_counts_once_confirmed(
    world: World, protocol: LoadedProtocol
) -> None:
    """CRS of grade 4 is a candidate by the protocol; adjudicated as a DLT it stops treatment, and the arm counts it."""
    case = await after_first_infusion(world, protocol)

    task = await candidate(case)

    assert (task["role"], task["detail"]["event_id"]) == ("investigator", "AE-001")
    assert task["detail"]["criterion"] == "crs-grade-4"
    state = await case.state()
    assert state.dlt is None
    assert state.dlt_findings["AE-001"].status is DltFindingStatus.CANDIDATE
    await case.send(task)
    await slot_is(case, SlotState.DLT)
    state = await case.state()
    assert (state.dlt, state.infusion_steps) == (DltStatus.DLT, ("infusion-1",))
    assert state.dlt_reason is not None
    assert "AE-001 adjudicated as dose-limiting" in state.dlt_reason
    await case.reach("safety-day-21")
    assert {"infusion-2", "infusion-3"} <= set((await case.state()).skipped)
    assert await units_by_state(world, case.subject) == (0, 1)


async def test_no_infusion_starts_before_a_candidate_is_judged(world: World, protocol: LoadedProtocol) -> None:
    """The open infusion is taken off the worklist; judged not dose-limiting, it comes back after a new check."""
    case = await one(world, protocol)
    case.leave("infusion-2", "dlt-adjudication", "sae")
    infusion = await case.reach("infusion-2")

    task = await candidate(case)

    async def taken_off() -> bool:
        return infusion["task_id"] in (await case.state()).closed

    await eventually(taken_off, "the infusion is not asked for any more")
    state = await case.state()
    assert state.closed[infusion["task_id"]] is TaskEnd.CANCELLED
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(infusion, case.usual(infusion))
    (closing,) = [f for f in await case.facts("task_closed") if f["body"]["task_id"] == infusion["task_id"]]
    assert closing["why"] == "an infusion may not start now: AE-001 may be dose-limiting"

    await case.send(task, no(case))
    case.unanswered.remove("infusion-2")
    await case.reach_fact("dlt_judged")
    state = await case.state()
    assert (state.dlt, state.infusion_steps) == (DltStatus.NO_DLT, ("infusion-1", "infusion-2", "infusion-3"))
    assert state.adjudications["AE-001"].rationale == NOT_LIMITING


async def test_a_pending_event_becomes_a_candidate_when_its_days_are_over(
    world: World, protocol: LoadedProtocol
) -> None:
    """CRS of grade 3 is pending for three days in which it may improve; on the fourth the investigator is asked."""
    case = await after_first_infusion(world, protocol)
    await report(case, crs(case, grade=3))
    since = case.today
    assert (await case.state()).dlt_findings["AE-001"].status is DltFindingStatus.PENDING
    assert await open_tasks(case, TaskKind.DLT_ADJUDICATION) == []

    await case.reach("dlt-adjudication-AE-001.v1")

    assert case.today == since + timedelta(days=4)
    pending, found = await case.facts("dlt_finding_made")
    assert (pending["body"]["finding"]["status"], found["body"]["finding"]["status"]) == ("pending", "candidate")
    assert pending["body"]["finding"]["until"] == str(since + timedelta(days=3))


async def test_a_pending_event_that_improves_in_time_lets_treatment_go_on(
    world: World, protocol: LoadedProtocol
) -> None:
    """CRS of grade 3 that is grade 1 two days later was no DLT: nobody is asked, and the second infusion is given."""
    case = await after_first_infusion(world, protocol)
    await report(case, crs(case, grade=3))
    since = case.today
    case.leave("treatment-check-infusion-2")
    await case.play(lambda seen: seen.at.date() >= since + timedelta(days=2), "two days have passed")

    await amend(case, "AE-001", 1, course=(GradeOn(on=since + timedelta(days=2), grade=1),))

    assert (await case.state()).dlt_findings["AE-001"].status is DltFindingStatus.NONE
    case.unanswered.remove("treatment-check-infusion-2")
    await case.reach("infusion-2")
    assert not [t for t in (await case.state()).closed if "dlt-adjudication" in t]


async def test_the_outcome_stays_open_after_the_window_until_the_candidate_is_judged(
    world: World, protocol: LoadedProtocol
) -> None:
    """The window closes with a candidate that nobody has judged: no outcome, until the answer makes it one."""
    case = await one(world, protocol)
    case.leave("dlt-adjudication", "sae")
    await case.reach("safety-day-28")
    task = await candidate(case)
    await case.reach("imaging-week-8")
    assert (await case.state()).dlt is None
    await slot_is(case, SlotState.DOSED)

    await case.send(task, no(case))

    await slot_is(case, SlotState.NO_DLT)
    assert len(await case.facts("dlt_judged")) == 1


async def test_a_dlt_that_is_reported_late_changes_the_outcome(world: World, protocol: LoadedProtocol) -> None:
    """The outcome was 'no DLT'; weeks later an event of day 5 becomes known and is judged: the arm is told again."""
    case = await one(world, protocol)
    case.leave("dlt-adjudication", "sae")
    await case.reach("imaging-week-8")
    await slot_is(case, SlotState.NO_DLT)
    state = await case.state()
    assert state.day_zero is not None

    await report(case, crs(case, grade=4, onset_on=state.day_zero + timedelta(days=5)))
    await case.send(await shown(case, "dlt-adjudication-AE-001.v1"))

    await slot_is(case, SlotState.DLT)
    judged = [fact["body"]["status"] for fact in await case.facts("dlt_judged")]
    assert judged == ["no_dlt", "dlt"]
    assert (await case.state()).dlt is DltStatus.DLT


async def test_an_upgraded_event_is_judged_anew(world: World, protocol: LoadedProtocol) -> None:
    """Grade 4 was judged not dose-limiting; upgraded to 5 it is asked again, and the first answer stays on record."""
    case = await after_first_infusion(world, protocol)
    await case.send(await candidate(case), no(case))

    await amend(case, "AE-001", 1, term="Cytokine release syndrome with shock")
    assert await open_tasks(case, TaskKind.DLT_ADJUDICATION) == []
    await amend(case, "AE-001", 2, grade=5)

    await case.send(await shown(case, "dlt-adjudication-AE-001.v3"))
    await slot_is(case, SlotState.DLT)
    answers = [
        f["body"]["answer"] for f in await case.facts("task_answered") if "dlt-adjudication" in f["body"]["task_id"]
    ]
    assert [answer["dose_limiting"] for answer in answers] == [False, True]


async def test_a_dlt_is_never_taken_back(world: World, protocol: LoadedProtocol) -> None:
    """A confirmed DLT is downgraded and judged otherwise: both judgements are on record, and the DLT stands."""
    case = await after_first_infusion(world, protocol)
    await case.send(await candidate(case))
    await slot_is(case, SlotState.DLT)

    await amend(case, "AE-001", 1, grade=4, dlt=True)
    await case.send(await shown(case, "dlt-adjudication-AE-001.v2"), no(case))

    state = await case.state()
    assert (state.dlt, state.adjudications["AE-001"].dose_limiting) == (DltStatus.DLT, False)

    async def told() -> bool:
        summary = (await world.arm_state(SINGLE)).summaries.get(case.subject)
        return summary is not None and summary.events[0].dlt is EventDlt.REJECTED

    await eventually(told, "the arm knows of the second judgement")
    await slot_is(case, SlotState.DLT)


async def test_a_question_about_an_amended_event_is_taken_back(world: World, protocol: LoadedProtocol) -> None:
    """It was grade 2 after all: the investigator is not asked any more, and an answer that comes late is refused."""
    case = await after_first_infusion(world, protocol)
    task = await candidate(case)

    await amend(case, "AE-001", 1, grade=2)

    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)
    assert (await case.state()).closed[task["task_id"]] is TaskEnd.CANCELLED
    await case.reach("infusion-2")


async def test_an_answer_about_another_event_is_not_taken(world: World, protocol: LoadedProtocol) -> None:
    """The adjudication names another event than its task: nothing is recorded."""
    case = await after_first_infusion(world, protocol)
    task = await candidate(case)
    await report(case, mild(case))

    with refused(ProblemType.INVALID_INPUT) as problem:
        await case.send(task, no(case, "AE-002"))

    assert (problem.value.problem.field, problem.value.problem.expected) == ("answer.event_id", "AE-001")
    assert (await case.state()).adjudications == {}


async def test_a_candidate_outlives_a_withdrawal(world: World, protocol: LoadedProtocol) -> None:
    """The participant withdraws before the candidate is judged: it is judged all the same, and counts as a DLT."""
    case = await after_first_infusion(world, protocol)
    task = await candidate(case)
    await case.end(EndReason.WITHDRAWAL)
    await case.reach_fact("product_returned")
    state = await case.state()
    assert (state.disposition, state.dlt) == (None, None)
    assert {t.kind for t in state.tasks.values()} == {TaskKind.DLT_ADJUDICATION, TaskKind.SAE_REPORT}

    await case.send(task)
    case.unanswered.clear()
    state = await case.reach_end()

    assert (state.disposition, state.dlt) == (Disposition.WITHDRAWN, DltStatus.DLT)
    await slot_is(case, SlotState.DLT)
    told = await told_of(world, SINGLE, case.subject)
    assert [fact["body"]["status"] for fact in told if fact["kind"] == "outcome_reported"] == ["dlt"]
    assert [fact["body"]["summary"]["events"][0]["dlt"] for fact in told if fact["kind"] == "safety_received"][
        -1
    ] == "confirmed"
