"""
Grades of CRS and ICANS by the ASTCT consensus, computed from what was observed (docs/domain.md, section 1).

Source: Lee DW et al., Biol Blood Marrow Transplant 2019;25:625-638. The figures here belong to that scale, which no
protocol changes. Every grade is that of the worst finding not attributable to another cause.
"""

from collections.abc import Iterator

from schemas.safety.adverse_events import FATAL
from schemas.safety.toxicity import (
    ComputedGrade,
    Consciousness,
    CrsObservation,
    GradedFinding,
    IcansObservation,
    OxygenSupport,
    RaisedPressure,
    Seizure,
)

FEVER_CELSIUS = 38.0
"""A temperature of this or more is a fever (Lee 2019)."""
ICE_FULL_POINTS = 10
"""The ICE points of a participant without impairment (Lee 2019)."""

_HYPOXIA = {
    OxygenSupport.ROOM_AIR: (0, "room air"),
    OxygenSupport.LOW_FLOW_NASAL_CANNULA: (2, "low-flow nasal cannula"),
    OxygenSupport.BLOW_BY: (2, "blow-by oxygen"),
    OxygenSupport.HIGH_FLOW_NASAL_CANNULA: (3, "high-flow nasal cannula"),
    OxygenSupport.FACE_MASK: (3, "face mask"),
    OxygenSupport.NON_REBREATHER_MASK: (3, "non-rebreather mask"),
    OxygenSupport.VENTURI_MASK: (3, "Venturi mask"),
    OxygenSupport.CPAP: (4, "CPAP"),
    OxygenSupport.BIPAP: (4, "BiPAP"),
    OxygenSupport.MECHANICAL_VENTILATION: (4, "mechanical ventilation"),
}
_ICE_GRADES = ((ICE_FULL_POINTS, 0), (7, 1), (3, 2), (0, 3))
"""The fewest points of each grade, the mildest first."""
_ICE_UNABLE = 4
_CONSCIOUSNESS = {
    Consciousness.AWAKE: (0, "awake"),
    Consciousness.AWAKENS_SPONTANEOUSLY: (1, "depressed consciousness, awakens spontaneously"),
    Consciousness.AWAKENS_TO_VOICE: (2, "awakens to voice"),
    Consciousness.AWAKENS_TO_TACTILE_STIMULUS: (3, "awakens only to tactile stimulus"),
    Consciousness.VIGOROUS_OR_REPETITIVE_STIMULUS: (4, "needs vigorous or repetitive stimuli to arouse"),
    Consciousness.UNAROUSABLE: (4, "unarousable"),
}
_SEIZURE = {
    Seizure.NONE: (0, "no seizure"),
    Seizure.RESOLVES_RAPIDLY: (3, "seizure that resolved rapidly"),
    Seizure.NON_CONVULSIVE_RESOLVES: (3, "non-convulsive seizure that resolved with intervention"),
    Seizure.PROLONGED: (4, "seizure of more than 5 minutes"),
    Seizure.REPETITIVE: (4, "repetitive seizures without return to baseline"),
}
_MOTOR = {False: (0, "no deep focal motor weakness"), True: (4, "deep focal motor weakness")}
_RAISED_PRESSURE = {
    RaisedPressure.NONE: (0, "no raised intracranial pressure"),
    RaisedPressure.FOCAL_OEDEMA: (3, "focal cerebral oedema"),
    RaisedPressure.DIFFUSE_OEDEMA: (4, "diffuse cerebral oedema"),
    RaisedPressure.DECEREBRATE_OR_DECORTICATE_POSTURING: (4, "decerebrate or decorticate posturing"),
    RaisedPressure.SIXTH_NERVE_PALSY: (4, "sixth cranial nerve palsy"),
    RaisedPressure.PAPILLOEDEMA: (4, "papilloedema"),
    RaisedPressure.CUSHING_TRIAD: (4, "Cushing's triad"),
}


def compare(reported: int, computed: ComputedGrade) -> str | None:
    """
    Return how a reported grade (0-5) differs from the computed one, and why; `None` where they agree.

    A difference is no refusal: the reported grade may be by CTCAE, and the investigator has seen the participant.
    """
    if reported == computed.grade:
        return None
    side = "below" if reported < computed.grade else "above"
    review = "" if computed.review is None else f" ({computed.review})"
    return f"reported grade {reported} is {side} the computed grade {computed.grade}: {computed.why}{review}"


# CRS


def grade_crs(crs: CrsObservation) -> ComputedGrade:
    """
    Grade cytokine release syndrome, 0-5, by the worse of hypotension and hypoxia (Lee 2019).

    It needs a fever of `FEVER_CELSIUS` or more, itself included, until antipyretics or anticytokine therapy were given
    for it. A fever alone is grade 1, and without one it is not CRS: grade 0. Vasopressin is not counted among several
    vasopressors; alone it is graded as one vasopressor, which the publication leaves open.
    """
    review = "; ".join(_crs_reviews(crs)) or None
    if crs.death_due_to_crs:
        return ComputedGrade(grade=FATAL, why="death due to CRS", review=review)
    fever = _fever(crs)
    if not (fever.grade or crs.fever_may_be_absent):
        return ComputedGrade(grade=0, why=fever.finding, review=review)
    worst = ComputedGrade.worst((fever, _hypotension(crs), _hypoxia(crs)), review)
    if worst.grade == fever.grade:
        return worst
    # What makes it CRS at all belongs to the reason.
    return worst.model_copy(update={"why": f"{worst.why}; {fever.finding}"})


