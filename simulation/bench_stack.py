"""The stack that the benchmark measures: the embedded one, and a worker for the yardstick beside the real one."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from temporalio.client import Client, WorkflowHistory

from activities.database import Pool, open_pool
from client.converter import DATA_CONVERTER
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.stack_file import read_stack
from deploy.temporal_client import connect_temporal
from schemas import names
from simulation.yardstick_script import Script

STOP_SECONDS = 30.0


class BenchStack(NamedTuple):
    """A stack with virtual time, which this process only drives."""

    data: Path
    client: Client
    pool: Pool
    worker: psutil.Process

    async def history(self, workflow_id: str) -> WorkflowHistory:
        """Fetch a workflow's history."""
        return await self.client.get_workflow_handle(workflow_id).fetch_history()


def silent(line: str) -> None:
    """Report nothing."""


@asynccontextmanager
async def open_stack(data: Path) -> AsyncIterator[BenchStack]:
    """Start a stack on a data folder, and stop it afterwards."""
    await asyncio.to_thread(up, data, ui=False, virtual_time=True, report=silent, task_queue=names.TASK_QUEUE)
    stack = read_stack(data)
    if stack is None or stack.worker is None:
        raise RuntimeError("the stack has no worker")
    services = embedded_services(data)
    pool = await open_pool(services.database_url)
    await migrate(pool)
    try:
        client = await connect_temporal(services, DATA_CONVERTER)
        yield BenchStack(data, client, pool, psutil.Process(stack.worker.pid))
    finally:
        await pool.close()
        await asyncio.to_thread(down, data, silent)


@asynccontextmanager
async def yardstick_worker(data: Path, script: Script) -> AsyncIterator[psutil.Process]:
    """Run the yardstick's worker; its participants load the rest of the script from it."""
    file = data / "script.json"
    file.write_text(script.rest().to_text(), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulation.yardstick_worker", str(file)), env=os.environ | {"TRIAL_DATA": str(data)}
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
