"""Cytokine support is given, held or stopped by toxicity: docs/domain.md, section 6."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from decisions.treatment.course_check import check_course
from decisions.treatment.cytokine import grade_on, judge_cytokine, worst_grade_since
from schemas.problem import Problem, ProblemType
from schemas.safety.adverse_events import AdverseEvent, Causality, EventCategory, GradeOn, StudyPart
from schemas.treatment.support import (
    CytokineAgent,
    CytokineDoses,
    CytokineRules,
    DoseUnit,
    Route,
    SupportState,
    SupportVerdict,
    ToxicityCheck,
    ToxicityLimit,
)

DAY_0 = date(2026, 3, 2)
IL_2 = CytokineAgent(
    id="low-dose IL-2",
    dose=1,
    unit=DoseUnit.MILLION_UNITS_PER_M2,
    route=Route.SUBCUTANEOUS,
    maximum_administrations=6,
    interval_days=2,
)
IL_15 = CytokineAgent(
    id="IL-15 agonist",
    dose=10,
    unit=DoseUnit.MICROGRAMS_PER_KG,
    route=Route.SUBCUTANEOUS,
    maximum_administrations=4,
    interval_days=7,
)
RULES = CytokineRules(
    agents=(IL_2, IL_15),
    hold_at=(
        ToxicityLimit(category=EventCategory.CRS, grade=1),
        ToxicityLimit(category=EventCategory.ICANS, grade=1),
        ToxicityLimit(category=EventCategory.INFUSION_REACTION, grade=2),
        ToxicityLimit(category=EventCategory.ORGAN, grade=2),
    ),
    stop_at=(
        ToxicityLimit(category=EventCategory.CRS, grade=3),
        ToxicityLimit(category=EventCategory.ICANS, grade=2),
        ToxicityLimit(category=EventCategory.GVHD, grade=2),
        ToxicityLimit(category=EventCategory.ORGAN, grade=4),
    ),
    stop_at_related_grade=3,
    maximum_hold_days=7,
    recheck_after_days=2,
)
WINDOW_DAYS = 14
GIVE, HOLD, STOP = SupportState.GIVE, SupportState.HOLD, SupportState.STOP
CRS, ICANS, ORGAN, OTHER = EventCategory.CRS, EventCategory.ICANS, EventCategory.ORGAN, EventCategory.OTHER


def on_day(day: int) -> date:
    """Return the date of a study day."""
    return DAY_0 + timedelta(days=day)


def make_event(
    category: EventCategory,
    grade: int,
    onset: int,
    ended: int | None = None,
    *,
    course: Sequence[tuple[int, int]] = (),
    cytokine: Causality | None = None,
) -> AdverseEvent:
    """Make an event by study days, with the later (day, grade) of its course and its relation to the cytokine."""
    return AdverseEvent(
        term="Cough",
        category=category,
        grade=grade,
        onset_on=on_day(onset),
        ended_on=None if ended is None else on_day(ended),
        course=tuple(GradeOn(on=on_day(day), grade=later) for day, later in course),
        related=cytokine not in (None, Causality.NOT_RELATED, Causality.UNLIKELY),
        causality={} if cytokine is None else {StudyPart.CYTOKINE: cytokine},
    )


def make_check(day: int, crs: int = 0, icans: int = 0) -> ToxicityCheck:
    """Make a check of a study day."""
    return ToxicityCheck(checked_on=on_day(day), crs_grade=crs, icans_grade=icans)


def make_verdict(state: SupportState, day: int, since: int | None = None) -> SupportVerdict:
    """Make a verdict of a study day."""
    first = None if since is None else on_day(since)
    return SupportVerdict(state=state, judged_on=on_day(day), reasons=("CRS, grade 1",), since=first)


def judge(
    *events: AdverseEvent,
    today: int,
    check: ToxicityCheck | None = None,
    earlier: SupportVerdict | None = None,
    first: int = 0,
) -> SupportVerdict:
    """Judge on a study day; the first infusion is on day 0 unless told otherwise."""
    return judge_cytokine(RULES, events, check, on_day(first), on_day(today), earlier=earlier)


# The grade of an event in time


@pytest.mark.parametrize(("day", "grade"), [(0, 0), (1, 3), (2, 3), (3, 2), (4, 2), (5, 1), (6, 1), (7, 0)])
def test_an_event_has_the_grade_of_its_course(day: int, grade: int) -> None:
    """From onset the worst grade, then what the course tells; it is there on its last day, and gone the day after."""
    event = make_event(CRS, 3, 1, 6, course=[(3, 2), (5, 1)])

    assert grade_on(event, on_day(day)) == grade


def test_an_event_without_an_end_goes_on() -> None:
    """Nothing told is not recovered; a course down to grade 0 is."""
    assert grade_on(make_event(CRS, 2, 1), on_day(300)) == 2
    assert grade_on(make_event(CRS, 2, 1, course=[(4, 0)]), on_day(3)) == 2
    assert grade_on(make_event(CRS, 2, 1, course=[(4, 0)]), on_day(4)) == 0


@pytest.mark.parametrize(
    ("event", "worst"),
    [
        (make_event(CRS, 4, 0, course=[(0, 1)]), 4),
        (make_event(CRS, 4, 5), 4),
        (make_event(CRS, 4, -5, -1), 0),
        (make_event(CRS, 4, -5, 0), 4),
        (make_event(CRS, 4, -5, course=[(-2, 2)]), 2),
        (make_event(CRS, 4, -5, course=[(-2, 2), (0, 1)]), 1),
        (make_event(CRS, 4, -5, course=[(-2, 2), (1, 3), (2, 1)]), 3),
        (make_event(CRS, 4, -5, course=[(-2, 2), (3, 1)]), 2),
        (make_event(CRS, 4, -5, course=[(-2, 2), (0, 3), (0, 1)]), 3),
    ],
)
def test_the_worst_grade_since_a_day(event: AdverseEvent, worst: int) -> None:
    """An event that began on the day or later counts in full; an older one with what it still was, or became."""
    assert worst_grade_since(event, DAY_0) == worst


# Give and hold


def test_without_toxicity_the_cytokine_is_given() -> None:
    """The verdict says so of the day, and asks for nothing."""
    verdict = judge(today=3, check=make_check(3))

    assert verdict == SupportVerdict(
        state=GIVE, judged_on=on_day(3), reasons=("no toxicity at a limit for holding or stopping on 2026-03-05",)
    )


@pytest.mark.parametrize(
    ("category", "grade", "state"),
    [
        (CRS, 1, HOLD),
        (CRS, 2, HOLD),
        (CRS, 3, STOP),
        (CRS, 4, STOP),
        (ICANS, 1, HOLD),
        (ICANS, 2, STOP),
        (EventCategory.GVHD, 1, GIVE),
        (EventCategory.GVHD, 2, STOP),
        (EventCategory.INFUSION_REACTION, 1, GIVE),
        (EventCategory.INFUSION_REACTION, 2, HOLD),
        (EventCategory.INFUSION_REACTION, 5, HOLD),
        (ORGAN, 1, GIVE),
        (ORGAN, 3, HOLD),
        (ORGAN, 4, STOP),
        (EventCategory.HAEMATOLOGICAL, 4, GIVE),
        (OTHER, 4, GIVE),
    ],
)
def test_an_ongoing_event_holds_or_stops_at_its_limit(category: EventCategory, grade: int, state: SupportState) -> None:
    """Each category has its own limits; one without limits, such as expected cytopenia, does neither."""
    assert judge(make_event(category, grade, 1), today=2).state is state


def test_a_hold_names_event_limit_and_next_check() -> None:
    """Held since the first day, to be checked after 2 days, and to end within 7."""
    verdict = judge(make_event(ORGAN, 2, 1), today=3)

    assert verdict == SupportVerdict(
        state=HOLD,
        judged_on=on_day(3),
        reasons=(
            "Cough, grade 2 on 2026-03-05, onset 2026-03-03: held at organ grade 2 or more",
            "held since 2026-03-03, and stopped for good if still held after 2026-03-10",
        ),
        since=on_day(1),
        next_on=on_day(5),
    )
    assert verdict.why == "; ".join(verdict.reasons)


def test_a_category_of_two_words_is_written_as_two() -> None:
    """The reason reads 'infusion reaction'."""
    verdict = judge(make_event(EventCategory.INFUSION_REACTION, 2, 1), today=1)

    assert verdict.reasons[0].endswith("held at infusion reaction grade 2 or more")


@pytest.mark.parametrize(("today", "state"), [(0, GIVE), (1, HOLD), (4, HOLD), (5, GIVE)])
def test_a_hold_lasts_as_long_as_the_event(today: int, state: SupportState) -> None:
    """From onset to the last day, both included; the day after, the course goes on."""
    assert judge(make_event(CRS, 2, 1, 4), today=today).state is state


@pytest.mark.parametrize(("today", "state"), [(4, HOLD), (5, GIVE)])
def test_a_hold_ends_when_the_grade_falls_below_the_limit(today: int, state: SupportState) -> None:
    """An organ toxicity that is down to grade 1 holds no longer, though it is not gone."""
    assert judge(make_event(ORGAN, 3, 1, course=[(3, 2), (5, 1)]), today=today).state is state


@pytest.mark.parametrize(("today", "since", "next_on"), [(1, 1, 3), (6, 1, 8), (7, 1, 9), (8, 1, 9)])
def test_the_next_check_is_no_later_than_the_end_of_the_longest_hold(today: int, since: int, next_on: int) -> None:
    """Every 2 days, but at the latest on day 9, when a hold from day 1 becomes a stop."""
    verdict = judge(make_event(CRS, 1, 1), today=today)

    assert (verdict.state, verdict.since, verdict.next_on) == (HOLD, on_day(since), on_day(next_on))


def test_every_event_that_holds_is_named() -> None:
    """Two events, two reasons, in their order; one below its limit is not named."""
    events = (make_event(CRS, 1, 1), make_event(ORGAN, 1, 1), make_event(ICANS, 1, 2))
    verdict = judge(*events, today=2)

    assert ["CRS" in reason for reason in verdict.reasons] == [True, False, False]
    assert "ICANS grade 1 or more" in verdict.reasons[1]
    assert len(verdict.reasons) == 3


# The last check


@pytest.mark.parametrize(
    ("check", "state", "word"),
    [
        (make_check(2, crs=1), HOLD, "CRS grade 1 at the check on 2026-03-04: held at CRS grade 1 or more, until a"),
        (make_check(2, icans=1), HOLD, "ICANS grade 1 at the check on 2026-03-04: held at ICANS grade 1 or more"),
        (make_check(2, crs=2), HOLD, "CRS grade 2 at the check"),
        (make_check(2, crs=3), STOP, "CRS grade 3 at the check on 2026-03-04: stopped for good at CRS grade 3 or more"),
        (make_check(2, icans=2), STOP, "at ICANS grade 2 or more since the first infusion on 2026-03-02"),
        (make_check(0, icans=2), STOP, "at the check on 2026-03-02"),
        (make_check(-1, icans=2), HOLD, "ICANS grade 2 at the check on 2026-03-01"),
    ],
)
def test_the_last_check_holds_or_stops_too(check: ToxicityCheck, state: SupportState, word: str) -> None:
    """CRS and ICANS count as the check found them, whoever reports the event; before the infusion they cannot stop."""
    verdict = judge(today=3, check=check)

    assert verdict.state is state
    assert word in verdict.reasons[0]


def test_a_check_tells_of_crs_and_icans_only() -> None:
    """A limit of another category, even at grade 1, is not met by a check."""
    limit = ToxicityLimit(category=EventCategory.ORGAN, grade=1)
    rules = RULES.model_copy(update={"hold_at": (limit,), "stop_at": (limit,)})

    assert judge_cytokine(rules, [], make_check(2, crs=5, icans=5), DAY_0, on_day(3)).state is GIVE


@pytest.mark.parametrize(
    ("earlier", "since"),
    [
        (None, 5),
        (make_verdict(GIVE, 3), 5),
        (make_verdict(HOLD, 4, since=2), 2),
        (make_verdict(HOLD, 6, since=6), 5),
    ],
)
def test_a_hold_by_checks_counts_from_the_first_of_them(earlier: SupportVerdict | None, since: int) -> None:
    """A later check that still finds CRS goes on with the hold; after a verdict to give, a new one begins."""
    verdict = judge(today=6, check=make_check(5, crs=1), earlier=earlier)

    assert (verdict.state, verdict.since) == (HOLD, on_day(since))


def test_an_earlier_hold_that_the_check_ended_does_not_count() -> None:
    """The check found nothing, so only the event's own days are a hold."""
    verdict = judge(make_event(CRS, 1, 10), today=10, check=make_check(9), earlier=make_verdict(HOLD, 8, since=1))

    assert (verdict.state, verdict.since) == (HOLD, on_day(10))


