from collections.abc import Sequence
from decimal import Decimal

import pytest
from pydantic import ValidationError

from decisions.response.recist_baseline import malformed_baseline, measurable_from_mm
from decisions.response.recist_lesions import malformed_assessment
from schemas.problem import Problem, ProblemType
from schemas.response.tumour import (
    BaselineAssessment,
    Method,
    NonTargetLesion,
    NonTargetStatus,
    Organ,
    RecistRules,
    Response,
    TargetMeasurement,
    TargetState,
    TumourAssessment,
    in_mm,
)
from tests.decisions.recist_makers import (
    DAY_0,
    RULES,
    Size,
    assessment,
    baseline,
    changed,
    measured,
    new,
    on_day,
    seen,
    target,
)

ABSENT, PRESENT = NonTargetStatus.ABSENT, NonTargetStatus.PRESENT
GREW, UNSEEN = NonTargetStatus.UNEQUIVOCAL_PROGRESSION, NonTargetStatus.NOT_EVALUABLE

BASELINE = baseline({"T01": 30, "L01": 20}, ["N01"])
SIZES: dict[str, Size] = {"T01": 25, "L01": 15}


def later(day: int = 56, sizes: dict[str, Size] | None = None, **changes: object) -> TumourAssessment:
    """Make a good assessment of the baseline, with changes."""
    return assessment(day, SIZES if sizes is None else sizes, {"N01": PRESENT}).model_copy(update=changes)


def check(
    now: TumourAssessment, earlier: Sequence[TumourAssessment] = (), before: BaselineAssessment = BASELINE
) -> tuple[Problem, ...]:
    """Check an assessment."""
    return malformed_assessment(RULES, before, earlier, now)


def problem(kind: ProblemType, field: str, value: str, rule: str, expected: str) -> Problem:
    """Make a problem."""
    return Problem(type=kind, field=field, value=value, rule=rule, expected=expected)


# Baseline


def test_a_good_baseline_has_no_problem() -> None:
    """Five targets, two an organ, each just measurable, 28 days before treatment."""
    good = BaselineAssessment(
        assessed_on=on_day(-28),
        targets=(
            target("T01", 10),
            target("T02", 10),
            target("T03", 10, organ=Organ.LUNG),
            target("L01", 15),
            target("L02", 15),
        ),
        non_targets=(
            NonTargetLesion(id="N01", organ=Organ.BONE),
            NonTargetLesion(id="N02", organ=Organ.LYMPH_NODE, short_axis_mm=Decimal(10)),
            NonTargetLesion(id="N03", organ=Organ.LYMPH_NODE),
            NonTargetLesion(id="N04", organ=Organ.LUNG, short_axis_mm=Decimal(4)),
        ),
    )

    assert malformed_baseline(RULES, good, DAY_0) == ()


@pytest.mark.parametrize(("day", "good"), [(-29, False), (-28, True), (0, True), (1, False)])
def test_a_baseline_lies_within_28_days_before_treatment(day: int, good: bool) -> None:
    """Both ends are inside; while the start of treatment is not known, no day is wrong."""
    before = baseline({"T01": 30}, day=day)
    problems = malformed_baseline(RULES, before, DAY_0)

    assert malformed_baseline(RULES, before) == ()
    assert problems == (
        ()
        if good
        else (
            problem(
                ProblemType.OUT_OF_RANGE,
                "assessed_on",
                on_day(day).isoformat(),
                "the baseline lies within 28 days before the start of treatment",
                f"{on_day(-28)} to {DAY_0}",
            ),
        )
    )


def test_a_baseline_needs_a_lesion() -> None:
    """One of either kind is enough."""
    assert malformed_baseline(RULES, baseline({})) == (
        problem(
            ProblemType.INVALID_INPUT,
            "targets",
            "(none)",
            "a baseline without a lesion leaves nothing to follow",
            "at least one target or non-target lesion",
        ),
    )
    assert malformed_baseline(RULES, baseline({}, ["N01"])) == ()


