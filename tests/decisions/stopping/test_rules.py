"""Stopping rules: which fire, at which boundary, and why (docs/domain.md, section 3)."""

from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from math import comb
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from decisions.stopping.rules import boundary, fired, posterior_above
from schemas.safety.adverse_events import EventCategory
from schemas.stopping.rules import (
    CountedEvent,
    EventCountRule,
    EventRateRule,
    PosteriorBoundary,
    RelatedDeathRule,
    SafetyEvent,
    SafetyRecord,
    StoppingFinding,
    StoppingRule,
    StoppingRules,
    StoppingScope,
    TableBoundary,
    TableRow,
)

ARM, STUDY = StoppingScope.ARM, StoppingScope.STUDY
CRS, ICANS, OTHER = EventCategory.CRS, EventCategory.ICANS, EventCategory.OTHER
LAST_INFUSION = date(2026, 3, 2)

TABLE = TableBoundary(
    kind="table",
    rows=(
        TableRow(treated_up_to=3, fires_at=2),
        TableRow(treated_up_to=6, fires_at=3),
        TableRow(treated_up_to=9, fires_at=5),
    ),
)


def posterior(rate: float = 0.3, probability: float = 0.9, **changes: int) -> PosteriorBoundary:
    """Make a boundary with a uniform prior from the third participant on, and with changes."""
    whole = {"prior_alpha": 1, "prior_beta": 1, "minimum_treated": 3} | changes
    return PosteriorBoundary(kind="posterior", maximum_rate=rate, posterior_probability=probability, **whole)


def death_rule(maximum: int = 0, within_days: int | None = None, scope: StoppingScope = STUDY) -> RelatedDeathRule:
    """Make a rule for related deaths."""
    return RelatedDeathRule(
        kind="related_death", id="death", text="Death", scope=scope, maximum=maximum, within_days=within_days
    )


def count_rule(**changes: Any) -> EventCountRule:  # noqa: ANN401 - any field of the rule
    """Make a rule for two grade 4 CRS in an arm, and with changes."""
    rule = EventCountRule(
        kind="event_count",
        id="crs",
        text="CRS",
        scope=ARM,
        phases=(1, 2),
        minimum_grade=4,
        categories=(CRS,),
        related_only=False,
        fires_at=2,
    )
    return rule.model_copy(update=changes)


def rate_rule(limit: TableBoundary | PosteriorBoundary, **changes: Any) -> EventRateRule:  # noqa: ANN401 - the same
    """Make a rule for the rate of related events of grade 4 or above in phase 2, and with changes."""
    rule = EventRateRule(
        kind="event_rate",
        id="rate",
        text="Rate",
        scope=ARM,
        phases=(2,),
        minimum_grade=4,
        related_only=True,
        boundary=limit,
    )
    return rule.model_copy(update=changes)


def event(grade: int = 4, category: EventCategory = CRS, **changes: Any) -> SafetyEvent:  # noqa: ANN401 - the same
    """Make a related event on the day of the last infusion, and with changes."""
    made = SafetyEvent(
        event_id="AE-1",
        term="Cytokine release syndrome",
        category=category,
        grade=grade,
        related=True,
        onset_on=LAST_INFUSION,
        fatal=False,
    )
    return made.model_copy(update=changes)


def record(number: int, *events: SafetyEvent, **changes: Any) -> SafetyRecord:  # noqa: ANN401 - the same
    """Make a treated participant of phase 2 in the single arm, and with changes."""
    made = SafetyRecord(
        subject=f"CN01-{number:03}",
        arm="single",
        treated=True,
        phase=2,
        last_infusion_on=LAST_INFUSION,
        events=events,
    )
    return made.model_copy(update=changes)


def fires(rule: StoppingRule, *records: SafetyRecord) -> bool:
    """Tell whether a rule fires, for its own scope."""
    return bool(fired((rule,), records, rule.scope, "single" if rule.scope is ARM else None))


# Boundaries


@pytest.mark.parametrize(
    ("treated", "fires_at"),
    [(0, None), (1, None), (2, 2), (3, 2), (4, 3), (6, 3), (7, 5), (9, 5), (10, 5), (500, 5)],
)
def test_a_table_holds_up_to_each_of_its_sizes(treated: int, fires_at: int | None) -> None:
    """Beyond the last row that row holds on; no more can fire than were treated."""
    assert boundary(rate_rule(TABLE), treated) == fires_at


