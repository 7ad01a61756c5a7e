"""What holds for every course of measurements."""

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.response.recist_best_response import judge_best_response
from decisions.response.recist_lesions import malformed_assessment
from decisions.response.recist_timepoint import baseline_sum_mm, judge_timepoints
from schemas.response.tumour import BaselineAssessment, NonTargetStatus, Response, TimepointResponse, TumourAssessment
from tests.decisions.recist_makers import DAY_0, RULES, Size, assessment, baseline, changed, new, on_day, point

RANKS = [Response.CR, Response.PR, Response.SD, Response.NON_CR_NON_PD, Response.PD, Response.NE]
"""The best first."""
ARITHMETIC = changed(confirmed_partial_response_continues=False)
LESIONS = ["T01", "T02", "L01", "L02"]

tenths = st.integers(0, 1200).map(lambda number: str(Decimal(number) / 10))
diseased = st.integers(150, 1200).map(lambda number: str(Decimal(number) / 10))
sizes = st.one_of(tenths, tenths, st.sampled_from(["0", "small", "NE"]))


@st.composite
def courses(draw: st.DrawFn) -> tuple[BaselineAssessment, list[TumourAssessment]]:
    """Draw a baseline of one to four targets and perhaps another lesion, and up to five assessments."""
    lesions = draw(st.lists(st.sampled_from(LESIONS), min_size=1, unique=True))
    non_targets = draw(st.sampled_from([[], ["N01"]]))
    before = baseline({lesion: draw(diseased) for lesion in lesions}, non_targets)
    days = sorted(draw(st.sets(st.integers(1, 400), max_size=5)))
    later = []
    for day in days:
        found: dict[str, Size] = {lesion: draw(sizes) for lesion in lesions}
        seen = {lesion: draw(st.sampled_from(NonTargetStatus)) for lesion in non_targets}
        lesion = draw(st.sampled_from([None, None, None, new(certain=False), new()]))
        later.append(assessment(day, found, seen, [] if lesion is None else [lesion]))
    return before, later


@st.composite
def single_sums(draw: st.DrawFn) -> tuple[Decimal, Decimal, Decimal]:
    """Draw a baseline, a nadir at most as large and above 0, and a sum above 0, in mm."""
    before = Decimal(draw(st.integers(100, 3000)))
    nadir = Decimal(draw(st.integers(1, int(before))))
    now = Decimal(draw(st.integers(1, 4000)))
    return before / 10, nadir / 10, now / 10


responses = st.lists(st.tuples(st.integers(1, 400), st.sampled_from(RANKS)), max_size=8, unique_by=lambda item: item[0])


def points(drawn: Sequence[tuple[int, Response]]) -> tuple[TimepointResponse, ...]:
    """Make timepoints of days and responses."""
    return tuple(point(day, response) for day, response in drawn)


@given(courses(), st.data())
def test_only_dates_order_assessments(
    course: tuple[BaselineAssessment, list[TumourAssessment]], data: st.DataObject
) -> None:
    """However they are told, they are judged by their dates."""
    before, later = course
    judged = judge_timepoints(RULES, before, later)

    assert judge_timepoints(RULES, before, data.draw(st.permutations(later))) == judged
    assert [found.assessed_on for found in judged] == sorted(told.assessed_on for told in later)


@given(courses())
def test_the_order_of_lesions_changes_nothing(course: tuple[BaselineAssessment, list[TumourAssessment]]) -> None:
    """Neither at baseline nor later."""
    before, later = course
    turned = before.model_copy(update={"targets": before.targets[::-1]})
    turned_later = [told.model_copy(update={"targets": told.targets[::-1]}) for told in later]

    facts = [found.model_dump(exclude={"why"}) for found in judge_timepoints(RULES, before, later)]
    assert [found.model_dump(exclude={"why"}) for found in judge_timepoints(RULES, turned, turned_later)] == facts


@given(courses())
def test_a_new_lesion_makes_progression(course: tuple[BaselineAssessment, list[TumourAssessment]]) -> None:
    """Whatever all others do, at that assessment and not before it."""
    before, later = course
    judged = judge_timepoints(RULES, before, later)
    for index, told in enumerate(later):
        grown = told.model_copy(update={"new_lesions": (*told.new_lesions, new("NEW02"))})
        again = judge_timepoints(RULES, before, [*later[:index], grown, *later[index + 1 :]])
        assert again[index].overall is Response.PD
        assert again[:index] == judged[:index]


@given(courses())
def test_the_nadir_is_never_above_baseline_and_never_rises(
    course: tuple[BaselineAssessment, list[TumourAssessment]],
) -> None:
    """It is the smallest sum before."""
    before, later = course
    nadirs = [found.nadir_mm for found in judge_timepoints(RULES, before, later) if found.nadir_mm is not None]

    assert len(nadirs) == len(later)
    assert nadirs == sorted(nadirs, reverse=True)
    assert all(nadir <= baseline_sum_mm(before) for nadir in nadirs)


@given(single_sums())
def test_progression_takes_both_thresholds(sums: tuple[Decimal, Decimal, Decimal]) -> None:
    """20 % and 5 mm above the nadir, in whole tenths of a millimetre; below it, PR is 30 % under baseline."""
    before, nadir, now = sums
    course = [assessment(56, {"T01": str(nadir)}), assessment(112, {"T01": str(now)})]
    judged = judge_timepoints(ARITHMETIC, baseline({"T01": str(before)}), course)[-1]

    rise = int((now - nadir) * 10)
    progressed = rise * 5 >= int(nadir * 10) and rise >= 50
    responded = int(now * 10) * 10 <= int(before * 10) * 7
    assert judged.nadir_mm == nadir
    assert (judged.target is Response.PD) is progressed
    assert (judged.target is Response.PR) is (responded and not progressed)


