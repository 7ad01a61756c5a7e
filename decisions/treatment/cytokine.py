"""
Cytokine support after an infusion: given, held or stopped by toxicity (docs/domain.md, section 6).

Subcutaneous IL-15 after NK cells caused CRS in 56% of participants (Blood Advances 3:1970), and IL-2 is withheld for
neurological and capillary leak toxicity: so a course is held while a toxicity lasts, and some toxicity ends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from schemas.safety.adverse_events import RELATED, AdverseEvent, EventCategory, StudyPart
from schemas.treatment.support import (
    CytokineRules,
    SupportState,
    SupportVerdict,
    ToxicityCheck,
    ToxicityLimit,
)

_ABBREVIATED = (EventCategory.CRS, EventCategory.ICANS, EventCategory.GVHD)


# The grade of an event in time


def grade_on(event: AdverseEvent, day: date) -> int:
    """
    Return the event's CTCAE grade on a day, 0 when it had not begun or had ended.

    The event lasts from its onset to its end, both days included. Before the first entry of its course, the worst
    grade is assumed.
    """
    if day < event.onset_on or (event.ended_on is not None and day > event.ended_on):
        return 0
    return next((entry.grade for entry in reversed(event.course) if entry.on <= day), event.grade)


def worst_grade_since(event: AdverseEvent, day: date) -> int:
    """Return the event's worst CTCAE grade on the day or later, 0 when it had ended before (`grade_on`)."""
    if event.onset_on >= day:
        return event.grade
    return max([grade_on(event, day), *(entry.grade for entry in event.course if entry.on >= day)])


# Give, hold or stop


def judge_cytokine(
    rules: CytokineRules,
    events: Sequence[AdverseEvent],
    check: ToxicityCheck | None,
    first_infusion_on: date,
    today: date,
    *,
    earlier: SupportVerdict | None = None,
) -> SupportVerdict:
    """
    Judge whether the next cytokine administration is given, held, or stopped for good, naming each event and limit.

    A stop is never undone, and a hold that the last check found goes on from the `earlier` verdict's first day. An
    event is related to the cytokine by its causality for the cytokine; one that is only 'related' may be due to another
    part. `today` is the site's calendar day, and no earlier than the latest day on the participant's record.
    """
    if earlier is not None and earlier.state is SupportState.STOP:
        return earlier
    checked_since = _checked_since(rules, check, earlier, today)
    held = _held_days(rules, events, checked_since, min(first_infusion_on, today), today)
    stops = (
        *_stopping_events(rules, events, first_infusion_on),
        *_stopping_check(rules, check, first_infusion_on),
        *_overlong_holds(rules, held),
    )
    if stops:
        return SupportVerdict(state=SupportState.STOP, judged_on=today, reasons=stops)
    if today in held:
        reasons = (*_holding_events(rules, events, today), *_holding_check(rules, check))
        return _hold(rules, reasons, _runs(held)[-1][0], today)
    reason = f"no toxicity at a limit for holding or stopping on {today}"
    return SupportVerdict(state=SupportState.GIVE, judged_on=today, reasons=(reason,))


def _hold(rules: CytokineRules, reasons: tuple[str, ...], since: date, today: date) -> SupportVerdict:
    last = since + timedelta(days=rules.maximum_hold_days)
    next_on = min(today + timedelta(days=rules.recheck_after_days), last + timedelta(days=1))
    until = f"held since {since}, and stopped for good if still held after {last}"
    reasons = (*reasons, until)
    return SupportVerdict(state=SupportState.HOLD, judged_on=today, reasons=reasons, since=since, next_on=next_on)


def _stopping_events(rules: CytokineRules, events: Iterable[AdverseEvent], first: date) -> Iterator[str]:
    for event in events:
        worst = worst_grade_since(event, first)
        seen = f"{event.term}, grade {worst}, onset {event.onset_on}"
        for limit in rules.stop_at:
            if event.category is limit.category and worst >= limit.grade:
                yield f"{seen}: stopped for good at {_limit(limit)} since the first infusion on {first}"
        causality = event.causality.get(StudyPart.CYTOKINE)
        if causality in RELATED and worst >= rules.stop_at_related_grade:
            limit_words = f"grade {rules.stop_at_related_grade} or more related to the cytokine"
            yield f"{seen}, {causality} relation to the cytokine: stopped for good at {limit_words}"


def _stopping_check(rules: CytokineRules, check: ToxicityCheck | None, first: date) -> Iterator[str]:
    if check is None or check.checked_on < first:
        return
    for limit in rules.stop_at:
        if _checked_grade(check, limit.category) >= limit.grade:
            yield f"{_seen(check, limit)}: stopped for good at {_limit(limit)} since the first infusion on {first}"


def _overlong_holds(rules: CytokineRules, held: Sequence[date]) -> Iterator[str]:
    for start, end in _runs(held):
        days = (end - start).days
        if days > rules.maximum_hold_days:
            yield (
                f"held from {start} to {end}, {days} days: "
                f"stopped for good when a hold lasts more than {rules.maximum_hold_days} days"
            )


def _holding_events(rules: CytokineRules, events: Iterable[AdverseEvent], day: date) -> Iterator[str]:
    for event in events:
        grade = grade_on(event, day)
        for limit in rules.hold_at:
            if event.category is limit.category and grade >= limit.grade:
                yield f"{event.term}, grade {grade} on {day}, onset {event.onset_on}: held at {_limit(limit)}"


def _holding_check(rules: CytokineRules, check: ToxicityCheck | None) -> Iterator[str]:
    if check is None:
        return
    for limit in rules.hold_at:
        if _checked_grade(check, limit.category) >= limit.grade:
            yield f"{_seen(check, limit)}: held at {_limit(limit)}, until a check finds less"


def _checked_since(
    rules: CytokineRules, check: ToxicityCheck | None, earlier: SupportVerdict | None, today: date
) -> date | None:
    if check is None or not any(_holding_check(rules, check)):
        return None
    # Only the last check is known: without the earlier hold, each new check would begin the count again.
    before = earlier.since if earlier is not None and earlier.since is not None else today
    return min(check.checked_on, before)


def _held_days(
    rules: CytokineRules, events: Sequence[AdverseEvent], checked_since: date | None, start: date, today: date
) -> tuple[date, ...]:
    days = (start + timedelta(days=number) for number in range((today - start).days + 1))
    return tuple(
        day
        for day in days
        if (checked_since is not None and day >= checked_since) or any(_holding_events(rules, events, day))
    )


def _runs(days: Sequence[date]) -> tuple[tuple[date, date], ...]:
    """Return the first and last day of each row of consecutive days."""
    breaks = [number for number, (day, following) in enumerate(pairwise(days), start=1) if (following - day).days > 1]
    starts, ends = [0, *breaks], [*breaks, len(days)]
    return tuple((days[start], days[end - 1]) for start, end in zip(starts, ends, strict=True)) if days else ()


def _checked_grade(check: ToxicityCheck, category: EventCategory) -> int:
    match category:
        case EventCategory.CRS:
            return check.crs_grade
        case EventCategory.ICANS:
            return check.icans_grade
        case _:
            return 0


def _seen(check: ToxicityCheck, limit: ToxicityLimit) -> str:
    grade = _checked_grade(check, limit.category)
    return f"{_label(limit.category)} grade {grade} at the check on {check.checked_on}"


def _limit(limit: ToxicityLimit) -> str:
    return f"{_label(limit.category)} grade {limit.grade} or more"


def _label(category: EventCategory) -> str:
    return category.value.upper() if category in _ABBREVIATED else category.value.replace("_", " ")
