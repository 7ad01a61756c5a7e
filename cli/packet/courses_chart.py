"""The chart of every participant's course by day."""

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from cli.packet.drawing import (
    BAND,
    BLUE,
    GREY,
    INK,
    PALE,
    VERMILION,
    WHITE,
    WIDTH,
    Chart,
    canvas,
    diamond,
    draw,
    legend,
    number,
    outcome,
    written,
)
from cli.packet.lanes import (
    BAR,
    FONT,
    FOOT,
    HEAD,
    LANE_LEFT,
    TRACK,
    Axis,
    Lane,
    Mark,
    axis_of,
    lanes_of,
    pages_of,
    until,
)
from schemas.dose.packet import SafetyPacket
from schemas.safety.summary import EventDlt, SafetySummary
from schemas.state.arm import SlotState


def draw_courses(packet: SafetyPacket) -> list[Chart]:
    """Draw a lane for each participant from day 0: infusions, severe events and DLTs, follow-up and end."""
    axis = axis_of(packet)
    pages = list(pages_of(lanes_of(packet, axis)))
    charts = []
    for count, lanes in enumerate(pages, start=1):
        part = f", part {count} of {len(pages)}" if len(pages) > 1 else ""
        alt = f"Courses by day since the first infusion{part}. " + " ".join(_lane_words(lane) for lane in lanes)
        charts.append(Chart(f"Courses from day 0{part}", alt, _draw_lanes(packet, axis, lanes, alt)))
    return charts


def _lane_words(lane: Lane) -> str:
    participant = lane.participant
    infused = ", ".join(str((dose.infused_on - lane.day_zero).days) for dose in participant.infusions)
    events = "; ".join(f"{mark.words} grade {mark.event.grade} on day {mark.day}" for mark in lane.marks)
    end = f"; {str(participant.ended).replace('_', ' ')}" if participant.ended else ""
    seen = f"; seen until day {until(lane)}{end}" if participant.follow_up_until else end
    return f"{participant.subject}: infusions on days {infused}; {events or 'no severe event'}{seen}."


def _draw_lanes(packet: SafetyPacket, axis: Axis, lanes: Sequence[Lane], alt: str) -> str:
    height = HEAD + FOOT + sum(lane.height for lane in lanes)
    svg = canvas(height, alt)
    _course_legend(svg)
    _draw_axis(svg, packet, axis, height - FOOT)
    y = float(HEAD)
    for count, lane in enumerate(lanes):
        if count:
            draw(svg, "line", x1=0, x2=WIDTH, y1=y, y2=y, stroke=PALE, stroke_width=0.75)
        _draw_lane(svg, packet, axis, lane, y)
        y += lane.height
    return written(svg)


def _course_legend(svg: Element) -> None:
    y = 14.0
    bar = {"height": 6, "rx": 3, "y": y - 3}
    legend(
        svg,
        y,
        (
            (lambda x: _triangle(svg, x, y - 5), "infusion"),
            (lambda x: _event(svg, EventDlt.NONE, 3, x, y), "severe event, with its grade"),
            (lambda x: _event(svg, EventDlt.CONFIRMED, 3, x, y), "DLT"),
            (lambda x: _event(svg, EventDlt.CANDIDATE, 3, x, y), "DLT pending or candidate"),
            (lambda x: draw(svg, "rect", x=x - 9, width=18, fill=BLUE, **bar), "seen"),
            (lambda x: draw(svg, "rect", x=x - 2, y=y - 8, width=4, height=16, fill=INK), "ended"),
        ),
    )


def _draw_axis(svg: Element, packet: SafetyPacket, axis: Axis, bottom: float) -> None:
    if packet.dlt_window_days is not None:
        left, right = axis.at(0), axis.at(axis.window)
        draw(svg, "rect", x=left, y=HEAD - 2, width=right - left, height=bottom - HEAD + 2, fill=BAND)
        middle = {"x": (left + right) / 2, "y": 38, "text_anchor": "middle", "font_size": 11, "fill": GREY}
        wider = ", drawn wider" if axis.broken else ""
        draw(svg, "text", f"DLT window, day 0 to {axis.window}{wider}", **middle)
    for day in axis.ticks():
        x = axis.at(day)
        draw(svg, "line", x1=x, x2=x, y1=HEAD - 6, y2=bottom, stroke=PALE, stroke_width=0.75)
        draw(svg, "text", str(day), x=x, y=HEAD - 9, text_anchor="middle", font_size=11, fill=GREY)
    draw(svg, "text", "day", x=LANE_LEFT - 14, y=HEAD - 9, text_anchor="end", font_size=11, fill=GREY)


