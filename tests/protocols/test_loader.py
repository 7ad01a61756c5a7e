"""Protocol files: what loads, and what is refused with file, path, value and rule."""

import hashlib
import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.loader import LoadedProtocol, ProtocolError, default_protocol_path, load_protocol
from schemas.base import Role
from schemas.protocol import ArmKind, VisitKind
from schemas.schedule.task import TaskKind

Content = dict[str, Any]
DEFAULT_TEXT = default_protocol_path().read_text(encoding="utf-8")
DEFAULT_CONTENT: Content = yaml.safe_load(DEFAULT_TEXT)


def make_content() -> Content:
    """Copy the platform protocol, to be spoilt by a test."""
    return deepcopy(DEFAULT_CONTENT)


def write_text(folder: Path, text: str) -> Path:
    """Write a protocol file."""
    path = folder / "spoilt.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def source_of(loaded: LoadedProtocol, path: str) -> str:
    """Return the source of the value at a dotted path: that of the longest prefix that has one."""
    steps = path.split(".")
    prefixes = [".".join(steps[:length]) for length in range(len(steps), 0, -1)]
    return next(loaded.sources[prefix] for prefix in prefixes if prefix in loaded.sources)


def refusal(folder: Path, text: str) -> ProtocolError:
    """Load a file that must be refused; every line of the message starts with the file."""
    path = write_text(folder, text)
    with pytest.raises(ProtocolError) as caught:
        load_protocol(path)
    assert "\n".join(caught.value.problems) == str(caught.value)
    assert all(line.startswith(f"{path}: ") for line in caught.value.problems)
    return caught.value


