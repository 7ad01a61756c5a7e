"""The safety review packet as a page and as a PDF: what is said, that all of it is said, and that nothing breaks it."""

import re
from datetime import date, timedelta
from html.parser import HTMLParser
from io import BytesIO
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from cli.packet.courses_chart import draw_courses
from cli.packet.drawing import PAGE_HEIGHT, WIDTH
from cli.packet.lanes import LANE_LEFT
from cli.packet.levels_chart import draw_levels
from cli.packet.render import render_html, render_pdf
from cli.packet.view import view_of
from decisions.dose.packet import build_packet, packet_sha256
from schemas.commands.commands import DecisionAction
from schemas.dose.packet import SafetyPacket
from schemas.safety.summary import EventDlt, ReportedEvent, SafetySummary
from schemas.state.arm import ArmState, Recommendation, SlotRecord, SlotState
from tests.cli.packets import (
    ARM,
    CONTEXT,
    DAY,
    RULES,
    make_event,
    make_summary,
    on,
    rich_packet,
    rich_state,
    rich_summaries,
    troubled_packet,
)

SHA256 = "ab" * 32
SVG = "{http://www.w3.org/2000/svg}"
NASTY = '<script>alert("1")</script> & #strong[x] $y$ {{ 7 * 7 }}'


class Page(HTMLParser):
    """What a reader's program sees of a page: tags with their attributes, and all text."""

    def __init__(self, html: str) -> None:
        """Read the page."""
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See base class."""
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """See base class."""
        self.text += data

    def count(self, tag: str, **attributes: str) -> int:
        """Count a tag with these attributes."""
        return sum(name == tag and attributes.items() <= given.items() for name, given in self.tags)


def page_of(packet: SafetyPacket) -> Page:
    """Render and read a page."""
    return Page(render_html(packet, SHA256))


def parsed(svg: str) -> ET.Element:
    """Parse a drawing."""
    return ET.fromstring(svg)  # noqa: S314 - our own drawing


def numbered(number: int, *events: ReportedEvent) -> SafetySummary:
    """Make one of many participants of cohort 1."""
    return make_summary(1, *events).model_copy(update={"subject": f"CN01-{number:03d}"})


def crowd(count: int, *events: ReportedEvent) -> SafetyPacket:
    """Make a packet of many participants with the same events."""
    slots = tuple(
        SlotRecord(subject=f"CN01-{number:03d}", cohort=1, level=1, state=SlotState.NO_DLT)
        for number in range(1, count + 1)
    )
    state = ArmState(study="nk-01", arm=ARM.id, level=1, slots=slots)
    people = [numbered(number, *events) for number in range(1, count + 1)]
    return build_packet(RULES, ARM, state, {each.subject: each for each in people}, CONTEXT)


# What is said


def test_the_head_says_which_data_under_which_protocol() -> None:
    """Study, phase, arm, cohort, dose, protocol version and both hashes."""
    text = page_of(rich_packet()).text

    for said in (
        "Safety review: arm single-target, cohort 4",
        "Dose level 3: 1000 million cells per infusion",
        "nk-01, Phase 1",
        "car-nk-platform 1.0",
        "3fa9" * 16,
        "day 0 to 28, both included",
        "2026-10-04",
    ):
        assert said in text
    assert text.count(SHA256) == 2


@pytest.mark.parametrize(
    ("action", "level", "said"),
    [
        (DecisionAction.ESCALATE, 4, "Escalate to level 4 (3000 million cells per infusion)"),
        (DecisionAction.EXPAND, 3, "Expand level 3 (1000 million cells per infusion)"),
        (DecisionAction.STAY, 3, "Stay at level 3 (1000 million cells per infusion)"),
        (DecisionAction.DE_ESCALATE, 2, "De-escalate to level 2 (300 million cells per infusion)"),
        (DecisionAction.STOP, None, "Stop the arm"),
        (
            DecisionAction.DECLARE_RP2D,
            2,
            "Declare level 2 (300 million cells per infusion) the recommended Phase 2 dose (RP2D)",
        ),
    ],
)
def test_every_recommendation_has_its_words(action: DecisionAction, level: int | None, said: str) -> None:
    """The headline names the action, the level and its dose; the rule's reason is a sentence below it."""
    advice = Recommendation(action=action, level=level, why="because of counts", tallies=())
    packet = rich_packet().model_copy(update={"recommendation": advice})

    assert (view_of(packet, SHA256).headline, view_of(packet, SHA256).why) == (said, "Because of counts.")
    assert said in page_of(packet).text


