"""The 18 criteria, one by one and together."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decisions.screening.eligibility import judge_eligibility
from schemas.screening.eligibility import (
    CnsDisease,
    CriterionVerdict,
    EligibilityForm,
    EligibilityVerdict,
    Laboratory,
    PriorTreatment,
    Verdict,
)
from schemas.screening.panel import Antigen, AntigenProfile, ProfileOutcome
from tests.decisions.makers import GOOD_LABORATORY, PROTOCOL, make_form, make_laboratory, make_profile

RULES = PROTOCOL.eligibility
ORDER = [f"{letter}{number}" for letter in "IE" for number in range(1, 10)]
POSITIVE = make_profile({Antigen.MESOTHELIN: 1.2})
MET, NOT_MET, MISSING = Verdict.MET, Verdict.NOT_MET, Verdict.MISSING


def judge(form: EligibilityForm, age_years: int = 54, profile: AntigenProfile | None = POSITIVE) -> EligibilityVerdict:
    """Judge under the platform protocol."""
    return judge_eligibility(RULES, age_years, form, profile)


def criterion(judged: EligibilityVerdict, name: str) -> CriterionVerdict:
    """Pick one criterion."""
    return {one.criterion: one for one in judged.criteria}[name]


def test_somebody_who_passes_everything_is_eligible() -> None:
    """All 18 criteria come in the record's order, the inclusion criteria met and no exclusion criterion met."""
    judged = judge(make_form())

    assert judged.outcome == "eligible"
    assert [one.criterion for one in judged.criteria] == ORDER
    assert [one.verdict for one in judged.criteria] == [MET] * 9 + [NOT_MET] * 9
    assert judged.reasons() == ()


@pytest.mark.parametrize(
    ("age_years", "expected"), [(17, NOT_MET), (18, MET), (19, MET), (74, MET), (75, MET), (76, NOT_MET)]
)
def test_age_is_18_to_75_both_included(age_years: int, expected: Verdict) -> None:
    """Inclusion 1: both limits belong to the range, and the reason names them."""
    judged = judge(make_form(), age_years=age_years)

    assert expected == criterion(judged, "I1").verdict
    assert f"age_years {age_years}; required: 18 to 75 years at consent" == criterion(judged, "I1").reason


