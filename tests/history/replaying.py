"""Replay of what a story has left on the server: the same commands and the same facts, workflow by workflow."""

from collections.abc import Sequence

from temporalio.client import WorkflowHistory

from client.converter import DATA_CONVERTER
from history.reading import fetch_runs
from history.replay import Replay, replay
from simulation.world import World
from workflows.registry import WORKFLOWS
from workflows.sandbox import workflow_runner


async def replay_all(runs: Sequence[WorkflowHistory]) -> list[Replay]:
    """Replay runs by today's workflows."""
    return [
        await replay(run, workflows=WORKFLOWS, runner=workflow_runner(), data_converter=DATA_CONVERTER) for run in runs
    ]


async def assert_study_replays(world: World) -> None:
    """Replay every workflow of a story's study; a study that was started has at least its own."""
    rows = await world.pool.fetch("SELECT DISTINCT workflow_id FROM fact WHERE study = $1", world.client.study)
    for workflow_id in sorted(row["workflow_id"] for row in rows):
        if workflow_id.endswith("-again"):
            continue
        for done in await replay_all(await fetch_runs(world.client.temporal, workflow_id)):
            assert done.difference is None, f"{done.workflow_id}, run {done.run_id}: {done.difference}"
            assert done.events > 1