def test_what_would_change_it_is_a_table() -> None:
    """One row for each supposed change, with its counts, what the rule would say, and since when."""
    rows = view_of(rich_packet(), SHA256).what_if.rows

    assert [row[:3] for row in rows] == [
        (
            "one more participant had a DLT",
            "2 DLTs in 3 evaluable",
            "Declare level 2 (300 million cells per infusion) the recommended Phase 2 dose (RP2D)",
        ),
        (
            "one DLT fewer had been confirmed",
            "0 DLTs in 3 evaluable",
            "Escalate to level 4 (3000 million cells per infusion)",
        ),
        (
            "one participant were not evaluable",
            "1 DLT in 2 evaluable",
            "Stay at level 3 (1000 million cells per infusion)",
        ),
    ]


def test_a_change_that_changes_nothing_says_so() -> None:
    """A committee sees at once which counts do not matter."""
    supposed = tuple(each.model_copy(update={"differs": False}) for each in rich_packet().what_would_change_it)
    rows = view_of(rich_packet().model_copy(update={"what_would_change_it": supposed}), SHA256).what_if.rows

    assert all(row[2].startswith("No change: ") for row in rows)


def test_what_must_not_be_overlooked_stands_on_top() -> None:
    """Open candidates, missing data, holds, stopping rules and reopened decisions."""
    assert view_of(troubled_packet(), SHA256).notices == (
        (
            "Open DLT candidate: CN01-013, Acute graft versus host disease of skin, grade 3, day 26. "
            "It is not yet counted as a DLT."
        ),
        "Not in this packet, though dosed: CN01-012. Their data have not arrived.",
        "On hold: study.",
        "Stopping rule fired: severe infections. 3 of 13 participants, at most 2 allowed.",
        "Cohort 2 was reopened: CN01-006, ALT increased.",
    )
    assert "Before deciding" in page_of(troubled_packet()).text
    assert "Before deciding" not in page_of(crowd(3)).text


def test_all_tables_are_there() -> None:
    """Each participant, event and decision has its row."""
    packet = troubled_packet()
    tables = {table.title: table for table in view_of(packet, SHA256).tables}

    assert {title: len(table.rows) for title, table in tables.items()} == {
        "Dose-limiting toxicities and candidates": 4,
        "All events of grade 3 and above": 10,
        "Participants and exposure": 12,
        "Why an earlier decision was reopened": 1,
        "Stopping rules that fired": 1,
        "Earlier decisions of the committee": 3,
    }
    for table in (*tables.values(), view_of(packet, SHA256).level_table, view_of(packet, SHA256).what_if):
        assert {len(table.columns), len(table.widths)} == {len(row) for row in table.rows} | {len(table.columns)}


@pytest.mark.parametrize(
    ("title", "row"),
    [
        (
            "Dose-limiting toxicities and candidates",
            (
                "CN01-004",
                "2, level 2",
                "Cytokine release syndrome",
                "3 (rules: 4)",
                "day 3, 2026-04-25\nto 2026-04-29 (5 d)",
                "DLT",
                "CRS of grade 3 that did not improve to grade 2 within 72 hours",
                "AE-002, v3",
            ),
        ),
        (
            "All events of grade 3 and above",
            (
                "CN01-013",
                "4, level 3",
                "Acute graft versus host disease of skin (GVHD)",
                "3",
                "day 26, 2026-09-29\nnot ended",
                "yes",
                "yes",
                "DLT candidate",
                "AE-001, v1",
            ),
        ),
        (
            "Participants and exposure",
            (
                "CN01-005",
                "2, level 2",
                "B7-H3",
                "day 0: 300\nday 7: 300",
                "600 of 900\n(67%)",
                "not evaluable: participation ended before the window closed on 2026-06-05, no DLT",
                "2026-05-08\n2026-05-27\nlost to follow up",
            ),
        ),
        (
            "Earlier decisions of the committee",
            (
                "2",
                "2",
                "1 DLT in 3 evaluable, 4 treated",
                "Expand level 2 (300 million cells per infusion)",
                "the same action",
                "src-chair\n2026-07-04 09:30 UTC",
                "1 DLT in 3, resolved within a week",
            ),
        ),
    ],
)
def test_a_row_says_all_that_is_known(title: str, row: tuple[str, ...]) -> None:
    """Days count from day 0 and stand beside the date; a computed grade stands beside a different reported one."""
    tables = {table.title: table for table in view_of(rich_packet(), SHA256).tables}

    assert row in tables[title].rows