def test_a_lesion_stands_once_in_a_baseline() -> None:
    """An id names one lesion, whether target or not."""
    before = baseline({"T01": 30}, ["N01", "T01", "N01", "N01"])

    assert malformed_baseline(RULES, before) == (
        problem(ProblemType.INVALID_INPUT, "lesions.T01", "2 times", "a lesion has one id and one entry", "once"),
        problem(ProblemType.INVALID_INPUT, "lesions.N01", "3 times", "a lesion has one id and one entry", "once"),
    )


def test_six_targets_are_too_many() -> None:
    """Five are allowed in all."""
    organs = [Organ.LIVER, Organ.LUNG, Organ.SKIN, Organ.SPLEEN, Organ.KIDNEY, Organ.BRAIN]
    targets = tuple(target(f"T{number:02}", 20, organ=organ) for number, organ in enumerate(organs, start=1))
    before = BaselineAssessment(assessed_on=on_day(-7), targets=targets)

    assert malformed_baseline(RULES, before.model_copy(update={"targets": targets[:5]})) == ()
    assert malformed_baseline(changed(maximum_targets=6), before) == ()
    assert malformed_baseline(RULES, before) == (
        problem(
            ProblemType.OUT_OF_RANGE,
            "targets",
            "6 targets",
            "at most 5 targets in all; all others are non-target lesions",
            "at most 5",
        ),
    )


def test_three_targets_of_one_organ_are_too_many() -> None:
    """Two are allowed in each."""
    before = baseline({"T01": 20, "T02": 20, "T03": 20, "L01": 20, "L02": 20})

    assert malformed_baseline(changed(maximum_targets_per_organ=3), before) == ()
    assert malformed_baseline(RULES, before) == (
        problem(
            ProblemType.OUT_OF_RANGE,
            "targets",
            "3 targets",
            "at most 2 targets in one organ (liver); all others are non-target lesions",
            "at most 2",
        ),
    )


@pytest.mark.parametrize(
    ("lesion", "method", "slices", "minimum"),
    [
        ("T01", Method.CT, None, "10"),
        ("T01", Method.CT, "5", "10"),
        ("T01", Method.CT, "5.1", "10.2"),
        ("T01", Method.MRI, "7.5", "15"),
        ("T01", Method.CALLIPER, None, "10"),
        ("T01", Method.CHEST_XRAY, None, "20"),
        ("L01", Method.CT, None, "15"),
        ("L01", Method.CT, "7", "15"),
        ("L01", Method.CT, "8", "16"),
        ("L01", Method.CHEST_XRAY, None, "15"),
    ],
)
def test_how_large_a_target_must_be(lesion: str, method: Method, slices: str | None, minimum: str) -> None:
    """10 mm, 15 mm for a lymph node, 20 mm on a chest X-ray, two slices where they are thick; the size itself is in."""
    thickness = None if slices is None else Decimal(slices)
    just, least = (
        target(lesion, size, method=method, slice_thickness_mm=thickness)
        for size in (Decimal(minimum), Decimal(minimum) - Decimal("0.1"))
    )

    assert measurable_from_mm(RULES, just) == Decimal(minimum)
    assert malformed_baseline(RULES, BaselineAssessment(assessed_on=DAY_0, targets=(just,))) == ()
    (found,) = malformed_baseline(RULES, BaselineAssessment(assessed_on=DAY_0, targets=(least,)))
    assert (found.type, found.field) == (ProblemType.OUT_OF_RANGE, f"targets.{lesion}.diameter_mm")
    assert found.value == in_mm(least.diameter_mm)
    assert found.expected == f"at least {minimum} mm, or a non-target lesion"


def test_a_slice_at_the_limit_is_not_thick() -> None:
    """Slices of 5 mm ask for no more than 10 mm, however many thicker ones are asked for."""
    rules = changed(thick_slice_multiple=Decimal(3))
    lesions = [target("T01", 30, slice_thickness_mm=Decimal(thickness)) for thickness in ("5", "5.1")]

    assert [measurable_from_mm(rules, lesion) for lesion in lesions] == [Decimal(10), Decimal("15.3")]


