"""
What a fact holds beside who, when and why, in one line for people.

Facts come as JSON, as a history keeps them: one that was written by other code than today's is shown all the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

ENVELOPE = ("at", "who", "role", "why", "kind")
LONGEST_DETAIL = 300

Fact = dict[str, Any]


def describe_fact(fact: Fact) -> str:
    """Say in one line what a fact holds beside who, when and why."""
    words = IN_WORDS.get(str(fact.get("kind")))
    if words is not None:
        try:
            return _cut(words(fact))
        except (AttributeError, KeyError, TypeError):
            # A fact of another form than today's: field by field it can be read, too.
            return _short(_content(fact))
    return _short(_content(fact))


def _content(fact: Fact) -> Fact:
    return {key: value for key, value in fact.items() if key not in ENVELOPE}


# Facts of safety and response


def _reported(fact: Fact) -> str:
    computed = fact.get("computed")
    rules = f"; by the rules grade {computed['grade']}: {computed['why']}" if computed else ""
    return f"{fact.get('event_id', 'event')}: {_event(fact['event'])}{rules}"


def _amended(fact: Fact) -> str:
    changed = "; ".join(_change(change) for change in fact["changes"])
    return f"{fact['event_id']} version {fact['version']}: {changed}"


def _change(change: Fact) -> str:
    return f"{change['field']}: {change['old']} -> {change['new']}"


def _event(event: Fact) -> str:
    parts = [f"{event['term']}, grade {event['grade']}, {event['onset_on']}"]
    if event.get("ended_on"):
        parts[0] += f" to {event['ended_on']}"
    parts += [f"grade {entry['grade']} from {entry['on']}" for entry in event.get("course", ())]
    related = "+".join(f"{part} {how}" for part, how in event.get("causality", {}).items())
    parts.append(related or ("related" if event["related"] else "not related"))
    parts += [f"serious: {'+'.join(event['seriousness'])}"] if event.get("seriousness") else []
    parts += ["dose-limiting, says the reporter"] if event.get("dlt") else []
    return "; ".join(parts)


def _dlt_finding(fact: Fact) -> str:
    finding = fact["finding"]
    rule = finding.get("criterion") or finding.get("exclusion")
    until = f" until {finding['until']}" if finding.get("until") else ""
    return f"{fact['event_id']}: {finding['status']}{until}{f' ({rule})' if rule else ''}"


def _clock_started(fact: Fact) -> str:
    due = fact["due"]
    due_at, since = _minute(due["due_at"]), _minute(due["clock_started_at"])
    return f"{fact['event_id']}: {due['kind']} due {due_at}, clock from {since}"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _clock_stopped(fact: Fact) -> str:
    return f"{fact['event_id']}: {fact['report']} is no longer due"


def _response(fact: Fact) -> str:
    point, best = fact["timepoint"], fact["best"]
    parts = [f"target {point['target']}"] if point.get("target") else []
    parts += [f"non-target {point['non_target']}"] if point.get("non_target") else []
    parts += ["new lesion"] if point.get("new_lesion") else []
    parts += [f"sum {point['sum_mm']} mm"] if point.get("sum_mm") else []
    parts += [f"nadir {point['nadir_mm']} mm"] if point.get("nadir_mm") else []
    confirmed = "confirmed" if best.get("confirmed") else "not confirmed"
    return f"{fact['step']}: {point['overall']} ({', '.join(parts)}); best {best['response']}, {confirmed}"


def _deviation(fact: Fact) -> str:
    deviation = fact["deviation"]
    days = f" by {deviation['days']} days" if deviation.get("days") else ""
    return f"{deviation['visit']}: {deviation['kind']}{days}"


def _verdict(fact: Fact) -> str:
    verdict = fact["verdict"]
    since = f" since {verdict['since']}" if verdict.get("since") else ""
    after = f", next on {verdict['next_on']}" if verdict.get("next_on") else ""
    return f"{verdict['state'].replace('_', ' ')}{since}{after}"


def _cycle(fact: Fact) -> str:
    lymphodepletion = "with" if fact["lymphodepletion"] else "without"
    return f"cycle {fact['cycle']} from {fact['day_zero']}, {lymphodepletion} lymphodepletion"


def _hold(fact: Fact) -> str:
    rule = f", by the stopping rule {fact['rule']}" if fact.get("rule") else ""
    signed = f", signed: {_signature(fact['signature'])}" if fact.get("signature") else ""
    return f"{fact['scope']}{rule}{signed}"


def _signature(signature: Fact) -> str:
    return f"{signature['meaning']} of sha256 {signature['signed_sha256']}"


def _asked(fact: Fact) -> str:
    advice = fact["recommendation"]
    tallies = (f"level {t['level']}: {t['dlts']} DLTs in {t['evaluable']} of {t['treated']}" for t in advice["tallies"])
    return f"cohort {fact['cohort']}: {_action(advice)}; {', '.join(tallies)}"


def _decided(fact: Fact) -> str:
    signed = f", signed: {_signature(fact['signature'])}" if fact.get("signature") else ""
    said = f"cohort {fact['cohort']} at level {fact['from_level']}: {_action(fact)}"
    return f"{said}, the rule said {fact['recommended']}{signed}"


def _action(decision: Fact) -> str:
    return f"{decision['action']}, level {decision['level']}" if decision.get("level") else str(decision["action"])


def _safety(fact: Fact) -> str:
    summary = fact["summary"]
    place = f"{summary['subject']}, cohort {summary['cohort']}, level {summary['level']}"
    infusions = f"{len(summary.get('infusions', ()))} infusion(s)"
    events = "; ".join(_told_event(event) for event in summary.get("events", ())) or "no event to tell"
    dlt = f", {summary['dlt']}" if summary.get("dlt") else ""
    return f"{place}: {infusions}{dlt}; {events}"


def _told_event(event: Fact) -> str:
    dlt = f", DLT {event['dlt']}" if event.get("dlt", "none") != "none" else ""
    return f"{event['event_id']} v{event['version']} {event['term']} grade {event['grade']}{dlt}"


def _reopened(fact: Fact) -> str:
    finding = fact["finding"]
    return f"cohort {finding['cohort']}: {finding['about']}; then {finding['known_then']}; now {finding['known_now']}"


def _fired(fact: Fact) -> str:
    finding = fact["finding"]
    counts = f"{finding['count']} in {finding['treated']} treated, fires at {finding['fires_at']}"
    return f"{finding['rule_id']} of {finding.get('arm', 'the study')}: {counts}; {', '.join(finding['subjects'])}"


def _delegation(fact: Fact) -> str:
    return f"{fact['person']}: {fact['delegated_role']} {'delegated' if fact['delegated'] else 'taken back'}"


def _expansion_opened(fact: Fact) -> str:
    return f"dose level {fact['level']}: {'; '.join('+'.join(target) for target in fact['targets'])}"


def _response_told(fact: Fact) -> str:
    return f"{fact['subject']}, {'+'.join(fact['target'])}: {fact['outcome'].replace('_', ' ')}"


def _expansion_judged(fact: Fact) -> str:
    verdict = fact["verdict"]
    first, total = verdict["stage_one"], verdict["total"]
    counts = (
        f"stage 1: {first['responses']} responses in {first['evaluable']} of {first['size']}, "
        f"in all: {total['responses']} in {total['evaluable']} of {total['size']}"
    )
    decided = f", decided: {fact['decided']}" if fact.get("decided") else ""
    return f"{'+'.join(verdict['target'])}: {verdict['action'].replace('_', ' ')}{decided}; {counts}"


def _answered(fact: Fact) -> str:
    answer = fact["answer"]
    match answer:
        case {"kind": "baseline_imaging", "baseline": baseline}:
            said = f"baseline_imaging ({baseline['assessed_on']}: {_lesions(baseline)})"
        case {"kind": "imaging", "assessment": assessment}:
            response = f", investigator says {answer['response']}" if answer.get("response") else ""
            said = f"imaging ({assessment['assessed_on']}: {_lesions(assessment)}{response})"
        case _:
            return _short(_content(fact))
    return f"task_id: {fact['task_id']}, answer: {said}"


def _lesions(assessment: Fact) -> str:
    named = [*assessment.get("targets", ()), *assessment.get("non_targets", ()), *assessment.get("new_lesions", ())]
    return ", ".join(_lesion(lesion) for lesion in named) or "no lesions"


def _lesion(lesion: Fact) -> str:
    sizes = lesion.get("diameters_mm") or [lesion.get("diameter_mm") or lesion.get("short_axis_mm")]
    length = "+".join(str(size) for size in sizes if size is not None)
    how = f"{length} mm" if length else lesion.get("status") or lesion.get("certainty") or lesion.get("state") or ""
    return f"{lesion.get('lesion') or lesion.get('id')} {how}".strip()


IN_WORDS: dict[str, Callable[[Fact], str]] = {
    "task_answered": _answered,
    "adverse_event_reported": _reported,
    "adverse_event_amended": _amended,
    "dlt_finding_made": _dlt_finding,
    "reporting_clock_started": _clock_started,
    "reporting_clock_stopped": _clock_stopped,
    "response_assessed": _response,
    "deviation_recorded": _deviation,
    "cytokine_judged": _verdict,
    "retreatment_judged": _verdict,
    "cycle_started": _cycle,
    "hold_placed": _hold,
    "hold_lifted": _hold,
    "decision_asked": _asked,
    "decided": _decided,
    "safety_received": _safety,
    "decision_reopened": _reopened,
    "stopping_rule_fired": _fired,
    "delegation_changed": _delegation,
    "expansion_opened": _expansion_opened,
    "response_received": _response_told,
    "expansion_judged": _expansion_judged,
}
"""Facts that read better as a sentence than field by field."""


# Any other fact, field by field


def _short(body: dict[Any, Any]) -> str:
    return _cut(", ".join(f"{key}: {_value(value)}" for key, value in body.items() if value not in (None, [], {})))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_DETAIL else f"{text[:LONGEST_DETAIL]}..."


def _value(value: object) -> str:
    match value:
        case dict():
            return _mapping(value)
        case list():
            return _list(value)
        case _:
            return str(value)


def _mapping(value: dict[Any, Any]) -> str:  # noqa: PLR0911 - one line for each shape
    match value:
        case {"sha256": str(digest), "id": identity, "version": version}:
            return f"{identity} {version} (sha256 {digest})"
        case {"id": identity, "title": title}:
            return f"{identity} ({title})"
        case {"type": kind, "field": place, "value": given, "rule": rule}:
            return f"{kind}: {place} = {given}: {rule}"
        case {"meaning": _, "signed_sha256": _}:
            return _signature(value)
        case {"kind": kind, **fields}:
            simple = {key: item for key, item in fields.items() if not isinstance(item, (dict, list))}
            return f"{kind} ({_short(simple)})"
        case {"outcome": outcome}:
            return str(outcome)
        case _:
            return _short(value)


def _list(value: Iterable[object]) -> str:
    items = list(value)
    nested = any(isinstance(item, (dict, list)) for item in items)
    return ("; " if nested else "+").join(_value(item) for item in items)