@pytest.mark.parametrize(("treated", "fires_at"), [(3, 3), (6, 4), (9, 5), (12, 7), (15, 8), (18, 9)])
def test_a_posterior_boundary_is_the_published_one(treated: int, fires_at: int) -> None:
    """P(rate > 0.3) above 0.95 with a uniform prior: the elimination boundaries of the BOIN design (Liu, Yuan 2015)."""
    assert boundary(rate_rule(posterior(0.3, 0.95)), treated) == fires_at


@pytest.mark.parametrize(
    ("limit", "treated", "fires_at"),
    [
        (posterior(), 0, None),
        (posterior(), 2, None),
        (posterior(), 3, 2),
        (posterior(minimum_treated=2), 2, 2),
        (posterior(minimum_treated=1), 1, 1),
        (posterior(0.3, 0.9101, minimum_treated=1), 1, None),
        (posterior(0.3, 0.91, minimum_treated=1), 1, 1),
        (posterior(0.5, 0.9, minimum_treated=1), 2, None),
        (posterior(0.5, 0.875, minimum_treated=1), 2, 2),
        (posterior(0.5, 0.8751, minimum_treated=1), 2, None),
        (posterior(0.3, 0.9, prior_alpha=30), 3, 1),
        (posterior(0.3, 0.9, prior_beta=30), 3, None),
        (posterior(0.3, 0.9), 10, 5),
        (posterior(0.3, 0.9), 30, 13),
    ],
)
def test_a_posterior_boundary_follows_prior_and_probability(
    limit: PosteriorBoundary, treated: int, fires_at: int | None
) -> None:
    """None before enough are treated, or where not even everybody would do; equality is enough; never without event."""
    assert boundary(rate_rule(limit), treated) == fires_at


@pytest.mark.parametrize(("rule", "fires_at"), [(death_rule(0), 1), (death_rule(2), 3), (count_rule(), 2)])
def test_a_count_does_not_depend_on_the_treated(rule: StoppingRule, fires_at: int) -> None:
    """More than the maximum of deaths; so many events."""
    assert [boundary(rule, treated) for treated in (0, 1, 50)] == [fires_at] * 3


@pytest.mark.parametrize(
    ("limit", "treated", "affected", "probability"),
    [
        (posterior(), 0, 0, Fraction(7, 10)),
        (posterior(), 1, 1, Fraction(91, 100)),
        (posterior(), 3, 2, Fraction(9163, 10_000)),
        (posterior(), 3, 3, Fraction(9919, 10_000)),
        (posterior(0.5), 2, 1, Fraction(1, 2)),
        (posterior(0.5, prior_alpha=2, prior_beta=3), 1, 1, Fraction(1, 2)),
        (posterior(0.2, prior_alpha=1, prior_beta=2), 0, 0, Fraction(16, 25)),
    ],
)
def test_the_posterior_is_exact(limit: PosteriorBoundary, treated: int, affected: int, probability: Fraction) -> None:
    """By hand: Beta(1 + 1, 1) leaves 1 - 0.3 ** 2 above 0.3, and so on."""
    assert posterior_above(limit, treated, affected) == probability


LIMITS = st.builds(
    posterior,
    st.integers(1, 19).map(lambda twentieth: twentieth / 20),
    st.integers(1, 19).map(lambda twentieth: twentieth / 20),
    prior_alpha=st.integers(1, 5),
    prior_beta=st.integers(1, 5),
    minimum_treated=st.integers(1, 6),
)


@settings(max_examples=50)
@given(LIMITS, st.integers(0, 12), st.integers(0, 12))
def test_the_posterior_is_the_integral_of_the_density(limit: PosteriorBoundary, events: int, others: int) -> None:
    """Against the Beta density itself, added up in small steps above the maximum rate."""
    a, b = limit.prior_alpha + events, limit.prior_beta + others
    steps, low = 2000, limit.maximum_rate
    middles = (low + (1 - low) * (step + 0.5) / steps for step in range(steps))
    density = a * comb(a + b - 1, a)
    area = sum(density * x ** (a - 1) * (1 - x) ** (b - 1) for x in middles) * (1 - low) / steps

    assert float(posterior_above(limit, events + others, events)) == pytest.approx(area, abs=1e-3)