CASES: list[tuple[str, dict[str, Any], Verdict]] = [
    # Inclusion 2: confirmed, and no standard therapy left.
    ("I2", {"histology_confirmed": False}, NOT_MET),
    ("I2", {"histology_confirmed": None}, MISSING),
    ("I2", {"prior_treatment": PriorTreatment.RELAPSED}, MET),
    ("I2", {"prior_treatment": PriorTreatment.INTOLERANT}, MET),
    ("I2", {"prior_treatment": PriorTreatment.NO_STANDARD}, MET),
    ("I2", {"prior_treatment": PriorTreatment.STANDARD_AVAILABLE}, NOT_MET),
    ("I2", {"prior_treatment": None}, MISSING),
    ("I2", {"prior_treatment": None, "histology_confirmed": False}, NOT_MET),
    # Inclusion 3: at least 1 measurable lesion.
    ("I3", {"measurable_lesions": 0}, NOT_MET),
    ("I3", {"measurable_lesions": 1}, MET),
    ("I3", {"measurable_lesions": 2}, MET),
    ("I3", {"measurable_lesions": None}, MISSING),
    # Inclusion 5: ECOG 0-1.
    ("I5", {"ecog": 0}, MET),
    ("I5", {"ecog": 1}, MET),
    ("I5", {"ecog": 2}, NOT_MET),
    ("I5", {"ecog": None}, MISSING),
    # Inclusion 6: each cut-off has its table in test_laboratory.
    ("I6", {"laboratory": make_laboratory(neutrophils=1.0)}, MET),
    ("I6", {"laboratory": make_laboratory(neutrophils=0.9)}, NOT_MET),
    ("I6", {"laboratory": make_laboratory(neutrophils=None)}, MISSING),
    ("I6", {"laboratory": make_laboratory(neutrophils=None, platelets=74)}, NOT_MET),
    ("I6", {"laboratory": {}}, MISSING),
    ("I6", {"laboratory": make_laboratory(alt=4), "liver_metastases": True}, MET),
    ("I6", {"laboratory": make_laboratory(alt=4), "liver_metastases": False}, NOT_MET),
    ("I6", {"laboratory": make_laboratory(alt=4), "liver_metastases": None}, MISSING),
    ("I6", {"laboratory": make_laboratory(bilirubin=2), "gilbert_syndrome": True}, MET),
    ("I6", {"laboratory": make_laboratory(bilirubin=2), "gilbert_syndrome": False}, NOT_MET),
    # Inclusion 7: both.
    ("I7", {"can_receive_lymphodepletion": False}, NOT_MET),
    ("I7", {"can_receive_infusion": False}, NOT_MET),
    ("I7", {"can_receive_infusion": None}, MISSING),
    ("I7", {"can_receive_infusion": None, "can_receive_lymphodepletion": False}, NOT_MET),
    # Inclusion 8: 'not applicable' holds only without childbearing potential.
    ("I8", {"childbearing_potential": True, "pregnancy_test": "negative"}, MET),
    ("I8", {"childbearing_potential": True, "pregnancy_test": "positive"}, NOT_MET),
    ("I8", {"childbearing_potential": True, "pregnancy_test": "not_applicable"}, MISSING),
    ("I8", {"childbearing_potential": True, "pregnancy_test": None}, MISSING),
    ("I8", {"childbearing_potential": False, "pregnancy_test": "negative"}, MET),
    ("I8", {"childbearing_potential": False, "pregnancy_test": "positive"}, NOT_MET),
    ("I8", {"childbearing_potential": False, "pregnancy_test": None}, MISSING),
    ("I8", {"childbearing_potential": None, "pregnancy_test": "negative"}, MISSING),
    ("I8", {"childbearing_potential": None, "pregnancy_test": "positive"}, NOT_MET),
    ("I8", {"contraception_agreed": False}, NOT_MET),
    ("I8", {"contraception_agreed": None}, MISSING),
    # Inclusion 9.
    ("I9", {"samples_agreed": False}, NOT_MET),
    ("I9", {"samples_agreed": None}, MISSING),
    # Exclusion 1.
    ("E1", {"uncontrolled_infection": True}, MET),
    ("E1", {"uncontrolled_infection": None}, MISSING),
    # Exclusion 2: one is enough, and decides while another is missing.
    ("E2", {"uncontrolled_hiv": True}, MET),
    ("E2", {"active_hepatitis_b": True}, MET),
    ("E2", {"active_hepatitis_c": True}, MET),
    ("E2", {"active_hepatitis_c": None}, MISSING),
    ("E2", {"active_hepatitis_c": None, "uncontrolled_hiv": True}, MET),
    # Exclusion 3.
    ("E3", {"significant_cardiovascular_disease": True}, MET),
    ("E3", {"significant_cardiovascular_disease": None}, MISSING),
    # Exclusion 4: stable treated disease is allowed.
    ("E4", {"cns_disease": CnsDisease.STABLE_TREATED}, NOT_MET),
    ("E4", {"cns_disease": CnsDisease.SYMPTOMATIC}, MET),
    ("E4", {"cns_disease": CnsDisease.ESCALATING_STEROIDS}, MET),
    ("E4", {"cns_disease": None}, MISSING),
    # Exclusion 5: more than 10 mg/day.
    ("E5", {"prednisone_mg_per_day": 9.9}, NOT_MET),
    ("E5", {"prednisone_mg_per_day": 10.0}, NOT_MET),
    ("E5", {"prednisone_mg_per_day": 10.1}, MET),
    ("E5", {"prednisone_mg_per_day": None}, MISSING),
    # Exclusion 6: within 3 months; three whole months are past it.
    ("E6", {"months_since_gene_modified_therapy": 2.9, "no_gene_modified_therapy": None}, MET),
    ("E6", {"months_since_gene_modified_therapy": 3.0, "no_gene_modified_therapy": None}, NOT_MET),
    ("E6", {"months_since_gene_modified_therapy": 3.1, "no_gene_modified_therapy": None}, NOT_MET),
    ("E6", {"months_since_gene_modified_therapy": 2.9, "no_gene_modified_therapy": True}, MET),
    ("E6", {"no_gene_modified_therapy": None}, MISSING),
    ("E6", {"no_gene_modified_therapy": False}, MISSING),
    ("E6", {"confounding_prior_therapy": True}, MET),
    ("E6", {"confounding_prior_therapy": None}, MISSING),
    ("E6", {"confounding_prior_therapy": True, "no_gene_modified_therapy": None}, MET),
    # Exclusion 7: within 6 months, or active GVHD.
    ("E7", {"months_since_allogeneic_transplant": 5.9, "no_allogeneic_transplant": None}, MET),
    ("E7", {"months_since_allogeneic_transplant": 6.0, "no_allogeneic_transplant": None}, NOT_MET),
    ("E7", {"months_since_allogeneic_transplant": 6.1, "no_allogeneic_transplant": None}, NOT_MET),
    ("E7", {"no_allogeneic_transplant": None}, MISSING),
    ("E7", {"no_allogeneic_transplant": False}, MISSING),
    ("E7", {"active_gvhd": True}, MET),
    ("E7", {"active_gvhd": None}, MISSING),
    # Exclusion 8.
    ("E8", {"breastfeeding": True}, MET),
    ("E8", {"breastfeeding": None}, MISSING),
    ("E8", {"pregnancy_test": "positive"}, MET),
    ("E8", {"pregnancy_test": "negative", "childbearing_potential": True}, NOT_MET),
    ("E8", {"pregnancy_test": "not_applicable", "childbearing_potential": True}, MISSING),
    ("E8", {"pregnancy_test": None}, MISSING),
    ("E8", {"pregnancy_test": None, "breastfeeding": True}, MET),
    # Exclusion 9.
    ("E9", {"interfering_condition": True}, MET),
    ("E9", {"interfering_condition": None}, MISSING),
]


