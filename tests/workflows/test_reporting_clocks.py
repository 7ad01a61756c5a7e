"""Safety reports with a clock: to the sponsor within 24 hours, to the authority within 7 or 15 days."""

from datetime import UTC, datetime, time, timedelta

from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.answers import SaeReported, SusarReported
from schemas.commands.commands import EndReason
from schemas.dlt.outcome import Disposition
from schemas.problem import ProblemType
from schemas.safety.adverse_events import Causality, Seriousness, StudyPart
from schemas.safety.reports import ReportKind, ReportRow
from schemas.schedule.task import TaskEnd, TaskKind
from simulation.world import World
from tests.workflows.safety_stories import amend, crs, life_threatening, mild, open_tasks, report, shown
from tests.workflows.stories import Case, notices, one, refused, task_row

SAE, SUSAR, FOLLOW_UP = "sae-AE-001", "susar-AE-001", "susar_follow_up-AE-001"


async def on_treatment(world: World, protocol: LoadedProtocol) -> Case:
    """Bring a participant to the check before the second infusion; nothing about events is answered by itself."""
    case = await one(world, protocol)
    case.leave("sae", "susar", "dlt-adjudication", "grade-query")
    await case.reach("treatment-check-infusion-2")
    return case


async def row_of(case: Case, key: str) -> ReportRow:
    """Return a report's row in the state."""
    return (await case.state()).reports[key]


def end_of(moment: datetime, days: int) -> datetime:
    """Return the last moment of the day so many days later."""
    return datetime.combine(moment.date() + timedelta(days=days), time.max, tzinfo=UTC)


async def test_a_serious_event_is_due_at_the_sponsor_within_a_day(world: World, protocol: LoadedProtocol) -> None:
    """The clock starts when the site knew; unanswered, the task is reminded at its due time and then escalated."""
    case = await on_treatment(world, protocol)
    aware_at = case.now - timedelta(hours=3)

    await report(case, mild(case, seriousness=(Seriousness.HOSPITALISATION,), aware_at=aware_at))

    task = await shown(case, SAE)
    assert (task["role"], task["due_at"]) == ("coordinator", aware_at + timedelta(hours=24))
    case.leave("infusion-2")
    await case.play(lambda seen: seen.is_at_rest and seen.at >= task["escalate_at"], "trial operations are told")
    assert set(await notices(world, task["task_id"])) == {"opened", "reminded", "escalated"}
    started = await case.facts("reporting_clock_started")
    assert [fact["body"]["due"]["kind"] for fact in started] == ["sae"]
    assert "serious (hospitalisation)" in started[0]["why"]


async def test_a_susar_is_due_from_the_sponsors_receipt(world: World, protocol: LoadedProtocol) -> None:
    """Life-threatening, related, not expected: 7 days and 8 more for the follow-up, from when the sponsor was told."""
    case = await on_treatment(world, protocol)
    await report(case, life_threatening(case))
    task = await shown(case, SAE)
    assert await open_tasks(case, TaskKind.SUSAR_REPORT) == []

    await case.send(task, SaeReported(event_id="AE-001", reported_at=case.now, reference="SAE-2026-17"))

    first, follow_up = await shown(case, SUSAR), await shown(case, FOLLOW_UP)
    assert (first["role"], follow_up["role"]) == ("operations", "operations")
    assert (await row_of(case, SUSAR)).due.due_at == end_of(case.now, 7)
    assert (await row_of(case, FOLLOW_UP)).due.due_at == end_of(case.now, 15)
    assert (await row_of(case, SAE)).reported_at == case.now
    with refused(ProblemType.WRONG_ROLE):
        await case.send(first, role=Role.COORDINATOR)
    for open_task in (first, follow_up):
        await case.send(open_task, SusarReported(event_id="AE-001", reported_at=case.now, reference="CDE-1"))
    assert await open_tasks(case, TaskKind.SUSAR_REPORT) == []
    assert (await row_of(case, FOLLOW_UP)).reported_at == case.now


async def test_an_expected_or_unrelated_event_is_no_susar(world: World, protocol: LoadedProtocol) -> None:
    """Expected by the reference safety information, or not related: the sponsor is told, the authority is not."""
    case = await on_treatment(world, protocol)
    await report(case, life_threatening(case, expected=True))
    await report(case, life_threatening(case, causality={StudyPart.CAR_NK: Causality.UNLIKELY}))

    for step in ("sae-AE-001", "sae-AE-002"):
        await case.send(await shown(case, step))

    assert await open_tasks(case, TaskKind.SUSAR_REPORT) == []
    assert set((await case.state()).reports) == {"sae-AE-001", "sae-AE-002"}


