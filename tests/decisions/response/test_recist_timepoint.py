import itertools
from decimal import Decimal

import pytest

from decisions.response.recist_timepoint import baseline_sum_mm, judge_non_target, judge_timepoints, overall_response
from schemas.response.tumour import (
    BaselineAssessment,
    NewLesion,
    NonTargetStatus,
    RecistRules,
    Response,
    TimepointResponse,
    TumourAssessment,
)
from tests.decisions.recist_makers import RULES, Size, assessment, baseline, changed, new, on_day

CR, PR, SD, PD, NE = Response.CR, Response.PR, Response.SD, Response.PD, Response.NE
NON = Response.NON_CR_NON_PD
ABSENT, PRESENT = NonTargetStatus.ABSENT, NonTargetStatus.PRESENT
GREW, UNSEEN = NonTargetStatus.UNEQUIVOCAL_PROGRESSION, NonTargetStatus.NOT_EVALUABLE


def judge(
    before: BaselineAssessment, *assessments: TumourAssessment, rules: RecistRules = RULES
) -> list[TimepointResponse]:
    """Judge a course."""
    return list(judge_timepoints(rules, before, assessments))


def judge_sums(*sums: Size, rules: RecistRules = RULES) -> list[TimepointResponse]:
    """Judge a course of one target, its baseline first, an assessment every eight weeks."""
    first, *later = sums
    return judge(
        baseline({"T01": first}),
        *(assessment(56 * number, {"T01": size}) for number, size in enumerate(later, start=1)),
        rules=rules,
    )


# Targets


@pytest.mark.parametrize(
    ("sums", "response"),
    [
        # PR: at most 70 % of baseline
        (("100", "70"), PR),
        (("100", "70.1"), SD),
        (("33", "23.1"), PR),
        (("33", "23.2"), SD),
        # PD: 20 % above nadir, and 5 mm
        (("100", "120"), PD),
        (("100", "119.9"), SD),
        (("25", "30"), PD),
        (("25", "29.9"), SD),
        (("20", "24"), SD),  # 20 %, but 4 mm
        (("20", "24.9"), SD),  # 24.5 %, but 4.9 mm
        (("20", "25"), PD),
        (("30", "35"), SD),  # 5 mm, but 16.7 %
        (("30", "35.9"), SD),
        (("30", "36"), PD),
        # in binary fractions, 0.1 + 0.2 is above 0.3
        (("100.1", "120.1"), SD),
        (("100.1", "120.2"), PD),
        # the nadir is the smallest sum before, not the last, not the baseline
        (("100", "50", "60"), PD),
        (("100", "50", "59.9"), PR),
        (("100", "90", "80", "96"), PD),
        (("100", "80", "90", "96"), PD),
        (("100", "80", "90", "95.9"), SD),
        # CR takes 0 mm
        (("100", "0"), CR),
        (("100", "0.1"), PR),
        (("100", "small"), PR),
        (("100", "NE"), NE),
    ],
)
def test_targets_are_judged_by_their_sum(sums: tuple[str, ...], response: Response) -> None:
    """At least 30 % below baseline is PR; at least 20 % and 5 mm above the nadir is PD, and goes before PR."""
    last = judge_sums(*sums, rules=changed(confirmed_partial_response_continues=False))[-1]

    assert last.target is response
    assert last.overall is response


@pytest.mark.parametrize(
    ("changes", "sums", "response"),
    [
        ({"progression_percent": Decimal(25)}, ("100", "124.9"), SD),
        ({"progression_percent": Decimal(25)}, ("100", "125"), PD),
        ({"progression_absolute_mm": Decimal(7)}, ("20", "26.9"), SD),
        ({"progression_absolute_mm": Decimal(7)}, ("20", "27"), PD),
        ({"partial_response_percent": Decimal(50)}, ("100", "50.1"), SD),
        ({"partial_response_percent": Decimal(50)}, ("100", "50"), PR),
        ({"too_small_to_measure_mm": Decimal(8)}, ("10", "small"), SD),
        ({"too_small_to_measure_mm": Decimal(7)}, ("10", "small"), PR),
    ],
)
def test_the_protocol_sets_the_thresholds(
    changes: dict[str, object], sums: tuple[str, ...], response: Response
) -> None:
    """Percentages and millimetres are the protocol's."""
    assert judge_sums(*sums, rules=changed(**changes))[-1].overall is response


