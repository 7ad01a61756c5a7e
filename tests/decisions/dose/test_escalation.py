"""3+3: every row of the docs/domain.md, section 4, and random trials that drive the fold and the rules together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from itertools import product
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from decisions.dose.committee_decision import check_decision
from decisions.dose.escalation import (
    closes_arm,
    decision_due,
    exposure,
    free_slots,
    is_toxic,
    level_capacity,
    lowest_toxic_level,
    next_subject,
    recommend,
    resulting_level,
    tallies,
    tally,
)
from decisions.state.arm import apply_arm, open_arm
from schemas import facts as f
from schemas.base import Role
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import DltStatus
from schemas.problem import Problem, ProblemType
from schemas.protocol import Arm, ArmKind, DoseLevel, Escalation
from schemas.state.arm import ArmState, ArmStatus, LevelTally, Recommendation, SlotRecord, SlotState
from schemas.state.participant import Slot

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY = date(2026, 3, 2)
SYSTEM: dict[str, Any] = {"at": NOW, "who": "system", "role": Role.SYSTEM, "why": "test"}
NOISE = 8
RARELY = 0.1
ESCALATE, EXPAND, STAY = DecisionAction.ESCALATE, DecisionAction.EXPAND, DecisionAction.STAY
DE_ESCALATE, STOP, DECLARE = DecisionAction.DE_ESCALATE, DecisionAction.STOP, DecisionAction.DECLARE_RP2D


def make_rules(**changes: int | bool) -> Escalation:
    """Make the classic 3+3 rules, with changes."""
    classic: dict[str, int | bool] = {
        "cohort_size": 3,
        "expanded_size": 6,
        "toxic_at_dlts": 2,
        "stagger_days": 14,
        "require_expanded_cohort_for_rp2d": True,
    }
    return Escalation.model_validate(classic | changes)


def make_arm(levels: int = 3) -> Arm:
    """Make a single-target arm with that many dose levels."""
    doses = tuple(DoseLevel(level=level, million_cells=100.0 * level) for level in range(1, levels + 1))
    targets = (("mesothelin",),)
    return Arm.model_validate(
        {"id": "single", "kind": ArmKind.SINGLE, "targets": targets, "dose_levels": doses, "start_level": 1}
    )


def make_state(
    level: int = 1,
    counts: dict[int, tuple[int, int]] | None = None,
    *,
    states: tuple[SlotState, ...] = (),
    **changes: object,
) -> ArmState:
    """Make an arm at a level, with `counts` of (evaluable, DLTs) by level, and `states` in the current cohort."""
    slots = []
    for at, (evaluable, dlts) in (counts or {}).items():
        outcomes = [SlotState.DLT] * dlts + [SlotState.NO_DLT] * (evaluable - dlts)
        slots += [(at, outcome) for outcome in outcomes]
    slots += [(level, state) for state in states]
    records = tuple(
        SlotRecord(subject=f"CN01-{number:03d}", cohort=1, level=at, state=state)
        for number, (at, state) in enumerate(slots, start=1)
    )
    base = ArmState(study="study", arm="single", level=level, slots=records, stagger_cleared=True)
    return base.model_copy(update=changes)


CLASSIC = make_rules()
LENIENT = make_rules(require_expanded_cohort_for_rp2d=False)


@dataclass(frozen=True)
class Row:
    """One row of the 3+3 table: the counts by level, where the arm stands, and what follows."""

    says: str
    level: int
    counts: dict[int, tuple[int, int]]
    action: DecisionAction
    leads_to: int | None
    rules: Escalation = field(default=CLASSIC)


ROWS = [
    Row("2 DLTs in 2 are toxic before the cohort is full", 2, {1: (3, 0), 2: (2, 2)}, DE_ESCALATE, 1),
    Row("2 in 3 de-escalate", 2, {1: (3, 0), 2: (3, 2)}, DE_ESCALATE, 1),
    Row("3 in 3 de-escalate", 2, {1: (3, 0), 2: (3, 3)}, DE_ESCALATE, 1),
    Row("2 in 6 de-escalate", 2, {1: (3, 0), 2: (6, 2)}, DE_ESCALATE, 1),
    Row("fewer than 3 wait", 1, {1: (2, 0)}, STAY, 1),
    Row("fewer than 3 with a DLT wait", 1, {1: (2, 1)}, STAY, 1),
    Row("nobody yet waits", 1, {}, STAY, 1),
    Row("0 in 3 escalate", 1, {1: (3, 0)}, ESCALATE, 2),
    Row("1 in 3 expands", 1, {1: (3, 1)}, EXPAND, 1),
    Row("0 in 4, over-enrolled, escalates", 1, {1: (4, 0)}, ESCALATE, 2),
    Row("0 in 5, over-enrolled, escalates", 1, {1: (5, 0)}, ESCALATE, 2),
    Row("1 in 4 fills to 6", 1, {1: (4, 1)}, EXPAND, 1),
    Row("1 in 5 fills to 6", 1, {1: (5, 1)}, EXPAND, 1),
    Row("0 in 6 escalates", 1, {1: (6, 0)}, ESCALATE, 2),
    Row("1 in 6 escalates", 1, {1: (6, 1)}, ESCALATE, 2),
    Row("1 in 7 escalates", 1, {1: (7, 1)}, ESCALATE, 2),
    Row("a toxic lowest level stops the arm", 1, {1: (3, 2)}, STOP, None),
    Row("a toxic lowest level stops after 6 too", 1, {1: (6, 2)}, STOP, None),
    Row("a full lower level is the RP2D at once", 2, {1: (6, 1), 2: (3, 2)}, DECLARE, 1),
    Row("a lower level with 5 is filled", 2, {1: (5, 0), 2: (3, 2)}, DE_ESCALATE, 1),
    Row("below a toxic level 3 comes level 2", 3, {1: (3, 0), 2: (3, 0), 3: (2, 2)}, DE_ESCALATE, 2),
    Row("a toxic lower level is passed over", 3, {1: (3, 0), 2: (6, 2), 3: (3, 2)}, DE_ESCALATE, 1),
    Row("a late DLT below makes this level toxic too", 3, {1: (3, 0), 2: (3, 2), 3: (1, 0)}, DE_ESCALATE, 1),
    Row("a late DLT at the lowest level stops the arm", 3, {1: (3, 2), 2: (3, 0), 3: (3, 0)}, STOP, None),
    Row("1 in 6 below a toxic level is the RP2D", 1, {1: (6, 1), 2: (3, 2)}, DECLARE, 1),
    Row("0 in 3 below a toxic level expands", 1, {1: (3, 0), 2: (3, 2)}, EXPAND, 1),
    Row("0 in 3 at the top expands", 3, {3: (3, 0)}, EXPAND, 3),
    Row("1 in 3 at the top expands", 3, {3: (3, 1)}, EXPAND, 3),
    Row("0 in 6 at the top is the RP2D", 3, {3: (6, 0)}, DECLARE, 3),
    Row("1 in 6 at the top is the RP2D", 3, {3: (6, 1)}, DECLARE, 3),
    Row("without the requirement, 0 in 3 at the top is the RP2D", 3, {3: (3, 0)}, DECLARE, 3, LENIENT),
    Row("without the requirement, 1 in 3 at the top still expands", 3, {3: (3, 1)}, EXPAND, 3, LENIENT),
    Row(
        "without the requirement, a lower level of 3 is still filled",
        2,
        {1: (3, 0), 2: (3, 2)},
        DE_ESCALATE,
        1,
        LENIENT,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_the_rule_recommends_what_section_4_says(row: Row) -> None:
    """Each row of the docs/domain.md, section 4, and each of their edges, gives its action and level."""
    recommendation = recommend(row.rules, make_arm(), make_state(row.level, row.counts))

    assert (recommendation.action, recommendation.level) == (row.action, row.leads_to)


@pytest.mark.parametrize(
    ("level", "counts", "why"),
    [
        (1, {1: (2, 1)}, "level 1 has 1 DLT in 2 evaluable: fewer than the 3 of a cohort"),
        (1, {1: (3, 0)}, "level 1 has 0 DLTs in 3 evaluable: fewer than 2 DLTs, level 2 comes next"),
        (1, {1: (3, 1)}, "level 1 has 1 DLT in 3 evaluable: 6 evaluable are needed before going on"),
        (
            1,
            {1: (3, 0), 2: (3, 2)},
            "level 1 has 0 DLTs in 3 evaluable, level 2 is toxic: an RP2D needs 6 evaluable",
        ),
        (
            1,
            {1: (6, 1), 2: (3, 2)},
            "level 1 has 1 DLT in 6 evaluable, level 2 is toxic: the highest level with fewer than 2 DLTs",
        ),
        (3, {3: (3, 0)}, "level 3 has 0 DLTs in 3 evaluable, no higher dose level: an RP2D needs 6 evaluable"),
        (
            3,
            {3: (6, 1)},
            "level 3 has 1 DLT in 6 evaluable, no higher dose level: the highest level with fewer than 2 DLTs",
        ),
        (1, {1: (3, 2)}, "level 1 has 2 DLTs in 3 evaluable: toxic at 2, and there is no lower dose level"),
        (
            2,
            {1: (6, 1), 2: (3, 3)},
            "level 2 has 3 DLTs in 3 evaluable: toxic at 2; level 1 has 1 DLT in 6 evaluable: enough to declare it",
        ),
        (
            3,
            {1: (3, 0), 2: (3, 2), 3: (1, 0)},
            (
                "level 2 has 2 DLTs in 3 evaluable: toxic at 2; "
                "level 1 has 0 DLTs in 3 evaluable: fill it to 6 evaluable"
            ),
        ),
    ],
)
def test_a_recommendation_says_which_row_of_the_table_it_is(
    level: int, counts: dict[int, tuple[int, int]], why: str
) -> None:
    """The sentence names the level that decided, its DLTs and evaluable, and what the rule makes of them."""
    assert recommend(CLASSIC, make_arm(), make_state(level, counts)).why == why


def test_a_recommendation_names_its_counts() -> None:
    """The committee reads on which counts the rule stands, and gets the tallies of all levels."""
    recommendation = recommend(CLASSIC, make_arm(), make_state(2, {1: (3, 0), 2: (3, 1)}))

    assert "level 2 has 1 DLT in 3 evaluable" in recommendation.why
    assert [counts.evaluable for counts in recommendation.tallies] == [3, 3, 0]


def test_thresholds_come_from_the_protocol() -> None:
    """With cohorts of 2, expanded to 4, toxic at 1 DLT, the same counts lead elsewhere."""
    rules = make_rules(cohort_size=2, expanded_size=4, toxic_at_dlts=1)

    assert recommend(rules, make_arm(), make_state(1, {1: (2, 0)})).action is ESCALATE
    assert recommend(rules, make_arm(), make_state(1, {1: (2, 1)})).action is STOP
    assert recommend(rules, make_arm(), make_state(3, {3: (2, 0)})).action is EXPAND
    assert recommend(rules, make_arm(), make_state(3, {3: (4, 0)})).action is DECLARE


# Counts


def test_a_tally_counts_each_state_of_a_slot() -> None:
    """Given and dosed are pending; DLT and no DLT are evaluable; the dosed stay treated when not evaluable."""
    state = make_state(states=tuple(SlotState))
    treated_but_lost = SlotRecord(
        subject="CN01-009", cohort=1, level=1, state=SlotState.NOT_EVALUABLE, first_infused_on=DAY
    )
    state = state.model_copy(update={"slots": (*state.slots, treated_but_lost)})

    assert tally(state, 1) == LevelTally(level=1, treated=4, evaluable=2, dlts=1, pending=2)


def test_a_level_counts_over_its_cohorts() -> None:
    """Two cohorts at one level are one count; another level's are not."""
    first = SlotRecord(subject="CN01-001", cohort=1, level=1, state=SlotState.DLT)
    second = SlotRecord(subject="CN01-002", cohort=2, level=1, state=SlotState.NO_DLT)
    other = SlotRecord(subject="CN01-003", cohort=3, level=2, state=SlotState.DOSED)
    state = make_state(slots=(first, second, other))

    assert [(counts.evaluable, counts.dlts, counts.pending) for counts in tallies(state, make_arm())] == [
        (2, 1, 0),
        (0, 0, 1),
        (0, 0, 0),
    ]


