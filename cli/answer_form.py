"""The answer that a kind of task asks for: its fields, and an example to fill in."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from cli.answer_schema import (
    answered_fields,
    is_laboratory,
    is_list,
    needed,
    plain_default,
    range_of,
    schema_of,
    type_of,
)
from cli.validation import model_in

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

    from schemas.protocol import LaboratoryRule, Protocol

IN_QUESTION = ("grade",)
"""What a task shows because it is asked about: it is not filled in."""
SELDOM = ("new_lesions",)
"""Lists that mostly stay empty."""
LISTS_TO_FILL = {"percent_by_intensity": 4, "diameters_mm": 1}
"""Lists of numbers to be found out, with how many are usual."""


class Field(NamedTuple):
    """One field of an answer."""

    field: str
    type: str
    range: str
    needed: str
    meaning: str


class AnswerForm:
    """The answer that a kind of task asks for."""

    def __init__(
        self,
        kind: str,
        protocol: "Protocol",
        detail: Mapping[str, str],
        known: Mapping[str, Sequence[dict[str, str]]] | None = None,
    ) -> None:
        """
        Find the answer's model.

        Args:
            kind: the task's kind.
            protocol: the participant's protocol: its laboratory rules and its panel.
            detail: the task's, such as planned doses: they are filled in.
            known: parts of lists that are known, such as the lesions of the baseline: they are filled in, too.
        """
        from schemas.commands.answers import Answer  # noqa: PLC0415 - slow to load

        models = get_args(get_args(Answer)[0])
        self.model: type[BaseModel] = next(model for model in models if model.model_fields["kind"].default == kind)
        self.laboratory: tuple[LaboratoryRule, ...] = protocol.eligibility.laboratory
        self._panel = [entry.antigen.value for entry in protocol.panel]
        planned = {name: value for name, value in detail.items() if name not in IN_QUESTION}
        self._planned = {**planned, "unit_id": detail.get("unit", "")}
        self.known = known or {}

    @property
    def given(self) -> dict[str, str]:
        """What the task itself answers: which adverse event it is about."""
        about = "event_id"
        return {about: self._planned[about]} if about in self.model.model_fields and self._planned.get(about) else {}

    def fields(self) -> list[Field]:
        """Return every field, nested ones with their place."""
        return list(self._fields(self.model, ""))

    def _fields(self, model: "type[BaseModel]", place: str) -> Iterator[Field]:
        for name, info in answered_fields(model):
            inner = model_in(info.annotation)
            if is_laboratory(inner):
                yield from (self._analyte(place + name, rule) for rule in self.laboratory)
            elif inner is not None:
                kind, dot = ("list", "[].") if is_list(info) else ("fields", ".")
                meaning = info.description or (inspect.getdoc(inner) or "").partition("\n")[0]
                yield Field(place + name, kind, "", needed(info), meaning)
                yield from self._fields(inner, place + name + dot)
            else:
                schema = schema_of(model, name)
                kind = type_of(model, schema)
                yield Field(place + name, kind, range_of(name, schema), needed(info), info.description or "")

    def _analyte(self, name: str, rule: "LaboratoryRule") -> Field:
        limits = f"{rule.plausible_low:g} to {rule.plausible_high:g} {rule.unit}"
        return Field(f"{name}.{rule.analyte}", "value and unit", limits, "judged 'missing' if left out", "")

    def example(self, today: date) -> dict[str, Any]:
        """Return a form to fill in: days and planned doses stand in it, what must be found out is null."""
        return {"kind": self.model.model_fields["kind"].default, **self._example(self.model, today)}

    def _example(self, model: "type[BaseModel]", today: date) -> dict[str, Any]:
        return {name: self._example_value(model, name, info, today) for name, info in answered_fields(model)}

    def _example_value(self, model: "type[BaseModel]", name: str, info: "FieldInfo", today: date) -> object:
        inner = model_in(info.annotation)
        if is_laboratory(inner):
            return {rule.analyte: {"value": None, "unit": rule.unit} for rule in self.laboratory}
        if inner is not None:
            return self._example_part(name, info, inner, today)
        if self._planned.get(name):
            return self._planned[name]
        schema = schema_of(model, name)
        if "date" in str(schema.get("format", "")) and info.is_required():
            return today.isoformat() if schema["format"] == "date" else f"{today.isoformat()}T12:00:00Z"
        if name in LISTS_TO_FILL:
            return [None] * LISTS_TO_FILL[name]
        return plain_default(info)

    def _example_part(self, name: str, info: "FieldInfo", inner: "type[BaseModel]", today: date) -> object:
        one = self._example(inner, today)
        if not is_list(info):
            return one
        if name in self.known:
            return [one | known for known in self.known[name]]
        if name in SELDOM:
            return []
        return [one | {"antigen": antigen} for antigen in self._panel] if "antigen" in one else [one]
