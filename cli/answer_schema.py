"""The fields of an answer's model in words: type, range, unit, and whether one is needed."""

from collections.abc import Iterator
from enum import Enum
from typing import TYPE_CHECKING, Any, get_origin

from cli.tables import plain_number

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

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


def answered_fields(model: "type[BaseModel]") -> Iterator[tuple[str, "FieldInfo"]]:
    """Return the fields that a person answers, with their names."""
    return ((name, info) for name, info in model.model_fields.items() if name != "kind")


def is_list(info: "FieldInfo") -> bool:
    """Whether a field holds several values."""
    return get_origin(info.annotation) in (tuple, list)


def is_laboratory(model: object) -> bool:
    """Whether a model is the laboratory's values, whose fields are the protocol's."""
    from schemas.screening.eligibility import Laboratory  # noqa: PLC0415 - slow to load

    return model is Laboratory


def schema_of(model: "type[BaseModel]", name: str) -> dict[str, Any]:
    """Return the JSON schema of a field: behind a reference, and without the null of what may be left out."""
    return _resolved(model, model.model_json_schema()["properties"][name])


def _resolved(model: "type[BaseModel]", schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return _resolved(model, next(option for option in schema["anyOf"] if option.get("type") != "null"))
    if "$ref" in schema:
        definitions = model.model_json_schema()["$defs"]
        resolved: dict[str, Any] = definitions[schema["$ref"].rpartition("/")[2]]
        return resolved
    return schema


def type_of(model: "type[BaseModel]", schema: dict[str, Any]) -> str:
    """Return what kind of value a field takes, such as 'tissue | CTC'."""
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    kind = str(schema.get("format") or schema.get("type"))
    names = {"date": "date YYYY-MM-DD", "date-time": "time with zone", "boolean": "true | false", "string": "text"}
    if kind == "array":
        count = f" of {schema['maxItems']}" if "maxItems" in schema else ""
        items = _resolved(model, schema.get("items") or schema["prefixItems"][0])
        return f"list{count}: [{type_of(model, items)}, ...]"
    return names.get(kind, kind)


def range_of(name: str, schema: dict[str, Any]) -> str:
    """Return a field's limits and unit, such as '0 to 5' or '0 to 100 %'; nothing where it has none."""
    low, high = schema.get("minimum"), schema.get("maximum")
    limits = f"{plain_number(low)} to {plain_number(high)}" if low is not None and high is not None else ""
    measured = schema.get("type") != "boolean"
    unit = next((unit for part, unit in UNITS if part in name), "") if measured else ""
    return f"{limits} {unit}".strip()


def needed(info: "FieldInfo") -> str:
    """Return whether a field is required, or what it is when it is left out."""
    if info.is_required():
        return "required"
    default = plain_default(info)
    return "optional" if default is None else f"default {default}"


def plain_default(info: "FieldInfo") -> object:
    """Return a default that can be written in JSON; None where there is none."""
    if isinstance(info.default, Enum):
        return info.default.value
    return None if info.is_required() or not isinstance(info.default, (int, float)) else info.default