def test_levels_above_a_toxic_one_are_toxic() -> None:
    """A dose is taken to be no less toxic than a lower one."""
    state = make_state(1, {1: (3, 1), 2: (3, 2)})

    assert lowest_toxic_level(CLASSIC, state) == 2
    assert [is_toxic(CLASSIC, state, level) for level in (1, 2, 3)] == [False, True, True]


# Slots

GIVEN, DOSED, DLT = SlotState.GIVEN, SlotState.DOSED, SlotState.DLT
NO_DLT, NOT_EVALUABLE = SlotState.NO_DLT, SlotState.NOT_EVALUABLE


@pytest.mark.parametrize(
    ("states", "free"),
    [
        ((), 3),
        ((GIVEN,), 2),
        ((DOSED, DOSED, GIVEN), 0),
        ((NO_DLT, NO_DLT, DOSED), 0),
        ((NO_DLT, DLT, NOT_EVALUABLE), 1),
        ((NO_DLT, NO_DLT, NO_DLT, NO_DLT), 0),
        ((DLT, DLT), 0),
    ],
)
def test_slots_are_what_the_cohort_leaves(states: tuple[SlotState, ...], free: int) -> None:
    """Never a 4th slot while 3 are pending or evaluable; who is not evaluable is replaced; a toxic level gives none."""
    assert free_slots(CLASSIC, make_state(states=states)) == free


