"""
The 18 eligibility criteria, judged one by one (trial record NCT07510828, Eligibility).

Conditions have three values: true, false, and none for 'not reported'. A certain failure decides even while other
values are missing; a missing value is never taken for a good one.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from decisions.screening.laboratory import judge_laboratory
from schemas.base import Frozen
from schemas.protocol import Eligibility
from schemas.screening.eligibility import (
    CnsDisease,
    CriterionVerdict,
    EligibilityForm,
    EligibilityVerdict,
    PriorTreatment,
    Verdict,
)
from schemas.screening.panel import AntigenProfile, ProfileOutcome


class Case(Frozen):
    """Everything that the criteria are judged on."""

    rules: Eligibility
    age_years: int
    form: EligibilityForm
    profile: AntigenProfile | None


def judge_eligibility(
    rules: Eligibility, age_years: int, form: EligibilityForm, profile: AntigenProfile | None
) -> EligibilityVerdict:
    """
    Judge all criteria, I1-I9 then E1-E9, each with the value seen and the cut-off.

    `age_years` are whole years at consent; `profile` is none while the antigen panel is not reported.
    """
    case = Case(rules=rules, age_years=age_years, form=form, profile=profile)
    criteria = tuple(judge(case) for judge in CRITERIA)
    return EligibilityVerdict(outcome=_outcome(criteria), criteria=criteria)


def _outcome(criteria: tuple[CriterionVerdict, ...]) -> Literal["eligible", "ineligible", "missing_data"]:
    fails = any(judged.verdict is _failing_verdict(judged.criterion) for judged in criteria)
    lacks_data = any(judged.verdict is Verdict.MISSING for judged in criteria)
    if fails:
        return "ineligible"
    return "missing_data" if lacks_data else "eligible"


def _failing_verdict(criterion: str) -> Verdict:
    return Verdict.NOT_MET if criterion.startswith("I") else Verdict.MET


# Inclusion criteria: `met` is good.


def _age(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 1."""
    low, high = case.rules.minimum_age_years, case.rules.maximum_age_years
    rule = f"required: {low} to {high} years at consent"
    return _judged("I1", low <= case.age_years <= high, rule, {"age_years": case.age_years})