@settings(max_examples=50)
@given(LIMITS)
def test_a_posterior_boundary_rises_by_steps_of_one(limit: PosteriorBoundary) -> None:
    """Once it can fire it always can; one participant more never lowers it, nor raises it by more than one."""
    found = [boundary(rate_rule(limit), treated) for treated in range(30)]
    reached = [fires_at for fires_at in found if fires_at is not None]

    assert found[: len(found) - len(reached)] == [None] * (len(found) - len(reached))
    assert found[: limit.minimum_treated] == [None] * limit.minimum_treated
    assert all(low <= high <= low + 1 for low, high in pairwise(reached))


@settings(max_examples=50)
@given(LIMITS, st.integers(1, 20))
def test_a_posterior_boundary_is_the_first_count_that_is_enough(limit: PosteriorBoundary, treated: int) -> None:
    """At the boundary the probability is reached; with one event fewer it is not, unless none is left."""
    fires_at = boundary(rate_rule(limit), treated)
    enough = Fraction(str(limit.posterior_probability))

    if fires_at is not None:
        assert 1 <= fires_at <= treated
        assert posterior_above(limit, treated, fires_at) >= enough
        assert fires_at == 1 or posterior_above(limit, treated, fires_at - 1) < enough
    elif treated >= limit.minimum_treated:
        assert posterior_above(limit, treated, treated) < enough


# Related deaths


@pytest.mark.parametrize(
    ("fatal", "expected"),
    [
        (event(grade=5, fatal=True), True),
        (event(grade=5), True),
        (event(grade=4, fatal=True), True),
        (event(grade=4), False),
        (event(grade=5, fatal=True, related=False), False),
        (event(grade=5, category=OTHER), True),
    ],
)
def test_the_first_related_death_fires(fatal: SafetyEvent, expected: bool) -> None:
    """Fatal by its outcome or by its grade, of any kind; a death without a possible relation does not count."""
    assert fires(death_rule(), record(1, fatal)) is expected


@pytest.mark.parametrize(("day", "expected"), [(-3, True), (0, True), (29, True), (30, True), (31, False)])
def test_a_death_counts_up_to_the_last_day(day: int, expected: bool) -> None:
    """30 days after the last infusion is inside; without a limit every day is."""
    died_on = LAST_INFUSION + timedelta(days=day)
    fatal = event(grade=5, onset_on=died_on - timedelta(days=5), ended_on=died_on)

    assert fires(death_rule(within_days=30), record(1, fatal)) is expected
    assert fires(death_rule(), record(1, fatal)) is True


@pytest.mark.parametrize(("day", "expected"), [(30, True), (31, False)])
def test_a_death_without_its_day_counts_from_the_onset(day: int, expected: bool) -> None:
    """The onset is never after the death, so nothing is missed."""
    fatal = event(grade=5, onset_on=LAST_INFUSION + timedelta(days=day))

    assert fires(death_rule(within_days=30), record(1, fatal)) is expected


def test_a_related_death_before_any_infusion_counts() -> None:
    """A death by the biopsy or the lymphodepletion has no infusion to count from."""
    assert fires(death_rule(within_days=30), record(1, event(grade=5), treated=False, last_infusion_on=None))


@pytest.mark.parametrize(("deaths", "expected"), [(0, False), (1, False), (2, True), (3, True)])
def test_more_deaths_than_the_maximum_fire(deaths: int, expected: bool) -> None:
    """With a maximum of 1 the second death fires."""
    assert fires(death_rule(1), *(record(number, event(grade=5)) for number in range(deaths))) is expected


def test_one_participant_dies_once() -> None:
    """Two fatal events of one participant are one death, and both stand behind the finding."""
    both = record(1, event(grade=5), event(grade=5, event_id="AE-2"))

    assert not fires(death_rule(1), both)
    (finding,) = fired((death_rule(),), (both,), STUDY)
    assert (finding.count, finding.subjects) == (1, ("CN01-001",))
    assert [behind.event_id for behind in finding.events] == ["AE-1", "AE-2"]


@pytest.mark.parametrize("phase", [1, 2])
def test_a_death_counts_in_either_phase(phase: int) -> None:
    """The study's rule knows no phase."""
    assert fires(death_rule(), record(1, event(grade=5), phase=phase))


# Counts of events


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (event(), True),
        (event(grade=5), True),
        (event(grade=3), False),
        (event(category=ICANS), False),
        (event(related=False), True),
    ],
)
def test_so_many_events_of_a_kind_fire(second: SafetyEvent, expected: bool) -> None:
    """Any two CRS of grade 4 or above, related or not."""
    assert fires(count_rule(), record(1, event()), record(2, second)) is expected


