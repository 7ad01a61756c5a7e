"""
Delivering the outbox by e-mail (SMTP) or to the console.

A notice is marked delivered in the transaction that holds its row locked: two dispatchers never send the same one.
A crash between sending and marking sends it again, under the same Message-ID, so that mail systems show it once. Hence
mail goes one at a time, and only what no person is bothered by twice goes many at a time.
"""

import asyncio
from collections.abc import Mapping
from email.message import EmailMessage
from typing import ClassVar, Protocol

import aiosmtplib
import asyncpg
import structlog

from activities.database import AWAY, Connection, Pool
from activities.statements import statements

SQL = statements("notifications")

log = structlog.get_logger()


class Channel(Protocol):
    """Where notices go."""

    at_once: ClassVar[int]
    """How many are sent before they are marked delivered: as many can come again after a crash."""

    async def send(self, notice: Mapping[str, object]) -> None:
        """Send one notice, or raise."""


class ConsoleChannel:
    """Notices as log events: the default, when no mail server is set."""

    at_once: ClassVar[int] = 100

    async def send(self, notice: Mapping[str, object]) -> None:
        """Log it."""
        log.info(
            "task_notification",
            study=notice["study"],
            task=notice["task_id"],
            event_kind=notice["event"],
            role=notice["role"],
            site=notice["site"],
        )


class EmailChannel:
    """Notices by SMTP; one address for each role."""

    at_once: ClassVar[int] = 1

    def __init__(self, host: str, port: int, sender: str, recipients: Mapping[str, str]) -> None:
        """Take the server and the address of each role; `default` serves the other roles."""
        if "default" not in recipients:
            raise ValueError(
                f"TRIAL_SMTP_RECIPIENTS = {','.join(sorted(recipients))}: needs an address for 'default', "
                "such as default=trial@example.org,investigator=pi@example.org"
            )
        self._host, self._port, self._sender, self._recipients = host, port, sender, recipients

    async def send(self, notice: Mapping[str, object]) -> None:
        """Send it; raises what `aiosmtplib` raises."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = self._recipients.get(str(notice["role"]), self._recipients["default"])
        message["Subject"] = str(notice["subject_line"])
        domain = self._sender.rpartition("@")[2]
        message["Message-ID"] = f"<{notice['study']}.{notice['id']}@{domain}>"
        message.set_content(str(notice["body"]))
        await aiosmtplib.send(message, hostname=self._host, port=self._port, timeout=10)


async def deliver_once(pool: Pool, channel: Channel) -> bool | None:
    """
    Deliver the next notices, as many as the channel takes at once.

    True: delivered; False: the channel failed, and the notice that it failed on waits; None: nothing to do.
    """
    async with pool.acquire() as connection, connection.transaction():
        notices = await connection.fetch(SQL["next_notices"], channel.at_once)
        sent: list[int] = []
        for notice in notices:
            try:
                await channel.send(dict(notice))
            except (aiosmtplib.SMTPException, OSError) as error:
                await _mark_failed(connection, dict(notice), error)
                break
            sent.append(notice["id"])
        await _mark_delivered(connection, sent)
        return len(sent) == len(notices) if notices else None


async def _mark_delivered(connection: Connection, sent: list[int]) -> None:
    if sent:
        await connection.execute(SQL["mark_delivered"], sent)


async def _mark_failed(connection: Connection, notice: Mapping[str, object], error: Exception) -> None:
    await connection.execute(SQL["mark_failed"], notice["id"], str(error)[:500])
    log.warning("notification_failed", study=notice["study"], task=notice["task_id"], error=str(error))


async def deliver_forever(
    pool: Pool, channel: Channel, *, idle_seconds: float = 1.0, failed_seconds: float = 15.0
) -> None:
    """Deliver notices until cancelled; a database that is away is waited for."""
    while True:
        try:
            delivered = await deliver_once(pool, channel)
        except (*AWAY, asyncpg.PostgresError) as error:
            log.warning("outbox_unreachable", error=str(error))
            delivered = False
        if delivered is not True:
            await asyncio.sleep(idle_seconds if delivered is None else failed_seconds)
