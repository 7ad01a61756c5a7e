"""
The charts of the safety review packet, as SVG: participants by dose level, and every participant's course by day.

Drawn once and set into both the page and the PDF. Each outcome has a shape and a colour of its own (Okabe and Ito 2008,
told apart by colour-blind readers too); nothing is said by colour alone. Lengths are in the drawing's own units.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, tostring

from schemas.dose.packet import PacketLevel, SafetyPacket
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary
from schemas.state.arm import SlotState

WIDTH = 800
PAGE_HEIGHT = 900
"""A drawing is never higher than a printed page holds; longer ones are continued in another."""

INK, GREY, PALE, BAND = "#1a1a1a", "#5c6670", "#c9d1d9", "#eef3f7"
BLUE, VERMILION, WHITE = "#0072b2", "#c14a00", "#ffffff"

OUTCOMES = {
    SlotState.NO_DLT: "evaluable, no DLT",
    SlotState.DLT: "DLT",
    SlotState.DOSED: "pending, dosed",
    SlotState.GIVEN: "pending, not yet dosed",
    SlotState.NOT_EVALUABLE: "not evaluable",
}
DLT_WORDS = {
    EventDlt.PENDING: "DLT pending",
    EventDlt.CANDIDATE: "DLT candidate",
    EventDlt.CONFIRMED: "DLT",
    EventDlt.REJECTED: "DLT rejected",
}


@dataclass(frozen=True)
class Chart:
    """A drawing, what it is called, and what it shows in words."""

    title: str
    alt: str
    svg: str


# Drawing


def _draw(parent: Element, name: str, said: str = "", /, **attributes: object) -> Element:
    # Attributes are named as Python can: `class_`, `stroke_width`.
    given = {key.rstrip("_").replace("_", "-"): _number(value) for key, value in attributes.items()}
    drawn = SubElement(parent, name, given)
    if said:
        drawn.text = _clean(said)
    return drawn


def _clean(words: str) -> str:
    # XML has no place for control characters, whoever typed them.
    return "".join(letter if letter.isprintable() else " " for letter in words)


def _number(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def _canvas(height: float, alt: str) -> Element:
    view = {"viewBox": f"0 0 {WIDTH} {_number(height)}", "role": "img", "aria-label": _clean(alt)}
    fonts = {"font-family": "Libertinus Serif, serif", "font-size": "12", "fill": INK}
    return Element("svg", {"xmlns": "http://www.w3.org/2000/svg"} | view | fonts)


def _outcome(parent: Element, state: SlotState, x: float, y: float, size: float = 9) -> None:
    match state:
        case SlotState.NO_DLT:
            _draw(parent, "circle", cx=x, cy=y, r=size, fill=BLUE)
        case SlotState.DLT:
            _diamond(parent, x, y, size * 1.25, fill=VERMILION, stroke=VERMILION)
        case SlotState.DOSED:
            _draw(parent, "circle", cx=x, cy=y, r=size, fill=WHITE, stroke=BLUE, stroke_width=2.0)
            _draw(parent, "path", d=f"M{x} {y - size}a{size} {size} 0 0 1 0 {2 * size}z", fill=BLUE)
        case SlotState.GIVEN:
            ring = {"fill": WHITE, "stroke": BLUE, "stroke_width": 1.5, "stroke_dasharray": "3 2.5"}
            _draw(parent, "circle", cx=x, cy=y, r=size, **ring)
        case SlotState.NOT_EVALUABLE:
            _draw(parent, "circle", cx=x, cy=y, r=size, fill=WHITE, stroke=GREY, stroke_width=1.5)
            reach = size * 0.7
            line = f"M{_number(x - reach)} {_number(y + reach)}L{_number(x + reach)} {_number(y - reach)}"
            _draw(parent, "path", d=line, stroke=GREY, stroke_width=1.5)


def _diamond(parent: Element, x: float, y: float, size: float, **look: object) -> None:
    corners = ((x, y - size), (x + size, y), (x, y + size), (x - size, y))
    _draw(parent, "polygon", points=" ".join(f"{_number(a)},{_number(b)}" for a, b in corners), **look)


def _legend(parent: Element, y: float, entries: Iterable[tuple[Callable[[float], object], str]]) -> None:
    x = 12.0
    for mark, words in entries:
        mark(x + 8)
        _draw(parent, "text", words, x=x + 22, y=y + 4, font_size=11.5)
        x += 22 + _text_width(words, 11.5) + 18


def _text_width(words: str, size: float) -> float:
    # Enough for bold in the wide fonts that a page may get; East Asian letters are as wide as they are high.
    return sum(size * 1.05 if east_asian_width(letter) in "WF" else size * 0.64 for letter in words)


# Dose levels

ROW_LEFT, ROW_RIGHT, STEP, LINE = 150, 640, 70, 44


def draw_levels(packet: SafetyPacket) -> Chart:
    """Draw the dose levels, the highest on top, with a mark for each participant of its slots."""
    per_line = (ROW_RIGHT - ROW_LEFT) // STEP
    rows = [(level, max(1, -(-len(level.slots) // per_line))) for level in reversed(packet.levels)]
    height = 44 + sum(lines * LINE + 12 for _, lines in rows)
    alt = "Participants by dose level. " + " ".join(_level_words(level) for level, _ in rows)
    svg = _canvas(height, alt)
    _level_legend(svg, packet)
    y = 38.0
    for level, lines in rows:
        _draw_level(svg, packet, level, (y, lines * LINE + 6))
        y += lines * LINE + 12
    return Chart("Participants by dose level", alt, _written(svg))


def _level_words(level: PacketLevel) -> str:
    counts = level.tally
    rest = f"{counts.treated} treated, {counts.pending} pending"
    dose = f"{level.million_cells:g} million cells"
    return f"Level {level.level}, {dose}: {counts.dlts} DLT in {counts.evaluable} evaluable, {rest}."


def _level_legend(svg: Element, packet: SafetyPacket) -> None:
    used = {slot.state for level in packet.levels for slot in level.slots}
    shown = [state for state in OUTCOMES if state in used or state in (SlotState.NO_DLT, SlotState.DLT)]

    def mark(state: SlotState) -> Callable[[float], None]:
        return lambda x: _outcome(svg, state, x, 16.0, 7.0)

    _legend(svg, 16.0, [(mark(state), OUTCOMES[state]) for state in shown])


def _draw_level(svg: Element, packet: SafetyPacket, level: PacketLevel, place: tuple[float, float]) -> None:
    y, height = place
    here = level.level == packet.level
    fill, line = (BAND, BLUE) if here else (WHITE, PALE)
    _draw(svg, "rect", x=1, y=y, width=WIDTH - 2, height=height, rx=4, fill=fill, stroke=line)
    _draw(svg, "text", f"Level {level.level}", x=12, y=y + 20, font_size=14, font_weight="bold")
    _draw(svg, "text", f"{level.million_cells:g} million cells", x=12, y=y + 38, fill=GREY, font_size=11.5)
    per_line = (ROW_RIGHT - ROW_LEFT) // STEP
    for number, slot in enumerate(level.slots):
        x = float(ROW_LEFT + STEP * (number % per_line) + STEP // 2)
        top = y + LINE * (number // per_line)
        _outcome(svg, slot.state, x, top + 17)
        words = {"text_anchor": "middle", "font_size": 10.5}
        bold = "bold" if slot.cohort == packet.cohort else "normal"
        _draw(svg, "text", slot.subject, x=x, y=top + 40, font_weight=bold, **words)
    counts = level.tally
    right = {"x": WIDTH - 12, "text_anchor": "end"}
    if not level.slots:
        _draw(svg, "text", "nobody yet", y=y + 28, fill=GREY, **right)
        return
    dlts = "DLT" if counts.dlts == 1 else "DLTs"
    said = f"{counts.dlts} {dlts} in {counts.evaluable} evaluable"
    _draw(svg, "text", said, y=y + 20, font_size=13, font_weight="bold", **right)
    _draw(svg, "text", f"{counts.treated} treated, {counts.pending} pending", y=y + 38, fill=GREY, **right)


# Courses

LANE_LEFT, LANE_RIGHT, TRACK, BAR = 146, 690, 20, 30
HEAD, FOOT = 62, 12
WINDOW_SHARE = 0.6
FONT = 11


@dataclass(frozen=True)
class _Axis:
    """
    Days to places on the paper.

    When the follow-up is much longer than the DLT window, the window gets a share of its own: its days lie wider apart.
    """

    first: int
    window: int
    last: int

    @property
    def broken(self) -> bool:
        return self.last - self.first > 2 * (self.window - self.first)

    def at(self, day: int) -> float:
        span = LANE_RIGHT - LANE_LEFT
        if not self.broken:
            return LANE_LEFT + span * (day - self.first) / max(1, self.last - self.first)
        bend = LANE_LEFT + span * WINDOW_SHARE
        if day <= self.window:
            return LANE_LEFT + (bend - LANE_LEFT) * (day - self.first) / (self.window - self.first)
        return bend + (LANE_RIGHT - bend) * (day - self.window) / (self.last - self.window)

    def ticks(self) -> list[int]:
        step = max(7, self.window // 4 // 7 * 7)
        weeks = [day for day in range(0, self.window, step) if 2 * (self.window - day) >= step]
        rest = max(1, self.last - self.window)
        wide = next(step for step in (28, 56, 84, 168, 336, 10**6) if rest / step <= 4)  # noqa: PLR2004
        later = range(self.window + wide, self.last + 1, wide)
        return [*weeks, self.window, *later]


@dataclass(frozen=True)
class _Mark:
    """An event's place in its lane: day, track (0 is next to the bar), and whether its words stand on its left."""

    event: ReportedEvent
    day: int
    words: str
    track: int
    leftward: bool


