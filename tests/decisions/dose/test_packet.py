"""The safety review committee's packet: docs/domain.md, sections 3 and 4."""

import hashlib
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.dose.escalation import recommend, tally
from decisions.dose.packet import build_packet, packet_sha256, what_would_change_it
from schemas.base import Frozen
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import Disposition, DltStatus
from schemas.dose.packet import SafetyPacket, WhatIf
from schemas.safety.summary import DoseInfused, EventDlt, Finding, FiredRule, ReportedEvent, SafetySummary
from schemas.state.arm import ArmState, DecisionRecord, SlotRecord, SlotState
from tests.cli.packets import ARM, CONTEXT, DAY, RULES, make_event, rich_packet, rich_state, rich_summaries

NO_DLT, DLT, NOT_EVALUABLE = SlotState.NO_DLT, SlotState.DLT, SlotState.NOT_EVALUABLE
GIVEN, DOSED = SlotState.GIVEN, SlotState.DOSED
MORE, FEWER, LOST = WhatIf.ONE_MORE_DLT, WhatIf.ONE_DLT_FEWER, WhatIf.ONE_NOT_EVALUABLE
ESCALATE, EXPAND, STAY = DecisionAction.ESCALATE, DecisionAction.EXPAND, DecisionAction.STAY
DE_ESCALATE, STOP, DECLARE = DecisionAction.DE_ESCALATE, DecisionAction.STOP, DecisionAction.DECLARE_RP2D


def slots(level: int, *states: SlotState, first: int = 1, cohort: int = 1) -> tuple[SlotRecord, ...]:
    """Make slots of a level with these outcomes; subjects are numbered on from `first`."""
    return tuple(
        SlotRecord(subject=f"CN01-{number:03d}", cohort=cohort, level=level, state=state)
        for number, state in enumerate(states, start=first)
    )


def arm_at(level: int, *records: SlotRecord, cohort: int = 1) -> ArmState:
    """Make the arm at a level with these slots."""
    return ArmState(study="nk-01", arm=ARM.id, level=level, cohort=cohort, slots=records)


def summary(number: int, *, cohort: int = 1, day: int | None = 0, **changes: object) -> SafetySummary:
    """Make a summary of a participant dosed once, `day` days after the first day of the study."""
    zero = None if day is None else DAY + timedelta(days=day)
    doses = () if zero is None else (DoseInfused(infused_on=zero, million_cells=100, unit_id="U-1"),)
    good: dict[str, object] = {
        "subject": f"CN01-{number:03d}",
        "target": ("mesothelin",),
        "cohort": cohort,
        "level": 1,
        "million_cells": 100,
        "infusions": doses,
        "day_zero": zero,
    }
    return SafetySummary.model_validate(good | changes)


def packet_of(state: ArmState, *summaries: SafetySummary) -> SafetyPacket:
    """Build the packet of these participants."""
    return build_packet(RULES, ARM, state, {each.subject: each for each in summaries}, CONTEXT)


# What would change it

