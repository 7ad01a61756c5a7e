"""The worker: wires workflows and activities to the task queue."""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from typing import Any

import structlog
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import Interceptor, Worker, WorkerDeploymentConfig

from activities.arms import ArmActivities
from activities.bank import BankActivities
from activities.database import Pool, open_pool
from activities.notifications import Channel, ConsoleChannel, EmailChannel, deliver_forever
from activities.protocols import ProtocolActivities
from activities.publishing import PublishingActivities
from client.converter import DATA_CONVERTER
from deploy.database import connect_database
from deploy.errors import DeployError, SettingsError
from deploy.migrate import migrate
from deploy.services import find_services
from deploy.settings import Settings, load_settings
from deploy.temporal_client import connect_temporal
from schemas.base import Role
from schemas.names import TASK_QUEUE
from workflows.registry import WORKFLOWS
from workflows.sandbox import workflow_runner


def make_worker(
    client: Client,
    pool: Pool,
    *,
    interceptors: Sequence[Interceptor] = (),
    cached: int = 2000,
    build_id: str | None = None,
) -> Worker:
    """
    Return a worker for the task queue.

    A build id puts it into a worker deployment as that version (docs/decisions/0007); `cached` is how many workflows
    stay in memory.
    """
    bank, publishing, protocols = BankActivities(pool), PublishingActivities(pool), ProtocolActivities(pool)
    return Worker(
        client,
        task_queue=TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[
            publishing.publish_facts,
            bank.reserve_units,
            bank.return_units,
            bank.book_infusion,
            bank.count_units,
            ArmActivities(pool).lowest_toxic_level,
            protocols.register_protocol,
            protocols.load_protocol,
        ],
        interceptors=interceptors,
        workflow_runner=workflow_runner(),
        max_cached_workflows=cached,
        deployment_config=_deployment(build_id),
    )


def _deployment(build_id: str | None) -> WorkerDeploymentConfig | None:
    if not build_id:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=TASK_QUEUE, build_id=build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


def channel(settings: Settings) -> Channel:
    """
    Return e-mail when a mail server is set, else the log.

    Raises:
        SettingsError: a recipient is listed for a role that the trial does not have.
    """
    known = {"default", *(role.value for role in Role)}
    if unknown := sorted(set(settings.smtp_recipients) - known):
        raise SettingsError(
            f"TRIAL_SMTP_RECIPIENTS = {', '.join(unknown)}: there is no such role; expected {', '.join(sorted(known))}"
        )
    if settings.smtp_host is None:
        return ConsoleChannel()
    return EmailChannel(settings.smtp_host, settings.smtp_port, settings.smtp_sender, settings.smtp_recipients)


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
    """
    Run until SIGTERM or Ctrl-C; what is under way finishes first.

    Raises:
        DeployError: a setting is malformed, a service does not answer, or the database is of another version.
    """
    configure_logs()
    log = structlog.get_logger()
    settings = load_settings()
    notices = channel(settings)
    services = find_services(settings=settings)
    client = await connect_temporal(services, data_converter=DATA_CONVERTER)
    pool = await connect_database(services, open_pool)
    applied = await migrate(pool)
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    log.info("worker_started", task_queue=TASK_QUEUE, migrations=applied, build_id=settings.build_id)
    async with make_worker(client, pool, build_id=settings.build_id):
        delivery = asyncio.create_task(deliver_forever(pool, notices))
        await stopping.wait()
        delivery.cancel()
    await pool.close()
    log.info("worker_stopped")


def main() -> None:
    """Run the worker; what is wrong with its surroundings is told in words, with exit code 1."""
    try:
        asyncio.run(run())
    except DeployError as error:
        sys.exit(f"worker: {error}")


if __name__ == "__main__":
    main()
