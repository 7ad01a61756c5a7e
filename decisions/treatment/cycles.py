"""Further cycles of one participant: the record they are judged by, and how they fit between two visits."""

from datetime import date, timedelta
from typing import NamedTuple

from decisions.dlt.status import dlt_status_of, open_events
from decisions.response.imaging import progressed_on, responses_on
from decisions.safety.event_ids import event_id
from decisions.treatment.readiness import CYCLE
from decisions.treatment.retreatment import needs_lymphodepletion
from schemas.dlt.outcome import DltStatus
from schemas.protocol import Protocol
from schemas.safety.adverse_events import AdverseEvent
from schemas.safety.summary import EventDlt
from schemas.state.participant import ParticipantState
from schemas.treatment.support import RetreatmentRules, SupportState, SupportVerdict, TreatmentRecord


class CyclePlan(NamedTuple):
    """The planned day of a cycle's first infusion, whether lymphodepletion comes before it, and why."""

    day_zero: date
    lymphodepletion: bool
    why: str


def treatment_record(
    state: ParticipantState, units_available: int, lowest_toxic_level: int | None = None
) -> TreatmentRecord:
    """Return what is known of a participant when a further cycle is considered."""
    return TreatmentRecord(
        cycles_given=state.cycles,
        level=1 if state.slot is None else state.slot.level,
        last_infusion_on=last_infusion_on(state),
        responses=responses_on(state),
        progressed=progressed_on(state) is not None,
        dlt=None if state.dlt is None else state.dlt is DltStatus.DLT,
        events=_events(state),
        treatment_stopped=state.treatment_stopped,
        holds=(*state.holds, *(f"{event} may be dose-limiting" for event in open_events(state))),
        units_available=units_available,
        lowest_toxic_level=lowest_toxic_level,
    )


def _events(state: ParticipantState) -> tuple[AdverseEvent, ...]:
    # Once an event was judged by the rule, its DLT status counts, and no longer the reporter's own judgement.
    return tuple(
        event.model_copy(update={"dlt": dlt_status_of(state, name) is EventDlt.CONFIRMED})
        if (name := event_id(number)) in state.dlt_findings
        else event
        for number, event in enumerate(state.adverse_events, start=1)
    )


def last_infusion_on(state: ParticipantState) -> date | None:
    """Return the day of the latest infusion, as the site wrote it."""
    return max((infusion.started_at.date() for infusion in state.infusions), default=None)


def may_be_judged(state: ParticipantState) -> bool:
    """
    Return whether a further cycle is to be considered now.

    Not before a tumour assessment since the last infusion, nor after a refusal by the site or a verdict of never.
    """
    last = last_infusion_on(state)
    final = state.retreatment is not None and state.retreatment.state is SupportState.NEVER
    if last is None or final or state.retreatment_accepted is False:
        return False
    return any(day >= last for day in state.imaging_on.values())


def cycle_under_way(rules: RetreatmentRules, state: ParticipantState) -> int | None:
    """Return the further cycle that has begun and is not over: an infusion is to come, or a unit to go back."""
    if state.cycles == 0:
        return None
    steps = [cycle_step(state.cycles, f"infusion-{number}") for number in range(1, len(rules.infusion_days) + 1)]
    over = all(step in state.infusion_steps or step in state.skipped for step in steps)
    return None if over and not state.units else state.cycles


def cycle_starts_on(protocol: Protocol, state: ParticipantState) -> date:
    """Return the day of the cycle's first infusion: as given, else moved with a late lymphodepletion, else planned."""
    if state.cycle_day_zero is None:
        raise ValueError("no further cycle has begun")
    given = cycle_step(state.cycles, "infusion-1") in state.infusion_steps
    if given or state.cycle_depleted_on is None:
        return state.cycle_day_zero
    return state.cycle_depleted_on - timedelta(days=protocol.lymphodepletion.days[0])


def same_verdict(earlier: SupportVerdict | None, verdict: SupportVerdict) -> bool:
    """Return whether a verdict is the earlier one, but for the day of the judgement."""
    return earlier is not None and (earlier.state, earlier.reasons) == (verdict.state, verdict.reasons)


def longest_days(protocol: Protocol, rules: RetreatmentRules) -> int:
    """
    Return for how many days at most a cycle is under way, from its acceptance to the close of its last window.

    Shipping, lymphodepletion and infusions, each with its window, as before the first infusion.
    """
    rule = protocol.lymphodepletion
    before = rule.earliest_days_after_reservation - rule.days[0] + rule.window_after_days
    return before + rules.infusion_days[-1] + protocol.infusions.window_after_days + 1


def offer_closes_on(
    protocol: Protocol, rules: RetreatmentRules, state: ParticipantState, next_opens: date, next_closes: date
) -> date:
    """
    Return the day at whose beginning an offer ends unanswered, before the visit whose window is given.

    The cycle runs between two visits: it must be over while the next visit's window is open (`next_closes` is the day
    after its last day), and begin within `maximum_days_since_last_infusion`.
    """
    fits_until = min(next_opens, next_closes - timedelta(days=longest_days(protocol, rules)))
    last = last_infusion_on(state)
    if last is None:
        return fits_until
    return min(fits_until, last + timedelta(days=rules.maximum_days_since_last_infusion + 1))


def plan_cycle(protocol: Protocol, rules: RetreatmentRules, state: ParticipantState, today: date) -> CyclePlan:
    """Plan a cycle whose units are reserved today; lymphodepletion is repeated if the last one was too long ago."""
    rule = protocol.lymphodepletion
    ships_until = today + timedelta(days=rule.earliest_days_after_reservation)
    last = max(state.lymphodepletion_on, default=None)
    repeated, why = needs_lymphodepletion(rules, last, ships_until)
    if not repeated:
        return CyclePlan(ships_until, lymphodepletion=False, why=f"lymphodepletion is not repeated: {why}")
    day_zero = ships_until - timedelta(days=rule.days[0])
    return CyclePlan(day_zero, lymphodepletion=True, why=f"lymphodepletion is repeated: {why}")


def last_window_on(protocol: Protocol, rules: RetreatmentRules, day_zero: date) -> date:
    """Return the last day on which a cycle's last infusion may be given: its units must not expire before."""
    late = protocol.lymphodepletion.window_after_days + protocol.infusions.window_after_days
    return day_zero + timedelta(days=rules.infusion_days[-1] + late)


def cycle_step(cycle: int, step: str) -> str:
    """Return the name of a step in a further cycle: 'cycle-1-infusion-1'."""
    return f"{CYCLE}{cycle}-{step}"


def cycle_in_words(step: str) -> str:
    """Return ' of cycle 1' for a step of a further cycle, and nothing for one of the planned infusions."""
    return f" of cycle {step.removeprefix(CYCLE).partition('-')[0]}" if step.startswith(CYCLE) else ""
