"""Adverse events: numbered, graded from their findings, amended with the old values kept, and never lost."""

from collections.abc import Mapping
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from client.trial_client import RefusedError, refusal
from history.reading import facts_in, fetch_runs
from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.commands.commands import Accepted, AdverseEvent, AmendAdverseEvent, EndReason, ReportAdverseEvent
from schemas.problem import Problem, ProblemType
from schemas.safety.toxicity import CrsObservation
from schemas.schedule.task import TaskEnd, TaskKind
from simulation.world import World
from tests.workflows.safety_stories import amend, at_once, crs, life_threatening, mild, open_tasks, report, shown
from tests.workflows.stories import SINGLE, Case, envelope, eventually, one, refused, updates_accepted

FEVER = CrsObservation(highest_temperature_celsius=39.1)
SHOCK = CrsObservation(highest_temperature_celsius=39.1, hypotension=True, vasopressors=1)
MANY = 300


async def test_an_event_is_numbered_and_graded_from_its_findings(world: World, protocol: LoadedProtocol) -> None:
    """A fever alone is CRS grade 1 by ASTCT; the event agrees, so nobody is asked."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")

    await report(case, crs(case, grade=1, crs=FEVER))
    await report(case, mild(case))

    state = await case.state()
    assert state.computed_grades["AE-001"].grade == 1
    assert "AE-002" not in state.computed_grades
    assert await open_tasks(case, TaskKind.GRADE_QUERY) == []
    await case.reach("infusion-1")
    facts = await case.facts("adverse_event_reported")
    assert [fact["body"]["event_id"] for fact in facts] == ["AE-001", "AE-002"]


async def test_a_grade_that_differs_from_the_findings_is_queried(world: World, protocol: LoadedProtocol) -> None:
    """Reported as grade 1, but a vasopressor was given: the investigator explains, or amends the grade."""
    case = await one(world, protocol)
    case.leave("grade-query")
    await case.reach("eligibility-1")

    await report(case, crs(case, grade=1, crs=SHOCK))

    query = await shown(case, "grade-query-AE-001.v1")
    assert (query["role"], query["detail"]["grade"], query["detail"]["computed_grade"]) == ("investigator", "1", "3")
    assert "one vasopressor" in query["detail"]["why"]
    await amend(case, "AE-001", 1, grade=2)
    again = await shown(case, "grade-query-AE-001.v2")
    assert (await case.state()).closed[query["task_id"]] is TaskEnd.CANCELLED
    await case.send(again)
    await amend(case, "AE-001", 2, grade=3)
    assert await open_tasks(case, TaskKind.GRADE_QUERY) == []


async def test_an_amendment_keeps_the_old_values(world: World, protocol: LoadedProtocol) -> None:
    """A new version has who, when and why, and what each changed field said before."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    await report(case, mild(case))

    await amend(case, "AE-001", 1, "the grade was misread", grade=2, term="Fatigue, worse")

    state = await case.state()
    assert (state.adverse_events[0].grade, state.event_versions) == (2, {"AE-001": 2})
    await case.reach("infusion-1")
    (fact,) = await case.facts("adverse_event_amended")
    assert (fact["who"], fact["why"], fact["body"]["version"]) == ("investigator-01", "the grade was misread", 2)
    assert [(c["field"], c["old"], c["new"]) for c in fact["body"]["changes"]] == [
        ("term", '"Fatigue"', '"Fatigue, worse"'),
        ("grade", "1", "2"),
    ]


async def test_of_two_amendments_at_the_same_moment_the_second_is_refused(
    world: World, protocol: LoadedProtocol
) -> None:
    """Both have read version 1: one becomes version 2, the other is refused on record, whichever comes first."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    await report(case, mild(case))

    answers = await at_once(amend(case, "AE-001", 1, grade=2), amend(case, "AE-001", 1, grade=3))

    (accepted,) = [answer for answer in answers if isinstance(answer, Accepted)]
    (error,) = [answer for answer in answers if isinstance(answer, RefusedError)]
    assert accepted.message == "adverse_event_amended"
    assert (error.problem.type, error.problem.field) == (ProblemType.VERSION_CHANGED, "version")
    assert (await case.state()).event_versions == {"AE-001": 2}
    await case.reach("infusion-1")
    assert len(await case.facts("adverse_event_amended")) == 1
    assert await case.refusals() == [ProblemType.VERSION_CHANGED]


async def test_an_amendment_needs_an_event_a_change_and_a_reason(world: World, protocol: LoadedProtocol) -> None:
    """An unknown event and an amendment that changes nothing are refused on record; without a reason, not even that."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    await report(case, mild(case))
    unknown = AmendAdverseEvent(
        envelope=envelope(Role.INVESTIGATOR, case.now, "wrong number"), event_id="AE-002", version=1, event=mild(case)
    )

    with refused(ProblemType.UNKNOWN_EVENT) as problem:
        await world.client.amend_adverse_event(case.subject, unknown)
    with refused(ProblemType.INVALID_INPUT):
        await amend(case, "AE-001", 1)
    with refused(ProblemType.REASON_REQUIRED):
        await amend(case, "AE-001", 1, None, grade=2)
    with refused(ProblemType.DATE_BEFORE_STEP):
        await amend(case, "AE-001", 1, onset_on=case.today.replace(year=2020))

    assert (problem.value.problem.field, problem.value.problem.expected) == ("event_id", "one of AE-001")
    assert (await case.state()).refusals == 2
    assert (await case.state()).event_versions == {}
    await case.reach("infusion-1")
    assert await case.refusals() == [ProblemType.UNKNOWN_EVENT, ProblemType.INVALID_INPUT]