@dataclass(frozen=True)
class _Lane:
    participant: SafetySummary
    day_zero: date
    marks: tuple[_Mark, ...]

    @property
    def height(self) -> float:
        tracks = 1 + max((mark.track for mark in self.marks), default=-1)
        return BAR + 6 + TRACK * tracks


def draw_courses(packet: SafetyPacket) -> list[Chart]:
    """Draw a lane for each participant from day 0: infusions, severe events and DLTs, follow-up and end."""
    axis = _axis(packet)
    lanes = [
        _Lane(participant, participant.day_zero, _marks(participant, participant.day_zero, axis))
        for participant in packet.participants
        if participant.day_zero is not None
    ]
    pages = list(_paged(lanes))
    charts = []
    for number, page in enumerate(pages, start=1):
        part = f", part {number} of {len(pages)}" if len(pages) > 1 else ""
        alt = f"Courses by day since the first infusion{part}. " + " ".join(_lane_words(lane) for lane in page)
        charts.append(Chart(f"Courses from day 0{part}", alt, _draw_lanes(packet, axis, page, alt)))
    return charts


def _axis(packet: SafetyPacket) -> _Axis:
    days = [0]
    for participant in packet.participants:
        if participant.day_zero is not None:
            shown = [event.onset_on for event in participant.events if _is_shown(event)]
            seen = [participant.follow_up_until] if participant.follow_up_until else []
            given = [dose.infused_on for dose in participant.infusions]
            days += [(day - participant.day_zero).days for day in (*shown, *seen, *given)]
    window = packet.dlt_window_days or max(1, *days)
    return _Axis(first=min(days), window=window, last=max(window, *days))