@pytest.mark.parametrize(
    ("lesion", "changes", "rule"),
    [
        ("T01", {}, "a target is measurable: longest diameter by CT from 10 mm on"),
        ("L01", {}, "a target is measurable: short axis of a lymph node by CT from 15 mm on"),
        (
            "T01",
            {"method": Method.MRI, "slice_thickness_mm": Decimal(6)},
            "a target is measurable: longest diameter by MRI in slices of 6 mm from 12 mm on",
        ),
        ("T01", {"method": Method.CHEST_XRAY}, "a target is measurable: longest diameter by CHEST X-RAY from 20 mm on"),
    ],
)
def test_too_small_a_target_says_what_is_measurable(lesion: str, changes: dict[str, object], rule: str) -> None:
    """The rule depends on how and what was measured."""
    before = BaselineAssessment(assessed_on=DAY_0, targets=(target(lesion, 9, **changes),))

    assert [found.rule for found in malformed_baseline(RULES, before)] == [rule]


@pytest.mark.parametrize(
    ("size", "kind"),
    [("4.9", ProblemType.WRONG_UNIT), ("5", ProblemType.OUT_OF_RANGE), ("0", ProblemType.WRONG_UNIT)],
)
def test_a_tiny_target_at_baseline_is_in_centimetres(size: str, kind: ProblemType) -> None:
    """Nobody chooses a target below 5 mm; somebody wrote centimetres."""
    assert [found.type for found in malformed_baseline(RULES, baseline({"T01": size}))] == [kind]


def test_centimetres_at_baseline_are_told_in_millimetres() -> None:
    """3.2 is 32 mm, if it was centimetres."""
    assert malformed_baseline(RULES, baseline({"T01": "3.2"})) == (
        problem(
            ProblemType.WRONG_UNIT,
            "targets.T01.diameter_mm",
            "3.2 mm",
            "a target below 5 mm looks like centimetres",
            "millimetres: 32 mm, if it was measured in centimetres",
        ),
    )


@pytest.mark.parametrize(
    ("irradiated", "progressed", "good"),
    [(False, False, True), (False, True, True), (True, True, True), (True, False, False)],
)
def test_an_irradiated_target_has_progressed_since(irradiated: bool, progressed: bool, good: bool) -> None:
    """Else it is no measurable lesion."""
    lesion = target("T01", 30, irradiated=irradiated, progressed_since_irradiation=progressed)
    problems = malformed_baseline(RULES, BaselineAssessment(assessed_on=DAY_0, targets=(lesion,)))

    assert problems == (
        ()
        if good
        else (
            problem(
                ProblemType.INVALID_INPUT,
                "targets.T01.irradiated",
                "true",
                "an irradiated lesion is measurable only if it has progressed since",
                "progressed_since_irradiation true, or a non-target lesion",
            ),
        )
    )


def test_a_normal_lymph_node_is_no_lesion() -> None:
    """Below 10 mm of short axis."""
    node = NonTargetLesion(id="N01", organ=Organ.LYMPH_NODE, short_axis_mm=Decimal("9.9"))

    assert malformed_baseline(RULES, BaselineAssessment(assessed_on=DAY_0, non_targets=(node,))) == (
        problem(
            ProblemType.OUT_OF_RANGE,
            "non_targets.N01.short_axis_mm",
            "9.9 mm",
            "a lymph node of normal size is no lesion",
            "at least 10 mm",
        ),
    )


