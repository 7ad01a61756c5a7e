"""The expansion for one target: Simon's two stages, a participant at a time (Simon 1989)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.phase_two.expansion import (
    apply_first_dose,
    apply_outcome,
    decide,
    free_places,
    give_back,
    give_place,
    judge_expansion,
    open_stage_two,
    tally,
)
from schemas.phase_two.expansion import (
    ExpansionAction,
    ExpansionDecision,
    ExpansionPlace,
    ExpansionState,
    ResponseOutcome,
    ResponseStatus,
    ResponseTally,
    SimonDesign,
)
from schemas.screening.panel import Antigen

TARGET = (Antigen.TROP2, Antigen.HER2)
DAY_0 = date(2026, 3, 2)

# r1/n1 1/4, r/n 3/8: small enough to count on the fingers.
DESIGN = SimonDesign(
    null_rate=0.1,
    target_rate=0.5,
    alpha=0.05,
    beta=0.2,
    stage_one_size=4,
    stage_one_futility=1,
    total_size=8,
    total_futility=3,
    open_stage_two_early=False,
)
EARLY = DESIGN.model_copy(update={"open_stage_two_early": True})

OPENS = "stage 2 opens with all 4 evaluable and more than 1 responses"
PROMISING = "promising with more than 3 responses"

OUTCOMES: dict[str, ResponseOutcome] = {
    "+": ResponseStatus.RESPONDER,
    "-": ResponseStatus.NON_RESPONDER,
    "x": ResponseStatus.NOT_EVALUABLE,
}
LETTERS = {
    "g": ResponseStatus.GIVEN,
    "d": ResponseStatus.DOSED,
    **OUTCOMES,
}


def expansion(letters: str, *, stage: int = 1, decided: ExpansionDecision = ExpansionDecision.OPEN) -> ExpansionState:
    """Make a state with a letter for each place: given, dosed, + responder, - non-responder, x not evaluable."""
    places = tuple(
        ExpansionPlace(subject=f"CN01-{number:03}", status=LETTERS[letter])
        for number, letter in enumerate(letters, start=1)
    )
    state = ExpansionState(target=TARGET, places=places, decided=decided)
    return open_stage_two(state) if stage == 2 else state


def letters_of(state: ExpansionState) -> str:
    """Write a state's places as letters."""
    names = {status: letter for letter, status in LETTERS.items()}
    return "".join(names[place.status] for place in state.places)


# The rule


@pytest.mark.parametrize(
    ("letters", "action", "why"),
    [
        (
            "",
            ExpansionAction.CONTINUE_STAGE_ONE,
            f"stage 1, 0 response(s), 0 of 4 evaluable: {OPENS}; 4 place(s) are free",
        ),
        (
            "+-d",
            ExpansionAction.CONTINUE_STAGE_ONE,
            f"stage 1, 1 response(s), 2 of 4 evaluable: {OPENS}; 1 place(s) are free",
        ),
        (
            "+-gd",
            ExpansionAction.AWAIT_STAGE_ONE,
            f"stage 1, 1 response(s), 2 of 4 evaluable: {OPENS}; 2 response(s) are awaited",
        ),
        (
            "++-x",
            ExpansionAction.CONTINUE_STAGE_ONE,
            f"stage 1, 2 response(s), 3 of 4 evaluable: {OPENS}; 1 place(s) are free",
        ),
        (
            "++-d",
            ExpansionAction.AWAIT_STAGE_ONE,
            f"stage 1, 2 response(s), 3 of 4 evaluable: {OPENS}; 1 response(s) are awaited",
        ),
        (
            "++--",
            ExpansionAction.OPEN_STAGE_TWO,
            "stage 1, 2 response(s), 4 of 4 evaluable: more than 1, stage 2 may open",
        ),
        (
            "++++",
            ExpansionAction.OPEN_STAGE_TWO,
            "stage 1, 4 response(s), 4 of 4 evaluable: more than 1, stage 2 may open",
        ),
        (
            "+---",
            ExpansionAction.STOP_FOR_FUTILITY,
            "stage 1, 1 response(s), 4 of 4 evaluable: futile with 1 or fewer",
        ),
        (
            "---",
            ExpansionAction.STOP_FOR_FUTILITY,
            "stage 1, 0 response(s), 3 of 4 evaluable: the 1 still open cannot lead to more than 1",
        ),
        (
            "---d",
            ExpansionAction.STOP_FOR_FUTILITY,
            "stage 1, 0 response(s), 3 of 4 evaluable: the 1 still open cannot lead to more than 1",
        ),
        (
            "--",
            ExpansionAction.CONTINUE_STAGE_ONE,
            f"stage 1, 0 response(s), 2 of 4 evaluable: {OPENS}; 2 place(s) are free",
        ),
        (
            "+---+",
            ExpansionAction.STOP_FOR_FUTILITY,
            "stage 1, 1 response(s), 4 of 4 evaluable, 1 beyond these not counted: futile with 1 or fewer",
        ),
    ],
)
def test_stage_one_is_judged_with_words_and_counts(letters: str, action: ExpansionAction, why: str) -> None:
    """Stage 2 opens at 2 responses of 4; futility is called as soon as 2 are out of reach, and not before."""
    verdict = judge_expansion(DESIGN, expansion(letters))

    assert (verdict.action, verdict.why) == (action, why)
    assert verdict.target == TARGET


