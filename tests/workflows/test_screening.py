"""Screening: who may take part, who may not, and what is asked again."""

from datetime import timedelta

from protocols.loader import LoadedProtocol
from schemas.dlt.outcome import Disposition
from schemas.schedule.task import TaskEnd
from schemas.screening.eligibility import Verdict
from schemas.screening.panel import ProfileOutcome, SampleResult, SampleType
from simulation.answers import laboratory
from simulation.world import World
from tests.workflows.stories import Case, notices, one, somebody, task_row


def no_tissue(case: Case, step: str) -> None:
    """Have the laboratory find too little tumour tissue."""
    sample = SampleResult(sample=SampleType.TISSUE, collected_on=case.today, adequate=False)
    case.change(step, samples=(sample,))


async def test_an_exclusion_criterion_ends_screening_with_every_verdict_on_record(
    world: World, protocol: LoadedProtocol
) -> None:
    """Symptomatic CNS metastases exclude; all 18 criteria are judged, each with the value seen and a reason."""
    case = await one(world, protocol)
    case.change("eligibility", cns_disease="symptomatic")

    state = await case.reach_end()

    assert state.disposition is Disposition.SCREEN_FAILURE
    assert state.eligibility is not None
    assert [c.criterion for c in state.eligibility.criteria] == [f"{k}{n}" for k in "IE" for n in range(1, 10)]
    assert all(c.reason and c.value for c in state.eligibility.criteria)
    assert [c.criterion for c in state.eligibility.criteria if c.criterion[0] == "E" and c.verdict is Verdict.MET] == [
        "E4"
    ]
    assert state.disposition_reason is not None
    assert state.disposition_reason.startswith("E4")
    assert state.assignment is None


async def test_missing_data_is_asked_for_again_by_name(world: World, protocol: LoadedProtocol) -> None:
    """A form without ECOG and without platelets is not guessed at: the task opens again and says what is missing."""
    case = await one(world, protocol)
    known = {analyte: value for analyte, value in laboratory(protocol.protocol).items() if analyte != "platelets"}
    case.change("eligibility-1", ecog=None, laboratory=known)

    again = await case.reach("eligibility-2")

    judged = (await case.facts("eligibility_judged"))[-1]
    assert judged["body"]["verdict"]["outcome"] == "missing_data"
    assert "I5" in judged["why"]
    assert "platelets" in judged["why"]
    assert again["status"] == "open"

    await case.reach_fact("assigned")
    state = await case.state()
    assert state.eligibility is not None
    assert state.eligibility.outcome == "eligible"


async def test_too_little_tissue_leads_to_one_more_biopsy(world: World, protocol: LoadedProtocol) -> None:
    """The first sample is inadequate, the repeated one is not: screening goes on with it."""
    case = await one(world, protocol)
    no_tissue(case, "antigen-panel-1")

    await case.reach_fact("assigned")

    state = await case.state()
    assert state.biopsies == 2
    outcomes = [fact["body"]["profile"]["outcome"] for fact in await case.facts("antigens_profiled")]
    assert outcomes == [ProfileOutcome.REPEAT_BIOPSY, ProfileOutcome.COMPLETE]


async def test_too_little_tissue_twice_is_a_screen_failure(world: World, protocol: LoadedProtocol) -> None:
    """The protocol allows one repeat: a second inadequate sample ends screening, with no third biopsy."""
    case = await one(world, protocol)
    no_tissue(case, "antigen-panel")

    state = await case.reach_end()

    assert state.disposition is Disposition.SCREEN_FAILURE
    assert state.biopsies == 2
    assert "no adequate tissue" in str(state.disposition_reason)


async def test_without_a_positive_antigen_nobody_is_assigned(world: World, protocol: LoadedProtocol) -> None:
    """No antigen of the panel is above its threshold: inclusion criterion 4 is not met."""
    case = await one(world, protocol, somebody(antigens=()))

    state = await case.reach_end()

    assert state.disposition is Disposition.SCREEN_FAILURE
    assert str(state.disposition_reason).startswith("I4")


async def test_an_unanswered_biopsy_is_reminded_escalated_and_expires_with_the_window(
    world: World, protocol: LoadedProtocol
) -> None:
    """Nobody answers: a reminder at the due day, an escalation later, and the window's close ends screening."""
    case = await one(world, protocol)
    case.leave("biopsy")
    task = await case.reach("biopsy-1")

    state = await case.reach_end()

    rule = protocol.protocol.tasks["biopsy"]
    (reminded,) = [f for f in await case.facts("task_reminded") if f["body"]["task_id"] == task["task_id"]]
    (escalated,) = [f for f in await case.facts("task_escalated") if f["body"]["task_id"] == task["task_id"]]
    assert reminded["at"] - task["opened_at"] >= timedelta(days=rule.due_days)
    assert escalated["at"] - task["opened_at"] >= timedelta(days=rule.escalate_days)
    assert await notices(world, task["task_id"]) == {"opened": 1, "reminded": 1, "escalated": 1}
    assert state.closed[task["task_id"]] is TaskEnd.EXPIRED
    assert (await task_row(world, task["task_id"]))["status"] == "expired"
    assert state.disposition is Disposition.SCREEN_FAILURE
    assert state.disposition_reason == "the screening window closed before biopsy-1 was answered"


async def test_an_age_out_of_range_fails_screening(world: World, protocol: LoadedProtocol) -> None:
    """A participant of 76 years is over the limit of 75 at consent."""
    case = await one(world, protocol, somebody(age_years=76))

    state = await case.reach_end()

    assert state.disposition is Disposition.SCREEN_FAILURE
    assert str(state.disposition_reason).startswith("I1")
    assert "76" in str(state.disposition_reason)