@pytest.mark.parametrize(
    ("before", "now", "response", "total"),
    [
        # lymph nodes are gone below 10 mm; the sum of a CR need not be 0
        ({"L01": 20}, {"L01": "9.9"}, CR, "9.9"),
        ({"L01": 20}, {"L01": "10"}, PR, "10"),
        ({"T01": 30, "L01": 20}, {"T01": 0, "L01": 8}, CR, "8"),
        ({"T01": 30, "L01": 20}, {"T01": 1, "L01": 8}, PR, "9"),
        ({"T01": 30, "L01": 20}, {"T01": "small", "L01": 0}, PR, "5"),
        ({"L01": 20}, {"L01": "small"}, CR, "5"),
        # several targets add up
        ({"T01": 30, "T02": 20}, {"T01": 15, "T02": 20}, PR, "35"),
        ({"T01": 30, "T02": 20}, {"T01": "15.1", "T02": 20}, SD, "35.1"),
        # one that split is the sum of its parts, which are all gone or none is
        ({"T01": 50}, {"T01": ("30", "30")}, PD, "60"),
        ({"L01": 20}, {"L01": ("9", "9")}, CR, "18"),
        ({"L01": 20}, {"L01": ("4", "11")}, SD, "15"),
        # those that merged are measured once
        ({"T01": 30, "T02": 30}, {"T01": 60, "T02": ">T01"}, SD, "60"),
        ({"T01": 30, "T02": 30}, {"T01": 0, "T02": ">T01"}, CR, "0"),
    ],
)
def test_targets_of_every_kind_add_up(
    before: dict[str, Size], now: dict[str, Size], response: Response, total: str
) -> None:
    """Longest diameters and short axes add up; 'too small to measure' counts 5 mm."""
    (judged,) = judge(baseline(before), assessment(56, now))

    assert judged.target is response
    assert judged.overall is response
    assert judged.sum_mm == Decimal(total)


@pytest.mark.parametrize(
    ("before", "now", "response"),
    [
        ({"T01": 25, "T02": 25}, {"T01": 59, "T02": "NE"}, NE),
        ({"T01": 25, "T02": 25}, {"T01": 60, "T02": "NE"}, PD),
        ({"T01": 25, "T02": 25}, {"T01": 60}, PD),
        ({"T01": 25, "T02": 25}, {"T01": 5, "T02": "NE"}, NE),
        ({"T01": 25, "T02": 25}, {"T01": 0, "T02": "NE"}, NE),
        ({"T01": 25, "T02": 25}, {"T01": 0}, NE),
        ({"T01": 25, "T02": 25}, {}, NE),
    ],
)
def test_an_unmeasured_target_is_not_evaluable_unless_the_rest_progressed(
    before: dict[str, Size], now: dict[str, Size], response: Response
) -> None:
    """What is missing can only add to the sum: PD stands, nothing else does."""
    (judged,) = judge(baseline(before), assessment(56, now))

    assert judged.target is response
    assert judged.overall is response
    assert judged.sum_mm is None


def test_a_sum_with_a_gap_is_no_nadir() -> None:
    """Only sums with every target measured are held against later ones."""
    judged = judge(
        baseline({"T01": 50, "T02": 50}),
        assessment(56, {"T01": 40, "T02": "NE"}),
        assessment(112, {"T01": 50, "T02": 60}),
        assessment(168, {"T01": 50, "T02": 50}),
    )

    assert [point.nadir_mm for point in judged] == [Decimal(100), Decimal(100), Decimal(100)]
    assert [point.sum_mm for point in judged] == [None, Decimal(110), Decimal(100)]
    assert [point.overall for point in judged] == [NE, SD, SD]