def test_what_is_not_known_is_said_too() -> None:
    """No day 0, no end, no outcome, no planned number of infusions, no window."""
    unknown = make_summary(1, make_event(1, "Rash", 3, DAY)).model_copy(
        update={"day_zero": None, "dlt": None, "dlt_reason": None, "follow_up_until": None}
    )
    context = CONTEXT.model_copy(update={"planned_infusions": None, "dlt_window_days": None})
    state = rich_state()
    packet = build_packet(RULES, ARM, state, {"CN01-001": unknown}, context)
    view = view_of(packet, SHA256)
    rows = {table.title: table.rows for table in view.tables}

    (person,) = rows["Participants and exposure"]
    assert person[3:] == (
        "2026-03-02: 100\n2026-03-09: 100\n2026-03-16: 100",
        "300",
        "pending",
        "no infusion\nnot seen since\non study",
    )
    assert rows["All events of grade 3 and above"][0][4].startswith("no day 0, 2026-03-02")
    assert ("DLT window", "not given") in view.facts
    assert ("Data until", "nobody seen yet") in view.facts
    assert view.courses == ()


def test_an_arm_without_anybody_has_a_page() -> None:
    """Before the first dose, every table says that it is empty."""
    packet = build_packet(RULES, ARM, ArmState(study="nk-01", arm=ARM.id, level=1), {}, CONTEXT)
    text = page_of(packet).text

    for said in (
        "No dose-limiting toxicity, and no candidate.",
        "No event of grade 3 or above.",
        "Nobody was dosed in this arm.",
        "This is the arm's first decision.",
        "Nobody at this level has an outcome that could be another.",
    ):
        assert said in text
    assert render_pdf(packet, SHA256).startswith(b"%PDF")


# The page


def test_the_page_needs_nothing_else() -> None:
    """No script, no link, no picture from elsewhere: it reads the same from any folder, now and in ten years."""
    page = page_of(rich_packet())

    assert {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "a"} == set()
    assert not any(name in attributes for _, attributes in page.tags for name in ("src", "href", "onload"))
    assert "url(" not in render_html(rich_packet(), SHA256)


def test_the_page_is_accessible() -> None:
    """A language, one main heading, headers of rows and columns, names for tables, and words for each drawing."""
    page = page_of(troubled_packet())
    tables = page.count("table")

    assert page.count("html", lang="en") == 1
    assert page.count("h1") == 1
    assert tables == 8
    assert sum(bool(given.get("aria-label")) for tag, given in page.tags if tag == "table") == tables
    assert page.count("th", scope="row") == page.count("tr") - tables
    drawings = [given for tag, given in page.tags if tag == "svg"]
    assert [given["role"] for given in drawings] == ["img", "img"]
    assert all(given["aria-label"] for given in drawings)


def test_levels_of_headings_are_not_skipped() -> None:
    """A reader's program can walk them."""
    levels = [int(tag[1]) for tag, _ in page_of(troubled_packet()).tags if re.fullmatch(r"h[1-6]", tag)]

    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))


def test_data_never_become_markup() -> None:
    """Whatever stands in a term or a reason is text, on the page and in the PDF."""
    packet = crowd(1, make_event(1, NASTY, 3, DAY, dlt=EventDlt.CANDIDATE, dlt_criterion=NASTY))
    page = page_of(packet)

    assert page.count("script") == 0
    assert "{{ 7 * 7 }}" in page.text
    assert '<script>alert("1")</script>' in page.text
    assert render_pdf(packet, SHA256).startswith(b"%PDF")


@settings(max_examples=20, deadline=None)
@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60))
def test_any_term_can_be_rendered(term: str) -> None:
    """Control characters, East Asian letters, other directions: the page and the PDF come out, the drawings parse."""
    packet = crowd(1, make_event(1, term, 3, DAY, dlt=EventDlt.PENDING))

    for chart in (draw_levels(packet), *draw_courses(packet)):
        parsed(chart.svg)
    assert render_html(packet, SHA256).endswith("</html>")
    assert render_pdf(packet, SHA256).startswith(b"%PDF")


def test_rendering_is_repeatable() -> None:
    """The same packet gives the same bytes: no clock is read."""
    packet = rich_packet()

    assert render_html(packet, SHA256) == render_html(rich_packet(), SHA256)
    assert render_pdf(packet, SHA256) == render_pdf(rich_packet(), SHA256)


