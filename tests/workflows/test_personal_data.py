"""Personal data: what looks like a name where a pseudonym belongs is refused before it is kept anywhere."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError

from protocols.loader import LoadedProtocol
from schemas import names
from simulation.trial import start_study
from simulation.world import World
from tests.workflows.stories import caught_up, one

MARKER = "Marker Person 1970-01-31"
ENVELOPE = {"person": "coordinator-01", "role": "coordinator", "site": "CN01", "time": "2026-11-24T09:00:00Z"}
ENROLMENT: dict[str, Any] = {
    "envelope": ENVELOPE,
    "subject": "CN01-009",
    "consent_signed_on": "2026-11-24",
    "consent_version": "1.0",
    "age_years": 50,
}
PLANTED: dict[str, dict[str, Any]] = {
    "as the subject": ENROLMENT | {"subject": MARKER},
    "as who acts": ENROLMENT | {"envelope": ENVELOPE | {"person": MARKER}},
    "in a field of its own": ENROLMENT | {"name": MARKER},
    "as the site": ENROLMENT | {"envelope": ENVELOPE | {"site": MARKER}},
}


@pytest.mark.parametrize("where", PLANTED)
async def test_a_name_is_kept_in_no_history_no_log_and_no_table(
    world: World,
    protocol: LoadedProtocol,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    where: str,
) -> None:
    """A client that skips our checks plants a name: it is refused, and stands nowhere afterwards."""
    await start_study(world, protocol)
    study = world.client.temporal.get_workflow_handle(names.study_id(world.client.study))

    with pytest.raises(WorkflowUpdateFailedError):
        await study.execute_update("enroll", PLANTED[where])

    histories = [run.to_json() for run in await caught_up(world, study.id)]
    tables = [await world.pool.fetch(f"SELECT * FROM {table}") for table in ("fact", "task", "outbox")]  # noqa: S608
    printed = capfd.readouterr()
    for text in (*histories, repr(tables), printed.out, printed.err, caplog.text):
        assert MARKER not in text


async def test_a_history_holds_the_age_at_consent_and_no_more_of_a_person(
    world: World, protocol: LoadedProtocol
) -> None:
    """What an enrolment keeps of a participant is listed here: whoever adds a field has to think of it."""
    case = await one(world, protocol)

    (enrolled,) = await case.facts("participant_enrolled")

    kept = {"study", "subject", "site", "consent_signed_on", "consent_version", "age_years", "protocol"}
    assert set(enrolled["body"]) == kept
