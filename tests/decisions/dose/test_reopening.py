"""Reopened decisions and their review: docs/domain.md, sections 3 and 4."""

from datetime import UTC, date, datetime
from typing import NamedTuple

import pytest

from decisions.dose.escalation import recommend
from decisions.dose.reopening import check_review, recommend_now, recommend_review, reopened, review_level
from schemas.commands.commands import DecisionAction
from schemas.problem import ProblemType
from schemas.safety.adverse_events import EventCategory
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary
from schemas.screening.panel import Antigen
from schemas.state.arm import ArmState, ArmStatus, DecisionRecord, SlotRecord, SlotState
from tests.cli.packets import ARM, RULES

TODAY = date(2026, 6, 1)
DECIDED = datetime(2026, 4, 1, 9, tzinfo=UTC)
NO_DLT, DLT, GIVEN = SlotState.NO_DLT, SlotState.DLT, SlotState.GIVEN
ESCALATE, EXPAND, STAY = DecisionAction.ESCALATE, DecisionAction.EXPAND, DecisionAction.STAY
DE_ESCALATE, STOP, DECLARE = DecisionAction.DE_ESCALATE, DecisionAction.STOP, DecisionAction.DECLARE_RP2D


def slots(cohort: int, level: int, *states: SlotState) -> tuple[SlotRecord, ...]:
    """Make a cohort's slots; the subject's number is the cohort's times 10, and on."""
    return tuple(
        SlotRecord(subject=f"CN01-{cohort * 10 + number:03d}", cohort=cohort, level=level, state=state)
        for number, state in enumerate(states)
    )


def decision(
    cohort: int, from_level: int, action: DecisionAction, level: int | None, **changes: object
) -> DecisionRecord:
    """Make a decision on 0 DLTs in 3, as recommended."""
    good: dict[str, object] = {
        "cohort": cohort,
        "from_level": from_level,
        "action": action,
        "level": level,
        "recommended": action,
        "decided_by": "src-chair",
        "decided_at": DECIDED,
        "reason": "as the rule recommends",
        "evaluable": 3,
        "dlts": 0,
        "treated": 3,
    }
    return DecisionRecord.model_validate(good | changes)


def arm(
    level: int, cohort: int, records: tuple[SlotRecord, ...], *decisions: DecisionRecord, **changes: object
) -> ArmState:
    """Make the arm at a level and cohort, after these decisions."""
    state = ArmState(study="nk-01", arm=ARM.id, level=level, cohort=cohort, slots=records, decisions=decisions)
    return state.model_copy(update=changes)


def with_dlt(state: ArmState, subject: str) -> ArmState:
    """Have a participant turn out to have a DLT."""
    turned = (s.model_copy(update={"state": DLT}) if s.subject == subject else s for s in state.slots)
    return state.model_copy(update={"slots": tuple(turned)})


def with_event(state: ArmState, subject: str, dlt: EventDlt, *, number: int = 1) -> ArmState:
    """Have a participant's summary show an event that stands so as a DLT."""
    event = ReportedEvent(
        event_id=f"AE-{number:03d}",
        version=1,
        term="Pneumonitis",
        category=EventCategory.ORGAN,
        grade=3,
        onset_on=date(2026, 3, 20),
        related=True,
        serious=True,
        dlt=dlt,
    )
    earlier = state.summaries.get(subject)
    events = (*(e for e in earlier.events if e.event_id != event.event_id), event) if earlier else (event,)
    summary = SafetySummary(
        subject=subject, target=(Antigen.MESOTHELIN,), cohort=1, level=1, million_cells=100, events=events
    )
    return state.model_copy(update={"summaries": state.summaries | {subject: summary}})


