"""What `make demo` prints at its end: tables of 80 columns, whose ids and hashes are never cut."""

from collections import Counter
from typing import Any

from rich.table import Table

from history.reading import FoundFact
from schemas.protocol import Protocol
from schemas.state.arm import ArmState, DecisionRecord
from schemas.state.participant import ParticipantState

SHORT_HASH = 8
"""Digits of a hash that are shown."""


def plain_table(title: str, *columns: str) -> Table:
    """Return a table without lines; text that finds no room is folded."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0), pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", header_style="dim")
    return table


def arm_table(protocol: Protocol, arm: ArmState) -> Table:
    """Return an arm's decisions: the counts, what the committee signed, and the packet that it read."""
    rp2d = f"RP2D: dose level {arm.rp2d_level}" if arm.rp2d_level else "no RP2D"
    columns = ("Cohort", "Level", "Million cells", "DLTs", "Decision: level", "Signed", "Packet")
    table = plain_table(f"\n{arm.arm}: {arm.status.value}, {rp2d}", *columns)
    cells = {level.level: level.million_cells for level in protocol.arm(arm.arm).dose_levels}
    for decision in arm.decisions:
        table.add_row(*_decision_row(decision, cells[decision.from_level]))
    return table


def _decision_row(decision: DecisionRecord, million_cells: float) -> tuple[str, ...]:
    action = decision.action.value.replace("declare_rp2d", "declare RP2D").replace("_", "-")
    return (
        str(decision.cohort),
        str(decision.from_level),
        f"{million_cells:g}",
        f"{decision.dlts} in {decision.evaluable}",
        f"{action}: {decision.level}" if decision.level else action,
        f"{decision.decided_by} {decision.decided_at:%Y-%m-%d}",
        decision.signature.signed_sha256[:SHORT_HASH] if decision.signature else "-",
    )


def expansion_line(arm: ArmState) -> str:
    """Return how many expansions an arm has opened, and who has places there."""
    given = {target: len(trial.places) for target, trial in arm.expansions.items() if trial.places}
    places = ", ".join(f"{count} in {target}" for target, count in sorted(given.items())) or "nobody yet"
    return f"{arm.arm}, Phase 2: {len(arm.expansions)} expansions open at level {arm.level}; {places}"


def safety_table(states: list[ParticipantState]) -> Table:
    """Return the events that met a criterion for a DLT, what was adjudicated, and the reports due for them."""
    title = "\nPossible dose-limiting toxicities, and the reports due for them"
    table = plain_table(title, "Event", "Criterion", "Adjudicated", "Report: due (UTC), reported")
    for state in states:
        for event, finding in state.dlt_findings.items():
            if finding.criterion is not None:
                table.add_row(
                    f"{state.subject}\n{event}", finding.criterion, _verdict(state, event), _reports(state, event)
                )
    return table


def _verdict(state: ParticipantState, event: str) -> str:
    judged = state.adjudications.get(event)
    if judged is None:
        return "open"
    return "dose-limiting" if judged.dose_limiting else "not dose-limiting"


def _reports(state: ParticipantState, event: str) -> str:
    lines = []
    for key, row in state.reports.items():
        if key.endswith(event):
            reported = f"{row.reported_at:%Y-%m-%d %H:%M}" if row.reported_at else "not yet"
            lines.append(f"{row.due.kind.value}: {row.due.due_at:%Y-%m-%d %H:%M}, {reported}")
    return "\n".join(lines)


def ends_table(states: list[ParticipantState]) -> Table:
    """Return how many participations ended how, and for which reasons."""
    table = plain_table("\nHow participation ended", "Final state", "Number", "Reasons")
    ends = Counter(str(state.disposition) for state in states)
    for disposition, count in sorted(ends.items()):
        reasons = {state.disposition_reason or "" for state in states if str(state.disposition) == disposition}
        table.add_row(disposition, str(count), "\n".join(sorted(reasons)))
    return table


def timeline(state: ParticipantState, facts: list[FoundFact]) -> Table:
    """Return what happened to a participant, but for the tasks that opened."""
    table = plain_table(f"\n{state.subject}: {state.disposition}", "When (UTC)", "What", "Why")
    table.columns[1].no_wrap = True
    for found in facts:
        fact = found.fact
        if fact["kind"] != "task_opened":
            table.add_row(str(fact["at"])[:16].replace("T", " "), _what(fact), _why(fact))
    return table


def _what(fact: dict[str, Any]) -> str:
    kind = fact["kind"].replace("_", " ")
    line = kind if fact["who"] == "system" else f"{kind}, {fact['who']}"
    return f"{line}\n{_step(fact)}".strip()


def _why(fact: dict[str, Any]) -> str:
    # Why a task was answered is its step, which stands beside it.
    return "" if fact["kind"] == "task_answered" else str(fact["why"])


def _step(fact: dict[str, Any]) -> str:
    return str(fact.get("task_id", "")).partition(":")[2]
