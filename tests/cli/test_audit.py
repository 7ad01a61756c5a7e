"""Histories through the `trial` command: exported, replayed, and the database rebuilt from them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from activities.database import Pool
from cli.exit_codes import Exit
from tests.cli.trial_command import BIOPSY, COORDINATOR, Trial, open_tasks, until

WHO = "CN01-001"
COMPLETE = ("task", "complete", f"{WHO}:01-biopsy-1", *BIOPSY, *COORDINATOR)


async def test_a_history_is_exported_and_replayed(participant: Trial, tmp_path: Path) -> None:
    """The auditor takes the history away, and today's code comes to the same commands and the same facts."""
    await participant.ok(*COMPLETE)
    file = tmp_path / "history.json"
    written = await participant.ok("audit", "export", WHO, "--out", str(file))
    replayed = await participant.ok("audit", "replay", str(file), WHO, "study", "single-target")
    assert [run["same"] for run in replayed] == [True] * 4
    assert replayed[0]["events"] == written["events"]
    table = (await participant("audit", "export", WHO)).out
    for words in ("task_answered", "coord-01", "(coordinator)"):
        assert words in table


async def test_a_history_that_was_changed_differs_in_the_replay(participant: Trial, tmp_path: Path) -> None:
    """Somebody else's name in a fact, then another activity than was asked for: the replay names the first."""
    await participant.ok(*COMPLETE)
    history = await participant.ok("audit", "export", WHO)
    file = tmp_path / "history.json"
    file.write_text(json.dumps(renamed(history, "coord-01", "coord-02")))
    replayed = await participant("audit", "replay", str(file))
    assert (replayed.code, replayed.err) == (Exit.REPLAY_DIFFERS, "")
    assert "who: recorded 'coord-02', today's code says 'coord-01'" in replayed.out
    history = await participant.ok("audit", "export", "study")
    asked = next(event for event in history["events"] if "activityTaskScheduledEventAttributes" in event)
    asked["activityTaskScheduledEventAttributes"]["activityType"]["name"] = "reserve_units"
    file.write_text(json.dumps(history))
    replayed = await participant("audit", "replay", str(file))
    assert replayed.code == Exit.REPLAY_DIFFERS
    assert f"event {asked['eventId']}" in replayed.out
    file.write_text("{}")
    (await participant("audit", "replay", str(file))).refuses(Exit.BAD_INPUT, "history.json", "not a Temporal history")