@pytest.mark.parametrize(
    ("letters", "action", "why"),
    [
        (
            "++",
            ExpansionAction.OPEN_STAGE_TWO,
            "stage 1, 2 response(s), 2 of 4 evaluable: already more than 1, and stage 2 may open early",
        ),
        (
            "++dd",
            ExpansionAction.OPEN_STAGE_TWO,
            "stage 1, 2 response(s), 2 of 4 evaluable: already more than 1, and stage 2 may open early",
        ),
        (
            "++--",
            ExpansionAction.OPEN_STAGE_TWO,
            "stage 1, 2 response(s), 4 of 4 evaluable: more than 1, stage 2 may open",
        ),
        (
            "+--d",
            ExpansionAction.AWAIT_STAGE_ONE,
            f"stage 1, 1 response(s), 3 of 4 evaluable: {OPENS}; 1 response(s) are awaited",
        ),
    ],
)
def test_stage_two_opens_early_only_where_the_protocol_says_so(letters: str, action: ExpansionAction, why: str) -> None:
    """With enough responses the rest of stage 1 need not be awaited; with too few it must."""
    verdict = judge_expansion(EARLY, expansion(letters))

    assert (verdict.action, verdict.why) == (action, why)


@pytest.mark.parametrize(
    ("letters", "action", "why"),
    [
        (
            "++--",
            ExpansionAction.CONTINUE_STAGE_TWO,
            f"in total, 2 response(s), 4 of 8 evaluable: {PROMISING}; 4 place(s) are free",
        ),
        (
            "++---ddd",
            ExpansionAction.AWAIT_STAGE_TWO,
            f"in total, 2 response(s), 5 of 8 evaluable: {PROMISING}; 3 response(s) are awaited",
        ),
        (
            "++----d",
            ExpansionAction.CONTINUE_STAGE_TWO,
            f"in total, 2 response(s), 6 of 8 evaluable: {PROMISING}; 1 place(s) are free",
        ),
        (
            "++-----",
            ExpansionAction.STOP_FOR_FUTILITY,
            "in total, 2 response(s), 7 of 8 evaluable: the 1 still open cannot lead to more than 3",
        ),
        (
            "+++-----",
            ExpansionAction.STOP_FOR_FUTILITY,
            "in total, 3 response(s), 8 of 8 evaluable: futile with 3 or fewer",
        ),
        (
            "++++----",
            ExpansionAction.PROMISING,
            "in total, 4 response(s), 8 of 8 evaluable: more than 3",
        ),
        (
            "++-+d+",
            ExpansionAction.PROMISING,
            "in total, 4 response(s), 5 of 8 evaluable: more than 3",
        ),
        (
            "+++-----+",
            ExpansionAction.STOP_FOR_FUTILITY,
            "in total, 3 response(s), 8 of 8 evaluable, 1 beyond these not counted: futile with 3 or fewer",
        ),
        (
            "+---++++",
            ExpansionAction.STOP_FOR_FUTILITY,
            "stage 1, 1 response(s), 4 of 4 evaluable, 4 beyond these not counted: futile with 1 or fewer",
        ),
        (
            "+-d-++",
            ExpansionAction.CONTINUE_STAGE_TWO,
            f"in total, 3 response(s), 5 of 8 evaluable: {PROMISING}; 2 place(s) are free",
        ),
    ],
)
def test_stage_two_is_judged_with_words_and_counts(letters: str, action: ExpansionAction, why: str) -> None:
    """Promising at 4 of 8, even before all 8; stage 1's boundary still holds for its first 4."""
    verdict = judge_expansion(DESIGN, expansion(letters, stage=2))

    assert (verdict.action, verdict.why) == (action, why)


def test_more_than_r_responses_in_stage_one_wait_for_stage_two() -> None:
    """The design has no early end for a high rate: stage 2 opens, and then the target is promising at once."""
    state = expansion("++++")

    assert (state.stage, judge_expansion(DESIGN, state).action) == (1, ExpansionAction.OPEN_STAGE_TWO)
    state = open_stage_two(state)
    assert (state.stage, judge_expansion(DESIGN, state).action) == (2, ExpansionAction.PROMISING)