def _disease(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 2."""
    confirmed, prior = case.form.histology_confirmed, case.form.prior_treatment
    no_option_left = None if prior is None else prior is not PriorTreatment.STANDARD_AVAILABLE
    rule = "required: confirmed solid tumour, standard therapy failed, not tolerated or non-existent"
    values = {"histology_confirmed": confirmed, "prior_treatment": prior}
    return _judged("I2", _all_hold(confirmed, no_option_left), rule, values)


def _measurable_disease(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 3."""
    lesions, least = case.form.measurable_lesions, case.rules.minimum_measurable_lesions
    enough = None if lesions is None else lesions >= least
    return _judged("I3", enough, f"required: at least {least}, RECIST 1.1", {"measurable_lesions": lesions})


def _antigen_positivity(case: Case) -> CriterionVerdict:
    """
    Trial record, Eligibility, inclusion 4.

    Co-expression for the dual-target cohort is judged at assignment, where the target is known.
    """
    profile = case.profile
    rule = "required: at least 1 antigen above its threshold"
    if profile is None or profile.outcome is ProfileOutcome.REPEAT_BIOPSY:
        return _judged("I4", None, rule, {"antigen_profile": None})
    # Without an adequate sample and without a repeat left, positivity can no longer be documented.
    positives = ", ".join(verdict.antigen for verdict in profile.positives())
    seen = positives or ("none" if profile.outcome is ProfileOutcome.COMPLETE else "no adequate sample")
    return _judged("I4", bool(positives), rule, {"positive_antigens": seen})


def _performance_status(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 5."""
    ecog, most = case.form.ecog, case.rules.maximum_ecog
    return _judged("I5", None if ecog is None else ecog <= most, f"required: at most {most}", {"ecog": ecog})


def _organ_function(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 6; cut-offs: docs/domain.md, section 2."""
    form = case.form
    findings = judge_laboratory(case.rules.laboratory, form.laboratory, form.liver_metastases, form.gilbert_syndrome)
    failing = [finding for finding in findings if finding.verdict is Verdict.NOT_MET]
    missing = [finding for finding in findings if finding.verdict is Verdict.MISSING]
    verdict = Verdict.NOT_MET if failing else Verdict.MISSING if missing else Verdict.MET
    value = ", ".join(f"{finding.analyte} {finding.value}" for finding in findings)
    reason = "; ".join(finding.reason for finding in failing or missing or findings)
    return CriterionVerdict(criterion="I6", verdict=verdict, value=value, reason=reason)


def _can_be_treated(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 7."""
    values = {
        "can_receive_lymphodepletion": case.form.can_receive_lymphodepletion,
        "can_receive_infusion": case.form.can_receive_infusion,
    }
    return _judged("I7", _all_hold(*values.values()), "required: both", values)


def _pregnancy_and_contraception(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 8; contraception is asked of everybody, as the record words it."""
    form = case.form
    values = {
        "childbearing_potential": form.childbearing_potential,
        "pregnancy_test": form.pregnancy_test,
        "contraception_agreed": form.contraception_agreed,
    }
    potential_is_known = None if form.childbearing_potential is None else True
    pregnant = _is_pregnant(form)
    not_pregnant = None if pregnant is None else not pregnant
    rule = "required: negative test (not_applicable only without childbearing potential), contraception agreed"
    return _judged("I8", _all_hold(potential_is_known, not_pregnant, form.contraception_agreed), rule, values)


def _samples(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, inclusion 9."""
    agreed = case.form.samples_agreed
    return _judged("I9", agreed, "required: willing to provide samples", {"samples_agreed": agreed})


# Exclusion criteria: `met` excludes.


def _infection(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 1."""
    active = case.form.uncontrolled_infection
    return _judged("E1", active, "excluded: active, uncontrolled infection", {"uncontrolled_infection": active})


def _viruses(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 2."""
    values = {
        "uncontrolled_hiv": case.form.uncontrolled_hiv,
        "active_hepatitis_b": case.form.active_hepatitis_b,
        "active_hepatitis_c": case.form.active_hepatitis_c,
    }
    return _judged("E2", _any_holds(*values.values()), "excluded: any of them", values)


def _heart(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 3."""
    disease = case.form.significant_cardiovascular_disease
    rule = "excluded: clinically significant cardiovascular disease"
    return _judged("E3", disease, rule, {"significant_cardiovascular_disease": disease})


def _brain_metastases(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 4; stable treated disease is allowed."""
    disease = case.form.cns_disease
    active = None if disease is None else disease in (CnsDisease.SYMPTOMATIC, CnsDisease.ESCALATING_STEROIDS)
    return _judged("E4", active, "excluded: symptomatic or escalating steroids", {"cns_disease": disease})


def _immunosuppression(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 5."""
    dose, most = case.form.prednisone_mg_per_day, case.rules.maximum_prednisone_mg_per_day
    rule = f"excluded: above {most:g} mg/day prednisone equivalent"
    return _judged("E5", None if dose is None else dose > most, rule, {"prednisone_mg_per_day": dose})


def _prior_cell_therapy(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 6."""
    form, least = case.form, case.rules.minimum_months_since_gene_modified_therapy
    months, never = form.months_since_gene_modified_therapy, form.no_gene_modified_therapy
    values = {
        "months_since_gene_modified_therapy": _months_or_never(months, never),
        "confounding_prior_therapy": form.confounding_prior_therapy,
    }
    excludes = _any_holds(_is_recent(months, never, least), form.confounding_prior_therapy)
    return _judged("E6", excludes, f"excluded: less than {least:g} months, or confounding prior therapy", values)


def _prior_transplant(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 7."""
    form, least = case.form, case.rules.minimum_months_since_allogeneic_transplant
    months, never = form.months_since_allogeneic_transplant, form.no_allogeneic_transplant
    values = {
        "months_since_allogeneic_transplant": _months_or_never(months, never),
        "active_gvhd": form.active_gvhd,
    }
    excludes = _any_holds(_is_recent(months, never, least), form.active_gvhd)
    return _judged("E7", excludes, f"excluded: less than {least:g} months, or active GVHD", values)


def _pregnant_or_breastfeeding(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 8."""
    form = case.form
    values = {"pregnancy_test": form.pregnancy_test, "breastfeeding": form.breastfeeding}
    excludes = _any_holds(_is_pregnant(form), form.breastfeeding)
    return _judged("E8", excludes, "excluded: pregnant or breastfeeding", values)


def _interfering_condition(case: Case) -> CriterionVerdict:
    """Trial record, Eligibility, exclusion 9."""
    interferes = case.form.interfering_condition
    rule = "excluded: any condition that would interfere, in the investigator's opinion"
    return _judged("E9", interferes, rule, {"interfering_condition": interferes})


CRITERIA: tuple[Callable[[Case], CriterionVerdict], ...] = (
    _age,
    _disease,
    _measurable_disease,
    _antigen_positivity,
    _performance_status,
    _organ_function,
    _can_be_treated,
    _pregnancy_and_contraception,
    _samples,
    _infection,
    _viruses,
    _heart,
    _brain_metastases,
    _immunosuppression,
    _prior_cell_therapy,
    _prior_transplant,
    _pregnant_or_breastfeeding,
    _interfering_condition,
)


# What several criteria share.


def _is_pregnant(form: EligibilityForm) -> bool | None:
    """Return none without a usable pregnancy test: not tested, or 'not applicable' where it is not so."""
    if form.pregnancy_test in ("positive", "negative"):
        return form.pregnancy_test == "positive"
    test_is_not_needed = form.pregnancy_test == "not_applicable" and form.childbearing_potential is False
    return False if test_is_not_needed else None


def _is_recent(months: float | None, never: bool | None, minimum_months: float) -> bool | None:
    # A number of months wins over 'never': of two contradicting answers the one that may exclude is judged.
    if months is not None:
        return months < minimum_months
    return False if never else None


def _months_or_never(months: float | None, never: bool | None) -> object:
    return "never" if months is None and never else months


def _all_hold(*conditions: bool | None) -> bool | None:
    if False in conditions:
        return False
    return None if None in conditions else True


def _any_holds(*conditions: bool | None) -> bool | None:
    if True in conditions:
        return True
    return None if None in conditions else False


def _judged(criterion: str, holds: bool | None, rule: str, values: Mapping[str, object]) -> CriterionVerdict:
    verdict = Verdict.MISSING if holds is None else Verdict.MET if holds else Verdict.NOT_MET
    value = ", ".join(f"{name} {_shown(value)}" for name, value in values.items())
    # Only names that are absent, if any: a value may also be there and not answer the question.
    absent = ", ".join(name for name, given in values.items() if given is None)
    seen = f"missing: {absent or value}" if holds is None else value
    return CriterionVerdict(criterion=criterion, verdict=verdict, value=value, reason=f"{seen}; {rule}")


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