def _is_shown(event: ReportedEvent) -> bool:
    return event.severe or event.dlt is not EventDlt.NONE


def _marks(participant: SafetySummary, day_zero: date, axis: _Axis) -> tuple[_Mark, ...]:
    taken: list[list[tuple[float, float]]] = []
    marks = []
    # The latest next to the bar: words go rightward, so no earlier event's line to the bar runs through them.
    shown = sorted(filter(_is_shown, participant.events), key=lambda event: (event.onset_on, event.event_id))
    for event in reversed(shown):
        day = (event.onset_on - day_zero).days
        words = _mark_words(event, max(WIDTH - axis.at(day), axis.at(day) - LANE_LEFT) - 22)
        width = 14 + _text_width(words, FONT)
        leftward = axis.at(day) + width > WIDTH - 6
        reach = (axis.at(day) - width, axis.at(day) + 10) if leftward else (axis.at(day) - 10, axis.at(day) + width)
        free = (
            number
            for number, track in enumerate(taken)
            if all(reach[1] < left or reach[0] > right for left, right in track)
        )
        track = next(free, len(taken))
        taken += [[]] if track == len(taken) else []
        taken[track].append(reach)
        marks.append(_Mark(event, day, words, track, leftward))
    return tuple(reversed(marks))


def _mark_words(event: ReportedEvent, room: float) -> str:
    status = f" ({DLT_WORDS[event.dlt]})" if event.dlt in DLT_WORDS else ""
    term = event.term
    while term and _text_width(term + status, FONT) > room:
        term = term.removesuffix("…")[:-1].rstrip() + "…" if len(term) > 1 else ""
    return term + status