def test_rendering_does_not_change_the_hash() -> None:
    """What is signed is data."""
    packet = rich_packet()
    before = packet_sha256(packet)

    render_html(packet, before)

    assert packet_sha256(packet) == before


# The PDF


def test_the_pdf_conforms_and_is_dated_by_nobody() -> None:
    """It says that it is accessible (PDF/UA-1), what it is called, and no date of making."""
    pdf = render_pdf(rich_packet(), SHA256)

    assert pdf.startswith(b"%PDF-1.7")
    assert b"<pdfuaid:part>1</pdfuaid:part>" in pdf
    assert b"Safety review: arm single-target, cohort 4" in pdf
    assert b"CreationDate" not in pdf


def test_a_letter_without_a_font_does_not_stop_the_pdf() -> None:
    """The private use area has no letters in any font; the PDF comes all the same, without its mark."""
    pdf = render_pdf(crowd(1, make_event(1, "\U0010fffd", 3, DAY)), SHA256)

    assert pdf.startswith(b"%PDF")
    assert b"pdfuaid" not in pdf


def test_every_page_has_its_number_and_the_hash() -> None:
    """A page that is found alone still says of which packet it is."""
    pages = PdfReader(BytesIO(render_pdf(troubled_packet(), SHA256))).pages

    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert SHA256 in text
        assert f"Page {number} of {len(pages)}" in text


def test_the_pdf_says_all_that_the_page_says() -> None:
    """Its text can be selected and searched: every cell of every table, and the words in the drawings."""
    view = view_of(troubled_packet(), SHA256)
    pages = PdfReader(BytesIO(render_pdf(troubled_packet(), SHA256))).pages
    text = "".join("".join(page.extract_text() for page in pages).split())
    page = "".join(page_of(troubled_packet()).text.split())
    tables = (view.what_if, view.level_table, *view.tables)
    said = [cell for table in tables for row in (table.columns, *table.rows) for cell in row]

    assert len(pages) > 1
    for words in (view.title, view.headline, view.why, *view.notices, *said, "DLT window, day 0 to 28, drawn wider"):
        assert "".join(words.split()) in text
        assert "".join(words.split()) in page


# The drawings


def drawn(svg: str, tag: str) -> list[ET.Element]:
    """Return all of a kind in a drawing."""
    return list(parsed(svg).iter(f"{SVG}{tag}"))


def subjects_in(svg: str) -> list[str]:
    """Return the subjects that a drawing names, from top to bottom."""
    return [e.text for e in drawn(svg, "text") if e.text and e.text.startswith("CN")]


def test_every_participant_has_a_mark_and_a_lane() -> None:
    """By subject: thirteen at their levels, thirteen courses."""
    packet = rich_packet()
    subjects = [each.subject for each in packet.participants]
    (courses,) = draw_courses(packet)
    levels = draw_levels(packet)

    assert sorted(e.text or "" for e in drawn(levels.svg, "text") if (e.text or "").startswith("CN")) == sorted(
        subjects
    )
    assert [e.text for e in drawn(courses.svg, "text") if (e.text or "").startswith("CN")] == subjects
    assert levels.alt.startswith("Participants by dose level. Level 4, 3000 million cells: 0 DLT in 0 evaluable")
    assert "CN01-004: infusions on days 0, 7, 14; Lymphocyte count decreased grade 4 on day 1; " in courses.alt
    assert "seen until day 90; withdrawn." in courses.alt


def test_every_outcome_has_a_shape_of_its_own() -> None:
    """Not by colour alone: the legend's marks differ in shape, dash or filling."""
    states = (SlotState.NO_DLT, SlotState.DLT, SlotState.DOSED, SlotState.GIVEN, SlotState.NOT_EVALUABLE)
    slots = tuple(
        SlotRecord(subject=f"CN01-{number:03d}", cohort=1, level=1, state=state, first_infused_on=DAY)
        for number, state in enumerate(states, start=1)
    )
    state = ArmState(study="nk-01", arm=ARM.id, level=1, slots=slots)
    svg = draw_levels(build_packet(RULES, ARM, state, {}, CONTEXT)).svg

    words = [e.text for e in drawn(svg, "text")]
    for said in ("evaluable, no DLT", "DLT", "pending, dosed", "pending, not yet dosed", "not evaluable"):
        assert said in words
    assert (len(drawn(svg, "polygon")), len(drawn(svg, "circle")), len(drawn(svg, "path"))) == (2, 8, 4)


