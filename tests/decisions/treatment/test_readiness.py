"""The re-check before lymphodepletion and infusions."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.treatment.readiness import failed_treatment_criteria
from tests.decisions.makers import PROTOCOL, make_check, make_laboratory


def test_a_good_check_is_go_before_either_step() -> None:
    """No reason against treatment means go."""
    assert failed_treatment_criteria(PROTOCOL, make_check(), before_lymphodepletion=True) == ()
    assert failed_treatment_criteria(PROTOCOL, make_check(), before_lymphodepletion=False) == ()


@pytest.mark.parametrize(
    ("changes", "failed"),
    [
        ({"uncontrolled_infection": True}, ("uncontrolled infection yes, required: no",)),
        ({"pregnancy_test": "positive"}, ("pregnancy test positive, required: negative or not applicable",)),
        ({"pregnancy_test": "not_applicable"}, ()),
        ({"active_gvhd": True}, ("active GVHD yes, required: no",)),
        ({"ecog": 1}, ()),
        ({"ecog": 2}, ("ECOG 2, required: at most 1",)),
        ({"prednisone_mg_per_day": 10.0}, ()),
        ({"prednisone_mg_per_day": 10.1}, ("prednisone 10.1 mg/day, required: at most 10 mg/day",)),
        # Fever is 38.0 or more.
        ({"temperature_celsius": 37.9}, ()),
        ({"temperature_celsius": 38.0}, ("temperature 38 Celsius, required: at most 37.9 Celsius",)),
        ({"oxygen_saturation_percent": 92.1}, ()),
        ({"oxygen_saturation_percent": 92.0}, ()),
        ({"oxygen_saturation_percent": 91.9}, ("oxygen saturation 91.9%, required: at least 92%",)),
        ({"crs_grade": 0}, ()),
        ({"crs_grade": 1}, ("CRS grade 1, required: at most 0",)),
        ({"icans_grade": 0}, ()),
        ({"icans_grade": 1}, ("ICANS grade 1, required: at most 0",)),
        (
            {"ecog": 3, "uncontrolled_infection": True},
            ("uncontrolled infection yes, required: no", "ECOG 3, required: at most 1"),
        ),
    ],
)
def test_each_criterion_fails_beyond_its_limit_only(changes: dict[str, Any], failed: tuple[str, ...]) -> None:
    """A value at the limit is go; beyond it the reason names value and limit."""
    assert failed == failed_treatment_criteria(PROTOCOL, make_check(**changes), before_lymphodepletion=False)


def test_laboratory_values_count_before_lymphodepletion_only() -> None:
    """After lymphodepletion low counts are expected, and do not stop an infusion."""
    check = make_check(laboratory=make_laboratory(neutrophils=0.2))

    before = failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=True)
    assert before == ("neutrophils 0.2 1e9/L, required: at least 1 1e9/L",)
    assert failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=False) == ()


def test_a_missing_laboratory_value_fails_the_check() -> None:
    """Lymphodepletion does not start on values that nobody has seen."""
    check = make_check(laboratory=make_laboratory(platelets=None))

    failed = failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=True)

    assert failed == ("platelets missing, required: at least 75 1e9/L",)


def test_a_protocol_may_do_without_the_laboratory() -> None:
    """Where the protocol asks for no values before lymphodepletion, none are judged."""
    criteria = PROTOCOL.treatment_criteria.model_copy(update={"laboratory_before_lymphodepletion": False})
    protocol = PROTOCOL.model_copy(update={"treatment_criteria": criteria})

    assert failed_treatment_criteria(protocol, make_check(laboratory={}), before_lymphodepletion=True) == ()


@pytest.mark.parametrize(("liver_metastases", "go"), [(True, True), (False, False), (None, False)])
def test_liver_metastases_relax_the_limit_as_they_did_for_eligibility(liver_metastases: bool | None, go: bool) -> None:
    """Who was eligible with 4 times the upper limit is not refused for it now; not known is not relaxed."""
    check = make_check(laboratory=make_laboratory(alt=4))

    failed = failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=True, liver_metastases=liver_metastases)

    assert go == (failed == ())


@pytest.mark.parametrize(("gilbert_syndrome", "go"), [(True, True), (False, False), (None, False)])
def test_gilbert_s_syndrome_relaxes_the_bilirubin_limit_here_too(gilbert_syndrome: bool | None, go: bool) -> None:
    """Bilirubin of 2.5 times the upper limit was accepted at eligibility, and is accepted again."""
    check = make_check(laboratory=make_laboratory(bilirubin=2.5))

    failed = failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=True, gilbert_syndrome=gilbert_syndrome)

    assert go == (failed == ())


def test_every_failed_criterion_is_told_at_once() -> None:
    """Conditions first, then limits, then laboratory values: nobody fixes one only to meet the next."""
    check = make_check(
        active_gvhd=True, temperature_celsius=38.4, laboratory=make_laboratory(neutrophils=0.2, platelets=None)
    )

    assert failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=True) == (
        "active GVHD yes, required: no",
        "temperature 38.4 Celsius, required: at most 37.9 Celsius",
        "neutrophils 0.2 1e9/L, required: at least 1 1e9/L",
        "platelets missing, required: at least 75 1e9/L",
    )


@given(temperature=st.floats(35, 42), saturation=st.floats(80, 100), crs=st.integers(0, 5), icans=st.integers(0, 5))
def test_go_means_that_every_limit_is_kept(temperature: float, saturation: float, crs: int, icans: int) -> None:
    """There is a reason exactly for each limit that is not kept."""
    check = make_check(
        temperature_celsius=temperature, oxygen_saturation_percent=saturation, crs_grade=crs, icans_grade=icans
    )

    failed = failed_treatment_criteria(PROTOCOL, check, before_lymphodepletion=False)

    beyond = [temperature > 37.9, saturation < 92, crs > 0, icans > 0]
    assert sum(beyond) == len(failed)