def test_an_expanded_level_has_more_slots() -> None:
    """After expansion the level takes six in all."""
    state = make_state(1, {1: (3, 1)}, expanded_levels=(1,))

    assert level_capacity(CLASSIC, state, 1) == 6
    assert free_slots(CLASSIC, state) == 3


def test_no_slots_while_held_waiting_or_closed() -> None:
    """A hold, an open question to the committee and a closed arm each stop new slots."""
    assert free_slots(CLASSIC, make_state(holds=("study",))) == 0
    assert free_slots(CLASSIC, make_state(status=ArmStatus.DECISION_DUE)) == 0
    assert free_slots(CLASSIC, make_state(status=ArmStatus.CLOSED)) == 0


def test_no_slots_above_a_level_that_became_toxic() -> None:
    """A late DLT below stops the level above at once."""
    assert free_slots(CLASSIC, make_state(2, {1: (3, 2), 2: (1, 0)})) == 0


@pytest.mark.parametrize(
    ("states", "free"),
    [((), 1), ((GIVEN,), 0), ((DOSED,), 0), ((NOT_EVALUABLE,), 1), ((DLT,), 1), ((NOT_EVALUABLE, DOSED), 0)],
)
def test_the_first_of_a_cohort_goes_alone(states: tuple[SlotState, ...], free: int) -> None:
    """Until the first was observed for the stagger one holds a slot; when that one drops out the next is the first."""
    assert free_slots(CLASSIC, make_state(states=states, stagger_cleared=False)) == free


def test_a_new_cohort_at_the_same_level_is_staggered_again() -> None:
    """Participants of an earlier cohort neither hold nor clear the stagger of the present one."""
    state = make_state(1, {1: (3, 1)}, cohort=2, expanded_levels=(1,), stagger_cleared=False)

    assert free_slots(CLASSIC, state) == 1


def test_without_a_stagger_all_go_at_once() -> None:
    """A protocol with no stagger gives the whole cohort its slots."""
    assert free_slots(make_rules(stagger_days=0), make_state(stagger_cleared=False)) == 3


def test_the_first_in_the_queue_is_next() -> None:
    """Slots go by order of asking, and to nobody when none is free."""
    state = make_state(queue=("CN01-008", "CN01-009"))

    assert next_subject(CLASSIC, state) == "CN01-008"
    assert next_subject(CLASSIC, make_state()) is None
    assert next_subject(CLASSIC, state.model_copy(update={"holds": ("study",)})) is None


# When a decision is due


