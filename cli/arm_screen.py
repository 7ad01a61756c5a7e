"""An arm on the screen: dose escalation, the committee's decisions, and Phase 2."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.output import say, when
from cli.stopping_screen import show_fired, show_reopened
from cli.tables import table

if TYPE_CHECKING:
    from schemas.protocol import Protocol
    from schemas.state.arm import ArmState, DecisionRecord, LevelTally, Recommendation

SHORT_HASH = 8
"""Digits of a hash where it need not be typed again."""


def show_arm(state: "ArmState", protocol: "Protocol", counts: "Sequence[LevelTally]") -> None:
    """Show an arm: dose escalation, what was put in question, and Phase 2."""
    rp2d = f"; RP2D: level {state.rp2d_level}" if state.rp2d_level else ""
    phase = "Phase 2" if state.expansions else "Phase 1"
    say(f"{state.arm}: {state.status}, {phase}, level {state.level}, cohort {state.cohort}{rp2d}")
    say(f"waiting for a slot: {', '.join(state.queue) or 'nobody'}; holds: {', '.join(state.holds) or 'none'}")
    if protocol.signatures is not None:
        say(f"may sign for the committee: {', '.join(state.signers) or 'nobody yet: see `trial study delegate`'}")
    say("")
    show_levels(counts, [dose.million_cells for dose in protocol.arm(state.arm).dose_levels])
    if state.recommendation:
        say(f"the rule recommends: {advice_words(state.recommendation)}\n")
    if state.review_due:
        cohorts = ", ".join(str(cohort) for cohort in state.reviewing)
        say(f"under review: the decision on cohort {cohorts}; nobody gets a slot until the committee has decided\n")
    show_reopened(state.reopened)
    show_fired(state.fired)
    _show_expansions(state, protocol)
    _show_decisions(state)


def show_levels(counts: "Sequence[LevelTally]", doses: Sequence[float]) -> None:
    """Show how many were treated at each dose level, and how it went."""
    rows = [
        (each.level, dose, each.treated, each.evaluable, each.dlts, each.pending)
        for each, dose in zip(counts, doses, strict=True)
    ]
    table("", ("Level", "Million cells", "Treated", "Evaluable", "DLTs", "Pending"), rows)


def advice_words(advice: "Recommendation") -> str:
    """Return what the rule recommends, and why."""
    direction = "to" if "escalate" in advice.action else "at"
    level = f" {direction} level {advice.level}" if advice.level else ""
    return f"{_action_words(advice.action)}{level}, since {advice.why}"


def _action_words(action: str, level: int | None = None) -> str:
    words = {"declare_rp2d": "declare RP2D", "de_escalate": "de-escalate"}.get(action, action)
    return f"{words}\nlevel {level}" if level else words


def _show_decisions(state: "ArmState") -> None:
    if state.decisions:
        columns = ("Cohort", "Level", "Decision", "Rule advised", "Who, when (UTC)", "Reason")
        table("Decisions", columns, [_decision_row(decision) for decision in state.decisions])


def _decision_row(decision: "DecisionRecord") -> tuple[object, ...]:
    signature = decision.signature
    signed = f"\n{signature.meaning} {signature.signed_sha256[:SHORT_HASH]}" if signature else ""
    return (
        decision.cohort,
        decision.from_level,
        _action_words(decision.action, decision.level),
        "the same" if decision.action is decision.recommended else _action_words(decision.recommended),
        f"{decision.decided_by}\n{when(decision.decided_at)}{signed}",
        decision.reason,
    )


def _show_expansions(state: "ArmState", protocol: "Protocol") -> None:
    if not state.expansions:
        return
    begun = [name for name, found in state.expansions.items() if found.places or name in state.verdicts]
    idle = [name for name in state.expansions if name not in begun]
    design = protocol.expansion
    size = f" (stage 1: {design.stage_one_size}, in all: {design.total_size} evaluable)" if design else ""
    if begun:
        columns = ("Target", "Stage", "Places", "Responses", "Verdict", "Why")
        table(f"Phase 2, by target{size}", columns, [_expansion_row(state, name) for name in begun])
    if idle:
        say(f"Phase 2 is open, and nobody has a place yet: {', '.join(idle)}\n")


def _expansion_row(state: "ArmState", name: str) -> tuple[object, ...]:
    from schemas.phase_two.expansion import ResponseStatus  # noqa: PLC0415 - slow to load

    expansion = state.expansions[name]
    statuses = [place.status for place in expansion.places]
    responses = statuses.count(ResponseStatus.RESPONDER)
    evaluable = responses + statuses.count(ResponseStatus.NON_RESPONDER)
    pending = statuses.count(ResponseStatus.GIVEN) + statuses.count(ResponseStatus.DOSED)
    return (
        "+".join(expansion.target),
        expansion.stage,
        len(statuses),
        f"{responses} in {evaluable} evaluable, {pending} pending",
        expansion.decided,
        state.verdicts[name].why if name in state.verdicts else "",
    )