def problems(folder: Path, spoil: Callable[[Content], object]) -> list[str]:
    """Spoil the platform protocol and return the problems without the file's name, which is checked."""
    content = make_content()
    spoil(content)
    error = refusal(folder, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
    return [line.removeprefix(f"{folder / 'spoilt.yaml'}: ") for line in error.problems]


def test_the_platform_protocol_loads() -> None:
    """The protocol that comes with the package passes every check and has an arm of each kind."""
    loaded = load_protocol(default_protocol_path())

    assert (loaded.reference.id, loaded.reference.version) == ("car-nk-platform", "1.1")
    assert [arm.kind for arm in loaded.protocol.arms] == [ArmKind.SINGLE, ArmKind.DUAL]
    assert [entry.antigen for entry in loaded.protocol.panel] == [
        target[0] for target in loaded.protocol.arms[0].targets
    ]


def test_what_the_record_states_stands_in_the_protocol() -> None:
    """Figures of the trial record: age, ECOG, lesions, prednisone, months, 28 days, and 3+3."""
    protocol = load_protocol(default_protocol_path()).protocol
    rules = protocol.eligibility

    assert (
        rules.minimum_age_years,
        rules.maximum_age_years,
        rules.maximum_ecog,
        rules.minimum_measurable_lesions,
    ) == (18, 75, 1, 1)
    assert (
        rules.maximum_prednisone_mg_per_day,
        rules.minimum_months_since_gene_modified_therapy,
        rules.minimum_months_since_allogeneic_transplant,
    ) == (10, 3, 6)
    assert (
        protocol.dlt.window_days,
        protocol.escalation.cohort_size,
        protocol.escalation.expanded_size,
        protocol.escalation.toxic_at_dlts,
    ) == (28, 3, 6, 2)


def test_the_platform_protocol_can_de_escalate_in_the_dual_arm_and_times_its_tasks() -> None:
    """The dual arm starts above its lowest level; each kind of task has a role; the DLT visit is never early."""
    protocol = load_protocol(default_protocol_path()).protocol

    assert (protocol.arm("single-target").start_level, protocol.arm("dual-target").start_level) == (1, 2)
    assert {kind.value for kind in TaskKind} == set(protocol.tasks)
    assert Role.COMMITTEE is protocol.tasks["committee_decision"].role
    window_closing = [visit for visit in protocol.visits if visit.day == protocol.dlt.window_days]
    assert [(visit.kind, visit.window_before_days) for visit in window_closing] == [(VisitKind.SAFETY, 0)]


def test_the_hash_is_over_the_whole_content_not_its_layout(tmp_path: Path) -> None:
    """Layout and key order do not change the hash; a source's text does."""
    content = make_content()
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    expected = hashlib.sha256(canonical.encode()).hexdigest()

    assert expected == load_protocol(default_protocol_path()).reference.sha256
    same = write_text(tmp_path, yaml.safe_dump(content, sort_keys=True))
    assert expected == load_protocol(same).reference.sha256
    content["sources"]["arms"] += ", and more"
    other = write_text(tmp_path, yaml.safe_dump(content))
    assert expected != load_protocol(other).reference.sha256


@pytest.mark.parametrize(
    ("path", "start"),
    [
        ("eligibility.maximum_age_years", "record: Eligibility, inclusion 1"),
        ("panel.4.threshold.percent_cells", "source: CLDN18.2"),
        # The longest prefix holds: `panel.1.threshold` and `panel.1.threshold.minimum_intensity` differ.
        ("panel.1.threshold.percent_cells", "assumption: "),
        ("panel.1.threshold.minimum_intensity", "source: TROP2"),
        ("arms.1.dose_levels.0.million_cells", "source: FT596"),
        ("arms.1.dose_levels.1.million_cells", "source: DLL3"),
        ("arms.1.kind", "record: Study design"),
    ],
)
def test_a_value_s_source_is_found_by_its_path(path: str, start: str) -> None:
    """Every value can be traced; the longest path that covers it holds."""
    assert source_of(load_protocol(default_protocol_path()), path).startswith(start)


def set_at(*place: str | int, to: object) -> Callable[[Content], None]:
    """Return a change that sets the value at a place."""

    def spoil(content: Content) -> None:
        part: Any = content
        for step in place[:-1]:
            part = part[step]
        part[place[-1]] = to

    return spoil


def drop(*place: str | int) -> Callable[[Content], None]:
    """Return a change that removes a key."""

    def spoil(content: Content) -> None:
        part: Any = content
        for step in place[:-1]:
            part = part[step]
        del part[place[-1]]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "start", "rule"),
    [
        (
            set_at("arms", 0, "dose_levels", 1, "million_cells", to=100),
            'arms.0 = {"id": "single-target"',
            "dose levels must ascend, got [100.0, 100.0, 1000.0, 3000.0]",
        ),
        (set_at("dlt", "window_days", to=0), "dlt.window_days = 0: ", "greater than or equal to 1"),
        (
            set_at("visits", 1, "window_after_days", to=0),
            "visits.1.window_after_days = 0: ",
            "greater than or equal to 1",
        ),
        (set_at("arms", 0, "start_level", to=5), 'arms.0 = {"id"', "start_level 5 is not a dose level"),
        (
            set_at("lymphodepletion", "days", to=[-3, -4]),
            'lymphodepletion = {"days": [-3, -4]',
            "must be negative and ascend, got [-3, -4]",
        ),
        (
            set_at("arms", 1, "targets", 0, to=["mesothelin", "CD19"]),
            'arms.1.targets.0.1 = "CD19": ',
            "Input should be",
        ),
        (
            set_at("arms", 1, "targets", 0, to=["HER2", "HER2"]),
            'arms.1 = {"id": "dual-target"',
            "needs 2 different antigen(s) in each target, got",
        ),
        (
            set_at("tasks", "biopsy", "role", to="nurse"),
            'tasks.biopsy.role = "nurse": ',
            "Input should be 'coordinator'",
        ),
        (set_at("dlt", "grace_days", to=3), "dlt.grace_days = 3: ", "Extra inputs are not permitted"),
        (set_at("surprise", to="x"), 'surprise = "x": ', "Extra inputs are not permitted"),
        (drop("dlt", "window_days"), "dlt.window_days = missing: ", "Field required"),
        (drop("cytokine"), "cytokine = missing: ", "Field required"),
        (set_at("dlt", "window_days", to="28"), 'dlt.window_days = "28": ', "valid integer"),
        (
            set_at("assignment", "fallback_to_single", to="yes"),
            'assignment.fallback_to_single = "yes": ',
            "valid boolean",
        ),
        (set_at("version", to=1.0), "version = 1.0: ", "valid string"),
        (
            set_at("infusions", "days", to=[0, 7, 35]),
            'infusions = {"days": [0, 7, 35]',
            "day 35 is after the DLT window",
        ),
        (set_at("escalation", "stagger_days", to=29), 'escalation = {"cohort_size": 3', "stagger_days is longer"),
        (
            set_at("visits", 1, "kind", to="imaging"),
            "visits = [",
            "the DLT window's last day, 28, needs a safety visit",
        ),
        (drop("tasks", "safety"), "tasks.safety = missing: ", "every kind of task needs role"),
        (
            set_at("tasks", "tea", to={"role": "coordinator", "due_days": 1, "escalate_days": 2}),
            'tasks.tea = "tea": ',
            "no such kind of task; known are biopsy",
        ),
        (
            set_at("cytokine", "rules", "agents", 0, "id", to="IL-7"),
            'cytokine = {"agent": "low-dose IL-2"',
            "agent must be one of rules.agents",
        ),
        (
            set_at("stopping", 1, "boundary", "maximum_rate", to=1.5),
            "stopping.1.boundary.maximum_rate = 1.5: ",
            "less than 1",
        ),
        (drop("stopping", 0, "maximum"), "stopping.0.maximum = missing: ", "Field required"),
        (set_at("stopping", 2, "id", to="related-death"), "stopping = [", "the ids of stopping rules must differ"),
        (set_at("stopping", 1, "scope", to="study"), "stopping", "severe-toxicity-rate is a rate of the treated"),
        (
            set_at("expansion", "total_size", to=10),
            'expansion = {"null_rate": 0.1',
            "total_size",
        ),
        (
            set_at("recist", "node_normal_below_mm", to=15),
            'recist = {"measurable_minimum_mm": 10',
            "node_normal_below_mm must be below node_measurable_minimum_mm",
        ),
        (
            set_at("dlt", "definition", "criteria", 2, "within_days", to=0),
            "dlt.definition.criteria.2.within_days = 0: ",
            "greater than or equal to 1",
        ),
        (set_at("cytokine", "after_infusions", to=[1, 4]), "cytokine.after_infusions.1 = 4: ", "numbered 1 to 3"),
        (
            set_at("eligibility", "laboratory", 1, "analyte", to="neutrophils"),
            'eligibility.laboratory.1.analyte = "neutrophils": ',
            "an analyte has one rule",
        ),
        (
            set_at("eligibility", "laboratory", 5, "relaxed_maximum", to=3),
            "eligibility.laboratory.5.relaxed_maximum = 3: ",
            "must be above maximum",
        ),
        (
            set_at("arms", 1, "targets", 1, to=["TROP2", "mesothelin"]),
            'arms.1.targets.1 = ["TROP2", "mesothelin"]: ',
            "the target stands twice",
        ),
        (
            set_at("samples", "preference", to=["tissue", "tissue"]),
            'samples.preference.1 = "tissue": ',
            "a kind of sample has one rank",
        ),
        (
            set_at("lymphodepletion", "window_after_days", to=4),
            "lymphodepletion.window_after_days = 4: ",
            "could end on day 1, after day 0",
        ),
        (
            set_at("infusions", "window_after_days", to=7),
            "infusions.window_after_days = 7: ",
            "must close before the next one, 7 days later",
        ),
        # The shortest gap counts: 14 and 7 days.
        (
            set_at("infusions", to={"days": [0, 14, 21], "window_after_days": 7, "dose_tolerance_fraction": 0.2}),
            "infusions.window_after_days = 7: ",
            "must close before the next one, 7 days later",
        ),
        (set_at("arms", 0, "dose_levels", 3, "million_cells", to=float("inf")), "arms.0.dose_levels.3", "finite"),
        (set_at("dlt", "minimum_dose_fraction", to=float("nan")), "dlt.minimum_dose_fraction = ", "finite"),
        (drop("sources", "dlt.window_days"), "dlt.window_days = 28: ", "no source: name this path, or a prefix"),
        (drop("sources"), "sources = missing: ", "a mapping of paths to sources is required"),
        (set_at("sources", to="record: all of it"), "sources = missing: ", "a mapping of paths to sources is required"),
        (
            set_at("sources", "dlt.window_days", to="somebody said so"),
            'sources.dlt.window_days = "somebody said so": ',
            "must start with one of record:, source:, assumption:",
        ),
        (
            set_at("sources", "dlt.window_days", to="record: "),
            'sources.dlt.window_days = "record: ": ',
            "and say which",
        ),
        (set_at("sources", "dlt.window_days", to=28), "sources.dlt.window_days = 28: ", "must start with one of"),
        (
            set_at("sources", "dlt.windows", to="record: 28 days"),
            'sources.dlt.windows = "record: 28 days": ',
            "the file has no such path",
        ),
    ],
)
def test_a_contradiction_is_named_by_path_value_and_rule(
    tmp_path: Path, spoil: Callable[[Content], None], start: str, rule: str
) -> None:
    """The line says where in the file, what stands there, and which rule it breaks."""
    found = problems(tmp_path, spoil)

    assert any(line.startswith(start) and rule in line for line in found), found