@pytest.mark.parametrize(
    ("states", "due"),
    [
        ((), False),
        ((NO_DLT, NO_DLT), False),
        ((NO_DLT, NO_DLT, DOSED), False),
        ((NO_DLT, NO_DLT, NO_DLT), True),
        ((NO_DLT, NO_DLT, NOT_EVALUABLE), False),
        ((DLT, DLT), True),
        ((DLT, DLT, DOSED), False),
        ((DLT, DLT, GIVEN), False),
    ],
)
def test_a_decision_waits_for_every_window(states: tuple[SlotState, ...], due: bool) -> None:
    """The committee is asked once the cohort is full or toxic and nobody is pending."""
    assert decision_due(CLASSIC, make_state(states=states)) is due


def test_an_expanded_level_waits_for_all_six() -> None:
    """After expansion there is no decision until all are resolved."""
    assert not decision_due(CLASSIC, make_state(1, {1: (5, 1)}, expanded_levels=(1,)))
    assert decision_due(CLASSIC, make_state(1, {1: (6, 1)}, expanded_levels=(1,)))


def test_the_committee_is_asked_once() -> None:
    """While it is asked, or after the arm closed, no further question is due."""
    assert not decision_due(CLASSIC, make_state(1, {1: (3, 0)}, status=ArmStatus.DECISION_DUE))
    assert not decision_due(CLASSIC, make_state(1, {1: (3, 0)}, status=ArmStatus.CLOSED))


# What the committee may decide


def decide(
    state: ArmState,
    action: DecisionAction,
    level: int | None = None,
    *,
    reason: str | None = "SRC minutes 4",
    rules: Escalation = CLASSIC,
) -> ProblemType | None:
    """Check a decision on the arm's present cohort; return the kind of problem."""
    problem = check_decision(rules, make_arm(), state, cohort=state.cohort, action=action, level=level, reason=reason)
    return None if problem is None else problem.type


LESS = ProblemType.LESS_CAUTIOUS_THAN_RULE
RANGE = ProblemType.OUT_OF_RANGE
CLEAN_AT_2 = make_state(2, {1: (6, 1), 2: (3, 0)})
ONE_DLT_AT_2 = make_state(2, {1: (3, 0), 2: (3, 1)})
TOXIC_AT_2 = make_state(2, {1: (3, 0), 2: (3, 2)})
TOXIC_ABOVE_FULL = make_state(2, {1: (6, 1), 2: (3, 2)})
TOXIC_AT_1 = make_state(1, {1: (3, 2)})
FULL_AT_TOP = make_state(3, {1: (3, 0), 2: (6, 1), 3: (6, 1)}, expanded_levels=(2, 3))


@pytest.mark.parametrize(
    ("state", "action", "level", "problem"),
    [
        (CLEAN_AT_2, ESCALATE, 3, None),
        (CLEAN_AT_2, EXPAND, 2, None),
        (CLEAN_AT_2, STAY, 2, None),
        (CLEAN_AT_2, DECLARE, 1, None),
        (CLEAN_AT_2, STOP, None, None),
        (CLEAN_AT_2, DECLARE, 2, LESS),
        (CLEAN_AT_2, DECLARE, 3, LESS),
        (CLEAN_AT_2, DE_ESCALATE, 1, RANGE),
        (CLEAN_AT_2, ESCALATE, 4, RANGE),
        (CLEAN_AT_2, ESCALATE, 2, RANGE),
        (CLEAN_AT_2, EXPAND, 1, RANGE),
        (CLEAN_AT_2, DE_ESCALATE, 3, RANGE),
        (CLEAN_AT_2, DE_ESCALATE, 0, RANGE),
        (CLEAN_AT_2, STOP, 1, RANGE),
        (ONE_DLT_AT_2, ESCALATE, 3, LESS),
        (ONE_DLT_AT_2, DECLARE, 2, LESS),
        (ONE_DLT_AT_2, DECLARE, 1, LESS),
        (ONE_DLT_AT_2, STAY, 2, None),
        (ONE_DLT_AT_2, DE_ESCALATE, 1, None),
        (TOXIC_AT_2, DE_ESCALATE, 1, None),
        (TOXIC_AT_2, EXPAND, 2, LESS),
        (TOXIC_AT_2, STAY, 2, LESS),
        (TOXIC_AT_2, ESCALATE, 3, LESS),
        (TOXIC_AT_2, DECLARE, 2, LESS),
        (TOXIC_AT_2, DECLARE, 1, LESS),
        (TOXIC_AT_2, STOP, None, None),
        (TOXIC_ABOVE_FULL, DECLARE, 1, None),
        (TOXIC_ABOVE_FULL, DE_ESCALATE, 1, RANGE),
        (TOXIC_AT_1, STOP, None, None),
        (TOXIC_AT_1, STAY, 1, LESS),
        (TOXIC_AT_1, DECLARE, 1, LESS),
        (FULL_AT_TOP, DECLARE, 3, None),
        (FULL_AT_TOP, DECLARE, 2, None),
        (FULL_AT_TOP, DECLARE, 1, LESS),
        (FULL_AT_TOP, EXPAND, 3, RANGE),
        (FULL_AT_TOP, DE_ESCALATE, 1, None),
        (FULL_AT_TOP, DE_ESCALATE, 2, RANGE),
        (FULL_AT_TOP, ESCALATE, None, RANGE),
    ],
)
def test_a_decision_is_judged_by_its_caution(
    state: ArmState, action: DecisionAction, level: int | None, problem: ProblemType | None
) -> None:
    """With a reason, the recommended and the more cautious stand; the less cautious and the impossible do not."""
    assert decide(state, action, level) is problem


def no_such_level(value: str, rule: str, expected: str) -> Problem:
    """Make the problem of a dose level that the action cannot lead to."""
    return Problem(type=RANGE, field="level", value=value, rule=rule, expected=expected)


