"""One call of the `trial` command, and the options that its commands share."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import Exit
from cli.failures import fail

STUDY = "car-nk-01"
SHARED = "Shared options"
WHO = "Who acts, and why"


def roles(incomplete: str = "") -> list[str]:
    """Return the roles of people that begin so; the completion of --role."""
    # Pydantic is slow to load, and few commands complete a role.
    from schemas.base import Role  # noqa: PLC0415

    return [role.value for role in Role if role.value.startswith(incomplete) and role is not Role.SYSTEM]


StudyOption = Annotated[
    str | None,
    typer.Option("--study", help=f"The study's id (env TRIAL_STUDY; else {STUDY}).", rich_help_panel=SHARED),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="The embedded stack's folder (env TRIAL_DATA; else .trial).", rich_help_panel=SHARED),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout, errors too.", rich_help_panel=SHARED)
]
PersonOption = Annotated[
    str | None,
    typer.Option("--as", envvar="TRIAL_PERSON", help="Your user id, such as coord-01.", rich_help_panel=WHO),
]
RoleOption = Annotated[
    str | None,
    typer.Option("--role", envvar="TRIAL_ROLE", help="The role you act in.", autocompletion=roles, rich_help_panel=WHO),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for auditors.", rich_help_panel=WHO)]
AtOption = Annotated[
    str | None, typer.Option("--at", help="Your clock, such as 2026-11-24T09:00:00Z (else now).", rich_help_panel=WHO)
]
READING = {"study": StudyOption, "data": DataOption, "as_json": JsonOption}
WRITING = READING | {"person": PersonOption, "role": RoleOption, "reason": ReasonOption, "at": AtOption}

Subject = Annotated[str, typer.Argument(help="The participant's pseudonym, such as CN01-001.")]


@dataclass(frozen=True)
class Call:
    """One command as it was typed: the options that commands share."""

    study: str | None = None
    data: Path | None = None
    as_json: bool = False
    person: str | None = None
    role: str | None = None
    reason: str | None = None
    at: str | None = None

    @property
    def study_id(self) -> str:
        """The study that the command is about."""
        return self.study or os.environ.get("TRIAL_STUDY") or STUDY

    @property
    def data_folder(self) -> Path:
        """The embedded stack's folder."""
        return self.data or Path(os.environ.get("TRIAL_DATA") or ".trial")

    def envelope(self, *, site: str | None = None, needs_reason: bool = False) -> dict[str, Any]:
        """Return who, in which role, when and why, to be validated with the command it travels in."""
        person = required(self.person, "--as", "who acts must be named", "--as PERSON, or TRIAL_PERSON set")
        role = required(self.role, "--role", "the role must be named", f"--role {'|'.join(roles())}, or TRIAL_ROLE set")
        if needs_reason:
            required(self.reason, "--reason", "this command needs a reason", "a sentence an auditor will understand")
        time = self.at or datetime.now(UTC).isoformat(timespec="seconds")
        return {"person": person, "role": role, "site": site, "time": time, "reason": self.reason}


def required(value: str | None, flag: str, rule: str, expected: str) -> str:
    """Return an option's value, or stop with the flag's name."""
    if not value or not value.strip():
        fail(Exit.BAD_INPUT, "MissingOption", rule, field=flag, expected=expected)
    return value