def test_a_verdict_shows_the_counts_of_both_sizes() -> None:
    """The page shows the first 4 beside all 8."""
    verdict = judge_expansion(DESIGN, expansion("x+-gd+x", stage=2))

    assert verdict.stage_one == ResponseTally(size=4, evaluable=2, responses=1, pending=2, beyond=1, not_evaluable=2)
    assert verdict.total == ResponseTally(size=8, evaluable=3, responses=2, pending=2, beyond=0, not_evaluable=2)


@pytest.mark.parametrize(
    ("letters", "size", "expected"),
    [
        ("", 4, ResponseTally(size=4, evaluable=0, responses=0, pending=0, beyond=0, not_evaluable=0)),
        ("gd", 4, ResponseTally(size=4, evaluable=0, responses=0, pending=2, beyond=0, not_evaluable=0)),
        ("+-x", 4, ResponseTally(size=4, evaluable=2, responses=1, pending=0, beyond=0, not_evaluable=1)),
        ("x----+", 4, ResponseTally(size=4, evaluable=4, responses=0, pending=0, beyond=1, not_evaluable=1)),
        ("---+-++g", 4, ResponseTally(size=4, evaluable=4, responses=1, pending=0, beyond=4, not_evaluable=0)),
    ],
)
def test_the_first_in_the_order_of_places_count(letters: str, size: int, expected: ResponseTally) -> None:
    """A replacement moves up for who is not evaluable; nobody is counted because of the response."""
    assert tally(expansion(letters), size) == expected


# Places


@pytest.mark.parametrize(
    ("letters", "stage", "free"),
    [
        ("", 1, 4),
        ("gd-", 1, 1),
        ("gd-+", 1, 0),
        ("gd-x", 1, 1),
        ("xx", 1, 4),
        ("++--", 1, 0),
        ("---", 1, 0),
        ("+--", 1, 1),
        ("+---+", 1, 0),
        ("++--+", 1, 0),
        ("++--", 2, 4),
        ("++--gdx", 2, 2),
        ("++--gggg", 2, 0),
        ("++--ggggd", 2, 0),
        ("++-----", 2, 0),
        ("++++-", 2, 3),
        ("", 2, 8),
    ],
)
def test_places_are_what_the_stage_leaves(letters: str, stage: int, free: int) -> None:
    """Never more than 4, then 8, evaluable and pending; who is not evaluable is replaced; none once it is futile."""
    assert free_places(DESIGN, expansion(letters, stage=stage)) == free


@pytest.mark.parametrize(
    ("decided", "free"),
    [
        (ExpansionDecision.OPEN, 3),
        (ExpansionDecision.EFFICACIOUS, 3),
        (ExpansionDecision.FUTILE, 0),
        (ExpansionDecision.COMPLETE, 0),
    ],
)
def test_a_decision_may_close_the_places(decided: ExpansionDecision, free: int) -> None:
    """A promising target is still filled to its size; a futile or complete one gives out no place."""
    state = expansion("++++-", stage=2)

    assert decide(state, decided) == expansion("++++-", stage=2, decided=decided)
    assert free_places(DESIGN, decide(state, decided)) == free


# News


def test_a_place_goes_to_a_subject_once() -> None:
    """A request that arrives again leads to no second place."""
    state = give_place(expansion(""), "CN01-007")

    assert state.places == (ExpansionPlace(subject="CN01-007", status=ResponseStatus.GIVEN, first_infused_on=None),)
    assert give_place(state, "CN01-007") == state
    assert letters_of(give_place(state, "CN01-008")) == "gg"


def test_a_place_given_back_undosed_may_be_asked_for_again() -> None:
    """Who dropped out before the infusion is replaced, and may come back later at the end of the order."""
    state = give_back(expansion("g+"), "CN01-001")

    assert letters_of(state) == "x+"
    again = give_place(state, "CN01-001")
    assert [place.subject for place in again.places] == ["CN01-001", "CN01-002", "CN01-001"]
    assert letters_of(apply_outcome(again, "CN01-001", ResponseStatus.RESPONDER)) == "x++"


def test_who_was_dosed_gets_no_second_place() -> None:
    """Not evaluable after a dose: somebody else comes instead."""
    state = apply_first_dose(expansion("g"), "CN01-001", DAY_0)
    state = apply_outcome(state, "CN01-001", ResponseStatus.NOT_EVALUABLE)

    assert letters_of(state) == "x"
    assert give_place(state, "CN01-001") == state


