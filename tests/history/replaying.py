"""Replay of what a story has left on the server: the same commands and the same facts, workflow by workflow."""

from collections.abc import Sequence

from temporalio.client import WorkflowHistory

from activities import read_model
from client.converter import DATA_CONVERTER
from history.reading import fetch_runs, workflow_ids
from history.replay import Replay, replay
from schemas import names
from simulation.world import World
from workflows.registry import WORKFLOWS
from workflows.sandbox import workflow_runner


async def replay_all(runs: Sequence[WorkflowHistory]) -> list[Replay]:
    """Replay runs by today's workflows."""
    return [
        await replay(run, workflows=WORKFLOWS, runner=workflow_runner(), data_converter=DATA_CONVERTER) for run in runs
    ]


async def assert_study_replays(world: World) -> None:
    """Replay every workflow of a story's study that the server knows; a study that was started is among them."""
    study, temporal = world.client.study, world.client.temporal
    ids = await workflow_ids(temporal, study)
    if await read_model.latest_number(world.pool, names.study_id(study)):
        assert names.study_id(study) in ids
    for workflow_id in ids:
        for done in await replay_all(await fetch_runs(temporal, workflow_id)):
            assert done.difference is None, f"{done.workflow_id}, run {done.run_id}: {done.difference}"
            assert done.events > 1