def test_a_check_dated_tomorrow_holds_today() -> None:
    """A site's calendar may be a day ahead."""
    verdict = judge(today=3, check=make_check(4, crs=1))

    assert (verdict.state, verdict.since) == (HOLD, on_day(3))


def test_a_hold_before_the_first_infusion_counts_from_today() -> None:
    """A verdict before day 0 is about today only."""
    verdict = judge(make_event(CRS, 1, -20), today=-2)

    assert (verdict.state, verdict.since) == (HOLD, on_day(-2))


def test_an_older_event_holds_from_the_first_infusion() -> None:
    """Before it there was no course to hold."""
    verdict = judge(make_event(ORGAN, 2, -20), today=3)

    assert (verdict.state, verdict.since) == (HOLD, on_day(0))


# Stop


def test_a_stop_names_event_and_limit() -> None:
    """It says the worst grade, also when the event is long over."""
    verdict = judge(make_event(ORGAN, 4, 1, 3, course=[(2, 1)]), today=30)
    limit = "stopped for good at organ grade 4 or more since the first infusion on 2026-03-02"

    assert verdict == SupportVerdict(
        state=STOP,
        judged_on=on_day(30),
        reasons=(f"Cough, grade 4, onset 2026-03-03: {limit}",),
    )


def test_an_event_over_before_the_first_infusion_does_not_stop() -> None:
    """What lymphodepletion did is no reason against the cytokine, once it is gone."""
    assert judge(make_event(ORGAN, 4, -4, -1), today=1).state is GIVE
    assert judge(make_event(ORGAN, 4, -4, 0), today=1).state is STOP