@pytest.mark.parametrize(("name", "changes", "expected"), CASES)
def test_a_criterion_judges_its_own_fields(name: str, changes: dict[str, Any], expected: Verdict) -> None:
    """Each criterion passes, fails or misses data at its own values and limits, and says why in words."""
    judged = criterion(judge(make_form(**changes)), name)

    assert expected == judged.verdict
    assert judged.value
    assert judged.reason


@pytest.mark.parametrize(
    ("profile", "expected", "value"),
    [
        (POSITIVE, MET, "positive_antigens mesothelin"),
        (make_profile({Antigen.AXL: 1.0}), MET, "positive_antigens AXL"),
        (make_profile({Antigen.AXL: 0.99}), NOT_MET, "positive_antigens none"),
        (None, MISSING, "antigen_profile missing"),
        (
            AntigenProfile(outcome=ProfileOutcome.REPEAT_BIOPSY, reason="no adequate sample"),
            MISSING,
            "antigen_profile missing",
        ),
        (
            AntigenProfile(outcome=ProfileOutcome.INSUFFICIENT, reason="no adequate sample"),
            NOT_MET,
            "positive_antigens no adequate sample",
        ),
    ],
)
def test_antigen_positivity_comes_from_the_profile(
    profile: AntigenProfile | None, expected: Verdict, value: str
) -> None:
    """Inclusion 4: one antigen above threshold is enough; a repeat biopsy is still open, an exhausted one fails."""
    judged = criterion(judge(make_form(), profile=profile), "I4")

    assert (expected, value) == (judged.verdict, judged.value)


GOOD_ANSWERS = {
    "I1": "age_years 54",
    "I2": "histology_confirmed yes, prior_treatment refractory",
    "I3": "measurable_lesions 2",
    "I4": "positive_antigens mesothelin",
    "I5": "ecog 1",
    "I7": "can_receive_lymphodepletion yes, can_receive_infusion yes",
    "I8": "childbearing_potential no, pregnancy_test not_applicable, contraception_agreed yes",
    "I9": "samples_agreed yes",
    "E1": "uncontrolled_infection no",
    "E2": "uncontrolled_hiv no, active_hepatitis_b no, active_hepatitis_c no",
    "E3": "significant_cardiovascular_disease no",
    "E4": "cns_disease none",
    "E5": "prednisone_mg_per_day 0",
    "E6": "months_since_gene_modified_therapy never, confounding_prior_therapy no",
    "E7": "months_since_allogeneic_transplant never, active_gvhd no",
    "E8": "pregnancy_test not_applicable, breastfeeding no",
    "E9": "interfering_condition no",
}
ABSENT_ANSWERS = {
    "I2": "histology_confirmed, prior_treatment",
    "I3": "measurable_lesions",
    "I4": "antigen_profile",
    "I5": "ecog",
    "I7": "can_receive_lymphodepletion, can_receive_infusion",
    "I8": "childbearing_potential, pregnancy_test, contraception_agreed",
    "I9": "samples_agreed",
    "E1": "uncontrolled_infection",
    "E2": "uncontrolled_hiv, active_hepatitis_b, active_hepatitis_c",
    "E3": "significant_cardiovascular_disease",
    "E4": "cns_disease",
    "E5": "prednisone_mg_per_day",
    "E6": "months_since_gene_modified_therapy, confounding_prior_therapy",
    "E7": "months_since_allogeneic_transplant, active_gvhd",
    "E8": "pregnancy_test, breastfeeding",
    "E9": "interfering_condition",
}
CRITERIA_IN_WORDS = {
    "I1": "required: 18 to 75 years at consent",
    "I2": "required: confirmed solid tumour, standard therapy failed, not tolerated or non-existent",
    "I3": "required: at least 1, RECIST 1.1",
    "I4": "required: at least 1 antigen above its threshold",
    "I5": "required: at most 1",
    "I7": "required: both",
    "I8": ("required: negative test (not_applicable only without childbearing potential), contraception agreed"),
    "I9": "required: willing to provide samples",
    "E1": "excluded: active, uncontrolled infection",
    "E2": "excluded: any of them",
    "E3": "excluded: clinically significant cardiovascular disease",
    "E4": "excluded: symptomatic or escalating steroids",
    "E5": "excluded: above 10 mg/day prednisone equivalent",
    "E6": "excluded: less than 3 months, or confounding prior therapy",
    "E7": "excluded: less than 6 months, or active GVHD",
    "E8": "excluded: pregnant or breastfeeding",
    "E9": "excluded: any condition that would interfere, in the investigator's opinion",
}