CLEAN = slots(1, 1, NO_DLT, NO_DLT, NO_DLT)
AFTER_ESCALATION = arm(2, 2, (*CLEAN, *slots(2, 2, GIVEN)), decision(1, 1, ESCALATE, 2))
TWO_UP = arm(
    3, 3, (*CLEAN, *slots(2, 2, NO_DLT, NO_DLT, NO_DLT)), decision(1, 1, ESCALATE, 2), decision(2, 2, ESCALATE, 3)
)
EXPANDED = arm(
    1,
    2,
    (*slots(1, 1, DLT, NO_DLT, NO_DLT), *slots(2, 1, NO_DLT)),
    decision(1, 1, EXPAND, 1, dlts=1),
    expanded_levels=(1,),
)
SIX = arm(
    2,
    3,
    (*CLEAN, *slots(2, 1, NO_DLT, NO_DLT, NO_DLT)),
    decision(1, 1, STAY, 1, recommended=ESCALATE),
    decision(2, 1, ESCALATE, 2),
)
BACK = arm(
    1,
    3,
    (*CLEAN, *slots(2, 2, DLT, DLT, NO_DLT)),
    decision(1, 1, ESCALATE, 2),
    decision(2, 2, DE_ESCALATE, 1, dlts=2),
)
LENIENT = RULES.model_copy(update={"require_expanded_cohort_for_rp2d": False})
EARLY_RP2D = arm(
    1,
    3,
    (*CLEAN, *slots(2, 2, DLT, DLT)),
    decision(1, 1, ESCALATE, 2),
    decision(2, 2, DE_ESCALATE, 1, dlts=2),
    decision(3, 1, DECLARE, 1),
    status=ArmStatus.EXPANSION,
    rp2d_level=1,
)
DECLARED = arm(
    1,
    3,
    (*slots(1, 1, DLT, *[NO_DLT] * 5), *slots(2, 2, DLT, DLT, NO_DLT)),
    decision(1, 1, ESCALATE, 2),
    decision(2, 2, DECLARE, 1, dlts=2),
    status=ArmStatus.CLOSED,
    rp2d_level=1,
)


class Case(NamedTuple):
    """What is known, who turns out to have a DLT, and the cohorts whose decisions are reopened."""

    says: str
    state: ArmState
    subject: str
    cohorts: tuple[int, ...]


CASES = [
    Case("1 in 3 would not have escalated", AFTER_ESCALATION, "CN01-010", (1,)),
    Case("the present cohort's own DLT is the present decision's", AFTER_ESCALATION, "CN01-020", ()),
    Case("the decision that left the level is meant", TWO_UP, "CN01-011", (1,)),
    Case("1 in 3 at level 2 would not have led to level 3", TWO_UP, "CN01-021", (2,)),
    Case("a second DLT of an expanded level stops", EXPANDED, "CN01-011", (1,)),
    Case("a second DLT in the present cohort is its own", EXPANDED, "CN01-020", ()),
    Case("1 in 6 escalates as 0 in 6 did", SIX, "CN01-010", ()),
    Case("the arm has gone back below already", BACK, "CN01-010", ()),
    Case("a third DLT at a level that was left changes nothing", BACK, "CN01-022", ()),
    Case("a second DLT at the RP2D", DECLARED, "CN01-011", (1, 2)),
    Case("an arm that was stopped is stopped", DECLARED.model_copy(update={"rp2d_level": None}), "CN01-011", ()),
    Case(
        "a review that let the arm go on is no decision of its own",
        arm(2, 2, CLEAN, decision(1, 1, STAY, 2, reviews=(1,))),
        "CN01-010",
        (),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_a_late_dlt_reopens_the_decisions_that_it_would_have_changed(case: Case) -> None:
    """A decision is in question when it, and the level in force, are less cautious than the rule says by now."""
    found = reopened(RULES, ARM, case.state, with_dlt(case.state, case.subject), TODAY)

    assert tuple(finding.cohort for finding in found) == case.cohorts


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.says)
def test_an_event_that_may_be_a_dlt_counts_as_one(case: Case) -> None:
    """An open candidate reopens exactly what the DLT would; the finding says that it is not judged."""
    found = reopened(RULES, ARM, case.state, with_event(case.state, case.subject, EventDlt.CANDIDATE), TODAY)

    assert tuple(finding.cohort for finding in found) == case.cohorts
    assert all("if it counts, " in finding.known_now for finding in found)


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (EventDlt.NONE, EventDlt.PENDING, True),
        (EventDlt.NONE, EventDlt.CANDIDATE, True),
        (EventDlt.REJECTED, EventDlt.CANDIDATE, True),
        (EventDlt.PENDING, EventDlt.CANDIDATE, False),
        (EventDlt.CANDIDATE, EventDlt.CANDIDATE, False),
        (EventDlt.CANDIDATE, EventDlt.REJECTED, False),
        (EventDlt.CANDIDATE, EventDlt.CONFIRMED, False),
        (EventDlt.NONE, EventDlt.NONE, False),
    ],
)
def test_only_an_event_that_opens_is_news(before: EventDlt, after: EventDlt, news: bool) -> None:
    """What was open stays so, and a judgement is told by the outcome."""
    earlier = with_event(AFTER_ESCALATION, "CN01-010", before)

    found = reopened(RULES, ARM, earlier, with_event(earlier, "CN01-010", after), TODAY)

    assert bool(found) is news


