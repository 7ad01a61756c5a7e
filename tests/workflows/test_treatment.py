"""Treatment: the check before each step, doses and units as planned, and what a missed infusion means."""

from datetime import timedelta

import pytest

from protocols.loader import LoadedProtocol
from schemas.base import Role
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.problem import ProblemType
from schemas.schedule.task import TaskEnd
from schemas.state.arm import SlotState
from simulation.world import World
from tests.workflows.stories import SINGLE, one, refused, somebody, units_by_state

FEVER = 38.4


async def test_a_fever_delays_the_infusion_within_its_window(world: World, protocol: LoadedProtocol) -> None:
    """The check fails on day 0 for a temperature of 38.4 and passes a day later: then the first infusion is given."""
    case = await one(world, protocol)
    case.change("treatment-check-infusion-1.1", temperature_celsius=FEVER)

    task = await case.reach("infusion-1")

    first, second = [f for f in await case.facts("treatment_checked") if "infusion-1" in f["body"]["step"]]
    assert (first["body"]["go"], second["body"]["go"]) == (False, True)
    assert "temperature 38.4" in first["why"]
    assert second["at"] - first["at"] >= timedelta(days=1)

    await case.send(task)
    state = await case.state()
    assert state.day_zero is not None
    assert state.infusions[0].started_at.date() == case.today


async def test_a_check_that_keeps_failing_leaves_the_participant_untreated(
    world: World, protocol: LoadedProtocol
) -> None:
    """No check passes while the window of the first infusion is open: units and slot go back, nobody is counted."""
    case = await one(world, protocol)
    case.change("treatment-check-infusion-1", temperature_celsius=FEVER)

    state = await case.reach_end()

    assert state.disposition is Disposition.NOT_TREATED
    assert state.disposition_reason == "the first infusion could not be given within its window"
    assert state.infusions == ()
    assert len(await case.facts("product_returned")) == 1
    assert await units_by_state(world, case.subject) == (0, 0)
    (slot,) = (await world.arm_state(SINGLE)).slots
    assert (slot.state, slot.first_infused_on) == (SlotState.NOT_EVALUABLE, None)


async def test_a_low_platelet_count_stops_lymphodepletion_only(world: World, protocol: LoadedProtocol) -> None:
    """Laboratory values are judged before lymphodepletion, and not before an infusion, when they are depleted."""
    case = await one(world, protocol)
    low = {"platelets": {"value": 20.0, "unit": "1e9/L"}}
    case.change("treatment-check-lymphodepletion.1", laboratory=low)
    case.change("treatment-check-infusion-1", laboratory=low)

    await case.reach("infusion-1")

    checks = {
        f["body"]["step"].removeprefix("treatment-check-"): f["body"]["go"]
        for f in await case.facts("treatment_checked")
    }
    assert checks == {"lymphodepletion.1": False, "lymphodepletion.2": True, "infusion-1.1": True}


@pytest.mark.parametrize(
    ("weight", "expected"), [(1.0, DltStatus.NOT_EVALUABLE), (1.2, DltStatus.NO_DLT)], ids=["two-thirds", "four-fifths"]
)
async def test_a_missed_infusion_counts_by_the_dose_that_was_given(
    world: World, protocol: LoadedProtocol, weight: float, expected: DltStatus
) -> None:
    """The second infusion is missed: evaluable only with 80 % of the planned cells, which two large doses reach."""
    case = await one(world, protocol, somebody(weight=weight))
    case.leave("infusion-2")

    await case.reach_fact("dlt_judged")

    state = await case.state()
    assert state.skipped == ("infusion-2",)
    assert state.infusion_steps == ("infusion-1", "infusion-3")
    assert state.dlt is expected
    assert [end for task, end in state.closed.items() if task.endswith("-infusion-2")] == [TaskEnd.EXPIRED]
    promised, infused = await units_by_state(world, case.subject)
    assert (promised, infused) == (0, 2)


async def test_another_unit_or_dose_is_refused_and_the_right_one_accepted(
    world: World, protocol: LoadedProtocol
) -> None:
    """Another participant's unit, and a dose off by more than 20 %, are refused on record; no step is lost."""
    case = await one(world, protocol)
    task = await case.reach("infusion-1")

    with refused(ProblemType.WRONG_PRODUCT) as other_unit:
        await case.send(task, case.usual(task, unit_id="P01-0060"))
    with refused(ProblemType.DOSE_OUT_OF_RULE) as too_much:
        await case.send(task, case.usual(task, million_cells=121.0))

    assert other_unit.value.problem.expected == task["detail"]["unit"]
    assert too_much.value.problem.expected == "80 to 120 million cells"
    assert (await case.state()).infusions == ()
    await case.send(task)
    await case.reach("cytokine-course-1")
    assert (await case.state()).infusion_steps == ("infusion-1",)
    assert await case.refusals() == [ProblemType.WRONG_PRODUCT, ProblemType.DOSE_OUT_OF_RULE]
    assert [f["body"]["problem"]["field"] for f in await case.facts("refused")] == [
        "answer.unit_id",
        "answer.million_cells",
    ]


async def test_chemotherapy_out_of_rule_is_refused(world: World, protocol: LoadedProtocol) -> None:
    """Half of the fludarabine is outside the tolerance of 20 %; the reduced dose for weak kidneys is inside."""
    case = await one(world, protocol)
    task = await case.reach("lymphodepletion-1")

    with refused(ProblemType.DOSE_OUT_OF_RULE):
        await case.send(task, case.usual(task, fludarabine_mg_per_m2=15.0))
    await case.send(task, case.usual(task, fludarabine_mg_per_m2=24.0))

    await case.reach("lymphodepletion-2")
    assert len((await case.state()).lymphodepletion_on) == 1


async def test_lymphodepletion_that_never_starts_leaves_the_participant_untreated(
    world: World, protocol: LoadedProtocol
) -> None:
    """Nobody gives the first day within its window: no infusion without lymphodepletion."""
    case = await one(world, protocol)
    case.leave("lymphodepletion-1")

    state = await case.reach_end()

    assert state.disposition is Disposition.NOT_TREATED
    assert await units_by_state(world, case.subject) == (0, 0)


async def test_too_many_cytokine_administrations_are_refused(world: World, protocol: LoadedProtocol) -> None:
    """The course has at most six administrations; none at all, with a reason, is an answer too."""
    case = await one(world, protocol)
    await case.send(await case.reach("infusion-1"))
    task = await case.reach("cytokine-course-1")

    with refused(ProblemType.DOSE_OUT_OF_RULE):
        await case.send(task, case.usual(task, administered_on=(case.today,) * 7))
    with refused(ProblemType.WRONG_ROLE):
        await case.send(task, role=Role.PHARMACIST)
    await case.send(task, case.usual(task, administered_on=(), not_given_reason="CRS grade 2"))

    await case.reach("treatment-check-infusion-2")