Answer = tuple[DecisionAction, int | None, bool]
BELOW = slots(1, NO_DLT, NO_DLT, NO_DLT, first=90)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        pytest.param(
            (NO_DLT, NO_DLT, NO_DLT),
            {MORE: (EXPAND, 2, True), LOST: (STAY, 2, True)},
            id="0 in 3 escalates, has no DLT to take away, and changes both ways",
        ),
        pytest.param(
            (DLT, NO_DLT, NO_DLT),
            {MORE: (DE_ESCALATE, 1, True), FEWER: (ESCALATE, 3, True), LOST: (STAY, 2, True)},
            id="1 in 3 expands, and each change says something else",
        ),
        pytest.param(
            (DLT, DLT, NO_DLT),
            {MORE: (DE_ESCALATE, 1, False), FEWER: (EXPAND, 2, True), LOST: (DE_ESCALATE, 1, False)},
            id="2 in 3 de-escalates, and only one fewer changes it",
        ),
        pytest.param(
            (DLT, DLT),
            {FEWER: (STAY, 2, True)},
            id="a participant with a DLT has no second one and is never replaced",
        ),
        pytest.param(
            (NO_DLT, NO_DLT, DOSED),
            {MORE: (EXPAND, 2, True), LOST: (STAY, 2, False)},
            id="who is in the window has the next DLT",
        ),
        pytest.param(
            (DOSED,),
            {MORE: (STAY, 2, False), LOST: (STAY, 2, False)},
            id="who is in the window may turn out not to be evaluable",
        ),
        pytest.param((GIVEN, NOT_EVALUABLE), {}, id="who was not dosed or does not count changes nothing"),
        pytest.param((), {}, id="nobody changes nothing"),
    ],
)
def test_each_small_change_shows_what_the_rule_would_say(
    outcomes: tuple[SlotState, ...], expected: dict[WhatIf, Answer]
) -> None:
    """One more DLT, one fewer, one not evaluable: action, level, and whether it differs from the recommendation."""
    found = what_would_change_it(RULES, ARM, arm_at(2, *BELOW, *slots(2, *outcomes)))

    assert {each.change: (each.action, each.level, each.differs) for each in found} == expected


@pytest.mark.parametrize(
    ("outcomes", "change", "counts"),
    [
        ((DLT, NO_DLT, NO_DLT), MORE, (3, 2, 0)),
        ((DLT, NO_DLT, NO_DLT), FEWER, (3, 0, 0)),
        ((DLT, NO_DLT, NO_DLT), LOST, (2, 1, 0)),
        ((NO_DLT, NO_DLT, DOSED), MORE, (3, 1, 0)),
        ((NO_DLT, NO_DLT, DOSED), LOST, (1, 0, 1)),
    ],
)
def test_a_change_shows_the_counts_it_would_leave(
    outcomes: tuple[SlotState, ...], change: WhatIf, counts: tuple[int, int, int]
) -> None:
    """Evaluable, DLTs and pending at the current level, and the rule's own reason on them."""
    found = {each.change: each for each in what_would_change_it(RULES, ARM, arm_at(2, *BELOW, *slots(2, *outcomes)))}

    assert (found[change].tally.evaluable, found[change].tally.dlts, found[change].tally.pending) == counts
    assert found[change].tally.level == 2
    assert f"level 2 has {counts[1]} DLT" in found[change].why


def test_a_change_of_the_level_alone_differs() -> None:
    """The action may stay while the level changes: de-escalation to another level is another recommendation."""
    below = (*slots(1, NO_DLT, NO_DLT, NO_DLT, first=80), *slots(2, *[NO_DLT] * 5, DLT, first=90))
    state = arm_at(3, *slots(1, NO_DLT, NO_DLT, NO_DLT, first=80), *slots(2, DLT, DLT, first=90), *slots(3, NO_DLT))

    found = what_would_change_it(RULES, ARM, arm_at(3, *below, *slots(3, DLT, NO_DLT, NO_DLT)))

    assert [(each.action, each.level, each.differs) for each in found] == [
        (DECLARE, 2, True),
        (ESCALATE, 4, True),
        (STAY, 3, True),
    ]
    assert [each.differs for each in what_would_change_it(RULES, ARM, state)] == [False, False]


def test_stopping_leads_to_no_level() -> None:
    """With a second DLT at the lowest level the arm stops."""
    found = what_would_change_it(RULES, ARM, arm_at(1, *slots(1, DLT, NO_DLT, NO_DLT)))

    assert (found[0].action, found[0].level, found[0].differs) == (STOP, None, True)


@given(st.lists(st.sampled_from(SlotState), max_size=8), st.lists(st.sampled_from(SlotState), max_size=8))
def test_one_change_moves_one_participant(below: list[SlotState], here: list[SlotState]) -> None:
    """Every change keeps whom the level has treated, and moves DLTs and evaluable by one at most."""
    state = arm_at(2, *slots(1, *below, first=50), *slots(2, *here))
    before, now = tally(state, 2), recommend(RULES, ARM, state)

    for supposed in what_would_change_it(RULES, ARM, state):
        after = supposed.tally
        moved = {MORE: 1, FEWER: -1, LOST: 0}[supposed.change]
        assert after.dlts - before.dlts == moved
        assert abs(after.evaluable - before.evaluable) <= 1
        assert supposed.differs == ((supposed.action, supposed.level) != (now.action, now.level))


