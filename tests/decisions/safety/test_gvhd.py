"""The overall grade of acute GVHD: MAGIC (Harris 2016), docs/domain.md, section 1."""

from itertools import product

import pytest
from pydantic import ValidationError

from decisions.safety.grading.gvhd import grade_gvhd
from schemas.safety.toxicity import ComputedGrade, GvhdStages

EVERY_COMBINATION = [
    GvhdStages(skin=skin, liver=liver, lower_gi=lower, upper_gi=upper)
    for skin, liver, lower, upper in product(range(5), range(5), range(5), range(2))
]


@pytest.mark.parametrize(
    ("stages", "grade", "why"),
    [
        (GvhdStages(), 0, "skin stage 0; liver stage 0; lower GI stage 0; upper GI stage 0"),
        (GvhdStages(skin=1), 1, "skin stage 1"),
        (GvhdStages(skin=2), 1, "skin stage 2"),
        (GvhdStages(skin=3), 2, "skin stage 3"),
        (GvhdStages(skin=4), 4, "skin stage 4"),
        (GvhdStages(liver=1), 2, "liver stage 1"),
        (GvhdStages(liver=2), 3, "liver stage 2"),
        (GvhdStages(liver=3), 3, "liver stage 3"),
        (GvhdStages(liver=4), 4, "liver stage 4"),
        (GvhdStages(lower_gi=1), 2, "lower GI stage 1"),
        (GvhdStages(lower_gi=2), 3, "lower GI stage 2"),
        (GvhdStages(lower_gi=3), 3, "lower GI stage 3"),
        (GvhdStages(lower_gi=4), 4, "lower GI stage 4"),
        (GvhdStages(upper_gi=1), 2, "upper GI stage 1"),
        (GvhdStages(skin=2, upper_gi=1), 2, "upper GI stage 1"),
        (GvhdStages(skin=3, liver=1), 2, "skin stage 3; liver stage 1"),
        (GvhdStages(skin=3, liver=2, lower_gi=3, upper_gi=1), 3, "liver stage 2; lower GI stage 3"),
        (GvhdStages(skin=4, liver=3), 4, "skin stage 4"),
    ],
)
def test_the_overall_grade_follows_from_the_organs(stages: GvhdStages, grade: int, why: str) -> None:
    """Skin 3 is II, but liver or lower tract 2 is III: the organ decides as much as its stage."""
    assert grade_gvhd(stages) == ComputedGrade(grade=grade, why=why)


@pytest.mark.parametrize("stages", [GvhdStages(death_due_to_gvhd=True), GvhdStages(skin=4, death_due_to_gvhd=True)])
def test_death_due_to_gvhd_is_grade_5(stages: GvhdStages) -> None:
    """MAGIC ends at IV; CTCAE has a grade for death."""
    assert grade_gvhd(stages) == ComputedGrade(grade=5, why="death due to GVHD")


def magic(stages: GvhdStages) -> int:
    """Read the published table from the top down."""
    skin, liver, lower, upper = stages.skin, stages.liver, stages.lower_gi, stages.upper_gi
    if 4 in {skin, liver, lower}:
        return 4
    if {2, 3} & {liver, lower}:
        return 3
    if skin == 3 or 1 in {liver, lower, upper}:
        return 2
    return 1 if skin in {1, 2} else 0


def test_every_combination_of_stages_follows_the_published_table() -> None:
    """All 250 of them."""
    assert [grade_gvhd(stages).grade for stages in EVERY_COMBINATION] == [magic(stages) for stages in EVERY_COMBINATION]


@pytest.mark.parametrize(("organ", "highest"), [("skin", 4), ("liver", 4), ("lower_gi", 4), ("upper_gi", 1)])
def test_a_worse_organ_never_lowers_the_grade(organ: str, highest: int) -> None:
    """Whatever the other organs are."""
    for stages in EVERY_COMBINATION:
        stage = min(getattr(stages, organ) + 1, highest)
        assert grade_gvhd(stages.model_copy(update={organ: stage})).grade >= grade_gvhd(stages).grade


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({"skin": 5}, "skin\n.*less than or equal to 4"),
        ({"liver": 5}, "liver\n.*less than or equal to 4"),
        ({"lower_gi": 5}, "lower_gi\n.*less than or equal to 4"),
        ({"upper_gi": 2}, "upper_gi\n.*less than or equal to 1"),
        ({"skin": -1}, "greater than or equal to 0"),
        ({"upper_gi": -1}, "greater than or equal to 0"),
        ({"skin": 1.5}, "valid integer"),
        ({"upper_gi": True}, "valid integer"),
        ({"gut": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_stage_that_does_not_exist_is_refused(stages: dict[str, object], message: str) -> None:
    """Upper gastrointestinal involvement knows only 0 and 1."""
    with pytest.raises(ValidationError, match=message):
        GvhdStages.model_validate(stages)
