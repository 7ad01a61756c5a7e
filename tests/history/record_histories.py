"""
Records the histories that `test_replay` replays, by hand: `python -m tests.history.record_histories [RELEASE]`.

It runs a small Phase 1 on a stack of its own and keeps one history of each kind in `tests/histories/`. Run it when a
change of the workflows' commands is wanted: the old files then show which workflows can no longer go on.
"""

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from temporalio.client import WorkflowHistory

from activities.database import Pool, open_pool
from activities.read_model import listen
from client.converter import DATA_CONVERTER
from client.trial_client import TrialClient
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.temporal_client import connect_temporal
from history.documents import to_document
from history.reading import fetch_runs
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from schemas import names
from simulation.people import VirtualParticipant
from simulation.trial import fill_bank, run_phase_one, start_study
from simulation.world import News, World
from tests.workflows.stories import DUAL, SINGLE
from worker import make_worker

FOLDER = Path(__file__).parents[1] / "histories"
STUDY = "recorded-01"
VERSION = "0.1.0"
# In the order of their enrolment.
STORIES: dict[str, dict[str, object]] = {
    "single-completed": {},
    "dual-completed": {"dual": True},
    "screen-failure": {"form_changes": (("cns_disease", "symptomatic"),)},
    "withdrawal": {"withdraws_at": "lymphodepletion-2"},
    "dual-with-dlt": {"dual": True},
    "late-imaging": {"late_steps": ("imaging-week-8",)},
}


def people(loaded: LoadedProtocol) -> list[VirtualParticipant]:
    """Return one participant for each story, and enough others to close both arms."""
    single_story: dict[str, object] = {}
    dual_story: dict[str, object] = {"dual": True}
    stories = [*STORIES.values(), *[dual_story] * 7, *[single_story] * 7]
    single, dual = (loaded.protocol.arm(arm).targets[0] for arm in (SINGLE, DUAL))
    return [
        VirtualParticipant.model_validate(
            {"subject": f"CN01-{number:03d}", "age_years": 55, "antigens": dual if story.get("dual") else single}
            | {key: value for key, value in story.items() if key != "dual"}
        )
        for number, story in enumerate(stories, start=1)
    ]


# Two DLTs at the single arm's lowest level stop it; the dual arm goes down to level 1, which becomes its dose.
TOXICITIES = {(SINGLE, 1): (3, 4), (DUAL, 2): (2, 3)}


async def record(data: Path, version: str) -> None:
    """Run the trial and write the files."""
    services = embedded_services(data)
    client = await connect_temporal(services, DATA_CONVERTER)
    pool = await open_pool(services.database_url)
    await migrate(pool)
    news = News()
    connection = await listen(services.database_url, news.receive)
    try:
        async with make_worker(client, pool):
            await run_trial(World(TrialClient(client, STUDY), pool, news), pool)
        for name, workflow_id in workflows():
            write(FOLDER / f"{version}-{name}.json.gz", await fetch_runs(client, workflow_id))
    finally:
        await connection.close()
        await pool.close()


async def run_trial(world: World, pool: Pool) -> None:
    """Run everybody through the schedule."""
    loaded = load_protocol(default_protocol_path())
    await fill_bank(pool, loaded, [loaded.protocol.arm(arm).targets[0] for arm in (SINGLE, DUAL)], units=60)
    await start_study(world, loaded)
    await run_phase_one(world, loaded, people(loaded), TOXICITIES)


def workflows() -> Iterator[tuple[str, str]]:
    """Name the workflows whose histories are kept."""
    for number, name in enumerate(STORIES, start=1):
        yield name, names.participant_id(STUDY, f"CN01-{number:03d}")
    for arm in (SINGLE, DUAL):
        yield f"arm-{arm}", names.arm_id(STUDY, arm)
    yield "study", names.study_id(STUDY)


def write(file: Path, runs: list[WorkflowHistory]) -> None:
    """Write all runs of a workflow, the same bytes for the same events."""
    text = json.dumps(to_document(runs), separators=(",", ":"))
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(text.encode(), compresslevel=9, mtime=0))


def main() -> None:
    """Start a stack, record, stop it."""
    version = sys.argv[1] if len(sys.argv) > 1 else VERSION
    with tempfile.TemporaryDirectory(prefix="trial-record-") as folder:
        data = Path(folder)
        up(data, ui=False, virtual_time=True, worker=("sleep", "infinity"))
        try:
            asyncio.run(record(data, version))
        finally:
            down(data)


if __name__ == "__main__":
    main()
