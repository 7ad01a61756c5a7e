"""What was typed, checked against its model: every field that is wrong is named, with what would be right."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar, get_args

from cli.exit_codes import Exit
from cli.failures import FailureError, Trouble

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound="BaseModel")

LONGEST_VALUE_SHOWN = 120
FLAGS = {"envelope.person": "--as", "envelope.role": "--role", "envelope.time": "--at"}
FORMATS = {
    "date": "a date such as 2026-11-24",
    "datetime": "a time with its zone, such as 2026-11-24T09:00:00Z",
    "timezone": "a time with its zone, such as 2026-11-24T09:00:00Z",
}
LIMITS = (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))


def checked(model: type[Model], values: object) -> Model:
    """Return the model, or stop with every field that is wrong."""
    from pydantic import ValidationError  # noqa: PLC0415 - slow to load

    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise FailureError(Exit.BAD_INPUT, *(_trouble(model, detail) for detail in error.errors())) from None


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
        known = getattr(model_in(model) or model, "model_fields", {})
        info = known.get(step, info)
        model = info.annotation if info else None
    return (info.description or "") if info else ""


def model_in(annotation: object) -> "type[BaseModel] | None":
    """Return the model that a field holds one or several of."""
    from pydantic import BaseModel  # noqa: PLC0415 - slow to load

    candidates = [annotation, *get_args(annotation)]
    return next((kind for kind in candidates if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def shown(value: object) -> str:
    """Return a value as text, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE_SHOWN else f"{text[:LONGEST_VALUE_SHOWN]}..."
