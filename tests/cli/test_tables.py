"""Tables on terminals and in pipes."""

import io

import pytest

from cli.tables import table

ID = "CN01-001:07-check-before-infusion-1"
LONG = "the investigator has to confirm that nothing speaks against the next infusion"


class Terminal(io.StringIO):
    """What is written to a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def test_columns_stand_below_their_heads() -> None:
    pipe = io.StringIO()
    table("Doses", ("Unit", "Million cells"), [("U-1", 1000.0), ("U-22", None)], to=pipe)
    assert pipe.getvalue() == "Doses\nUnit  Million cells\n----  -------------\nU-1   1000\nU-22\n\n"


def test_text_gives_way_and_ids_stay_whole(terminal: Terminal) -> None:
    """Lines are folded between words; no line is longer than the terminal."""
    table("", ("Task", "What"), [(ID, LONG)], to=terminal)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert ID in lines[2]
    assert " ".join(" ".join(lines[2:]).replace(ID, "").split()) == LONG


def test_rows_become_blocks_where_columns_find_no_room(terminal: Terminal) -> None:
    """Two ids and a hash: below the first cell stand the others, each with its head; what is empty is left out."""
    digest = "ab" * 32
    table("", ("Task", "Hash", "Who", "Why"), [(ID, digest, None, LONG)], to=terminal)
    assert terminal.getvalue() == (
        f"{ID}\n"
        f"  Hash  {digest}\n"
        "  Why   the investigator has to confirm that nothing speaks against the next\n"
        "        infusion\n\n"
    )


def test_an_empty_table_says_so() -> None:
    pipe = io.StringIO()
    table("Open tasks", ("Task",), [], to=pipe)
    table("", ("Task",), [], empty="nobody is enrolled", to=pipe)
    assert pipe.getvalue() == "Open tasks: none\n\nnobody is enrolled\n\n"


def test_rows_are_red_on_a_terminal_only(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where NO_COLOR asks for none (no-color.org)."""
    pipe, plain = io.StringIO(), Terminal()
    rows = [("a", "late"), ("b", "in time")]
    table("", ("Task", "Due"), rows, red=[True, False], to=terminal)
    table("", ("Task", "Due"), rows, red=[True, False], to=pipe)
    monkeypatch.setenv("NO_COLOR", "1")
    table("", ("Task", "Due"), rows, red=[True, False], to=plain)
    assert "\x1b[31ma     late\x1b[0m\n" in terminal.getvalue()
    assert "\x1b" not in pipe.getvalue() + plain.getvalue()


def test_wide_letters_take_two_columns(terminal: Terminal) -> None:
    table("", ("Term", "Grade"), [("恶心", 2), ("Fever", 3)], to=terminal)
    assert terminal.getvalue().splitlines()[2:4] == ["恶心   2", "Fever  3"]


def test_data_do_not_steer_the_terminal(terminal: Terminal) -> None:
    table("", ("Term",), [("Nau\x1b[2Jsea\x07",)], to=terminal)
    assert "\x1b" not in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()
