"""The tumour's response: baseline, assessments by RECIST 1.1, scans out of their window, and what progression ends."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest

from decisions.response.imaging import imaging_overview
from protocols.loader import LoadedProtocol
from schemas.commands.answers import ImagingDone
from schemas.dlt.outcome import Disposition
from schemas.problem import ProblemType
from schemas.response.tumour import Certainty, NewLesion, Organ, Response, TumourAssessment
from schemas.treatment.support import DeviationKind, ImagingStatus
from simulation.answers import tumour_assessment
from simulation.people import VirtualParticipant
from simulation.world import World
from tests.workflows.stories import (
    Case,
    Row,
    begin,
    in_line,
    one,
    refused,
    somebody,
    task_row,
    updates_accepted,
    with_changes,
)

WEEK_8 = "imaging-week-8"


def with_tumour(*course: float) -> VirtualParticipant:
    """Return somebody whose lesions have these fractions of their size at baseline, visit by visit."""
    return somebody().model_copy(update={"tumour_course": course})


def with_recist(loaded: LoadedProtocol, **changes: object) -> LoadedProtocol:
    """Return the protocol with other numbers in its RECIST section."""
    assert loaded.protocol.recist is not None
    return with_changes(loaded, recist=loaded.protocol.recist.model_dump() | changes)


# ---------------------------------------------------------------------- baseline


async def test_the_baseline_is_asked_once_there_is_an_arm(world: World, protocol: LoadedProtocol) -> None:
    """A participant who is assigned gets the baseline's task, without an expiry; a screen failure never does."""
    eligible, too_old = await begin(world, protocol, somebody(1), somebody(2, age_years=76))
    eligible.leave("baseline-imaging")

    task = await eligible.reach("baseline-imaging-1")
    state = await too_old.reach_end()

    assert task["expires_at"] is None
    assert state.disposition is Disposition.SCREEN_FAILURE
    assert not any("baseline-imaging" in task_id for task_id in state.closed)


async def test_nobody_is_treated_without_a_baseline(world: World, protocol: LoadedProtocol) -> None:
    """Nobody measures the lesions until lymphodepletion's window closes: not treated, and the product goes back."""
    case = await one(world, protocol)
    case.leave("baseline-imaging")

    state = await case.reach_end()

    assert state.disposition is Disposition.NOT_TREATED
    assert state.disposition_reason == "lymphodepletion could not start in time: no recent tumour assessment"
    assert state.lymphodepletion_on == ()
    assert len(await case.facts("product_returned")) == 1


async def test_a_baseline_from_before_a_long_wait_is_repeated(world: World, protocol: LoadedProtocol) -> None:
    """The slot comes three weeks after the baseline, the protocol allows 20 days: the lesions are measured again."""
    first, waiting = await begin(world, with_recist(protocol, baseline_within_days=20), somebody(1), somebody(2))
    await in_line([first, waiting])
    await waiting.send(await waiting.reach("baseline-imaging-1"))
    await first.reach_fact("dlt_judged")
    waiting.leave("baseline-imaging-2")

    task = await waiting.reach("baseline-imaging-2")

    day = timedelta(days=1)
    with refused(ProblemType.OUT_OF_RANGE) as info:
        await waiting.send(task, waiting.usual(task, baseline={"assessed_on": waiting.today - 19 * day}))
    assert info.value.problem.field == "answer.baseline.assessed_on"
    await waiting.send(task)
    await waiting.reach("infusion-1")
    state = await waiting.state()
    assert state.baseline is not None
    assert (state.lymphodepletion_on[0] - state.baseline.assessed_on).days <= 20


# ---------------------------------------------------------------------- response


async def test_a_partial_response_is_confirmed_by_the_next_assessment(world: World, protocol: LoadedProtocol) -> None:
    """The lesions shrink by 40 % and stay so: a PR at week 8, confirmed at week 16, on the reader's own measures."""
    case = await one(world, protocol, with_tumour(0.6))

    await case.reach("imaging-week-24")

    first, second = await case.facts("response_assessed")
    assert (first["body"]["timepoint"]["overall"], second["body"]["timepoint"]["overall"]) == ("PR", "PR")
    assert (first["body"]["best"]["response"], second["body"]["best"]["response"]) == ("SD", "PR")
    state = await case.state()
    assert state.best_response is not None
    assert state.best_response.confirmed
    assert state.best_response.responded_on == state.imaging_on[WEEK_8]
    assert not state.treatment_stopped


