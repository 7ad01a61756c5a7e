"""What the `trial` command shows of arms, the committee's packet, and the study."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cli.output import say, table, when

if TYPE_CHECKING:
    from schemas.dose.packet import PacketWithHash, ParticipantEvent
    from schemas.protocol import Protocol
    from schemas.safety.summary import Finding, FiredRule
    from schemas.state.arm import ArmState, DecisionRecord, LevelTally, Recommendation
    from schemas.state.study import StudyState

# Imports of Temporal, pydantic and our own rooms stand inside functions: `trial --help` and completion must answer at
# once.
# ruff: noqa: PLC0415

SHORT_HASH = 8
"""Digits of a hash where it need not be typed again."""


def show_arm(state: "ArmState", protocol: "Protocol", counts: "Sequence[LevelTally]") -> None:
    """Show an arm: dose escalation, what was put in question, and Phase 2."""
    rp2d = f"; RP2D: level {state.rp2d_level}" if state.rp2d_level else ""
    say(f"{state.arm}: {state.status}, {_phase(state)}, level {state.level}, cohort {state.cohort}{rp2d}")
    say(f"waiting for a slot: {', '.join(state.queue) or 'nobody'}; holds: {', '.join(state.holds) or 'none'}")
    if protocol.signatures is not None:
        say(f"may sign for the committee: {', '.join(state.signers) or 'nobody yet: see `trial study delegate`'}")
    doses = [dose.million_cells for dose in protocol.arm(state.arm).dose_levels]
    levels = [
        (each.level, dose, each.treated, each.evaluable, each.dlts, each.pending)
        for each, dose in zip(counts, doses, strict=True)
    ]
    table("", ("Level", "Million cells", "Treated", "Evaluable", "DLTs", "Pending"), levels)
    if state.recommendation:
        say(f"the rule recommends: {_advice(state.recommendation)}\n")
    if state.review_due:
        cohorts = ", ".join(str(cohort) for cohort in state.reviewing)
        say(f"under review: the decision on cohort {cohorts}; nobody gets a slot until the committee has decided\n")
    _show_findings("Reopened decisions", state.reopened)
    show_fired(state.fired)
    _show_expansions(state, protocol)
    _show_decisions(state)


def _phase(state: "ArmState") -> str:
    return "Phase 2" if state.expansions else "Phase 1"


def _show_decisions(state: "ArmState") -> None:
    if not state.decisions:
        return
    rows = [
        (
            d.cohort,
            d.from_level,
            _decision(d.action, d.level),
            "the same" if d.action is d.recommended else _decision(d.recommended, None),
            f"{d.decided_by}\n{when(d.decided_at)}{_signed(d)}",
            d.reason,
        )
        for d in state.decisions
    ]
    table("Decisions", ("Cohort", "Level", "Decision", "Rule said", "Who, when (UTC)", "Reason"), rows)


def _advice(advice: "Recommendation") -> str:
    direction = "to" if "escalate" in advice.action else "at"
    level = f" {direction} level {advice.level}" if advice.level else ""
    return f"{_decision(advice.action, None)}{level}, since {advice.why}"


def _decision(action: str, level: int | None) -> str:
    words = {"declare_rp2d": "declare RP2D", "de_escalate": "de-escalate"}.get(action, action)
    return f"{words}\nlevel {level}" if level else words


def _signed(decision: "DecisionRecord") -> str:
    signature = decision.signature
    return f"\n{signature.meaning} {signature.signed_sha256[:SHORT_HASH]}" if signature else ""


def _show_findings(title: str, findings: "Sequence[Finding]") -> None:
    if findings:
        rows = [(found.cohort, found.about, found.known_then, found.known_now) for found in findings]
        table(title, ("Cohort", "About", "Known then", "Known now"), rows)


def show_fired(fired: "Sequence[FiredRule]") -> None:
    """Show the stopping rules that have fired."""
    if fired:
        rows = [(rule.rule, rule.fired_on, rule.arm or "study", rule.why) for rule in fired]
        table("Stopping rules that fired", ("Rule", "On", "Of", "Why"), rows)


def _show_expansions(state: "ArmState", protocol: "Protocol") -> None:
    if not state.expansions:
        return
    rows = [
        (
            "+".join(expansion.target),
            expansion.stage,
            *_evaluable(state, name),
            expansion.decided,
            state.verdicts[name].why if name in state.verdicts else "",
        )
        for name, expansion in state.expansions.items()
        if expansion.places or name in state.verdicts
    ]
    idle = [name for name, expansion in state.expansions.items() if not (expansion.places or name in state.verdicts)]
    columns = ("Target", "Stage", "Places", "Evaluable", "Responses", "Pending", "Verdict", "Why")
    design = protocol.expansion
    size = f" (stage 1: {design.stage_one_size}, in all: {design.total_size} evaluable)" if design else ""
    if rows:
        table(f"Phase 2, by target{size}", columns, rows)
    if idle:
        say(f"Phase 2 is open, and nobody has a place yet: {', '.join(idle)}\n")


def _evaluable(state: "ArmState", name: str) -> tuple[int, int, int, int]:
    from schemas.phase_two.expansion import ResponseStatus

    statuses = [place.status for place in state.expansions[name].places]
    responses = statuses.count(ResponseStatus.RESPONDER)
    evaluable = responses + statuses.count(ResponseStatus.NON_RESPONDER)
    pending = statuses.count(ResponseStatus.GIVEN) + statuses.count(ResponseStatus.DOSED)
    return len(statuses), evaluable, responses, pending


# ---------------------------------------------------------------------- the packet


def show_packet(told: "PacketWithHash") -> None:
    """Show the packet in short, and its hash; the page and the PDF hold all of it."""
    packet = told.packet
    say(f"Safety review: arm {packet.arm}, cohort {packet.cohort}, dose level {packet.level}, {packet.phase}")
    say(f"data until {packet.data_until or 'nobody was seen yet'}; holds: {', '.join(packet.holds) or 'none'}")
    say(f"the rule recommends: {_advice(packet.recommendation)}")
    if packet.awaited:
        say(f"not in this packet, though dosed: {', '.join(packet.awaited)}")
    levels = [
        (level.level, level.million_cells, t.treated, t.evaluable, t.dlts, t.pending)
        for level in packet.levels
        for t in (level.tally,)
    ]
    table("", ("Level", "Million cells", "Treated", "Evaluable", "DLTs", "Pending"), levels)
    changes = [
        (each.change.replace("_", " "), each.action, each.level, each.why) for each in packet.what_would_change_it
    ]
    if changes:
        table("What would change it", ("If", "The rule would say", "Level", "Since"), changes)
    _show_packet_events("Dose-limiting toxicities and candidates", packet.dose_limiting)
    _show_packet_events("All events of grade 3 and above", packet.severe_events)
    _show_findings("Reopened decisions", packet.reopened)
    show_fired(packet.fired)
    say(f"sha256 {told.sha256}")
    say(
        f"sign it with: trial arm decide {packet.arm} --cohort {packet.cohort} --action ... --sign --packet-sha256 HASH"
    )


def _show_packet_events(title: str, events: "Iterable[ParticipantEvent]") -> None:
    rows = [
        (
            found.subject,
            found.event.event_id,
            found.event.term,
            _grade(found),
            found.day,
            "yes" if found.event.related else "no",
            "yes" if found.event.serious else "no",
            "" if found.event.dlt == "none" else f"{found.event.dlt}\n{found.event.dlt_criterion or ''}".strip(),
        )
        for found in events
    ]
    if rows:
        columns = ("Participant", "Event", "Term", "Grade", "Day", "Related", "Serious", "DLT")
        table(title, columns, rows)


def _grade(found: "ParticipantEvent") -> str:
    reported, computed = found.event.grade, found.event.computed_grade
    return str(reported) if computed in (None, reported) else f"{reported} (rules: {computed})"


# ---------------------------------------------------------------------- the study


def show_study(state: "StudyState") -> None:
    """Show a study: protocol, arms, holds with the hash that a lift signs, delegations."""
    protocol, holds = state.protocol, ", ".join(state.holds) or "none"
    say(f"{state.study}: protocol {protocol.id} {protocol.version} (sha256 {protocol.sha256})")
    say(f"participants: {len(state.active)} on study, {len(state.ended)} ended; holds: {holds}")
    rows = [
        (
            arm.arm,
            arm.phase,
            arm.decisions,
            arm.last_action,
            arm.level,
            "closed" if arm.closed else "open",
            arm.rp2d_level,
        )
        for arm in state.arms.values()
    ]
    table("Arms", ("Arm", "Phase", "Decisions", "Last decision", "Level", "Slots", "RP2D level"), rows)
    _show_holds(state)
    show_fired(state.fired)
    if state.delegations:
        people = [(person, ", ".join(roles)) for person, roles in sorted(state.delegations.items()) if roles]
        table("Delegations", ("Person", "Roles"), people)


def _show_holds(state: "StudyState") -> None:
    from decisions.stopping.holds import hold_sha256

    records = [(scope, state.hold_records[scope]) for scope in state.holds if scope in state.hold_records]
    if not records:
        return
    rows = [(scope, f"{hold.placed_by}\n{when(hold.placed_at)}", hold.rule, hold.why) for scope, hold in records]
    table("Holds", ("On", "By, when (UTC)", "Stopping rule", "Why"), rows)
    for scope, hold in records:
        arm = "" if scope == "study" else f" --arm {scope}"
        say(f"to lift it: trial study lift{arm} --reason ... --sign \\\n  --hold-sha256 {hold_sha256(hold)}")