@pytest.mark.parametrize(("name", "seen"), GOOD_ANSWERS.items())
def test_a_verdict_repeats_the_answers_and_the_criterion(name: str, seen: str) -> None:
    """An auditor reads what was answered and what was asked for, when all is well too."""
    judged = criterion(judge(make_form()), name)

    assert judged.value == seen
    assert judged.reason == f"{seen}; {CRITERIA_IN_WORDS[name]}"


@pytest.mark.parametrize(("name", "absent"), ABSENT_ANSWERS.items())
def test_a_missing_verdict_names_the_answers_that_are_absent(name: str, absent: str) -> None:
    """The site is told exactly which fields to fill in."""
    form = EligibilityForm.model_validate({"assessed_on": "2026-03-02"})

    judged = criterion(judge(form, profile=None), name)

    assert judged.value == ", ".join(f"{field} missing" for field in absent.split(", "))
    assert judged.reason == f"missing: {absent}; {CRITERIA_IN_WORDS[name]}"


def test_organ_function_lists_every_analyte_with_its_value() -> None:
    """Inclusion 6 shows all seven values; its reason keeps to those that fail, else to those that are missing."""
    low = make_form(laboratory=make_laboratory(neutrophils=0.9, platelets=60, alt=None))
    absent = make_form(laboratory=make_laboratory(platelets=None, alt=None))

    judged = criterion(judge(low), "I6")
    assert judged.value == (
        "neutrophils 0.9 1e9/L, platelets 60 1e9/L, haemoglobin 118 g/L, creatinine_clearance 84 mL/min, "
        "bilirubin 0.6 xULN, alt missing, ast 0.8 xULN"
    )
    assert judged.reason == (
        "neutrophils 0.9 1e9/L, required: at least 1 1e9/L; platelets 60 1e9/L, required: at least 75 1e9/L"
    )
    assert criterion(judge(absent), "I6").reason == (
        "platelets missing, required: at least 75 1e9/L; "
        "alt missing, required: at most 3 xULN, with liver_metastases at most 5 xULN"
    )


def test_several_positive_antigens_are_all_named() -> None:
    """Inclusion 4 lists them, the furthest above its threshold first."""
    profile = make_profile({Antigen.MESOTHELIN: 1.2, Antigen.AXL: 1.5})

    assert criterion(judge(make_form(), profile=profile), "I4").value == "positive_antigens AXL, mesothelin"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"ecog": 2}, "I5: ecog 2; required: at most 1"),
        ({"ecog": None}, "I5: missing: ecog; required: at most 1"),
        ({"measurable_lesions": 0}, "I3: measurable_lesions 0; required: at least 1, RECIST 1.1"),
        (
            {"prednisone_mg_per_day": 12.5},
            "E5: prednisone_mg_per_day 12.5; excluded: above 10 mg/day prednisone equivalent",
        ),
        (
            {"months_since_gene_modified_therapy": 2.0},
            (
                "E6: months_since_gene_modified_therapy 2, confounding_prior_therapy no; "
                "excluded: less than 3 months, or confounding prior therapy"
            ),
        ),
        (
            {"months_since_allogeneic_transplant": 5.5},
            "E7: months_since_allogeneic_transplant 5.5, active_gvhd no; excluded: less than 6 months, or active GVHD",
        ),
        (
            {"laboratory": make_laboratory(platelets=60)},
            "I6: platelets 60 1e9/L, required: at least 75 1e9/L",
        ),
        (
            {"laboratory": GOOD_LABORATORY | {"platelets": Laboratory(value=210, unit="G/L")}},
            "I6: platelets missing: 210 G/L is not usable, platelets is given in the protocol's unit, expected 1e9/L",
        ),
    ],
)
def test_a_reason_names_the_value_and_the_cut_off(changes: dict[str, Any], reason: str) -> None:
    """The reason alone tells a person what was seen and what would have passed."""
    assert (reason,) == judge(make_form(**changes)).reasons()