async def test_progression_stops_treatment_and_imaging_but_not_safety(world: World, protocol: LoadedProtocol) -> None:
    """The lesions grow by half at week 16: no further treatment or scan, and the last visit is still due."""
    case = await one(world, protocol, with_tumour(0.9, 1.5))

    state = await case.reach_end()

    (stopped,) = await case.facts("treatment_stopped")
    assert stopped["why"] == f"progression of the tumour on {state.imaging_on['imaging-week-16']}"
    assert state.disposition is Disposition.COMPLETED
    assert state.best_response is not None
    assert state.best_response.response is Response.SD
    skipped = await case.facts("step_skipped")
    assert {fact["body"]["step"] for fact in skipped} == {
        f"imaging-week-{week}" for week in (24, 36, 48, 60, 72, 84, 96)
    }
    assert all("progressed" in fact["why"] for fact in skipped)
    assert state.deviations == ()
    assert any(task_id.endswith("-end-of-study") for task_id in state.closed)
    rows = imaging_overview(protocol.protocol, state, case.today)
    assert [(row.window.visit, row.status) for row in rows] == [
        (WEEK_8, ImagingStatus.DONE),
        ("imaging-week-16", ImagingStatus.DONE),
    ]


async def test_an_investigator_may_call_progression_without_measurements(
    world: World, protocol: LoadedProtocol
) -> None:
    """PD by the investigator's word alone stops treatment too: no assessment of lesions came with it."""
    case = await one(world, protocol)
    case.change(WEEK_8, response="PD")

    await case.reach_fact("treatment_stopped")

    assert (await case.state()).timepoints == ()
    assert await case.facts("response_assessed") == []


async def test_the_lesions_count_where_the_investigator_says_otherwise(world: World, protocol: LoadedProtocol) -> None:
    """Growth by half is PD whatever is said beside it, and the record says that the two differ."""
    case = await one(world, protocol, with_tumour(1.5))
    case.change(WEEK_8, response="SD")

    fact = await case.reach_fact("response_assessed")

    assert "the investigator's response is SD, the lesions give PD" in fact["why"]
    await case.reach_fact("treatment_stopped")


async def test_a_doubtful_lesion_that_becomes_certain_dates_progression_back(
    world: World, protocol: LoadedProtocol
) -> None:
    """A new lesion is equivocal at week 8 and without doubt at week 16: the tumour had progressed at week 8."""
    case = await one(world, protocol, with_tumour(1.0))
    case.changes = {
        WEEK_8: lambda _task, now: {"assessment": with_new_lesion(now.date(), Certainty.EQUIVOCAL)},
        "imaging-week-16": lambda _task, now: {"assessment": with_new_lesion(now.date(), Certainty.UNEQUIVOCAL)},
    }

    await case.reach_fact("treatment_stopped")

    steps = [(f["body"]["step"], f["body"]["timepoint"]["overall"]) for f in await case.facts("response_assessed")]
    assert steps == [(WEEK_8, "SD"), (WEEK_8, "PD"), ("imaging-week-16", "PD")]
    state = await case.state()
    assert [point.overall for point in state.timepoints] == [Response.PD, Response.PD]
    assert state.best_response is not None
    assert state.best_response.progressed_on == state.imaging_on[WEEK_8]


def with_new_lesion(today: date, certainty: Certainty) -> TumourAssessment:
    """Return a stable assessment with a new lesion of the bone."""
    lesion = NewLesion(id="NEW01", organ=Organ.BONE, certainty=certainty)
    return tumour_assessment(today, 1.0).model_copy(update={"new_lesions": (lesion,)})


Spoil = Callable[[TumourAssessment], TumourAssessment]


def moved(assessment: TumourAssessment) -> TumourAssessment:
    """Tell of the liver lesion in the lung."""
    first, *rest = assessment.targets
    return assessment.model_copy(update={"targets": (first.model_copy(update={"organ": Organ.LUNG}), *rest)})


def unknown(assessment: TumourAssessment) -> TumourAssessment:
    """Measure a lesion that the baseline does not have."""
    first, *rest = assessment.targets
    return assessment.model_copy(update={"targets": (first, *rest, first.model_copy(update={"lesion": "T09"}))})


def in_centimetres(assessment: TumourAssessment) -> TumourAssessment:
    """Write every diameter in centimetres."""
    tenth = tuple(
        target.model_copy(update={"diameters_mm": tuple(round(d / 10, 1) for d in target.diameters_mm)})
        for target in assessment.targets
    )
    return assessment.model_copy(update={"targets": tenth})


MALFORMED: dict[str, tuple[ProblemType, str, Spoil]] = {
    "a lesion that changes organ": (ProblemType.INVALID_INPUT, "answer.assessment.targets.T01.organ", moved),
    "a lesion without a baseline": (ProblemType.INVALID_INPUT, "answer.assessment.targets.T09", unknown),
    "centimetres": (ProblemType.WRONG_UNIT, "answer.assessment.targets", in_centimetres),
}


