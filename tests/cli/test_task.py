"""Tasks through the `trial` command: what they ask, and how they are answered."""

import asyncio
import json
import os
import sys
from pathlib import Path

from activities.database import Pool
from cli.exit_codes import Exit
from protocols.loader import LoadedProtocol
from tests.cli.trial_command import (
    BIOPSY,
    COMMITTEE,
    COORDINATOR,
    INVESTIGATOR,
    ROOT,
    TODAY,
    TOMORROW,
    Finished,
    Trial,
    eligibility,
    finds_refusals,
)


async def test_a_task_says_what_it_asks_and_gives_a_form_to_fill_in(participant: Trial) -> None:
    shown = await participant.ok("task", "show", "CN01-001:02-eligibility-1")
    fields = {field["field"]: field for field in shown["fields"]}
    assert fields["ecog"]["range"] == "0 to 5"
    assert fields["laboratory.haemoglobin"]["range"] == "30 to 250 g/L"
    assert fields["prior_treatment"]["type"].startswith("refractory | relapsed")
    assert shown["example"]["laboratory"]["haemoglobin"] == {"value": None, "unit": "g/L"}
    assert shown["example"]["histology_confirmed"] is None
    assert "tissue | CTC | ctDNA" in (await participant("task", "show", "CN01-001:01-biopsy-1")).out


async def test_an_answer_that_is_malformed_changes_nothing(participant: Trial, protocol: LoadedProtocol) -> None:
    """Each message names the field, the value and what would be right; neither the state nor the history moves."""
    before = await participant.state("CN01-001")

    async def refused(task: str, *words: str) -> Finished:
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
    await finds_refusals(participant, "CN01-001")


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
    facts = await finds_refusals(participant, "CN01-001", "WrongRole", "TaskAlreadyClosed")
    assert [fact["who"] for fact in facts] == ["pharm-01", "coord-01"]


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
    refused = await participant(
        "task", "complete", "single-target:01-decision-cohort-1", "--set", "action=stop", *COMMITTEE
    )
    refused.refuses(Exit.BAD_INPUT, "trial arm decide single-target --cohort 1")
