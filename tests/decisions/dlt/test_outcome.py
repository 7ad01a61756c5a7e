"""The participant's part in the dose decision: docs/domain.md, section 3."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from decisions.dlt.outcome import in_window, judge_dlt, window_closes_on
from schemas.commands.answers import InfusionGiven
from schemas.commands.commands import AdverseEvent, EndReason
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.protocol import DltRules, ProtocolReference
from schemas.state.participant import ParticipantState, Slot, Stage

DAY_0 = date(2026, 3, 2)
RULES = DltRules(window_days=28, minimum_dose_fraction=0.8)
PLANNED = 3
SLOT = Slot(arm="single", cohort=1, level=1, million_cells=100)


def on_day(day: int) -> date:
    """Return the date of a study day."""
    return DAY_0 + timedelta(days=day)


def infusion(day: int, million_cells: float = 100) -> InfusionGiven:
    """Make an infusion on a study day."""
    started_at = datetime.combine(on_day(day), datetime.min.time(), tzinfo=UTC).replace(hour=10)
    return InfusionGiven(started_at=started_at, unit_id=f"UNIT-{day}", million_cells=million_cells)


def event(day: int, *, dlt: bool = True) -> AdverseEvent:
    """Make an adverse event with its onset on a study day."""
    return AdverseEvent(term="Pneumonitis", grade=3, onset_on=on_day(day), related=True, dlt=dlt)


def participant(**changes: object) -> ParticipantState:
    """Make a participant with a slot and all planned infusions, and with changes."""
    base = ParticipantState(
        study="study",
        subject="CN01-001",
        site="CN01",
        protocol=ProtocolReference(id="example", version="1.0", sha256="0" * 64),
        consent_signed_on=on_day(-30),
        age_years=60,
        stage=Stage.TREATMENT,
        slot=SLOT,
        infusions=(infusion(0), infusion(7), infusion(14)),
        latest_on=DAY_0,
    )
    return base.model_copy(update=changes)


def status(state: ParticipantState, *, window_complete: bool = False) -> DltStatus | None:
    """Judge, and leave the reason out."""
    judged = judge_dlt(RULES, PLANNED, state, window_complete)
    return None if judged is None else judged[0]


def test_the_window_closes_on_its_last_day() -> None:
    """Day 0 is the first infusion; 28 days later is still inside."""
    assert window_closes_on(RULES, DAY_0) == date(2026, 3, 30)


@pytest.mark.parametrize(("day", "inside"), [(-1, False), (0, True), (1, True), (28, True), (29, False)])
def test_the_window_holds_both_its_ends(day: int, inside: bool) -> None:
    """Day 0 and day 28 are inside, the days around them are not; only a DLT inside counts."""
    assert in_window(RULES, DAY_0, on_day(day)) is inside
    assert status(participant(adverse_events=(event(day),))) is (DltStatus.DLT if inside else None)


def test_a_dlt_counts_at_once() -> None:
    """The reason names the event, its grade and its day; nobody waits for the window."""
    judged = judge_dlt(RULES, PLANNED, participant(adverse_events=(event(3, dlt=False), event(5))), False)

    assert judged is not None
    assert judged == (DltStatus.DLT, "Pneumonitis, grade 3, on day 5 of 0-28")


def test_a_dlt_counts_whatever_came_after() -> None:
    """Neither the end of participation nor a low dose replaces a participant with a DLT."""
    state = participant(
        infusions=(infusion(0, 10),),
        adverse_events=(event(4),),
        stage=Stage.ENDED,
        end=EndReason.DEATH,
        end_on=on_day(6),
    )

    assert status(state) is DltStatus.DLT
    assert status(state, window_complete=True) is DltStatus.DLT


def test_an_event_that_is_no_dlt_leaves_the_window_open() -> None:
    """Only the investigator's judgement makes a DLT."""
    assert status(participant(adverse_events=(event(5, dlt=False),))) is None


def test_a_dlt_beyond_the_window_does_not_count() -> None:
    """A toxicity on day 29 is reported, but not for the dose decision."""
    assert status(participant(adverse_events=(event(29),)), window_complete=True) is DltStatus.NO_DLT


@pytest.mark.parametrize(
    ("cells", "judged"),
    [
        ((100, 100, 100), DltStatus.NO_DLT),
        ((80, 80, 80), DltStatus.NO_DLT),
        ((120, 120), DltStatus.NO_DLT),
        ((100, 100, 39.9), DltStatus.NOT_EVALUABLE),
        ((100, 100), DltStatus.NOT_EVALUABLE),
        ((0,), DltStatus.NOT_EVALUABLE),
        ((240,), DltStatus.NO_DLT),
        ((239.9,), DltStatus.NOT_EVALUABLE),
    ],
)
def test_a_complete_window_counts_with_enough_dose(cells: tuple[float, ...], judged: DltStatus) -> None:
    """80 percent of the planned cells, over all infusions together, are enough; less is replaced."""
    infusions = tuple(infusion(7 * number, million) for number, million in enumerate(cells))

    assert status(participant(infusions=infusions), window_complete=True) is judged