@pytest.mark.parametrize(("kind", "field", "spoil"), MALFORMED.values(), ids=MALFORMED)
async def test_lesions_that_cannot_be_judged_never_reach_the_history(
    world: World, protocol: LoadedProtocol, kind: ProblemType, field: str, spoil: Spoil
) -> None:
    """What contradicts the baseline, or the unit, is named by its place and leaves no trace; the right one counts."""
    case = await one(world, protocol, with_tumour(1.0))
    task = await case.reach(WEEK_8)
    before = await updates_accepted(world, case.workflow_id)
    right = case.usual(task)
    assert isinstance(right, ImagingDone)
    assert right.assessment is not None

    with refused(kind) as info:
        await case.send(task, right.model_copy(update={"assessment": spoil(right.assessment)}))

    assert info.value.problem.field == field
    assert await updates_accepted(world, case.workflow_id) == before
    assert (await task_row(world, task["task_id"]))["status"] == "open"
    await case.send(task, right)
    assert (await case.reach_fact("response_assessed"))["body"]["timepoint"]["overall"] == "SD"


async def test_a_baseline_in_centimetres_is_turned_away(world: World, protocol: LoadedProtocol) -> None:
    """A target of 4.2 mm cannot be measured: it looks like centimetres, and the answer says what would be right."""
    case = await one(world, protocol)
    case.leave("baseline-imaging")
    task = await case.reach("baseline-imaging-1")
    baseline = case.usual(task).model_dump()["baseline"]
    baseline["targets"][0]["diameter_mm"] = Decimal("4.2")

    with refused(ProblemType.WRONG_UNIT) as info:
        await case.send(task, case.usual(task, baseline=baseline))

    assert info.value.problem.field == "answer.baseline.targets.T01.diameter_mm"
    assert "42 mm" in info.value.problem.expected


# ---------------------------------------------------------------------- out of the window


async def test_a_late_scan_is_told_as_a_deviation(world: World, protocol: LoadedProtocol) -> None:
    """Week 8 closes on day 63, and its scan of day 68 may still be told: accepted, late by five days, not missed."""
    case = await one(world, protocol)
    case.leave(WEEK_8)
    task = await case.reach(WEEK_8)
    await escalated(case)
    day_zero = (await case.state()).day_zero
    assert day_zero is not None
    assert (task["due_at"].date() - day_zero).days == 57

    await case.let_pass((day_zero + timedelta(days=68) - case.today).days)
    await case.send(task)

    fact = await case.reach_fact("deviation_recorded")
    assert (fact["body"]["deviation"]["kind"], fact["body"]["deviation"]["days"]) == ("late", 5)
    state = await case.state()
    assert state.skipped == ()
    row, *_ = imaging_overview(protocol.protocol, state, case.today)
    assert row.status is ImagingStatus.DONE_OUT_OF_WINDOW


async def escalated(case: Case) -> None:
    """Play ahead until the open task has gone to trial operations."""
    await case.play(lambda seen: any(task["urgency"] == "escalated" for task in seen.tasks), "escalated")


async def test_an_early_scan_is_a_deviation_too(world: World, protocol: LoadedProtocol) -> None:
    """A scan of two days before the window is accepted; one of before the safety visit of day 28 is not."""
    case = await one(world, protocol)
    task = await case.reach(WEEK_8)
    state = await case.state()
    assert state.last_safety_visit_on is not None
    day = timedelta(days=1)

    with refused(ProblemType.DATE_BEFORE_STEP):
        await case.send(task, case.usual(task, scanned_on=state.last_safety_visit_on - day))
    await case.send(task, case.usual(task, scanned_on=case.today - 2 * day))

    fact = await case.reach_fact("deviation_recorded")
    assert (fact["body"]["deviation"]["kind"], fact["body"]["deviation"]["days"]) == ("early", 2)


@pytest.mark.parametrize("visit", [WEEK_8, "safety-day-21"])
async def test_a_visit_that_is_never_told_is_missed(world: World, protocol: LoadedProtocol, visit: str) -> None:
    """The window closes, and for a scan the late days too: the visit is skipped, and recorded as missed."""
    case = await one(world, protocol)
    case.leave(visit)

    await case.reach_fact("step_skipped")
    fact = await case.reach_fact("deviation_recorded")

    assert (fact["body"]["step"], fact["body"]["deviation"]["kind"]) == (visit, "missed")
    state = await case.state()
    assert state.skipped == (visit,)
    assert [seen.kind for seen in state.deviations] == [DeviationKind.MISSED]


# ---------------------------------------------------------------------- without the section


async def test_a_protocol_without_recist_asks_no_lesions(world: World, protocol: LoadedProtocol) -> None:
    """Without the section the investigator's word is kept, and nothing follows from it: no baseline, no stop."""
    loaded = with_changes(protocol, recist=None, retreatment=None)
    case = await one(world, loaded)
    case.change(WEEK_8, response="PD")

    task: Row = await case.reach("imaging-week-16")

    state = await case.state()
    assert task["kind"] == "imaging"
    assert state.baseline is None
    assert state.responses[0][1] == "PD"
    assert not state.treatment_stopped
    assert await case.facts("response_assessed", "deviation_recorded") == []
