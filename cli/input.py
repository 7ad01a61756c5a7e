"""What the `trial` command takes: the options that commands share, and answers from flags, files and prompts."""

import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, get_args, get_origin

import typer

from cli.output import Exit, FailureError, Trouble, fail, plain, report

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

    from schemas.protocol import LaboratoryRule, Protocol

# Imports of Temporal, pydantic and rich stand inside functions: `trial --help` and completion must answer at once.

Model = TypeVar("Model", bound="BaseModel")
Command = TypeVar("Command", bound=Callable[..., Any])

ANSWER_LIMIT = 60.0
"""Seconds that a command waits for workflows to answer: without a worker they never do."""
LONGEST_VALUE_SHOWN = 120


# ---------------------------------------------------------------------- shared options


def roles(incomplete: str) -> list[str]:
    """Complete a role."""
    from schemas.base import Role  # noqa: PLC0415 - see above

    return [role.value for role in Role if role.value.startswith(incomplete) and role is not Role.SYSTEM]


SHARED = "Shared options"
SIGNING = "Who acts, and why"
StudyOption = Annotated[
    str | None,
    typer.Option("--study", help="The study's id (env TRIAL_STUDY; else car-nk-01).", rich_help_panel=SHARED),
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
    typer.Option("--as", envvar="TRIAL_PERSON", help="Your user id, such as coord-01.", rich_help_panel=SIGNING),
]
RoleOption = Annotated[
    str | None,
    typer.Option(
        "--role", envvar="TRIAL_ROLE", help="The role you act in.", autocompletion=roles, rich_help_panel=SIGNING
    ),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, for auditors.", rich_help_panel=SIGNING)]
AtOption = Annotated[
    str | None,
    typer.Option("--at", help="Your clock, such as 2026-11-24T09:00:00Z (else now).", rich_help_panel=SIGNING),
]


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
        return self.study or os.environ.get("TRIAL_STUDY") or "car-nk-01"

    @property
    def data_folder(self) -> Path:
        """The embedded stack's folder."""
        return self.data or Path(os.environ.get("TRIAL_DATA") or ".trial")

    def envelope(self, *, site: str | None = None, needs_reason: bool = False) -> dict[str, Any]:
        """Return who, in which role, when and why, to be validated with the command it travels in."""
        person = required(self.person, "--as", "who acts must be named", "--as PERSON, or TRIAL_PERSON set")
        role = required(
            self.role, "--role", "the role must be named", f"--role {'|'.join(roles(''))}, or TRIAL_ROLE set"
        )
        if needs_reason:
            required(self.reason, "--reason", "this command needs a reason", "a sentence an auditor will understand")
        time = self.at or datetime.now(UTC).isoformat(timespec="seconds")
        return {"person": person, "role": role, "site": site, "time": time, "reason": self.reason}


SignOption = Annotated[bool, typer.Option("--sign", help="Sign it: with --as, your electronic signature.")]
MeaningOption = Annotated[str | None, typer.Option("--meaning", help="What the signature means; else approval.")]


def signature(*, sign: bool, meaning: str | None, sha256: str | None, flag: str, source: str) -> dict[str, Any]:
    """
    Return the signature for an envelope (21 CFR 11.50), or nothing where none is asked for.

    It names the hash of what the person has read, so the hash is never looked up here: `flag` must give it.
    """
    if not sign:
        if meaning or sha256:
            rule = "without --sign nothing is signed"
            fail(Exit.BAD_INPUT, "MissingOption", rule, field="--sign", expected=f"--sign with {flag}, or neither")
        return {}
    digest = required(
        sha256, flag, "a signature names the hash of what was read", f"the hash that {source} shows: read it first"
    )
    if not re.fullmatch(r"[0-9a-f]{64}", digest):
        rule, expected = "is no SHA-256", f"64 hexadecimal digits, as {source} shows them"
        fail(Exit.BAD_INPUT, "InvalidInput", rule, field=flag, value=digest, expected=expected)
    return {"signature": {"meaning": meaning or "approval", "signed_sha256": digest}}


def required(value: str | None, flag: str, rule: str, expected: str) -> str:
    """Return an option's value, or stop with the flag's name."""
    if not value or not value.strip():
        fail(Exit.BAD_INPUT, "MissingOption", rule, field=flag, expected=expected)
    return value


READING = {"study": StudyOption, "data": DataOption, "as_json": JsonOption}
WRITING = READING | {"person": PersonOption, "role": RoleOption, "reason": ReasonOption, "at": AtOption}


def command(app: typer.Typer, name: str, *, writes: bool = False) -> Callable[[Command], Command]:
    """
    Register a command that takes its `Call` first, with the shared options after its own.

    People type global options after the command; so each command has them, and what stands there goes before what
    stands right after `trial`. A parameter whose type is a dataclass stands for that class's fields. The command's
    exceptions become messages and exit codes here, and nowhere else.
    """
    shared = WRITING if writes else READING

    def register(function: Command) -> Command:
        def run(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - whatever the command's options are
            given = {key: values.pop(key) for key in shared}
            before = ctx.obj if isinstance(ctx.obj, Call) else Call()
            call = Call(**{f.name: given.get(f.name) or getattr(before, f.name) for f in fields(Call)})
            for group_name, group in groups.items():
                values[group_name] = group(**{f.name: values.pop(f.name) for f in fields(group)})
            raise typer.Exit(_run(function, call, values))

        typed = list(inspect.signature(function).parameters.values())[1:]
        groups: dict[str, type[Any]] = {each.name: each.annotation for each in typed if _is_group(each)}
        own = [option for each in typed for option in _expanded(each)]
        added = [_option(key, annotation) for key, annotation in shared.items()]
        parameters = [
            _context(),
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
            *added,
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, help=inspect.getdoc(function))(run)
        return function

    return register


def _is_group(parameter: inspect.Parameter) -> bool:
    return is_dataclass(parameter.annotation)


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if not _is_group(parameter):
        return [parameter]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(f.name, keyword, default=f.default, annotation=f.type) for f in fields(parameter.annotation)
    ]


def _option(name: str, annotation: object) -> inspect.Parameter:
    default = False if annotation is JsonOption else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _run(function: Callable[..., Any], call: Call, values: dict[str, Any]) -> int:
    try:
        result = function(call, **values)
        return int((wait_for(result) if inspect.iscoroutine(result) else result) or Exit.OK)
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - every failure gets a message and an exit code
        return report(error, as_json=call.as_json)


Result = TypeVar("Result")


def wait_for(work: Coroutine[Any, Any, Result], limit: float | None = ANSWER_LIMIT) -> Result:
    """Run what must be waited for, within the limit."""
    import asyncio  # noqa: PLC0415 - see above

    async def within() -> Result:
        async with asyncio.timeout(limit):
            return await work

    try:
        return asyncio.run(within())
    except TimeoutError:
        rule = f"no answer within {limit:g} seconds; a command that was sent may still be carried out"
        fail(Exit.UNREACHABLE, "Unreachable", rule, expected="a running worker: see `trial status`")


# ---------------------------------------------------------------------- validation


def checked(model: type[Model], values: object) -> Model:
    """Return the model, or stop with every field that is wrong."""
    from pydantic import ValidationError  # noqa: PLC0415 - see above

    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise FailureError(Exit.BAD_INPUT, *(_trouble(model, detail) for detail in error.errors())) from None


FLAGS = {"envelope.person": "--as", "envelope.role": "--role", "envelope.time": "--at"}
FORMATS = {
    "date": "a date such as 2026-11-24",
    "datetime": "a time with its zone, such as 2026-11-24T09:00:00Z",
    "timezone": "a time with its zone, such as 2026-11-24T09:00:00Z",
}
LIMITS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def _trouble(model: "type[BaseModel]", detail: "ErrorDetails") -> Trouble:
    place = ".".join(str(step) for step in detail["loc"])
    missing = detail["type"] == "missing"
    value = "(missing)" if missing else shown(detail["input"])
    rule = detail["msg"].removeprefix("Value error, ")
    field = FLAGS.get(place, place) or model.__name__
    return Trouble("InvalidInput", field, value, rule, _expected(model, detail))


def _expected(model: "type[BaseModel]", detail: "ErrorDetails") -> str:
    context = detail.get("ctx") or {}
    if "expected" in context:
        return str(context["expected"])
    limits = [f"{words} {context[key]:g}" for key, words in LIMITS if isinstance(context.get(key), (int, float))]
    form = FORMATS.get(detail["type"].partition("_")[0], "")
    return " and ".join(limits) or form or _description(model, detail["loc"])


def _description(model: object, place: Iterable[int | str]) -> str:
    info: FieldInfo | None = None
    for step in place:
        known = getattr(_model_in(model) or model, "model_fields", {})
        info = known.get(step, info)
        model = info.annotation if info else None
    return (info.description or "") if info else ""


def shown(value: object) -> str:
    """Return a value as text, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE_SHOWN else f"{text[:LONGEST_VALUE_SHOWN]}..."


# ---------------------------------------------------------------------- files and flags


def read_text(path: Path) -> str:
    """Return a file's text; '-' is stdin."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(Exit.BAD_INPUT, "UnreadableFile", str(error), field="file", value=path, expected="a readable text file")


def read_values(path: Path) -> dict[str, Any]:
    """Return the fields in a JSON or YAML file."""
    text = read_text(path)
    values = _json(path, text) if text.lstrip().startswith("{") else parse_yaml(text, field=str(path))
    if not isinstance(values, dict):
        fail(Exit.BAD_INPUT, "UnreadableFile", "must be a mapping of fields", field="file", value=path)
    return values


def _json(path: Path, text: str) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return json.loads(text, object_pairs_hook=_no_key_twice)
    except ValueError as error:
        fail(Exit.BAD_INPUT, "UnreadableFile", f"not valid JSON: {error}", field="file", value=path)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return values


def parse_yaml(text: str, *, field: str) -> Any:  # noqa: ANN401 - YAML is any value
    """Parse YAML in which every scalar stays as it was typed: the answer's model knows what it should be."""
    import yaml  # noqa: PLC0415 - see above

    try:
        # Without the resolver '1e9' or '012' would become numbers before the model can say that it wants text.
        return _without_null(yaml.load(text, Loader=_typed_loader()))  # noqa: S506 - a BaseLoader makes text only
    except (yaml.YAMLError, ValueError) as error:
        fail(Exit.BAD_INPUT, "UnreadableFile", f"not valid YAML: {error}", field=field, value=shown(text))


def _typed_loader() -> type[Any]:
    import yaml  # noqa: PLC0415 - see above

    class Typed(yaml.BaseLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            _no_key_twice([(str(key.value), None) for key, _ in node.value])
            values: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return values

    return Typed


def _without_null(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return None if value in ("", "null", "~") else value


WITH_FIELDS = ("laboratory", "baseline", "assessment")
"""Fields of answers that have fields of their own; elsewhere a dot is part of a name."""


def set_fields(values: dict[str, Any], assignments: Iterable[str]) -> dict[str, Any]:
    """Add `field=value` pairs; a dotted field goes into a nested one, such as 'laboratory.platelets.value=120'."""
    for assignment in assignments:
        place, equals, text = assignment.partition("=")
        if not equals or not place:
            fail(Exit.BAD_INPUT, "InvalidInput", "is not field=value", field="--set", value=assignment)
        *outer, last = place.split(".") if place.split(".")[0] in WITH_FIELDS else [place]
        inside = values
        for step in outer:
            inside = inside.setdefault(step, {})
            if not isinstance(inside, dict):
                fail(Exit.BAD_INPUT, "InvalidInput", f"'{step}' has no fields", field="--set", value=assignment)
        inside[last] = parse_yaml(text, field=place)
    return values


# ---------------------------------------------------------------------- what an answer is made of


class Asked(NamedTuple):
    """One field of an answer."""

    field: str
    type: str
    range: str
    needed: str
    meaning: str


UNITS = (
    ("_mg_per_m2", "mg/m2"),
    ("million_units_per_m2", "million units/m2"),
    ("_mg_per_day", "mg/day"),
    ("_celsius", "degrees Celsius"),
    ("_percent", "%"),
    ("million_cells", "million viable CAR-positive cells"),
    ("months_since", "months"),
    ("_mm", "mm"),
)
"""Parts of field names that name a unit."""


class AnswerForm:
    """The answer that a kind of task asks for: its fields, an example, and prompts for it."""

    def __init__(
        self,
        kind: str,
        protocol: "Protocol",
        detail: Mapping[str, str],
        known: Mapping[str, Sequence[dict[str, str]]] | None = None,
    ) -> None:
        """`detail` is the task's: what was planned is filled in. So are `known` parts of a list, such as lesions."""
        from schemas.commands.answers import Answer  # noqa: PLC0415 - see above

        models = get_args(get_args(Answer)[0])
        self.model: type[BaseModel] = next(model for model in models if model.model_fields["kind"].default == kind)
        self._rules: tuple[LaboratoryRule, ...] = protocol.eligibility.laboratory
        self._panel = [entry.antigen.value for entry in protocol.panel]
        planned = {name: value for name, value in detail.items() if name not in IN_QUESTION}
        self._planned = {**planned, "unit_id": detail.get("unit", "")}
        self._known = known or {}

    @property
    def given(self) -> dict[str, str]:
        """What the task itself answers: which adverse event it is about."""
        about = "event_id"
        return {about: self._planned[about]} if about in self.model.model_fields and self._planned.get(about) else {}

    def fields(self) -> list[Asked]:
        """Return every field, nested ones with their place."""
        return list(self._fields(self.model, ""))

    def _fields(self, model: "type[BaseModel]", place: str) -> Iterator[Asked]:
        properties = model.model_json_schema()["properties"]
        for name, info in _asked(model):
            inner = _model_in(info.annotation)
            if _is_laboratory(inner):
                yield from (self._analyte(place + name, rule) for rule in self._rules)
            elif inner is not None:
                kind, dot = ("list", "[].") if _is_several(info) else ("fields", ".")
                meaning = info.description or (inspect.getdoc(inner) or "").partition("\n")[0]
                yield Asked(place + name, kind, "", _needed(info), meaning)
                yield from self._fields(inner, place + name + dot)
            else:
                schema = _resolved(model, properties[name])
                kind = _type(model, schema)
                yield Asked(place + name, kind, _range(name, schema), _needed(info), info.description or "")

    def _analyte(self, name: str, rule: "LaboratoryRule") -> Asked:
        limits = f"{rule.plausible_low:g} to {rule.plausible_high:g} {rule.unit}"
        return Asked(f"{name}.{rule.analyte}", "value and unit", limits, "judged 'missing' if left out", "")

    def example(self, today: date) -> dict[str, Any]:
        """Return a form to fill in: days and planned doses stand in it, what must be found out is null."""
        return {"kind": self.model.model_fields["kind"].default, **self._example(self.model, today)}

    def _example(self, model: "type[BaseModel]", today: date) -> dict[str, Any]:
        return {name: self._example_value(model, name, info, today) for name, info in _asked(model)}

    def _example_value(self, model: "type[BaseModel]", name: str, info: "FieldInfo", today: date) -> object:
        inner = _model_in(info.annotation)
        if _is_laboratory(inner):
            return {rule.analyte: {"value": None, "unit": rule.unit} for rule in self._rules}
        if inner is not None:
            return self._example_part(name, info, inner, today)
        if self._planned.get(name):
            return self._planned[name]
        schema = _resolved(model, model.model_json_schema()["properties"][name])
        if "date" in str(schema.get("format", "")) and info.is_required():
            return today.isoformat() if schema["format"] == "date" else f"{today.isoformat()}T12:00:00Z"
        if name in LISTS_TO_FILL:
            return [None] * LISTS_TO_FILL[name]
        return _plain_default(info)

    def _example_part(self, name: str, info: "FieldInfo", inner: "type[BaseModel]", today: date) -> object:
        one = self._example(inner, today)
        if not _is_several(info):
            return one
        if name in self._known:
            return [one | known for known in self._known[name]]
        if name in SELDOM:
            return []
        return [one | {"antigen": antigen} for antigen in self._panel] if "antigen" in one else [one]

    def ask(self) -> dict[str, Any]:
        """Prompt for every field, and ask again where one is wrong."""
        return dict(self._answers(self.model, "", self.given))

    def _answers(self, model: "type[BaseModel]", place: str, given: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
        yield from given.items()
        for name, info in _asked(model):
            inner = _model_in(info.annotation)
            if name in given:
                continue
            if _is_laboratory(inner):
                yield name, dict(self._laboratory())
            elif inner is not None and _is_several(info):
                yield name, list(self._several(inner, place, name))
            elif inner is not None:
                if info.is_required() or typer.confirm(f"Give {place}{name}?", default=True, err=True):
                    yield name, dict(self._answers(inner, f"{place}{name}: ", {}))
            else:
                value = _prompt_field(model, name, info, place)
                if value is not None:
                    yield name, value

    def _laboratory(self) -> Iterator[tuple[str, dict[str, str]]]:
        for rule in self._rules:
            text = typer.prompt(f"laboratory {rule.analyte} ({rule.unit}; blank to leave out)", default="", **PROMPT)
            if text:
                yield rule.analyte, {"value": text, "unit": rule.unit}

    def _several(self, inner: "type[BaseModel]", place: str, name: str) -> Iterator[dict[str, Any]]:
        if name in self._known:
            for known in self._known[name]:
                yield dict(self._answers(inner, f"{place}{name} {' '.join(known.values())}: ", known))
            return
        number, first = 1, name not in SELDOM
        while typer.confirm(f"Add {place}{name} {number}?", default=number == 1 and first, err=True):
            yield dict(self._answers(inner, f"{place}{name} {number}: ", {}))
            number += 1


IN_QUESTION = ("grade",)
"""What a task shows because it is asked about: it is not filled in."""
SELDOM = ("new_lesions",)
"""Lists that mostly stay empty."""
LISTS_TO_FILL = {"percent_by_intensity": 4, "diameters_mm": 1}
"""Lists of numbers to be found out, with how many are usual."""


def _plain_default(info: "FieldInfo") -> object:
    if isinstance(info.default, Enum):
        return info.default.value
    return None if info.is_required() or not isinstance(info.default, (int, float)) else info.default


PROMPT: dict[str, Any] = {"show_default": False, "err": True}
"""Prompts go to stderr, so that stdout stays one document."""


def _prompt_field(model: "type[BaseModel]", name: str, info: "FieldInfo", place: str) -> object:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - see above

    schema = _resolved(model, model.model_json_schema()["properties"][name])
    hints = [text for text in (_type(model, schema), _range(name, schema), _needed(info), info.description) if text]
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]  # made at run time
    while True:
        text = typer.prompt(f"{place}{name} ({'; '.join(hints)})", default="", **PROMPT)
        if not text and not info.is_required():
            return None
        try:
            value = parse_yaml(text, field=name)
            if schema.get("type") == "array" and isinstance(value, str):
                value = [item.strip() for item in value.split(",")]
            adapter.validate_python(value)
        except ValidationError as error:
            typer.echo(f"  {shown(text)}: {error.errors()[0]['msg']}", err=True)
        except FailureError as error:
            typer.echo(f"  {error}", err=True)
        else:
            return value


def _asked(model: "type[BaseModel]") -> Iterator[tuple[str, "FieldInfo"]]:
    return ((name, info) for name, info in model.model_fields.items() if name != "kind")


def _model_in(annotation: object) -> "type[BaseModel] | None":
    """Return the model that a field holds one or several of."""
    from pydantic import BaseModel  # noqa: PLC0415 - see above

    candidates = [annotation, *get_args(annotation)]
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _is_several(info: "FieldInfo") -> bool:
    return get_origin(info.annotation) in (tuple, list)


def _is_laboratory(model: object) -> bool:
    from schemas.screening.eligibility import Laboratory  # noqa: PLC0415 - see above

    return model is Laboratory


def _resolved(model: "type[BaseModel]", schema: dict[str, Any]) -> dict[str, Any]:
    """Return a field's own schema: behind a reference, and without the null of what may be left out."""
    if "anyOf" in schema:
        return _resolved(model, next(option for option in schema["anyOf"] if option.get("type") != "null"))
    if "$ref" in schema:
        definitions = model.model_json_schema()["$defs"]
        resolved: dict[str, Any] = definitions[schema["$ref"].rpartition("/")[2]]
        return resolved
    return schema


def _type(model: "type[BaseModel]", schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    kind = str(schema.get("format") or schema.get("type"))
    names = {"date": "date YYYY-MM-DD", "date-time": "time with zone", "boolean": "true | false", "string": "text"}
    if kind == "array":
        count = f" of {schema['maxItems']}" if "maxItems" in schema else ""
        items = _resolved(model, schema.get("items") or schema["prefixItems"][0])
        return f"list{count}: [{_type(model, items)}, ...]"
    return names.get(kind, kind)


def _range(name: str, schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = f"{plain(float(low))} to {plain(float(high))}" if low is not None and high is not None else ""
    measured = schema.get("type") != "boolean"
    unit = next((unit for part, unit in UNITS if part in name), "") if measured else ""
    return f"{limits} {unit}".strip()


def _needed(info: "FieldInfo") -> str:
    if info.is_required():
        return "required"
    if isinstance(info.default, Enum):
        return f"default {info.default.value}"
    return f"default {info.default}" if isinstance(info.default, (bool, int, float)) else "optional"