@given(courses(), st.integers(2, 4))
def test_percentages_do_not_depend_on_scale(
    course: tuple[BaselineAssessment, list[TumourAssessment]], factor: int
) -> None:
    """All lengths, those of the rules included, may be multiplied."""
    before, later = course
    lengths = {name: value * factor for name, value in RULES if name.endswith("_mm") and isinstance(value, Decimal)}
    wide = before.model_copy(
        update={
            "targets": tuple(
                target.model_copy(update={"diameter_mm": target.diameter_mm * factor}) for target in before.targets
            )
        }
    )
    wide_later = [
        told.model_copy(
            update={
                "targets": tuple(
                    found.model_copy(update={"diameters_mm": tuple(size * factor for size in found.diameters_mm)})
                    for found in told.targets
                )
            }
        )
        for told in later
    ]

    judged = judge_timepoints(changed(**lengths), wide, wide_later)
    assert [found.overall for found in judged] == [found.overall for found in judge_timepoints(RULES, before, later)]


@given(courses(), tenths)
def test_progression_stands_whatever_an_unmeasured_target_is(
    course: tuple[BaselineAssessment, list[TumourAssessment]], size: str
) -> None:
    """PD from a part of the targets is PD from all of them."""
    before, later = course
    for index, found in enumerate(judge_timepoints(ARITHMETIC, before, later)):
        if found.target is Response.PD:
            told = later[index]
            known = {entry.lesion: entry for entry in told.targets}
            filled = assessment(1, dict.fromkeys(known, size))
            targets = tuple(
                entry if entry.diameters_mm or entry.state == "too_small_to_measure" else other
                for entry, other in zip(known.values(), filled.targets, strict=True)
            )
            again = [*later[:index], told.model_copy(update={"targets": targets})]
            assert judge_timepoints(ARITHMETIC, before, again)[-1].target is Response.PD


@given(courses())
def test_a_later_assessment_changes_an_earlier_one_only_by_a_new_lesion(
    course: tuple[BaselineAssessment, list[TumourAssessment]],
) -> None:
    """Measurements look back, never ahead; only a doubtful lesion that proves certain turns the past into PD."""
    before, later = course
    whole = judge_timepoints(RULES, before, later)
    for end in range(len(later)):
        for early, final in zip(judge_timepoints(RULES, before, later[:end]), whole, strict=False):
            assert early.sum_mm == final.sum_mm
            assert early.overall == final.overall or any(found.new_lesion for found in whole)


@given(courses())
def test_every_drawn_course_is_well_formed_or_in_doubt_of_its_unit(
    course: tuple[BaselineAssessment, list[TumourAssessment]],
) -> None:
    """What the rules judge here is what the form lets through."""
    before, later = course
    for index, told in enumerate(later):
        problems = malformed_assessment(RULES, before, later[:index], told)
        assert {problem.field for problem in problems} <= {"targets"}


@given(responses)
def test_the_best_response_is_never_better_than_the_best_timepoint(drawn: list[tuple[int, Response]]) -> None:
    """Confirmation takes away, and adds nothing."""
    best = judge_best_response(RULES, DAY_0, points(drawn))
    seen = [response for _, response in drawn] or [Response.NE]

    # NE is last: short stable disease falls to it, so it may stand below what was seen, never above.
    assert RANKS.index(best.response) >= min(RANKS.index(response) for response in seen)


@given(responses)
def test_the_best_response_has_dates_that_fit(drawn: list[tuple[int, Response]]) -> None:
    """First the response, its confirmation no earlier than 28 days later, then progression."""
    best = judge_best_response(RULES, DAY_0, points(drawn))

    assert best.confirmed is (best.response in {Response.CR, Response.PR})
    assert (best.duration_days is None) is (best.responded_on is None)
    if best.responded_on is not None and best.confirmed_on is not None and best.duration_days is not None:
        assert (best.confirmed_on - best.responded_on).days >= 28
        assert best.duration_days >= 28
        assert best.progressed_on is None or best.confirmed_on < best.progressed_on
        assert best.duration_censored is (best.progressed_on is None)


@given(responses, st.integers(0, 400))
def test_nothing_after_progression_or_other_therapy_counts(drawn: list[tuple[int, Response]], day: int) -> None:
    """To leave it out changes nothing."""
    best = judge_best_response(RULES, DAY_0, points(drawn), new_therapy_on=on_day(day))
    before = [(on, response) for on, response in drawn if on <= day]
    first = min((on for on, response in before if response is Response.PD), default=day)

    assert judge_best_response(RULES, DAY_0, points([item for item in before if item[0] <= first])) == best


@given(responses, st.integers(0, 90), st.integers(0, 90))
def test_a_longer_confirmation_never_helps(drawn: list[tuple[int, Response]], days: int, more: int) -> None:
    """What is confirmed after longer is confirmed after less."""
    short, long = (
        judge_best_response(changed(confirmation_days=wait), DAY_0, points(drawn)) for wait in (days, days + more)
    )

    assert RANKS.index(short.response) <= RANKS.index(long.response)


@pytest.mark.parametrize("count", [0, 1])
def test_few_assessments_confirm_nothing(count: int) -> None:
    """A response takes two."""
    assert not judge_best_response(RULES, DAY_0, points([(56, Response.CR)][:count])).confirmed