@pytest.mark.parametrize(
    ("now", "response"),
    [
        ({"T01": "0.1", "L01": 0}, PD),
        ({"T01": "small", "L01": 0}, PD),
        ({"T01": 0, "L01": "9.9"}, CR),
        ({"T01": 0, "L01": 10}, PD),
        ({"T01": 3, "L01": "NE"}, PD),
        ({"T01": "NE", "L01": "9.9"}, NE),
        ({"T01": 0, "L01": 0}, CR),
    ],
)
def test_after_nothing_was_left_any_target_is_progression(now: dict[str, Size], response: Response) -> None:
    """With a nadir of 0 mm reappearance is PD, but a lymph node of normal size is none (docs/domain.md, section 5)."""
    judged = judge(baseline({"T01": 30, "L01": 20}), assessment(56, {"T01": 0, "L01": 0}), assessment(70, now))

    assert judged[-1].overall is response
    assert judged[-1].nadir_mm == 0


def test_normal_nodes_are_gone_however_much_they_grew() -> None:
    """CR goes before PD: 4 to 9.9 mm is 20 % and 5 mm, and still no disease, measured in full or not."""
    before = baseline({"L01": 20, "L02": 20})
    small = assessment(56, {"L01": 2, "L02": 2})

    assert judge(before, small, assessment(112, {"L01": "9.9", "L02": "9.9"}))[-1].overall is CR
    assert judge(before, small, assessment(112, {"L01": "9.9", "L02": "NE"}))[-1].overall is NE


def test_the_sum_at_baseline_is_exact() -> None:
    """0.1 and 0.2 are 0.3."""
    assert baseline_sum_mm(baseline({"T01": "10.1", "T02": "10.2"})) == Decimal("20.3")


# Confirmed responses go on


def test_a_confirmed_partial_response_goes_on_until_progression() -> None:
    """80 of 100 mm is no longer 30 % down, but PR was confirmed: it stays, and says since when."""
    judged = judge_sums("100", "70", "70", "80", "84")

    assert [point.overall for point in judged] == [PR, PR, PR, PD]
    assert [point.target for point in judged] == [PR, PR, PR, PD]
    assert judged[2].why.startswith(
        f"targets 80 mm, PR up to 70 mm (baseline 100 mm), PD from 84 mm (nadir 70 mm), "
        f"continues the PR confirmed on {on_day(112)}; no non-targets at baseline"
    )


def test_arithmetic_alone_makes_it_stable_disease() -> None:
    """A protocol may take each sum by itself."""
    judged = judge_sums("100", "70", "70", "80", rules=changed(confirmed_partial_response_continues=False))

    assert [point.overall for point in judged] == [PR, PR, SD]


def test_an_unconfirmed_partial_response_does_not_go_on() -> None:
    """One PR is not enough."""
    assert [point.overall for point in judge_sums("100", "70", "80")] == [PR, SD]


def test_a_partial_response_does_not_go_on_after_progression() -> None:
    """After PD each sum stands for itself again."""
    assert [point.overall for point in judge_sums("100", "70", "70", "84", "80")] == [PR, PR, PD, SD]


def test_what_cannot_be_seen_does_not_go_on() -> None:
    """NE is NE after a confirmed PR too."""
    assert [point.overall for point in judge_sums("100", "70", "70", "NE")] == [PR, PR, NE]


@pytest.mark.parametrize(
    ("confirmed", "now", "seen", "response"),
    [
        (True, {"L01": "9.9"}, ABSENT, CR),
        (True, {"L01": 10}, ABSENT, PD),
        (True, {"L01": 9}, PRESENT, PD),
        (True, {"L01": 9}, UNSEEN, PR),
        (True, {"L01": "NE"}, ABSENT, NE),
        (False, {"L01": 10}, ABSENT, PR),
        (False, {"L01": 9}, PRESENT, PR),
    ],
)
def test_after_a_confirmed_complete_response_any_lesion_is_progression(
    confirmed: bool, now: dict[str, Size], seen: NonTargetStatus, response: Response
) -> None:
    """A CR that was confirmed was one: what is seen again is PD; without confirmation it may never have been gone."""
    judged = judge(
        baseline({"L01": 20}, ["N01"]),
        assessment(56, {"L01": 9}, {"N01": ABSENT}),
        *([assessment(84, {"L01": 9}, {"N01": ABSENT})] if confirmed else []),
        assessment(140, now, {"N01": seen}),
    )

    assert judged[-1].overall is response
    assert (f"disease seen again after the CR confirmed on {on_day(84)}" in judged[-1].why) is (response is PD)


