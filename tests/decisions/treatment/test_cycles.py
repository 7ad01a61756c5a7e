"""Further cycles: when they are considered, how they fit between visits, and where one stands."""

from datetime import date, timedelta
from typing import Any

import pytest

from decisions.treatment.cycles import (
    cycle_in_words,
    cycle_starts_on,
    cycle_step,
    cycle_under_way,
    last_window_on,
    longest_days,
    may_be_judged,
    offer_closes_on,
    plan_cycle,
    same_verdict,
    treatment_record,
)
from schemas.commands.answers import DltAdjudication
from schemas.dlt.outcome import DltStatus
from schemas.safety.adverse_events import AdverseEvent
from schemas.safety.reports import DltFinding, DltFindingStatus
from schemas.state.participant import Slot
from schemas.treatment.support import SupportState, SupportVerdict
from tests.decisions.makers import PROTOCOL
from tests.decisions.recist_makers import DAY_0, on_day, point
from tests.decisions.response.test_imaging import INFUSED, participant

assert PROTOCOL.retreatment is not None
RULES = PROTOCOL.retreatment
TWICE = RULES.model_copy(update={"infusion_days": (0, 7)})
OFFER = SupportVerdict(state=SupportState.OFFER, judged_on=DAY_0, reasons=("response SD",))
NEVER = SupportVerdict(state=SupportState.NEVER, judged_on=DAY_0, reasons=("PD",))
EVENT = AdverseEvent(term="Colitis", grade=3, onset_on=on_day(3), related=True, dlt=True)


# The record


def test_the_record_tells_what_the_rule_asks_for() -> None:
    """Cycles, level, the last infusion, responses, holds, and what bank and arm have said."""
    state = participant(
        cycles=1,
        slot=Slot(arm="single-target", cohort=1, level=3, million_cells=1000),
        timepoints=(point(56, "PD"),),
        dlt=DltStatus.NOT_EVALUABLE,
        adverse_events=(EVENT,),
        treatment_stopped=True,
        holds=("study",),
    )

    record = treatment_record(state, 4, 2)

    assert (record.cycles_given, record.level, record.last_infusion_on) == (1, 3, DAY_0)
    assert (record.progressed, record.dlt, record.treatment_stopped) == (True, False, True)
    assert [seen.response for seen in record.responses] == ["PD"]
    assert (record.holds, record.units_available, record.lowest_toxic_level) == (("study",), 4, 2)
    assert record.events == (EVENT,)


@pytest.mark.parametrize(("dlt", "expected"), [(None, None), (DltStatus.DLT, True), (DltStatus.NO_DLT, False)], ids=str)
def test_the_window_s_judgement_may_be_open(dlt: DltStatus | None, expected: bool | None) -> None:
    """An open one is neither yes nor no."""
    assert treatment_record(participant(dlt=dlt), 1).dlt is expected


FOUND = DltFinding(status=DltFindingStatus.CANDIDATE, why="grade 3")


@pytest.mark.parametrize(
    ("dose_limiting", "dlt", "holds"),
    [(None, False, ("AE-001 may be dose-limiting",)), (True, True, ()), (False, False, ())],
    ids=["not judged", "confirmed", "rejected"],
)
def test_an_event_is_dose_limiting_by_its_adjudication(
    dose_limiting: bool | None, dlt: bool, holds: tuple[str, ...]
) -> None:
    """The reporter's word no longer counts once the rule was asked; until it is judged, it is a hold."""
    judged = {}
    if dose_limiting is not None:
        judged["AE-001"] = DltAdjudication(
            event_id="AE-001", dose_limiting=dose_limiting, adjudicated_on=on_day(9), rationale="seen by both"
        )
    state = participant(adverse_events=(EVENT,), dlt_findings={"AE-001": FOUND}, adjudications=judged)

    record = treatment_record(state, 1)

    assert [event.dlt for event in record.events] == [dlt]
    assert record.holds == holds


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"imaging_on": {"imaging-week-8": DAY_0}}, True),
        ({"imaging_on": {"imaging-week-8": DAY_0 - timedelta(days=1)}}, False),
        ({"imaging_on": {"imaging-week-8": DAY_0}, "infusions": ()}, False),
        ({"imaging_on": {"imaging-week-8": DAY_0}, "retreatment": OFFER}, True),
        ({"imaging_on": {"imaging-week-8": DAY_0}, "retreatment": NEVER}, False),
        ({"imaging_on": {"imaging-week-8": DAY_0}, "retreatment_accepted": True}, True),
        ({"imaging_on": {"imaging-week-8": DAY_0}, "retreatment_accepted": False}, False),
    ],
)
def test_a_cycle_is_considered_after_an_assessment_until_the_last_word(changes: dict[str, Any], expected: bool) -> None:
    """A scan of before the last infusion tells nothing of it; declined, or never, is the last word."""
    assert may_be_judged(participant(**changes)) is expected


