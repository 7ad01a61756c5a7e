"""Safety and response through the `trial` command: adverse events, reports, packets, signatures, tumour assessments."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from cli.exit_codes import Exit
from protocols.loader import LoadedProtocol, default_protocol_path
from simulation.people import VirtualParticipant
from simulation.world import World
from tests.cli.trial_command import (
    COMMITTEE,
    COORDINATOR,
    INVESTIGATOR,
    OPERATIONS,
    TODAY,
    Finished,
    Trial,
    delegate,
    finds_refusals,
    open_tasks,
    screen,
    stock,
    until,
)
from tests.workflows.stories import SINGLE, Case, committee_is_asked, one, somebody, with_cohorts_of_one

WHO = "CN01-001"
REPORT = ("ae", "report", WHO)
AMEND = ("ae", "amend", WHO)
CRS = ("--term", "Cytokine release syndrome", "--category", "crs", "--onset", TODAY, "--causality", "car_nk=probable")
WHY = ("--reason", "the chart was read again")
HASH = "0" * 64


@pytest.fixture
def shell(world: World, nowhere: Trial, client: Client, dsn: str) -> Trial:
    """The command on the world's study, whose time tests can move."""
    address = client.service_client.config.target_host
    stack = {"TEMPORAL_ADDRESS": address, "TRIAL_DATABASE_URL": dsn, "TRIAL_STUDY": world.client.study}
    return replace(nowhere, environment=nowhere.environment | stack)


async def events(trial: Trial) -> list[dict[str, Any]]:
    """The participant's adverse events."""
    listed: list[dict[str, Any]] = await trial.ok("ae", "list", WHO)
    return listed


async def task(trial: Trial, part: str) -> str:
    """Wait until a task is open whose id has this part; return its id."""
    found: list[str] = await until(lambda: open_tasks(trial), lambda tasks: any(part in each for each in tasks))
    return next(each for each in found if part in each)


# ---------------------------------------------------------------------- what is typed wrong

DECIDE = ("arm", "decide", SINGLE, "--cohort", "1", "--action", "escalate", *COMMITTEE)
BAD = [
    ((*REPORT, "--grade", "2", *INVESTIGATOR), ("--term, --onset, --related or --not-related", "--file")),
    ((*REPORT, *CRS, "--grade", "0", *INVESTIGATOR), ("event.grade = 0", "at least 1")),
    ((*REPORT, *CRS, "--grade", "6", *INVESTIGATOR), ("event.grade = 6", "at most 5")),
    ((*REPORT, *CRS, "--grade", "2", "--end", "2020-01-01", *INVESTIGATOR), ("ended_on 2020-01-01 is before",)),
    ((*REPORT, *CRS, "--grade", "2", "--course", TODAY, *INVESTIGATOR), (f"--course = {TODAY}", "DATE=GRADE")),
    ((*REPORT, *CRS, "--grade", "2", "--course", f"{TODAY}=3", *INVESTIGATOR), ("above the worst grade, 2",)),
    ((*REPORT, *CRS, "--grade", "2", "--causality", "cells=maybe", *INVESTIGATOR), ("causality", "car_nk")),
    ((*REPORT, *CRS, "--grade", "2", "--serious", "very", *INVESTIGATOR), ("seriousness.0 = very", "hospitalisation")),
    ((*REPORT, *CRS, "--grade", "2", "--aware-at", "noon", *INVESTIGATOR), ("event.aware_at = noon", "with its zone")),
    ((*REPORT, *CRS, "--grade", "2", "--not-related", *INVESTIGATOR), ("related must be true exactly when",)),
    ((*AMEND, "AE-001", *WHY, *INVESTIGATOR), ("nothing is changed", "--grade")),
    ((*AMEND, "AE-001", "--grade", "3", *INVESTIGATOR), ("--reason",)),
    ((*DECIDE, "--sign"), ("--packet-sha256", f"trial arm packet {SINGLE}", "read it first")),
    ((*DECIDE, "--sign", "--packet-sha256", "abc"), ("--packet-sha256 = abc", "64 hexadecimal digits")),
    ((*DECIDE, "--packet-sha256", HASH), ("--sign", "nothing is signed")),
    (("study", "lift", "--sign", *WHY, *OPERATIONS), ("--hold-sha256", "trial study status")),
    (("study", "delegate", "src-chair", "boss", *WHY, *OPERATIONS), ("role = boss", "committee")),
    (("study", "delegate", "Dr Wang", "committee", *WHY, *OPERATIONS), ("person = Dr Wang", "never a name")),
    (("safety", "clocks", "--as-of", "noon"), ("--as-of = noon", "with its zone")),
]


