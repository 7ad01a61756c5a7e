"""
Marks and words of the packet's charts, as SVG.

Each outcome has a shape and a colour of its own (Okabe and Ito 2008, told apart by colour-blind readers too); nothing
is said by colour alone. Lengths are in the drawing's own units.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, tostring

from schemas.safety.summary import EventDlt
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


def draw(parent: Element, name: str, text: str = "", /, **attributes: object) -> Element:
    """Add an element; attributes are named as Python can: `class_`, `stroke_width`."""
    given = {key.rstrip("_").replace("_", "-"): number(value) for key, value in attributes.items()}
    drawn = SubElement(parent, name, given)
    if text:
        drawn.text = clean(text)
    return drawn


def clean(words: str) -> str:
    """Return words without control characters, for which XML has no place."""
    return "".join(letter if letter.isprintable() else " " for letter in words)


def number(value: object) -> str:
    """Return a length with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def canvas(height: float, alt: str) -> Element:
    """Return an empty drawing; `alt` says what it shows."""
    view = {"viewBox": f"0 0 {WIDTH} {number(height)}", "role": "img", "aria-label": clean(alt)}
    fonts = {"font-family": "Libertinus Serif, serif", "font-size": "12", "fill": INK}
    return Element("svg", {"xmlns": "http://www.w3.org/2000/svg"} | view | fonts)


def outcome(parent: Element, state: SlotState, x: float, y: float, size: float = 9) -> None:
    """Draw the mark of a participant's outcome."""
    match state:
        case SlotState.NO_DLT:
            draw(parent, "circle", cx=x, cy=y, r=size, fill=BLUE)
        case SlotState.DLT:
            diamond(parent, x, y, size * 1.25, fill=VERMILION, stroke=VERMILION)
        case SlotState.DOSED:
            draw(parent, "circle", cx=x, cy=y, r=size, fill=WHITE, stroke=BLUE, stroke_width=2.0)
            draw(parent, "path", d=f"M{x} {y - size}a{size} {size} 0 0 1 0 {2 * size}z", fill=BLUE)
        case SlotState.GIVEN:
            ring = {"fill": WHITE, "stroke": BLUE, "stroke_width": 1.5, "stroke_dasharray": "3 2.5"}
            draw(parent, "circle", cx=x, cy=y, r=size, **ring)
        case SlotState.NOT_EVALUABLE:
            draw(parent, "circle", cx=x, cy=y, r=size, fill=WHITE, stroke=GREY, stroke_width=1.5)
            reach = size * 0.7
            line = f"M{number(x - reach)} {number(y + reach)}L{number(x + reach)} {number(y - reach)}"
            draw(parent, "path", d=line, stroke=GREY, stroke_width=1.5)


def diamond(parent: Element, x: float, y: float, size: float, **look: object) -> None:
    """Draw a diamond."""
    corners = ((x, y - size), (x + size, y), (x, y + size), (x - size, y))
    draw(parent, "polygon", points=" ".join(f"{number(a)},{number(b)}" for a, b in corners), **look)


def legend(parent: Element, y: float, entries: Iterable[tuple[Callable[[float], object], str]]) -> None:
    """Draw marks with their words in a line."""
    x = 12.0
    for mark, words in entries:
        mark(x + 8)
        draw(parent, "text", words, x=x + 22, y=y + 4, font_size=11.5)
        x += 22 + text_width(words, 11.5) + 18


def text_width(words: str, size: float) -> float:
    """Estimate a text's width: enough for bold in wide fonts; East Asian letters are as wide as they are high."""
    return sum(size * 1.05 if east_asian_width(letter) in "WF" else size * 0.64 for letter in words)


def written(svg: Element) -> str:
    """Return a drawing as text."""
    return tostring(svg, encoding="unicode")
