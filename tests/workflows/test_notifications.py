"""Notifications: the outbox is delivered by a real mail server, each notice once, whatever fails meanwhile."""

import asyncio
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from structlog.testing import capture_logs

from activities.database import Pool
from activities.notifications import Channel, ConsoleChannel, EmailChannel, deliver_forever, deliver_once
from protocols.loader import LoadedProtocol
from simulation.world import World
from tests.workflows.stories import Case, eventually, one

SENDER = "trial@example.org"
RECIPIENTS = {"laboratory": "lab@example.org", "operations": "operations@example.org", "default": "site@example.org"}


class Mailbox:
    """Keeps every message that the mail server takes."""

    def __init__(self) -> None:
        """Begin empty."""
        self.messages: list[EmailMessage] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Take a message."""
        assert isinstance(envelope.content, bytes)
        self.messages.append(message_from_bytes(envelope.content, EmailMessage, policy=modern))
        return "250 OK"


@pytest.fixture
def port() -> int:
    """Return a free port: nobody listens there yet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mail_server(port: int) -> Iterator[Mailbox]:
    """Run a mail server on the port."""
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@pytest.fixture
def channel(port: int) -> EmailChannel:
    """Return e-mail to the server on the port."""
    return EmailChannel("127.0.0.1", port, SENDER, RECIPIENTS)


@pytest.fixture
async def case(world: World, protocol: LoadedProtocol) -> Case:
    """Return a participant whose panel nobody reported: five notices wait, and none of another study."""
    await world.pool.execute("TRUNCATE outbox")
    case = await one(world, protocol)
    case.leave("antigen-panel")
    await case.play(lambda seen: any(t["urgency"] == "escalated" for t in seen.tasks), "escalated")
    return case


async def deliver_all(pool: Pool, channel: Channel) -> list[bool]:
    """Deliver until nothing is left or a notice fails."""
    outcomes = []
    while (delivered := await deliver_once(pool, channel)) is not None:
        outcomes.append(delivered)
        if not delivered:
            break
    return outcomes


async def subjects_due(world: World) -> Counter[str]:
    """Return the subject lines that are to be delivered, each as often as the outbox has it."""
    rows = await world.pool.fetch("SELECT subject_line FROM outbox WHERE study = $1", world.client.study)
    return Counter(row["subject_line"] for row in rows)


def subjects(mailbox: Mailbox) -> Counter[str]:
    """Return the subject lines that arrived."""
    return Counter(str(message["Subject"]) for message in mailbox.messages)


async def undelivered(world: World) -> int:
    """Count what waits."""
    waiting: int = await world.pool.fetchval(
        "SELECT count(*) FROM outbox WHERE study = $1 AND delivered_at IS NULL", world.client.study
    )
    return waiting


async def test_each_notice_is_mailed_once_to_whoever_is_to_act(
    world: World, case: Case, port: int, channel: EmailChannel
) -> None:
    """Opened, reminded and escalated: each notice arrives once, at the address of its role, and not again later."""
    with mail_server(port) as mailbox:
        outcomes = await deliver_all(world.pool, channel)
        assert await deliver_once(world.pool, channel) is None

    assert outcomes == [True] * 5
    assert subjects(mailbox) == await subjects_due(world)
    assert len({message["Message-ID"] for message in mailbox.messages}) == 5
    escalation = next(m for m in mailbox.messages if str(m["Subject"]).endswith("(escalated)"))
    assert escalation["To"] == "operations@example.org"
    assert {m["To"] for m in mailbox.messages if "(reminded)" in str(m["Subject"])} == {"lab@example.org"}


async def test_a_mail_server_that_is_down_loses_nothing(
    world: World, case: Case, port: int, channel: EmailChannel
) -> None:
    """Nobody listens: every attempt is counted with its error; once the server is back, each notice comes once."""
    assert await deliver_once(world.pool, channel) is False
    assert await deliver_once(world.pool, channel) is False
    rows = await world.pool.fetch(
        "SELECT attempts, last_error, delivered_at FROM outbox WHERE study = $1 ORDER BY attempts DESC",
        world.client.study,
    )
    assert [row["attempts"] for row in rows] == [1, 1, 0, 0, 0]
    assert all(row["last_error"] for row in rows if row["attempts"])
    assert await undelivered(world) == 5

    with mail_server(port) as mailbox:
        assert await deliver_all(world.pool, channel) == [True] * 5

    assert subjects(mailbox) == await subjects_due(world)
    assert await undelivered(world) == 0
    assert await world.pool.fetchval("SELECT count(*) FROM outbox WHERE last_error IS NOT NULL") == 0