BAD_EVENTS = [
    ({"grade": 0}, "event.grade", "0"),
    ({"grade": 6}, "event.grade", "6"),
    ({"grade": "severe"}, "event.grade", "severe"),
    ({"onset_on": "2026-11-20", "ended_on": "2026-11-19"}, "event.ended_on", "2026-11-19"),
    ({"onset_on": "2026-02-30"}, "event.onset_on", "2026-02-30"),
    ({"category": "headache"}, "event.category", "headache"),
]


@pytest.mark.parametrize(("changes", "field", "value"), BAD_EVENTS, ids=str)
async def test_an_event_that_cannot_be_is_refused_with_its_field(
    world: World, protocol: LoadedProtocol, changes: Mapping[str, Any], field: str, value: str
) -> None:
    """However it is sent: the error names field and value, nothing is recorded, and the workflow works on."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    command = ReportAdverseEvent(envelope=envelope(Role.INVESTIGATOR, case.now), event=mild(case)).model_dump(
        mode="json"
    )
    accepted = await updates_accepted(world, case.workflow_id)

    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await world.client.temporal.get_workflow_handle(case.workflow_id).execute_update(
            "report_adverse_event", command | {"event": command["event"] | changes}
        )

    error = refusal(failed.value)
    assert error is not None
    assert error.type == ProblemType.INVALID_INPUT
    problem = Problem.model_validate(error.details[0])
    assert (problem.field, problem.value) == (field, value)
    assert await updates_accepted(world, case.workflow_id) == accepted
    await report(case, mild(case))
    assert len((await case.state()).adverse_events) == 1


async def test_events_are_reported_until_the_final_state(world: World, protocol: LoadedProtocol) -> None:
    """After a withdrawal a report is still owed: until it is made, events are reported and amended; then no more."""
    case = await one(world, protocol)
    case.leave("sae", "dlt-adjudication")
    await case.reach("treatment-check-infusion-2")
    await report(case, life_threatening(case))
    await case.end(EndReason.WITHDRAWAL)
    await case.reach_fact("product_returned")

    await report(case, mild(case))
    await amend(case, "AE-002", 1, grade=2)
    case.unanswered.clear()
    state = await case.reach_end()

    assert len(state.adverse_events) == 2
    assert state.event_versions == {"AE-002": 2}


async def test_the_arm_is_told_of_severe_events_as_they_are_now(world: World, protocol: LoadedProtocol) -> None:
    """A severe event reaches the arm at once, and so does its amendment; a mild one does not."""
    case = await one(world, protocol)
    await case.reach("treatment-check-infusion-2")
    await report(case, mild(case))

    await report(case, mild(case, term="Pneumonitis", grade=3))

    async def told(grades: list[int]) -> bool:
        summary = (await world.arm_state(SINGLE)).summaries.get(case.subject)
        return summary is not None and [event.grade for event in summary.events] == grades

    await eventually(lambda: told([3]), "the arm knows of the severe event")
    await amend(case, "AE-002", 1, grade=2)
    await eventually(lambda: told([]), "the arm knows that it was not severe")


@pytest.mark.nightly
async def test_three_hundred_events_each_amended_once_are_kept(world: World, protocol: LoadedProtocol) -> None:
    """The workflow continues as new when its history has grown long: not an event, version or number is lost."""
    case = await one(world, protocol)
    await case.reach("eligibility-1")
    for number in range(1, MANY + 1):
        await report(case, mild(case, term=f"Event {number}"))
    events = (await case.state()).adverse_events
    assert [event.term for event in events] == [f"Event {number}" for number in range(1, MANY + 1)]

    for number, event in enumerate(events, start=1):
        await amend_to(case, f"AE-{number:03d}", event.model_copy(update={"grade": 2}))
    await case.reach("infusion-1")

    state = await case.state()
    assert [(event.term, event.grade) for event in state.adverse_events] == [(event.term, 2) for event in events]
    assert state.event_versions == {f"AE-{number:03d}": 2 for number in range(1, MANY + 1)}
    runs = await fetch_runs(world.client.temporal, case.workflow_id)
    assert len(runs) > 1
    numbers = [fact.sequence for fact in facts_in(runs)]
    read_model = [fact["sequence"] for fact in await case.facts()]
    assert numbers == read_model == list(range(1, len(numbers) + 1))
    assert len(await case.facts("adverse_event_amended")) == MANY


async def amend_to(case: Case, event_id: str, event: AdverseEvent) -> None:
    """Amend an event that was reported once, without asking for the whole state."""
    who = envelope(Role.INVESTIGATOR, case.now, "read again")
    command = AmendAdverseEvent(envelope=who, event_id=event_id, version=1, event=event)
    await case.world.client.amend_adverse_event(case.subject, command)