# The packet


def test_the_packet_says_what_it_is_about() -> None:
    """Study, arm, cohort, level, phase, protocol, the rule's numbers, and what the rule recommends now."""
    packet = rich_packet()

    assert (packet.study, packet.arm, packet.cohort, packet.level) == ("nk-01", "single-target", 4, 3)
    assert (packet.phase, packet.protocol, packet.rules) == ("Phase 1", CONTEXT.protocol, RULES)
    assert (packet.dlt_window_days, packet.planned_infusions) == (28, 3)
    assert (packet.recommendation.action, packet.recommendation.level) == (EXPAND, 3)
    assert packet.recommendation.why == "level 3 has 1 DLT in 3 evaluable: 6 evaluable are needed before going on"
    assert [each.change for each in packet.what_would_change_it] == [MORE, FEWER, LOST]
    assert packet.decisions == rich_state().decisions
    assert (packet.holds, packet.fired, packet.reopened, packet.awaited) == ((), (), (), ())


def test_holds_fired_rules_and_findings_are_told() -> None:
    """What stops the arm, and why an earlier decision was reopened, stand in the packet."""
    fired = (FiredRule(rule="deaths", why="2 of 9"),)
    reopened = (Finding(cohort=2, about="CN01-006", known_then="no DLT", known_now="DLT"),)
    context = CONTEXT.model_copy(update={"fired": fired, "reopened": reopened})
    state = rich_state().model_copy(update={"holds": ("study",)})

    packet = build_packet(RULES, ARM, state, rich_summaries(), context)

    assert (packet.holds, packet.fired, packet.reopened) == (("study",), fired, reopened)


def test_this_cohort_comes_first() -> None:
    """Then the others by cohort; within one by day 0, then by subject; without a day 0 at its end."""
    records = (*slots(1, *[NO_DLT] * 4, cohort=1), *slots(1, *[NO_DLT] * 4, first=5, cohort=2))
    people = (
        summary(1, cohort=1, day=9),
        summary(2, cohort=1, day=3),
        summary(3, cohort=1, day=3),
        summary(4, cohort=1, day=None),
        summary(8, cohort=2, day=20),
        summary(7, cohort=2, day=30),
        summary(6, cohort=3, day=1),
    )
    state = arm_at(1, *records, cohort=2)

    assert [each.subject[-1] for each in packet_of(state, *people).participants] == list("8723146")
    assert packet_of(state, *people) == packet_of(state, *reversed(people))


@pytest.mark.parametrize("state", [DOSED, DLT, NO_DLT])
def test_who_was_dosed_is_in_or_awaited(state: SlotState) -> None:
    """A dosed participant without a summary is named: the packet is never incomplete in silence."""
    arm = arm_at(1, *slots(1, state, state))

    packet = packet_of(arm, summary(2))

    assert [each.subject for each in packet.participants] == ["CN01-002"]
    assert packet.awaited == ("CN01-001",)


def test_those_awaited_are_named_in_order() -> None:
    """By subject, each once."""
    records = (*slots(1, DOSED, first=7), *slots(1, NO_DLT, first=3), *slots(2, DLT, first=5))

    assert packet_of(arm_at(1, *records)).awaited == ("CN01-003", "CN01-005", "CN01-007")


@pytest.mark.parametrize("state", [GIVEN, NOT_EVALUABLE])
def test_who_was_not_dosed_is_left_out(state: SlotState) -> None:
    """Neither listed nor awaited: outside the DLT set (docs/domain.md, section 3)."""
    packet = packet_of(arm_at(1, *slots(1, state)), summary(1, day=None))

    assert (packet.participants, packet.awaited) == ((), ())