def less_cautious(value: str, rule: str, recommended: str) -> Problem:
    """Make the problem of a decision that goes further than the rule."""
    expected = f"{recommended}, or a more cautious decision with a reason"
    return Problem(type=LESS, field="action", value=value, rule=rule, expected=expected)


def no_room(value: str, level: int) -> Problem:
    """Make the problem of treating more at a level that has its 6 with 1 DLT."""
    return Problem(
        type=RANGE,
        field="action",
        value=value,
        rule=f"level {level} has 1 DLT in 6 evaluable of at most 6: nobody more is treated there",
        expected=f"declare_rp2d at level {level}, a lower level, or stop",
    )


@pytest.mark.parametrize(
    ("state", "action", "level", "problem"),
    [
        (CLEAN_AT_2, STOP, 1, no_such_level("1", "stopping the arm leads to no dose level", "no level")),
        (CLEAN_AT_2, ESCALATE, 4, no_such_level("4", "'escalate' needs a dose level of arm single", "1 to 3")),
        (FULL_AT_TOP, ESCALATE, None, no_such_level("none", "'escalate' needs a dose level of arm single", "1 to 3")),
        (
            CLEAN_AT_2,
            ESCALATE,
            2,
            no_such_level("2", "'escalate' does not lead from level 2 to level 2", "the level above 2"),
        ),
        (
            CLEAN_AT_2,
            DE_ESCALATE,
            2,
            no_such_level("2", "'de_escalate' does not lead from level 2 to level 2", "a level below 2"),
        ),
        (CLEAN_AT_2, EXPAND, 1, no_such_level("1", "'expand' does not lead from level 2 to level 1", "level 2")),
        (
            CLEAN_AT_2,
            DECLARE,
            2,
            less_cautious(
                "declare_rp2d at level 2",
                "level 2 has 0 DLTs in 3 evaluable: an RP2D needs 6 with fewer than 2 DLTs",
                "escalate at level 3",
            ),
        ),
        (
            ONE_DLT_AT_2,
            DECLARE,
            2,
            less_cautious(
                "declare_rp2d at level 2",
                "level 2 has 1 DLT in 3 evaluable: 6 evaluable are needed before going on",
                "expand at level 2",
            ),
        ),
        (
            TOXIC_AT_1,
            STAY,
            1,
            less_cautious(
                "stay at level 1",
                (
                    "level 1 is at or above a toxic level; "
                    "level 1 has 2 DLTs in 3 evaluable: toxic at 2, and there is no lower dose level"
                ),
                "stop",
            ),
        ),
        (CLEAN_AT_2, DE_ESCALATE, 1, no_room("de_escalate at level 1", 1)),
        (FULL_AT_TOP, EXPAND, 3, no_room("expand at level 3", 3)),
    ],
)
def test_a_refused_decision_says_what_would_be_right(
    state: ArmState, action: DecisionAction, level: int | None, problem: Problem
) -> None:
    """The committee reads its own decision, the rule that it breaks with the counts, and what could stand instead."""
    checked = check_decision(CLASSIC, make_arm(), state, cohort=1, action=action, level=level, reason="minutes 4")

    assert checked == problem


def test_no_level_is_skipped_upward() -> None:
    """Escalation goes one level at a time, whatever the reason."""
    assert decide(make_state(1, {1: (3, 0)}), ESCALATE, 3) is LESS


def test_nobody_goes_back_into_a_toxic_level() -> None:
    """After de-escalation the toxic level above is closed for ever, and the refusal says so."""
    state = make_state(1, {1: (6, 0), 2: (3, 2)}, expanded_levels=(1,))

    problem = check_decision(CLASSIC, make_arm(), state, cohort=1, action=ESCALATE, level=2, reason="less prednisone")

    assert problem is not None
    assert problem.type is LESS
    assert "toxic" in problem.message()


def test_only_a_departure_needs_a_reason() -> None:
    """The recommendation stands without a reason; a more cautious decision without one, or a blank one, does not."""
    assert decide(CLEAN_AT_2, ESCALATE, reason=None) is None
    assert decide(CLEAN_AT_2, STAY, reason=None) is ProblemType.REASON_REQUIRED
    assert decide(CLEAN_AT_2, STAY, reason="  ") is ProblemType.REASON_REQUIRED
    assert decide(ONE_DLT_AT_2, STAY, reason=None) is ProblemType.REASON_REQUIRED
    problem = check_decision(CLASSIC, make_arm(), CLEAN_AT_2, cohort=1, action=STAY, level=None, reason=None)
    assert problem == Problem(
        type=ProblemType.REASON_REQUIRED,
        field="reason",
        value="none",
        rule="a decision other than the recommended escalate at level 3 needs a reason",
        expected="a reason in words",
    )


def test_a_clean_first_cohort_can_be_declared_where_the_protocol_allows() -> None:
    """Without the requirement of six, 0 in 3 supports an RP2D below the recommendation, 1 in 3 does not."""
    clean, one_dlt = make_state(2, {1: (3, 0), 2: (3, 0)}), make_state(2, {1: (3, 1), 2: (3, 0)})

    assert decide(clean, DECLARE, 1, rules=LENIENT) is None
    assert decide(one_dlt, DECLARE, 1, rules=LENIENT) is LESS


