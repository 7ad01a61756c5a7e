import itertools

import pytest

from decisions.response.recist_best_response import counting_timepoints, judge_best_response
from schemas.response.tumour import BestResponse, RecistRules, Response
from tests.decisions.recist_makers import DAY_0, RULES, changed, course, on_day

CR, PR, SD, PD, NE = Response.CR, Response.PR, Response.SD, Response.PD, Response.NE
NON = Response.NON_CR_NON_PD


def best(
    text: str, *, rules: RecistRules = RULES, new_therapy: int | None = None, died: int | None = None
) -> BestResponse:
    """Judge a course such as '56 PR, 84 PR'."""
    return judge_best_response(
        rules,
        DAY_0,
        course(text),
        new_therapy_on=None if new_therapy is None else on_day(new_therapy),
        died_on=None if died is None else on_day(died),
    )


@pytest.mark.parametrize(
    ("text", "response", "day"),
    [
        # a CR is confirmed by a CR, 28 days later at the least
        ("56 CR, 84 CR", CR, 56),
        ("56 CR, 83 CR", SD, 56),
        ("56 CR, 70 CR, 84 CR", CR, 56),
        ("56 CR, 70 CR, 83 CR", SD, 56),
        ("56 CR, 70 NE, 84 CR", CR, 56),
        ("56 CR, 63 NE, 70 NE, 84 CR", SD, 56),
        ("56 CR, 70 PR, 84 CR", SD, 56),
        ("56 CR, 70 SD, 84 CR", SD, 56),
        ("56 CR, 70 SD, 84 CR, 112 CR", CR, 84),
        ("56 CR, 84 PR", SD, 56),
        ("56 CR, 84 NON-CR/NON-PD, 112 CR", SD, 56),
        # a PR by a PR or a CR
        ("56 PR, 84 PR", PR, 56),
        ("56 PR, 83 PR", SD, 56),
        ("56 PR, 84 CR", PR, 56),
        ("56 PR, 83 CR", SD, 56),
        ("56 PR, 70 CR, 84 CR", PR, 56),
        ("56 PR, 70 CR, 84 PR", SD, 56),
        ("56 PR, 63 CR, 70 NE, 84 PR", SD, 56),
        ("56 PR, 63 CR, 70 PR, 84 CR", SD, 56),
        ("56 PR, 70 PR, 84 CR", PR, 56),
        ("56 PR, 70 NE, 84 PR", PR, 56),
        ("56 PR, 63 NE, 70 NE, 84 PR", SD, 56),
        ("56 PR, 70 SD, 84 PR", SD, 56),
        ("56 PR, 70 SD, 84 PR, 112 PR", PR, 84),
        ("56 PR, 70 NON-CR/NON-PD, 84 PR", SD, 56),
        ("28 PR, 70 PR", PR, 28),
        # CR before PR, whichever came first
        ("56 PR, 84 PR, 112 CR, 140 CR", CR, 112),
        ("56 PR, 84 CR, 112 CR", CR, 84),
        # what is not confirmed is stable disease if it lasted to day 42
        ("42 SD", SD, 42),
        ("41 SD", NE, 41),
        ("42 PR", SD, 42),
        ("41 PR", NE, 41),
        ("42 CR", SD, 42),
        ("41 CR", NE, 41),
        ("28 SD, 42 NE", NE, 28),
        ("28 SD, 56 SD", SD, 56),
        ("42 NON-CR/NON-PD", NON, 42),
        ("41 NON-CR/NON-PD", NE, 41),
        ("42 NON-CR/NON-PD, 84 SD", SD, 84),
        ("42 NON-CR/NON-PD, 84 PD", NON, 42),
        # then PD, then NE
        ("28 PD", PD, 28),
        ("28 SD, 35 PD", PD, 35),
        ("28 NE, 35 PD", PD, 35),
        ("41 PR, 60 PD", PD, 60),
        ("42 SD, 60 PD", SD, 42),
        ("28 NE", NE, 28),
        ("28 NE, 56 NE", NE, 28),
        # nothing after the first PD counts
        ("28 PD, 56 CR, 84 CR", PD, 28),
        ("56 PR, 70 PD, 84 PR", SD, 56),
    ],
)
def test_the_best_response_needs_its_confirmation_or_its_duration(text: str, response: Response, day: int) -> None:
    """Day 28 after a response confirms it; from day 42 of treatment on, disease is stable."""
    judged = best(text)

    assert judged.response is response
    assert judged.on == on_day(day)
    assert judged.confirmed is (response in {CR, PR})
    assert (judged.responded_on is None) is (response not in {CR, PR})


