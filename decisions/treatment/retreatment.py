"""Whether a further cycle of CAR-NK infusions may be offered, with what dose and lymphodepletion."""

from collections.abc import Iterator
from datetime import date, timedelta

from decisions.treatment.cytokine import grade_on
from schemas.treatment.support import ResponseOn, RetreatmentRules, SupportState, SupportVerdict, TreatmentRecord

_PROGRESSION = "PD"


def judge_retreatment(rules: RetreatmentRules, record: TreatmentRecord, today: date) -> SupportVerdict:
    """
    Judge whether a further cycle is offered today, may be later, or never, with every reason against it.

    Time counts from the last infusion, both limits included (days). `next_on` of 'not yet' is the first day that time
    allows; it is none where only something else is awaited. A dose-limiting toxicity excludes, be it by the window's
    judgement or by a later report. A participant keeps the first dose, so a level found toxic excludes too
    (docs/domain.md, section 4). `today` is the site's calendar day.
    """
    never = tuple(_never(rules, record, today))
    if never:
        return SupportVerdict(state=SupportState.NEVER, judged_on=today, reasons=never)
    opens = _opens_on(rules, record, today)
    seen = _latest_response(record)
    waits = (
        *_waits_for_time(rules, record, opens),
        *_waits_for_response(rules, seen),
        *_waits_for_safety(rules, record, today),
        *_waits_for_product(rules, record),
    )
    if seen is None or waits:
        return SupportVerdict(state=SupportState.NOT_YET, judged_on=today, reasons=waits, next_on=opens)
    return SupportVerdict(state=SupportState.OFFER, judged_on=today, reasons=_offer(rules, record, seen))


def needs_lymphodepletion(
    rules: RetreatmentRules, last_lymphodepletion_on: date | None, infusion_on: date
) -> tuple[bool, str]:
    """
    Return whether lymphodepletion is repeated before a cycle whose first infusion is on `infusion_on`, and why.

    It is when more than `lymphodepletion_repeat_after_days` (days) have passed since its last day, and when none is on
    record (docs/domain.md, section 6).
    """
    if last_lymphodepletion_on is None:
        return True, "no lymphodepletion is on record"
    gap, limit = (infusion_on - last_lymphodepletion_on).days, rules.lymphodepletion_repeat_after_days
    comparison = "more than" if gap > limit else "not more than"
    return gap > limit, f"{gap} days after the lymphodepletion of {last_lymphodepletion_on}, {comparison} {limit}"


# Never


def _never(rules: RetreatmentRules, record: TreatmentRecord, today: date) -> Iterator[str]:
    if record.cycles_given >= rules.maximum_cycles:
        yield f"{record.cycles_given} further cycles given, at most {rules.maximum_cycles} allowed"
    if record.treatment_stopped:
        yield "study treatment has stopped"
    yield from _progression(rules, record)
    if rules.no_dlt:
        yield from _dose_limiting(record)
    toxic = record.lowest_toxic_level
    if toxic is not None and record.level >= toxic:
        yield f"dose level {record.level} is at or above level {toxic}, which is toxic, and the dose stays the same"
    if record.last_infusion_on is not None:
        closes = record.last_infusion_on + timedelta(days=rules.maximum_days_since_last_infusion)
        if today > closes:
            yield f"not after {closes}: last infusion on {record.last_infusion_on}, {_time_in_words(rules)}"


def _progression(rules: RetreatmentRules, record: TreatmentRecord) -> Iterator[str]:
    if _PROGRESSION in rules.eligible_responses:
        return
    scans = [seen.on for seen in record.responses if seen.response == _PROGRESSION]
    if scans:
        yield f"the tumour has progressed (PD on {min(scans)}), eligible: {_eligible(rules)}"
    elif record.progressed:
        yield f"the tumour has progressed, eligible: {_eligible(rules)}"


def _dose_limiting(record: TreatmentRecord) -> Iterator[str]:
    reported = [event for event in record.events if event.dlt]
    for event in reported:
        yield f"dose-limiting toxicity: {event.term}, grade {event.grade}, onset {event.onset_on}"
    if record.dlt and not reported:
        yield "dose-limiting toxicity in the window"


# Not yet


def _opens_on(rules: RetreatmentRules, record: TreatmentRecord, today: date) -> date | None:
    if record.last_infusion_on is None:
        return None
    opens = record.last_infusion_on + timedelta(days=rules.minimum_days_since_last_infusion)
    return opens if today < opens else None


def _waits_for_time(rules: RetreatmentRules, record: TreatmentRecord, opens: date | None) -> Iterator[str]:
    if record.last_infusion_on is None:
        yield "no infusion was given yet"
    if opens is not None:
        yield f"not before {opens}: last infusion on {record.last_infusion_on}, {_time_in_words(rules)}"


def _waits_for_response(rules: RetreatmentRules, seen: ResponseOn | None) -> Iterator[str]:
    if seen is None:
        yield f"no tumour assessment since the last infusion, eligible: {_eligible(rules)}"
    elif seen.response not in rules.eligible_responses:
        yield f"the latest response is {seen.response} on {seen.on}, eligible: {_eligible(rules)}"


def _waits_for_safety(rules: RetreatmentRules, record: TreatmentRecord, today: date) -> Iterator[str]:
    if rules.no_dlt and record.dlt is None:
        yield "the DLT window is not judged yet"
    for event in record.events:
        grade = grade_on(event, today)
        if event.related and grade > rules.maximum_unresolved_grade:
            yield f"{event.term}, related, still grade {grade}, at most {rules.maximum_unresolved_grade} allowed"
    if record.holds:
        yield f"held: {', '.join(record.holds)}"


def _waits_for_product(rules: RetreatmentRules, record: TreatmentRecord) -> Iterator[str]:
    needed = len(rules.infusion_days)
    if rules.product_needed and record.units_available < needed:
        yield f"{record.units_available} fitting units in the bank, {needed} needed"


# Shared by the three


def _offer(rules: RetreatmentRules, record: TreatmentRecord, seen: ResponseOn) -> tuple[str, ...]:
    return (
        f"further cycle {record.cycles_given + 1} of at most {rules.maximum_cycles}",
        f"response {seen.response} on {seen.on}, eligible: {_eligible(rules)}",
        f"last infusion on {record.last_infusion_on}, {_time_in_words(rules)}",
    )


def _latest_response(record: TreatmentRecord) -> ResponseOn | None:
    # A scan from before the last infusion does not show its effect; of one day, the last reported counts.
    since = [seen for seen in record.responses if record.last_infusion_on and seen.on >= record.last_infusion_on]
    return max(reversed(since), key=lambda seen: seen.on, default=None)


def _eligible(rules: RetreatmentRules) -> str:
    return ", ".join(rules.eligible_responses)


def _time_in_words(rules: RetreatmentRules) -> str:
    low, high = rules.minimum_days_since_last_infusion, rules.maximum_days_since_last_infusion
    return f"offered {low} to {high} days after it"
