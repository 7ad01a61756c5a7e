"""What the pages say is what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import starter
from cli.exit_codes import Exit
from deploy.settings import Settings
from tests.docs.pages import ROOT, page, prose

TOPMOST = ("README.md", "CONTRIBUTING.md")
PAGES = [*TOPMOST, *(str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs").rglob("*.md")))]
OF_OTHERS = {"TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TRIAL_STUDY", "TRIAL_PERSON", "TRIAL_ROLE"}
"""Variables of the Temporal SDK, and those that the command itself reads."""


def test_every_setting_is_documented_and_nothing_else() -> None:
    """The table of variables is complete: whoever adds one has to say what it means."""
    documented = re.findall(r"`(T(?:RIAL|EMPORAL)_[A-Z_]+)`", page("docs/configuration.md"))

    known = {str(field.validation_alias or name) for name, field in Settings.model_fields.items()}
    assert set(documented) == known | OF_OTHERS


def test_every_exit_code_is_documented_and_no_other() -> None:
    """Scripts rely on the codes: the table has each of them once."""
    documented = re.findall(r"^\| (\d+) \|", page("docs/exit-codes.md"), flags=re.MULTILINE)

    assert [int(code) for code in documented] == sorted(Exit)


def test_every_room_is_in_the_readme() -> None:
    """Each top-level folder with code has its row in the table of rooms, and there is no other."""
    rows = set(re.findall(r"^\| `(\w+)/` \|", page("README.md"), flags=re.MULTILINE))

    assert rows == {file.parent.name for file in ROOT.glob("*/__init__.py")} | {"tests"}


def test_the_readme_leads_to_every_page() -> None:
    """Whoever has read the README can find the rest."""
    linked = {target.partition("#")[0] for target in links("README.md")}

    assert {f"docs/{file.name}" for file in (ROOT / "docs").glob("*.md")} <= linked


def words_of(group: object, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Name every command and every group of commands."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*before, name)
        if hasattr(command, "commands"):
            yield from words_of(command, (*before, name))


@pytest.mark.parametrize("name", PAGES)
def test_every_command_that_is_named_exists(name: str) -> None:
    """`trial ...` in a sentence or a table is a command of the program, and `make ...` a target of the Makefile."""
    known = set(words_of(get_command(starter.app)))
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), flags=re.MULTILINE))
    named = re.findall(r"`(?:\S*/)?trial ([a-z-]+)(?: ([a-z-]+))?", prose(page(name)))
    made = re.findall(r"`make ([a-z]+)", prose(page(name)))

    assert [each for each in named if not {each[:1], each} & known] == []
    assert set(made) <= targets


def links(name: str) -> list[str]:
    """Where a page's links and pictures lead within the repository."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page(name))) if "://" not in target]


def anchors(file: Path) -> set[str]:
    """The anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", prose(file.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    """Links within the repository name files, and headings of them, that are there."""
    for target in links(name):
        file, _, anchor = target.partition("#")
        there = (ROOT / name).parent / file if file else ROOT / name
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target
