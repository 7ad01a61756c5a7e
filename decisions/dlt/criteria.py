"""
Which adverse events may be dose-limiting, found by rule (docs/domain.md, section 3); the SRC judges the candidates.

Durations are counted between calendar days: a grade that is reached on day 2 and has fallen on day 5 lasted 3 days.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from decisions.dlt.outcome import in_window
from decisions.safety.reporting_clocks import is_fatal, seriousness_of
from schemas.protocol import DltRules
from schemas.safety.adverse_events import FATAL, RELATED, AdverseEvent, GradeOn
from schemas.safety.reports import DltCriterion, DltDefinition, DltExclusion, DltFinding, DltFindingStatus


class _Duration(NamedTuple):
    """Whether a grade outlasts a last day: it does (candidate), it may until a day (pending), or it did not (none)."""

    status: DltFindingStatus
    until: date | None
    why: str


def find_candidate(
    definition: DltDefinition, rules: DltRules, first_infusion_on: date | None, event: AdverseEvent, today: date
) -> DltFinding:
    """
    Judge whether an event may be dose-limiting, whether that depends on days to come, or why not.

    The reporter's own judgement always makes a candidate. Otherwise the onset must be on day 0 to `window_days`, both
    included, the event related to a counted part (without causality details: to the treatment), and a criterion met
    that no exclusion takes away. Of several criteria one that is met goes before a pending one, and of those the one
    that is decided first. A death outlasts every duration (docs/domain.md, section 3).
    """
    what = _in_words(event, first_infusion_on)
    if event.dlt:
        return DltFinding(status=DltFindingStatus.CANDIDATE, why=f"{what}: dose-limiting by the reporter's judgement")
    if first_infusion_on is None:
        return DltFinding(status=DltFindingStatus.NONE, why=f"{what}: there is no DLT window yet")
    not_counted = _not_counted(definition, rules, first_infusion_on, event)
    if not_counted is not None:
        return DltFinding(status=DltFindingStatus.NONE, why=f"{what}: {not_counted}")
    findings = [
        _judge(definition.exclusions, criterion, first_infusion_on, event, today)
        for criterion in definition.criteria
        if _covers(criterion, event)
    ]
    return _decisive(findings, what)


def _not_counted(definition: DltDefinition, rules: DltRules, day_0: date, event: AdverseEvent) -> str | None:
    if not in_window(rules, day_0, event.onset_on):
        return f"outside the DLT window, day 0-{rules.window_days}"
    if not _is_related(definition, event):
        return f"not related to {', '.join(definition.counted_parts)}"
    return None


def _is_related(definition: DltDefinition, event: AdverseEvent) -> bool:
    if not event.causality:
        return event.related
    return any(event.causality.get(part) in RELATED for part in definition.counted_parts)


def _covers(criterion: DltCriterion, event: AdverseEvent) -> bool:
    of_category = not criterion.categories or event.category in criterion.categories
    as_serious = not criterion.seriousness or not set(criterion.seriousness).isdisjoint(seriousness_of(event))
    return of_category and as_serious and _worst_grade(event) >= criterion.minimum_grade


def _decisive(findings: Sequence[DltFinding], what: str) -> DltFinding:
    candidates = [finding for finding in findings if finding.status is DltFindingStatus.CANDIDATE]
    pending = [(finding.until, finding) for finding in findings if finding.until is not None]
    if candidates:
        decisive = candidates[0]
    elif pending:
        decisive = min(pending, key=lambda waiting: waiting[0])[1]
    else:
        exclusion = next((finding.exclusion for finding in findings if finding.exclusion is not None), None)
        why = "; ".join(finding.why for finding in findings) or "no criterion covers it"
        decisive = DltFinding(status=DltFindingStatus.NONE, exclusion=exclusion, why=why)
    return decisive.model_copy(update={"why": f"{what}: {decisive.why}"})


# One criterion, with the exclusions that name the event


def _judge(
    exclusions: Sequence[DltExclusion], criterion: DltCriterion, day_0: date, event: AdverseEvent, today: date
) -> DltFinding:
    met = _meets(criterion, day_0, event, today)
    why = f"criterion '{criterion.id}' ({criterion.text}): {met.why}"
    if met.status is DltFindingStatus.NONE:
        return DltFinding(status=DltFindingStatus.NONE, why=why)
    waits = [met.until]
    for exclusion in exclusions:
        if _names(exclusion, event):
            outlasted = _outlasts_exclusion(exclusion, criterion, event, today)
            excluded = f"exclusion '{exclusion.id}' ({exclusion.text}): {outlasted.why}"
            if outlasted.status is DltFindingStatus.NONE:
                return DltFinding(status=DltFindingStatus.NONE, exclusion=exclusion.id, why=excluded)
            why, waits = f"{why}; {excluded}", [*waits, outlasted.until]
    # Both the criterion and the exclusion must be decided before the event is a candidate: the later day counts.
    until = max((day for day in waits if day is not None), default=None)
    status = DltFindingStatus.CANDIDATE if until is None else DltFindingStatus.PENDING
    return DltFinding(status=status, criterion=criterion.id, until=until, why=why)


def _names(exclusion: DltExclusion, event: AdverseEvent) -> bool:
    terms = {term.strip().casefold() for term in exclusion.terms}
    by_term = not terms or event.term.strip().casefold() in terms
    by_category = not exclusion.categories or event.category in exclusion.categories
    return by_term and by_category and _worst_grade(event) <= exclusion.maximum_grade


def _meets(criterion: DltCriterion, day_0: date, event: AdverseEvent, today: date) -> _Duration:
    reached = criterion.minimum_grade
    recovered = reached - 1 if criterion.unless_at_most_grade is None else criterion.unless_at_most_grade
    if criterion.by_window_day is not None:
        window_day = day_0 + timedelta(days=criterion.by_window_day)
        return _outlasts(event, (reached, recovered), lambda _: window_day, today)
    days = criterion.within_days if criterion.lasting_more_than_days is None else criterion.lasting_more_than_days
    if days is None:
        return _Duration(DltFindingStatus.CANDIDATE, None, "met at any duration")
    return _outlasts(event, (reached, recovered), lambda since: since + timedelta(days=days), today)


def _outlasts_exclusion(
    exclusion: DltExclusion, criterion: DltCriterion, event: AdverseEvent, today: date
) -> _Duration:
    days = exclusion.maximum_days
    if days is None:
        return _Duration(DltFindingStatus.NONE, None, "holds at any duration")
    grades = (criterion.minimum_grade, criterion.minimum_grade - 1)
    return _outlasts(event, grades, lambda since: since + timedelta(days=days), today)


# Durations


def _outlasts(event: AdverseEvent, grades: tuple[int, int], last_day: Callable[[date], date], today: date) -> _Duration:
    # `grades`: the one that begins a spell, and the one it must have fallen to by its last day. Only the latest spell
    # can still be open, so its judgement counts unless an earlier one was too long.
    if is_fatal(event):
        return _Duration(DltFindingStatus.CANDIDATE, None, "a death outlasts every duration")
    judged = [_judge_spell(since, until, grades, last_day(since), today) for since, until in _spells(event, *grades)]
    return next((spell for spell in judged if spell.status is DltFindingStatus.CANDIDATE), judged[-1])


def _judge_spell(since: date, until: date | None, grades: tuple[int, int], last: date, today: date) -> _Duration:
    reached, recovered = grades
    began = f"grade {reached} or more since {since}"
    if since > last:
        return _Duration(DltFindingStatus.NONE, None, f"{began}, which is after {last}")
    if until is not None and until <= last:
        return _Duration(DltFindingStatus.NONE, None, f"{began}, grade {recovered} or less on {until}, by {last}")
    if until is None and today <= last:
        return _Duration(DltFindingStatus.PENDING, last, f"{began}, may be grade {recovered} or less by {last}")
    return _Duration(DltFindingStatus.CANDIDATE, None, f"{began}, not grade {recovered} or less by {last}")


def _spells(event: AdverseEvent, reached: int, recovered: int) -> Iterator[tuple[date, date | None]]:
    """Yield from which day the event was at grade `reached` or more, and when it had fallen to `recovered` or less."""
    since: date | None = None
    for step in _steps(event):
        if since is None and step.grade >= reached:
            since = step.on
        elif since is not None and step.grade <= recovered:
            yield since, step.on
            since = None
    if since is not None:
        yield since, None


def _steps(event: AdverseEvent) -> Iterator[GradeOn]:
    # A course that begins on the day of onset needs no assumption, unless it never has the worst grade.
    begins_at_onset = any(step.on == event.onset_on for step in event.course)
    if not begins_at_onset or all(step.grade < event.grade for step in event.course):
        yield GradeOn(on=event.onset_on, grade=event.grade)
    yield from event.course
    if event.ended_on is not None:
        yield GradeOn(on=event.ended_on, grade=0)


def _worst_grade(event: AdverseEvent) -> int:
    return FATAL if is_fatal(event) else event.grade


def _in_words(event: AdverseEvent, first_infusion_on: date | None) -> str:
    what = f"{event.term} ({event.category}), grade {_worst_grade(event)}"
    if first_infusion_on is None:
        return f"{what}, before the first infusion"
    return f"{what}, on day {(event.onset_on - first_infusion_on).days}"
