"""
The safety review packet as people read it: one page of HTML, or a PDF to file and sign.

Both are set from the same view, so they say the same. Nothing is fetched from elsewhere, no clock is read, and what
stands in the packet is text: none of it can become markup.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import assert_never

import typst
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cli.packet_charts import DLT_WORDS, Chart, draw_courses, draw_levels
from schemas.commands.commands import DecisionAction
from schemas.dlt.outcome import DltStatus
from schemas.dose.packet import Hypothetical, ParticipantEvent, SafetyPacket, WhatIf
from schemas.safety.summary import EventDlt, SafetySummary

HERE = Path(__file__).parent
HTML_TEMPLATE = "starter_packet.html.j2"
PDF_TEMPLATE = "starter_packet.typ"

PART_WORDS = {
    DltStatus.DLT: "DLT",
    DltStatus.NO_DLT: "evaluable, no DLT",
    DltStatus.NOT_EVALUABLE: "not evaluable",
    None: "pending",
}
CHANGE_WORDS = {
    WhatIf.ONE_MORE_DLT: "one more participant had a DLT",
    WhatIf.ONE_DLT_FEWER: "one DLT fewer had been confirmed",
    WhatIf.ONE_NOT_EVALUABLE: "one participant were not evaluable",
}


@dataclass(frozen=True)
class Table:
    """A table's title, columns with their relative widths, and rows; `empty` is said where there are none."""

    title: str
    columns: tuple[str, ...]
    widths: tuple[float, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "None."
    note: str = ""


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


def render_html(packet: SafetyPacket, sha256: str) -> str:
    """Render the packet as one HTML page that needs nothing else."""
    templates = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return templates.get_template(HTML_TEMPLATE).render(view=view_of(packet, sha256))


def render_pdf(packet: SafetyPacket, sha256: str) -> bytes:
    """Render the packet as an accessible PDF (ISO 14289-1, PDF/UA-1); the same packet gives the same bytes."""
    inputs = {"view": json.dumps(asdict(view_of(packet, sha256)), ensure_ascii=False)}
    template = HERE / PDF_TEMPLATE
    try:
        return typst.compile(template, sys_inputs=inputs, pdf_standards=["ua-1"])
    except typst.TypstError:
        # The standard wants every letter drawn. Without a font for one, a readable PDF is better than none.
        return typst.compile(template, sys_inputs=inputs)


def view_of(packet: SafetyPacket, sha256: str) -> View:
    """Put the packet into words and drawings."""
    advice = packet.recommendation
    return View(
        title=f"Safety review: arm {packet.arm}, cohort {packet.cohort}",
        subtitle=f"Dose level {packet.level}: {_dose(packet, packet.level)}",
        facts=_facts(packet),
        sha256=sha256,
        notices=_notices(packet),
        headline=_decision(packet, advice.action, advice.level),
        why=_sentence(advice.why),
        what_if=_what_if(packet),
        levels=draw_levels(packet),
        courses=tuple(draw_courses(packet)),
        level_table=_levels(packet),
        tables=(
            _dose_limiting(packet),
            _severe(packet),
            _participants(packet),
            *([_reopened(packet)] if packet.reopened else []),
            *([_fired(packet)] if packet.fired else []),
            _decisions(packet),
        ),
    )


# The head


def _facts(packet: SafetyPacket) -> tuple[tuple[str, str], ...]:
    protocol = packet.protocol
    window = "not given" if packet.dlt_window_days is None else f"day 0 to {packet.dlt_window_days}, both included"
    return (
        ("Study", f"{packet.study}, {packet.phase}"),
        ("Data until", _day(packet.data_until) or "nobody seen yet"),
        ("Protocol", f"{protocol.id} {protocol.version}"),
        ("DLT window", window),
        ("Protocol sha256", protocol.sha256),
    )


def _notices(packet: SafetyPacket) -> tuple[str, ...]:
    candidates = (
        f"Open {DLT_WORDS[found.event.dlt]}: {found.subject}, {found.event.term}, grade {_grade(found)}, "
        f"{_study_day(found.day)}. It is not yet counted as a DLT."
        for found in packet.open_candidates
    )
    awaited = f"Not in this packet, though dosed: {', '.join(packet.awaited)}. Their data have not arrived."
    return (
        *candidates,
        *((awaited,) if packet.awaited else ()),
        *(f"On hold: {scope}." for scope in packet.holds),
        *(f"Stopping rule fired: {rule.rule}. {_sentence(rule.why)}" for rule in packet.fired),
        *(f"Cohort {found.cohort} was reopened: {found.about}." for found in packet.reopened),
    )


def _decision(packet: SafetyPacket, action: DecisionAction, level: int | None) -> str:
    dose = "" if level is None else f"level {level} ({_dose(packet, level)})"
    match action:
        case DecisionAction.ESCALATE:
            return f"Escalate to {dose}"
        case DecisionAction.EXPAND:
            return f"Expand {dose}"
        case DecisionAction.STAY:
            return f"Stay at {dose}"
        case DecisionAction.DE_ESCALATE:
            return f"De-escalate to {dose}"
        case DecisionAction.STOP:
            return "Stop the arm"
        case DecisionAction.DECLARE_RP2D:
            return f"Declare {dose} the recommended Phase 2 dose (RP2D)"
        case _:
            assert_never(action)


def _what_if(packet: SafetyPacket) -> Table:
    rows = tuple(_what_if_row(packet, supposed) for supposed in packet.what_would_change_it)
    return Table(
        title="What would change it",
        columns=("If", "Counts would be", "The rule would say", "Since"),
        widths=(2.3, 1.7, 3.2, 3.8),
        rows=rows,
        empty="Nobody at this level has an outcome that could be another.",
    )


def _what_if_row(packet: SafetyPacket, supposed: Hypothetical) -> tuple[str, ...]:
    said = _decision(packet, supposed.action, supposed.level)
    counts = f"{_dlts(supposed.tally.dlts)} in {supposed.tally.evaluable} evaluable"
    return (CHANGE_WORDS[supposed.change], counts, said if supposed.differs else f"No change: {said}", supposed.why)


# The tables


def _levels(packet: SafetyPacket) -> Table:
    rules = packet.rules
    rp2d = "an RP2D needs the larger cohort" if rules.require_expanded_cohort_for_rp2d else "a clean cohort may be RP2D"
    rows = (
        (
            f"{level.level} (this cohort)" if level.level == packet.level else str(level.level),
            f"{level.million_cells:g}",
            str(level.tally.treated),
            str(level.tally.evaluable),
            str(level.tally.dlts),
            str(level.tally.pending),
        )
        for level in packet.levels
    )
    return Table(
        title="Dose levels",
        columns=("Level", "Million cells per infusion", "Treated", "Evaluable", "DLTs", "Pending"),
        widths=(2, 2.5, 1, 1, 1, 1),
        rows=tuple(rows),
        note=f"3+3 with cohorts of {rules.cohort_size}, expanded to {rules.expanded_size}; "
        f"a level is toxic at {_dlts(rules.toxic_at_dlts)}; {rp2d}.",
    )


def _dose_limiting(packet: SafetyPacket) -> Table:
    rows = (
        (
            found.subject,
            _place(found.cohort, found.level),
            found.event.term,
            _grade(found),
            _period(found),
            DLT_WORDS[found.event.dlt],
            found.event.dlt_criterion or "",
            _reference(found),
        )
        for found in packet.dose_limiting
    )
    return Table(
        title="Dose-limiting toxicities and candidates",
        columns=("Participant", "Cohort, level", "Event", "Grade", "Onset and end", "Status", "Criterion", "Record"),
        widths=(1.5, 1.2, 2.3, 1, 2.2, 1.4, 2.6, 1.2),
        rows=tuple(rows),
        empty="No dose-limiting toxicity, and no candidate.",
    )


def _severe(packet: SafetyPacket) -> Table:
    rows = (
        (
            found.subject,
            _place(found.cohort, found.level),
            f"{found.event.term} ({_words(found.event.category)})",
            _grade(found),
            _period(found),
            "yes" if found.event.related else "no",
            "yes" if found.event.serious else "no",
            "" if found.event.dlt is EventDlt.NONE else DLT_WORDS[found.event.dlt],
            _reference(found),
        )
        for found in packet.severe_events
    )
    return Table(
        title="All events of grade 3 and above",
        columns=(
            "Participant",
            "Cohort, level",
            "Event (category)",
            "Grade",
            "Onset and end",
            "Related",
            "Serious",
            "DLT",
            "Record",
        ),
        widths=(1.5, 1.2, 2.8, 1, 2.2, 1, 1, 1.3, 1.2),
        rows=tuple(rows),
        empty="No event of grade 3 or above.",
        note="Worst CTCAE grade as reported; a grade that the grading rules compute differently stands beside it.",
    )


def _participants(packet: SafetyPacket) -> Table:
    return Table(
        title="Participants and exposure",
        columns=(
            "Participant",
            "Cohort, level",
            "Target",
            "Infusions: day, million cells",
            "Cells of planned",
            "Part in the decision",
            "Day 0, seen until",
        ),
        widths=(1.5, 1.2, 1.7, 2.2, 1.5, 3.6, 1.9),
        rows=tuple(_participant_row(packet, participant) for participant in packet.participants),
        empty="Nobody was dosed in this arm.",
        note="Everybody dosed in the arm, this cohort first.",
    )


def _participant_row(packet: SafetyPacket, participant: SafetySummary) -> tuple[str, ...]:
    part = PART_WORDS[participant.dlt]
    seen = _day(participant.follow_up_until) or "not seen since"
    end = _words(participant.ended) if participant.ended else "on study"
    return (
        participant.subject,
        _place(participant.cohort, participant.level),
        " + ".join(participant.target),
        _infusions(participant),
        _exposure(packet, participant),
        f"{part}: {participant.dlt_reason}" if participant.dlt_reason else part,
        f"{_day(participant.day_zero) or 'no infusion'}\n{seen}\n{end}",
    )


def _infusions(participant: SafetySummary) -> str:
    zero = participant.day_zero
    return "\n".join(
        f"{dose.infused_on if zero is None else _study_day((dose.infused_on - zero).days)}: {dose.million_cells:g}"
        for dose in participant.infusions
    )


def _exposure(packet: SafetyPacket, participant: SafetySummary) -> str:
    infused = sum(dose.million_cells for dose in participant.infusions)
    if packet.planned_infusions is None:
        return f"{infused:g}"
    planned = participant.million_cells * packet.planned_infusions
    return f"{infused:g} of {planned:g}\n({infused / planned:.0%})"


def _reopened(packet: SafetyPacket) -> Table:
    rows = ((str(found.cohort), found.about, found.known_then, found.known_now) for found in packet.reopened)
    return Table(
        title="Why an earlier decision was reopened",
        columns=("Cohort", "About", "Known then", "Known now"),
        widths=(0.8, 2, 3, 3),
        rows=tuple(rows),
    )


def _fired(packet: SafetyPacket) -> Table:
    rows = ((rule.rule, _day(rule.fired_on), rule.why) for rule in packet.fired)
    return Table("Stopping rules that fired", ("Rule", "On", "Why"), (2, 1.2, 5), tuple(rows))


def _decisions(packet: SafetyPacket) -> Table:
    rows = (
        (
            str(made.cohort),
            str(made.from_level),
            f"{_dlts(made.dlts)} in {made.evaluable} evaluable, {made.treated} treated",
            _decision(packet, made.action, made.level),
            "the same action" if made.action is made.recommended else _words(made.recommended),
            f"{made.decided_by}\n{made.decided_at:%Y-%m-%d %H:%M %Z}",
            made.reason,
        )
        for made in packet.decisions
    )
    return Table(
        title="Earlier decisions of the committee",
        columns=("Cohort", "From level", "Counts then", "Decision", "The rule said", "By, when", "Reason"),
        widths=(0.9, 0.8, 1.8, 2.2, 1.4, 1.9, 2.6),
        rows=tuple(rows),
        empty="This is the arm's first decision.",
    )


# Words


def _dose(packet: SafetyPacket, level: int) -> str:
    doses: Iterable[float] = (each.million_cells for each in packet.levels if each.level == level)
    return f"{next(iter(doses)):g} million cells per infusion"


def _dlts(count: int) -> str:
    return "1 DLT" if count == 1 else f"{count} DLTs"


def _grade(found: ParticipantEvent) -> str:
    reported, computed = found.event.grade, found.event.computed_grade
    return str(reported) if computed in (None, reported) else f"{reported} (rules: {computed})"


def _period(found: ParticipantEvent) -> str:
    event = found.event
    if event.ended_on is None:
        return f"{_study_day(found.day)}, {event.onset_on}\nnot ended"
    lasted = (event.ended_on - event.onset_on).days + 1
    return f"{_study_day(found.day)}, {event.onset_on}\nto {event.ended_on} ({lasted} d)"


def _reference(found: ParticipantEvent) -> str:
    return f"{found.event.event_id}, v{found.event.version}"


def _study_day(day: int | None) -> str:
    return "no day 0" if day is None else f"day {day}"


def _place(cohort: int, level: int) -> str:
    return f"{cohort}, level {level}"


def _words(name: str) -> str:
    return {"crs": "CRS", "icans": "ICANS", "gvhd": "GVHD"}.get(name, name.replace("_", " "))


def _day(day: date | None) -> str:
    return "" if day is None else day.isoformat()


def _sentence(words: str) -> str:
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")
