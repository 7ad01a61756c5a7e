"""An adverse event from flags and a file: what is left out comes from the file, or stays as it is."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.exit_codes import Exit
from cli.failures import fail
from cli.typed_values import read_values

OBSERVATIONS = ("crs", "icans", "gvhd", "infusion_reaction")
"""Parts of an event from which its grade is computed."""
SCALARS = {
    name: {"onset": "onset_on", "end": "ended_on"}.get(name, name)
    for name in ("term", "grade", "onset", "end", "dlt", "category", "expected", "action", "outcome", "aware_at")
}
"""Which option is which field of an event, of those that hold one value."""


@dataclass(frozen=True)
class EventOptions:
    """An adverse event as it is typed; what is left out comes from the file, or stays as it is."""

    term: Annotated[str | None, typer.Option(help="The CTCAE 5.0 term.")] = None
    grade: Annotated[int | None, typer.Option(help="The worst CTCAE 5.0 grade so far, 1 to 5.")] = None
    onset: Annotated[str | None, typer.Option(help="The day it began, YYYY-MM-DD.")] = None
    end: Annotated[str | None, typer.Option(help="The day it ended, YYYY-MM-DD.")] = None
    related: Annotated[
        bool | None,
        typer.Option("--related/--not-related", help="Related to the treatment; follows from --causality if given."),
    ] = None
    dlt: Annotated[
        bool | None, typer.Option("--dlt/--no-dlt", help="In the investigator's judgement, a dose-limiting toxicity.")
    ] = None
    category: Annotated[
        str | None,
        typer.Option(help="crs, icans, gvhd, infusion_reaction, haematological, organ, laboratory or other."),
    ] = None
    serious: Annotated[
        list[str] | None,
        typer.Option(
            help="A criterion of ICH E2A: death, life_threatening, hospitalisation, disability, congenital_anomaly or "
            "medically_important; repeat it."
        ),
    ] = None
    causality: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART=LEVEL",
            help="lymphodepletion, car_nk, cytokine or biopsy = not_related, unlikely, possible, probable or definite; "
            "repeat it.",
        ),
    ] = None
    expected: Annotated[
        bool | None,
        typer.Option("--expected/--unexpected", help="By the reference safety information; unknown if left out."),
    ] = None
    action: Annotated[
        str | None, typer.Option(help="dose_not_changed, treatment_delayed, treatment_stopped or not_applicable.")
    ] = None
    outcome: Annotated[
        str | None,
        typer.Option(help="recovered, recovered_with_sequelae, recovering, not_recovered, fatal or unknown."),
    ] = None
    aware_at: Annotated[
        str | None, typer.Option(help="When the site came to know, such as 2026-11-24T09:00:00Z; else now.")
    ] = None
    course: Annotated[
        list[str] | None,
        typer.Option(metavar="DATE=GRADE", help="The grade from a day on, 0 when it is gone; repeat it."),
    ] = None
    file: Annotated[
        Path | None,
        typer.Option(
            help="Fields of the event in JSON or YAML, such as the observations crs, icans, gvhd or infusion_reaction; "
            "- is stdin. A flag counts more than the file."
        ),
    ] = None

    @property
    def is_given(self) -> bool:
        """Whether any of it was typed."""
        return any(getattr(self, option.name) not in (None, []) for option in fields(self))

    def changed(self, before: Mapping[str, Any]) -> dict[str, Any]:
        """Return an event's fields with what was typed: lists gain entries, everything else is replaced."""
        from_file = _read_event(self.file) if self.file else {}
        event = {**before, **from_file}
        scalars = {name: getattr(self, option) for option, name in SCALARS.items()}
        event |= {name: value for name, value in scalars.items() if value is not None}
        if self.serious:
            event["seriousness"] = list(dict.fromkeys([*_part(event, "seriousness", list), *self.serious]))
        if self.course:
            days = {str(entry.get("on")): entry for entry in _part(event, "course", list)}
            days |= {
                day: {"on": day, "grade": grade}
                for day, grade in _pairs("--course", self.course, "DATE=GRADE", "2026-11-24=2")
            }
            event["course"] = [days[day] for day in sorted(days)]
        if self.causality:
            typed = dict(_pairs("--causality", self.causality, "PART=LEVEL", "car_nk=possible"))
            event["causality"] = {**_part(event, "causality", dict), **typed}
        return self._with_relation(event, from_file)

    def _with_relation(self, event: dict[str, Any], from_file: Mapping[str, Any]) -> dict[str, Any]:
        if self.related is not None:
            return event | {"related": self.related}
        if (self.causality or "causality" in from_file) and "related" not in from_file:
            # The causality of the parts says it anew.
            return {name: value for name, value in event.items() if name != "related"}
        return event


def _part(event: Mapping[str, Any], name: str, kind: type[Any]) -> Any:  # noqa: ANN401 - of the kind asked for
    part = event.get(name) or kind()
    if not isinstance(part, kind):
        fail(Exit.BAD_INPUT, "InvalidInput", f"is no {kind.__name__}", field=f"event.{name}", value=part)
    return part


def _pairs(flag: str, given: Sequence[str], form: str, example: str) -> list[tuple[str, str]]:
    pairs = [tuple(each.split("=", maxsplit=1)) for each in given]
    for each, pair in zip(given, pairs, strict=True):
        if len(pair) != 2 or not all(pair):  # noqa: PLR2004 - a pair
            fail(
                Exit.BAD_INPUT, "InvalidInput", f"is not {form}", field=flag, value=each, expected=f"such as {example}"
            )
    return [(str(pair[0]).strip(), str(pair[1]).strip()) for pair in pairs]


def _read_event(file: Path) -> dict[str, Any]:
    values = read_values(file)
    return values | {name: _with_numbers(values[name]) for name in OBSERVATIONS if name in values}


def _with_numbers(value: object) -> object:
    # YAML comes as text, and counts and stages are whole numbers that take no text.
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    return int(value) if isinstance(value, str) and re.fullmatch(r"[0-9]{1,4}", value) else value


def check_complete(event: Mapping[str, Any]) -> None:
    """Name the flags of what every event needs."""
    needs = {"term": "--term", "grade": "--grade", "onset_on": "--onset"}
    missing = [flag for name, flag in needs.items() if event.get(name) is None]
    if event.get("related") is None and not event.get("causality"):
        missing.append("--related or --not-related (or --causality PART=LEVEL)")
    if missing:
        rule, expected = "an adverse event needs it", "the flag, or the field in --file"
        fail(Exit.BAD_INPUT, "MissingOption", rule, field=", ".join(missing), expected=expected)