def test_two_events_of_one_participant_are_two() -> None:
    """The rule counts events, whoever has them."""
    assert fires(count_rule(), record(1, event(), event(event_id="AE-2")))
    assert not fires(count_rule(), record(1, event()))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"related_only": True}, False),
        ({"categories": None, "minimum_grade": 3}, True),
        ({"categories": (ICANS,)}, False),
        ({"categories": (ICANS, CRS)}, True),
        ({"phases": (1,)}, False),
        ({"phases": (2,)}, True),
    ],
)
def test_a_rule_says_which_events_count(changes: dict[str, Any], expected: bool) -> None:
    """Kind, grade, relation and phase: each narrows the rule by itself."""
    assert fires(count_rule(**changes), record(1, event()), record(2, event(related=False))) is expected


def test_an_event_before_treatment_counts_for_a_count() -> None:
    """The lymphodepletion belongs to the study treatment."""
    assert fires(count_rule(), record(1, event(), treated=False), record(2, event()))


# Rates


@pytest.mark.parametrize(
    ("affected", "treated", "expected"),
    [(1, 3, False), (2, 3, True), (2, 4, False), (3, 4, True), (3, 6, True), (3, 7, False), (0, 0, False)],
)
def test_a_rate_fires_at_its_boundary(affected: int, treated: int, expected: bool) -> None:
    """2 of up to 3, 3 of up to 6, 5 of up to 9."""
    records = [record(number, *([event()] if number < affected else [])) for number in range(treated)]

    assert fires(rate_rule(TABLE), *records) is expected


def test_a_rate_counts_participants() -> None:
    """Two events of one participant are one participant with an event."""
    twice = record(1, event(), event(event_id="AE-2"))

    assert not fires(rate_rule(TABLE), twice, record(2))
    assert fires(rate_rule(TABLE), twice, record(2, event(event_id="AE-3")))


@pytest.mark.parametrize("changes", [{"phase": 1}, {"arm": "dual"}, {"treated": False}])
def test_who_is_not_counted_does_not_fire_a_rate(changes: dict[str, Any]) -> None:
    """An event in phase 1, in another arm, or of somebody untreated is none of this rate."""
    assert fires(rate_rule(TABLE), record(1, event()), record(2, event()))
    assert not fires(rate_rule(TABLE), record(1, event()), record(2, event(), **changes), record(3))


@pytest.mark.parametrize("changes", [{"phase": 1}, {"arm": "dual"}, {"treated": False}])
def test_who_is_not_counted_does_not_dilute_a_rate(changes: dict[str, Any]) -> None:
    """2 of 3 fire; a fourth of the same kind makes it 2 of 4, which do not."""
    three = (record(1, event()), record(2, event()), record(3))

    (finding,) = fired((rate_rule(TABLE),), (*three, record(4, **changes)), ARM, "single")
    assert (finding.count, finding.treated) == (2, 3)
    assert not fires(rate_rule(TABLE), *three, record(4))


# Findings


