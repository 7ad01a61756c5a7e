"""What the pages say is what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import starter
from cli.exit_codes import Exit
from deploy.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "decisions").glob("*.md"))]
NAMED = re.compile(r"^(?:\S+=\$\()?(?:\S*/)?trial ([a-z-]+)(?: ([a-z-]+))?", re.MULTILINE)
OF_OTHERS = {"TEMPORAL_NAMESPACE", "TEMPORAL_API_KEY", "TRIAL_STUDY", "TRIAL_PERSON", "TRIAL_ROLE"}
"""Variables of the Temporal SDK, and those that the command itself reads."""


def test_every_setting_is_documented_and_nothing_else() -> None:
    """The table of variables is complete: whoever adds one has to say what it means."""
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")

    documented = set(re.findall(r"`(T(?:RIAL|EMPORAL)_[A-Z_]+)`", page.split("With your own Temporal")[0]))

    known = {str(field.validation_alias or name) for name, field in Settings.model_fields.items()}
    assert documented == known | OF_OTHERS


def test_every_exit_code_is_documented_and_no_other() -> None:
    """Scripts rely on the codes: the table has each of them once."""
    page = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")

    assert [int(code) for code in re.findall(r"^\| (\d+) \|", page, flags=re.MULTILINE)] == sorted(Exit)


def words_of(group: object, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Name every command and every group of commands."""
    for name, command in getattr(group, "commands", {}).items():
        yield (*before, name)
        if hasattr(command, "commands"):
            yield from words_of(command, (*before, name))


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "walkthrough.md"], ids=lambda page: page.name)
def test_every_command_of_a_walk_exists(page: Path) -> None:
    """A walk names no command that the program does not have."""
    known = set(words_of(get_command(starter.app)))
    named = re.findall(
        r"^(?:\S+=\$\()?(?:\S*/)?trial ([a-z-]+)(?: ([a-z-]+))?", page.read_text(encoding="utf-8"), re.MULTILINE
    )

    unknown = [(first, second) for first, second in named if not ({(first,), (first, second)} & known)]

    assert len(named) > 8
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Links within the repository name files that are there."""
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]

    assert missing == []