def _draw_lane(svg: Element, packet: SafetyPacket, axis: Axis, lane: Lane, top: float) -> None:
    participant = lane.participant
    y = top + lane.height - BAR + 8
    bold = "bold" if participant.cohort == packet.cohort else "normal"
    draw(svg, "text", participant.subject, x=6, y=y + 1, font_weight=bold)
    where = f"cohort {participant.cohort}, level {participant.level}"
    draw(svg, "text", where, x=6, y=y + 14, font_size=10.5, fill=GREY)
    outcome(svg, SlotState.DOSED if participant.dlt is None else SlotState(participant.dlt.value), 124.0, y, 6.5)
    start, end = axis.at(0), axis.at(until(lane))
    draw(svg, "rect", x=start, y=y - 3, width=max(2.0, end - start), height=6, rx=3, fill=BLUE)
    _draw_end(svg, participant, end, y)
    for dose in participant.infusions:
        _triangle(svg, axis.at((dose.infused_on - lane.day_zero).days), y + 5)
    for mark in lane.marks:
        _draw_mark(svg, axis, lane, mark, y)


def _draw_end(svg: Element, participant: SafetySummary, x: float, y: float) -> None:
    words = {"x": x + 9, "y": y + 4, "font_size": 11, "fill": GREY}
    if participant.ended is None:
        draw(svg, "path", d=f"M{number(x)} {y - 6}l8 6l-8 6z", fill=GREY)
        draw(svg, "text", "on study", **words | {"x": x + 12})
        return
    draw(svg, "rect", x=x - 2, y=y - 8, width=4, height=16, fill=INK)
    draw(svg, "text", str(participant.ended).replace("_", " "), **words)


def _draw_mark(svg: Element, axis: Axis, lane: Lane, mark: Mark, bar: float) -> None:
    x, y = axis.at(mark.day), bar - 17 - TRACK * mark.track
    draw(svg, "line", x1=x, x2=x, y1=y, y2=bar - 3, stroke=GREY, stroke_width=0.75)
    drawn = draw(svg, "g")
    until = f" to {mark.event.ended_on}" if mark.event.ended_on else ", not ended"
    said = f"{lane.participant.subject}: {mark.words}, grade {mark.event.grade}, {mark.event.onset_on}{until}"
    draw(drawn, "title", said)
    _event(drawn, mark.event.dlt, mark.event.grade, x, y)
    bold = "normal" if mark.event.dlt in (EventDlt.NONE, EventDlt.REJECTED) else "bold"
    side = {"x": x - 12, "text_anchor": "end"} if mark.leftward else {"x": x + 12}
    draw(drawn, "text", mark.words, y=y + 4, font_size=FONT, font_weight=bold, **side)


def _event(parent: Element, dlt: EventDlt, grade: int, x: float, y: float) -> None:
    words = {"x": x, "y": y + 4, "text_anchor": "middle", "font_size": 11, "font_weight": "bold"}
    match dlt:
        case EventDlt.CONFIRMED:
            diamond(parent, x, y, 10.0, fill=VERMILION, stroke=VERMILION)
            draw(parent, "text", str(grade), **words, fill=WHITE)
        case EventDlt.PENDING | EventDlt.CANDIDATE:
            diamond(parent, x, y, 9.5, fill=WHITE, stroke=VERMILION, stroke_width=2)
            draw(parent, "text", str(grade), **words, fill=INK)
        case EventDlt.NONE | EventDlt.REJECTED:
            draw(parent, "rect", x=x - 7, y=y - 7, width=14, height=14, rx=2, fill=WHITE, stroke=INK)
            draw(parent, "text", str(grade), **words, fill=INK)


def _triangle(parent: Element, x: float, y: float) -> None:
    draw(parent, "path", d=f"M{number(x)} {y}l5.5 10h-11z", fill=INK)