def _paged(lanes: Sequence[_Lane]) -> Iterator[list[_Lane]]:
    page: list[_Lane] = []
    for lane in lanes:
        if page and HEAD + FOOT + sum(each.height for each in page) + lane.height > PAGE_HEIGHT:
            yield page
            page = []
        page.append(lane)
    if page:
        yield page


def _lane_words(lane: _Lane) -> str:
    participant = lane.participant
    infused = ", ".join(str((dose.infused_on - lane.day_zero).days) for dose in participant.infusions)
    events = "; ".join(f"{mark.words} grade {mark.event.grade} on day {mark.day}" for mark in lane.marks)
    end = f"; {str(participant.ended).replace('_', ' ')}" if participant.ended else ""
    seen = f"; seen until day {_until(lane)}{end}" if participant.follow_up_until else end
    return f"{participant.subject}: infusions on days {infused}; {events or 'no severe event'}{seen}."


def _until(lane: _Lane) -> int:
    day = lane.participant.follow_up_until
    return 0 if day is None else max(0, (day - lane.day_zero).days)


def _draw_lanes(packet: SafetyPacket, axis: _Axis, lanes: Sequence[_Lane], alt: str) -> str:
    height = HEAD + FOOT + sum(lane.height for lane in lanes)
    svg = _canvas(height, alt)
    _course_legend(svg)
    _draw_axis(svg, packet, axis, height - FOOT)
    y = float(HEAD)
    for number, lane in enumerate(lanes):
        if number:
            _draw(svg, "line", x1=0, x2=WIDTH, y1=y, y2=y, stroke=PALE, stroke_width=0.75)
        _draw_lane(svg, packet, axis, lane, y)
        y += lane.height
    return _written(svg)


def _course_legend(svg: Element) -> None:
    y = 14.0
    bar = {"height": 6, "rx": 3, "y": y - 3}
    _legend(
        svg,
        y,
        (
            (lambda x: _triangle(svg, x, y - 5), "infusion"),
            (lambda x: _event(svg, EventDlt.NONE, 3, x, y), "severe event, with its grade"),
            (lambda x: _event(svg, EventDlt.CONFIRMED, 3, x, y), "DLT"),
            (lambda x: _event(svg, EventDlt.CANDIDATE, 3, x, y), "DLT pending or candidate"),
            (lambda x: _draw(svg, "rect", x=x - 9, width=18, fill=BLUE, **bar), "seen"),
            (lambda x: _draw(svg, "rect", x=x - 2, y=y - 8, width=4, height=16, fill=INK), "ended"),
        ),
    )


def _draw_axis(svg: Element, packet: SafetyPacket, axis: _Axis, bottom: float) -> None:
    if packet.dlt_window_days is not None:
        left, right = axis.at(0), axis.at(axis.window)
        _draw(svg, "rect", x=left, y=HEAD - 2, width=right - left, height=bottom - HEAD + 2, fill=BAND)
        middle = {"x": (left + right) / 2, "y": 38, "text_anchor": "middle", "font_size": 11, "fill": GREY}
        wider = ", drawn wider" if axis.broken else ""
        _draw(svg, "text", f"DLT window, day 0 to {axis.window}{wider}", **middle)
    for day in axis.ticks():
        x = axis.at(day)
        _draw(svg, "line", x1=x, x2=x, y1=HEAD - 6, y2=bottom, stroke=PALE, stroke_width=0.75)
        _draw(svg, "text", str(day), x=x, y=HEAD - 9, text_anchor="middle", font_size=11, fill=GREY)
    _draw(svg, "text", "day", x=LANE_LEFT - 14, y=HEAD - 9, text_anchor="end", font_size=11, fill=GREY)


