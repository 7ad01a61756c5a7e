"""The yardstick's worker, in a process of its own as the real one: `-m simulation.yardstick_worker SCRIPT`."""

import asyncio
import signal
import sys
from pathlib import Path

from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from client.converter import DATA_CONVERTER
from deploy.services import find_services
from deploy.temporal_client import connect_temporal
from schemas import names
from simulation.yardstick import ANSWER, YARDSTICK_QUEUE, Message, YardstickOwner, YardstickParticipant, message_of
from workflows.sandbox import workflow_runner


class YardstickActivities:
    """Activities that do nothing but answer as much as real ones."""

    def __init__(self, script: str) -> None:
        """Give the script to participants that load it."""
        self._script = script

    @activity.defn(name=names.PUBLISH_FACTS)
    async def publish(self, message: Message) -> None:
        """Write nothing."""

    @activity.defn(name=ANSWER)
    async def answer(self, message: Message) -> Message | None:
        """Answer, if an answer is wanted."""
        return message_of(message.answered) if message.answered else None

    @activity.defn(name=names.LOAD_PROTOCOL)
    async def load(self, message: Message) -> Message:
        """Return the script, filled up to the protocol's size."""
        return Message(name=names.LOAD_PROTOCOL, text=self._script.ljust(message.answered))


def make_yardstick_worker(client: Client, script: str) -> Worker:
    """Return a worker that differs from the real one only in what its workflows and activities do."""
    activities = YardstickActivities(script)
    return Worker(
        client,
        task_queue=YARDSTICK_QUEUE,
        workflows=[YardstickParticipant, YardstickOwner],
        activities=[activities.publish, activities.answer, activities.load],
        workflow_runner=workflow_runner("simulation"),
        max_cached_workflows=2000,
    )


async def run(script: str) -> None:
    """Run until SIGTERM."""
    client = await connect_temporal(find_services(), DATA_CONVERTER)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with make_yardstick_worker(client, script):
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(run(Path(sys.argv[1]).read_text(encoding="utf-8")))
