"""Fields that people give in files and flags, as text: their model says later what they should be."""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cli.exit_codes import Exit
from cli.failures import fail, fail_unreadable
from cli.validation import shown

WITH_FIELDS = ("laboratory", "baseline", "assessment")
"""Fields of answers that have fields of their own; elsewhere a dot is part of a name."""


def read_text(path: Path) -> str:
    """Return a file's text; '-' is stdin."""
    try:
        return sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail_unreadable(path, str(error), expected="a readable text file")


def read_values(path: Path) -> dict[str, Any]:
    """Return the fields in a JSON or YAML file."""
    text = read_text(path)
    values = _json(path, text) if text.lstrip().startswith("{") else parse_yaml(text, field=str(path))
    if not isinstance(values, dict):
        fail_unreadable(path, "must be a mapping of fields")
    return values


def _json(path: Path, text: str) -> Any:  # noqa: ANN401 - JSON is any value
    try:
        return json.loads(text, object_pairs_hook=_no_key_twice)
    except ValueError as error:
        fail_unreadable(path, f"not valid JSON: {error}")


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice")
    return values


def parse_yaml(text: str, *, field: str) -> Any:  # noqa: ANN401 - YAML is any value
    """Parse YAML in which every scalar stays as it was typed: the answer's model knows what it should be."""
    import yaml  # noqa: PLC0415 - slow to load

    try:
        # Without the resolver '1e9' or '012' would become numbers before the model can say that it wants text.
        return _without_null(yaml.load(text, Loader=_text_loader()))  # noqa: S506 - a BaseLoader makes text only
    except (yaml.YAMLError, ValueError) as error:
        fail_unreadable(shown(text), f"not valid YAML: {error}", field=field)


def _text_loader() -> type[Any]:
    import yaml  # noqa: PLC0415 - slow to load

    class TextLoader(yaml.BaseLoader):
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            _no_key_twice([(str(key.value), None) for key, _ in node.value])
            values: dict[Any, Any] = super().construct_mapping(node, deep=deep)
            return values

    return TextLoader


def _without_null(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_null(item) for item in value]
    return None if value in ("", "null", "~") else value


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