def test_a_node_left_unmeasured_does_not_hide_one_that_came_back() -> None:
    """After a confirmed CR one diseased lymph node is PD, whatever the other is."""
    gone = {"L01": 9, "L02": 9}
    judged = judge(
        baseline({"L01": 20, "L02": 20}),
        assessment(56, gone),
        assessment(84, gone),
        assessment(140, {"L01": 10, "L02": "NE"}),
    )

    assert (judged[-1].target, judged[-1].overall) == (NE, PD)


def test_the_judgement_of_all_non_targets_counts_after_a_complete_response() -> None:
    """'Present' of all together is disease too."""
    before = baseline({"L01": 20}, ["N01"])
    gone = [assessment(day, {"L01": 9}, non_target_overall=ABSENT) for day in (56, 84)]

    assert judge(before, *gone, assessment(140, {"L01": 9}, non_target_overall=PRESENT))[-1].overall is PD


def test_tumour_markers_alone_are_no_progression() -> None:
    """Above normal after a confirmed CR, they make it a PR: a marker is no lesion."""
    before = baseline({"L01": 20})
    gone = [assessment(day, {"L01": 9}) for day in (56, 84)]

    assert judge(before, *gone, assessment(140, {"L01": 9}, tumour_markers_normal=False))[-1].overall is PR


# Non-targets


@pytest.mark.parametrize(
    ("seen", "overall", "markers", "response", "why"),
    [
        ({"N01": ABSENT, "N02": ABSENT}, None, None, CR, "non-targets: all absent"),
        ({"N01": ABSENT, "N02": ABSENT}, None, True, CR, "non-targets: all absent"),
        ({"N01": ABSENT, "N02": ABSENT}, None, False, NON, "tumour markers above normal"),
        ({"N01": ABSENT, "N02": PRESENT}, None, None, NON, "non-targets: still present"),
        ({"N01": PRESENT, "N02": PRESENT}, None, False, NON, "non-targets: still present"),
        ({"N01": PRESENT, "N02": UNSEEN}, None, None, NE, "non-targets: not all evaluable"),
        ({"N01": ABSENT}, None, None, NE, "non-targets: not all evaluable"),
        ({}, None, None, NE, "non-targets: not all evaluable"),
        ({"N01": UNSEEN, "N02": GREW}, None, None, PD, "non-targets: unequivocal progression"),
        ({}, ABSENT, None, CR, "non-targets: all absent"),
        ({}, PRESENT, None, NON, "non-targets: still present"),
        ({}, GREW, None, PD, "non-targets: unequivocal progression"),
        ({}, UNSEEN, None, NE, "non-targets: not all evaluable"),
        ({"N01": ABSENT}, ABSENT, None, CR, "non-targets: all absent"),
        ({"N01": PRESENT}, ABSENT, None, NON, "non-targets: still present"),
        ({"N01": PRESENT, "N02": PRESENT}, GREW, None, PD, "non-targets: unequivocal progression"),
        ({"N01": ABSENT, "N02": ABSENT}, PRESENT, None, NON, "non-targets: still present"),
        ({"N01": ABSENT, "N02": ABSENT, "N03": GREW}, None, None, CR, "non-targets: all absent"),
    ],
)
def test_non_targets_are_judged_by_their_look(
    seen: dict[str, NonTargetStatus],
    overall: NonTargetStatus | None,
    markers: bool | None,
    response: Response,
    why: str,
) -> None:
    """The worst counts, and what is not told was not seen; what the baseline does not have is no non-target."""
    found = judge_non_target(
        baseline({}, ["N01", "N02"]),
        assessment(56, {}, seen, non_target_overall=overall, tumour_markers_normal=markers),
    )

    assert found == (response, why)


