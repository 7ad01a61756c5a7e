"""The packet in words and drawings, in the order of reading: the page and the PDF are set from it."""

from dataclasses import dataclass

from cli.packet.courses_chart import draw_courses
from cli.packet.drawing import DLT_WORDS, Chart
from cli.packet.levels_chart import draw_levels
from cli.packet.tables import (
    Table,
    decisions_table,
    dose_limiting_table,
    fired_table,
    levels_table,
    participants_table,
    reopened_table,
    severe_table,
    what_if_table,
)
from cli.packet.words import day_words, decision_words, dose_words, grade, sentence, study_day
from schemas.dose.packet import SafetyPacket


@dataclass(frozen=True)
class View:
    """The packet in words and drawings, in the order of reading."""

    title: str
    subtitle: str
    facts: tuple[tuple[str, str], ...]
    sha256: str
    notices: tuple[str, ...]
    headline: str
    why: str
    what_if: Table
    levels: Chart
    courses: tuple[Chart, ...]
    level_table: Table
    tables: tuple[Table, ...]


def view_of(packet: SafetyPacket, sha256: str) -> View:
    """Put the packet into words and drawings."""
    advice = packet.recommendation
    return View(
        title=f"Safety review: arm {packet.arm}, cohort {packet.cohort}",
        subtitle=f"Dose level {packet.level}: {dose_words(packet, packet.level)}",
        facts=_facts(packet),
        sha256=sha256,
        notices=_notices(packet),
        headline=decision_words(packet, advice.action, advice.level),
        why=sentence(advice.why),
        what_if=what_if_table(packet),
        levels=draw_levels(packet),
        courses=tuple(draw_courses(packet)),
        level_table=levels_table(packet),
        tables=(
            dose_limiting_table(packet),
            severe_table(packet),
            participants_table(packet),
            *([reopened_table(packet)] if packet.reopened else []),
            *([fired_table(packet)] if packet.fired else []),
            decisions_table(packet),
        ),
    )


def _facts(packet: SafetyPacket) -> tuple[tuple[str, str], ...]:
    protocol = packet.protocol
    window = "not given" if packet.dlt_window_days is None else f"day 0 to {packet.dlt_window_days}, both included"
    return (
        ("Study", f"{packet.study}, {packet.phase}"),
        ("Data until", day_words(packet.data_until) or "nobody seen yet"),
        ("Protocol", f"{protocol.id} {protocol.version}"),
        ("DLT window", window),
        ("Protocol sha256", protocol.sha256),
    )


def _notices(packet: SafetyPacket) -> tuple[str, ...]:
    candidates = (
        f"Open {DLT_WORDS[found.event.dlt]}: {found.subject}, {found.event.term}, grade {grade(found)}, "
        f"{study_day(found.day)}. It is not yet counted as a DLT."
        for found in packet.open_candidates
    )
    awaited = f"Not in this packet, though dosed: {', '.join(packet.awaited)}. Their data have not arrived."
    return (
        *candidates,
        *((awaited,) if packet.awaited else ()),
        *(f"On hold: {scope}." for scope in packet.holds),
        *(f"Stopping rule fired: {rule.rule}. {sentence(rule.why)}" for rule in packet.fired),
        *(f"Cohort {found.cohort} was reopened: {found.about}." for found in packet.reopened),
    )