def test_a_second_open_event_is_news_beside_the_first() -> None:
    """Each event that may be a DLT is named by itself."""
    earlier = with_event(AFTER_ESCALATION, "CN01-010", EventDlt.CANDIDATE)

    (found,) = reopened(RULES, ARM, earlier, with_event(earlier, "CN01-010", EventDlt.PENDING, number=2), TODAY)

    assert found.about == "CN01-010 (cohort 1, level 1) may have a DLT: AE-002, Pneumonitis, pending"


@pytest.mark.parametrize(
    "after",
    [
        pytest.param(with_event(with_dlt(TWO_UP, "CN01-010"), "CN01-010", EventDlt.CANDIDATE), id="of who has a DLT"),
        pytest.param(with_event(TWO_UP, "CN01-099", EventDlt.CANDIDATE), id="of who has no slot"),
    ],
)
def test_an_event_of_who_cannot_count_once_more_is_no_news(after: ArmState) -> None:
    """A participant counts with one DLT at most, and only with a slot."""
    assert reopened(RULES, ARM, with_dlt(TWO_UP, "CN01-010"), after, TODAY) == ()


def test_a_finding_says_what_was_known_then_and_what_is_known_now() -> None:
    """With dates, counts, and what the rule makes of them."""
    (found,) = reopened(RULES, ARM, AFTER_ESCALATION, with_dlt(AFTER_ESCALATION, "CN01-010"), TODAY)

    assert found.about == "CN01-010 (cohort 1, level 1) has a DLT"
    assert found.known_then == (
        "2026-04-01: level 1 has 0 DLTs in 3 evaluable; the rule recommended 'escalate', "
        "decided was 'escalate at level 2'"
    )
    assert found.known_now == "2026-06-01: level 1 has 1 DLT in 3 evaluable; the rule says 'expand at level 1'"


def test_a_finding_about_another_level_shows_both() -> None:
    """A DLT at the RP2D below: the counts of the level that was decided on, and of the participant's own."""
    _, found = reopened(RULES, ARM, DECLARED, with_dlt(DECLARED, "CN01-011"), TODAY)

    assert found.known_now == (
        "2026-06-01: level 1 has 2 DLTs in 6 evaluable, level 2 has 2 DLTs in 3 evaluable; the rule says 'stop'"
    )


def under_review(state: ArmState, *cohorts: int) -> ArmState:
    """Put decisions under review."""
    return state.model_copy(update={"review_due": True, "reviewing": cohorts})


LATE = under_review(with_dlt(AFTER_ESCALATION, "CN01-010"), 1)
LATE_TWO = under_review(with_dlt(with_dlt(AFTER_ESCALATION, "CN01-010"), "CN01-011"), 1)
STANDS = under_review(AFTER_ESCALATION, 1)
LATE_ABOVE = under_review(with_dlt(TWO_UP, "CN01-021"), 2)
LATE_BOTH = under_review(with_dlt(with_dlt(TWO_UP, "CN01-021"), "CN01-010"), 1, 2)
TOXIC_ABOVE = under_review(with_dlt(with_dlt(TWO_UP, "CN01-021"), "CN01-022"), 2)


