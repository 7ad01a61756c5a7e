"""
Load a protocol file, or refuse it with every problem at once.

A file is refused when it is not plain YAML, when it contradicts `schemas.protocol`, or when a value has no source:
a number that nobody can trace is a number that nobody can review.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.base import Frozen
from schemas.canonical import json_sha256
from schemas.protocol import Arm, LaboratoryRule, Protocol, ProtocolReference
from schemas.schedule.task import TaskKind

SOURCE_TAGS = ("record:", "source:", "assumption:")
ABSENT = "missing"
LONGEST_VALUE_SHOWN = 100
# libyaml parses the platform's protocol some ten times faster; PyYAML can be built without it.
_FAST_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Place = tuple[str | int, ...]


class ProtocolError(ValueError):
    """A protocol file was refused; the message has one line `FILE: path.in.file = VALUE: rule` for each problem."""

    def __init__(self, path: Path, found: Sequence["Found"]) -> None:
        """Keep the lines apart as `problems`, for callers that show a list."""
        self.problems = tuple(f"{path}: {_dotted(f.place)} = {f.value}: {f.rule}" for f in found)
        super().__init__("\n".join(self.problems))


class Found(NamedTuple):
    """One problem: where in the file, the value as it is shown, and the rule that it breaks."""

    place: Place
    value: str
    rule: str


class LoadedProtocol(Frozen):
    """A protocol that passed every check, what identifies it, and where each value comes from."""

    protocol: Protocol
    reference: ProtocolReference
    sources: dict[str, str]


def default_protocol_path() -> Path:
    """Return the path of the platform protocol that comes with the package."""
    return Path(__file__).with_name("car-nk-platform.yaml")


def load_protocol(path: Path) -> LoadedProtocol:
    """Load and check a protocol file; raise `ProtocolError` naming every problem."""
    content = _read(path)
    values = {key: value for key, value in content.items() if key != "sources"}
    protocol, found = _validated(values)
    sources = _sources(content)
    found += [*_not_finite(values), *_source_problems(values, sources)]
    if protocol is not None:
        found += _contradictions(protocol)
    if protocol is None or found:
        raise ProtocolError(path, found)
    reference = ProtocolReference(id=protocol.id, version=protocol.version, sha256=json_sha256(content))
    texts = {path: str(text) for path, text in sources.items()}
    return LoadedProtocol(protocol=protocol, reference=reference, sources=texts)


# Reading: plain YAML only.


def _read(path: Path) -> dict[str, object]:
    text = _text(path)
    try:
        found, content = _parsed(text)
    except yaml.MarkedYAMLError as error:
        raise ProtocolError(path, [_syntax_problem(error, text)]) from error
    except (yaml.YAMLError, ValueError) as error:
        # Not every slip has a place: a control character, or a date such as 2026-02-30.
        raise ProtocolError(path, [Found((), _shown(text), f"not valid YAML: {error}")]) from error
    if isinstance(content, dict):
        return content
    raise ProtocolError(
        path, found or [Found((), _shown(content), "the file must be a mapping of the protocol's fields")]
    )


def _parsed(text: str) -> tuple[list[Found], object]:
    try:
        return _parsed_by(_FAST_LOADER, text)
    except yaml.MarkedYAMLError:
        # The parser in Python names the place of a slip more exactly than libyaml.
        return _parsed_by(yaml.SafeLoader, text)


def _parsed_by(loader_class: type[yaml.SafeLoader], text: str) -> tuple[list[Found], object]:
    """Return what is not plain in the text, and its content if all is plain; raise `yaml.YAMLError` if it is none."""
    loader = loader_class(text)
    try:
        node = loader.get_single_node()
        found = list(_not_plain(node, (), set()))
        return found, None if found or node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProtocolError(path, [Found((), "unreadable", str(error))]) from error


def _syntax_problem(error: yaml.MarkedYAMLError, text: str) -> Found:
    mark = error.problem_mark
    line = mark.line if mark else 0
    lines = text.splitlines()
    # The parser may point past the last line, at the end of an unclosed bracket.
    shown = lines[line].strip() if line < len(lines) else "end of file"
    return Found((f"line {line + 1}",), _shown(shown), f"not valid YAML: {error.problem}")


def _not_plain(node: yaml.Node | None, place: Place, seen: set[int]) -> Iterator[Found]:
    """Find what YAML allows and a reviewer would misread: a key given twice, a key that is not text, an alias."""
    if node is None:
        return
    if id(node) in seen:
        yield Found(place, "alias", "aliases are refused: write the value out, so that it has its own path and source")
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield from _keys_not_plain(node, place)
        for key, value in node.value:
            yield from _not_plain(value, (*place, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _not_plain(item, (*place, index), seen)


def _keys_not_plain(node: yaml.MappingNode, place: Place) -> Iterator[Found]:
    first_line: dict[str, int] = {}
    for key, value in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if key.tag != "tag:yaml.org,2002:str":
            yield Found((*place, name), _node_shown(value), f"keys must be text: quote it (line {line})")
        elif name in first_line:
            rule = f"the key stands twice, on lines {first_line[name]} and {line}"
            yield Found((*place, name), _node_shown(value), rule)
        first_line.setdefault(name, line)


def _node_shown(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


# Checking against the schema.


def _validated(values: dict[str, object]) -> tuple[Protocol | None, list[Found]]:
    # Strict, by way of JSON: '"14"' or 'yes' in the file is a slip, while a list is still a tuple and a text an enum.
    try:
        return Protocol.model_validate_json(json.dumps(values, default=str), strict=True), []
    except ValidationError as error:
        return None, [_translated(detail, values) for detail in error.errors()]


def _translated(detail: ErrorDetails, values: Mapping[str, object]) -> Found:
    rule = detail["msg"].removeprefix("Value error, ")
    place = _without_kinds(detail["loc"], values)
    if detail["type"] == "missing":
        return Found(place, ABSENT, rule)
    if place:
        return Found(place, _shown(detail["input"]), rule)
    place = _named_in(rule, values)
    return Found(place, _shown(_at(values, place)), rule)


def _without_kinds(place: Place, values: object) -> Place:
    """Leave out the steps that only say which kind of rule a part of the file is: the file has no such path."""
    steps: list[str | int] = []
    here = values
    for step in place:
        if isinstance(here, dict) and step not in here and here.get("kind") == step:
            continue
        steps.append(step)
        known = isinstance(here, (dict, list)) and (step in here if isinstance(here, dict) else int(step) < len(here))
        here = here[step] if known else None  # type: ignore[index]  # just looked up
    return tuple(steps)


def _named_in(rule: str, values: Mapping[str, object]) -> Place:
    """Find the part of the file that a contradiction of the whole protocol names at its start ('visits: ...')."""
    subject = rule.partition(":")[0]
    if subject in values:
        return (subject,)
    arms = values["arms"]
    ids = [f"arm {arm['id']}" for arm in arms] if isinstance(arms, list) else []
    return ("arms", ids.index(subject), "targets") if subject in ids else ()


def _at(values: object, place: Place) -> object:
    for step in place:
        values = values[step]  # type: ignore[index]  # the place was found in these values
    return values


# Contradictions that no single model can see.


def _contradictions(protocol: Protocol) -> list[Found]:
    return [
        *_task_problems(protocol),
        *_window_problems(protocol),
        *_cytokine_problems(protocol),
        *_laboratory_problems(protocol.eligibility.laboratory),
        *(found for index, arm in enumerate(protocol.arms) for found in _repeated_targets(index, arm)),
        *_preference_problems(protocol),
    ]


def _task_problems(protocol: Protocol) -> Iterator[Found]:
    kinds = [kind.value for kind in TaskKind]
    for kind in kinds:
        if kind not in protocol.tasks:
            yield Found(("tasks", kind), ABSENT, "every kind of task needs role, due_days and escalate_days")
    for kind in protocol.tasks:
        if kind not in kinds:
            yield Found(("tasks", kind), _shown(kind), f"no such kind of task; known are {', '.join(kinds)}")


def _window_problems(protocol: Protocol) -> Iterator[Found]:
    depletion, infusions = protocol.lymphodepletion, protocol.infusions
    latest = depletion.days[-1] + depletion.window_after_days
    if latest > 0:
        place = ("lymphodepletion", "window_after_days")
        yield Found(place, str(depletion.window_after_days), f"lymphodepletion could end on day {latest}, after day 0")
    gaps = [later - earlier for earlier, later in zip(infusions.days, infusions.days[1:], strict=False)]
    if gaps and infusions.window_after_days >= min(gaps):
        place = ("infusions", "window_after_days")
        rule = f"an infusion's window must close before the next one, {min(gaps)} days later"
        yield Found(place, str(infusions.window_after_days), rule)


def _cytokine_problems(protocol: Protocol) -> Iterator[Found]:
    infusions = len(protocol.infusions.days)
    for index, number in enumerate(protocol.cytokine.after_infusions):
        if not 1 <= number <= infusions:
            rule = f"infusions are numbered 1 to {infusions}"
            yield Found(("cytokine", "after_infusions", index), str(number), rule)


def _laboratory_problems(rules: Sequence[LaboratoryRule]) -> Iterator[Found]:
    analytes = [rule.analyte for rule in rules]
    for index, rule in enumerate(rules):
        place: Place = ("eligibility", "laboratory", index)
        if rule.analyte in analytes[:index]:
            yield Found((*place, "analyte"), _shown(rule.analyte), "an analyte has one rule")
        relaxed = rule.relaxed_maximum
        if relaxed is not None and (rule.maximum is None or relaxed <= rule.maximum):
            yield Found((*place, "relaxed_maximum"), f"{relaxed:g}", "must be above maximum, which it relaxes")


def _repeated_targets(index: int, arm: Arm) -> Iterator[Found]:
    seen: set[frozenset[str]] = set()
    for number, target in enumerate(arm.targets):
        if frozenset(target) in seen:
            yield Found(("arms", index, "targets", number), _shown(list(target)), "the target stands twice")
        seen.add(frozenset(target))


def _preference_problems(protocol: Protocol) -> Iterator[Found]:
    preference = protocol.samples.preference
    for index, sample in enumerate(preference):
        if sample in preference[:index]:
            yield Found(("samples", "preference", index), _shown(sample), "a kind of sample has one rank")


# Sources: nothing without one.


def _sources(content: Mapping[str, object]) -> dict[str, object]:
    given = content.get("sources")
    return given if isinstance(given, dict) else {}


def _source_problems(values: dict[str, object], sources: Mapping[str, object]) -> Iterator[Found]:
    if not sources:
        yield Found(("sources",), ABSENT, "a mapping of paths to sources is required")
        return
    for key, text in sources.items():
        yield from _source_text_problems(key, text)
    places = dict(_leaves(values, ()))
    for place, value in places.items():
        if _covering(place, sources) is None:
            yield Found(place, _shown(value), "no source: name this path, or a prefix of it, under sources")
    prefixes = {_dotted(place[:length]) for place in places for length in range(1, len(place) + 1)}
    for key in sorted(set(sources) - prefixes):
        yield Found(("sources", key), _shown(sources[key]), "the file has no such path")


def _source_text_problems(key: str, text: object) -> Iterator[Found]:
    tags = [tag for tag in SOURCE_TAGS if isinstance(text, str) and text.startswith(tag)]
    says_something = bool(tags) and bool(str(text).removeprefix(tags[0]).strip())
    if not says_something:
        yield Found(("sources", key), _shown(text), f"must start with one of {', '.join(SOURCE_TAGS)} and say which")


def _covering(place: Sequence[str | int], sources: Mapping[str, object]) -> str | None:
    """Return the longest prefix of the place that has a source."""
    prefixes = (_dotted(place[:length]) for length in range(len(place), 0, -1))
    return next((prefix for prefix in prefixes if prefix in sources), None)


def _leaves(value: object, place: Place) -> Iterator[tuple[Place, object]]:
    # An empty list is a choice too ('after no infusion'), so it counts as a leaf.
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*place, key))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, (*place, index))
    else:
        yield place, value


def _not_finite(values: dict[str, object]) -> Iterator[Found]:
    for place, value in _leaves(values, ()):
        if isinstance(value, float) and not math.isfinite(value):
            yield Found(place, str(value), "a number must be finite")


# Shared: how places and values are written.


def _dotted(place: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in place) or "(whole file)"


def _shown(value: object) -> str:
    text = ABSENT if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= LONGEST_VALUE_SHOWN else f"{text[:LONGEST_VALUE_SHOWN]}..."