def test_no_decision_while_a_window_is_open() -> None:
    """Participants pending are named by number."""
    state = make_state(states=(NO_DLT, DOSED, GIVEN))

    problem = check_decision(CLASSIC, make_arm(), state, cohort=1, action=ESCALATE, level=2, reason=None)

    assert problem == Problem(
        type=ProblemType.WINDOW_OPEN,
        field="cohort",
        value="1",
        rule="2 participant(s) at level 1 are pending: not dosed yet, or in their DLT window",
        expected="a decision after the last window closes",
    )
    one_pending = make_state(states=(NO_DLT, NO_DLT, DOSED), status=ArmStatus.DECISION_DUE)
    assert decide(one_pending, ESCALATE) is ProblemType.WINDOW_OPEN


def not_due(rule: str, expected: str) -> Problem:
    """Make the problem of a decision on cohort 1 that nobody asked for."""
    return Problem(type=ProblemType.NO_DECISION_DUE, field="cohort", value="1", rule=rule, expected=expected)


@pytest.mark.parametrize(
    ("state", "problem"),
    [
        (
            make_state(states=(NO_DLT, NO_DLT)),
            not_due("level 1 has 2 of 3 evaluable", "a decision once the cohort is complete"),
        ),
        (
            make_state(1, {1: (5, 1)}, expanded_levels=(1,)),
            not_due("level 1 has 5 of 6 evaluable", "a decision once the cohort is complete"),
        ),
        (
            make_state(1, {1: (3, 0)}, status=ArmStatus.CLOSED),
            not_due("arm single is closed", "no decision"),
        ),
        (make_state(1, {1: (3, 0)}, cohort=2), not_due("the arm is at cohort 2", "2")),
    ],
)
def test_a_decision_that_is_not_due_is_told_why(state: ArmState, problem: Problem) -> None:
    """How many are evaluable of how many, or which cohort the arm is at, or that it is closed."""
    checked = check_decision(CLASSIC, make_arm(), state, cohort=1, action=STOP, level=None, reason="minutes 4")

    assert checked == problem


def test_no_decision_before_the_cohort_is_full_or_after_the_arm_closed() -> None:
    """Nothing is due with two of three evaluable, nor in a closed arm."""
    assert decide(make_state(states=(NO_DLT, NO_DLT)), STOP) is ProblemType.NO_DECISION_DUE
    assert decide(make_state(1, {1: (3, 0)}, status=ArmStatus.CLOSED), STOP) is ProblemType.NO_DECISION_DUE


@pytest.mark.parametrize("cohort", [1, 3])
def test_a_decision_names_the_cohort_it_is_for(cohort: int) -> None:
    """A decision sent twice, or for a cohort that is not there yet, is refused and told the right number."""
    state = make_state(1, {1: (3, 0)}, cohort=2, status=ArmStatus.DECISION_DUE)

    problem = check_decision(CLASSIC, make_arm(), state, cohort=cohort, action=ESCALATE, level=2, reason=None)

    assert problem is not None
    assert (problem.type, problem.expected) == (ProblemType.NO_DECISION_DUE, "2")


def test_a_decision_is_judged_on_the_counts_of_the_moment() -> None:
    """A DLT found after the committee was asked makes yesterday's recommendation less cautious than the rule."""
    asked = make_state(1, {1: (3, 0)})
    asked = asked.model_copy(
        update={"status": ArmStatus.DECISION_DUE, "recommendation": recommend(CLASSIC, make_arm(), asked)}
    )
    late = apply_arm(asked, f.OutcomeReported(**SYSTEM, subject="CN01-001", status=DltStatus.DLT))

    assert decide(asked, ESCALATE) is None
    assert decide(late, ESCALATE) is LESS
    assert decide(late, EXPAND, reason=None) is None


@pytest.mark.parametrize(
    ("action", "level", "leads_to"),
    [
        (ESCALATE, None, 3),
        (EXPAND, None, 2),
        (STAY, None, 2),
        (DE_ESCALATE, None, 1),
        (DECLARE, None, 2),
        (DECLARE, 1, 1),
        (STOP, None, None),
        (STOP, 2, None),
    ],
)
def test_a_level_left_out_is_the_obvious_one(action: DecisionAction, level: int | None, leads_to: int | None) -> None:
    """The next level up or down, or the current one; a level that is given is kept; a stop has none."""
    assert resulting_level(CLASSIC, make_arm(), CLEAN_AT_2, action, level) == leads_to


def test_a_level_left_out_is_the_recommended_one_first() -> None:
    """Declaring without a level, where the rule declares the level below, means that level."""
    assert resulting_level(CLASSIC, make_arm(), TOXIC_ABOVE_FULL, DECLARE, None) == 1


def test_no_level_above_the_top() -> None:
    """There is nothing to escalate to at the top, nor to de-escalate to at the bottom."""
    assert resulting_level(CLASSIC, make_arm(), FULL_AT_TOP, ESCALATE, None) is None
    assert resulting_level(CLASSIC, make_arm(), make_state(1, {1: (3, 0)}), DE_ESCALATE, None) is None


def test_the_order_of_caution() -> None:
    """Stopping, a lower level, more at this level, declaring this level, the next level: ever less cautious."""
    ladder = [
        exposure(STOP, None),
        exposure(DE_ESCALATE, 1),
        exposure(DECLARE, 1),
        exposure(EXPAND, 2),
        exposure(DECLARE, 2),
        exposure(ESCALATE, 3),
    ]

    assert ladder == sorted(set(ladder))
    assert exposure(EXPAND, 2) == exposure(STAY, 2)


def test_stopping_and_declaring_close_the_arm() -> None:
    """The other decisions open another cohort."""
    assert {action for action in DecisionAction if closes_arm(action)} == {STOP, DECLARE}


# Random trials


