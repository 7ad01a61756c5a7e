"""Candidates for a dose-limiting toxicity: docs/domain.md, section 3."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.dlt.criteria import find_candidate
from schemas.protocol import DltRules
from schemas.safety.adverse_events import (
    AdverseEvent,
    Causality,
    EventCategory,
    EventOutcome,
    GradeOn,
    Seriousness,
    StudyPart,
)
from schemas.safety.reports import DltCriterion, DltDefinition, DltExclusion, DltFinding, DltFindingStatus

DAY_0 = date(2026, 3, 2)
RULES = DltRules(window_days=28, minimum_dose_fraction=0.8)
NONE, PENDING, CANDIDATE = DltFindingStatus.NONE, DltFindingStatus.PENDING, DltFindingStatus.CANDIDATE
CRS, ICANS, GVHD, REACTION = (
    EventCategory.CRS,
    EventCategory.ICANS,
    EventCategory.GVHD,
    EventCategory.INFUSION_REACTION,
)
HAEMATOLOGICAL, ORGAN, LABORATORY, OTHER = (
    EventCategory.HAEMATOLOGICAL,
    EventCategory.ORGAN,
    EventCategory.LABORATORY,
    EventCategory.OTHER,
)

COMPOSITE = {
    "counted_parts": ["car_nk", "lymphodepletion", "cytokine"],
    "criteria": [
        {"id": "death", "text": "death, other than by progression", "minimum_grade": 5},
        {"id": "crs-grade-4", "text": "CRS of grade 4 or more", "categories": ["crs"], "minimum_grade": 4},
        {
            "id": "crs-grade-3",
            "text": "CRS of grade 3, not grade 2 or less within 3 days",
            "categories": ["crs"],
            "minimum_grade": 3,
            "unless_at_most_grade": 2,
            "within_days": 3,
        },
        {"id": "icans-grade-3", "text": "ICANS of grade 3 or more", "categories": ["icans"], "minimum_grade": 3},
        {"id": "gvhd-grade-3", "text": "acute GVHD of grade 3 or more", "categories": ["gvhd"], "minimum_grade": 3},
        {
            "id": "infusion-reaction-grade-4",
            "text": "infusion reaction of grade 4 or more",
            "categories": ["infusion_reaction"],
            "minimum_grade": 4,
        },
        {
            "id": "infusion-reaction-grade-3",
            "text": "infusion reaction of grade 3, not grade 1 or less within 1 day",
            "categories": ["infusion_reaction"],
            "minimum_grade": 3,
            "unless_at_most_grade": 1,
            "within_days": 1,
        },
        {
            "id": "non-haematological-grade-4",
            "text": "non-haematological toxicity of grade 4 or more",
            "categories": ["organ", "laboratory", "other"],
            "minimum_grade": 4,
        },
        {
            "id": "organ-grade-3",
            "text": "organ toxicity of grade 3 for more than 3 days",
            "categories": ["organ"],
            "minimum_grade": 3,
            "lasting_more_than_days": 3,
        },
        {
            "id": "non-haematological-grade-3",
            "text": "other non-haematological toxicity of grade 3 for more than 7 days",
            "categories": ["laboratory", "other"],
            "minimum_grade": 3,
            "lasting_more_than_days": 7,
        },
        {
            "id": "haematological-grade-4",
            "text": "haematological toxicity of grade 4, not grade 3 or less by day 28",
            "categories": ["haematological"],
            "minimum_grade": 4,
            "unless_at_most_grade": 3,
            "by_window_day": 28,
        },
    ],
    "exclusions": [
        {
            "id": "disease-progression",
            "text": "progression of the disease, death by it included",
            "terms": ["Disease progression", "Malignant neoplasm progression", "Tumour progression"],
            "maximum_grade": 5,
        },
        {"id": "alopecia", "text": "alopecia", "terms": ["Alopecia"], "maximum_grade": 2},
        {
            "id": "expected-lymphopenia",
            "text": "lymphopenia, expected of lymphodepletion",
            "terms": ["Lymphopenia", "Lymphocyte count decreased", "CD4 lymphocytes decreased"],
            "maximum_grade": 4,
        },
        {
            "id": "flu-like-or-gastrointestinal",
            "text": "fever, chills, fatigue, nausea, vomiting or diarrhoea of grade 3 for at most 3 days",
            "terms": ["Fever", "Pyrexia", "Chills", "Fatigue", "Nausea", "Vomiting", "Diarrhoea", "Diarrhea"],
            "maximum_grade": 3,
            "maximum_days": 3,
        },
        {
            "id": "laboratory-grade-3",
            "text": "asymptomatic laboratory finding of grade 3 for at most 3 days",
            "categories": ["laboratory"],
            "maximum_grade": 3,
            "maximum_days": 3,
        },
        {
            "id": "transaminases-grade-3",
            "text": "AST or ALT of grade 3 for at most 7 days",
            "terms": ["Alanine aminotransferase increased", "Aspartate aminotransferase increased"],
            "maximum_grade": 3,
            "maximum_days": 7,
        },
    ],
}
"""The typical composite of the docs/domain.md, section 3, as a protocol file writes it."""
DEFINITION = DltDefinition.model_validate(COMPOSITE)


def on_day(day: int) -> date:
    """Return the date of a study day."""
    return DAY_0 + timedelta(days=day)


def event(grade: int, category: EventCategory = OTHER, *, onset: int = 2, **changes: object) -> AdverseEvent:
    """Make a related event with its onset on a study day."""
    base = {"term": "Pneumonitis", "grade": grade, "category": category, "onset_on": on_day(onset), "related": True}
    return AdverseEvent.model_validate(base | changes)


def course(*steps: tuple[int, int]) -> tuple[GradeOn, ...]:
    """Make a course of (study day, grade)."""
    return tuple(GradeOn(on=on_day(day), grade=grade) for day, grade in steps)


def find(found: AdverseEvent, today: int, definition: DltDefinition = DEFINITION) -> DltFinding:
    """Judge an event on a study day."""
    return find_candidate(definition, RULES, DAY_0, found, on_day(today))


def one_criterion(exclusions: tuple[DltExclusion, ...] = (), **rule: object) -> DltDefinition:
    """Make a definition of one criterion that holds for CAR-NK alone."""
    criterion = DltCriterion.model_validate({"id": "the-criterion", "text": "as tested", "minimum_grade": 3} | rule)
    return DltDefinition(counted_parts=(StudyPart.CAR_NK,), criteria=(criterion,), exclusions=exclusions)


def exclusion(**rule: object) -> DltExclusion:
    """Make an exclusion of grade 3."""
    return DltExclusion.model_validate({"id": "the-exclusion", "text": "as tested", "maximum_grade": 3} | rule)


# Criteria that need no duration


@pytest.mark.parametrize(
    ("grade", "category", "criterion"),
    [
        (4, CRS, "crs-grade-4"),
        (3, ICANS, "icans-grade-3"),
        (4, ICANS, "icans-grade-3"),
        (2, ICANS, None),
        (3, GVHD, "gvhd-grade-3"),
        (2, GVHD, None),
        (4, REACTION, "infusion-reaction-grade-4"),
        (4, ORGAN, "non-haematological-grade-4"),
        (4, LABORATORY, "non-haematological-grade-4"),
        (4, OTHER, "non-haematological-grade-4"),
        (2, OTHER, None),
        (2, CRS, None),
        (3, HAEMATOLOGICAL, None),
        *((5, category, "death") for category in EventCategory),
    ],
)
def test_a_grade_alone_may_be_enough(grade: int, category: EventCategory, criterion: str | None) -> None:
    """Each criterion holds for its categories, from its grade on; a death of any category is a candidate."""
    found = find(event(grade, category), today=2)

    assert (found.status, found.criterion) == (CANDIDATE if criterion else NONE, criterion)
    assert found.exclusion is None
    assert found.until is None


def test_a_candidate_says_why() -> None:
    """The committee reads the event, its day, the criterion and what met it."""
    found = find(event(4, CRS, term="Cytokine release syndrome", onset=5), today=5)

    assert found.why == (
        "Cytokine release syndrome (crs), grade 4, on day 5: "
        "criterion 'crs-grade-4' (CRS of grade 4 or more): met at any duration"
    )


def test_an_event_that_no_criterion_covers_says_so() -> None:
    """The grade and category stand in the reason."""
    assert find(event(2), today=9).why == "Pneumonitis (other), grade 2, on day 2: no criterion covers it"


# The window, and what the event is related to


@pytest.mark.parametrize(("day", "status"), [(-1, NONE), (0, CANDIDATE), (28, CANDIDATE), (29, NONE)])
def test_the_onset_must_be_in_the_window(day: int, status: DltFindingStatus) -> None:
    """Day 0 and day 28 are inside; the days around them are not."""
    found = find(event(4, onset=day), today=40)

    assert found.status is status
    assert found.why.startswith(f"Pneumonitis (other), grade 4, on day {day}: ")
    assert found.why.endswith("outside the DLT window, day 0-28") is (status is NONE)


def test_there_is_no_window_before_the_first_infusion() -> None:
    """An event of lymphodepletion is no candidate, and says so."""
    found = find_candidate(DEFINITION, RULES, None, event(4), on_day(2))

    assert found.status is NONE
    assert found.why == "Pneumonitis (other), grade 4, before the first infusion: there is no DLT window yet"


@pytest.mark.parametrize(
    ("causality", "status"),
    [
        ({"car_nk": Causality.POSSIBLE}, CANDIDATE),
        ({"car_nk": Causality.UNLIKELY, "cytokine": Causality.PROBABLE}, CANDIDATE),
        ({"lymphodepletion": Causality.DEFINITE}, CANDIDATE),
        ({"biopsy": Causality.DEFINITE}, NONE),
        ({"car_nk": Causality.UNLIKELY, "biopsy": Causality.POSSIBLE}, NONE),
        ({"car_nk": Causality.NOT_RELATED}, NONE),
    ],
)
def test_a_counted_part_must_be_a_possible_cause(causality: dict[str, Causality], status: DltFindingStatus) -> None:
    """Possible and above count, for the parts of the definition; a complication of the biopsy does not."""
    given = {"term": "Pneumonitis", "grade": 4, "onset_on": on_day(2), "causality": causality}

    found = find(AdverseEvent.model_validate(given), today=2)

    assert found.status is status
    assert found.why.endswith("not related to car_nk, lymphodepletion, cytokine") is (status is NONE)


@pytest.mark.parametrize(("related", "status"), [(True, CANDIDATE), (False, NONE)])
def test_without_causality_the_event_says_itself_whether_it_is_related(related: bool, status: DltFindingStatus) -> None:
    """Then its flag counts for every part."""
    assert find(event(4, related=related), today=2).status is status


# The reporter's judgement


@pytest.mark.parametrize(
    "flagged",
    [event(1, dlt=True), event(3, dlt=True, term="Fever", ended_on=on_day(3)), event(4, dlt=True, onset=40)],
)
def test_the_reporters_judgement_always_makes_a_candidate(flagged: AdverseEvent) -> None:
    """Below every grade, though excluded, or outside the window: the committee is asked."""
    found = find(flagged, today=40)

    assert (found.status, found.criterion, found.exclusion, found.until) == (CANDIDATE, None, None, None)
    assert found.why.endswith(": dose-limiting by the reporter's judgement")


def test_the_reporters_judgement_counts_before_the_first_infusion() -> None:
    """The reason says when it was."""
    found = find_candidate(DEFINITION, RULES, None, event(3, dlt=True), on_day(2))

    assert found.status is CANDIDATE
    assert "before the first infusion" in found.why


# Durations: unless improved within days, lasting more than days


@pytest.mark.parametrize(
    ("category", "last_day", "criterion"),
    [
        (CRS, 5, "crs-grade-3"),
        (ORGAN, 5, "organ-grade-3"),
        (OTHER, 9, "non-haematological-grade-3"),
        (LABORATORY, 9, "non-haematological-grade-3"),
        (REACTION, 3, "infusion-reaction-grade-3"),
    ],
)
def test_a_duration_is_waited_for(category: EventCategory, last_day: int, criterion: str) -> None:
    """Grade 3 since day 2: pending up to the last day, itself included; a candidate on the next one."""
    ongoing = event(3, category)

    for today in (2, last_day):
        found = find(ongoing, today)
        assert (found.status, found.criterion, found.until) == (PENDING, criterion, on_day(last_day))
    found = find(ongoing, last_day + 1)
    assert (found.status, found.criterion, found.until) == (CANDIDATE, criterion, None)


@pytest.mark.parametrize(
    ("category", "fallen_to", "day", "status"),
    [
        (CRS, 2, 5, NONE),
        (CRS, 2, 6, CANDIDATE),
        (ORGAN, 2, 5, NONE),
        (ORGAN, 2, 6, CANDIDATE),
        (OTHER, 2, 9, NONE),
        (OTHER, 2, 10, CANDIDATE),
        (OTHER, 0, 9, NONE),
        (REACTION, 1, 3, NONE),
        (REACTION, 1, 4, CANDIDATE),
        (REACTION, 2, 3, CANDIDATE),
    ],
)
def test_what_fell_in_time_is_no_candidate(
    category: EventCategory, fallen_to: int, day: int, status: DltFindingStatus
) -> None:
    """Improved on the last day is in time; the day after is not, nor is too small an improvement."""
    found = find(event(3, category, course=course((day, fallen_to))), today=20)

    assert found.status is status


@pytest.mark.parametrize(("day", "status"), [(5, NONE), (6, CANDIDATE)])
def test_the_end_of_the_event_is_grade_0(day: int, status: DltFindingStatus) -> None:
    """An event without a course was at its worst until it ended."""
    assert find(event(3, CRS, ended_on=on_day(day)), today=20).status is status


def test_an_event_that_ended_is_below_every_grade() -> None:
    """Also where a criterion asks for grade 1."""
    definition = one_criterion(minimum_grade=1, lasting_more_than_days=3)

    assert find(event(1, ended_on=on_day(5)), 20, definition).status is NONE
    assert find(event(1, ended_on=on_day(6)), 20, definition).status is CANDIDATE


def test_what_fell_is_known_before_the_last_day() -> None:
    """Nobody waits for a duration that is over."""
    found = find(event(3, CRS, course=course((3, 1))), today=3)

    assert (found.status, found.criterion, found.until) == (NONE, None, None)


@pytest.mark.parametrize(
    ("steps", "status", "until"),
    [
        (((2, 1), (6, 3)), PENDING, 9),
        (((2, 1), (6, 3), (9, 2)), NONE, None),
        (((2, 3), (4, 2), (8, 3)), PENDING, 11),
        (((2, 3), (6, 2), (8, 3)), CANDIDATE, None),
        (((2, 3), (4, 2), (6, 3), (8, 2)), NONE, None),
        (((2, 3), (2, 2)), NONE, None),
        (((2, 2),), NONE, None),
        (((4, 2), (7, 3)), PENDING, 10),
        (((4, 2), (5, 3), (5, 3)), PENDING, 8),
        (((2, 3), (5, 3)), CANDIDATE, None),
        (((6, 2), (7, 3)), CANDIDATE, None),
    ],
)
def test_days_are_counted_from_when_the_grade_was_reached(
    steps: tuple[tuple[int, int], ...], status: DltFindingStatus, until: int | None
) -> None:
    """A rise begins the count, not the onset; each relapse is counted anew, and one that was too long stays so."""
    found = find(event(3, CRS, course=course(*steps)), today=8)

    assert (found.status, found.until) == (status, None if until is None else on_day(until))


def test_a_course_that_starts_below_the_worst_grade_needs_no_assumption() -> None:
    """Grade 2 at onset and grade 3 from day 6: the infusion reaction reached grade 3 on day 6 alone."""
    found = find(event(3, REACTION, course=course((2, 2), (6, 3), (7, 1))), today=20)

    assert found.status is NONE


def test_a_course_that_never_says_its_worst_grade_had_it_at_onset() -> None:
    """Grade 3 at onset and grade 2 on the same day: still above grade 1 a day later."""
    found = find(event(3, REACTION, course=course((2, 2), (4, 1))), today=20)

    assert found.criterion == "infusion-reaction-grade-3"
    assert "grade 3 or more since 2026-03-04" in found.why


@pytest.mark.parametrize(
    ("changes", "today", "why"),
    [
        ({}, 5, "grade 3 or more since 2026-03-04, may be grade 2 or less by 2026-03-07"),
        ({}, 6, "grade 3 or more since 2026-03-04, not grade 2 or less by 2026-03-07"),
        (
            {"course": course((4, 1))},
            6,
            "grade 3 or more since 2026-03-04, grade 2 or less on 2026-03-06, by 2026-03-07",
        ),
    ],
)
def test_a_duration_says_its_days(changes: dict[str, Any], today: int, why: str) -> None:
    """Since when, how far it must fall, and by which day."""
    found = find(event(3, CRS, **changes), today)

    said = f"criterion 'crs-grade-3' (CRS of grade 3, not grade 2 or less within 3 days): {why}"
    assert found.why == f"Pneumonitis (crs), grade 3, on day 2: {said}"


# Durations: by a day of the window


@pytest.mark.parametrize(
    ("steps", "today", "status"),
    [
        ((), 2, PENDING),
        ((), 28, PENDING),
        ((), 29, CANDIDATE),
        (((28, 3),), 29, NONE),
        (((29, 3),), 29, CANDIDATE),
        (((28, 4),), 29, CANDIDATE),
        (((10, 3),), 10, NONE),
        (((10, 3), (26, 4)), 27, PENDING),
        (((10, 3), (26, 4), (30, 3)), 31, CANDIDATE),
        (((2, 3), (28, 4)), 28, PENDING),
        (((2, 3), (28, 4)), 29, CANDIDATE),
        (((2, 3), (29, 4)), 40, NONE),
    ],
)
def test_cytopenia_must_have_recovered_by_the_last_day_of_the_window(
    steps: tuple[tuple[int, int], ...], today: int, status: DltFindingStatus
) -> None:
    """Grade 4 blood counts are asked for on day 28: grade 3 or less then is recovered, also after a relapse."""
    found = find(event(4, HAEMATOLOGICAL, course=course(*steps)), today)

    assert found.status is status
    assert found.until == (on_day(28) if status is PENDING else None)


def test_a_grade_reached_after_the_day_says_so() -> None:
    """On day 28 it had not been reached."""
    found = find(event(4, HAEMATOLOGICAL, course=course((2, 3), (29, 4))), today=40)

    assert found.why.endswith("grade 4 or more since 2026-03-31, which is after 2026-03-30")


# Death


@pytest.mark.parametrize(
    "fatal",
    [
        event(5, HAEMATOLOGICAL, ended_on=on_day(3)),
        event(5, HAEMATOLOGICAL, course=course((2, 3), (3, 5)), ended_on=on_day(3)),
        event(5, HAEMATOLOGICAL, seriousness=(Seriousness.DEATH,)),
        event(4, HAEMATOLOGICAL, outcome=EventOutcome.FATAL, ended_on=on_day(3)),
    ],
)
def test_the_end_of_a_fatal_event_is_no_recovery(fatal: AdverseEvent) -> None:
    """Death by the grade or the outcome outlasts every duration, and nothing is waited for."""
    definition = one_criterion(minimum_grade=4, lasting_more_than_days=3)

    found = find(fatal, today=2, definition=definition)

    assert found.status is CANDIDATE
    assert found.why == (
        "Pneumonitis (haematological), grade 5, on day 2: "
        "criterion 'the-criterion' (as tested): a death outlasts every duration"
    )
    assert find(fatal, today=2).criterion == "death"


def test_death_by_progression_is_excluded() -> None:
    """The disease is no toxicity."""
    found = find(event(5, term="Disease progression"), today=2)

    assert (found.status, found.exclusion) == (NONE, "disease-progression")


# Seriousness


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, NONE),
        ({"seriousness": (Seriousness.HOSPITALISATION,)}, NONE),
        ({"seriousness": (Seriousness.HOSPITALISATION, Seriousness.LIFE_THREATENING)}, CANDIDATE),
        ({"grade": 5}, CANDIDATE),
        ({"outcome": EventOutcome.FATAL}, CANDIDATE),
    ],
)
def test_a_criterion_may_ask_for_seriousness(changes: dict[str, object], status: DltFindingStatus) -> None:
    """One of the criteria named is enough; a death needs no second entry."""
    definition = one_criterion(seriousness=[Seriousness.LIFE_THREATENING, Seriousness.DEATH])

    assert find(event(3).model_copy(update=changes), today=2, definition=definition).status is status


# Exclusions


@pytest.mark.parametrize(
    ("term", "excluded"),
    [("Fever", True), ("fever", True), (" FEVER ", True), ("Fever of unknown origin", False), ("Chills", False)],
)
def test_an_exclusion_names_whole_terms_in_any_case(term: str, excluded: bool) -> None:
    """Part of a term is another term."""
    definition = one_criterion(exclusions=(exclusion(terms=["Fever", "Rash "]),))

    assert find(event(3, term=term), 2, definition).exclusion == ("the-exclusion" if excluded else None)
    assert find(event(3, term="rash"), 2, definition).exclusion == "the-exclusion"


@pytest.mark.parametrize(
    ("term", "category", "excluded"),
    [("Fever", LABORATORY, True), ("Fever", CRS, False), ("Chills", LABORATORY, False)],
)
def test_an_exclusion_by_term_and_category_asks_for_both(term: str, category: EventCategory, excluded: bool) -> None:
    """The fever of a CRS is not taken out by a rule for another category."""
    definition = one_criterion(exclusions=(exclusion(terms=["Fever"], categories=["laboratory", "other"]),))

    assert find(event(3, category, term=term), 2, definition).status is (NONE if excluded else CANDIDATE)


@pytest.mark.parametrize(("grade", "status"), [(3, NONE), (4, CANDIDATE)])
def test_an_exclusion_ends_above_its_grade(grade: int, status: DltFindingStatus) -> None:
    """Grade 3 is excluded, grade 4 is not."""
    definition = one_criterion(exclusions=(exclusion(categories=["other"]),))

    assert find(event(grade), 2, definition).status is status


def test_an_exclusion_says_why() -> None:
    """What would have been a candidate names the rule that takes it out."""
    definition = one_criterion(exclusions=(exclusion(terms=["Pneumonitis"]),))

    found = find(event(3), 2, definition)

    assert (found.status, found.criterion, found.until) == (NONE, None, None)
    assert found.why == (
        "Pneumonitis (other), grade 3, on day 2: exclusion 'the-exclusion' (as tested): holds at any duration"
    )


@pytest.mark.parametrize(
    ("ended", "today", "status"),
    [
        (None, 2, PENDING),
        (None, 5, PENDING),
        (None, 6, CANDIDATE),
        (5, 5, NONE),
        (6, 6, CANDIDATE),
    ],
)
def test_an_exclusion_with_days_is_waited_for(ended: int | None, today: int, status: DltFindingStatus) -> None:
    """Grade 3 from day 2 for at most 3 days: it may end on day 5."""
    definition = one_criterion(exclusions=(exclusion(categories=["other"], maximum_days=3),))
    found = find(event(3, ended_on=None if ended is None else on_day(ended)), today, definition)

    assert found.status is status
    assert found.until == (on_day(5) if status is PENDING else None)
    assert found.criterion == (None if status is NONE else "the-criterion")


def test_only_days_at_the_grade_of_the_criterion_count_for_an_exclusion() -> None:
    """Grade 3 for two days and grade 2 for weeks is excluded all the same."""
    definition = one_criterion(exclusions=(exclusion(categories=["other"], maximum_days=3),))

    found = find(event(3, course=course((4, 2))), 20, definition)

    assert (found.status, found.exclusion) == (NONE, "the-exclusion")


def test_a_pending_exclusion_says_what_it_waits_for() -> None:
    """Both the criterion and the exclusion are named, with their days."""
    definition = one_criterion(exclusions=(exclusion(categories=["other"], maximum_days=3),))

    assert find(event(3), 2, definition).why == (
        "Pneumonitis (other), grade 3, on day 2: criterion 'the-criterion' (as tested): met at any duration; "
        "exclusion 'the-exclusion' (as tested): grade 3 or more since 2026-03-04, "
        "may be grade 2 or less by 2026-03-07"
    )


@pytest.mark.parametrize(("criterion_days", "exclusion_days", "until"), [(3, 7, 9), (7, 3, 9), (3, 3, 5)])
def test_criterion_and_exclusion_are_both_waited_for(criterion_days: int, exclusion_days: int, until: int) -> None:
    """The event is a candidate only when the later of the two is decided against it."""
    definition = one_criterion(
        lasting_more_than_days=criterion_days,
        exclusions=(exclusion(categories=["other"], maximum_days=exclusion_days),),
    )

    found = find(event(3), 2, definition)
    assert (found.status, found.until) == (PENDING, on_day(until))
    assert find(event(3), until, definition).status is PENDING
    assert find(event(3), until + 1, definition).status is CANDIDATE


def test_one_exclusion_of_several_is_enough() -> None:
    """The first does not hold any more; the second does, whatever a third that names other events says."""
    exclusions = (
        exclusion(id="of-other-events", terms=["Chills"]),
        exclusion(id="of-a-day", categories=["other"], maximum_days=1),
        exclusion(id="of-a-week", terms=["Pneumonitis"], maximum_days=7),
    )
    definition = one_criterion(exclusions=exclusions)

    assert find(event(3, ended_on=on_day(9)), 20, definition).exclusion == "of-a-week"
    assert find(event(3, ended_on=on_day(3)), 20, definition).exclusion == "of-a-day"
    assert find(event(3, ended_on=on_day(10)), 20, definition).status is CANDIDATE
    assert find(event(3), 3, definition).until == on_day(9)


def test_a_death_is_not_excluded_by_a_short_duration() -> None:
    """It ended on the next day, but not because it got better."""
    definition = one_criterion(exclusions=(exclusion(categories=["other"], maximum_grade=5, maximum_days=3),))

    assert find(event(5, ended_on=on_day(3)), 3, definition).status is CANDIDATE


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (event(3, ORGAN, term="Alanine aminotransferase increased", ended_on=on_day(9)), NONE),
        (event(3, ORGAN, term="Alanine aminotransferase increased", ended_on=on_day(10)), CANDIDATE),
        (event(4, HAEMATOLOGICAL, term="Lymphocyte count decreased"), NONE),
        (event(4, HAEMATOLOGICAL, term="Neutrophil count decreased"), CANDIDATE),
        (event(3, OTHER, term="Fever", ended_on=on_day(5)), NONE),
        (event(3, LABORATORY, term="Hypokalaemia", ended_on=on_day(5)), NONE),
    ],
)
def test_the_composite_excludes_what_is_expected(found: AdverseEvent, status: DltFindingStatus) -> None:
    """Transaminases for a week, lymphopenia, a short fever, a short laboratory finding."""
    assert find(found, today=60).status is status


# Several criteria


def several(*rules: dict[str, object]) -> DltDefinition:
    """Make a definition of criteria named 'rule-1', 'rule-2' ... of grade 3."""
    criteria = [{"id": f"rule-{n}", "text": f"text {n}", "minimum_grade": 3} | rule for n, rule in enumerate(rules, 1)]
    return DltDefinition.model_validate({"counted_parts": ["car_nk"], "criteria": criteria})


def test_what_is_met_goes_before_what_is_pending() -> None:
    """The first criterion that is met is named, whatever stands before it."""
    definition = several({"lasting_more_than_days": 1}, {"lasting_more_than_days": 90}, {}, {})

    found = find(event(3), 2, definition)

    assert (found.status, found.criterion, found.until) == (CANDIDATE, "rule-3", None)


def test_of_two_that_are_pending_the_earlier_is_named() -> None:
    """The event is judged again after the first day that can decide."""
    definition = several({"lasting_more_than_days": 9}, {"lasting_more_than_days": 4}, {"lasting_more_than_days": 4})

    found = find(event(3), 2, definition)

    assert (found.status, found.criterion, found.until) == (PENDING, "rule-2", on_day(6))


def test_where_none_is_met_each_says_why() -> None:
    """All reasons stand in one sentence, and the first exclusion is named."""
    definition = several({"lasting_more_than_days": 9}, {"lasting_more_than_days": 4})

    found = find(event(3, ended_on=on_day(3)), 3, definition)

    assert found.exclusion is None
    assert found.why == (
        "Pneumonitis (other), grade 3, on day 2: "
        "criterion 'rule-1' (text 1): grade 3 or more since 2026-03-04, grade 2 or less on 2026-03-05, by 2026-03-13; "
        "criterion 'rule-2' (text 2): grade 3 or more since 2026-03-04, grade 2 or less on 2026-03-05, by 2026-03-08"
    )


def test_an_exclusion_is_named_though_another_criterion_is_not_met() -> None:
    """One criterion is not met by its duration, the other is taken out."""
    definition = several({"lasting_more_than_days": 9}, {})
    definition = definition.model_copy(update={"exclusions": (exclusion(categories=["other"]),)})

    assert find(event(3, ended_on=on_day(3)), 3, definition).exclusion == "the-exclusion"


# Properties


@st.composite
def events(draw: st.DrawFn) -> AdverseEvent:
    """Draw a related event with a course."""
    onset = draw(st.integers(0, 28))
    grade = draw(st.integers(1, 5))
    days = sorted(draw(st.lists(st.integers(onset, onset + 20), max_size=4)))
    steps = [(day, draw(st.integers(0, grade))) for day in days]
    ended = draw(st.none() | st.integers((days or [onset])[-1], onset + 30))
    return event(
        grade,
        draw(st.sampled_from(EventCategory)),
        onset=onset,
        course=course(*steps),
        ended_on=None if ended is None else on_day(ended),
    )


@given(found=events(), today=st.integers(0, 80))
def test_pending_says_until_when_and_is_decided_after_it(found: AdverseEvent, today: int) -> None:
    """There is a day exactly for what is pending; it is not over, and nothing is pending once all days are."""
    finding = find(found, today)

    assert (finding.until is not None) is (finding.status is PENDING)
    assert (finding.criterion is not None) is (finding.status is not NONE)
    assert finding.until is None or finding.until >= on_day(today)
    assert find(found, 200).status is not PENDING


@given(found=events(), today=st.integers(0, 80), later=st.integers(0, 80))
def test_a_candidate_stays_one_as_days_pass(found: AdverseEvent, today: int, later: int) -> None:
    """Time alone takes nothing back, and brings nothing to an event that is not pending."""
    first, then = find(found, today), find(found, today + later)

    assert then.status is first.status or (first.status is PENDING and then.status is CANDIDATE)


# The definition as data


def test_the_composite_is_a_definition() -> None:
    """What the protocol file says comes back as it was written."""
    assert DEFINITION.model_dump(mode="json", exclude_defaults=True) == COMPOSITE


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"within_days": 3}, "goes together"),
        ({"by_window_day": 28}, "goes together"),
        ({"unless_at_most_grade": 2}, "goes together"),
        ({"unless_at_most_grade": 2, "lasting_more_than_days": 3}, "goes together"),
        ({"unless_at_most_grade": 2, "within_days": 3, "by_window_day": 28}, "only one"),
        ({"unless_at_most_grade": 2, "within_days": 3, "lasting_more_than_days": 3}, "only one"),
        ({"unless_at_most_grade": 3, "within_days": 3}, "below minimum_grade"),
    ],
)
def test_a_criterion_without_sense_is_refused(rule: dict[str, Any], message: str) -> None:
    """One duration at most, an improvement with its day, and one that improves."""
    with pytest.raises(ValidationError, match=message):
        one_criterion(**rule)


def test_an_exclusion_of_nothing_is_refused() -> None:
    """Without terms and categories it would take out everything."""
    with pytest.raises(ValidationError, match="needs terms or categories"):
        exclusion()


def test_an_id_names_one_rule() -> None:
    """Criteria and exclusions share their ids, since a finding names either."""
    with pytest.raises(ValidationError, match="id stands twice: the-criterion"):
        one_criterion(exclusions=(exclusion(id="the-criterion", terms=["Fever"]),))
