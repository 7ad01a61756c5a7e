"""The worker: wires workflows and activities to the task queue."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from activities.publishing_before import PublishingActivities
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from activities.arms import ArmActivities
from activities.bank import BankActivities
from activities.database import Pool, open_pool
from activities.ledger import Ledger
from activities.notifications import Channel, ConsoleChannel, EmailChannel, deliver_forever
from activities.projection import Projection
from activities.protocols import ProtocolActivities
from deploy.migrate import migrate
from history.reading import Record
from schemas.names import TASK_QUEUE
from workflows.arm import ArmWorkflow
from workflows.feed import Feed
from workflows.participant import ParticipantWorkflow
from workflows.sandbox import workflow_runner
from workflows.study import StudyWorkflow

WORKFLOWS = [ParticipantWorkflow, ArmWorkflow, StudyWorkflow]


@asynccontextmanager
async def make_worker(
    client: Client,
    pool: Pool,
    *,
    interceptors: Sequence[Interceptor] = (),
    cached: int = 2000,
    ledger: Ledger | None = None,
) -> AsyncIterator[Projection]:
    """
    Run a worker for the task queue, and the projection of what its workflows note; both finish what is under way.

    `TRIAL_BUILD_ID` puts it into a worker deployment (see docs/decisions).
    """
    record = Record(client)
    projection = Projection(ledger or Ledger(pool), record)
    worker = _worker(client, pool, record, interceptors=[*interceptors, Feed(projection.offer)], cached=cached)
    async with projection.running(), worker:
        yield projection


def _worker(client: Client, pool: Pool, record: Record, *, interceptors: list[Interceptor], cached: int) -> Worker:
    bank, publishing, protocols = BankActivities(pool), PublishingActivities(Ledger(pool)), ProtocolActivities(pool)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            bank.reserve_units,
            bank.return_units,
            bank.count_units,
            ArmActivities(record).lowest_toxic_level,
            publishing.publish_facts,
            protocols.register_protocol,
            protocols.load_protocol,
        ],
        interceptors=interceptors,
        workflow_runner=workflow_runner(),
        max_cached_workflows=cached,
        deployment_config=_deployment(os.environ.get("TRIAL_BUILD_ID")),
    )


def _deployment(build_id: str | None) -> WorkerDeploymentConfig | None:
    if not build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=TASK_QUEUE, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


def channel_from_environment() -> Channel:
    """Return e-mail when `TRIAL_SMTP_HOST` is set, else the console."""
    host = os.environ.get("TRIAL_SMTP_HOST")
    if not host:
        return ConsoleChannel()
    pairs = os.environ.get("TRIAL_SMTP_RECIPIENTS", "default=trial@localhost").split(",")
    recipients = dict(pair.strip().split("=", 1) for pair in pairs)
    return EmailChannel(
        host,
        int(os.environ.get("TRIAL_SMTP_PORT", "25")),
        os.environ.get("TRIAL_SMTP_SENDER", "trial@localhost"),
        recipients,
    )


def configure_logs() -> None:
    """Show logs to people on a terminal and as JSON lines elsewhere."""
    # The SDK's own debug logs would show payloads: only its warnings are let through.
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    logging.getLogger("temporalio").setLevel(logging.WARNING)
    logging.getLogger("temporalio.workflow").setLevel(logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(processors=[*shared, structlog.processors.format_exc_info, render])


async def run() -> None:
    """Run until SIGTERM or Ctrl-C; what is under way finishes first."""
    from client.converter import DATA_CONVERTER  # noqa: PLC0415
    from deploy.settings import connect, load_settings  # noqa: PLC0415 - the worker library must import without it

    configure_logs()
    log = structlog.get_logger()
    settings = load_settings(Path(os.environ.get("TRIAL_DATA", ".trial")), dict(os.environ))
    client = await connect(settings, data_converter=DATA_CONVERTER)
    pool = await open_pool(settings.database_url)
    applied = await migrate(pool)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    log.info("worker_started", task_queue=TASK_QUEUE, migrations=applied, build_id=os.environ.get("TRIAL_BUILD_ID"))
    async with make_worker(client, pool):
        delivery = asyncio.create_task(deliver_forever(pool, channel_from_environment()))
        await stopping.wait()
        delivery.cancel()
    await pool.close()
    log.info("worker_stopped")


if __name__ == "__main__":
    asyncio.run(run())