@dataclass
class RandomTrial:
    """Drives one arm with random events through the fold and the rules, and checks what must hold at every step."""

    random: Random
    rules: Escalation
    arm: Arm
    cautious: bool
    dlt_chance: float
    noise: int
    state: ArmState = field(init=False)
    subjects: int = 0
    steps: int = 0
    late_conversions: int = 0

    def __post_init__(self) -> None:
        """Open the arm."""
        self.state = open_arm(f.ArmOpened(**SYSTEM, study="study", arm=self.arm.id, level=self.arm.start_level))

    def run(self) -> ArmState:
        """Go on until the arm closes, within the bound."""
        while self.state.status is not ArmStatus.CLOSED:
            self.step()
            self.check_counts()
            self.steps += 1
            assert self.steps <= self.bound(), "the arm does not come to an end"
        return self.state

    def bound(self) -> int:
        """Return the most steps there can be: five for each participant, and the committee's."""
        levels = len(self.arm.dose_levels)
        places = levels * (self.rules.expanded_size + 1)
        decisions = (places + 1) * levels
        return 5 * (places + 2 * NOISE) + 2 * decisions

    def step(self) -> None:
        """Do one of the things that can happen now; there always is one."""
        if decision_due(self.rules, self.state):
            self.ask()
        elif self.state.status is ArmStatus.DECISION_DUE:
            self.committee()
        else:
            moves = self.moves()
            assert moves, "nothing can happen and no decision is due"
            self.random.choice(moves)()

    def moves(self) -> list[Callable[[], None]]:
        """List what can happen at the sites: a queue that never runs dry, doses, outcomes and drop-outs."""
        moves: list[Callable[[], None]] = [self.give] if free_slots(self.rules, self.state) else []
        for slot in self.state.slots:
            if slot.state is GIVEN:
                moves.append(partial(self.dose, slot))
                moves += [partial(self.withdraw, slot)] * (self.noise > 0)
            if slot.state is DOSED:
                moves.append(partial(self.outcome, slot))
                moves += [partial(self.lose, slot)] * (self.noise > 0)
        if not self.state.stagger_cleared and (first := self.dosed_in_cohort()):
            moves.append(partial(self.tell, f.StaggerCleared(**SYSTEM, subject=first.subject)))
        if self.noise > 0 and self.latecomers():
            moves += [self.late_dlt] * (self.random.random() < RARELY)
        return moves

    def give(self) -> None:
        """Give the next slot, and check that it may be given."""
        self.subjects += 1
        self.tell(f.SlotRequested(**SYSTEM, subject=f"CN01-{self.subjects:04d}"))
        subject = next_subject(self.rules, self.state)
        assert subject is not None
        counts, level = tally(self.state, self.state.level), self.state.level
        assert counts.evaluable + counts.pending < self.rules.expanded_size, "more than the expanded cohort"
        assert all(tally(self.state, low).dlts < self.rules.toxic_at_dlts for low in range(1, level + 1)), "toxic"
        slot = Slot(arm=self.arm.id, cohort=self.state.cohort, level=level, million_cells=100)
        self.tell(f.SlotGiven(**SYSTEM, slot=slot, subject=subject))

    def dose(self, slot: SlotRecord) -> None:
        """Dose a participant."""
        self.tell(f.FirstDoseReported(**SYSTEM, subject=slot.subject, infused_on=DAY))

    def withdraw(self, slot: SlotRecord) -> None:
        """Leave before dosing."""
        self.noise -= 1
        self.tell(f.SlotGivenBack(**SYSTEM, subject=slot.subject))

    def lose(self, slot: SlotRecord) -> None:
        """Leave after dosing, without a DLT."""
        self.noise -= 1
        self.report(slot, DltStatus.NOT_EVALUABLE)

    def outcome(self, slot: SlotRecord) -> None:
        """Complete the window, or have a DLT in it: the higher the level, the likelier."""
        toxic = self.random.random() < self.dlt_chance * slot.level
        self.report(slot, DltStatus.DLT if toxic else DltStatus.NO_DLT)

    def late_dlt(self) -> None:
        """Find a DLT of somebody whose outcome was already reported, at any level."""
        self.noise -= 1
        slot = self.random.choice(self.latecomers())
        self.late_conversions += slot.state is NOT_EVALUABLE
        self.report(slot, DltStatus.DLT)

    def latecomers(self) -> list[SlotRecord]:
        """List those who could still turn out to have had a DLT."""
        return [slot for slot in self.state.slots if slot.state in (NO_DLT, NOT_EVALUABLE) and slot.first_infused_on]

    def dosed_in_cohort(self) -> SlotRecord | None:
        """Return the present cohort's dosed participant."""
        return next((s for s in self.state.slots if s.cohort == self.state.cohort and s.state is DOSED), None)

    def ask(self) -> None:
        """Ask the committee."""
        recommendation = recommend(self.rules, self.arm, self.state)
        self.tell(f.DecisionAsked(**SYSTEM, cohort=self.state.cohort, recommendation=recommendation))

    def committee(self) -> None:
        """Decide as recommended, or more cautiously; sometimes a late DLT comes in between."""
        if self.noise > 0 and self.latecomers() and self.random.random() < RARELY:
            self.late_dlt()
        recommended = recommend(self.rules, self.arm, self.state)
        allowed = [choice for choice in self.choices() if self.check_choice(recommended, *choice)]
        best = (recommended.action, recommended.level)
        assert best in allowed
        assert self.check(recommended.action, None, None), "the recommendation stands without level and reason"
        action, level = self.random.choice([best, *self.departures(allowed)])
        self.tell(
            f.Decided(
                **SYSTEM,
                cohort=self.state.cohort,
                from_level=self.state.level,
                action=action,
                level=level,
                recommended=recommended.action,
            )
        )
        if closes_arm(action):
            self.tell(f.ArmClosed(**SYSTEM, rp2d_level=level))

    def departures(self, allowed: list[tuple[DecisionAction, int | None]]) -> list[tuple[DecisionAction, int | None]]:
        """Return what this committee would do instead of the recommendation; stopping is left to the rule, mostly."""
        if not self.cautious:
            return []
        stops = self.random.random() < RARELY
        return [choice for choice in allowed if stops or choice[0] is not STOP]

    def choices(self) -> list[tuple[DecisionAction, int | None]]:
        """List every decision there could be, impossible ones too."""
        levels = [None, *range(len(self.arm.dose_levels) + 2)]
        return [
            (action, level) for action, level in product(DecisionAction, levels) if (action is STOP) == (level is None)
        ]

    def check_choice(self, recommended: Recommendation, action: DecisionAction, level: int | None) -> bool:
        """Tell whether a decision stands with a reason; one that is less cautious than the rule must not."""
        stands = self.check(action, level, "SRC minutes")
        if exposure(action, level) > exposure(recommended.action, recommended.level):
            assert not stands, f"{action} at {level} is less cautious than {recommended}"
        return stands

    def check(self, action: DecisionAction, level: int | None, reason: str | None) -> bool:
        """Tell whether a decision stands."""
        cohort = self.state.cohort
        problem = check_decision(
            self.rules, self.arm, self.state, cohort=cohort, action=action, level=level, reason=reason
        )
        return problem is None

    def check_counts(self) -> None:
        """Check that no level has more than its capacity, but for a dropped-out participant with a late DLT."""
        for counts in tallies(self.state, self.arm):
            capacity = level_capacity(self.rules, self.state, counts.level)
            assert counts.evaluable + counts.pending <= capacity + self.late_conversions

    def report(self, slot: SlotRecord, status: DltStatus) -> None:
        """Report an outcome."""
        self.tell(f.OutcomeReported(**SYSTEM, subject=slot.subject, status=status))

    def tell(self, fact: f.ArmFact) -> None:
        """Fold one more fact."""
        self.state = apply_arm(self.state, fact)