@pytest.mark.parametrize("state", [GIVEN, NOT_EVALUABLE])
def test_a_first_dose_shows_that_somebody_was_dosed(state: SlotState) -> None:
    """By the slot's date, or by the summary's infusions before the arm has heard of the dose."""
    (record,) = slots(1, state)
    dated = record.model_copy(update={"first_infused_on": DAY})

    assert [each.subject for each in packet_of(arm_at(1, record), summary(1)).participants] == ["CN01-001"]
    assert [each.subject for each in packet_of(arm_at(1, dated), summary(1, day=None)).participants] == ["CN01-001"]
    assert packet_of(arm_at(1, dated)).awaited == ("CN01-001",)


def test_who_never_had_a_slot_is_left_out() -> None:
    """Summaries of other people do not belong to the arm's packet."""
    packet = packet_of(arm_at(1, *slots(1, NO_DLT)), summary(1), summary(2))

    assert [each.subject for each in packet.participants] == ["CN01-001"]


def test_two_slots_are_one_participant() -> None:
    """Who gave a slot back and came again is listed once."""
    packet = packet_of(arm_at(1, *slots(1, NOT_EVALUABLE), *slots(1, NO_DLT)), summary(1))

    assert [each.subject for each in packet.participants] == ["CN01-001"]


def test_levels_show_all_slots_that_count() -> None:
    """Every level with its dose, its counts and its slots in their order; those given back undosed are left out."""
    undosed, treated = slots(1, NOT_EVALUABLE, NOT_EVALUABLE)
    treated = treated.model_copy(update={"first_infused_on": DAY})
    rest = slots(1, DLT, GIVEN, DOSED, NO_DLT, first=3)
    above = slots(2, GIVEN, first=9)

    levels = packet_of(arm_at(1, undosed, treated, *rest, *above)).levels

    assert [(each.level, each.million_cells) for each in levels] == [(1, 100), (2, 300), (3, 1000), (4, 3000)]
    assert [each.tally.level for each in levels] == [1, 2, 3, 4]
    assert [each.slots for each in levels] == [(treated, *rest), above, (), ()]
    assert (levels[0].tally.treated, levels[0].tally.evaluable, levels[0].tally.dlts) == (4, 2, 1)
    assert levels[1].tally.pending == 1


def test_data_reach_to_the_last_day_seen() -> None:
    """Of anybody; none while nobody was seen."""
    state = arm_at(1, *slots(1, NO_DLT, NO_DLT, NO_DLT))
    seen = (summary(1, follow_up_until=date(2026, 5, 1)), summary(2, follow_up_until=date(2026, 4, 1)), summary(3))

    assert packet_of(state, *seen).data_until == date(2026, 5, 1)
    assert packet_of(state, summary(3)).data_until is None


# Events


@pytest.mark.parametrize(
    ("grade", "computed", "severe"),
    [(2, None, False), (3, None, True), (2, 2, False), (2, 3, True), (3, 2, True), (1, 0, False), (5, 5, True)],
)
def test_severe_is_grade_3_by_either_grade(grade: int, computed: int | None, severe: bool) -> None:
    """Grade 3 is in, grade 2 is not; what the grading rules compute counts as well as what was reported."""
    event = make_event(1, "Nausea", grade, DAY, computed_grade=computed)
    packet = packet_of(arm_at(1, *slots(1, NO_DLT)), summary(1, events=(event,)))

    assert event.severe is severe
    assert [found.event for found in packet.severe_events] == ([event] if severe else [])
    assert packet.dose_limiting == ()


@pytest.mark.parametrize(
    ("dlt", "listed", "still_open"),
    [
        (EventDlt.NONE, False, False),
        (EventDlt.PENDING, True, True),
        (EventDlt.CANDIDATE, True, True),
        (EventDlt.CONFIRMED, True, False),
        (EventDlt.REJECTED, True, False),
    ],
)
def test_every_candidate_is_listed_whatever_became_of_it(dlt: EventDlt, listed: bool, still_open: bool) -> None:
    """Open are those pending or not judged yet; the grade does not matter."""
    event = make_event(1, "Nausea", 1, DAY, dlt=dlt)
    packet = packet_of(arm_at(1, *slots(1, NO_DLT)), summary(1, events=(event,)))

    assert [found.event for found in packet.dose_limiting] == ([event] if listed else [])
    assert [found.event for found in packet.open_candidates] == ([event] if still_open else [])
    assert packet.severe_events == ()


