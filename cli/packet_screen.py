"""The committee's packet on the screen, in short; its page and its PDF hold all of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from cli.arm_screen import advice_words, show_levels
from cli.output import say, spaced
from cli.stopping_screen import show_fired, show_reopened
from cli.tables import table

if TYPE_CHECKING:
    from schemas.dose.packet import PacketWithHash, ParticipantEvent


def show_packet(found: "PacketWithHash") -> None:
    """Show the packet in short, and its hash."""
    packet = found.packet
    say(f"Safety review: arm {packet.arm}, cohort {packet.cohort}, dose level {packet.level}, {packet.phase}")
    say(f"data until {packet.data_until or 'nobody was seen yet'}; holds: {', '.join(packet.holds) or 'none'}")
    say(f"the rule recommends: {advice_words(packet.recommendation)}\n")
    if packet.awaited:
        say(f"not in this packet, though dosed: {', '.join(packet.awaited)}\n")
    show_levels([level.tally for level in packet.levels], [level.million_cells for level in packet.levels])
    changes = [(spaced(each.change), spaced(each.action), each.level, each.why) for each in packet.what_would_change_it]
    if changes:
        table("What would change it", ("If", "The rule would advise", "Level", "Since"), changes)
    _show_events("Dose-limiting toxicities and candidates", packet.dose_limiting)
    _show_events("All events of grade 3 and above", packet.severe_events)
    show_reopened(packet.reopened)
    show_fired(packet.fired)
    say(f"sha256 {found.sha256}")
    say(
        f"sign it with: trial arm decide {packet.arm} --cohort {packet.cohort} --action ... \\\n"
        "  --sign --packet-sha256 HASH"
    )


def _show_events(title: str, events: "Iterable[ParticipantEvent]") -> None:
    rows = [
        (
            f"{found.subject}\n{found.event.event_id}",
            found.event.term,
            _grade(found),
            found.day,
            "yes" if found.event.related else "no",
            "yes" if found.event.serious else "no",
            "" if found.event.dlt == "none" else f"{found.event.dlt}\n{found.event.dlt_criterion or ''}".strip(),
        )
        for found in events
    ]
    table(title, ("Event", "Term", "Grade", "Day", "Related", "Serious", "DLT"), rows)


def _grade(found: "ParticipantEvent") -> str:
    reported, computed = found.event.grade, found.event.computed_grade
    return str(reported) if computed in (None, reported) else f"{reported} (rules: {computed})"