def renamed(history: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """The same history with another name in the facts that it publishes."""
    changed: dict[str, Any] = json.loads(json.dumps(history))
    for event in changed["events"]:
        scheduled = event.get("activityTaskScheduledEventAttributes") or {}
        is_publication = scheduled.get("activityType", {}).get("name") == "publish_facts"
        for payload in scheduled["input"]["payloads"] if is_publication else ():
            text = base64.b64decode(payload["data"]).decode()
            payload["data"] = base64.b64encode(text.replace(old, new).encode()).decode()
    return changed


@pytest.mark.parametrize("file", ["no-such-history.json", "exported/CN01-001", "./history"])
async def test_a_missing_history_file_is_named(nowhere: Trial, file: str) -> None:
    """Not that no stack is up: none is needed to replay a file."""
    (await nowhere("audit", "replay", file)).refuses(Exit.BAD_INPUT, f"file = {file}", "there is no such file")


async def test_facts_of_a_kind_are_listed_and_an_unknown_kind_is_named(participant: Trial) -> None:
    """A kind that the history does not have is an empty list, a kind that nothing has is an error."""
    facts = await participant.ok("audit", "facts", WHO, "--kind", "task_opened")
    assert {fact["kind"] for fact in facts} == {"task_opened"}
    assert (await participant.ok("audit", "facts", WHO, "--kind", "assigned")) == []
    assert "no such fact" in (await participant("audit", "facts", WHO, "--kind", "assigned")).out
    unknown = await participant("audit", "facts", WHO, "--kind", "refusals")
    unknown.refuses(Exit.BAD_INPUT, "--kind = refusals", "refused", "task_opened")


# ---------------------------------------------------------------------- the rebuild


async def test_a_worklist_that_was_lost_is_made_again(participant: Trial, pool: Pool) -> None:
    """Somebody deletes a study's tasks and facts: one command brings both back; an unknown study has nothing."""
    study = participant.environment["TRIAL_STUDY"]
    await participant.ok(*COMPLETE)
    await until(lambda: open_tasks(participant), lambda tasks: f"{WHO}:03-antigen-panel-1" in tasks)
    before = await participant.ok("worklist")
    for table in ("task", "fact"):
        await pool.execute(f"DELETE FROM {table} WHERE study = $1", study)  # noqa: S608
    (await participant("worklist")).refuses(Exit.UNKNOWN, "never started")

    rebuilt = await participant("audit", "rebuild", "--json")

    assert rebuilt.code == Exit.MENDED
    assert len(rebuilt.json["workflows"]) == 4
    assert await participant.ok("worklist") == before
    again = await participant("audit", "rebuild")
    assert again.code == Exit.OK
    assert "4 workflows rebuilt, no differences" in again.out
    (await participant("audit", "rebuild", "--study", "study-0")).refuses(Exit.UNKNOWN, "study", "no workflow")


async def test_every_difference_that_is_mended_is_reported(participant: Trial, pool: Pool) -> None:
    """A fact altered, one deleted, one added, and a task closed by hand: each is named, and all is as before."""
    workflow_id = f"participant/{participant.environment['TRIAL_STUDY']}/{WHO}"
    before = await participant.ok("participant", "timeline", WHO)
    added = "SELECT workflow_id, 99, study, owner, run_id, kind, at, who, role, why, body FROM fact"
    for change in (
        "UPDATE fact SET who = 'coord-99' WHERE workflow_id = $1 AND sequence = 1",
        "DELETE FROM fact WHERE workflow_id = $1 AND sequence = 2",
        f"INSERT INTO fact {added} WHERE workflow_id = $1 AND sequence = 1",
        "UPDATE task SET status = 'cancelled' WHERE workflow_id = $1 AND step = 'biopsy-1'",
    ):
        await pool.execute(change, workflow_id)

    rebuilt = await participant("audit", "rebuild")

    assert rebuilt.code == Exit.MENDED
    for difference in (
        "fact 1: altered: who: recorded 'coord-01', shown 'coord-99'",
        "fact 2: missing",
        "fact 99: added",
        f"task {WHO}:01-biopsy-1: altered: status: recorded 'open', shown 'cancelled'",
        "4 workflows rebuilt, 4 differences",
    ):
        assert difference in rebuilt.out
    assert await participant.ok("participant", "timeline", WHO) == before
    assert (await participant("audit", "rebuild")).code == Exit.OK


async def test_a_publication_that_waits_is_seen_and_mended(
    participant: Trial, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fact too many in the database: the next answer is taken and not shown, and `status` and `rebuild` say why."""
    monkeypatch.setattr("cli.acceptance.SHOWN_WITHIN", 1.0)
    workflow_id = f"participant/{participant.environment['TRIAL_STUDY']}/{WHO}"
    await pool.execute("DELETE FROM fact WHERE workflow_id = $1 AND sequence > 1", workflow_id)

    answered = await participant(*COMPLETE)

    assert answered.code == Exit.OK
    assert "accepted" in answered.out
    assert "do not show it yet" in answered.err
    waiting = await participant("status")
    assert waiting.code == Exit.WAITING
    assert workflow_id in waiting.out
    assert "does not follow on 1" in waiting.out
    assert (await participant("status", "--json")).json["waiting"][0]["workflow_id"] == workflow_id
    assert (await participant("audit", "rebuild")).code == Exit.MENDED
    assert (await participant("status")).code == Exit.OK
    facts = await participant.ok("participant", "timeline", WHO)
    assert "task_answered" in [fact["kind"] for fact in facts]
