"""Where the marks of the courses stand: days on an axis, a lane for each participant, a track for each event."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cli.packet.drawing import DLT_WORDS, PAGE_HEIGHT, WIDTH, text_width
from schemas.dose.packet import SafetyPacket
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary

LANE_LEFT, LANE_RIGHT, TRACK, BAR = 146, 690, 20, 30
HEAD, FOOT = 62, 12
WINDOW_SHARE = 0.6
FONT = 11


@dataclass(frozen=True)
class Axis:
    """
    Days to places on the paper.

    When the follow-up is much longer than the DLT window, the window gets a share of its own: its days lie wider apart.
    """

    first: int
    window: int
    last: int

    @property
    def broken(self) -> bool:
        """Whether the window has a scale of its own."""
        return self.last - self.first > 2 * (self.window - self.first)

    def at(self, day: int) -> float:
        """Return where a day stands."""
        span = LANE_RIGHT - LANE_LEFT
        if not self.broken:
            return LANE_LEFT + span * (day - self.first) / max(1, self.last - self.first)
        bend = LANE_LEFT + span * WINDOW_SHARE
        if day <= self.window:
            return LANE_LEFT + (bend - LANE_LEFT) * (day - self.first) / (self.window - self.first)
        return bend + (LANE_RIGHT - bend) * (day - self.window) / (self.last - self.window)

    def ticks(self) -> list[int]:
        """Return the days that are named below the axis."""
        step = max(7, self.window // 4 // 7 * 7)
        weeks = [day for day in range(0, self.window, step) if 2 * (self.window - day) >= step]
        rest = max(1, self.last - self.window)
        wide = next(step for step in (28, 56, 84, 168, 336, 10**6) if rest / step <= 4)  # noqa: PLR2004
        later = range(self.window + wide, self.last + 1, wide)
        return [*weeks, self.window, *later]


@dataclass(frozen=True)
class Mark:
    """An event's place in its lane: day, track (0 is next to the bar), and whether its words stand on its left."""

    event: ReportedEvent
    day: int
    words: str
    track: int
    leftward: bool


@dataclass(frozen=True)
class Lane:
    """A participant's course."""

    participant: SafetySummary
    day_zero: date
    marks: tuple[Mark, ...]

    @property
    def height(self) -> float:
        """The height that the bar and the tracks above it take."""
        tracks = 1 + max((mark.track for mark in self.marks), default=-1)
        return BAR + 6 + TRACK * tracks


def axis_of(packet: SafetyPacket) -> Axis:
    """Return an axis on which every day of the packet has its place."""
    days = [0]
    for participant in packet.participants:
        if participant.day_zero is not None:
            shown = [event.onset_on for event in participant.events if _is_shown(event)]
            seen = [participant.follow_up_until] if participant.follow_up_until else []
            given = [dose.infused_on for dose in participant.infusions]
            days += [(day - participant.day_zero).days for day in (*shown, *seen, *given)]
    window = packet.dlt_window_days or max(1, *days)
    return Axis(first=min(days), window=window, last=max(window, *days))


def _is_shown(event: ReportedEvent) -> bool:
    return event.severe or event.dlt is not EventDlt.NONE


def lanes_of(packet: SafetyPacket, axis: Axis) -> list[Lane]:
    """Return a lane for each participant who has a day 0."""
    dosed = [(participant, participant.day_zero) for participant in packet.participants]
    return [
        Lane(participant, day_zero, _marks(participant, day_zero, axis))
        for participant, day_zero in dosed
        if day_zero is not None
    ]


def _marks(participant: SafetySummary, day_zero: date, axis: Axis) -> tuple[Mark, ...]:
    taken: list[list[tuple[float, float]]] = []
    marks = []
    # The latest next to the bar: words go rightward, so no earlier event's line to the bar runs through them.
    shown = sorted(filter(_is_shown, participant.events), key=lambda event: (event.onset_on, event.event_id))
    for event in reversed(shown):
        day = (event.onset_on - day_zero).days
        words = _mark_words(event, max(WIDTH - axis.at(day), axis.at(day) - LANE_LEFT) - 22)
        width = 14 + text_width(words, FONT)
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
        marks.append(Mark(event, day, words, track, leftward))
    return tuple(reversed(marks))


def _mark_words(event: ReportedEvent, room: float) -> str:
    status = f" ({DLT_WORDS[event.dlt]})" if event.dlt in DLT_WORDS else ""
    term = event.term
    while term and text_width(term + status, FONT) > room:
        term = term.removesuffix("…")[:-1].rstrip() + "…" if len(term) > 1 else ""
    return term + status


def pages_of(lanes: Sequence[Lane]) -> Iterator[list[Lane]]:
    """Part the lanes so that no drawing is higher than a page."""
    page: list[Lane] = []
    for lane in lanes:
        if page and HEAD + FOOT + sum(each.height for each in page) + lane.height > PAGE_HEIGHT:
            yield page
            page = []
        page.append(lane)
    if page:
        yield page


def until(lane: Lane) -> int:
    """Return the last day on which the participant was seen; 0 if never after the first infusion."""
    day = lane.participant.follow_up_until
    return 0 if day is None else max(0, (day - lane.day_zero).days)
