"""CRS and ICANS grades from observations: ASTCT (Lee 2019), docs/domain.md, section 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.safety.grading.astct import compare, grade_crs, grade_icans
from schemas.safety.toxicity import (
    ComputedGrade,
    Consciousness,
    CrsObservation,
    GradedFinding,
    IcansObservation,
    IceScore,
    OxygenSupport,
    RaisedPressure,
    Seizure,
)


def crs(**changes: object) -> CrsObservation:
    """Observe a fever of 39 Celsius without hypotension or hypoxia, and with changes."""
    return CrsObservation.model_validate({"highest_temperature_celsius": 39.0, **changes})


def icans(**changes: object) -> IcansObservation:
    """Observe an unimpaired participant, and with changes."""
    return IcansObservation.model_validate({"ice_points": 10, **changes})


ITEMS = {"orientation": 4, "naming": 3, "following_commands": 1, "writing": 1, "attention": 1}
UNABLE = {"ice_points": None, "ice_unable": True, "consciousness": "unarousable"}


# CRS: the table


@pytest.mark.parametrize(
    ("temperature", "grade", "why"),
    [
        (36.6, 0, "not CRS: 36.6 Celsius, a fever is 38 or more"),
        (37.9, 0, "not CRS: 37.9 Celsius, a fever is 38 or more"),
        (37.99, 0, "not CRS: 37.99 Celsius, a fever is 38 or more"),
        (38.0, 1, "fever of 38.0 Celsius"),
        (38.1, 1, "fever of 38.1 Celsius"),
        (41.0, 1, "fever of 41.0 Celsius"),
    ],
)
def test_crs_begins_at_a_fever_of_38(temperature: float, grade: int, why: str) -> None:
    """A fever alone is grade 1; 38.0 is a fever, 37.9 is none; nothing is left to review."""
    computed = grade_crs(crs(highest_temperature_celsius=temperature))

    assert computed == ComputedGrade(grade=grade, why=why, review=None)


VASOPRESSIN_ALONE = "vasopressin alone is graded as one vasopressor: review"


@pytest.mark.parametrize(
    ("vasopressors", "vasopressin", "grade", "finding", "review"),
    [
        (0, False, 2, "hypotension not requiring vasopressors", None),
        (0, True, 3, "hypotension requiring vasopressin alone", VASOPRESSIN_ALONE),
        (1, False, 3, "hypotension requiring one vasopressor, no vasopressin", None),
        (1, True, 3, "hypotension requiring one vasopressor, with vasopressin", None),
        (2, False, 4, "hypotension requiring 2 vasopressors, vasopressin not counted", None),
        (2, True, 4, "hypotension requiring 2 vasopressors, vasopressin not counted", None),
        (3, False, 4, "hypotension requiring 3 vasopressors, vasopressin not counted", None),
    ],
)
def test_hypotension_grades_by_its_vasopressors(
    vasopressors: int, vasopressin: bool, grade: int, finding: str, review: str | None
) -> None:
    """Vasopressin is not counted among several; alone it is graded as one, for review."""
    computed = grade_crs(crs(hypotension=True, vasopressors=vasopressors, vasopressin=vasopressin))

    assert computed == ComputedGrade(grade=grade, why=f"{finding}; fever of 39.0 Celsius", review=review)


@pytest.mark.parametrize(
    ("support", "grade", "words"),
    [
        (OxygenSupport.LOW_FLOW_NASAL_CANNULA, 2, "low-flow nasal cannula"),
        (OxygenSupport.BLOW_BY, 2, "blow-by oxygen"),
        (OxygenSupport.HIGH_FLOW_NASAL_CANNULA, 3, "high-flow nasal cannula"),
        (OxygenSupport.FACE_MASK, 3, "face mask"),
        (OxygenSupport.NON_REBREATHER_MASK, 3, "non-rebreather mask"),
        (OxygenSupport.VENTURI_MASK, 3, "Venturi mask"),
        (OxygenSupport.CPAP, 4, "CPAP"),
        (OxygenSupport.BIPAP, 4, "BiPAP"),
        (OxygenSupport.MECHANICAL_VENTILATION, 4, "mechanical ventilation"),
    ],
)
def test_hypoxia_grades_by_its_oxygen_support(support: OxygenSupport, grade: int, words: str) -> None:
    """Up to 6 L/min or blow-by is grade 2, more flow or a mask grade 3, positive pressure grade 4."""
    computed = grade_crs(crs(oxygen_support=support))

    assert computed == ComputedGrade(grade=grade, why=f"hypoxia requiring {words}; fever of 39.0 Celsius", review=None)


def test_the_worse_of_hypotension_and_hypoxia_decides() -> None:
    """One vasopressor with low-flow oxygen is grade 3, and the reason names the vasopressor alone."""
    computed = grade_crs(crs(hypotension=True, vasopressors=1, oxygen_support="low_flow_nasal_cannula"))

    assert computed.grade == 3
    assert computed.why == "hypotension requiring one vasopressor, no vasopressin; fever of 39.0 Celsius"


def test_findings_of_the_same_grade_are_both_named() -> None:
    """An auditor sees everything that decided."""
    computed = grade_crs(crs(hypotension=True, oxygen_support="blow_by"))

    assert computed.grade == 2
    assert computed.why == (
        "hypotension not requiring vasopressors; hypoxia requiring blow-by oxygen; fever of 39.0 Celsius"
    )


# CRS: fever, other causes, death


@pytest.mark.parametrize(
    ("signs", "named"),
    [
        ({"hypotension": True}, "hypotension"),
        ({"oxygen_support": "cpap"}, "hypoxia"),
        ({"hypotension": True, "vasopressors": 2, "oxygen_support": "cpap"}, "hypotension and hypoxia"),
    ],
)
def test_signs_without_a_fever_are_no_crs_and_are_reviewed(signs: dict[str, object], named: str) -> None:
    """Neither no fever nor a fever of another cause begins CRS; somebody looks at it."""
    without = grade_crs(crs(highest_temperature_celsius=37.9, **signs))
    elsewhere = grade_crs(crs(fever_has_other_cause=True, **signs))

    assert without.grade == elsewhere.grade == 0
    assert without.why == "not CRS: 37.9 Celsius, a fever is 38 or more"
    assert elsewhere.why == "not CRS: fever of 39.0 Celsius due to another cause"
    assert without.review == elsewhere.review == f"{named} without fever due to CRS: review"


@pytest.mark.parametrize("therapy", ["antipyretics_given", "anticytokine_therapy_given"])
@pytest.mark.parametrize("temperature", [None, 36.8])
def test_after_therapy_no_fever_is_needed(therapy: str, temperature: float | None) -> None:
    """Hypotension and hypoxia then grade alone; without them nothing is left of CRS."""
    treated = {"highest_temperature_celsius": temperature, therapy: True}
    afebrile = "no fever, nor needed after antipyretics or anticytokine therapy"

    assert grade_crs(crs(**treated, hypotension=True)) == ComputedGrade(
        grade=2, why=f"hypotension not requiring vasopressors; {afebrile}"
    )
    assert grade_crs(crs(**treated, oxygen_support="bipap")) == ComputedGrade(
        grade=4, why=f"hypoxia requiring BiPAP; {afebrile}"
    )
    assert grade_crs(crs(**treated)) == ComputedGrade(
        grade=0, why=f"{afebrile}; no hypotension; no hypoxia on room air"
    )


def test_a_fever_after_therapy_is_grade_1() -> None:
    """The fever that comes back still counts."""
    assert grade_crs(crs(anticytokine_therapy_given=True)) == ComputedGrade(grade=1, why="fever of 39.0 Celsius")


def test_a_fever_of_another_cause_after_therapy_is_reviewed_with_signs_only() -> None:
    """The grade holds if there was CRS before the therapy, which the observation does not show."""
    treated = crs(anticytokine_therapy_given=True, fever_has_other_cause=True, hypotension=True)
    alone = crs(anticytokine_therapy_given=True, fever_has_other_cause=True)

    assert grade_crs(treated).grade == 2
    assert grade_crs(treated).review == "the fever has another cause: review whether there was CRS before the therapy"
    assert grade_crs(alone).grade == 0
    assert grade_crs(alone).review is None


def test_two_reasons_for_review_are_both_told() -> None:
    """No fever, and vasopressin alone."""
    computed = grade_crs(crs(highest_temperature_celsius=37.0, hypotension=True, vasopressin=True))

    assert computed.grade == 0
    assert computed.review == f"hypotension without fever due to CRS: review; {VASOPRESSIN_ALONE}"


@pytest.mark.parametrize(
    "signs",
    [
        {"hypotension": True, "vasopressors": 2, "hypotension_has_other_cause": True},
        {"hypotension": True, "vasopressin": True, "hypotension_has_other_cause": True},
        {"oxygen_support": "mechanical_ventilation", "hypoxia_has_other_cause": True},
    ],
)
def test_signs_of_another_cause_do_not_count(signs: dict[str, object]) -> None:
    """They neither raise the grade nor, without a fever, ask for a review."""
    assert grade_crs(crs(**signs)) == ComputedGrade(grade=1, why="fever of 39.0 Celsius")
    assert grade_crs(crs(highest_temperature_celsius=37.0, **signs)).review is None


def test_signs_of_another_cause_are_told() -> None:
    """Where nothing counts, the reason says why each does not."""
    computed = grade_crs(
        crs(
            highest_temperature_celsius=None,
            antipyretics_given=True,
            hypotension=True,
            hypotension_has_other_cause=True,
            oxygen_support="cpap",
            hypoxia_has_other_cause=True,
        )
    )

    assert computed.grade == 0
    assert computed.why.endswith("; hypotension due to another cause; CPAP due to another cause")


def test_room_air_stays_no_hypoxia_whatever_its_cause() -> None:
    """There is nothing to attribute."""
    computed = grade_crs(crs(highest_temperature_celsius=None, antipyretics_given=True, hypoxia_has_other_cause=True))

    assert computed.why.endswith("; no hypotension; no hypoxia on room air")


@pytest.mark.parametrize(
    ("given_with", "review"),
    [
        ({}, None),
        ({"hypotension": True, "vasopressors": 1}, None),
        ({"highest_temperature_celsius": None, "anticytokine_therapy_given": True}, None),
        ({"highest_temperature_celsius": None}, "death without fever due to CRS: review"),
        ({"highest_temperature_celsius": 37.9, "hypotension": True}, "death without fever due to CRS: review"),
    ],
)
def test_death_due_to_crs_is_grade_5(given_with: dict[str, object], review: str | None) -> None:
    """Whatever else was seen; a death without any fever is looked at."""
    computed = grade_crs(crs(death_due_to_crs=True, **given_with))

    assert computed == ComputedGrade(grade=5, why="death due to CRS", review=review)


# Refused observations of CRS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"highest_temperature_celsius": None}, "highest_temperature_celsius is missing: CRS begins with a fever, so"),
        ({"highest_temperature_celsius": None, "hypotension": True}, "give the temperature, or say that antipyretics"),
        ({"highest_temperature_celsius": 29.9}, "greater than or equal to 30"),
        ({"highest_temperature_celsius": 44.1}, "less than or equal to 44"),
        ({"highest_temperature_celsius": float("nan")}, "highest_temperature_celsius"),
        ({"vasopressors": 1}, "hypotension is false, but a vasopressor was given: hypotension must be true"),
        ({"vasopressin": True}, "hypotension must be true"),
        ({"hypotension": True, "vasopressors": -1}, "greater than or equal to 0"),
        ({"hypotension": True, "vasopressors": 11}, "less than or equal to 10"),
        ({"hypotension": True, "vasopressors": True}, "valid integer"),
        ({"oxygen_support": "nasal_cannula"}, "oxygen_support"),
        ({"creatinine": 3}, "Extra inputs are not permitted"),
    ],
)
def test_an_incoherent_crs_observation_is_refused(changes: dict[str, object], message: str) -> None:
    """The message names the field and says what would be right."""
    with pytest.raises(ValidationError, match=message):
        crs(**changes)


def test_the_limits_of_plausible_values_are_inside() -> None:
    """A temperature of 30 or 44, and 10 vasopressors, can be told."""
    assert grade_crs(crs(highest_temperature_celsius=30)).grade == 0
    assert grade_crs(crs(highest_temperature_celsius=44)).grade == 1
    assert grade_crs(crs(hypotension=True, vasopressors=10)).grade == 4


# ICANS: the table


@pytest.mark.parametrize(
    ("points", "grade"),
    [(10, 0), (9, 1), (8, 1), (7, 1), (6, 2), (5, 2), (4, 2), (3, 2), (2, 3), (1, 3), (0, 3)],
)
def test_ice_grades_by_its_points(points: int, grade: int) -> None:
    """10 is grade 0, 7-9 grade 1, 3-6 grade 2, 0-2 grade 3: an awake participant with 0 has aphasia, not grade 4."""
    computed = grade_icans(icans(ice_points=points))

    assert computed.grade == grade
    assert computed.why.startswith(f"ICE {points} of 10")
    assert computed.why == f"ICE {points} of 10" or grade == 0
    assert computed.review is None


def test_an_unimpaired_participant_has_no_icans() -> None:
    """The reason tells all five domains."""
    assert grade_icans(icans()) == ComputedGrade(
        grade=0,
        why="ICE 10 of 10; awake; no seizure; no deep focal motor weakness; no raised intracranial pressure",
    )


@pytest.mark.parametrize(
    ("level", "grade", "why"),
    [
        (Consciousness.AWAKENS_SPONTANEOUSLY, 1, "depressed consciousness, awakens spontaneously"),
        (Consciousness.AWAKENS_TO_VOICE, 2, "awakens to voice"),
        (Consciousness.AWAKENS_TO_TACTILE_STIMULUS, 3, "awakens only to tactile stimulus"),
        (Consciousness.VIGOROUS_OR_REPETITIVE_STIMULUS, 4, "needs vigorous or repetitive stimuli to arouse"),
        (Consciousness.UNAROUSABLE, 4, "unarousable"),
    ],
)
def test_consciousness_grades_by_what_arouses(level: Consciousness, grade: int, why: str) -> None:
    """From awakening spontaneously, 1, to stupor and coma, 4."""
    assert grade_icans(icans(consciousness=level)) == ComputedGrade(grade=grade, why=why)


@pytest.mark.parametrize(
    ("seizure", "grade", "why"),
    [
        (Seizure.RESOLVES_RAPIDLY, 3, "seizure that resolved rapidly"),
        (Seizure.NON_CONVULSIVE_RESOLVES, 3, "non-convulsive seizure that resolved with intervention"),
        (Seizure.PROLONGED, 4, "seizure of more than 5 minutes"),
        (Seizure.REPETITIVE, 4, "repetitive seizures without return to baseline"),
    ],
)
def test_a_seizure_is_grade_3_or_4(seizure: Seizure, grade: int, why: str) -> None:
    """Any seizure is 3; only a prolonged or repetitive one is 4."""
    assert grade_icans(icans(seizure=seizure)) == ComputedGrade(grade=grade, why=why)


def test_deep_focal_motor_weakness_is_grade_4() -> None:
    """Such as hemiparesis."""
    assert grade_icans(icans(deep_focal_motor_weakness=True)) == ComputedGrade(grade=4, why="deep focal motor weakness")


@pytest.mark.parametrize(
    ("sign", "grade", "why"),
    [
        (RaisedPressure.FOCAL_OEDEMA, 3, "focal cerebral oedema"),
        (RaisedPressure.DIFFUSE_OEDEMA, 4, "diffuse cerebral oedema"),
        (RaisedPressure.DECEREBRATE_OR_DECORTICATE_POSTURING, 4, "decerebrate or decorticate posturing"),
        (RaisedPressure.SIXTH_NERVE_PALSY, 4, "sixth cranial nerve palsy"),
        (RaisedPressure.PAPILLOEDEMA, 4, "papilloedema"),
        (RaisedPressure.CUSHING_TRIAD, 4, "Cushing's triad"),
    ],
)
def test_raised_pressure_is_grade_3_or_4(sign: RaisedPressure, grade: int, why: str) -> None:
    """Focal oedema is 3, all else 4."""
    assert grade_icans(icans(raised_pressure=sign)) == ComputedGrade(grade=grade, why=why)


@pytest.mark.parametrize("level", ["unarousable", "vigorous_or_repetitive_stimulus"])
@pytest.mark.parametrize("points", [None, 0])
def test_unable_to_perform_ice_is_grade_4(level: str, points: int | None) -> None:
    """Zero points beside it say the same."""
    computed = grade_icans(icans(ice_points=points, ice_unable=True, consciousness=level))

    assert computed.grade == 4
    assert computed.why.startswith("unable to perform ICE; ")
    assert computed.review is None


def test_the_worst_domain_decides() -> None:
    """ICE 3 with a generalised seizure is grade 3 (the example of Lee 2019)."""
    assert grade_icans(icans(ice_points=3, seizure="resolves_rapidly")) == ComputedGrade(
        grade=3, why="seizure that resolved rapidly"
    )


def test_domains_of_the_same_grade_are_all_named() -> None:
    """An auditor sees everything that decided."""
    computed = grade_icans(icans(ice_points=4, consciousness="awakens_to_voice"))

    assert computed == ComputedGrade(grade=2, why="ICE 4 of 10; awakens to voice")


def test_ice_by_item_is_the_sum() -> None:
    """Each item has its own points."""
    assert IceScore.model_validate(ITEMS).points == 10
    for item, points in ITEMS.items():
        lost = {**ITEMS, item: 0}
        observed = icans(ice_points=None, ice_items=lost)
        assert observed.ice == 10 - points
        assert grade_icans(observed).why.startswith(f"ICE {10 - points} of 10")
    assert icans(ice_points=7, ice_items={**ITEMS, "naming": 0}).ice == 7
    assert icans(**UNABLE).ice is None


# ICANS: other causes, haemorrhage, death


@pytest.mark.parametrize(
    ("finding", "attributed", "told"),
    [
        ({"ice_points": 0}, "ice_has_other_cause", "ICE 0 of 10, due to another cause"),
        ({"seizure": "prolonged"}, "seizure_has_other_cause", "seizure of more than 5 minutes, due to another cause"),
        (
            {"deep_focal_motor_weakness": True},
            "motor_has_other_cause",
            "deep focal motor weakness, due to another cause",
        ),
        (
            {"raised_pressure": "papilloedema"},
            "raised_pressure_has_other_cause",
            "papilloedema, due to another cause",
        ),
        (
            {"consciousness": "awakens_to_voice"},
            "consciousness_has_other_cause",
            "awakens to voice, due to another cause",
        ),
    ],
)
def test_a_domain_of_another_cause_does_not_count(finding: dict[str, object], attributed: str, told: str) -> None:
    """It is told all the same, and the other domains still count."""
    computed = grade_icans(icans(**finding, **{attributed: True}))

    assert computed.grade == 0
    assert told in computed.why.split("; ")
    assert computed.review is None


@pytest.mark.parametrize(
    "attributed",
    [
        "ice_has_other_cause",
        "consciousness_has_other_cause",
        "seizure_has_other_cause",
        "motor_has_other_cause",
        "raised_pressure_has_other_cause",
    ],
)
def test_another_cause_leaves_the_other_domains_alone(attributed: str) -> None:
    """Each flag is about its own domain, and about nothing where there is no finding."""
    worst = {
        "ice_points": 0,
        "consciousness": "unarousable",
        "seizure": "repetitive",
        "deep_focal_motor_weakness": True,
        "raised_pressure": "cushing_triad",
    }

    assert grade_icans(icans(**worst, **{attributed: True})).grade == 4
    assert "another cause" not in grade_icans(icans(**{attributed: True})).why
    assert grade_icans(icans(**{attributed: True})).review is None


def test_ice_that_another_cause_prevented_is_reviewed() -> None:
    """A sedated participant has no ICE: the grade from the rest may be too low."""
    sedated = icans(**UNABLE, ice_has_other_cause=True, consciousness_has_other_cause=True)
    awake = icans(**{**UNABLE, "consciousness": "awake"}, ice_has_other_cause=True)

    assert grade_icans(sedated).grade == grade_icans(awake).grade == 0
    assert "unable to perform ICE, due to another cause" in grade_icans(awake).why
    review = "ICE could not be performed for another cause, so the grade may be too low: review"
    assert grade_icans(sedated).review == grade_icans(awake).review == review


def test_ice_under_sedation_counts_and_is_reviewed() -> None:
    """The cause of the sleep may be that of the missing points; full points raise no question."""
    sedated = {"consciousness": "awakens_to_voice", "consciousness_has_other_cause": True}
    lost = grade_icans(icans(**sedated, ice_points=5))

    assert lost.grade == 2
    assert lost.review == "consciousness has another cause, and ICE counts all the same: review"
    assert grade_icans(icans(**sedated, ice_points=9)).review is not None
    assert grade_icans(icans(**sedated)).review is None
    assert grade_icans(icans(**sedated, ice_points=5, ice_has_other_cause=True)).review is None


def test_an_intracranial_haemorrhage_never_counts() -> None:
    """It gives no grade; where other findings do, somebody asks whether they are due to it."""
    alone = grade_icans(icans(intracranial_haemorrhage=True))
    with_oedema = grade_icans(icans(intracranial_haemorrhage=True, raised_pressure="focal_oedema"))
    mild = grade_icans(icans(intracranial_haemorrhage=True, ice_points=9))

    assert (alone.grade, alone.review) == (0, None)
    assert with_oedema.grade == 3
    assert mild.grade == 1
    review = "intracranial haemorrhage is not ICANS: review which findings are due to it"
    assert with_oedema.review == mild.review == review


def test_two_reasons_for_review_of_icans_are_both_told() -> None:
    """Sedation and a haemorrhage."""
    computed = grade_icans(icans(ice_points=5, consciousness_has_other_cause=True, intracranial_haemorrhage=True))

    assert computed.review == (
        "consciousness has another cause, and ICE counts all the same: review; "
        "intracranial haemorrhage is not ICANS: review which findings are due to it"
    )


@pytest.mark.parametrize("given_with", [{}, {"ice_points": None}, {"seizure": "prolonged"}])
def test_death_due_to_icans_is_grade_5(given_with: dict[str, object]) -> None:
    """ICE is then not asked for."""
    computed = grade_icans(icans(death_due_to_icans=True, **given_with))

    assert computed == ComputedGrade(grade=5, why="death due to ICANS")


# Refused observations of ICANS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ice_points": None}, "ICE is missing: give ice_points"),
        ({"ice_points": None, "consciousness": "unarousable"}, "ice_unable if it could not be performed"),
        ({"ice_points": 11}, "less than or equal to 10"),
        ({"ice_points": -1}, "greater than or equal to 0"),
        ({"ice_points": 7.5}, "valid integer"),
        ({"ice_points": "7"}, "valid integer"),
        ({"ice_points": True}, "valid integer"),
        ({"ice_items": {**ITEMS, "writing": 0}}, "ice_points 10 is not the sum of ice_items, 9"),
        ({"ice_items": {**ITEMS, "orientation": 5}}, "less than or equal to 4"),
        ({"ice_items": {**ITEMS, "naming": 4}}, "less than or equal to 3"),
        ({"ice_items": {**ITEMS, "following_commands": 2}}, "less than or equal to 1"),
        ({"ice_items": {**ITEMS, "writing": 2}}, "less than or equal to 1"),
        ({"ice_items": {**ITEMS, "attention": 2}}, "less than or equal to 1"),
        ({"ice_items": {"orientation": 4}}, "Field required"),
        ({**UNABLE, "ice_points": 1}, "ice_unable is true, but ICE has 1 points"),
        ({**UNABLE, "ice_items": ITEMS}, "ice_unable is true, but ICE has 10 points"),
        ({**UNABLE, "consciousness": "awake"}, "consciousness is 'awake': a participant who can be roused scores"),
        ({**UNABLE, "consciousness": "awakens_to_tactile_stimulus"}, "'awakens_to_tactile_stimulus'"),
        ({**UNABLE, "consciousness_has_other_cause": True}, "then ice_has_other_cause must be true too"),
        ({"tremor": True}, "Extra inputs are not permitted"),
    ],
)
def test_an_incoherent_icans_observation_is_refused(changes: dict[str, object], message: str) -> None:
    """Missing ICE is never taken for 0, nor for 10."""
    with pytest.raises(ValidationError, match=message):
        icans(**changes)


# Comparing


@pytest.mark.parametrize(
    ("reported", "review", "said"),
    [
        (1, None, "reported grade 1 is below the computed grade 2: awakens to voice"),
        (2, None, None),
        (2, "look: review", None),
        (3, None, "reported grade 3 is above the computed grade 2: awakens to voice"),
        (5, "look: review", "reported grade 5 is above the computed grade 2: awakens to voice (look: review)"),
    ],
)
def test_a_difference_is_said_in_words(reported: int, review: str | None, said: str | None) -> None:
    """Both grades, the deciding finding and what is to review; nothing where they agree."""
    assert compare(reported, ComputedGrade(grade=2, why="awakens to voice", review=review)) == said


def test_the_worst_finding_gives_the_grade() -> None:
    """All findings of that grade are named, in their order, and no other."""
    findings = [
        GradedFinding(grade=grade, finding=finding) for grade, finding in [(1, "a"), (3, "b"), (2, "c"), (3, "d")]
    ]

    assert ComputedGrade.worst(findings, "look") == ComputedGrade(grade=3, why="b; d", review="look")
    assert ComputedGrade.worst(iter(findings)).review is None


# Properties

SUPPORT_GRADES = dict(zip(OxygenSupport, (0, 2, 2, 3, 3, 3, 3, 4, 4, 4), strict=True))
CONSCIOUSNESS_GRADES = dict(zip(Consciousness, (0, 1, 2, 3, 4, 4), strict=True))
SEIZURE_GRADES = dict(zip(Seizure, (0, 3, 3, 4, 4), strict=True))
PRESSURE_GRADES = dict(zip(RaisedPressure, (0, 3, 4, 4, 4, 4, 4), strict=True))


@st.composite
def crs_observations(draw: st.DrawFn) -> CrsObservation:
    """Draw any coherent CRS observation with a temperature."""
    hypotension = draw(st.booleans())
    return CrsObservation(
        highest_temperature_celsius=draw(st.sampled_from([36.5, 37.9, 38.0, 39.5])),
        fever_has_other_cause=draw(st.booleans()),
        antipyretics_given=draw(st.booleans()),
        anticytokine_therapy_given=draw(st.booleans()),
        hypotension=hypotension,
        vasopressors=draw(st.integers(0, 3)) if hypotension else 0,
        vasopressin=hypotension and draw(st.booleans()),
        hypotension_has_other_cause=draw(st.booleans()),
        oxygen_support=draw(st.sampled_from(OxygenSupport)),
        hypoxia_has_other_cause=draw(st.booleans()),
        death_due_to_crs=draw(st.sampled_from([False, False, False, True])),
    )


@st.composite
def icans_observations(draw: st.DrawFn) -> IcansObservation:
    """Draw any ICANS observation with ICE points."""
    return IcansObservation(
        ice_points=draw(st.integers(0, 10)),
        ice_has_other_cause=draw(st.booleans()),
        consciousness=draw(st.sampled_from(Consciousness)),
        consciousness_has_other_cause=draw(st.booleans()),
        seizure=draw(st.sampled_from(Seizure)),
        seizure_has_other_cause=draw(st.booleans()),
        deep_focal_motor_weakness=draw(st.booleans()),
        motor_has_other_cause=draw(st.booleans()),
        raised_pressure=draw(st.sampled_from(RaisedPressure)),
        raised_pressure_has_other_cause=draw(st.booleans()),
        intracranial_haemorrhage=draw(st.booleans()),
        death_due_to_icans=draw(st.sampled_from([False, False, False, True])),
    )


def hypotension_grade(observed: CrsObservation) -> int:
    """Read the column of hypotension."""
    if not observed.hypotension or observed.hypotension_has_other_cause:
        return 0
    return {0: 3 if observed.vasopressin else 2, 1: 3}.get(observed.vasopressors, 4)


@given(crs_observations())
def test_the_crs_grade_is_the_worst_component(observed: CrsObservation) -> None:
    """Fever 1, hypotension, hypoxia; none of it without fever or therapy; death above all."""
    fever = (observed.highest_temperature_celsius or 0) >= 38 and not observed.fever_has_other_cause
    hypoxia = 0 if observed.hypoxia_has_other_cause else SUPPORT_GRADES[observed.oxygen_support]
    treated = observed.antipyretics_given or observed.anticytokine_therapy_given
    worst = max(int(fever), hypotension_grade(observed), hypoxia) if fever or treated else 0

    assert grade_crs(observed).grade == (5 if observed.death_due_to_crs else worst)


@given(icans_observations())
def test_the_icans_grade_is_the_worst_domain(observed: IcansObservation) -> None:
    """Of the domains that are not of another cause; death above all."""
    points = observed.ice_points or 0
    domains = [
        ((points < 10) + (points < 7) + (points < 3), observed.ice_has_other_cause),
        (CONSCIOUSNESS_GRADES[observed.consciousness], observed.consciousness_has_other_cause),
        (SEIZURE_GRADES[observed.seizure], observed.seizure_has_other_cause),
        (4 * observed.deep_focal_motor_weakness, observed.motor_has_other_cause),
        (PRESSURE_GRADES[observed.raised_pressure], observed.raised_pressure_has_other_cause),
    ]
    worst = max(0 if has_other_cause else grade for grade, has_other_cause in domains)

    assert grade_icans(observed).grade == (5 if observed.death_due_to_icans else worst)


def worsened_crs(observed: CrsObservation) -> list[dict[str, object]]:
    """List single changes that make a CRS observation worse."""
    supports = list(OxygenSupport)
    flow = supports.index(observed.oxygen_support)
    return [
        {"highest_temperature_celsius": 40.0},
        {"fever_has_other_cause": False},
        {"antipyretics_given": True},
        {"anticytokine_therapy_given": True},
        {"hypotension": True},
        {"hypotension": True, "vasopressors": observed.vasopressors + 1},
        {"hypotension": True, "vasopressin": True},
        {"hypotension_has_other_cause": False},
        {"oxygen_support": supports[min(flow + 1, len(supports) - 1)]},
        {"hypoxia_has_other_cause": False},
        {"death_due_to_crs": True},
    ]


@given(crs_observations())
def test_worse_crs_never_lowers_the_grade(observed: CrsObservation) -> None:
    """Whatever one thing gets worse."""
    before = grade_crs(observed).grade

    for change in worsened_crs(observed):
        worse = CrsObservation.model_validate({**observed.model_dump(), **change})
        assert grade_crs(worse).grade >= before, change


def worsened_icans(observed: IcansObservation) -> list[dict[str, object]]:
    """List single changes that make an ICANS observation worse."""
    levels = list(Consciousness)
    level = levels.index(observed.consciousness)
    return [
        {"ice_points": max((observed.ice_points or 0) - 1, 0)},
        {"ice_points": None, "ice_unable": True, "ice_has_other_cause": False}
        | {"consciousness": "unarousable", "consciousness_has_other_cause": False},
        {"ice_has_other_cause": False},
        {"consciousness": levels[min(level + 1, len(levels) - 1)]},
        {"consciousness_has_other_cause": False},
        {"seizure": "repetitive"},
        {"seizure_has_other_cause": False},
        {"deep_focal_motor_weakness": True},
        {"motor_has_other_cause": False},
        {"raised_pressure": "diffuse_oedema"},
        {"raised_pressure_has_other_cause": False},
        {"death_due_to_icans": True},
    ]


@given(icans_observations())
def test_worse_icans_never_lowers_the_grade(observed: IcansObservation) -> None:
    """Whatever one thing gets worse."""
    before = grade_icans(observed).grade

    for change in worsened_icans(observed):
        worse = IcansObservation.model_validate({**observed.model_dump(), **change})
        assert grade_icans(worse).grade >= before, change


@given(crs_observations(), icans_observations())
def test_an_observation_survives_json(crs_observed: CrsObservation, icans_observed: IcansObservation) -> None:
    """Histories keep observations as JSON."""
    assert CrsObservation.model_validate_json(crs_observed.model_dump_json()) == crs_observed
    assert IcansObservation.model_validate_json(icans_observed.model_dump_json()) == icans_observed