@pytest.mark.parametrize(("followed", "wider"), [(20, False), (56, False), (57, True), (400, True)])
def test_the_window_is_drawn_wider_only_beside_a_long_follow_up(followed: int, wider: bool) -> None:
    """Twice the window still has one scale; the drawing says when it has two."""
    summary = make_summary(1).model_copy(update={"follow_up_until": on(1, followed)})
    state = rich_state().model_copy(update={"slots": rich_state().slots[:1]})
    (chart,) = draw_courses(build_packet(RULES, ARM, state, {"CN01-001": summary}, CONTEXT))

    assert ("drawn wider" in chart.svg) is wider


def test_long_drawings_are_continued() -> None:
    """No drawing is higher than a page; every lane is in one of them."""
    packet = crowd(40, make_event(1, "Nausea", 3, DAY))
    charts = draw_courses(packet)
    heights = [float(parsed(chart.svg).attrib["viewBox"].split()[3]) for chart in charts]
    lanes = [subject for chart in charts for subject in subjects_in(chart.svg)]

    assert len(charts) > 1
    assert max(heights) <= PAGE_HEIGHT
    assert lanes == [each.subject for each in packet.participants]
    assert charts[0].title == f"Courses from day 0, part 1 of {len(charts)}"


terms = st.text(st.characters(codec="utf-8", categories=("L", "Zs")), min_size=2, max_size=120)
happenings = st.lists(st.tuples(st.integers(-10, 400), terms, st.sampled_from(EventDlt)), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(happenings, st.integers(0, 400))
def test_nothing_leaves_the_drawing(happened: list[tuple[int, str, EventDlt]], followed: int) -> None:
    """Every mark is inside, and its words stand on the side that has room for them."""
    events = tuple(
        make_event(number, term, 3, DAY + timedelta(days=day), dlt=dlt)
        for number, (day, term, dlt) in enumerate(happened, start=1)
    )
    packet = crowd(1, *events)
    (person,) = packet.participants
    person = person.model_copy(update={"follow_up_until": DAY + timedelta(days=followed)})
    (chart,) = draw_courses(packet.model_copy(update={"participants": (person,)}))
    height = float(parsed(chart.svg).attrib["viewBox"].split()[3])

    assert len(drawn(chart.svg, "title")) == len(events)
    for element in parsed(chart.svg).iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(element.attrib.get(name, 0)) <= WIDTH
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(element.attrib.get(name, 0)) <= height


def test_words_are_cut_rather_than_drawn_over_others() -> None:
    """A term that has no room ends in dots; its status never does."""
    long = make_event(1, "Very long term " * 8, 3, DAY + timedelta(days=14), dlt=EventDlt.CANDIDATE)
    (chart,) = draw_courses(crowd(1, long))

    (said,) = [e for e in drawn(chart.svg, "text") if (e.text or "").startswith("Very long")]
    assert (said.text or "").endswith("… (DLT candidate)")
    assert float(said.attrib["x"]) > LANE_LEFT


def test_events_of_a_day_are_stacked() -> None:
    """Marks never lie on each other: each has a track of its own."""
    same = [make_event(number, "Nausea", 3, date(2026, 3, 5)) for number in range(1, 5)]
    (chart,) = draw_courses(crowd(1, *same))

    tops = [e.attrib["y"] for e in drawn(chart.svg, "text") if e.text == "Nausea"]
    assert len(set(tops)) == 4


def test_a_mild_event_is_drawn_only_as_a_candidate() -> None:
    """Grade 2 is no severe event; as a DLT candidate the committee must see it."""
    mild = make_event(1, "Fatigue", 2, DAY)
    candidate = make_event(2, "Tremor", 2, DAY, dlt=EventDlt.CANDIDATE)
    (chart,) = draw_courses(crowd(1, mild, candidate))

    assert "Fatigue" not in chart.svg
    assert "Tremor (DLT candidate)" in chart.svg


def test_only_those_with_a_day_0_have_a_lane() -> None:
    """The others stand in the table."""
    summaries = rich_summaries()
    summaries["CN01-001"] = summaries["CN01-001"].model_copy(update={"day_zero": None})
    packet = build_packet(RULES, ARM, rich_state(), summaries, CONTEXT)
    (chart,) = draw_courses(packet)

    assert "CN01-001" not in chart.svg
    assert "CN01-001" in page_of(packet).text