async def test_the_dispatcher_goes_on_when_the_server_comes_back(
    world: World, case: Case, port: int, channel: EmailChannel
) -> None:
    """A dispatcher that has met a server that was down delivers everything later, by itself."""
    dispatcher = asyncio.create_task(deliver_forever(world.pool, channel, idle_seconds=0.05, failed_seconds=0.05))
    try:
        await eventually(lambda: _has_failed(world), "an attempt has failed")
        with mail_server(port) as mailbox:
            await eventually(lambda: _is_empty(world), "all is delivered")
    finally:
        dispatcher.cancel()

    assert subjects(mailbox) == await subjects_due(world)


async def _has_failed(world: World) -> bool:
    return bool(await world.pool.fetchval("SELECT max(attempts) FROM outbox WHERE study = $1", world.client.study))


async def _is_empty(world: World) -> bool:
    return await undelivered(world) == 0


async def test_two_dispatchers_at_once_deliver_each_notice_once(
    world: World, case: Case, port: int, channel: EmailChannel
) -> None:
    """Two workers empty the outbox together: they share the notices, and none is mailed twice."""
    with mail_server(port) as mailbox:
        shares = await asyncio.gather(*(deliver_all(world.pool, channel) for _ in range(2)))

    assert sum(len(share) for share in shares) == 5
    assert subjects(mailbox) == await subjects_due(world)
    assert await world.pool.fetchval("SELECT max(attempts) FROM outbox WHERE study = $1", world.client.study) == 1


async def test_a_refused_recipient_does_not_hold_up_the_others(
    world: World, case: Case, port: int, channel: EmailChannel
) -> None:
    """The mail server takes no mail for the laboratory: those notices wait, and all the others are delivered."""

    class Picky(Mailbox):
        async def handle_RCPT(  # noqa: N802 - aiosmtpd's
            self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
        ) -> str:
            if address.startswith("lab@"):
                return "550 no such mailbox"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    mailbox = Picky()
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        for _ in range(8):
            await deliver_once(world.pool, channel)
    finally:
        controller.stop()

    assert {message["To"] for message in mailbox.messages} == {"operations@example.org", "site@example.org"}
    assert await undelivered(world) == 2


async def test_a_channel_that_fails_half_way_keeps_what_it_delivered(world: World, case: Case) -> None:
    """Of five notices the third fails: two are marked delivered, it is counted, and the rest was not tried."""

    class Failing(ConsoleChannel):
        sent = 0

        async def send(self, notice: Mapping[str, object]) -> None:  # noqa: ARG002 - the channel's signature
            if self.sent == 2:
                raise OSError("the terminal is gone")
            self.sent += 1

    assert await deliver_once(world.pool, Failing()) is False

    rows = await world.pool.fetch("SELECT attempts, delivered_at, last_error FROM outbox ORDER BY id")
    assert [row["attempts"] for row in rows] == [1, 1, 1, 0, 0]
    assert [row["delivered_at"] is not None for row in rows] == [True, True, False, False, False]
    assert [row["last_error"] for row in rows] == [None, None, "the terminal is gone", None, None]


async def test_without_a_mail_server_notices_go_to_the_log(world: World, case: Case) -> None:
    """The console channel writes one log event for each notice, with study, task and role, all of them at once."""
    with capture_logs() as logs:
        outcomes = await deliver_all(world.pool, ConsoleChannel())

    events = [log for log in logs if log["event"] == "task_notification"]
    assert outcomes == [True]
    assert await undelivered(world) == 0
    assert len(events) == 5
    assert {event["study"] for event in events} == {world.client.study}
    assert Counter(event["event_kind"] for event in events) == {"opened": 3, "reminded": 1, "escalated": 1}