@pytest.mark.parametrize(("words", "expected"), BAD, ids=lambda each: " ".join(each)[-50:])
async def test_what_is_typed_wrong_never_leaves_the_terminal(
    nowhere: Trial, words: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    """No stack is up: the message names the flag or field, the value and what would be right, and nothing is sent."""
    (await nowhere(*words)).refuses(Exit.BAD_INPUT, *expected)


async def test_a_protocol_whose_expansion_breaks_its_promise_is_refused(nowhere: Trial, tmp_path: Path) -> None:
    """With 4 instead of 5 as the last boundary the type I error is above alpha: neither checked nor started."""
    text = default_protocol_path().read_text(encoding="utf-8")
    file = tmp_path / "generous.yaml"
    file.write_text(text.replace("total_futility: 5", "total_futility: 4"), encoding="utf-8")
    expected = ("expansion = 1/10 4/29", "type I error", "above alpha, 0.05")
    (await nowhere("protocol", "check", str(file))).refuses(Exit.BAD_INPUT, *expected)
    (await nowhere("study", "start", "--protocol", str(file), *OPERATIONS)).refuses(Exit.BAD_INPUT, *expected)


# ---------------------------------------------------------------------- adverse events


async def test_an_event_from_flags_and_a_file_is_graded_by_its_findings(participant: Trial, tmp_path: Path) -> None:
    """Reported as grade 2, but a vasopressor was given: the rules say 3, and the investigator is asked to explain."""
    file = tmp_path / "crs.yaml"
    file.write_text("crs:\n  highest_temperature_celsius: 39.2\n  hypotension: true\n  vasopressors: 1\n")
    told = await participant(*REPORT, *CRS, "--grade", "2", "--file", str(tmp_path / "no.yaml"), *INVESTIGATOR)
    told.refuses(Exit.BAD_INPUT, "no.yaml", "No such file")
    await participant.ok(*REPORT, *CRS, "--grade", "2", "--unexpected", "--file", str(file), *INVESTIGATOR)
    (event,) = await events(participant)
    assert (event["event_id"], event["version"], event["grade"], event["computed_grade"]["grade"]) == (
        "AE-001",
        1,
        2,
        3,
    )
    assert (event["related"], event["related_parts"], event["ended_on"]) == (True, ["car_nk"], None)
    query = await task(participant, "grade-query-AE-001")
    shown = await participant.ok("task", "show", query)
    assert shown["example"]["event_id"] == "AE-001"
    assert shown["example"]["grade"] is None
    complete = ("task", "complete", query, "--set", f"answered_on={TODAY}", "--set", "grade=3")
    (await participant(*complete, *INVESTIGATOR)).refuses(Exit.BAD_INPUT, "explanation = (missing)")
    await participant.ok(*complete, "--set", "explanation=the dose was read late", *INVESTIGATOR)
    assert "rules: 3" in (await participant("ae", "list", WHO)).out
    timeline = (await participant("participant", "timeline", WHO)).out
    assert "by the rules grade 3" in timeline


async def test_a_whole_event_comes_from_a_file_and_a_flag_counts_more(participant: Trial) -> None:
    event = {"term": "Nausea", "grade": 1, "onset_on": TODAY, "related": False, "outcome": "recovering"}
    told = await participant.ok(*REPORT, "--file", "-", "--grade", "2", *INVESTIGATOR, typed=json.dumps(event))
    assert told["message"] == "adverse_event_reported"
    shown = await participant.ok("ae", "show", WHO, "AE-001")
    assert (shown["event"]["term"], shown["event"]["grade"], shown["event"]["outcome"]) == ("Nausea", 2, "recovering")
    wrong = json.dumps(event | {"severity": 2})
    told_wrong = await participant(*REPORT, "--file", "-", *INVESTIGATOR, typed=wrong)
    told_wrong.refuses(Exit.BAD_INPUT, "event.severity = 2", "not permitted")


async def test_an_amendment_keeps_what_was_said_before(participant: Trial) -> None:
    """Only what changes is typed; the terminal shows old and new, and `show` who amended it, when and why."""
    await participant.ok(*REPORT, *CRS, "--grade", "1", "--serious", "hospitalisation", *INVESTIGATOR)
    amend = (*AMEND, "AE-001", *WHY, *INVESTIGATOR)
    told = await participant(*amend, "--grade", "2", "--causality", "cytokine=possible", "--course", f"{TODAY}=1")
    assert told.code == Exit.OK, told
    assert "AE-001 is at version 1: Cytokine release syndrome, grade 1" in told.err
    assert "grade: 1 -> 2" in told.err
    cleared = await participant(*amend, "--version", "2", "--clear", "seriousness", "--end", TODAY)
    assert cleared.code == Exit.OK, cleared
    assert "is at version" not in cleared.err
    shown = await participant.ok("ae", "show", WHO, "AE-001")
    assert (shown["version"], shown["grade"], shown["ended_on"], shown["serious"]) == (3, 2, TODAY, [])
    assert shown["related_parts"] == ["car_nk", "cytokine"]
    assert [(v["version"], v["who"], v["why"]) for v in shown["versions"]] == [
        (1, "inv-01", "Cytokine release syndrome, grade 1"),
        (2, "inv-01", "the chart was read again"),
        (3, "inv-01", "the chart was read again"),
    ]
    assert {change["field"] for change in shown["versions"][1]["changes"]} == {"grade", "causality", "course"}
    table = (await participant("ae", "show", WHO, "AE-001")).out
    assert "grade: 1 -> 2" in table
    assert "seriousness: hospitalisation -> (none)" in table


async def test_an_amendment_of_what_is_not_there_is_refused(participant: Trial) -> None:
    """A stale version and a needless amendment are refused on record; an unknown event is not even sent."""
    await participant.ok(*REPORT, *CRS, "--grade", "1", *INVESTIGATOR)
    before = await participant.state(WHO)
    grade = ("--grade", "2", *WHY, *INVESTIGATOR)
    (await participant(*AMEND, "AE-007", *grade)).refuses(Exit.UNKNOWN, "event_id = AE-007", "AE-001")
    (await participant("ae", "show", WHO, "AE-007")).refuses(Exit.UNKNOWN, "event_id = AE-007")
    stale = await participant(*AMEND, "AE-001", "--version", "2", *grade)
    assert (stale.code, stale.out) == (Exit.REFUSED, "")
    assert "VersionChanged" in stale.err
    same = await participant(*AMEND, "AE-001", "--grade", "1", *WHY, *INVESTIGATOR)
    assert same.code == Exit.BAD_INPUT
    assert "nothing differs" in same.err
    clear = await participant(*AMEND, "AE-001", "--clear", "grade", *WHY, *INVESTIGATOR)
    clear.refuses(Exit.BAD_INPUT, "--clear = grade", "can't be empty", "ended_on")
    (await participant(*AMEND, "AE-001", "--clear", "age", *WHY, *INVESTIGATOR)).refuses(Exit.BAD_INPUT, "no field")
    assert await participant.state(WHO) == before
    await finds_refusals(participant, WHO, "VersionChanged", "InvalidInput")


# ---------------------------------------------------------------------- reports


async def test_the_clocks_say_what_is_owed_and_what_was_met(participant: Trial) -> None:
    """A serious event is owed to the sponsor in 24 hours: open, then overdue two days on, then met once it is told."""
    serious = ("--grade", "3", "--serious", "hospitalisation", "--expected")
    await participant.ok(*REPORT, *CRS, *serious, *INVESTIGATOR)
    sae = await task(participant, "sae-AE-001")
    clocks = await participant.ok("safety", "clocks")
    assert [(row["subject"], row["event_id"], row["kind"], row["status"]) for row in clocks["reports"]] == [
        (WHO, "AE-001", "sae", "open")
    ]
    later = await participant.ok("safety", "clocks", "--as-of", "2099-01-01T00:00:00Z")
    assert next(each for each in later["counts"] if each["kind"] == "sae")["overdue"] == 1
    assert "overdue" in (await participant("safety", "clocks", "--as-of", "2099-01-01T00:00:00Z")).out
    status = (await participant("participant", "status", WHO)).out
    assert "sae-AE-001, due" in status
    told = await participant.ok("task", "show", sae)
    complete = ("task", "complete", sae, "--set", f"reported_at={told['opened_at']}")
    (await participant(*complete, *COORDINATOR)).refuses(Exit.BAD_INPUT, "reference = (missing)")
    await participant.ok(*complete, "--set", "reference=SAE-0001", *COORDINATOR)
    met = await participant.ok("safety", "clocks")
    assert next(each for each in met["counts"] if each["kind"] == "sae")["met"] == 1
    assert "No report is owed" in (await participant("safety", "clocks")).out


# ---------------------------------------------------------------------- response


async def test_lesions_in_centimetres_are_refused(participant: Trial, protocol: LoadedProtocol, tmp_path: Path) -> None:
    """4.2 where 42 mm are meant: nothing is recorded, and the message says what is measured in."""
    await stock(participant, tmp_path)
    await screen(participant, protocol)
    baseline = await task(participant, "baseline-imaging")
    complete = ("task", "complete", baseline, "--file", "-", *INVESTIGATOR)

    def measured(millimetres: str) -> str:
        lesion = f"{{id: T01, organ: liver, diameter_mm: {millimetres}, method: CT}}"
        return f"baseline:\n  assessed_on: {TODAY}\n  targets: [{lesion}]\n"

    async def told(millimetres: str) -> Finished:
        return await participant(*complete, typed=measured(millimetres))

    (await told("4.2")).refuses(Exit.BAD_INPUT, "answer.baseline.targets", "4.2", "mm")
    (await told("420.25")).refuses(Exit.BAD_INPUT, "baseline.targets.0.diameter_mm = 420.25")
    (await told("large")).refuses(Exit.BAD_INPUT, "baseline.targets.0.diameter_mm = large")
    assert "baseline" in (await participant.ok("task", "show", baseline))["example"]
    assert (await participant("participant", "response", WHO)).out.startswith(f"{WHO}: no response yet")
    assert (await told("42")).code == Exit.OK
    response = await participant.ok("participant", "response", WHO)
    assert [lesion["diameter_mm"] for lesion in response["baseline"]["targets"]] == ["42"]


async def test_a_response_is_shown_with_its_assessments(shell: Trial, world: World, protocol: LoadedProtocol) -> None:
    """The lesions shrink by 40 %: PR at week 8, confirmed at week 16; the next assessment's form names each lesion."""
    case = await one(world, protocol, shrinking())
    row = await case.reach("imaging-week-24")
    response = await shell.ok("participant", "response", WHO)
    assert [point["overall"] for point in response["timepoints"]] == ["PR", "PR"]
    assert (response["best_response"]["response"], response["best_response"]["confirmed"]) == ("PR", True)
    assert [each["status"] for each in response["imaging"]][:2] == ["done", "done"]
    shown = (await shell("participant", "response", WHO)).out
    for words in ("PR, confirmed", "Sum mm", "imaging-week-16", "T01"):
        assert words in shown
    example = (await shell.ok("task", "show", row["task_id"]))["example"]
    assert [lesion["lesion"] for lesion in example["assessment"]["targets"]] == ["T01", "T02"]
    assert "Best response" in (await shell("participant", "status", WHO)).out


def shrinking() -> VirtualParticipant:
    """Somebody whose lesions shrink by 40 %."""
    return somebody().model_copy(update={"tumour_course": (0.6,)})


# ---------------------------------------------------------------------- the committee


async def decision_is_due(world: World, protocol: LoadedProtocol) -> Case:
    """Bring a cohort of one to the committee's task."""
    case = await one(world, with_cohorts_of_one(protocol))
    await case.reach_fact("dlt_judged")
    await committee_is_asked(world)
    return case


async def test_the_committee_reads_the_packet_and_signs_it(
    shell: Trial, world: World, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """The packet is read as a page and a PDF; only its own hash is accepted, from somebody who may sign."""
    await decision_is_due(world, protocol)
    page, paper = tmp_path / "packet.html", tmp_path / "packet.pdf"
    read = await shell.ok("arm", "packet", SINGLE, "--html", str(page), "--pdf", str(paper))
    assert read["packet"]["recommendation"]["action"] == "escalate"
    assert read["sha256"] in page.read_text(encoding="utf-8")
    assert paper.read_bytes().startswith(b"%PDF")
    told = await shell("arm", "packet", SINGLE)
    assert f"sha256 {read['sha256']}" in told.out
    (await shell("arm", "packet", SINGLE, "--pdf", str(tmp_path / "no" / "p.pdf"))).refuses(Exit.BAD_INPUT, "--pdf")
    (await shell("arm", "packet", "triple-target")).refuses(Exit.UNKNOWN, "triple-target")

    decide = ("arm", "decide", SINGLE, "--cohort", "1", "--action", "escalate")
    seen = ("--sign", "--packet-sha256", read["sha256"])
    stranger = ("--as", "src-guest", "--role", "committee")
    (await shell(*decide, *COMMITTEE)).refuses(Exit.REFUSED, "SignatureRequired")
    (await shell(*decide, *seen, *stranger)).refuses(Exit.REFUSED, "NotDelegated", "src-guest", "src-chair")
    (await shell(*decide, "--sign", "--packet-sha256", HASH, *COMMITTEE)).refuses(Exit.REFUSED, "PacketChanged", HASH)
    odd = await shell(*decide, *seen, "--meaning", "witness", *COMMITTEE)
    odd.refuses(Exit.BAD_INPUT, "meaning = witness", "approval")
    await shell.ok(*decide, *seen, *COMMITTEE)
    status = await shell.ok("arm", "status", SINGLE)
    assert status["decisions"][0]["signature"] == {"meaning": "approval", "signed_sha256": read["sha256"]}
    assert "approval" in (await shell("arm", "status", SINGLE)).out
    await finds_refusals(shell, SINGLE, "SignatureRequired", "NotDelegated", "PacketChanged")


async def test_a_decision_waits_for_the_judgement_of_a_candidate(
    shell: Trial, world: World, protocol: LoadedProtocol
) -> None:
    """A severe CRS is a candidate: it is seen everywhere, the committee must wait, and the investigator judges it."""
    case = await decision_is_due(world, protocol)
    day_zero = (await case.state()).day_zero
    assert day_zero is not None
    onset = (day_zero + timedelta(days=20)).isoformat()
    crs = (
        "--term",
        "Cytokine release syndrome",
        "--category",
        "crs",
        "--onset",
        onset,
        "--causality",
        "car_nk=definite",
    )
    await shell.ok(*REPORT, *crs, "--grade", "4", "--serious", "life_threatening", *INVESTIGATOR)
    (event,) = await events(shell)
    assert (event["dlt"], event["dlt_finding"]["criterion"]) == ("candidate", "crs-grade-4")
    assert "May be a DLT" in (await shell("participant", "status", WHO)).out

    def told(packet: dict[str, Any]) -> bool:
        return bool(packet["packet"]["dose_limiting"])

    packet = await until(lambda: shell.ok("arm", "packet", SINGLE), told)
    decide = ("arm", "decide", SINGLE, "--cohort", "1", "--action", "escalate", "--sign", "--packet-sha256")
    (await shell(*decide, packet["sha256"], *COMMITTEE)).refuses(Exit.REFUSED, "OpenCandidate", WHO, "AE-001")
    assert "candidate" in (await shell("arm", "packet", SINGLE)).out

    adjudication = await task(shell, "dlt-adjudication-AE-001")
    complete = ("task", "complete", adjudication, "--set", f"adjudicated_on={case.today}", "--set")
    (await shell(*complete, "dose_limiting=false", *INVESTIGATOR)).refuses(Exit.BAD_INPUT, "rationale is required")
    await shell.ok(*complete, "dose_limiting=true", *INVESTIGATOR)
    shown = await shell.ok("ae", "show", WHO, "AE-001")
    assert shown["dlt"] == "confirmed"
    kinds = [each["kind"] for each in shown["followed"]]
    assert {"dlt_finding_made", "reporting_clock_started", "task_answered"} <= set(kinds)


async def test_delegations_and_holds_are_seen_and_taken_back(study: Trial) -> None:
    """Who may sign, and why the study is held with the hash to sign, stand in its status; a role can be taken back."""
    await delegate(study, "src-chair", "committee")
    (await study("study", "delegate", "src-2", "committee", *WHY, *COORDINATOR)).refuses(Exit.REFUSED, "WrongRole")
    await study.ok("study", "hold", "--arm", SINGLE, "--reason", "two severe CRS", *OPERATIONS)
    state = await study.ok("study", "status")
    assert state["delegations"]["src-chair"] == ["committee"]
    assert state["hold_records"][SINGLE]["why"] == "two severe CRS"
    told = (await study("study", "status")).out
    for words in ("src-chair", "two severe CRS", f"--hold-sha256 {state['hold_sha256'][SINGLE]}"):
        assert words in told
    lift = ("study", "lift", "--arm", SINGLE, "--sign", *WHY, *COMMITTEE, "--hold-sha256")
    (await study(*lift, HASH)).refuses(Exit.REFUSED, "PacketChanged", HASH)
    await study.ok(*lift, state["hold_sha256"][SINGLE])
    await study.ok("study", "delegate", "src-chair", "committee", "--revoke", *WHY, *OPERATIONS)
    assert "src-chair" not in (await study("study", "status")).out
    arm = await until(lambda: study.ok("arm", "status", SINGLE), lambda arm: arm["signers"] == [])
    assert arm["holds"] == []
    facts = (await study("audit", "facts", "study")).out
    assert "src-chair: committee taken back" in facts
    assert "signed: approval of sha256" in facts