def test_a_dose_right_at_the_minimum_counts_in_binary_too() -> None:
    """0.1 of 3 infusions of 1 is 0.3, though not in binary fractions."""
    rules = DltRules(window_days=28, minimum_dose_fraction=0.1)
    state = participant(slot=SLOT.model_copy(update={"million_cells": 1.0}), infusions=(infusion(0, 0.3),))

    judged = judge_dlt(rules, PLANNED, state, True)

    assert judged is not None
    assert judged[0] is DltStatus.NO_DLT


def test_a_planned_dose_below_a_million_cells_counts_too() -> None:
    """Only no planned dose at all leaves nothing to reach: 3 infusions of 0.1 million cells do not."""
    state = participant(
        slot=SLOT.model_copy(update={"million_cells": 0.1}),
        infusions=tuple(infusion(7 * number, 0.1) for number in range(PLANNED)),
    )

    assert status(state, window_complete=True) is DltStatus.NO_DLT


def test_the_reason_says_how_much_was_infused() -> None:
    """Enough or too little: what was infused, planned and required."""
    enough = judge_dlt(RULES, PLANNED, participant(), True)
    too_little = judge_dlt(RULES, PLANNED, participant(infusions=(infusion(0),)), True)

    assert enough == (
        DltStatus.NO_DLT,
        "window complete without a DLT; 300 of 300 planned million cells infused, 240 required",
    )
    assert too_little == (
        DltStatus.NOT_EVALUABLE,
        ("window complete without a DLT, but too little dose; 100 of 300 planned million cells infused, 240 required"),
    )


def test_an_open_window_is_not_judged() -> None:
    """Without a DLT, the participant is pending; stopping treatment alone does not change that."""
    assert status(participant()) is None
    assert status(participant(treatment_stopped=True)) is None


def test_leaving_before_the_window_closes_is_not_evaluable() -> None:
    """Withdrawal, loss or death without a DLT: the participant is replaced."""
    state = participant(stage=Stage.ENDED, end=EndReason.WITHDRAWAL, end_on=on_day(20))

    judged = judge_dlt(RULES, PLANNED, state, False)
    assert judged == (DltStatus.NOT_EVALUABLE, "participation ended before the window closed on 2026-03-30, no DLT")
    assert status(state.model_copy(update={"stage": Stage.TREATMENT})) is DltStatus.NOT_EVALUABLE


@pytest.mark.parametrize(
    "left", [{"end": EndReason.WITHDRAWAL}, {"disposition": Disposition.WITHDRAWN}, {"stage": Stage.ENDED}]
)
def test_each_sign_of_an_end_is_enough(left: dict[str, object]) -> None:
    """The end is asked for first, then named, then reached: at none of these is the window waited for."""
    assert status(participant(**left)) is DltStatus.NOT_EVALUABLE


@pytest.mark.parametrize(
    ("day", "judged"), [(27, DltStatus.NOT_EVALUABLE), (28, DltStatus.NO_DLT), (60, DltStatus.NO_DLT)]
)
def test_leaving_counts_by_its_date(day: int, judged: DltStatus) -> None:
    """An end dated back into the window undoes its completeness; one on its last day or later does not."""
    state = participant(end=EndReason.LOST_TO_FOLLOW_UP, end_on=on_day(day))

    assert status(state, window_complete=True) is judged


def test_nobody_is_judged_before_the_first_infusion() -> None:
    """Without an infusion there is no window, whatever events there are."""
    assert status(participant(infusions=(), adverse_events=(event(0),))) is None


@pytest.mark.parametrize(
    "left",
    [
        {"end": EndReason.WITHDRAWAL, "end_on": on_day(-2)},
        {"stage": Stage.ENDED, "disposition": Disposition.NOT_TREATED},
        {"treatment_stopped": True},
    ],
)
def test_leaving_before_the_first_infusion_is_not_evaluable(left: dict[str, object]) -> None:
    """Whoever ended or stopped undosed is outside the DLT set and is replaced."""
    judged = judge_dlt(RULES, PLANNED, participant(infusions=(), **left), False)

    assert judged == (DltStatus.NOT_EVALUABLE, "no CAR-NK infusion was given")


def test_without_a_slot_there_is_no_planned_dose_to_reach() -> None:
    """A complete window without a dose level is not evaluable rather than clean."""
    assert status(participant(slot=None), window_complete=True) is DltStatus.NOT_EVALUABLE


def test_day_0_is_the_date_the_site_wrote() -> None:
    """An infusion at 06:00 in Shanghai is on that calendar day there, though the evening before in UTC."""
    shanghai = timezone(timedelta(hours=8))
    first = InfusionGiven(started_at=datetime(2026, 3, 2, 6, tzinfo=shanghai), unit_id="UNIT-1", million_cells=300)

    assert status(participant(infusions=(first,), adverse_events=(event(28),))) is DltStatus.DLT
