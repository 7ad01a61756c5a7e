"""
Cytokine support after an infusion: given, held or stopped by toxicity (docs/domain.md, section 6).

Subcutaneous IL-15 after NK cells caused CRS in 56% of participants (Blood Advances 3:1970), and IL-2 is withheld for
neurological and capillary leak toxicity: so a course is held while a toxicity lasts, and some toxicity ends it.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from schemas.problem import Problem, ProblemType
from schemas.safety.adverse_events import RELATED, AdverseEvent, EventCategory, StudyPart
from schemas.treatment.support import (
    CytokineAgent,
    CytokineDoses,
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
    Return the event's CTCAE grade on a day, 0 when it was not there.

    The event is there from its onset to its end, both days included. Where its course says nothing yet, the worst
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
    Say whether the next cytokine administration is given, held, or stopped for good, naming each event and limit.

    A stop is never undone, and a hold that the last check found goes on from the `earlier` verdict's first day. An
    event is related to the cytokine when its causality says so; an event that is only 'related' may be due to another
    part. `today` is the site's calendar day, and no earlier than the latest day that the participant's record tells.
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


# What a site tells of a course


def check_course(
    rules: CytokineRules,
    course: CytokineDoses,
    given_infusion_on: date,
    window_days: int,
    verdicts: Sequence[SupportVerdict] = (),
) -> Problem | None:
    """
    Find what is against the rules in a course that was given after the infusion of `given_infusion_on`.

    A lower dose than the agent's is allowed, a higher one is not. Days run from the infusion's day to `window_days`
    after it, both included. `verdicts` are those on this participant, in the order of their days: the course tells days
    and no hours, so an administration on the day of a hold or stop may have come before it and stands.
    """
    if not course.administered_on:
        return None
    agent = rules.agent(course.agent)
    if agent is None:
        allowed = " or ".join(known.id for known in rules.agents)
        return _problem(ProblemType.INVALID_INPUT, "agent", course.agent, "the protocol has no such cytokine", allowed)
    days = sorted(course.administered_on)
    return (
        _wrong_dose(agent, course)
        or _wrong_days(days, given_infusion_on, window_days)
        or _too_many_or_too_close(agent, days)
        or _withheld(days, verdicts)
    )


def _wrong_dose(agent: CytokineAgent, course: CytokineDoses) -> Problem | None:
    if course.unit is not agent.unit:
        rule = f"{agent.id} is dosed in another unit"
        return _problem(ProblemType.WRONG_UNIT, "unit", course.unit, rule, agent.unit)
    if 0 < course.dose <= agent.dose:
        return None
    rule = f"the dose of {agent.id} is at most {agent.dose:g} {agent.unit}"
    expected = f"above 0 and at most {agent.dose:g} {agent.unit}"
    return _problem(ProblemType.DOSE_OUT_OF_RULE, "dose", f"{course.dose:g} {course.unit}", rule, expected)


def _wrong_days(days: Sequence[date], infusion_on: date, window_days: int) -> Problem | None:
    first, last, closes = days[0], days[-1], infusion_on + timedelta(days=window_days)
    expected = f"{infusion_on} to {closes}"
    if first < infusion_on:
        rule = "lies before the infusion"
        return _problem(ProblemType.DATE_BEFORE_STEP, "administered_on", first, rule, expected)
    if last > closes:
        rule = f"lies more than {window_days} days after the infusion"
        return _problem(ProblemType.OUT_OF_RANGE, "administered_on", last, rule, expected)
    return None


def _too_many_or_too_close(agent: CytokineAgent, days: Sequence[date]) -> Problem | None:
    most = agent.maximum_administrations
    if len(days) > most:
        rule = f"more administrations of {agent.id} than the protocol allows"
        return _problem(ProblemType.DOSE_OUT_OF_RULE, "administered_on", len(days), rule, f"at most {most}")
    for day, following in pairwise(days):
        gap = (following - day).days
        if gap < agent.interval_days:
            rule = f"too close to the administration on {day}: {gap} days later"
            expected = f"at least {agent.interval_days} days between two administrations of {agent.id}"
            return _problem(ProblemType.DOSE_OUT_OF_RULE, "administered_on", following, rule, expected)
    return None


def _withheld(days: Sequence[date], verdicts: Sequence[SupportVerdict]) -> Problem | None:
    for day in days:
        verdict = _standing(day, verdicts)
        if verdict is None:
            continue
        said = f"({verdict.judged_on}: {verdict.why})"
        if verdict.state is SupportState.STOP:
            rule, expected = f"the cytokine is stopped for good {said}", "no further administration"
            return _problem(ProblemType.DOSE_OUT_OF_RULE, "administered_on", day, rule, expected)
        rule, expected = f"the cytokine is on hold {said}", "no administration until the hold has ended"
        return _problem(ProblemType.ON_HOLD, "administered_on", day, rule, expected)
    return None


def _standing(day: date, verdicts: Sequence[SupportVerdict]) -> SupportVerdict | None:
    """Return the hold or stop that stood all through the day, if there is one."""
    before = [verdict for verdict in verdicts if verdict.judged_on < day]
    stop = next((verdict for verdict in before if verdict.state is SupportState.STOP), None)
    if stop is not None or not before:
        return stop
    released = any(verdict.judged_on == day and verdict.state is SupportState.GIVE for verdict in verdicts)
    return before[-1] if before[-1].state is SupportState.HOLD and not released else None


def _problem(kind: ProblemType, field: str, value: object, rule: str, expected: str) -> Problem:
    return Problem(type=kind, field=f"answer.{field}", value=str(value), rule=rule, expected=expected)
