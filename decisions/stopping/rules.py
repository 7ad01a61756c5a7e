"""
Which stopping rules fire on the present safety records, and why (docs/domain.md, section 3).

A finding is a fact of the day: it is for the caller to hold the arm or the study, and not to fire again on the counts
that the committee has already seen.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import comb
from typing import assert_never

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
)

_Behind = list[tuple[SafetyRecord, SafetyEvent]]

# Boundaries


def boundary(rule: StoppingRule, treated: int) -> int | None:
    """
    Return the smallest count at which the rule fires with so many `treated` participants; `None` if no count does.

    The count is of deaths, of events, or, for a rate, of treated participants with an event: at most `treated`.
    """
    match rule:
        case RelatedDeathRule():
            return rule.maximum + 1
        case EventCountRule():
            return rule.fires_at
        case EventRateRule():
            return _rate_boundary(rule.boundary, treated)
        case _:
            assert_never(rule)


def posterior_above(limit: PosteriorBoundary, treated: int, affected: int) -> Fraction:
    """
    Return P(rate > `maximum_rate`), exactly, after `affected` of `treated` participants had an event.

    The posterior is Beta(a, b) with whole a and b, whose upper tail is the probability of fewer than a successes in
    a + b - 1 trials at `maximum_rate` (NIST Digital Library of Mathematical Functions, 8.17.5).
    """
    rate = _exact(limit.maximum_rate)
    needed = limit.prior_alpha + affected
    trials = limit.prior_alpha + limit.prior_beta + treated - 1
    yes, no = rate.numerator, rate.denominator - rate.numerator
    ways = sum(comb(trials, count) * yes**count * no ** (trials - count) for count in range(needed))
    return Fraction(ways, rate.denominator**trials)


def _rate_boundary(limit: TableBoundary | PosteriorBoundary, treated: int) -> int | None:
    match limit:
        case TableBoundary():
            reached = (row.fires_at for row in limit.rows if treated <= row.treated_up_to)
            fires_at = next(reached, limit.rows[-1].fires_at)
            return fires_at if fires_at <= treated else None
        case PosteriorBoundary():
            if treated < limit.minimum_treated:
                return None
            enough = _exact(limit.posterior_probability)
            counts = range(1, treated + 1)
            return next((count for count in counts if posterior_above(limit, treated, count) >= enough), None)
        case _:
            assert_never(limit)


def _exact(rate: float) -> Fraction:
    # 0.3 is three tenths, not the binary fraction next to it.
    return Fraction(str(rate))


# Findings


def fired(
    rules: StoppingRules, records: Sequence[SafetyRecord], scope: StoppingScope, arm: str | None = None
) -> tuple[StoppingFinding, ...]:
    """
    Return a finding for each rule of this scope that fires, in the order of the rules.

    One record a participant, of all arms; for the scope of an arm only those of `arm` count. Raises `ValueError` unless
    `arm` is given exactly for that scope.
    """
    if (arm is None) is (scope is StoppingScope.ARM):
        raise ValueError(f"an arm is given exactly for rules of scope 'arm', got scope '{scope}' and arm {arm}")
    counted = [record for record in records if arm in (None, record.arm)]
    found = (_finding(rule, counted, arm) for rule in rules if rule.scope is scope)
    return tuple(finding for finding in found if finding is not None)


def _finding(rule: StoppingRule, records: Sequence[SafetyRecord], arm: str | None) -> StoppingFinding | None:
    treated = sum(record.treated for record in _population(rule, records))
    counted = list(_counted_events(rule, records))
    subjects = tuple(dict.fromkeys(record.subject for record, _ in counted))
    count = len(counted) if isinstance(rule, EventCountRule) else len(subjects)
    fires_at = boundary(rule, treated)
    if fires_at is None or count < fires_at:
        return None
    where = "the study" if arm is None else f"arm {arm}"
    return StoppingFinding(
        rule_id=rule.id,
        scope=rule.scope,
        arm=arm,
        count=count,
        treated=treated,
        fires_at=fires_at,
        why=f"{where}: {_in_words(rule, count, treated, fires_at)}",
        subjects=subjects,
        events=tuple(_named(record, event) for record, event in counted),
    )


def _named(record: SafetyRecord, event: SafetyEvent) -> CountedEvent:
    return CountedEvent(
        subject=record.subject, event_id=event.event_id, term=event.term, grade=event.grade, onset_on=event.onset_on
    )


def _population(rule: StoppingRule, records: Sequence[SafetyRecord]) -> Sequence[SafetyRecord]:
    match rule:
        case RelatedDeathRule():
            return records
        case EventCountRule():
            return [record for record in records if record.phase in rule.phases]
        case EventRateRule():
            # A rate is of the treated: an event before treatment has no part in it.
            return [record for record in records if record.phase in rule.phases and record.treated]
        case _:
            assert_never(rule)


def _counted_events(rule: StoppingRule, records: Sequence[SafetyRecord]) -> Iterator[tuple[SafetyRecord, SafetyEvent]]:
    for record in _population(rule, records):
        for event in record.events:
            if _counts(rule, record, event):
                yield record, event


def _counts(rule: StoppingRule, record: SafetyRecord, event: SafetyEvent) -> bool:
    if isinstance(rule, RelatedDeathRule):
        return event.is_death and event.related and _in_time(rule, record, event)
    kind = rule.categories is None or event.category in rule.categories
    return kind and event.grade >= rule.minimum_grade and (event.related or not rule.related_only)


def _in_time(rule: RelatedDeathRule, record: SafetyRecord, event: SafetyEvent) -> bool:
    # A related death before any infusion, from a biopsy or the lymphodepletion, has no day to count from: it counts.
    if rule.within_days is None or record.last_infusion_on is None:
        return True
    return (event.died_on - record.last_infusion_on).days <= rule.within_days


# Words


def _in_words(rule: StoppingRule, count: int, treated: int, fires_at: int) -> str:
    match rule:
        case RelatedDeathRule():
            limit = "" if rule.within_days is None else f" within {rule.within_days} days of the last infusion"
            return f"{count} related death(s){limit}, {treated} treated; the rule fires at {fires_at}"
        case EventCountRule():
            return f"{count} event(s) {_events_in_words(rule)}, {treated} treated; the rule fires at {fires_at}"
        case EventRateRule():
            counts = f"{count} of {treated} treated had an event {_events_in_words(rule)}"
            return f"{counts}; the rule fires at {fires_at}{_posterior_in_words(rule, count, treated)}"
        case _:
            assert_never(rule)


def _events_in_words(rule: EventCountRule | EventRateRule) -> str:
    kinds = "" if rule.categories is None else f", {' or '.join(rule.categories)}"
    related = ", related" if rule.related_only else ""
    phases = " or ".join(str(phase) for phase in rule.phases)
    return f"of grade {rule.minimum_grade} or above{kinds}{related}, in phase {phases}"


def _posterior_in_words(rule: EventRateRule, count: int, treated: int) -> str:
    limit = rule.boundary
    if isinstance(limit, TableBoundary):
        return ""
    reached = float(posterior_above(limit, treated, count))
    return f", since P(rate > {limit.maximum_rate:g}) is {reached:.3f}, at least {limit.posterior_probability:g}"