async def test_an_event_of_special_interest_takes_the_same_route(world: World, protocol: LoadedProtocol) -> None:
    """CRS of grade 3 is told to the sponsor within 24 hours though it is not serious; grade 2 is not."""
    case = await on_treatment(world, protocol)
    await report(case, crs(case, grade=2))
    assert await open_tasks(case, TaskKind.SAE_REPORT) == []

    await amend(case, "AE-001", 1, grade=3)

    task = await shown(case, SAE)
    assert "special interest" in task["detail"]["why"]


async def test_an_amendment_starts_and_stops_the_clock(world: World, protocol: LoadedProtocol) -> None:
    """Serious after all: the clock starts; not serious after all: it stops, and the task leaves the worklist."""
    case = await on_treatment(world, protocol)
    await report(case, mild(case))

    await amend(case, "AE-001", 1, "admitted overnight", seriousness=(Seriousness.HOSPITALISATION,))
    task = await shown(case, SAE)
    assert task["due_at"] == task["opened_at"] + timedelta(hours=24)
    await amend(case, "AE-001", 2, "another patient's admission", seriousness=())

    state = await case.state()
    assert state.reports == {}
    assert state.closed[task["task_id"]] is TaskEnd.CANCELLED
    with refused(ProblemType.TASK_ALREADY_CLOSED):
        await case.send(task)
    await case.reach("infusion-2")
    kinds = ("reporting_clock_started", "reporting_clock_stopped")
    assert [fact["kind"] for fact in await case.facts(*kinds)] == list(kinds)


async def test_a_susar_that_turns_fatal_is_due_earlier(world: World, protocol: LoadedProtocol) -> None:
    """A 15-day report is owed when the participant dies: the clock starts anew with 7 days, and a follow-up."""
    case = await on_treatment(world, protocol)
    await report(case, crs(case, grade=3, seriousness=(Seriousness.HOSPITALISATION,)))
    await case.send(await shown(case, SAE))
    before = await shown(case, SUSAR)
    assert (await row_of(case, SUSAR)).due.due_at == end_of(case.now, 15)

    await amend(case, "AE-001", 1, "died in the night", grade=5, seriousness=(Seriousness.DEATH,))

    state = await case.state()
    assert state.closed[before["task_id"]] is TaskEnd.CANCELLED
    assert state.reports[SUSAR].due.due_at == end_of(case.now, 7)
    assert state.reports[FOLLOW_UP].due.due_at == end_of(case.now, 15)
    assert (await shown(case, SUSAR))["task_id"] != before["task_id"]


async def test_reports_that_are_owed_outlive_a_withdrawal(world: World, protocol: LoadedProtocol) -> None:
    """The participant withdraws: the report is reminded and escalated all the same, and the end waits for it."""
    case = await on_treatment(world, protocol)
    await report(case, mild(case, related=True, seriousness=(Seriousness.HOSPITALISATION,)))
    task = await shown(case, SAE)

    await case.end(EndReason.WITHDRAWAL)
    await case.play(lambda seen: seen.is_at_rest and seen.at >= task["escalate_at"], "trial operations are told")

    assert (await task_row(world, task["task_id"]))["status"] == "open"
    assert set(await notices(world, task["task_id"])) == {"opened", "reminded", "escalated"}
    assert (await case.state()).disposition is None
    await case.send(task)
    await shown(case, SUSAR)
    case.unanswered.clear()
    state = await case.reach_end()
    assert state.disposition is Disposition.WITHDRAWN
    assert {
        kind: state.reports[f"{kind}-AE-001"].reported_at is not None for kind in (ReportKind.SAE, ReportKind.SUSAR)
    } == {
        ReportKind.SAE: True,
        ReportKind.SUSAR: True,
    }


async def test_a_report_cannot_be_made_before_its_event_or_for_another(world: World, protocol: LoadedProtocol) -> None:
    """A report's day lies between the onset and now, and it is about its task's event."""
    case = await on_treatment(world, protocol)
    await report(case, life_threatening(case))
    await report(case, mild(case))
    task = await shown(case, SAE)

    def told(event_id: str, days: int) -> SaeReported:
        return SaeReported(event_id=event_id, reported_at=case.now + timedelta(days=days), reference="SAE-1")

    with refused(ProblemType.DATE_BEFORE_STEP):
        await case.send(task, told("AE-001", -2))
    with refused(ProblemType.DATE_IN_FUTURE):
        await case.send(task, told("AE-001", 1))
    with refused(ProblemType.INVALID_INPUT):
        await case.send(task, told("AE-002", 0))
    assert (await row_of(case, SAE)).reported_at is None