def test_every_problem_of_a_baseline_is_told_at_once() -> None:
    """In the order of the form."""
    before = BaselineAssessment(
        assessed_on=on_day(-40),
        targets=(target("T01", 1), target("T01", 9), target("T02", 30, irradiated=True)),
        non_targets=(NonTargetLesion(id="N01", organ=Organ.LYMPH_NODE, short_axis_mm=Decimal(9)),),
    )

    assert [found.field for found in malformed_baseline(RULES, before, DAY_0)] == [
        "assessed_on",
        "lesions.T01",
        "targets",
        "targets.T01.diameter_mm",
        "targets.T01.diameter_mm",
        "targets.T02.irradiated",
        "non_targets.N01.short_axis_mm",
    ]


# Later assessments


def test_a_good_assessment_has_no_problem() -> None:
    """It may leave what was not seen as not evaluable, or tell the non-targets as a whole."""
    assert check(later()) == ()
    assert check(assessment(56, {"T01": "NE", "L01": "small"}, {"N01": UNSEEN})) == ()
    assert check(assessment(56, SIZES, non_target_overall=PRESENT)) == ()
    assert check(later(new_lesions=(new(), new("NEW02", node="9")))) == ()
    assert check(later(84), [later(56)]) == ()


@pytest.mark.parametrize(
    ("day", "earlier", "after"),
    [(-7, [], -7), (-8, [], -7), (56, [56], 56), (55, [56], 56), (60, [84, 56], 84), (-20, [56], 56)],
)
def test_an_assessment_is_later_than_those_before(day: int, earlier: list[int], after: int) -> None:
    """Than the baseline, and than every other; two on one day are one too many."""
    assert check(later(day), [later(before) for before in earlier]) == (
        problem(
            ProblemType.OUT_OF_RANGE,
            "assessed_on",
            on_day(day).isoformat(),
            "assessments are reported in the order of their dates, one a day",
            f"after {on_day(after)}",
        ),
    )


def test_the_day_after_is_later() -> None:
    """After the baseline, or after the assessment before."""
    assert check(later(-6)) == ()
    assert check(later(57), [later(56)]) == ()


def test_every_lesion_of_the_baseline_is_told_of() -> None:
    """A missing measurement is not taken for anything; it is asked for."""
    rule = "every lesion of the baseline is reported at every assessment"
    assert check(assessment(56, {"T01": 25})) == (
        problem(
            ProblemType.INVALID_INPUT,
            "targets.L01",
            "(none)",
            rule,
            "a measurement, or its state ('not_evaluable' if it could not be seen)",
        ),
        problem(
            ProblemType.INVALID_INPUT,
            "non_targets.N01",
            "(none)",
            rule,
            "a status, or non_target_overall ('not_evaluable' if it could not be seen)",
        ),
    )


def test_a_lesion_without_a_baseline_is_new() -> None:
    """A target or non-target that the baseline does not have; the one is not the other."""
    now = assessment(56, {**SIZES, "T02": 12, "N01": 12}, {"N01": PRESENT, "L01": PRESENT})

    assert check(now) == (
        problem(
            ProblemType.INVALID_INPUT,
            "targets.T02",
            "liver",
            "the baseline has no such lesion among its targets",
            "T01, L01, or a new lesion",
        ),
        problem(
            ProblemType.INVALID_INPUT,
            "targets.N01",
            "bone",
            "the baseline has no such lesion among its targets",
            "T01, L01, or a new lesion",
        ),
        problem(
            ProblemType.INVALID_INPUT,
            "non_targets.L01",
            "lymph_node",
            "the baseline has no such lesion among its non_targets",
            "N01, or a new lesion",
        ),
    )


def test_a_baseline_without_such_lesions_says_so() -> None:
    """There is then no id to choose."""
    now = assessment(56, {"T01": 20}, {"N01": PRESENT})

    assert [found.expected for found in check(now, before=baseline({"T01": 25}))] == ["none, or a new lesion"]


