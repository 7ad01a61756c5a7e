"""Virtual participants, as many at a time as the benchmark says, and how long they take."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

from temporalio.client import Client

from activities import read_model
from activities.bank_file import load_units
from client.trial_client import TrialClient
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from schemas.base import Role
from schemas.commands.commands import Accepted, AnswerTask
from schemas.protocol import Arm, ArmKind
from schemas.state.participant import ParticipantState
from simulation.bench_run import Run, timed
from simulation.bench_stack import BenchStack
from simulation.people import VirtualParticipant
from simulation.site import PEOPLE, VirtualSite
from simulation.trial import bank_csv, start_study
from simulation.world import REST_SECONDS, News, World

SITE = "CN01"


class TimedClient(TrialClient):
    """A client that measures how long answers to tasks take."""

    def __init__(self, client: Client, study: str) -> None:
        super().__init__(client, study)
        self.latencies: list[float] = []

    async def answer_task(self, subject: str, command: AnswerTask) -> Accepted:
        """See base class."""
        began = time.perf_counter()
        accepted = await super().answer_task(subject, command)
        self.latencies.append(1000 * (time.perf_counter() - began))
        return accepted


class RegularNews(News):
    """No news: sites look again at regular intervals, as the yardstick's do."""

    async def wait(self, workflow_id: str, seconds: float) -> None:  # noqa: ARG002 - the same for all
        """See base class."""
        await asyncio.sleep(min(seconds, REST_SECONDS))


def bench_protocol() -> LoadedProtocol:
    """The committed protocol, but with an arm for each antigen and no stagger, so that many are treated at once."""
    loaded = load_protocol(default_protocol_path())
    protocol = loaded.protocol
    first = protocol.arms[0]
    arms = tuple(
        Arm(
            id=f"arm-{number}",
            kind=ArmKind.SINGLE,
            targets=((entry.antigen,),),
            dose_levels=first.dose_levels,
            start_level=first.start_level,
        )
        for number, entry in enumerate(protocol.panel, start=1)
    )
    escalation = protocol.escalation.model_copy(update={"cohort_size": 6, "expanded_size": 12, "stagger_days": 0})
    crowded = protocol.model_copy(update={"arms": arms, "escalation": escalation})
    return loaded.model_copy(update={"protocol": crowded})


async def nobody(state: ParticipantState) -> bool:  # noqa: ARG001 - the answer is the same for all
    """No participant has a DLT."""
    return False


def subject(number: int) -> str:
    """Return the pseudonym of the participant with a number from 1."""
    return f"{SITE}-{number:04d}"


class Journeys:
    """Journeys of virtual participants on a stack, each run in a study of its own."""

    def __init__(self, stack: BenchStack) -> None:
        self._stack, self._loaded = stack, bench_protocol()
        self._studies = 0

    @property
    def arms(self) -> int:
        """How many arms a study has."""
        return len(self._loaded.protocol.arms)

    def arm_of(self, number: int) -> str:
        """Return the arm that the participant with a number from 1 is assigned to."""
        return self._loaded.protocol.arms[number % self.arms].id

    @property
    def study(self) -> str:
        """The study of the latest run."""
        return f"bench-{self._studies}"

    async def whole(self, count: int, together: int) -> Run:
        """Run so many participants through the whole schedule, `together` at a time."""
        world, client = await self._start_study(participants=count)

        async def journey(number: int) -> None:
            site = self._site(world, number)
            await site.enroll()
            await site.live()

        run = await timed(self._stack.worker, count, together, journey)
        return run._replace(latencies=client.latencies)

    async def enrolments(self, count: int, together: int) -> tuple[Run, World]:
        """Enrol so many participants, who are not answered for."""
        world, _client = await self._start_study(participants=0)
        run = await timed(self._stack.worker, count, together, lambda number: self._site(world, number).enroll())
        return run, world

    async def wait_for_tasks(self, world: World, count: int) -> int:
        """Wait until so many participants have open tasks; return how many have."""
        while (found := await self._with_tasks(world)) < count:  # noqa: ASYNC110 - another process opens them
            await asyncio.sleep(REST_SECONDS)
        return found

    async def _with_tasks(self, world: World) -> int:
        tasks = await read_model.open_tasks(self._stack.pool, world.client.study)
        return len({task["owner"] for task in tasks})

    def _site(self, world: World, number: int) -> VirtualSite:
        panel = self._loaded.protocol.panel
        antigens = (panel[number % len(panel)].antigen,)
        person = VirtualParticipant(subject=subject(number), age_years=50, antigens=antigens)
        return VirtualSite(world, self._loaded.protocol, person, nobody)

    async def _start_study(self, *, participants: int) -> tuple[World, TimedClient]:
        self._studies += 1
        client = TimedClient(self._stack.client, self.study)
        world = World(client, self._stack.pool, RegularNews())
        await self._fill_bank(-(-participants // self.arms) * len(self._loaded.protocol.infusions.days))
        await start_study(world, self._loaded)
        return world, client

    async def _fill_bank(self, units: int) -> None:
        today = datetime.now(UTC).date()
        largest = max(level.million_cells for arm in self._loaded.protocol.arms for level in arm.dose_levels)
        text = bank_csv(
            [(entry.antigen,) for entry in self._loaded.protocol.panel],
            units=units,
            million_cells=largest,
            first_expiry=today + timedelta(days=900),
            prefix=f"B{self._studies}-",
        )
        await load_units(self._stack.pool, text, today, PEOPLE[Role.PHARMACIST])