@pytest.mark.parametrize(
    ("markers", "response", "why"),
    [
        (None, None, "no non-targets at baseline"),
        (True, None, "no non-targets at baseline"),
        (False, NON, "tumour markers above normal"),
    ],
)
def test_without_non_targets_only_markers_speak(markers: bool | None, response: Response | None, why: str) -> None:
    """There is no response of lesions that are not there."""
    found = judge_non_target(baseline({"T01": 20}), assessment(56, {"T01": 0}, tumour_markers_normal=markers))

    assert found == (response, why)


# New lesions


@pytest.mark.parametrize(
    ("lesions", "counts", "why"),
    [
        ([], False, "no new lesion"),
        ([new("NEW01")], True, "new: NEW01 (lung)"),
        ([new("NEW01"), new("NEW02", node="10")], True, "new: NEW01 (lung), NEW02 (lymph_node)"),
        ([new("NEW01", certain=False)], False, "no unequivocal new lesion, to be followed: NEW01 (lung)"),
        ([new("NEW01", certain=False), new("NEW02")], True, "new: NEW02 (lung)"),
        ([new("NEW01", node="10")], True, "new: NEW01 (lymph_node)"),
        (
            [new("NEW01", node="9.9"), new("NEW02", certain=False)],
            False,
            "no unequivocal new lesion, to be followed: NEW01 (lymph_node), NEW02 (lung)",
        ),
    ],
)
def test_an_unequivocal_new_lesion_is_progression(lesions: list[NewLesion], counts: bool, why: str) -> None:
    """A lymph node counts from 10 mm on, anything else at any size."""
    (judged,) = judge(baseline({"T01": 30}), assessment(56, {"T01": 30}, new_lesions=lesions))

    assert judged.new_lesion is counts
    assert judged.overall is (PD if counts else SD)
    assert judged.target is SD
    assert judged.why.endswith(f"; {why}")


def test_an_unmeasured_new_node_counts_as_the_reader_says() -> None:
    """A missing short axis is asked for; meanwhile progression is not hidden."""
    unmeasured = new("NEW01", node="10").model_copy(update={"short_axis_mm": None})

    assert judge(baseline({"T01": 30}), assessment(56, {"T01": 30}, new_lesions=[unmeasured]))[0].overall is PD


def test_the_short_axis_of_what_is_no_node_does_not_matter() -> None:
    """A new lung lesion of 8 mm is one."""
    lesion = new("NEW01").model_copy(update={"short_axis_mm": Decimal(8)})

    assert judge(baseline({"T01": 30}), assessment(56, {"T01": 30}, new_lesions=[lesion]))[0].overall is PD


@pytest.mark.parametrize(
    ("first", "later", "overall"),
    [
        (new("NEW01", certain=False), new("NEW01"), [PD, PD, PD]),
        (new("NEW01", certain=False), new("NEW01", certain=False), [SD, SD, SD]),
        (new("NEW01", certain=False), new("NEW02"), [SD, SD, PD]),
        (new("NEW01", certain=False, node="12"), new("NEW01", node="14"), [PD, PD, PD]),
        (new("NEW01", certain=False, node="9"), new("NEW01", node="14"), [SD, SD, PD]),
        (new("NEW01", certain=False, node="12"), new("NEW01", node="9"), [SD, SD, SD]),
        (new("NEW01"), new("NEW01", certain=False), [PD, PD, SD]),
    ],
)
def test_an_equivocal_new_lesion_counts_from_its_first_scan_once_it_is_certain(
    first: NewLesion, later: NewLesion, overall: list[Response]
) -> None:
    """Progression is dated back to the scan that first showed the lesion as disease."""
    judged = judge(
        baseline({"T01": 30}),
        assessment(56, {"T01": 30}, new_lesions=[first]),
        assessment(84, {"T01": 30}, new_lesions=[first]),
        assessment(112, {"T01": 30}, new_lesions=[later]),
    )

    assert [point.overall for point in judged] == overall


# All together