@pytest.mark.parametrize(
    ("grade", "causality", "state"),
    [
        (2, Causality.DEFINITE, GIVE),
        (3, Causality.DEFINITE, STOP),
        (4, Causality.PROBABLE, STOP),
        (3, Causality.POSSIBLE, STOP),
        (3, Causality.UNLIKELY, GIVE),
        (3, Causality.NOT_RELATED, GIVE),
        (3, None, GIVE),
    ],
)
def test_an_event_related_to_the_cytokine_stops_at_its_grade(
    grade: int, causality: Causality | None, state: SupportState
) -> None:
    """Grade 3 and possible are enough, whatever the category."""
    assert judge(make_event(OTHER, grade, 1, 2, cytokine=causality), today=5).state is state


def test_a_stop_by_relation_says_how_related() -> None:
    """The reason tells causality and limit."""
    verdict = judge(make_event(OTHER, 3, 1, cytokine=Causality.PROBABLE), today=5)
    event = "Cough, grade 3, onset 2026-03-03, probable relation to the cytokine"

    assert verdict.reasons == (f"{event}: stopped for good at grade 3 or more related to the cytokine",)


def test_an_event_related_to_another_part_does_not_stop() -> None:
    """Related to CAR-NK alone, or related without a part, is not related to the cytokine."""
    other_part = {StudyPart.CAR_NK: Causality.DEFINITE}
    by_cells = AdverseEvent(term="Rash", grade=3, onset_on=on_day(1), related=True, causality=other_part)
    by_any = AdverseEvent(term="Rash", grade=3, onset_on=on_day(1), related=True)

    assert judge(by_cells, by_any, today=2).state is GIVE


