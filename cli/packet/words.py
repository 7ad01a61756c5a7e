"""The packet's values in words."""

from collections.abc import Iterable
from datetime import date
from typing import assert_never

from schemas.commands.commands import DecisionAction
from schemas.dose.packet import ParticipantEvent, SafetyPacket


def decision_words(packet: SafetyPacket, action: DecisionAction, level: int | None) -> str:
    """Return a decision as a sentence of the headline."""
    dose = "" if level is None else f"level {level} ({dose_words(packet, level)})"
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


def dose_words(packet: SafetyPacket, level: int) -> str:
    """Return the planned dose of a level."""
    doses: Iterable[float] = (each.million_cells for each in packet.levels if each.level == level)
    return f"{next(iter(doses)):g} million cells per infusion"


def dlts(count: int) -> str:
    """Return a count of dose-limiting toxicities."""
    return "1 DLT" if count == 1 else f"{count} DLTs"


def grade(found: ParticipantEvent) -> str:
    """Return the reported grade, and the computed one where it is another."""
    reported, computed = found.event.grade, found.event.computed_grade
    return str(reported) if computed in (None, reported) else f"{reported} (rules: {computed})"


def period(found: ParticipantEvent) -> str:
    """Return the onset and the end of an event, by study day and date."""
    event = found.event
    if event.ended_on is None:
        return f"{study_day(found.day)}, {event.onset_on}\nnot ended"
    lasted = (event.ended_on - event.onset_on).days + 1
    return f"{study_day(found.day)}, {event.onset_on}\nto {event.ended_on} ({lasted} d)"


def reference(found: ParticipantEvent) -> str:
    """Return where the event is on record."""
    return f"{found.event.event_id}, v{found.event.version}"


def study_day(day: int | None) -> str:
    """Return a day counted from day 0."""
    return "no day 0" if day is None else f"day {day}"


def place(cohort: int, level: int) -> str:
    """Return the cohort and the dose level."""
    return f"{cohort}, level {level}"


def spaced(name: str) -> str:
    """Return a name in words."""
    return {"crs": "CRS", "icans": "ICANS", "gvhd": "GVHD"}.get(name, name.replace("_", " "))


def day_words(day: date | None) -> str:
    """Return a day; nothing for none."""
    return "" if day is None else day.isoformat()


def sentence(words: str) -> str:
    """Return words as a sentence: with a capital, and a full stop."""
    words = words.strip()
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "!", "?")) else ".")
