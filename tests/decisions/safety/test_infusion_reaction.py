"""The grade of an infusion related reaction: CTCAE 5.0, docs/domain.md, section 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.safety.grading.infusion_reaction import grade_infusion_reaction
from schemas.safety.toxicity import ComputedGrade, InfusionReactionObservation

GRADES = {
    "interruption_indicated": 2,
    "symptomatic_treatment_indicated": 2,
    "prophylaxis_indicated": 2,
    "prolonged": 3,
    "recurred_after_improvement": 3,
    "hospitalisation_indicated": 3,
    "life_threatening": 4,
    "death_due_to_reaction": 5,
}


def reaction(*criteria: str) -> InfusionReactionObservation:
    """Make a reaction that meets the criteria."""
    return InfusionReactionObservation.model_validate(dict.fromkeys(criteria, True))


@pytest.mark.parametrize(
    ("criteria", "grade", "why"),
    [
        ((), 1, "mild, transient reaction without interruption or intervention"),
        (("interruption_indicated",), 2, "interruption indicated"),
        (("symptomatic_treatment_indicated",), 2, "symptomatic treatment indicated"),
        (("prophylaxis_indicated",), 2, "prophylactic medication indicated"),
        (("prolonged",), 3, "prolonged, without rapid response"),
        (("recurred_after_improvement",), 3, "symptoms recurred after improvement"),
        (("hospitalisation_indicated",), 3, "hospitalisation indicated"),
        (("life_threatening",), 4, "life-threatening consequences"),
        (("death_due_to_reaction",), 5, "death due to the reaction"),
        (("interruption_indicated", "prolonged"), 3, "prolonged, without rapid response"),
        (
            ("interruption_indicated", "symptomatic_treatment_indicated"),
            2,
            "interruption indicated; symptomatic treatment indicated",
        ),
    ],
)
def test_each_criterion_has_its_grade(criteria: tuple[str, ...], grade: int, why: str) -> None:
    """The reason names the criteria that decided; a reaction that meets none is mild."""
    assert grade_infusion_reaction(reaction(*criteria)) == ComputedGrade(grade=grade, why=why)


@given(st.sets(st.sampled_from(sorted(GRADES))))
def test_the_grade_is_that_of_the_worst_criterion(criteria: set[str]) -> None:
    """So another criterion never lowers it."""
    worst = max([1, *(GRADES[name] for name in criteria)])

    assert grade_infusion_reaction(reaction(*criteria)).grade == worst


def test_every_criterion_is_graded() -> None:
    """A criterion that is added later needs a grade here too."""
    assert set(InfusionReactionObservation.model_fields) == set(GRADES)