@pytest.mark.parametrize(
    ("changes", "text", "response"),
    [
        ({"confirmation_days": 30}, "56 PR, 85 PR", SD),
        ({"confirmation_days": 30}, "56 PR, 86 PR", PR),
        ({"maximum_not_evaluable_between": 0}, "56 CR, 70 NE, 84 CR", SD),
        ({"maximum_not_evaluable_between": 2}, "56 CR, 63 NE, 70 NE, 84 CR", CR),
        ({"maximum_not_evaluable_between": 2}, "56 CR, 63 NE, 70 NE, 77 NE, 84 CR", SD),
        ({"maximum_stable_between": 1}, "56 PR, 70 SD, 84 PR", PR),
        ({"maximum_stable_between": 1}, "56 PR, 63 SD, 70 SD, 84 PR", SD),
        ({"maximum_stable_between": 1}, "56 CR, 70 SD, 84 CR", SD),
        ({"minimum_stable_days": 56}, "55 SD", NE),
        ({"minimum_stable_days": 56}, "56 SD", SD),
    ],
)
def test_the_protocol_sets_confirmation_and_duration(changes: dict[str, object], text: str, response: Response) -> None:
    """Days and counts are the protocol's."""
    assert best(text, rules=changed(**changes)).response is response


@pytest.mark.parametrize(
    ("text", "responded", "confirmed", "days", "censored"),
    [
        ("56 PR, 84 PR", 56, 84, 28, True),
        ("56 PR, 84 PR, 112 NE", 56, 84, 28, True),
        ("56 PR, 84 PR, 112 SD, 140 NE", 56, 84, 56, True),
        ("56 PR, 84 PR, 150 PD", 56, 84, 94, False),
        ("56 CR, 84 CR, 112 CR, 150 PD, 200 PR", 56, 84, 94, False),
        ("56 PR, 84 CR, 112 CR", 56, 112, 56, True),
        ("56 PR, 60 CR, 88 CR", 56, 88, 32, True),
        ("56 PR, 62 SD, 84 CR, 112 CR", 84, 112, 28, True),
        ("56 CR, 84 CR, 112 PR, 140 PR", 56, 84, 84, True),
        ("28 PR, 42 SD, 84 PR, 112 PR, 150 PD", 84, 112, 66, False),
    ],
)
def test_a_response_lasts_from_when_it_was_first_seen(
    text: str, responded: int, confirmed: int, days: int, censored: bool
) -> None:
    """To progression, else to the last evaluable assessment; a PR that deepens into a CR is one response."""
    judged = best(text)

    assert judged.responded_on == on_day(responded)
    assert judged.confirmed_on == on_day(confirmed)
    assert judged.duration_days == days
    assert judged.duration_censored is censored


@pytest.mark.parametrize(
    ("text", "new_therapy", "died", "days", "censored"),
    [
        ("56 PR, 84 PR", None, 100, 44, False),
        ("56 PR, 84 PR, 112 PD", None, 200, 56, False),
        ("56 PR, 84 PR, 112 PD", 150, 200, 56, False),
        ("56 PR, 84 PR, 112 PD", 112, None, 56, False),
        ("56 PR, 84 PR, 112 PD", 111, None, 28, True),
        ("56 PR, 84 PR", 90, 100, 28, True),
        ("56 PR, 84 PR", 100, 100, 44, False),
        ("56 PR, 84 PR", 120, 100, 44, False),
    ],
)
def test_a_response_ends_with_death_unless_other_therapy_came_first(
    text: str, new_therapy: int | None, died: int | None, days: int, censored: bool
) -> None:
    """What comes after other anticancer therapy says nothing of this one: the response is censored before it."""
    judged = best(text, new_therapy=new_therapy, died=died)

    assert judged.response is PR
    assert judged.duration_days == days
    assert judged.duration_censored is censored


@pytest.mark.parametrize("text", ["", "42 SD", "56 PR", "28 PD", "28 NE"])
def test_without_a_confirmed_response_there_is_no_duration(text: str) -> None:
    """Neither confirmation, nor dates, nor a length."""
    judged = best(text, died=60)

    assert not judged.confirmed
    assert judged.responded_on is None
    assert judged.confirmed_on is None
    assert judged.duration_days is None
    assert judged.duration_censored is None


