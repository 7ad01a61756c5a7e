"""The packet's tables, as the page and the PDF set them."""

from dataclasses import dataclass

from cli.packet.drawing import DLT_WORDS
from cli.packet.words import (
    day_words,
    decision_words,
    dlts,
    grade,
    period,
    place,
    reference,
    spaced,
    study_day,
)
from schemas.dlt.outcome import DltStatus
from schemas.dose.packet import Hypothetical, SafetyPacket, WhatIf
from schemas.safety.summary import EventDlt, SafetySummary

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


def what_if_table(packet: SafetyPacket) -> Table:
    """Return what the rule would recommend if one outcome at the level were another."""
    rows = tuple(_what_if_row(packet, supposed) for supposed in packet.what_would_change_it)
    return Table(
        title="What would change it",
        columns=("If", "Counts would be", "The rule would say", "Since"),
        widths=(2.3, 1.7, 3.2, 3.8),
        rows=rows,
        empty="Nobody at this level has an outcome that could be another.",
    )


def _what_if_row(packet: SafetyPacket, supposed: Hypothetical) -> tuple[str, ...]:
    said = decision_words(packet, supposed.action, supposed.level)
    counts = f"{dlts(supposed.tally.dlts)} in {supposed.tally.evaluable} evaluable"
    return (CHANGE_WORDS[supposed.change], counts, said if supposed.differs else f"No change: {said}", supposed.why)


def levels_table(packet: SafetyPacket) -> Table:
    """Return the counts at each dose level."""
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
        f"a level is toxic at {dlts(rules.toxic_at_dlts)}; {rp2d}.",
    )


def dose_limiting_table(packet: SafetyPacket) -> Table:
    """Return the dose-limiting toxicities, candidates and rejected ones."""
    rows = (
        (
            found.subject,
            place(found.cohort, found.level),
            found.event.term,
            grade(found),
            period(found),
            DLT_WORDS[found.event.dlt],
            found.event.dlt_criterion or "",
            reference(found),
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


def severe_table(packet: SafetyPacket) -> Table:
    """Return all events of grade 3 and above."""
    rows = (
        (
            found.subject,
            place(found.cohort, found.level),
            f"{found.event.term} ({spaced(found.event.category)})",
            grade(found),
            period(found),
            "yes" if found.event.related else "no",
            "yes" if found.event.serious else "no",
            "" if found.event.dlt is EventDlt.NONE else DLT_WORDS[found.event.dlt],
            reference(found),
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


def participants_table(packet: SafetyPacket) -> Table:
    """Return everybody who was dosed, with exposure and part in the decision."""
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
    seen = day_words(participant.follow_up_until) or "not seen since"
    end = spaced(participant.ended) if participant.ended else "on study"
    return (
        participant.subject,
        place(participant.cohort, participant.level),
        " + ".join(participant.target),
        _infusions(participant),
        _exposure(packet, participant),
        f"{part}: {participant.dlt_reason}" if participant.dlt_reason else part,
        f"{day_words(participant.day_zero) or 'no infusion'}\n{seen}\n{end}",
    )


def _infusions(participant: SafetySummary) -> str:
    zero = participant.day_zero
    return "\n".join(
        f"{dose.infused_on if zero is None else study_day((dose.infused_on - zero).days)}: {dose.million_cells:g}"
        for dose in participant.infusions
    )


def _exposure(packet: SafetyPacket, participant: SafetySummary) -> str:
    infused = sum(dose.million_cells for dose in participant.infusions)
    if packet.planned_infusions is None:
        return f"{infused:g}"
    planned = participant.million_cells * packet.planned_infusions
    return f"{infused:g} of {planned:g}\n({infused / planned:.0%})"


def reopened_table(packet: SafetyPacket) -> Table:
    """Return what put earlier decisions in question."""
    rows = ((str(found.cohort), found.about, found.known_then, found.known_now) for found in packet.reopened)
    return Table(
        title="Why an earlier decision was reopened",
        columns=("Cohort", "About", "Known then", "Known now"),
        widths=(0.8, 2, 3, 3),
        rows=tuple(rows),
    )


def fired_table(packet: SafetyPacket) -> Table:
    """Return the stopping rules that fired."""
    rows = ((rule.rule, day_words(rule.fired_on), rule.why) for rule in packet.fired)
    return Table("Stopping rules that fired", ("Rule", "On", "Why"), (2, 1.2, 5), tuple(rows))


def decisions_table(packet: SafetyPacket) -> Table:
    """Return the committee's earlier decisions."""
    rows = (
        (
            str(made.cohort),
            str(made.from_level),
            f"{dlts(made.dlts)} in {made.evaluable} evaluable, {made.treated} treated",
            decision_words(packet, made.action, made.level),
            "the same action" if made.action is made.recommended else spaced(made.recommended),
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