def test_a_posterior_finding_says_everything() -> None:
    """The rule, the counts, the boundary and the probability, and who and what is behind it."""
    records = (record(1, event(grade=3)), record(2, event()), record(3, event(grade=5, event_id="AE-7", term="Sepsis")))

    assert fired((rate_rule(posterior()),), records, ARM, "single") == (
        StoppingFinding(
            rule_id="rate",
            scope=ARM,
            arm="single",
            count=2,
            treated=3,
            fires_at=2,
            why="arm single: 2 of 3 treated had an event of grade 4 or above, related, in phase 2; "
            "the rule fires at 2, since P(rate > 0.3) is 0.916, at least 0.9",
            subjects=("CN01-002", "CN01-003"),
            events=(
                CountedEvent(
                    subject="CN01-002",
                    event_id="AE-1",
                    term="Cytokine release syndrome",
                    grade=4,
                    onset_on=LAST_INFUSION,
                ),
                CountedEvent(subject="CN01-003", event_id="AE-7", term="Sepsis", grade=5, onset_on=LAST_INFUSION),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (
            rate_rule(TABLE, scope=STUDY, categories=(CRS,), related_only=False, phases=(1, 2)),
            "the study: 3 of 4 treated had an event of grade 4 or above, crs, in phase 1 or 2; the rule fires at 3",
        ),
        (
            count_rule(scope=STUDY, categories=(CRS, ICANS)),
            "the study: 3 event(s) of grade 4 or above, crs or icans, in phase 1 or 2, 4 treated; the rule fires at 2",
        ),
        (death_rule(), "the study: 1 related death(s), 4 treated; the rule fires at 1"),
        (
            death_rule(within_days=30),
            "the study: 1 related death(s) within 30 days of the last infusion, 4 treated; the rule fires at 1",
        ),
        (
            death_rule(scope=ARM),
            "arm single: 1 related death(s), 3 treated; the rule fires at 1",
        ),
    ],
)
def test_a_finding_gives_its_reason_in_words(rule: StoppingRule, why: str) -> None:
    """An auditor reads counts and boundary, of the study or of the arm."""
    records = (
        record(1, event()),
        record(2, event(), phase=1),
        record(3, event(grade=5)),
        record(4, arm="dual"),
        record(5, treated=False),
    )

    (finding,) = fired((rule,), records, rule.scope, "single" if rule.scope is ARM else None)
    assert finding.why == why
    assert finding.arm == ("single" if rule.scope is ARM else None)


def test_each_scope_has_its_own_rules() -> None:
    """In the order of the rules; an arm's rules count that arm alone, the study's all of them."""
    first, second = count_rule(id="first"), count_rule(id="second", fires_at=1)
    rules = (death_rule(), first, second, count_rule(id="study", scope=STUDY))
    records = (record(1, event()), record(2, event(), arm="dual"))

    assert [found.rule_id for found in fired(rules, records, ARM, "single")] == ["second"]
    assert [found.rule_id for found in fired(rules, (*records, record(3, event())), ARM, "single")] == [
        "first",
        "second",
    ]
    assert [found.rule_id for found in fired(rules, records, STUDY)] == ["study"]
    assert fired(rules, (), STUDY) == ()
    assert fired((), records, ARM, "single") == ()


@pytest.mark.parametrize(
    ("scope", "arm", "words"),
    [
        (ARM, None, "got scope 'arm' and arm None"),
        (STUDY, "single", "an arm is given exactly for rules of scope 'arm', got scope 'study' and arm single"),
    ],
)
def test_an_arm_goes_with_the_scope_of_an_arm(scope: StoppingScope, arm: str | None, words: str) -> None:
    """Anything else would count the wrong participants."""
    with pytest.raises(ValueError, match=words):
        fired((death_rule(),), (), scope, arm)


# Rules as data

RULES: TypeAdapter[tuple[StoppingRule, ...]] = TypeAdapter(StoppingRules)

DEATH = {"kind": "related_death", "id": "death", "text": "Death", "scope": "study", "maximum": 0}
RATE = {
    "kind": "event_rate",
    "id": "rate",
    "text": "Rate",
    "scope": "arm",
    "phases": [2],
    "minimum_grade": 4,
    "related_only": True,
}
ROWS = [{"treated_up_to": 3, "fires_at": 2}, {"treated_up_to": 6, "fires_at": 2}]


def test_the_kind_says_which_rule_it_is() -> None:
    """Rules come from the protocol as they are written there."""
    rows = {"kind": "table", "rows": ROWS}

    death, rate = RULES.validate_python([DEATH, RATE | {"boundary": rows}])

    assert death == death_rule()
    assert isinstance(rate, EventRateRule)
    assert isinstance(rate.boundary, TableBoundary)
    assert rate.categories is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([DEATH, DEATH], "the ids of stopping rules must differ"),
        ([DEATH | {"kind": "death"}], "kind"),
        ([DEATH | {"maximum": -1}], "maximum"),
        ([RATE], "boundary"),
        ([RATE | {"boundary": {"kind": "table", "rows": []}}], "rows"),
        ([RATE | {"boundary": {"kind": "table", "rows": [ROWS[0], ROWS[0]]}}], "treated_up_to must ascend"),
        ([RATE | {"boundary": {"kind": "table", "rows": ROWS[::-1]}}], "treated_up_to must ascend"),
        (
            [RATE | {"boundary": {"kind": "table", "rows": [ROWS[0], {"treated_up_to": 6, "fires_at": 1}]}}],
            "fires_at must not fall",
        ),
        ([RATE | {"categories": []}], "categories"),
        ([RATE | {"phases": []}], "phases"),
        ([RATE | {"phases": [3]}], "phases"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(given: list[dict[str, Any]], words: str) -> None:
    """Each slip is named."""
    with pytest.raises(ValidationError, match=words):
        RULES.validate_python(given)