def test_a_verdict_is_news_by_its_state_and_reasons() -> None:
    """Another day alone is none."""
    later = OFFER.model_copy(update={"judged_on": on_day(9)})

    assert same_verdict(OFFER, later)
    assert not same_verdict(None, later)
    assert not same_verdict(OFFER, later.model_copy(update={"reasons": ("response PR",)}))
    assert not same_verdict(OFFER, later.model_copy(update={"state": SupportState.NEVER}))


# The plan


def test_a_cycle_takes_its_longest_way() -> None:
    """3 days to ship, 5 before the infusion with 3 of window, 3 more for the infusion: over with the 15th day."""
    assert longest_days(PROTOCOL, RULES) == 15
    assert longest_days(PROTOCOL, TWICE) == 22


@pytest.mark.parametrize(
    ("opens", "closes", "expected"),
    [(105, 120, 105), (105, 119, 104), (200, 220, 181)],
    ids=["fits until the visit", "must end in its window", "half a year after the infusion"],
)
def test_an_offer_ends_while_the_cycle_still_fits(opens: int, closes: int, expected: int) -> None:
    """Day 180 after the last infusion is the last on which it may be offered."""
    closes_on = offer_closes_on(PROTOCOL, RULES, participant(), on_day(opens), on_day(closes))

    assert closes_on == on_day(expected)
    assert offer_closes_on(PROTOCOL, RULES, participant(infusions=()), on_day(300), on_day(400)) == on_day(300)


@pytest.mark.parametrize(
    ("depleted", "today", "day_zero", "repeated"),
    [((-5, -3), 8, 11, False), ((-5, -3), 9, 17, True), ((), 9, 17, True)],
    ids=["14 days", "15 days", "never"],
)
def test_lymphodepletion_moves_the_plan(depleted: tuple[int, ...], today: int, day_zero: int, repeated: bool) -> None:
    """The units are there after 3 days; with lymphodepletion the infusion comes 5 days later."""
    state = participant(lymphodepletion_on=tuple(on_day(day) for day in depleted))

    plan = plan_cycle(PROTOCOL, RULES, state, on_day(today))

    assert (plan.day_zero, plan.lymphodepletion) == (on_day(day_zero), repeated)
    assert plan.why.startswith("lymphodepletion is repeated: " if repeated else "lymphodepletion is not repeated: ")


def test_units_last_through_the_last_window() -> None:
    """Both windows may be used up."""
    assert last_window_on(PROTOCOL, RULES, on_day(60)) == on_day(66)
    assert last_window_on(PROTOCOL, TWICE, on_day(60)) == on_day(73)


# Where it stands


def test_steps_name_their_cycle() -> None:
    """The planned infusions belong to none."""
    assert cycle_step(2, "infusion-1") == "cycle-2-infusion-1"
    assert cycle_in_words("cycle-2-infusion-1") == " of cycle 2"
    assert cycle_in_words("infusion-1") == ""


@pytest.mark.parametrize(
    ("changes", "cycle"),
    [
        ({}, None),
        ({"units": ("U-002",)}, None),
        ({"cycles": 1}, 1),
        ({"cycles": 1, "infusion_steps": ("infusion-1", "cycle-1-infusion-1")}, 1),
        ({"cycles": 1, "infusion_steps": ("cycle-1-infusion-1", "cycle-1-infusion-2")}, None),
        ({"cycles": 1, "infusion_steps": ("cycle-1-infusion-1",), "skipped": ("cycle-1-infusion-2",)}, None),
        ({"cycles": 1, "skipped": ("cycle-1-infusion-1", "cycle-1-infusion-2"), "units": ("U-002",)}, 1),
        ({"cycles": 2, "skipped": ("cycle-1-infusion-1", "cycle-1-infusion-2")}, 2),
    ],
)
def test_a_cycle_is_under_way_until_all_is_given_or_skipped(changes: dict[str, Any], cycle: int | None) -> None:
    """And until no unit is left to go back."""
    assert cycle_under_way(TWICE, participant(**changes)) == cycle


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, on_day(70)),
        ({"cycle_depleted_on": on_day(67)}, on_day(72)),
        ({"cycle_depleted_on": on_day(67), "infusion_steps": ("cycle-1-infusion-1",)}, on_day(70)),
    ],
    ids=["planned", "moved", "given"],
)
def test_a_late_lymphodepletion_moves_the_cycle(changes: dict[str, Any], expected: date) -> None:
    """Until the first infusion is given: then that is the cycle's day 0."""
    state = participant(cycles=1, cycle_day_zero=on_day(70), **changes)

    assert cycle_starts_on(PROTOCOL, state) == expected


def test_no_cycle_has_no_day_zero() -> None:
    """Asking for it is a mistake of the program."""
    with pytest.raises(ValueError, match="no further cycle has begun"):
        cycle_starts_on(PROTOCOL, participant(infusions=(INFUSED,)))
