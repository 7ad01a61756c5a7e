"""The chart of participants by dose level."""

from collections.abc import Callable
from xml.etree.ElementTree import Element

from cli.packet.drawing import (
    BAND,
    BLUE,
    GREY,
    OUTCOMES,
    PALE,
    WHITE,
    WIDTH,
    Chart,
    canvas,
    draw,
    legend,
    outcome,
    written,
)
from schemas.dose.packet import PacketLevel, SafetyPacket
from schemas.state.arm import SlotState

ROW_LEFT, ROW_RIGHT, STEP, LINE = 150, 640, 70, 44


def draw_levels(packet: SafetyPacket) -> Chart:
    """Draw the dose levels, the highest on top, with a mark for each participant of its slots."""
    per_line = (ROW_RIGHT - ROW_LEFT) // STEP
    rows = [(level, max(1, -(-len(level.slots) // per_line))) for level in reversed(packet.levels)]
    height = 44 + sum(lines * LINE + 12 for _, lines in rows)
    alt = "Participants by dose level. " + " ".join(_level_words(level) for level, _ in rows)
    svg = canvas(height, alt)
    _level_legend(svg, packet)
    y = 38.0
    for level, lines in rows:
        _draw_level(svg, packet, level, (y, lines * LINE + 6))
        y += lines * LINE + 12
    return Chart("Participants by dose level", alt, written(svg))


def _level_words(level: PacketLevel) -> str:
    counts = level.tally
    rest = f"{counts.treated} treated, {counts.pending} pending"
    dose = f"{level.million_cells:g} million cells"
    return f"Level {level.level}, {dose}: {counts.dlts} DLT in {counts.evaluable} evaluable, {rest}."


def _level_legend(svg: Element, packet: SafetyPacket) -> None:
    used = {slot.state for level in packet.levels for slot in level.slots}
    shown = [state for state in OUTCOMES if state in used or state in (SlotState.NO_DLT, SlotState.DLT)]

    def mark(state: SlotState) -> Callable[[float], None]:
        return lambda x: outcome(svg, state, x, 16.0, 7.0)

    legend(svg, 16.0, [(mark(state), OUTCOMES[state]) for state in shown])


def _draw_level(svg: Element, packet: SafetyPacket, level: PacketLevel, place: tuple[float, float]) -> None:
    y, height = place
    here = level.level == packet.level
    fill, line = (BAND, BLUE) if here else (WHITE, PALE)
    draw(svg, "rect", x=1, y=y, width=WIDTH - 2, height=height, rx=4, fill=fill, stroke=line)
    draw(svg, "text", f"Level {level.level}", x=12, y=y + 20, font_size=14, font_weight="bold")
    draw(svg, "text", f"{level.million_cells:g} million cells", x=12, y=y + 38, fill=GREY, font_size=11.5)
    per_line = (ROW_RIGHT - ROW_LEFT) // STEP
    for number, slot in enumerate(level.slots):
        x = float(ROW_LEFT + STEP * (number % per_line) + STEP // 2)
        top = y + LINE * (number // per_line)
        outcome(svg, slot.state, x, top + 17)
        words = {"text_anchor": "middle", "font_size": 10.5}
        bold = "bold" if slot.cohort == packet.cohort else "normal"
        draw(svg, "text", slot.subject, x=x, y=top + 40, font_weight=bold, **words)
    counts = level.tally
    right = {"x": WIDTH - 12, "text_anchor": "end"}
    if not level.slots:
        draw(svg, "text", "nobody yet", y=y + 28, fill=GREY, **right)
        return
    dlts = "DLT" if counts.dlts == 1 else "DLTs"
    said = f"{counts.dlts} {dlts} in {counts.evaluable} evaluable"
    draw(svg, "text", said, y=y + 20, font_size=13, font_weight="bold", **right)
    draw(svg, "text", f"{counts.treated} treated, {counts.pending} pending", y=y + 38, fill=GREY, **right)