@pytest.mark.parametrize(
    ("target", "non_target", "overall"),
    [
        (CR, CR, CR),
        (CR, None, CR),
        (CR, NON, PR),
        (CR, NE, PR),
        (PR, CR, PR),
        (PR, NON, PR),
        (PR, NE, PR),
        (PR, None, PR),
        (SD, CR, SD),
        (SD, NON, SD),
        (SD, NE, SD),
        (SD, None, SD),
        (NE, CR, NE),
        (NE, NON, NE),
        (NE, NE, NE),
        (NE, None, NE),
        (None, CR, CR),
        (None, NON, NON),
        (None, NE, NE),
        (None, None, NE),
    ],
)
def test_the_overall_response_follows_the_published_tables(
    target: Response | None, non_target: Response | None, overall: Response
) -> None:
    """Eisenhauer EJC 2009;45:228-247, table 1 (targets) and table 2 (non-targets only); a new lesion is PD always."""
    assert overall_response(target, non_target, new_lesion=False) is overall
    assert overall_response(target, non_target, new_lesion=True) is PD


@pytest.mark.parametrize(
    ("target", "non_target"),
    [pair for pair in itertools.product([CR, PR, SD, PD, NE, None], [CR, NON, PD, NE, None]) if PD in pair],
)
def test_progression_of_either_is_progression(target: Response | None, non_target: Response | None) -> None:
    """PD of targets or non-targets is PD whatever the other says (Eisenhauer, table 1)."""
    assert overall_response(target, non_target, new_lesion=False) is PD


def test_without_targets_there_is_no_sum() -> None:
    """Non-target disease only: judged by look, and said so."""
    (judged,) = judge(baseline({}, ["N01"]), assessment(56, {}, {"N01": PRESENT}))

    assert judged == TimepointResponse(
        assessed_on=on_day(56),
        non_target=NON,
        overall=NON,
        why="no targets at baseline; non-targets: still present; no new lesion",
    )


@pytest.mark.parametrize(
    ("before", "sizes", "why"),
    [
        (["30"], {"T01": "20.5"}, "targets 20.5 mm, PR up to 21 mm (baseline 30 mm), PD from 36 mm (nadir 30 mm)"),
        (["20"], {"T01": 20}, "targets 20 mm, PR up to 14 mm (baseline 20 mm), PD from 25 mm (nadir 20 mm)"),
        (
            ["20"],
            {"T01": 0},
            (
                "targets 0 mm, PR up to 14 mm (baseline 20 mm), PD from 25 mm (nadir 20 mm), "
                "all gone or lymph nodes of normal size"
            ),
        ),
        (
            ["20", "30"],
            {"T01": 10, "T02": "NE"},
            "targets 10 mm, PR up to 35 mm (baseline 50 mm), PD from 60 mm (nadir 50 mm), not measured: T02",
        ),
        (
            ["20", "30"],
            {},
            "targets 0 mm, PR up to 35 mm (baseline 50 mm), PD from 60 mm (nadir 50 mm), not measured: T01, T02",
        ),
    ],
)
def test_the_reason_shows_the_limits(before: list[str], sizes: dict[str, Size], why: str) -> None:
    """The sum, and the sums from which it is PR or PD, in mm."""
    lesions: dict[str, Size] = {f"T{number:02}": size for number, size in enumerate(before, start=1)}
    (judged,) = judge(baseline(lesions), assessment(56, sizes))

    assert judged.why == f"{why}; no non-targets at baseline; no new lesion"


def test_the_reason_shows_a_nadir_of_nothing() -> None:
    """Then there is no sum to reach."""
    judged = judge_sums("30", "0", "3")

    assert judged[-1].why.startswith("targets 3 mm, PR up to 21 mm (baseline 30 mm), PD when seen again (nadir 0 mm);")


def test_order_is_by_date() -> None:
    """Assessments may be told in any order."""
    before = baseline({"T01": 100})
    courses = [assessment(56, {"T01": 50}), assessment(112, {"T01": 60}), assessment(168, {"T01": 30})]
    judged = judge(before, *courses)

    assert [point.overall for point in judged] == [PR, PD, PR]
    assert [point.assessed_on for point in judged] == [on_day(56), on_day(112), on_day(168)]
    for order in itertools.permutations(courses):
        assert judge(before, *order) == judged


def test_nothing_to_judge_is_no_response() -> None:
    """Before the first assessment there is none."""
    assert judge(baseline({"T01": 100})) == []
