"""The `trial` command as people use it: a process for each command, against a real server, Postgres and worker."""

import asyncio
import base64
import json
import os
import sys
import uuid
from collections.abc import Awaitable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import starter
from activities.bank_file import COLUMNS
from activities.database import Pool
from cli.output import Exit
from protocols.loader import LoadedProtocol, default_protocol_path
from tests.cli.trial_command import (
    BIOPSY,
    COMMITTEE,
    CONSENT,
    COORDINATOR,
    INVESTIGATOR,
    OPERATIONS,
    ROOT,
    TODAY,
    TOMORROW,
    Document,
    Told,
    Trial,
    delegate,
    eligibility,
    refusals,
    screen,
    signed,
    stock,
    until,
)

# ---------------------------------------------------------------------- help


def commands(group: Document, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command of the tree."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            assert command.help, name
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


TREE = dict(commands(get_command(starter.app)))


@pytest.mark.parametrize("name", TREE)
def test_every_command_and_option_says_what_it_is(name: str) -> None:
    assert len(TREE[name].help) > 20
    for parameter in TREE[name].params:
        assert parameter.help, f"{name} {parameter.name}"


@pytest.mark.parametrize("name", TREE)
def test_global_options_may_stand_after_the_command(name: str) -> None:
    options = {option for parameter in TREE[name].params for option in parameter.opts}
    assert {"--study", "--data", "--json"} <= options


async def test_help_answers_at_once(nowhere: Trial) -> None:
    """It is quick, since neither Temporal nor pydantic nor a table is loaded for it."""
    slow = "{'temporalio', 'pydantic', 'asyncpg', 'rich', 'yaml'}"
    script = f"import sys, starter; sys.exit(str({slow} & set(sys.modules)) if {slow} & set(sys.modules) else 0)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
    assert await process.wait() == 0
    told = await nowhere("--help")
    assert told.code == Exit.OK
    assert "worklist" in told.out
    assert (await nowhere("--version")).out.startswith("trial ")


async def test_a_usage_error_is_json_where_json_was_asked_for(nowhere: Trial) -> None:
    told = await nowhere("participant", "enroll", "CN01-001", "--json")
    assert told.code == Exit.BAD_INPUT
    assert told.json["error"]["type"] == "Usage"
    assert "--consent-date" in told.json["error"]["message"]
    assert (await nowhere("participant", "enroll")).code == Exit.BAD_INPUT


async def test_without_a_stack_it_says_how_to_get_one(nowhere: Trial) -> None:
    (await nowhere("study", "status")).refuses(Exit.UNREACHABLE, "trial up", "TEMPORAL_ADDRESS")
    (await nowhere("worklist")).refuses(Exit.UNREACHABLE, "trial up")
    told = await nowhere("status", "--json")
    assert told.code == Exit.UNREACHABLE
    assert told.json["running"] == {"server": False, "postgres": False, "worker": False}


# ---------------------------------------------------------------------- protocol


async def test_the_platform_protocol_is_sound_and_every_value_has_a_source(nowhere: Trial) -> None:
    checked = await nowhere.ok("protocol", "check", str(default_protocol_path()))
    assert checked["ok"]
    shown = await nowhere.ok("protocol", "show", "--sources")
    assert shown["protocol"]["sha256"] == checked["sha256"]
    assert [row["step"] for row in shown["schedule"]][:3] == ["biopsy", "antigen-panel", "eligibility"]
    assert shown["sources"]
    assert "infusion-1" in (await nowhere("protocol", "show")).out


async def test_a_protocol_that_contradicts_itself_is_refused_with_every_problem(nowhere: Trial, tmp_path: Path) -> None:
    """A course after a fourth infusion that is not planned, and an infusion window that outlasts the next infusion."""
    text = default_protocol_path().read_text(encoding="utf-8")
    file = tmp_path / "contradictory.yaml"
    broken = text.replace("after_infusions: [", "after_infusions: [9, ", 1)
    infusions = broken.index("\ninfusions:")
    window = broken.index("window_after_days:", infusions)
    line_end = broken.index("\n", window)
    file.write_text(f"{broken[:window]}window_after_days: 30{broken[line_end:]}", encoding="utf-8")
    told = await nowhere("protocol", "check", str(file))
    told.refuses(
        Exit.BAD_INPUT, "cytokine.after_infusions.0 = 9: infusions are numbered", "infusions.window_after_days = 30"
    )
    error = (await nowhere("protocol", "check", str(file), "--json")).json["error"]
    found = {(trouble["field"], trouble["value"]) for trouble in (error, *error["others"])}
    assert found == {("cytokine.after_infusions.0", "9"), ("infusions.window_after_days", "30")}
    (await nowhere("protocol", "check", "no-such.yaml")).refuses(Exit.BAD_INPUT, "no-such.yaml", "No such file")


# ---------------------------------------------------------------------- study


async def test_a_study_is_started_once(study: Trial) -> None:
    name = study.environment["TRIAL_STUDY"]
    again = await study("study", "start", "--protocol", str(default_protocol_path()), *OPERATIONS)
    again.refuses(Exit.BAD_INPUT, f"study = {name}", "was started before")
    state = await study.ok("study", "status")
    assert (state["study"], list(state["arms"])) == (name, ["single-target", "dual-target"])
    assert "single-target" in (await study("study", "status")).out


async def test_what_nobody_started_is_unknown(trial: Trial) -> None:
    """The message names it, and the exit code is the one for 'unknown'."""
    name = trial.environment["TRIAL_STUDY"]
    (await trial("study", "status")).refuses(Exit.UNKNOWN, name)
    (await trial("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)).refuses(Exit.UNKNOWN, name)
    (await trial("participant", "status", "CN01-001")).refuses(Exit.UNKNOWN, "CN01-001")
    (await trial("participant", "timeline", "CN01-001")).refuses(Exit.UNKNOWN, "CN01-001")


async def test_an_unknown_arm_subject_or_task_is_named(participant: Trial) -> None:
    (await participant("arm", "status", "triple-target")).refuses(Exit.UNKNOWN, "triple-target")
    hold = ("study", "hold", "--arm", "triple-target", "--reason", "a death", *OPERATIONS)
    (await participant(*hold)).refuses(Exit.UNKNOWN, "arm = triple-target", "is not an arm", "single-target")
    (await participant("participant", "status", "CN01-999")).refuses(Exit.UNKNOWN, "CN01-999")
    told = await participant("task", "complete", "CN01-001:77-surgery", *BIOPSY, *COORDINATOR)
    told.refuses(Exit.UNKNOWN, "task_id = CN01-001:77-surgery", "no such task", "CN01-001:01-biopsy-1")


async def test_who_acts_must_be_named(study: Trial) -> None:
    """The message names the flag and the variable; nothing is enrolled."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT)
    (await study(*enroll)).refuses(Exit.BAD_INPUT, "--as", "TRIAL_PERSON")
    (await study(*enroll, "--as", "coord-01")).refuses(Exit.BAD_INPUT, "--role", "TRIAL_ROLE", "coordinator")
    told = await study(*enroll, "--as", "Dr Jane Smith", "--role", "coordinator")
    told.refuses(Exit.BAD_INPUT, "--as = Dr Jane Smith", "never a name")
    (await study(*enroll, "--as", "coord-01", "--role", "visitor")).refuses(Exit.BAD_INPUT, "--role = visitor")
    assert (await study.ok("study", "status"))["active"] == []


async def test_the_environment_can_say_who_acts(study: Trial) -> None:
    signed = {"TRIAL_PERSON": "coord-07", "TRIAL_ROLE": "coordinator"}
    await Trial(study.environment | signed).ok("participant", "enroll", "CN01-007", *CONSENT)
    facts = await until(
        lambda: study.ok("audit", "facts", "CN01-007"),
        lambda facts: facts and facts[0]["kind"] == "participant_enrolled",
    )
    assert (facts[0]["who"], facts[0]["role"]) == ("coord-07", "coordinator")


async def test_a_held_study_enrols_nobody_until_it_is_lifted(study: Trial) -> None:
    """A hold needs a reason and trial operations; lifting it twice is refused, and the auditor finds all of it."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)
    (await study("study", "hold", *OPERATIONS)).refuses(Exit.BAD_INPUT, "--reason")
    (await study("study", "hold", "--reason", "why not", *COORDINATOR)).refuses(Exit.REFUSED, "WrongRole", "operations")
    await study.ok("study", "hold", "--reason", "a death in the study", *OPERATIONS)
    (await study(*enroll)).refuses(Exit.REFUSED, "OnHold", "study")
    state = await study.ok("study", "status")
    assert state["holds"] == ["study"]
    lift = ("study", "lift", "--reason", "unrelated, says the committee", *OPERATIONS)
    (await study(*lift)).refuses(Exit.REFUSED, "SignatureRequired", "the hash of the hold on study")
    hashed = ("--sign", "--hold-sha256", state["hold_sha256"]["study"])
    (await study(*lift, *hashed)).refuses(Exit.REFUSED, "NotDelegated", "envelope.person = ops-01")
    await delegate(study, "ops-01", "operations")
    await study.ok(*lift, *hashed)
    (await study(*lift, *hashed)).refuses(Exit.REFUSED, "NothingToLift", "is not held")
    await study.ok(*enroll)
    expected = ["WrongRole", "OnHold", "SignatureRequired", "NotDelegated", "NothingToLift"]
    assert await refusals(study, "study") == expected


# ---------------------------------------------------------------------- participants


async def test_a_subject_is_enrolled_once_even_at_the_same_moment(study: Trial) -> None:
    """Two coordinators send the same subject at once: exactly one succeeds, and the other refusal is on record."""
    enroll = ("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)
    both = await asyncio.gather(study(*enroll), study(*enroll))
    assert sorted(told.code for told in both) == [Exit.OK, Exit.REFUSED]
    (await study(*enroll)).refuses(Exit.REFUSED, "subject = CN01-001", "is enrolled already")
    assert await refusals(study, "study") == ["SubjectAlreadyEnrolled", "SubjectAlreadyEnrolled"]
    assert (await study.ok("study", "status"))["active"] == ["CN01-001"]


async def test_an_enrolment_that_is_malformed_says_what_is_wrong(study: Trial) -> None:
    def enroll(subject: str, consent: str, age: str) -> Awaitable[Told]:
        words = ("--consent-date", consent, "--consent-version", "1.0", "--age", age)
        return study("participant", "enroll", subject, *words, *COORDINATOR)

    (await enroll("Jane", TODAY, "55")).refuses(Exit.BAD_INPUT, "subject = Jane", "pseudonym")
    (await enroll("CN01-001", TODAY, "555")).refuses(Exit.BAD_INPUT, "age_years = 555", "at most 120")
    (await enroll("CN01-001", "yesterday", "55")).refuses(Exit.BAD_INPUT, "consent_signed_on = yesterday", "2026-11-24")
    (await enroll("CN01-001", TOMORROW, "55")).refuses(
        Exit.BAD_INPUT, "DateInFuture", f"consent_signed_on = {TOMORROW}"
    )
    assert (await study.ok("participant", "list")) == []


async def test_an_adverse_event_and_a_withdrawal(participant: Trial) -> None:
    """Both are checked, then recorded with who and why; afterwards nothing more can be sent."""
    report = ("ae", "report", "CN01-001", "--term", "Nausea", "--onset")
    (await participant(*report, TOMORROW, "--grade", "2", "--related", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "DateInFuture", f"event.onset_on = {TOMORROW}"
    )
    (await participant(*report, TODAY, "--grade", "6", "--related", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "event.grade = 6", "at most 5"
    )
    (await participant(*report, TODAY, "--grade", "3", "--not-related", "--dlt", *INVESTIGATOR)).refuses(
        Exit.BAD_INPUT, "related by definition"
    )
    await participant.ok(*report, TODAY, "--grade", "2", "--not-related", *INVESTIGATOR)
    state = await participant.state("CN01-001")
    assert [event["term"] for event in state["adverse_events"]] == ["Nausea"]
    withdraw = ("withdraw", "CN01-001", "--on", TODAY, *INVESTIGATOR)
    told = await participant(*withdraw, "--kind", "moved_away", "--reason", "moved")
    told.refuses(Exit.BAD_INPUT, "reason = moved_away", "lost_to_follow_up")
    (await participant(*withdraw, "--kind", "death")).refuses(Exit.BAD_INPUT, "--reason")
    await participant.ok(*withdraw, "--kind", "withdrawal_by_subject", "--reason", "consent withdrawn in writing")
    ended = await until(lambda: participant.state("CN01-001"), lambda state: state["stage"] == "ended")
    assert ended["disposition"] == "withdrawn"
    timeline = await participant("participant", "timeline", "CN01-001")
    assert "consent withdrawn in writing" in timeline.out
    listed = await until(lambda: participant.ok("participant", "list"), lambda rows: "ended" in rows[0]["stage"])
    assert listed == [{"subject": "CN01-001", "stage": "ended: withdrawn"}]
    assert (await participant(*withdraw, "--kind", "death", "--reason", "late")).code in (Exit.REFUSED, Exit.UNKNOWN)


# ---------------------------------------------------------------------- tasks


async def test_a_task_says_what_it_asks_and_gives_a_form_to_fill_in(participant: Trial) -> None:
    shown = await participant.ok("task", "show", "CN01-001:02-eligibility-1")
    fields = {field["field"]: field for field in shown["fields"]}
    assert fields["ecog"]["range"] == "0 to 5"
    assert fields["laboratory.haemoglobin"]["range"] == "30 to 250 g/L"
    assert fields["prior_treatment"]["type"].startswith("refractory | relapsed")
    assert shown["example"]["laboratory"]["haemoglobin"] == {"value": None, "unit": "g/L"}
    assert shown["example"]["histology_confirmed"] is None
    told = await participant("task", "show", "CN01-001:01-biopsy-1")
    assert "tissue | CTC | ctDNA" in told.out


async def test_an_answer_that_is_malformed_changes_nothing(participant: Trial, protocol: LoadedProtocol) -> None:
    """Each message names the field, the value and what would be right; neither the state nor the history moves."""
    before = await participant.state("CN01-001")

    async def refused(task: str, *words: str) -> Told:
        typed = eligibility(protocol) if "eligibility" in task else None
        file = ("--file", "-") if typed else ()
        return await participant("task", "complete", task, *file, *words, *INVESTIGATOR, typed=typed)

    biopsy, form = "CN01-001:01-biopsy-1", "CN01-001:02-eligibility-1"
    cases: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
        ((biopsy, "--set", f"collected_on={TODAY}", "--set", "sample=bone"), ("sample = bone", "'tissue', 'CTC'")),
        ((biopsy, "--set", "sample=tissue"), ("collected_on = (missing)", "Field required")),
        ((biopsy, *BIOPSY, "--set", "surgeon=x"), ("surgeon = x", "not permitted")),
        ((biopsy, "--set", f"collected_on={TOMORROW}", "--set", "sample=tissue"), ("DateInFuture", TOMORROW)),
        ((biopsy, "--set", "collected_on=2020-01-01", "--set", "sample=tissue"), ("DateBeforeStep", "or later")),
        ((biopsy,), ("--file", "--set")),
        ((form, "--set", "ecog=9"), ("ecog = 9", "at most 5")),
        ((form, "--set", "laboratory.haemoglobin.unit=g/dL"), ("WrongUnit", "haemoglobin.unit = g/dL", "g/L")),
        ((form, "--set", "laboratory.haemoglobin.value=12"), ("OutOfRange", "haemoglobin.value = 12", "30 to 250 g/L")),
    ]
    for words, expected in cases:
        (await refused(*words)).refuses(Exit.BAD_INPUT, *expected)
    assert await participant.state("CN01-001") == before
    assert await refusals(participant, "CN01-001") == []


async def test_what_a_rule_refuses_is_found_by_an_auditor(participant: Trial) -> None:
    """A pharmacist answers for the coordinator; then the coordinator answers the same task twice."""
    complete = ("task", "complete", "CN01-001:01-biopsy-1", *BIOPSY)
    before = await participant.state("CN01-001")
    wrong = await participant(*complete, "--as", "pharm-01", "--role", "pharmacist")
    wrong.refuses(Exit.REFUSED, "envelope.role = pharmacist", "another role", "coordinator")
    assert await participant.state("CN01-001") == before
    await participant.ok(*complete, *COORDINATOR)
    answered = await participant.state("CN01-001")
    (await participant(*complete, *COORDINATOR)).refuses(Exit.REFUSED, "CN01-001:01-biopsy-1", "already answered")
    assert await participant.state("CN01-001") == answered
    facts = await participant.ok("audit", "facts", "CN01-001", "--kind", "refused")
    assert [(fact["problem"]["type"], fact["who"]) for fact in facts] == [
        ("WrongRole", "pharm-01"),
        ("TaskAlreadyClosed", "coord-01"),
    ]


async def test_an_answer_from_a_yaml_file(participant: Trial, tmp_path: Path) -> None:
    """What is typed stays text until the answer's model reads it; a field that stands twice is refused."""
    complete = ("task", "complete", "CN01-001:01-biopsy-1", "--file", str(tmp_path / "answer.yaml"), *COORDINATOR)
    (await participant(*complete)).refuses(Exit.BAD_INPUT, "answer.yaml", "No such file")
    (tmp_path / "answer.yaml").write_text(f"collected_on: {TODAY}\nsample: tissue\nsample: CTC\n")
    (await participant(*complete)).refuses(Exit.BAD_INPUT, "'sample' stands twice")
    (tmp_path / "answer.yaml").write_text(f"collected_on: {TODAY}\nsample: tissue\ncollected: yes\n")
    await participant.ok(*complete)


async def test_prompts_on_a_terminal_ask_again_where_an_answer_is_wrong(participant: Trial) -> None:
    """A coordinator at a terminal mistypes the sample, leaves the default, and confirms."""
    keyboard, terminal = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starter", "task", "complete", "CN01-001:01-biopsy-1", "--json", *COORDINATOR),
        cwd=ROOT,
        env=participant.environment,
        stdin=terminal,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(terminal)
    os.write(keyboard, f"{TODAY}\nbone\ntissue\n\ny\n".encode())
    out, err = await process.communicate()
    os.close(keyboard)
    assert "bone: Input should be" in err.decode()
    assert process.returncode == Exit.OK, err.decode()
    assert json.loads(out)["message"] == "task_answered"


async def test_a_committee_task_is_answered_by_a_decision(participant: Trial, pool: Pool) -> None:
    study = participant.environment["TRIAL_STUDY"]
    await pool.execute(
        "INSERT INTO task SELECT 'single-target:01-decision-cohort-1', study, 'single-target', $2, "
        "'committee_decision', 'decision-cohort-1', 'Decide on cohort 1', 'committee', NULL, "
        "opened_at, due_at, escalate_at, NULL, '{}', 'open' "
        "FROM task WHERE study = $1 AND step = 'biopsy-1'",
        study,
        f"arm/{study}/single-target",
    )
    told = await participant(
        "task", "complete", "single-target:01-decision-cohort-1", "--set", "action=stop", *COMMITTEE
    )
    told.refuses(Exit.BAD_INPUT, "trial arm decide single-target --cohort 1")


# ---------------------------------------------------------------------- arms


async def test_the_committee_may_not_decide_while_a_window_is_open(
    participant: Trial, protocol: LoadedProtocol, tmp_path: Path
) -> None:
    """Before anybody is dosed no decision is due; once a slot is given, the participant's window must close first."""
    decide = ("arm", "decide", "single-target", "--action", "escalate", "--cohort")
    await delegate(participant, "src-chair", "committee")
    nobody = await signed(participant)
    (await participant(*decide, "1", *nobody, *COMMITTEE)).refuses(
        Exit.REFUSED, "NoDecisionDue", "cohort = 1", "0 of 3 evaluable"
    )
    await stock(participant, tmp_path)
    await screen(participant, protocol)

    def pending(arm: dict[str, Any]) -> bool:
        return bool(arm["tallies"][0]["pending"] == 1)

    arm = await until(lambda: participant.ok("arm", "status", "single-target"), pending)
    (await participant(*decide, "1", *COMMITTEE)).refuses(Exit.REFUSED, "SignatureRequired", "the packet")
    (await participant(*decide, "1", *nobody, *COMMITTEE)).refuses(Exit.REFUSED, "PacketChanged", "as it stands now")
    seen = await signed(participant)
    (await participant(*decide, "1", *seen, *COMMITTEE)).refuses(Exit.REFUSED, "WindowOpen", "cohort = 1", "pending")
    (await participant(*decide, "2", *seen, *COMMITTEE)).refuses(
        Exit.REFUSED, "NoDecisionDue", "cohort = 2", "cohort 1"
    )
    (await participant(*decide, "1", *COORDINATOR)).refuses(Exit.REFUSED, "WrongRole", "coordinator", "committee")
    (await participant(*decide, "1", "--level", "0", *COMMITTEE)).refuses(Exit.BAD_INPUT, "level = 0", "at least 1")
    after = await participant.ok("arm", "status", "single-target")
    assert (after["cohort"], after["decisions"], after["tallies"]) == (1, [], arm["tallies"])
    assert await refusals(participant, "single-target") == [
        "NoDecisionDue",
        "SignatureRequired",
        "PacketChanged",
        "WindowOpen",
        "NoDecisionDue",
        "WrongRole",
    ]
    assert "Pending" in (await participant("arm", "status")).out


# ---------------------------------------------------------------------- bank


async def test_a_bank_file_loads_its_good_rows_and_lists_the_others(trial: Trial, pool: Pool, tmp_path: Path) -> None:
    """A duplicate, an expired unit and an unknown antigen are rejected by line; loading it again changes nothing."""
    mark = uuid.uuid4().hex[:6].upper()
    rows = [
        f"U-{mark}-1,LOT-1,D-1,mesothelin,1000,released,2040-01-01",
        f"U-{mark}-1,LOT-1,D-1,mesothelin,1000,released,2040-01-01",
        f"U-{mark}-2,LOT-1,D-1,mesothelin,1000,released,{date(2020, 1, 1)}",
        f"U-{mark}-3,LOT-1,D-1,CD19,1000,released,2040-01-01",
        f"U-{mark}-4,LOT-1,D-1,mesothelin+HER2,1000,released,2040-01-01",
    ]
    file = tmp_path / "units.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows]))
    (await trial("bank", "load", str(file))).refuses(Exit.BAD_INPUT, "--as", "TRIAL_PERSON")
    told = await trial("bank", "load", str(file), "--as", "pharm-01", "--json")
    assert told.code == Exit.PARTLY_DONE
    assert told.json["loaded"] == [f"U-{mark}-1", f"U-{mark}-4"]
    rejected = [(row["line"], row["field"], row["value"]) for row in told.json["rejected"]]
    assert rejected == [(3, "unit_id", f"U-{mark}-1"), (4, "expires_on", "2020-01-01"), (5, "antigens", "CD19")]
    assert all(row["rule"] for row in told.json["rejected"])
    again = await trial("bank", "load", str(file), "--as", "pharm-01")
    assert (again.code, again.err) == (Exit.PARTLY_DONE, "")
    assert "loaded 0, rejected 5" in again.out
    assert await pool.fetchval("SELECT count(*) FROM unit WHERE unit_id LIKE $1", f"U-{mark}-%") == 2
    assert "mesothelin" in (await trial("bank", "status")).out
    file.write_text("unit,lot\n")
    (await trial("bank", "load", str(file), "--as", "pharm-01")).refuses(Exit.BAD_INPUT, "header = unit,lot")


# ---------------------------------------------------------------------- audit


async def test_a_history_is_exported_and_replayed(participant: Trial, tmp_path: Path) -> None:
    """The auditor takes the history away, and today's code comes to the same commands and the same facts."""
    await participant.ok("task", "complete", "CN01-001:01-biopsy-1", *BIOPSY, *COORDINATOR)
    file = tmp_path / "history.json"
    written = await participant.ok("audit", "export", "CN01-001", "--out", str(file))
    replayed = await participant.ok("audit", "replay", str(file), "CN01-001", "study", "single-target")
    assert [run["same"] for run in replayed] == [True] * 4
    assert replayed[0]["events"] == written["events"]
    assert replayed[0]["facts"] == len(await participant.ok("audit", "facts", "CN01-001"))
    table = (await participant("audit", "export", "CN01-001")).out
    assert "task_answered" in table
    assert "coord-01 (coordinator)" in table


async def test_a_history_that_was_changed_differs_in_the_replay(participant: Trial, tmp_path: Path) -> None:
    """Somebody else's name in a fact, then another activity than was asked for: the replay names the first."""
    await participant.ok("task", "complete", "CN01-001:01-biopsy-1", *BIOPSY, *COORDINATOR)
    history = await participant.ok("audit", "export", "CN01-001")
    file = tmp_path / "history.json"
    file.write_text(json.dumps(renamed(history, "coord-01", "coord-02")))
    told = await participant("audit", "replay", str(file))
    assert (told.code, told.err) == (Exit.REPLAY_DIFFERS, "")
    assert "who: recorded 'coord-02', today's code says 'coord-01'" in told.out
    history = await participant.ok("audit", "export", "study")
    asked = next(event for event in history["events"] if "activityTaskScheduledEventAttributes" in event)
    asked["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "reserve_units"
    file.write_text(json.dumps(history))
    told = await participant("audit", "replay", str(file))
    assert told.code == Exit.REPLAY_DIFFERS
    assert f"event {asked['eventId']}" in told.out
    file.write_text("{}")
    (await participant("audit", "replay", str(file))).refuses(Exit.BAD_INPUT, "history.json", "not a Temporal history")


def renamed(history: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The same history with another name in the facts that answers carry."""
    changed: dict[str, Any] = json.loads(json.dumps(history))
    for event in changed["events"]:
        answer = event.get("workflowExecutionUpdateCompletedEventAttributes")
        for payload in answer["outcome"]["success"]["payloads"] if answer else ():
            text = base64.b64decode(payload["data"]).decode()
            payload["data"] = base64.b64encode(text.replace(old, new).encode()).decode()
    return changed


async def test_a_worklist_that_was_lost_is_made_again(participant: Trial, pool: Pool) -> None:
    """Somebody deletes a study's tasks and facts: one command brings both back; an unknown study has nothing."""
    study = participant.environment["TRIAL_STUDY"]
    await participant.ok("task", "complete", "CN01-001:01-biopsy-1", *BIOPSY, *COORDINATOR)
    before = await until(
        lambda: participant.ok("worklist"), lambda tasks: any(task["step"] == "antigen-panel-1" for task in tasks)
    )
    for table in ("task", "fact"):
        await pool.execute(f"DELETE FROM {table} WHERE study = $1", study)  # noqa: S608
    assert await participant.ok("worklist") == []

    assert (await participant.ok("audit", "rebuild"))["workflows"] == 4

    assert await participant.ok("worklist") == before
    assert "participant/" in (await participant("audit", "rebuild")).out
    (await participant("audit", "rebuild", "--study", "study-0")).refuses(Exit.UNKNOWN, "study", "no workflow")