def _draw_lane(svg: Element, packet: SafetyPacket, axis: _Axis, lane: _Lane, top: float) -> None:
    participant = lane.participant
    y = top + lane.height - BAR + 8
    bold = "bold" if participant.cohort == packet.cohort else "normal"
    _draw(svg, "text", participant.subject, x=6, y=y + 1, font_weight=bold)
    where = f"cohort {participant.cohort}, level {participant.level}"
    _draw(svg, "text", where, x=6, y=y + 14, font_size=10.5, fill=GREY)
    _outcome(svg, SlotState.DOSED if participant.dlt is None else SlotState(participant.dlt.value), 124.0, y, 6.5)
    start, end = axis.at(0), axis.at(_until(lane))
    _draw(svg, "rect", x=start, y=y - 3, width=max(2.0, end - start), height=6, rx=3, fill=BLUE)
    _draw_end(svg, participant, end, y)
    for dose in participant.infusions:
        _triangle(svg, axis.at((dose.infused_on - lane.day_zero).days), y + 5)
    for mark in lane.marks:
        _draw_mark(svg, axis, lane, mark, y)


def _draw_end(svg: Element, participant: SafetySummary, x: float, y: float) -> None:
    words = {"x": x + 9, "y": y + 4, "font_size": 11, "fill": GREY}
    if participant.ended is None:
        _draw(svg, "path", d=f"M{_number(x)} {y - 6}l8 6l-8 6z", fill=GREY)
        _draw(svg, "text", "on study", **words | {"x": x + 12})
        return
    _draw(svg, "rect", x=x - 2, y=y - 8, width=4, height=16, fill=INK)
    _draw(svg, "text", str(participant.ended).replace("_", " "), **words)


def _draw_mark(svg: Element, axis: _Axis, lane: _Lane, mark: _Mark, bar: float) -> None:
    x, y = axis.at(mark.day), bar - 17 - TRACK * mark.track
    _draw(svg, "line", x1=x, x2=x, y1=y, y2=bar - 3, stroke=GREY, stroke_width=0.75)
    drawn = _draw(svg, "g")
    until = f" to {mark.event.ended_on}" if mark.event.ended_on else ", not ended"
    said = f"{lane.participant.subject}: {mark.words}, grade {mark.event.grade}, {mark.event.onset_on}{until}"
    _draw(drawn, "title", said)
    _event(drawn, mark.event.dlt, mark.event.grade, x, y)
    bold = "normal" if mark.event.dlt in (EventDlt.NONE, EventDlt.REJECTED) else "bold"
    side = {"x": x - 12, "text_anchor": "end"} if mark.leftward else {"x": x + 12}
    _draw(drawn, "text", mark.words, y=y + 4, font_size=FONT, font_weight=bold, **side)


def _event(parent: Element, dlt: EventDlt, grade: int, x: float, y: float) -> None:
    words = {"x": x, "y": y + 4, "text_anchor": "middle", "font_size": 11, "font_weight": "bold"}
    match dlt:
        case EventDlt.CONFIRMED:
            _diamond(parent, x, y, 10.0, fill=VERMILION, stroke=VERMILION)
            _draw(parent, "text", str(grade), **words, fill=WHITE)
        case EventDlt.PENDING | EventDlt.CANDIDATE:
            _diamond(parent, x, y, 9.5, fill=WHITE, stroke=VERMILION, stroke_width=2)
            _draw(parent, "text", str(grade), **words, fill=INK)
        case EventDlt.NONE | EventDlt.REJECTED:
            _draw(parent, "rect", x=x - 7, y=y - 7, width=14, height=14, rx=2, fill=WHITE, stroke=INK)
            _draw(parent, "text", str(grade), **words, fill=INK)


def _triangle(parent: Element, x: float, y: float) -> None:
    _draw(parent, "path", d=f"M{_number(x)} {y}l5.5 10h-11z", fill=INK)


def _written(svg: Element) -> str:
    return tostring(svg, encoding="unicode")