def test_a_lesion_stays_in_its_organ() -> None:
    """Whether target, non-target or new."""
    moved = later().model_copy(
        update={
            "targets": (measured("T01", 25).model_copy(update={"organ": Organ.LUNG}), measured("L01", 15)),
            "non_targets": (seen("N01", PRESENT).model_copy(update={"organ": Organ.SKIN}),),
            "new_lesions": (new("NEW01", organ=Organ.BRAIN), new("NEW02")),
        }
    )
    earlier = [later(28, new_lesions=(new("NEW01"),)), later(30)]

    assert check(moved, earlier) == tuple(
        problem(
            ProblemType.INVALID_INPUT,
            field,
            value,
            "a lesion stays in its organ",
            f"{before}, as before, or another lesion's id",
        )
        for field, value, before in [
            ("targets.T01.organ", "lung", "liver"),
            ("non_targets.N01.organ", "skin", "bone"),
            ("new_lesions.NEW01.organ", "brain", "lung"),
        ]
    )


def test_a_lesion_stands_once_in_an_assessment() -> None:
    """Of each kind."""
    now = later().model_copy(
        update={
            "targets": (measured("T01", 25), measured("L01", 15), measured("T01", 25)),
            "non_targets": (seen("N01", PRESENT), seen("N01", ABSENT)),
            "new_lesions": (new(), new()),
        }
    )

    assert check(now) == tuple(
        problem(ProblemType.INVALID_INPUT, field, "2 times", "a lesion has one id and one entry", "once")
        for field in ("targets.T01", "non_targets.N01", "new_lesions.NEW01")
    )


@pytest.mark.parametrize(
    ("sizes", "others"),
    [
        ({"T01": 30, "T02": ">T01"}, None),
        ({"T01": "NE", "T02": ">T01"}, None),
        ({"T01": 30, "T02": ">T02"}, "T01"),
        ({"T01": 30, "T02": ">T09"}, "T01"),
        ({"T01": ">T01", "T02": "NE"}, "T02"),
    ],
)
def test_merged_targets_are_measured_under_one_id(sizes: dict[str, Size], others: str | None) -> None:
    """That of another target which is told of in its own right."""
    problems = check(assessment(56, sizes), before=baseline({"T01": 20, "T02": 20}))

    assert problems == (
        ()
        if others is None
        else (
            problem(
                ProblemType.INVALID_INPUT,
                f"targets.{next(lesion for lesion, size in sizes.items() if str(size).startswith('>'))}.merged_with",
                next(str(size) for size in sizes.values() if str(size).startswith(">")).removeprefix(">"),
                "lesions that merged are measured together under the id of one of them",
                f"another target of this assessment that is not merged itself: {others}",
            ),
        )
    )


def test_merged_targets_have_all_others_to_choose_from() -> None:
    """The expectation names them."""
    now = assessment(56, {"T01": 20, "T02": ">T09", "L01": 15})

    assert [found.expected for found in check(now, before=baseline({"T01": 20, "T02": 20, "L01": 15}))] == [
        "another target of this assessment that is not merged itself: T01, L01"
    ]


def test_targets_cannot_merge_into_each_other() -> None:
    """One of them is measured."""
    now = assessment(56, {"T01": ">T02", "T02": ">T01"})

    assert [found.expected for found in check(now, before=baseline({"T01": 20, "T02": 20}))] == [
        "another target of this assessment that is not merged itself: none"
    ] * 2


@pytest.mark.parametrize(
    ("status", "size", "expected"),
    [
        (ABSENT, "9.9", None),
        (ABSENT, "10", "present, or unequivocal_progression"),
        (PRESENT, "10", None),
        (PRESENT, "9.9", "absent"),
        (GREW, "15", None),
        (GREW, "9", "absent"),
        (UNSEEN, "12", None),
        (UNSEEN, "9", None),
        (ABSENT, None, None),
        (PRESENT, None, None),
    ],
)
def test_a_lymph_node_of_normal_size_is_absent(status: NonTargetStatus, size: str | None, expected: str | None) -> None:
    """And one from 10 mm on is not; without a size the reader's word stands."""
    before = baseline({}, ["L01"])
    now = assessment(56).model_copy(update={"non_targets": (seen("L01", status, size),)})

    assert check(now, before=before) == (
        ()
        if expected is None
        else (
            problem(
                ProblemType.INVALID_INPUT,
                "non_targets.L01.status",
                f"{status} with a short axis of {size} mm",
                "a lymph node is normal, and so absent, below 10 mm",
                expected,
            ),
        )
    )