@pytest.mark.parametrize(("today", "state"), [(8, HOLD), (9, STOP)])
def test_a_hold_that_lasts_too_long_is_a_stop(today: int, state: SupportState) -> None:
    """From day 1, day 8 is the seventh day after; day 9 is one too many."""
    assert judge(make_event(CRS, 1, 1), today=today).state is state


def test_a_stop_by_a_long_hold_says_how_long() -> None:
    """The reason tells the hold's days and the limit."""
    assert judge(make_event(CRS, 1, 1), today=9).reasons == (
        "held from 2026-03-03 to 2026-03-11, 8 days: stopped for good when a hold lasts more than 7 days",
    )


@pytest.mark.parametrize(("ended", "state"), [(8, GIVE), (9, STOP)])
def test_a_long_hold_in_the_past_stays_a_stop(ended: int, state: SupportState) -> None:
    """The event is over, but the hold had lasted too long; so it is without an earlier verdict too."""
    assert judge(make_event(CRS, 1, 1, ended), today=20).state is state


def test_events_one_after_the_other_are_one_hold() -> None:
    """Days 1-4 and 5-9 are held without a break; with a free day between there are two holds."""
    one, two = make_event(CRS, 1, 1, 4), make_event(ICANS, 1, 5)
    later = make_event(ICANS, 1, 6)

    assert judge(one, two, today=8).since == on_day(1)
    assert judge(one, two, today=9).state is STOP
    assert (judge(one, later, today=9).state, judge(one, later, today=9).since) == (HOLD, on_day(6))