def test_an_arm_on_an_antigen_outside_the_panel_is_refused(tmp_path: Path) -> None:
    """A target needs a threshold: the arm's targets are named, and the antigen that is not on the panel."""

    def spoil(content: Content) -> None:
        content["panel"] = [entry for entry in content["panel"] if entry["antigen"] != "EGFR"]
        content["arms"][0]["targets"].remove(["EGFR"])

    (found,) = problems(tmp_path, spoil)

    assert found.startswith('arms.1.targets = [["mesothelin", "TROP2"]')
    assert found.endswith("arm dual-target: target EGFR is not on the panel")


def test_every_problem_is_listed(tmp_path: Path) -> None:
    """Somebody correcting a file sees all of its problems at once, whatever their kind."""

    def spoil(content: Content) -> None:
        content["dlt"]["window_days"] = 0
        content["escalation"]["cohort_size"] = "three"
        content["surprise"] = 1
        del content["sources"]["samples.max_repeat_biopsies"]

    found = problems(tmp_path, spoil)

    assert {
        "dlt.window_days",
        "escalation.cohort_size",
        "surprise",
        "samples.max_repeat_biopsies",
    } == {line.partition(" = ")[0] for line in found}


def test_a_key_given_twice_is_refused(tmp_path: Path) -> None:
    """YAML would keep the second of two values in silence: path, value and both lines are named."""
    text = DEFAULT_TEXT.replace("  minimum_dose_fraction: 0.8\n", "  minimum_dose_fraction: 0.8\n  window_days: 14\n")

    (line,) = refusal(tmp_path, text).problems

    first = 1 + DEFAULT_TEXT.splitlines().index("  window_days: 28")
    assert line.endswith(f"dlt.window_days = 14: the key stands twice, on lines {first} and {first + 2}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("dlt: [1, 2", "line 1 = "),
        ("dlt:\n  window_days: 28\n bad: 1\n", 'line 3 = "bad: 1": not valid YAML: '),
        ("dlt: *missing\n", 'line 1 = "dlt: *missing": not valid YAML: '),
        ("dlt: !!python/object:os.system x\n", "line 1 = "),
        ("dlt: &a {window_days: 28}\nmore: *a\n", "more = alias: aliases are refused"),
        ("dlt: &a [*a]\n", "dlt.0 = alias: aliases are refused"),
        ("dlt: {28: x}\n", "dlt.28 = x: keys must be text: quote it (line 1)"),
        ("yes: x\n", "yes = x: keys must be text"),
        ("? [a, b]\n: x\n", "keys must be text"),
        ("- dlt\n", '(whole file) = ["dlt"]: the file must be a mapping'),
        ("", "(whole file) = missing: the file must be a mapping"),
        ("dlt: 2026-02-30\n", "(whole file) = "),
        ("dlt: \x07\n", "(whole file) = "),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    """A slip of syntax is named by its line; what YAML allows and a reviewer would misread by its path."""
    assert line in str(refusal(tmp_path, text))


def test_a_date_where_none_belongs_is_refused_like_any_other_value(tmp_path: Path) -> None:
    """YAML reads dates by itself; the protocol has none."""
    assert any(line.startswith("dlt = ") for line in problems(tmp_path, set_at("dlt", to="2026-02-20")))
    text = DEFAULT_TEXT.replace("  window_days: 28\n", "  window_days: 2026-02-20\n")
    assert 'dlt.window_days = "2026-02-20": ' in str(refusal(tmp_path, text))


def test_a_file_that_cannot_be_read_is_refused_the_same_way(tmp_path: Path) -> None:
    """A missing file and one that is not text are named too."""
    missing = tmp_path / "missing.yaml"
    with pytest.raises(ProtocolError, match=r"missing\.yaml: \(whole file\) = unreadable: .*No such file"):
        load_protocol(missing)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProtocolError, match=r"binary\.yaml: \(whole file\) = unreadable: "):
        load_protocol(binary)


def leaf_places(value: object, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """List where the values stand."""
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in leaf_places(item, (*place, key))]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in leaf_places(item, (*place, index))]
    return [place]


VALUES = {key: value for key, value in make_content().items() if key != "sources"}


@given(place=st.sampled_from(leaf_places(VALUES)), junk=st.sampled_from([None, "junk \N{SNOWMAN}", -1, {}, [], True]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_place_the_answer_is_a_protocol_or_a_protocol_error(
    tmp_path: Path, place: tuple[str | int, ...], junk: object
) -> None:
    """No value, however wrong, leads to another exception than the one that explains."""
    content = make_content()
    set_at(*place, to=junk)(content)
    path = write_text(tmp_path, json.dumps(content, default=str))

    try:
        load_protocol(path)
    except ProtocolError as error:
        assert error.problems  # noqa: PT017 - loading is allowed, so this cannot be `pytest.raises`


def test_every_value_of_the_platform_protocol_has_a_source() -> None:
    """The promise of the file's last section, checked apart from the loader."""
    loaded = load_protocol(default_protocol_path())
    places = leaf_places(VALUES)

    assert len(places) > len(VALUES)
    for place in places:
        source = source_of(loaded, ".".join(str(step) for step in place))
        assert source.startswith(("record: ", "source: ", "assumption: "))