def test_a_new_lesion_is_not_of_the_baseline() -> None:
    """Neither a target nor another lesion."""
    problems = check(later(new_lesions=(new("T01"), new("N01"))))

    assert problems == tuple(
        problem(
            ProblemType.INVALID_INPUT,
            f"new_lesions.{lesion}",
            "lung",
            "the baseline has a lesion of this id: it is not new",
            "an id that the baseline does not use",
        )
        for lesion in ("T01", "N01")
    )


def test_a_new_lymph_node_is_measured() -> None:
    """Its short axis says whether it is a lesion."""
    node = new("NEW01", node="12").model_copy(update={"short_axis_mm": None})

    assert check(later(new_lesions=(node,))) == (
        problem(
            ProblemType.INVALID_INPUT,
            "new_lesions.NEW01.short_axis_mm",
            "(none)",
            "whether a lymph node is a new lesion depends on its short axis",
            "the short axis in mm",
        ),
    )


# Units

TENTH = "all targets are about a tenth of what they measured last, as centimetres would be"
TENFOLD = "all targets are about ten times what they measured last, as if that was centimetres"


@pytest.mark.parametrize(
    ("sizes", "rule"),
    [
        # 30 and 20 mm before
        ({"T01": "3", "L01": "2"}, TENTH),
        ({"T01": "2.4", "L01": "1.6"}, TENTH),
        ({"T01": "2.3", "L01": "2"}, None),
        ({"T01": "3.6", "L01": "2.4"}, TENTH),
        ({"T01": "3.7", "L01": "2"}, None),
        ({"T01": "3", "L01": "2.5"}, None),
        ({"T01": "3", "L01": "15"}, None),
        ({"T01": "3", "L01": "NE"}, TENTH),
        ({"T01": "3", "L01": "0"}, TENTH),
        ({"T01": "3", "L01": "small"}, TENTH),
        ({"T01": ("1", "2"), "L01": "2"}, TENTH),
        ({"T01": "0", "L01": "0"}, None),
        ({"T01": "NE", "L01": "NE"}, None),
        ({"T01": "300", "L01": "200"}, TENFOLD),
        ({"T01": "240", "L01": "240"}, TENFOLD),
        ({"T01": "239.9", "L01": "200"}, None),
        ({"T01": "360", "L01": "200"}, TENFOLD),
        ({"T01": "360.1", "L01": "200"}, None),
        ({"T01": "300", "L01": "20"}, None),
    ],
)
def test_values_in_centimetres_are_caught(sizes: dict[str, Size], rule: str | None) -> None:
    """All targets a tenth, or ten times, of before, to 20 percent: somebody changed the unit."""
    problems = check(later(sizes=sizes))

    assert [found.type for found in problems] == ([] if rule is None else [ProblemType.WRONG_UNIT])
    assert [found.rule for found in problems] == ([] if rule is None else [rule])
    assert check(later(sizes=sizes, confirmed_in_mm=True)) == ()


def test_centimetres_are_told_beside_the_values_before() -> None:
    """So that whoever wrote them sees it."""
    assert check(later(sizes={"T01": "2.9", "L01": "2"})) == (
        problem(
            ProblemType.WRONG_UNIT,
            "targets",
            "2.9 mm after 30 mm, 2 mm after 20 mm",
            TENTH,
            "millimetres; confirmed_in_mm true if they were looked at again and are right",
        ),
    )