@pytest.mark.parametrize(
    ("text", "new_therapy", "progressed"),
    [
        ("56 SD", None, None),
        ("56 SD, 84 PD", None, 84),
        ("56 PD, 84 PD", None, 56),
        ("56 PR, 84 PR, 112 PD", None, 112),
        ("56 SD, 84 PD", 84, 84),
        ("56 SD, 84 PD", 83, None),
    ],
)
def test_progression_is_the_first_one_before_other_therapy(
    text: str, new_therapy: int | None, progressed: int | None
) -> None:
    """The day of the scan that shows it, the day on which other therapy starts included."""
    assert best(text, new_therapy=new_therapy).progressed_on == (None if progressed is None else on_day(progressed))


@pytest.mark.parametrize(
    ("text", "new_therapy", "counting"),
    [
        ("28 SD, 56 SD", None, "28 SD, 56 SD"),
        ("56 SD, 28 SD", None, "28 SD, 56 SD"),
        ("28 SD, 56 PD, 84 PD, 112 SD", None, "28 SD, 56 PD"),
        ("28 SD, 56 SD, 84 SD", 56, "28 SD, 56 SD"),
        ("28 SD, 56 SD, 84 SD", 55, "28 SD"),
        ("28 SD, 56 PD", 55, "28 SD"),
        ("28 SD", 27, ""),
        ("", None, ""),
    ],
)
def test_assessments_count_up_to_progression_or_other_therapy(
    text: str, new_therapy: int | None, counting: str
) -> None:
    """Both days included."""
    new_therapy_on = None if new_therapy is None else on_day(new_therapy)

    assert counting_timepoints(course(text), new_therapy_on) == course(counting)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("56 CR, 84 CR", f"CR on {on_day(56)}, confirmed on {on_day(84)}"),
        ("56 PR, 84 CR", f"PR on {on_day(56)}, confirmed on {on_day(84)}"),
        ("56 SD", f"SD on {on_day(56)}, not before day 42 ({on_day(42)})"),
        ("56 PR", f"PR on {on_day(56)}, not confirmed, not before day 42 ({on_day(42)})"),
        ("56 NON-CR/NON-PD", f"NON-CR/NON-PD on {on_day(56)}, not before day 42 ({on_day(42)})"),
        ("28 PD", f"PD on {on_day(28)}, no stable disease from day 42 ({on_day(42)})"),
        ("28 SD", f"nothing confirmed, and nothing evaluable from day 42 ({on_day(42)}) on"),
        ("", "no assessment counts"),
    ],
)
def test_the_reason_names_the_days(text: str, why: str) -> None:
    """Which assessment, and what confirms it or what it lacks."""
    assert best(text).why == why


@pytest.mark.parametrize(
    ("text", "review"),
    [
        ("56 CR, 84 CR", ()),
        ("56 PR, 84 CR", ()),
        ("56 CR, 84 PD", ()),
        ("56 CR, 84 NE", ()),
        ("56 CR, 84 PR", (f"CR on {on_day(56)}, then PR on {on_day(84)}: it was no CR, or this is PD",)),
        ("56 CR, 84 SD", (f"CR on {on_day(56)}, then SD on {on_day(84)}: it was no CR, or this is PD",)),
        (
            "28 PR, 56 CR, 84 CR, 112 NON-CR/NON-PD, 140 PR",
            (
                f"CR on {on_day(56)}, then NON-CR/NON-PD on {on_day(112)}: it was no CR, or this is PD",
                f"CR on {on_day(56)}, then PR on {on_day(140)}: it was no CR, or this is PD",
            ),
        ),
        ("56 CR, 84 PD, 112 PR", ()),
        ("56 SD, 84 PR", ()),
    ],
)
def test_disease_after_a_complete_response_is_to_be_reviewed(text: str, review: tuple[str, ...]) -> None:
    """Unless it was called PD: then the data agree with themselves."""
    assert best(text).review == review


def test_order_is_by_date() -> None:
    """Assessments may be told in any order."""
    points = course("28 SD, 56 PR, 84 PR, 150 PD")
    judged = judge_best_response(RULES, DAY_0, points)

    for order in itertools.permutations(points):
        assert judge_best_response(RULES, DAY_0, order) == judged