@pytest.mark.parametrize(
    ("state", "action", "level", "why"),
    [
        pytest.param(LATE, DE_ESCALATE, 1, "by today's counts cohort 1 leads to 'expand at level 1'", id="back"),
        pytest.param(LATE_TWO, STOP, None, "level 1 has 2 DLTs in 3 evaluable: toxic at 2", id="the lowest is toxic"),
        pytest.param(STANDS, STAY, 2, "the decisions under review stand by today's counts", id="rejected since"),
        pytest.param(LATE_ABOVE, DE_ESCALATE, 2, "cohort 2 leads to 'expand at level 2'", id="from level 3 to 2"),
        pytest.param(LATE_BOTH, DE_ESCALATE, 1, "cohort 1 leads to 'expand at level 1'", id="the most cautious"),
        pytest.param(TOXIC_ABOVE, DE_ESCALATE, 1, "level 2 has 2 DLTs in 3 evaluable", id="toxic below the present"),
    ],
)
def test_the_rule_recommends_for_the_review(
    state: ArmState, action: DecisionAction, level: int | None, why: str
) -> None:
    """Back to where today's counts keep the arm; on, when the decisions stand; by the rule where it is toxic."""
    found = recommend_review(RULES, ARM, state)

    assert (found.action, found.level) == (action, level)
    assert why in found.why
    assert recommend_now(RULES, ARM, state) == found
    assert found.tallies == recommend(RULES, ARM, state).tallies


def test_an_rp2d_that_lacks_its_data_now_is_taken_back() -> None:
    """It was declared on 0 DLTs in 3; with 1 in 3 more are treated at the level before it is declared."""
    late = with_dlt(EARLY_RP2D, "CN01-010")
    assert [finding.cohort for finding in reopened(LENIENT, ARM, EARLY_RP2D, late, TODAY)] == [1, 3]

    found = recommend_review(LENIENT, ARM, under_review(late, 3))

    assert (found.action, found.level) == (EXPAND, 1)
    assert "cohort 3 leads to 'expand at level 1'" in found.why
    for action, reason in ((EXPAND, None), (STAY, "it was not related"), (STOP, "sponsor")):
        state = under_review(late, 3)
        assert check_review(LENIENT, ARM, state, cohort=3, action=action, level=None, reason=reason) is None


def test_without_a_review_the_rule_speaks_on_the_present_cohort() -> None:
    """Nothing is under review: what is recommended is what the rule says at the present level."""
    assert recommend_now(RULES, ARM, TWO_UP) == recommend(RULES, ARM, TWO_UP)


@pytest.mark.parametrize(
    ("state", "action", "level", "leads_to"),
    [
        (LATE, DE_ESCALATE, None, 1),
        (LATE, STAY, None, 2),
        (LATE, STOP, None, None),
        (LATE, STOP, 1, None),
        (LATE_BOTH, DE_ESCALATE, None, 1),
        (LATE_BOTH, DE_ESCALATE, 2, 2),
        (under_review(TWO_UP, 1), DE_ESCALATE, None, 2),
    ],
)
def test_a_review_leads_to_a_level(
    state: ArmState, action: DecisionAction, level: int | None, leads_to: int | None
) -> None:
    """As said; else the recommended one, the next lower one or the present one."""
    assert review_level(RULES, ARM, state, action, level) == leads_to