@st.composite
def protocols(draw: st.DrawFn) -> tuple[Escalation, Arm]:
    """Draw the classic rules or others, and an arm that may start above its lowest level."""
    size = draw(st.integers(1, 4))
    others = make_rules(
        cohort_size=size,
        expanded_size=draw(st.integers(size + 1, 8)),
        toxic_at_dlts=draw(st.integers(1, 3)),
        stagger_days=draw(st.sampled_from([0, 14])),
        require_expanded_cohort_for_rp2d=draw(st.booleans()),
    )
    arm = make_arm(draw(st.integers(1, 4)))
    start = draw(st.integers(1, len(arm.dose_levels)))
    return draw(st.sampled_from([CLASSIC, others])), arm.model_copy(update={"start_level": start})


@st.composite
def trials(
    draw: st.DrawFn, any_protocol: st.SearchStrategy[tuple[Escalation, Arm]], *, cautious: bool | None = None
) -> RandomTrial:
    """Draw a trial: its protocol, its committee, how toxic the product is, and how much goes wrong."""
    rules, arm = draw(any_protocol)
    return RandomTrial(
        random=draw(st.randoms(use_true_random=False)),
        rules=rules,
        arm=arm,
        cautious=draw(st.booleans()) if cautious is None else cautious,
        dlt_chance=draw(st.sampled_from([0.0, 0.02, 0.06, 0.12, 0.25, 1.0])),
        noise=draw(st.integers(0, NOISE)),
    )


classic_protocols = st.integers(1, 4).map(lambda levels: (CLASSIC, make_arm(levels)))
many = settings(
    max_examples=3 * settings().max_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@many
@given(trial=trials(protocols()))
def test_every_trial_ends_within_the_rules_and_its_rp2d_has_its_data(trial: RandomTrial) -> None:
    """
    Whatever happens in whatever order, each step keeps the rules, and the arm ends within a bound.

    The steps check: never more than the expanded cohort evaluable and pending at a level; never a slot at or above a
    toxic level; the recommendation always stands; nothing less cautious ever does. A declared RP2D has fewer DLTs than
    toxic, among enough evaluable, and lies below every toxic level.
    """
    state, rules = trial.run(), trial.rules

    assert state.decisions[-1].action in (STOP, DECLARE)
    assert free_slots(rules, state) == 0
    if state.rp2d_level is not None:
        counts = tally(state, state.rp2d_level)
        assert counts.dlts < rules.toxic_at_dlts
        assert not is_toxic(rules, state, state.rp2d_level)
        clean = not rules.require_expanded_cohort_for_rp2d and counts.dlts == 0
        assert counts.evaluable >= (rules.cohort_size if clean else rules.expanded_size)


@many
@given(trial=trials(classic_protocols, cautious=False))
def test_a_committee_that_follows_the_rule_finds_the_highest_tolerated_level(trial: RandomTrial) -> None:
    """With at most 1 DLT in 6 or more, the RP2D is the level right below the lowest toxic one, or the top; or none."""
    state, levels = trial.run(), len(trial.arm.dose_levels)

    toxic = lowest_toxic_level(CLASSIC, state)
    expected = levels if toxic is None else toxic - 1
    assert state.rp2d_level == (expected or None)
    if state.rp2d_level is not None:
        counts = tally(state, state.rp2d_level)
        assert counts.evaluable >= 6
        assert counts.dlts <= 1
