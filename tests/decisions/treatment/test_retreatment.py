"""Further cycles of CAR-NK infusions: offered, not yet, or never; at the first dose (docs/domain.md, section 4)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.treatment.retreatment import judge_retreatment, needs_lymphodepletion
from schemas.safety.adverse_events import AdverseEvent, GradeOn
from schemas.treatment.support import (
    ResponseCode,
    ResponseOn,
    RetreatmentRules,
    SupportState,
    SupportVerdict,
    TreatmentRecord,
)

LAST = date(2026, 3, 16)
OFFER, NOT_YET, NEVER = SupportState.OFFER, SupportState.NOT_YET, SupportState.NEVER


def on_day(day: int) -> date:
    """Return the date of a day after the last infusion."""
    return LAST + timedelta(days=day)


def make_rules(**changes: object) -> RetreatmentRules:
    """Make rules for 2 further cycles, 28 to 180 days after the last infusion, with changes."""
    usual: dict[str, object] = {
        "maximum_cycles": 2,
        "eligible_responses": ("CR", "PR", "SD"),
        "minimum_days_since_last_infusion": 28,
        "maximum_days_since_last_infusion": 180,
        "maximum_unresolved_grade": 1,
        "no_dlt": True,
        "product_needed": True,
        "lymphodepletion_repeat_after_days": 14,
        "infusion_days": (0, 7, 14),
    }
    return RetreatmentRules.model_validate(usual | changes)


def seen(day: int, response: ResponseCode) -> ResponseOn:
    """Make a response by the day of its scan."""
    return ResponseOn(on=on_day(day), response=response)


def event(
    grade: int, *, related: bool = True, dlt: bool = False, ended: int | None = None, now: int | None = None
) -> AdverseEvent:
    """Make an event of day 1; `now` is its grade from day 20 on."""
    return AdverseEvent(
        term="Rash",
        grade=grade,
        onset_on=on_day(1),
        ended_on=None if ended is None else on_day(ended),
        related=related,
        dlt=dlt,
        course=() if now is None else (GradeOn(on=on_day(20), grade=now),),
    )


def make_record(**changes: object) -> TreatmentRecord:
    """Make a record after the planned infusions with stable disease and 3 units in the bank, with changes."""
    usual: dict[str, object] = {
        "cycles_given": 0,
        "level": 2,
        "last_infusion_on": LAST,
        "responses": (seen(30, "SD"),),
        "dlt": False,
        "units_available": 3,
    }
    return TreatmentRecord.model_validate(usual | changes)


def judge(*, today: int = 40, rules: RetreatmentRules | None = None, **changes: object) -> SupportVerdict:
    """Judge a record with changes on a day after the last infusion."""
    return judge_retreatment(rules or make_rules(), make_record(**changes), on_day(today))


def test_a_cycle_is_offered_when_nothing_stands_in_its_way() -> None:
    """The reasons tell cycle, response and time."""
    assert judge() == SupportVerdict(
        state=OFFER,
        judged_on=on_day(40),
        reasons=(
            "further cycle 1 of at most 2",
            "response SD on 2026-04-15, eligible: CR, PR, SD",
            "last infusion on 2026-03-16, offered 28 to 180 days after it",
        ),
    )


# Time


@pytest.mark.parametrize(
    ("today", "state", "next_on"),
    [(0, NOT_YET, 28), (27, NOT_YET, 28), (28, OFFER, None), (180, OFFER, None), (181, NEVER, None)],
)
def test_the_time_for_a_cycle_holds_both_its_ends(today: int, state: SupportState, next_on: int | None) -> None:
    """Day 28 and day 180 are inside; before, the first day is told; after, it is too late for good."""
    verdict = judge(today=today, responses=(seen(0, "SD"),))

    assert verdict.state is state
    assert verdict.next_on == (None if next_on is None else on_day(next_on))
    assert verdict.judged_on == on_day(today)


def test_too_early_and_too_late_say_the_day() -> None:
    """The limit and the last infusion are told."""
    early, late = judge(today=27, responses=(seen(10, "PR"),)), judge(today=181)

    assert early.reasons == ("not before 2026-04-13: last infusion on 2026-03-16, offered 28 to 180 days after it",)
    assert late.reasons == ("not after 2026-09-12: last infusion on 2026-03-16, offered 28 to 180 days after it",)


def test_without_an_infusion_there_is_nothing_to_repeat() -> None:
    """Not yet, without a day, and no response counts."""
    verdict = judge(last_infusion_on=None)

    assert (verdict.state, verdict.next_on) == (NOT_YET, None)
    assert verdict.reasons == (
        "no infusion was given yet",
        "no tumour assessment since the last infusion, eligible: CR, PR, SD",
    )


# Never


@pytest.mark.parametrize(("given_before", "state"), [(0, OFFER), (1, OFFER), (2, NEVER), (3, NEVER)])
def test_there_are_at_most_so_many_cycles(given_before: int, state: SupportState) -> None:
    """Two further cycles, and no third."""
    assert judge(cycles_given=given_before).state is state


def test_the_last_cycle_says_its_number() -> None:
    """The second of two is offered by its number; the third names the limit."""
    assert judge(cycles_given=1).reasons[0] == "further cycle 2 of at most 2"
    assert judge(cycles_given=2).reasons == ("2 further cycles given, at most 2 allowed",)


def test_a_protocol_may_allow_none() -> None:
    """With zero cycles there is never one."""
    assert judge(rules=make_rules(maximum_cycles=0)).reasons == ("0 further cycles given, at most 0 allowed",)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"treatment_stopped": True}, "study treatment has stopped"),
        ({"progressed": True}, "the tumour has progressed, eligible: CR, PR, SD"),
        (
            {"responses": (seen(30, "PD"), seen(20, "PD"), seen(35, "SD"))},
            "the tumour has progressed (PD on 2026-04-05), eligible: CR, PR, SD",
        ),
        (
            {"responses": (seen(-10, "PD"), seen(35, "SD")), "progressed": True},
            "the tumour has progressed (PD on 2026-03-06), eligible: CR, PR, SD",
        ),
        ({"dlt": True}, "dose-limiting toxicity in the window"),
        (
            {"events": (event(3, dlt=True, ended=5),)},
            "dose-limiting toxicity: Rash, grade 3, onset 2026-03-17",
        ),
        (
            {"events": (event(3, dlt=True, ended=5),), "dlt": True},
            "dose-limiting toxicity: Rash, grade 3, onset 2026-03-17",
        ),
        (
            {"lowest_toxic_level": 2},
            "dose level 2 is at or above level 2, which is toxic, and the dose stays the same",
        ),
        (
            {"lowest_toxic_level": 1},
            "dose level 2 is at or above level 1, which is toxic, and the dose stays the same",
        ),
    ],
)
def test_what_excludes_for_good(changes: dict[str, object], reason: str) -> None:
    """Stopped treatment, progression at any time, a DLT, a toxic dose level: one reason each, and no day."""
    verdict = judge_retreatment(make_rules(), make_record(**changes), on_day(40))

    assert (verdict.state, verdict.reasons, verdict.next_on) == (NEVER, (reason,), None)
    assert verdict.judged_on == on_day(40)


def test_a_level_below_the_toxic_one_is_offered() -> None:
    """Level 2 goes on when level 3 is toxic."""
    assert judge(lowest_toxic_level=3).state is OFFER


def test_all_that_excludes_is_named_and_nothing_that_only_delays() -> None:
    """An auditor sees every reason at once."""
    verdict = judge(
        today=200,
        cycles_given=2,
        treatment_stopped=True,
        progressed=True,
        dlt=True,
        lowest_toxic_level=1,
        holds=("study",),
    )

    assert verdict.state is NEVER
    assert len(verdict.reasons) == 6
    assert "held" not in verdict.why


# What a protocol may decide otherwise


def test_a_protocol_may_allow_a_cycle_after_progression() -> None:
    """With PD eligible, progression excludes nobody."""
    rules = make_rules(eligible_responses=("PD", "SD"))

    assert judge(rules=rules, progressed=True, responses=(seen(30, "PD"),)).state is OFFER


@pytest.mark.parametrize("dlt", [None, True, False])
def test_a_protocol_may_allow_a_cycle_after_a_dlt(dlt: bool | None) -> None:
    """Then neither the open window nor a DLT stands in the way."""
    events = (event(1, dlt=True),)

    assert judge(rules=make_rules(no_dlt=False), dlt=dlt, events=events).state is OFFER


def test_a_protocol_may_look_for_the_product_later() -> None:
    """Without product_needed an empty bank does not delay the offer."""
    assert judge(rules=make_rules(product_needed=False), units_available=0).state is OFFER


# Not yet


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dlt": None}, "the DLT window is not judged yet"),
        ({"responses": ()}, "no tumour assessment since the last infusion, eligible: CR, PR, SD"),
        ({"responses": (seen(-1, "SD"),)}, "no tumour assessment since the last infusion, eligible: CR, PR, SD"),
        ({"responses": (seen(30, "NE"),)}, "the latest response is NE on 2026-04-15, eligible: CR, PR, SD"),
        (
            {"responses": (seen(35, "NE"), seen(30, "SD"))},
            "the latest response is NE on 2026-04-20, eligible: CR, PR, SD",
        ),
        (
            {"responses": (seen(30, "SD"), seen(30, "NE"))},
            "the latest response is NE on 2026-04-15, eligible: CR, PR, SD",
        ),
        ({"events": (event(2),)}, "Rash, related, still grade 2, at most 1 allowed"),
        ({"events": (event(3, now=2),)}, "Rash, related, still grade 2, at most 1 allowed"),
        ({"holds": ("study", "arm single")}, "held: study, arm single"),
        ({"units_available": 2}, "2 fitting units in the bank, 3 needed"),
    ],
)
def test_what_delays(changes: dict[str, object], reason: str) -> None:
    """An open window, a missing or other response, an unresolved event, a hold, the bank: one reason, and no day."""
    verdict = judge_retreatment(make_rules(), make_record(**changes), on_day(40))

    assert (verdict.state, verdict.reasons, verdict.next_on) == (NOT_YET, (reason,), None)
    assert verdict.judged_on == on_day(40)


@pytest.mark.parametrize(
    "changes",
    [
        {"responses": (seen(0, "CR"),)},
        {"responses": (seen(20, "NE"), seen(30, "PR"))},
        {"responses": (seen(30, "NE"), seen(30, "SD"))},
        {"events": (event(1),)},
        {"events": (event(4, related=False),)},
        {"events": (event(3, ended=39),)},
        {"events": (event(3, now=1),)},
        {"units_available": 4},
    ],
)
def test_what_does_not_delay(changes: dict[str, object]) -> None:
    """A scan on the day of the infusion, a later response, an unrelated or resolved event, more units than needed."""
    assert judge_retreatment(make_rules(), make_record(**changes), on_day(40)).state is OFFER


def test_an_event_counts_on_its_last_day() -> None:
    """Resolved on day 40, it delays on day 40 and no longer on day 41."""
    events = (event(3, ended=40),)

    assert judge(today=40, events=events).state is NOT_YET
    assert judge(today=41, events=events).state is OFFER


def test_all_that_delays_is_named_with_the_day() -> None:
    """Time gives the day, and everything else is told with it."""
    verdict = judge(today=10, dlt=None, responses=(), events=(event(2), event(3)), holds=("study",), units_available=0)

    assert (verdict.state, verdict.next_on) == (NOT_YET, on_day(28))
    assert [reason.split(",")[0].split(":")[0] for reason in verdict.reasons] == [
        "not before 2026-04-13",
        "no tumour assessment since the last infusion",
        "the DLT window is not judged yet",
        "Rash",
        "Rash",
        "held",
        "0 fitting units in the bank",
    ]


# Lymphodepletion


@pytest.mark.parametrize(
    ("infused", "repeat", "why"),
    [
        (13, False, "13 days after the lymphodepletion of 2026-03-16, not more than 14"),
        (14, False, "14 days after the lymphodepletion of 2026-03-16, not more than 14"),
        (15, True, "15 days after the lymphodepletion of 2026-03-16, more than 14"),
    ],
)
def test_lymphodepletion_is_repeated_after_a_longer_gap(infused: int, repeat: bool, why: str) -> None:
    """Day 14 is still covered by the last one, day 15 is not."""
    assert needs_lymphodepletion(make_rules(), LAST, on_day(infused)) == (repeat, why)


def test_lymphodepletion_is_given_when_none_is_on_record() -> None:
    """There is nothing to count from."""
    assert needs_lymphodepletion(make_rules(), None, LAST) == (True, "no lymphodepletion is on record")


# The rules and properties


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"minimum_days_since_last_infusion": 181}, "must not be above maximum_days_since_last_infusion"),
        ({"infusion_days": (1, 7)}, "must start at 0 and ascend"),
        ({"infusion_days": (0, 7, 7)}, "must start at 0 and ascend"),
    ],
)
def test_contradictions_in_the_rules_are_refused(changes: dict[str, object], message: str) -> None:
    """The window must be one, and the days a schedule."""
    with pytest.raises(ValidationError, match=message):
        make_rules(**changes)


def test_a_window_of_one_day_is_a_window() -> None:
    """The two limits may be the same day."""
    rules = make_rules(minimum_days_since_last_infusion=40, maximum_days_since_last_infusion=40)

    assert [judge(rules=rules, today=day).state for day in (39, 40, 41)] == [NOT_YET, OFFER, NEVER]


@given(
    today=st.integers(0, 250),
    cycles=st.integers(0, 3),
    response=st.sampled_from(["CR", "PR", "SD", "PD", "NE"]),
    dlt=st.sampled_from([None, True, False]),
    units=st.integers(0, 4),
    held=st.booleans(),
)
def test_a_cycle_is_offered_exactly_when_every_condition_is_met(
    today: int, cycles: int, response: ResponseCode, dlt: bool | None, units: int, held: bool
) -> None:
    """No condition outweighs another."""
    verdict = judge(
        today=today,
        cycles_given=cycles,
        responses=(seen(0, response),),
        dlt=dlt,
        units_available=units,
        holds=("study",) if held else (),
    )
    never = cycles >= 2 or response == "PD" or dlt is True or today > 180
    offer = not never and today >= 28 and response != "NE" and dlt is False and units >= 3 and not held

    assert (verdict.state is NEVER) == never
    assert (verdict.state is OFFER) == offer