def test_a_hold_by_checks_that_lasts_too_long_is_a_stop() -> None:
    """Each check renews the hold, and the earlier verdict's first day counts."""
    held = make_verdict(HOLD, 7, since=1)

    assert judge(today=8, check=make_check(8, crs=1), earlier=held).state is HOLD
    assert judge(today=9, check=make_check(9, crs=1), earlier=held).state is STOP


def test_a_stop_is_never_undone() -> None:
    """The earlier verdict stands with its own day and reasons, whatever is found later."""
    stopped = make_verdict(STOP, 4)

    assert judge(today=20, check=make_check(20), earlier=stopped) is stopped


def test_all_reasons_for_a_stop_are_named_and_none_for_a_hold() -> None:
    """Event, relation, check and length of the hold each have a sentence."""
    verdict = judge(
        make_event(CRS, 3, 1, cytokine=Causality.DEFINITE), today=10, check=make_check(9, icans=3), earlier=None
    )

    assert verdict.state is STOP
    assert [reason.split(":")[0] for reason in verdict.reasons] == [
        "Cough, grade 3, onset 2026-03-03",
        "Cough, grade 3, onset 2026-03-03, definite relation to the cytokine",
        "ICANS grade 3 at the check on 2026-03-11",
        "held from 2026-03-03 to 2026-03-12, 9 days",
    ]


@given(
    grades=st.lists(st.tuples(st.sampled_from([CRS, ICANS, ORGAN, OTHER]), st.integers(1, 5), st.integers(0, 20))),
    lengths=st.lists(st.integers(0, 12), min_size=20, max_size=20),
    today=st.integers(0, 30),
)
def test_a_stop_stays_and_a_hold_has_an_end(
    grades: list[tuple[EventCategory, int, int]], lengths: list[int], today: int
) -> None:
    """Whatever happened: who is stopped stays so without memory; who is held is checked again within the limit."""
    events = [
        make_event(category, grade, onset, onset + length)
        for (category, grade, onset), length in zip(grades, lengths, strict=False)
    ]
    verdict = judge(*events, today=today)

    if verdict.state is STOP:
        assert judge(*events, today=today + 1).state is STOP
    if verdict.state is HOLD:
        assert verdict.since is not None
        assert verdict.next_on is not None
        assert verdict.judged_on < verdict.next_on <= verdict.since + timedelta(days=RULES.maximum_hold_days + 1)
    assert (verdict.since is None) == (verdict.state is not HOLD)


# A course


def course(
    *days: int, agent: str = IL_2.id, dose: float = 1, unit: DoseUnit = DoseUnit.MILLION_UNITS_PER_M2
) -> CytokineDoses:
    """Make a course of low-dose IL-2 on study days."""
    return CytokineDoses(agent=agent, dose=dose, unit=unit, administered_on=tuple(on_day(day) for day in days))


def check(told: CytokineDoses, *verdicts: SupportVerdict) -> Problem | None:
    """Check a course after the infusion of day 0."""
    return check_course(RULES, told, DAY_0, WINDOW_DAYS, verdicts)