def test_events_stand_in_order_with_their_day() -> None:
    """By participant, then onset, then record; days count from day 0, and below it they are negative."""
    state = arm_at(2, *slots(1, NO_DLT, NO_DLT), cohort=2)
    early = make_event(9, "Nausea", 3, DAY - timedelta(days=2))
    same_day = (make_event(3, "Anaemia", 3, DAY), make_event(2, "Fever", 4, DAY))
    late = make_event(1, "Rash", 3, DAY + timedelta(days=12))
    people = (
        summary(1, cohort=1, events=(late, *same_day, early), level=1),
        summary(2, cohort=2, day=5, events=(late,), level=2),
    )

    found = packet_of(state, *people).severe_events

    assert [(each.subject, each.event.term, each.day) for each in found] == [
        ("CN01-002", "Rash", 7),
        ("CN01-001", "Nausea", -2),
        ("CN01-001", "Fever", 0),
        ("CN01-001", "Anaemia", 0),
        ("CN01-001", "Rash", 12),
    ]
    assert [(each.cohort, each.level) for each in found] == [(2, 2), (1, 1), (1, 1), (1, 1), (1, 1)]


def test_without_a_day_0_an_event_has_no_day() -> None:
    """Whoever was dosed by the arm's account alone."""
    packet = packet_of(arm_at(1, *slots(1, DOSED)), summary(1, day=None, events=(make_event(1, "Rash", 3, DAY),)))

    assert packet.severe_events[0].day is None


# The hash


def test_the_hash_is_over_canonical_json() -> None:
    """Sorted keys, no white space, nothing for what is none, letters as they are: anybody can compute it again."""
    state = arm_at(1)
    packet = build_packet(RULES, ARM, state, {}, CONTEXT.model_copy(update={"phase": "I期", "dlt_window_days": None}))
    start = '{"arm":"single-target","awaited":[],"cohort":1,"decisions":[],"dose_limiting":[],"fired":[],"holds":[],'
    tallies = ",".join(f'{{"dlts":0,"evaluable":0,"level":{level},"pending":0,"treated":0}}' for level in range(1, 5))
    levels = ",".join(
        f'{{"level":{level},"million_cells":{dose},"slots":[],'
        f'"tally":{{"dlts":0,"evaluable":0,"level":{level},"pending":0,"treated":0}}}}'
        for level, dose in ((1, "100.0"), (2, "300.0"), (3, "1000.0"), (4, "3000.0"))
    )
    protocol = f'{{"id":"car-nk-platform","sha256":"{"3fa9" * 16}","version":"1.0"}}'
    advice = f'{{"action":"stay","level":1,"tallies":[{tallies}],"why":"{packet.recommendation.why}"}}'
    rules = (
        '{"cohort_size":3,"expanded_size":6,"require_expanded_cohort_for_rp2d":true,'
        '"stagger_days":14,"toxic_at_dlts":2}'
    )
    written = (
        f'{start}"level":1,"levels":[{levels}],"participants":[],"phase":"I期","planned_infusions":3,'
        f'"protocol":{protocol},"recommendation":{advice},"reopened":[],"rules":{rules},"severe_events":[],'
        '"study":"nk-01","what_would_change_it":[]}'
    )

    assert packet_sha256(packet) == hashlib.sha256(written.encode()).hexdigest()


def test_the_hash_survives_transport() -> None:
    """A packet that was written and read again has the hash that was signed."""
    packet = rich_packet()

    assert packet_sha256(SafetyPacket.model_validate_json(packet.model_dump_json())) == packet_sha256(packet)
    assert packet_sha256(packet) == packet_sha256(rich_packet())


