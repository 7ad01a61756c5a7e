"""
The stopping rules' input, from participants' safety summaries, and which of their findings are new.

A finding holds its arm or the study until the committee lifts the hold by a signed decision. The rule does not fire
again on the findings that the committee knew, and does on any further one (docs/domain.md, section 3).
"""

from collections.abc import Iterable, Sequence
from datetime import date

from decisions.stopping.rules import fired
from schemas.safety.adverse_events import FATAL
from schemas.safety.summary import FiredRule, ReportedEvent, SafetySummary
from schemas.state.arm import ArmState
from schemas.state.study import StudyState
from schemas.stopping.rules import Phase, SafetyEvent, SafetyRecord, StoppingFinding, StoppingRules, StoppingScope

# Records


def record_of(summary: SafetySummary, arm: str, phase: Phase) -> SafetyRecord:
    """Return the record of a participant for the rules, from the participant's summary."""
    days = [dose.infused_on for dose in summary.infusions]
    return SafetyRecord(
        subject=summary.subject,
        arm=arm,
        treated=bool(days),
        phase=phase,
        last_infusion_on=max(days, default=None),
        events=tuple(_event(event) for event in summary.events),
    )


def _event(event: ReportedEvent) -> SafetyEvent:
    return SafetyEvent(
        event_id=event.event_id,
        term=event.term,
        category=event.category,
        grade=_grade(event),
        related=event.related,
        onset_on=event.onset_on,
        ended_on=event.ended_on,
        fatal=event.fatal is True or event.grade == FATAL,
    )


def _grade(event: ReportedEvent) -> int:
    # Until the grade query is answered the higher grade counts; only a report makes a death.
    computed = min(event.computed_grade or 0, FATAL - 1)
    return max(event.grade, computed)


def phase_of(state: ArmState, subject: str) -> Phase:
    """Return the phase in which the arm gave the subject a place: 2 once it has one in the expansion, 1 before."""
    in_expansion = any(place.subject == subject for held in state.expansions.values() for place in held.places)
    return 2 if in_expansion else 1


def arm_records(state: ArmState) -> tuple[SafetyRecord, ...]:
    """
    Return a record for everybody of the arm who was dosed or has a summary, in the order of subjects.

    Rates are of the treated: a dosed participant counts from the first dose on, with or without a summary.
    """
    reported = {
        subject: record_of(summary, state.arm, phase_of(state, subject)) for subject, summary in state.summaries.items()
    }
    dosed = {
        subject: _treated(state, subject, infused_on, reported.get(subject))
        for subject, infused_on in _first_doses(state)
    }
    return tuple(record for _, record in sorted((reported | dosed).items()))


def _first_doses(state: ArmState) -> Iterable[tuple[str, date]]:
    given = [(slot.subject, slot.first_infused_on) for slot in state.slots]
    given += [(place.subject, place.first_infused_on) for held in state.expansions.values() for place in held.places]
    return ((subject, infused_on) for subject, infused_on in given if infused_on is not None)


def _treated(state: ArmState, subject: str, infused_on: date, reported: SafetyRecord | None) -> SafetyRecord:
    if reported is not None and reported.treated:
        return reported
    known = reported or SafetyRecord(subject=subject, arm=state.arm, treated=True, phase=phase_of(state, subject))
    return known.model_copy(update={"treated": True, "last_infusion_on": infused_on})


# New findings


def arm_findings(rules: StoppingRules, state: ArmState) -> tuple[StoppingFinding, ...]:
    """Return the new findings of the arm's rules."""
    found = fired(rules, arm_records(state), StoppingScope.ARM, state.arm)
    return tuple(finding for finding in found if is_new(finding, state.fired))


def study_findings(rules: StoppingRules, state: StudyState) -> tuple[StoppingFinding, ...]:
    """Return the new findings of the study's rules."""
    found = fired(rules, tuple(state.safety.values()), StoppingScope.STUDY)
    return tuple(finding for finding in found if is_new(finding, state.fired))


def is_new(finding: StoppingFinding, earlier: Sequence[FiredRule]) -> bool:
    """
    Return whether a finding goes beyond the rule's earlier ones: a higher count, or a participant not counted yet.

    More treated participants alone are not enough, since they make a rate smaller; nor is a count that has fallen.
    """
    same = [rule for rule in earlier if (rule.rule, rule.arm) == (finding.rule_id, finding.arm)]
    highest = max((rule.count or 0 for rule in same), default=0)
    counted = {subject for rule in same for subject in rule.subjects or ()}
    return finding.count > highest or not set(finding.subjects) <= counted


def fired_rule(finding: StoppingFinding, on: date) -> FiredRule:
    """Return the finding as it is kept and shown; `on` is the day on which the rule fired."""
    return FiredRule(
        rule=finding.rule_id,
        why=finding.why,
        fired_on=on,
        arm=finding.arm,
        count=finding.count,
        subjects=finding.subjects,
    )