@pytest.mark.parametrize(
    ("state", "action", "level", "reason", "problem"),
    [
        pytest.param(LATE, DE_ESCALATE, None, None, None, id="as recommended"),
        pytest.param(LATE, STAY, None, "hepatitis B", None, id="going on at a level that is not toxic, with a reason"),
        pytest.param(LATE, STAY, None, " ", ProblemType.REASON_REQUIRED, id="going on without one"),
        pytest.param(LATE, STOP, None, "sponsor", None, id="stop"),
        pytest.param(LATE, STOP, None, None, ProblemType.REASON_REQUIRED, id="stop without a reason"),
        pytest.param(LATE, STOP, 1, "sponsor", ProblemType.OUT_OF_RANGE, id="stop at a level"),
        pytest.param(LATE, ESCALATE, 3, "safe", ProblemType.LESS_CAUTIOUS_THAN_RULE, id="nothing leads higher"),
        pytest.param(LATE, DECLARE, 2, "safe", ProblemType.LESS_CAUTIOUS_THAN_RULE, id="nothing is declared"),
        pytest.param(LATE, EXPAND, 2, "more data", ProblemType.OUT_OF_RANGE, id="expanding is no review"),
        pytest.param(LATE, DE_ESCALATE, 2, "x", ProblemType.OUT_OF_RANGE, id="down to the present level"),
        pytest.param(STANDS, STAY, None, None, None, id="going on as recommended"),
        pytest.param(STANDS, DE_ESCALATE, None, "caution", None, id="more cautious than recommended"),
        pytest.param(LATE_TWO, STAY, None, "safe", ProblemType.LESS_CAUTIOUS_THAN_RULE, id="at a toxic level"),
        pytest.param(TOXIC_ABOVE, DE_ESCALATE, 2, "x", ProblemType.LESS_CAUTIOUS_THAN_RULE, id="to a toxic level"),
        pytest.param(TOXIC_ABOVE, DE_ESCALATE, 1, None, None, id="below the toxic level"),
        pytest.param(
            under_review(SIX, 2), DE_ESCALATE, 1, "caution", ProblemType.OUT_OF_RANGE, id="to a level without room"
        ),
        pytest.param(
            under_review(with_dlt(DECLARED, "CN01-011"), 2), STOP, None, None, None, id="the RP2D turns out to be toxic"
        ),
    ],
)
def test_a_review_is_checked(
    state: ArmState, action: DecisionAction, level: int | None, reason: str | None, problem: ProblemType | None
) -> None:
    """The recommended review stands; others with a reason, never upward, and never at a toxic level."""
    found = check_review(RULES, ARM, state, cohort=state.cohort, action=action, level=level, reason=reason)

    assert (None if found is None else found.type) is problem


def test_a_review_is_put_to_the_present_cohort() -> None:
    """The cohort whose decision is reviewed is named by the task; what is decided is decided for the present one."""
    found = check_review(RULES, ARM, LATE, cohort=1, action=STAY, level=None, reason="hepatitis B")

    assert found is not None
    assert (found.type, found.expected) == (ProblemType.NO_DECISION_DUE, "2")


@pytest.mark.parametrize(
    ("state", "action", "level", "words"),
    [
        (
            LATE,
            EXPAND,
            2,
            (
                "action = expand at level 2: the decision on cohort 1 is under review; "
                "expected de_escalate at level 1, or stay, de_escalate, stop"
            ),
        ),
        (
            LATE,
            ESCALATE,
            3,
            (
                "action = escalate at level 3: the decision on cohort 1 is under review; "
                "expected de_escalate at level 1, or a more cautious decision with a reason"
            ),
        ),
        (
            LATE_BOTH,
            EXPAND,
            3,
            (
                "action = expand at level 3: the decision on cohort 1, 2 is under review; "
                "expected de_escalate at level 1, or stay, de_escalate, stop"
            ),
        ),
        (
            LATE_TWO,
            STAY,
            None,
            (
                "action = stay at level 2: level 2 is at or above a toxic level; "
                "level 1 has 2 DLTs in 3 evaluable: toxic at 2, and there is no lower dose level; "
                "expected stop, or a more cautious decision with a reason"
            ),
        ),
    ],
)
def test_a_refused_review_says_what_would_be_right(
    state: ArmState, action: DecisionAction, level: int | None, words: str
) -> None:
    """Field, value, rule and what is expected, in the words that stand in the history."""
    found = check_review(RULES, ARM, state, cohort=state.cohort, action=action, level=level, reason="as discussed")

    assert found is not None
    assert found.message() == words


def test_a_review_of_another_cohort_is_refused_in_words() -> None:
    """The present cohort is named."""
    found = check_review(RULES, ARM, LATE, cohort=1, action=STAY, level=None, reason="hepatitis B")

    assert found is not None
    assert found.message() == "cohort = 1: the arm is at cohort 2, and an earlier decision is under review; expected 2"