@pytest.mark.parametrize(
    ("earlier", "now", "caught"),
    [
        ([(28, {"T01": 15, "L01": 10})], {"T01": "1.5", "L01": "1"}, True),
        ([(28, {"T01": 15, "L01": 10})], {"T01": "3", "L01": "2"}, False),
        ([(42, {"T01": 15, "L01": 10}), (28, {"T01": 30, "L01": 20})], {"T01": "1.5", "L01": "1"}, True),
        ([(28, {"T01": "NE", "L01": "NE"})], {"T01": "3", "L01": "2"}, True),
        ([(28, {"T01": 0, "L01": 0})], {"T01": "3", "L01": "2"}, False),
        ([(28, {"T01": 0, "L01": 20})], {"T01": "3", "L01": "2"}, True),
    ],
)
def test_values_are_held_against_the_last_ones(
    earlier: list[tuple[int, dict[str, Size]]], now: dict[str, Size], caught: bool
) -> None:
    """The last measurement of each target, whatever the order in which they are told."""
    problems = check(later(sizes=now), [later(day, sizes) for day, sizes in earlier])

    assert [found.type for found in problems] == ([ProblemType.WRONG_UNIT] if caught else [])


def test_a_target_that_the_baseline_lacks_has_no_last_value() -> None:
    """It is told as unknown, and the unit is judged from the others."""
    assert [found.field for found in check(later(sizes={"T01": "3", "L01": "2", "T02": 50}))] == [
        "targets.T02",
        "targets",
    ]


def test_every_problem_of_an_assessment_is_told_at_once() -> None:
    """In the order of the form."""
    now = assessment(-10, {"T01": "3"}, new_lesions=(new("T01"),))

    assert [found.field for found in check(now)] == [
        "assessed_on",
        "targets.L01",
        "non_targets.N01",
        "new_lesions.T01",
        "targets",
    ]


# Models


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"state": TargetState.TOO_SMALL_TO_MEASURE, "diameters_mm": (4,)},
        {"state": TargetState.NOT_EVALUABLE, "diameters_mm": (4,)},
        {"state": TargetState.MERGED},
        {"state": TargetState.MERGED, "merged_with": "T02", "diameters_mm": (4,)},
        {"diameters_mm": (4,), "merged_with": "T02"},
        {"diameters_mm": ("12.34",)},
        {"diameters_mm": (-1,)},
        {"diameters_mm": (501,)},
    ],
)
def test_a_measurement_agrees_with_its_state(values: dict[str, object]) -> None:
    """A diameter exactly where one was measured, in mm to the tenth."""
    with pytest.raises(ValidationError):
        TargetMeasurement.model_validate({"lesion": "T01", "organ": "liver", **values})


def test_a_measurement_reads_numbers_as_they_are_written() -> None:
    """12.3 from JSON is 12.3, not the binary fraction next to it."""
    told = TargetMeasurement.model_validate_json('{"lesion": "T01", "organ": "liver", "diameters_mm": [12.3]}')

    assert told.diameters_mm == (Decimal("12.3"),)
    assert TargetMeasurement.model_validate_json(told.model_dump_json()) == told


@pytest.mark.parametrize(
    "changes",
    [{"node_normal_below_mm": 15}, {"plausible_minimum_mm": "10.1"}, {"partial_response_percent": 100}],
)
def test_rules_make_sense(changes: dict[str, object]) -> None:
    """A node cannot be normal and measurable, nor a measurable lesion implausible."""
    with pytest.raises(ValidationError):
        RecistRules.model_validate({**RULES.model_dump(), **changes})


def test_responses_are_the_words_of_the_standard() -> None:
    """The same as those that imaging tasks are answered with, and NON-CR/NON-PD."""
    assert [response.value for response in Response] == ["CR", "PR", "SD", "NON-CR/NON-PD", "PD", "NE"]


@pytest.mark.parametrize(("length", "said"), [("100", "100 mm"), ("12.50", "12.5 mm"), ("0", "0 mm"), ("0.0", "0 mm")])
def test_lengths_are_said_plainly(length: str, said: str) -> None:
    """Without exponents or idle zeros."""
    assert in_mm(Decimal(length)) == said
