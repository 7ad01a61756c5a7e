"""A worker for the yardstick alone, in a process of its own as the real worker has: `-m simulation.bare_worker`."""

import asyncio
import signal

from temporalio.worker import Worker

from client.converter import DATA_CONVERTER
from deploy.services import embedded_services
from deploy.settings import load_settings
from deploy.temporal_client import connect_temporal
from simulation.bare import BARE_QUEUE, BareWorkflow
from workflows.sandbox import workflow_runner


async def run() -> None:
    """Run until SIGTERM."""
    client = await connect_temporal(embedded_services(load_settings().data), DATA_CONVERTER)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Worker(
        client,
        task_queue=BARE_QUEUE,
        workflows=[BareWorkflow],
        workflow_runner=workflow_runner("simulation.progress"),
        max_cached_workflows=2000,
    ):
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(run())