@pytest.mark.parametrize(
    "told",
    [
        course(0, 2, 4, 6, 8, 10),
        course(0),
        course(14),
        course(10, 0, 5),
        course(0, dose=0.5),
        course(0, 7, 14, agent=IL_15.id, dose=10, unit=DoseUnit.MICROGRAMS_PER_KG),
        CytokineDoses(agent="none", dose=0, unit=DoseUnit.MICROGRAMS_PER_KG),
    ],
)
def test_a_course_within_the_rules(told: CytokineDoses) -> None:
    """The infusion's day and the window's last are inside; a lower dose is allowed; nothing given is no problem."""
    assert check(told) is None


OTHER_UNIT = "is dosed in another unit"
AT_MOST = "at most 1 million_units_per_m2"
HIGHEST = f"the dose of low-dose IL-2 is {AT_MOST}"
MORE = "more administrations of low-dose IL-2 than the protocol allows"
CLOSE = "too close to the administration on"
APART = "at least 2 days between two administrations of low-dose IL-2"
WEEK = "at least 7 days between two administrations of IL-15 agonist"


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        (
            course(0, agent="IL-21"),
            (
                ProblemType.INVALID_INPUT,
                "agent",
                "IL-21",
                "the protocol has no such cytokine",
                "low-dose IL-2 or IL-15 agonist",
            ),
        ),
        (
            course(0, unit=DoseUnit.MICROGRAMS_PER_KG),
            (ProblemType.WRONG_UNIT, "unit", "micrograms_per_kg", f"{IL_2.id} {OTHER_UNIT}", "million_units_per_m2"),
        ),
        (
            course(0, agent=IL_15.id, dose=10),
            (ProblemType.WRONG_UNIT, "unit", "million_units_per_m2", f"{IL_15.id} {OTHER_UNIT}", "micrograms_per_kg"),
        ),
        (
            course(0, dose=1.1),
            (
                ProblemType.DOSE_OUT_OF_RULE,
                "dose",
                "1.1 million_units_per_m2",
                HIGHEST,
                f"above 0 and {AT_MOST}",
            ),
        ),
        (
            course(0, dose=0),
            (ProblemType.DOSE_OUT_OF_RULE, "dose", "0 million_units_per_m2", HIGHEST, f"above 0 and {AT_MOST}"),
        ),
        (
            course(2, -1),
            (
                ProblemType.DATE_BEFORE_STEP,
                "administered_on",
                "2026-03-01",
                "lies before the infusion",
                "2026-03-02 to 2026-03-16",
            ),
        ),
        (
            course(15, 2),
            (
                ProblemType.OUT_OF_RANGE,
                "administered_on",
                "2026-03-17",
                "lies more than 14 days after the infusion",
                "2026-03-02 to 2026-03-16",
            ),
        ),
        (
            course(0, 2, 4, 6, 8, 10, 12),
            (ProblemType.DOSE_OUT_OF_RULE, "administered_on", "7", MORE, "at most 6"),
        ),
        (
            course(5, 0, 4),
            (
                ProblemType.DOSE_OUT_OF_RULE,
                "administered_on",
                "2026-03-07",
                f"{CLOSE} 2026-03-06: 1 days later",
                APART,
            ),
        ),
        (
            course(3, 3),
            (ProblemType.DOSE_OUT_OF_RULE, "administered_on", "2026-03-05", f"{CLOSE} 2026-03-05: 0 days later", APART),
        ),
        (
            course(0, 6, agent=IL_15.id, dose=10, unit=DoseUnit.MICROGRAMS_PER_KG),
            (ProblemType.DOSE_OUT_OF_RULE, "administered_on", "2026-03-08", f"{CLOSE} 2026-03-02: 6 days later", WEEK),
        ),
    ],
)
def test_a_course_against_the_rules(told: CytokineDoses, problem: tuple[ProblemType, str, str, str, str]) -> None:
    """The problem says field, value, rule, and what would be right."""
    found = check(told)
    kind, field, value, rule, expected = problem

    assert found == Problem(type=kind, field=f"answer.{field}", value=value, rule=rule, expected=expected)