def changed_event(**changes: object) -> dict[str, SafetySummary]:
    """Make the rich packet's summaries with another first event of CN01-001."""
    summaries = rich_summaries()
    first, *rest = summaries["CN01-001"].events
    events = (ReportedEvent.model_validate(first.model_dump() | changes), *rest)
    return summaries | {"CN01-001": summaries["CN01-001"].model_copy(update={"events": events})}


def changed_summary(**changes: object) -> dict[str, SafetySummary]:
    """Make the rich packet's summaries with another CN01-001."""
    summaries = rich_summaries()
    return summaries | {"CN01-001": summaries["CN01-001"].model_copy(update=changes)}


@pytest.mark.parametrize(
    "summaries",
    [
        changed_event(grade=3),
        changed_event(version=2),
        changed_event(onset_on=DAY - timedelta(days=3)),
        changed_event(ended_on=None),
        changed_event(related=False),
        changed_event(serious=True),
        changed_event(dlt=EventDlt.PENDING),
        changed_event(computed_grade=4),
        changed_summary(dlt=DltStatus.DLT),
        changed_summary(ended=Disposition.WITHDRAWN),
        changed_summary(follow_up_until=DAY),
        changed_summary(infusions=()),
        changed_summary(events=()),
        {},
    ],
)
def test_any_change_of_data_changes_the_hash(summaries: dict[str, SafetySummary]) -> None:
    """What was signed cannot be said of other data."""
    assert packet_sha256(build_packet(RULES, ARM, rich_state(), summaries, CONTEXT)) != packet_sha256(rich_packet())


@pytest.mark.parametrize(
    "changes",
    [
        {"holds": ("study",)},
        {"decisions": ()},
        {"cohort": 5},
        {"level": 2},
        {"slots": rich_state().slots[:-1]},
    ],
)
def test_any_change_of_the_arm_changes_the_hash(changes: dict[str, object]) -> None:
    """So do the arm's counts, holds and decisions."""
    state = rich_state().model_copy(update=changes)

    assert packet_sha256(build_packet(RULES, ARM, state, rich_summaries(), CONTEXT)) != packet_sha256(rich_packet())


def test_what_the_arm_does_not_count_leaves_the_hash() -> None:
    """The queue, tasks and the order of the summaries are no data of the decision."""
    state = rich_state().model_copy(update={"queue": ("CN01-050",), "tasks_opened": 7, "stagger_cleared": True})
    backwards = dict(reversed(rich_summaries().items()))

    assert packet_sha256(build_packet(RULES, ARM, state, backwards, CONTEXT)) == packet_sha256(rich_packet())


def test_a_decision_is_data() -> None:
    """Who decided what, and when, is under the hash."""
    state = rich_state()
    moved = tuple(
        DecisionRecord.model_validate(made.model_dump() | {"decided_at": datetime(2026, 1, 1, tzinfo=UTC)})
        for made in state.decisions
    )
    other = state.model_copy(update={"decisions": moved})

    assert packet_sha256(build_packet(RULES, ARM, other, rich_summaries(), CONTEXT)) != packet_sha256(rich_packet())


# The models


@pytest.mark.parametrize(
    ("good", "changes"),
    [
        (make_event(1, "Nausea", 3, DAY), {"grade": 0}),
        (make_event(1, "Nausea", 3, DAY), {"grade": 6}),
        (make_event(1, "Nausea", 3, DAY), {"computed_grade": -1}),
        (make_event(1, "Nausea", 3, DAY), {"computed_grade": 6}),
        (make_event(1, "Nausea", 3, DAY), {"version": 0}),
        (summary(1), {"target": ()}),
        (summary(1), {"million_cells": 0}),
        (summary(1), {"cohort": 0}),
        (summary(1), {"level": 0}),
        (summary(1), {"subject": "Jane"}),
    ],
)
def test_what_cannot_be_is_refused(good: Frozen, changes: dict[str, object]) -> None:
    """Grades are 1-5, versions and levels count from 1, and a subject is a pseudonym."""
    with pytest.raises(ValidationError, match=next(iter(changes))):
        type(good).model_validate(good.model_dump() | changes)
