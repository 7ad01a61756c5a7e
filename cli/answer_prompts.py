"""An answer asked for field by field on a terminal. Prompts go to stderr, so that stdout stays one document."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.answer_form import SELDOM, AnswerForm
from cli.answer_schema import answered_fields, is_laboratory, is_list, needed, range_of, schema_of, type_of
from cli.failures import FailureError
from cli.output import note
from cli.typed_values import parse_yaml
from cli.validation import model_in, shown

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

ON_STDERR: dict[str, Any] = {"show_default": False, "err": True}


def ask(form: AnswerForm) -> dict[str, Any]:
    """Prompt for every field of an answer, and ask again where one is wrong."""
    return dict(_answers(form, form.model, "", form.given))


def _answers(
    form: AnswerForm, model: "type[BaseModel]", place: str, given: Mapping[str, str]
) -> Iterator[tuple[str, Any]]:
    yield from given.items()
    for name, info in answered_fields(model):
        inner = model_in(info.annotation)
        if name in given:
            continue
        if is_laboratory(inner):
            yield name, dict(_laboratory(form))
        elif inner is not None and is_list(info):
            yield name, list(_several(form, inner, place, name))
        elif inner is not None:
            if info.is_required() or typer.confirm(f"Give {place}{name}?", default=True, err=True):
                yield name, dict(_answers(form, inner, f"{place}{name}: ", {}))
        else:
            value = _field(model, name, info, place)
            if value is not None:
                yield name, value


def _laboratory(form: AnswerForm) -> Iterator[tuple[str, dict[str, str]]]:
    for rule in form.laboratory:
        prompt = f"laboratory {rule.analyte} ({rule.unit}; blank to leave out)"
        text = typer.prompt(prompt, default="", **ON_STDERR)
        if text:
            yield rule.analyte, {"value": text, "unit": rule.unit}


def _several(form: AnswerForm, inner: "type[BaseModel]", place: str, name: str) -> Iterator[dict[str, Any]]:
    if name in form.known:
        for known in form.known[name]:
            yield dict(_answers(form, inner, f"{place}{name} {' '.join(known.values())}: ", known))
        return
    number, first = 1, name not in SELDOM
    while typer.confirm(f"Add {place}{name} {number}?", default=number == 1 and first, err=True):
        yield dict(_answers(form, inner, f"{place}{name} {number}: ", {}))
        number += 1


def _field(model: "type[BaseModel]", name: str, info: "FieldInfo", place: str) -> object:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - slow to load

    schema = schema_of(model, name)
    hints = [text for text in (type_of(model, schema), range_of(name, schema), needed(info), info.description) if text]
    adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]  # made at run time
    while True:
        text = typer.prompt(f"{place}{name} ({'; '.join(hints)})", default="", **ON_STDERR)
        if not text and not info.is_required():
            return None
        try:
            value = parse_yaml(text, field=name)
            if schema.get("type") == "array" and isinstance(value, str):
                value = [item.strip() for item in value.split(",")]
            adapter.validate_python(value)
        except ValidationError as error:
            note(f"  {shown(text)}: {error.errors()[0]['msg']}")
        except FailureError as error:
            note(f"  {error}")
        else:
            return value