def _fever(crs: CrsObservation) -> GradedFinding:
    temperature = crs.highest_temperature_celsius
    feverish = temperature is not None and temperature >= FEVER_CELSIUS
    if feverish and not crs.fever_has_other_cause:
        return _finding(1, f"fever of {temperature} Celsius")
    if crs.fever_may_be_absent:
        return _finding(0, "no fever, nor needed after antipyretics or anticytokine therapy")
    if feverish:
        return _finding(0, f"not CRS: fever of {temperature} Celsius due to another cause")
    return _finding(0, f"not CRS: {temperature} Celsius, a fever is {FEVER_CELSIUS:g} or more")


def _hypotension(crs: CrsObservation) -> GradedFinding:
    if not crs.hypotension:
        return _finding(0, "no hypotension")
    if crs.hypotension_has_other_cause:
        return _finding(0, "hypotension due to another cause")
    if crs.vasopressors > 1:
        return _finding(4, f"hypotension requiring {crs.vasopressors} vasopressors, vasopressin not counted")
    if crs.vasopressors == 1:
        return _finding(3, f"hypotension requiring one vasopressor, {'with' if crs.vasopressin else 'no'} vasopressin")
    if crs.vasopressin:
        return _finding(3, "hypotension requiring vasopressin alone")
    return _finding(2, "hypotension not requiring vasopressors")


def _hypoxia(crs: CrsObservation) -> GradedFinding:
    grade, support = _HYPOXIA[crs.oxygen_support]
    if grade == 0:
        return _finding(0, f"no hypoxia on {support}")
    if crs.hypoxia_has_other_cause:
        return _finding(0, f"{support} due to another cause")
    return _finding(grade, f"hypoxia requiring {support}")


def _crs_reviews(crs: CrsObservation) -> Iterator[str]:
    hypotension = _hypotension(crs).grade > 0
    signs = [name for name, found in (("hypotension", hypotension), ("hypoxia", _hypoxia(crs).grade > 0)) if found]
    if crs.death_due_to_crs:
        signs = ["death"]
    if signs and _fever(crs).grade == 0:
        if not crs.fever_may_be_absent:
            yield f"{' and '.join(signs)} without fever due to CRS: review"
        elif crs.fever_has_other_cause:
            yield "the fever has another cause: review whether there was CRS before the therapy"
    if hypotension and crs.vasopressin and crs.vasopressors == 0:
        yield "vasopressin alone is graded as one vasopressor: review"


# ICANS


def grade_icans(icans: IcansObservation) -> ComputedGrade:
    """
    Grade immune effector cell-associated neurotoxicity syndrome, 0-5, by the worst of its five domains (Lee 2019).

    ICE of 10 points is grade 0, 7-9 grade 1, 3-6 grade 2, 0-2 grade 3; not performed because unarousable, grade 4.
    Intracranial haemorrhage never counts.
    """
    if icans.death_due_to_icans:
        return ComputedGrade(grade=FATAL, why="death due to ICANS")
    worst = ComputedGrade.worst(_domains(icans))
    return worst.model_copy(update={"review": "; ".join(_icans_reviews(icans, worst.grade)) or None})


def _domains(icans: IcansObservation) -> Iterator[GradedFinding]:
    yield _domain(_ice(icans), has_other_cause=icans.ice_has_other_cause)
    yield _domain(_CONSCIOUSNESS[icans.consciousness], has_other_cause=icans.consciousness_has_other_cause)
    yield _domain(_SEIZURE[icans.seizure], has_other_cause=icans.seizure_has_other_cause)
    yield _domain(_MOTOR[icans.deep_focal_motor_weakness], has_other_cause=icans.motor_has_other_cause)
    yield _domain(_RAISED_PRESSURE[icans.raised_pressure], has_other_cause=icans.raised_pressure_has_other_cause)


def _domain(graded: tuple[int, str], *, has_other_cause: bool) -> GradedFinding:
    grade, finding = graded
    return _finding(0, f"{finding}, due to another cause") if grade and has_other_cause else _finding(grade, finding)


def _ice(icans: IcansObservation) -> tuple[int, str]:
    if icans.ice_unable or icans.ice is None:
        return _ICE_UNABLE, "unable to perform ICE"
    points = icans.ice
    return next(grade for fewest, grade in _ICE_GRADES if points >= fewest), f"ICE {points} of {ICE_FULL_POINTS}"


def _icans_reviews(icans: IcansObservation, grade: int) -> Iterator[str]:
    if icans.ice_unable and icans.ice_has_other_cause:
        yield "ICE could not be performed for another cause, so the grade may be too low: review"
    elif icans.consciousness_has_other_cause and _ice(icans)[0] > 0 and not icans.ice_has_other_cause:
        yield "consciousness has another cause, and ICE counts all the same: review"
    if icans.intracranial_haemorrhage and grade > 0:
        yield "intracranial haemorrhage is not ICANS: review which findings are due to it"


def _finding(grade: int, finding: str) -> GradedFinding:
    return GradedFinding(grade=grade, finding=finding)