def test_a_certain_failure_outweighs_missing_data() -> None:
    """Nobody is asked for more values when one criterion has failed for certain."""
    assert judge(make_form(ecog=None)).outcome == "missing_data"
    assert judge(make_form(ecog=None, interfering_condition=True)).outcome == "ineligible"
    assert judge(make_form(ecog=None), age_years=76).outcome == "ineligible"


def test_an_empty_form_misses_data_everywhere_but_age_and_antigens() -> None:
    """Nothing that was left out is assumed to be good."""
    judged = judge(EligibilityForm.model_validate({"assessed_on": "2026-03-02"}))

    assert judged.outcome == "missing_data"
    assert {"I1", "I4"} == {one.criterion for one in judged.criteria if one.verdict is not MISSING}


def test_the_limits_are_the_protocol_s() -> None:
    """Another protocol version with other cut-offs judges by those."""
    rules = RULES.model_copy(update={"maximum_age_years": 70, "maximum_ecog": 2})

    judged = judge_eligibility(rules, 71, make_form(ecog=2), POSITIVE)

    assert (criterion(judged, "I1").verdict, criterion(judged, "I5").verdict) == (NOT_MET, MET)


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value, or none for a field left out."""
    return st.none() | values


FORMS = st.builds(
    make_form,
    histology_confirmed=maybe(st.booleans()),
    prior_treatment=maybe(st.sampled_from(PriorTreatment)),
    measurable_lesions=maybe(st.integers(0, 3)),
    ecog=maybe(st.integers(0, 3)),
    laboratory=st.builds(make_laboratory, neutrophils=maybe(st.floats(0, 3)), alt=maybe(st.floats(0, 7))),
    liver_metastases=maybe(st.booleans()),
    childbearing_potential=maybe(st.booleans()),
    pregnancy_test=maybe(st.sampled_from(["negative", "positive", "not_applicable"])),
    uncontrolled_infection=maybe(st.booleans()),
    cns_disease=maybe(st.sampled_from(CnsDisease)),
    prednisone_mg_per_day=maybe(st.floats(0, 20)),
    months_since_gene_modified_therapy=maybe(st.floats(0, 12)),
    no_gene_modified_therapy=maybe(st.booleans()),
    active_gvhd=maybe(st.booleans()),
    breastfeeding=maybe(st.booleans()),
)


@given(form=FORMS, age_years=st.integers(16, 78), profile=st.sampled_from([POSITIVE, make_profile({}), None]))
def test_eligible_if_and_only_if_all_criteria_pass(
    form: EligibilityForm, age_years: int, profile: AntigenProfile | None
) -> None:
    """The outcome follows from the 18 verdicts alone: all pass, or one fails, or data is missing."""
    judged = judge(form, age_years, profile)

    passes = [MET] * 9 + [NOT_MET] * 9
    fails = [NOT_MET] * 9 + [MET] * 9
    verdicts = [one.verdict for one in judged.criteria]
    one_fails = any(seen is failing for seen, failing in zip(verdicts, fails, strict=True))
    expected = "eligible" if verdicts == passes else "ineligible" if one_fails else "missing_data"
    assert expected == judged.outcome
    assert (judged.outcome == "eligible") == (judged.reasons() == ())


FIELDS = sorted(set(EligibilityForm.model_fields) - {"kind", "assessed_on", "laboratory"})


# A number of months contradicts 'never' and wins over it: leaving it out is a change of the answer, not less of it.
INDEPENDENT_FIELDS = [field for field in FIELDS if not field.startswith("months_since")]


@given(form=FORMS, field=st.sampled_from(INDEPENDENT_FIELDS))
def test_leaving_a_field_out_never_makes_anybody_eligible(form: EligibilityForm, field: str) -> None:
    """Who is eligible with less information was eligible with it."""
    without = form.model_copy(update={field: None})

    if judge(without).outcome == "eligible":
        assert judge(form).outcome == "eligible"


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_needed_unless_it_only_relaxes_a_limit(field: str) -> None:
    """Every answer of an eligible form is needed; the conditions of a relaxed limit only where it would be used."""
    optional = {
        "liver_metastases",
        "gilbert_syndrome",
        "months_since_gene_modified_therapy",
        "months_since_allogeneic_transplant",
    }
    expected = "eligible" if field in optional else "missing_data"

    assert expected == judge(make_form(**{field: None})).outcome