@pytest.mark.parametrize(("before", "after"), [("g", "x"), ("d", "d"), ("+", "+"), ("-", "-"), ("x", "x")])
def test_only_an_undosed_place_goes_back(before: str, after: str) -> None:
    """A dosed participant stays until the response is judged."""
    assert letters_of(give_back(expansion(before + "g"), "CN01-001")) == after + "g"


@pytest.mark.parametrize(("before", "after"), [("g", "d"), ("d", "d"), ("+", "+"), ("-", "-"), ("x", "x")])
def test_the_first_dose_opens_no_outcome_again(before: str, after: str) -> None:
    """News may arrive in another order than it happened; the first date stands."""
    state = apply_first_dose(expansion(before + "g"), "CN01-001", DAY_0)

    assert letters_of(state) == after + "g"
    assert [place.first_infused_on for place in state.places] == [DAY_0, None]
    assert apply_first_dose(state, "CN01-001", date(2026, 3, 9)) == state


@pytest.mark.parametrize("before", "gd+-x")
@pytest.mark.parametrize("outcome", "+-x")
def test_the_latest_judgement_stands(before: str, outcome: str) -> None:
    """A response may come late, and a review may take one back."""
    assert letters_of(apply_outcome(expansion(before + "d"), "CN01-001", OUTCOMES[outcome])) == outcome + "d"


def test_news_of_somebody_else_changes_nothing() -> None:
    """A subject without a place has none to change."""
    state = expansion("gd")

    assert give_back(state, "CN01-009") == state
    assert apply_first_dose(state, "CN01-009", DAY_0) == state
    assert apply_outcome(state, "CN01-009", ResponseStatus.RESPONDER) == state


# Properties

ANY_LETTERS = st.text(alphabet="gd+-x", max_size=14)


@given(ANY_LETTERS, st.sampled_from([1, 2]), st.booleans())
def test_futility_is_called_exactly_when_the_best_that_can_come_is_not_enough(
    letters: str, stage: int, early: bool
) -> None:
    """With everybody pending a responder, and every free place one more, a boundary is still not passed."""
    design = EARLY if early else DESIGN
    counted = [letter for letter in letters if letter != "x"]
    best = ["-" if letter == "-" else "+" for letter in counted] + ["+"] * 8
    futile = best[:4].count("+") <= 1 or (stage == 2 and best[:8].count("+") <= 3)

    state = expansion(letters, stage=stage)

    assert (judge_expansion(design, state).action is ExpansionAction.STOP_FOR_FUTILITY) is futile
    assert free_places(design, state) == (0 if futile else max(0, 4 * stage - len(counted)))


@given(st.lists(st.booleans(), min_size=8, max_size=8), st.booleans())
def test_a_trial_ends_as_the_design_says(responses: list[bool], early: bool) -> None:
    """Treated one after another, a target is promising exactly with more than 1 of the first 4 and more than 3 of 8."""
    design, state = EARLY if early else DESIGN, expansion("")
    for number, response in enumerate(responses):
        if judge_expansion(design, state).action is ExpansionAction.OPEN_STAGE_TWO:
            state = open_stage_two(state)
        if free_places(design, state) == 0:
            break
        state = give_place(state, f"CN01-{number:03}")
        state = apply_outcome(state, f"CN01-{number:03}", OUTCOMES["+" if response else "-"])

    promising = sum(responses[:4]) > 1 and sum(responses) > 3
    expected = ExpansionAction.PROMISING if promising else ExpansionAction.STOP_FOR_FUTILITY
    assert judge_expansion(design, state).action is expected


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from("gbd+-x")), max_size=60), st.booleans())
def test_no_place_is_given_beyond_the_size_of_the_design(news: list[tuple[int, str]], early: bool) -> None:
    """Whatever news comes in whatever order, a place is given only while fewer than n are evaluable or pending."""
    design, state = EARLY if early else DESIGN, expansion("")
    for number, letter in news:
        before, subject = state, f"CN01-{number:03}"
        state = after(design, state, subject, letter)
        if len(state.places) > len(before.places):
            assert len(letters_of(state).replace("x", "")) <= 4 * state.stage
        if judge_expansion(design, state).action is ExpansionAction.OPEN_STAGE_TWO:
            state = open_stage_two(state)


def after(design: SimonDesign, state: ExpansionState, subject: str, letter: str) -> ExpansionState:
    """Apply one piece of news: a place wanted (g) or given back (b), a first dose (d), or an outcome."""
    match letter:
        case "g":
            return give_place(state, subject) if free_places(design, state) > 0 else state
        case "b":
            return give_back(state, subject)
        case "d":
            return apply_first_dose(state, subject, DAY_0)
        case _:
            return apply_outcome(state, subject, OUTCOMES[letter])