@pytest.mark.parametrize(
    ("verdicts", "refused"),
    [
        ((), ()),
        (((GIVE, 1),), ()),
        (((HOLD, 4),), (5, 6, 14)),
        (((HOLD, 4), (GIVE, 6)), (5,)),
        (((HOLD, 4), (HOLD, 6)), (5, 6, 14)),
        (((HOLD, 4), (HOLD, 6), (GIVE, 14)), (5, 6)),
        (((GIVE, 3), (HOLD, 4), (GIVE, 4)), ()),
        (((STOP, 4),), (5, 6, 14)),
        (((STOP, 4), (GIVE, 6)), (5, 6, 14)),
        (((HOLD, 4), (STOP, 6)), (5, 6, 14)),
    ],
)
def test_nothing_is_given_while_held_or_stopped(
    verdicts: tuple[tuple[SupportState, int], ...], refused: tuple[int, ...]
) -> None:
    """An administration on the verdict's own day may have come before it; on the day of release, after it."""
    said = [make_verdict(state, day) for state, day in verdicts]

    assert tuple(day for day in (3, 4, 5, 6, 14) if check(course(day), *said)) == refused


def test_an_administration_on_hold_names_the_hold() -> None:
    """The hold's day and reason are told; the first of the days counts."""
    assert check(course(2, 6, 8), make_verdict(GIVE, 1), make_verdict(HOLD, 4)) == Problem(
        type=ProblemType.ON_HOLD,
        field="answer.administered_on",
        value="2026-03-08",
        rule="the cytokine is on hold (2026-03-06: CRS, grade 1)",
        expected="no administration until the hold has ended",
    )


def test_an_administration_after_a_stop_names_the_stop() -> None:
    """A stop outlives every later verdict."""
    assert check(course(2, 6), make_verdict(HOLD, 1), make_verdict(GIVE, 2), make_verdict(STOP, 4)) == Problem(
        type=ProblemType.DOSE_OUT_OF_RULE,
        field="answer.administered_on",
        value="2026-03-08",
        rule="the cytokine is stopped for good (2026-03-06: CRS, grade 1)",
        expected="no further administration",
    )


@given(days=st.lists(st.integers(-3, 20), max_size=9))
def test_a_course_is_accepted_exactly_when_every_limit_is_kept(days: list[int]) -> None:
    """Number, distance and window, each with its boundary."""
    ordered = sorted(days)
    apart = all(later - day >= 2 for day, later in pairwise(ordered))
    inside = all(0 <= day <= WINDOW_DAYS for day in days)

    assert (check(course(*days)) is None) == (apart and inside and len(days) <= 6)


# The rules themselves


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agents": (IL_2, IL_2)}, "agents: an id stands twice"),
        ({"hold_at": (RULES.hold_at[0], RULES.hold_at[0])}, "hold_at: a category stands twice"),
        ({"stop_at": (RULES.stop_at[0], RULES.stop_at[0])}, "stop_at: a category stands twice"),
        ({"stop_at": (ToxicityLimit(category=ORGAN, grade=1),)}, "stop_at: organ stops at grade 1, below where"),
    ],
)
def test_contradictions_in_the_rules_are_refused(changes: dict[str, object], message: str) -> None:
    """Each category has one limit for holding and one for stopping, and never stops below where it is held."""
    with pytest.raises(ValidationError, match=message):
        CytokineRules.model_validate(RULES.model_dump() | changes)


def test_a_category_may_stop_where_it_is_held_or_without_a_hold() -> None:
    """The same grade in both is a stop."""
    limits = (ToxicityLimit(category=ORGAN, grade=2), ToxicityLimit(category=EventCategory.LABORATORY, grade=1))
    rules = RULES.model_copy(update={"stop_at": limits})

    assert CytokineRules.model_validate(rules.model_dump()) == rules
    assert judge_cytokine(rules, [make_event(ORGAN, 2, 1)], None, DAY_0, on_day(2)).state is STOP


def test_an_agent_is_found_by_its_id() -> None:
    """Another id is none of the protocol's."""
    assert RULES.agent("IL-15 agonist") == IL_15
    assert RULES.agent("IL-21") is None
