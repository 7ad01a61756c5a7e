"""
`make bench`: participants against a bare Temporal workflow with the same updates and timers, in one run.

Both run on the same server, each in a worker process of its own, driven by this process, one after the other and back
again; ratios compare medians of rounds. Absolute figures belong to the machine; the ratios are what is kept to.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer

from activities.bank_file import load_units
from activities.database import Pool, open_pool
from activities.read_model import listen
from client.converter import DATA_CONVERTER
from client.trial_client import TrialClient
from deploy.migrate import migrate
from deploy.services import embedded_services
from deploy.stack import down, up
from deploy.stack_file import read_stack
from deploy.temporal_client import connect_temporal
from protocols.loader import LoadedProtocol, default_protocol_path, load_protocol
from schemas import names
from schemas.protocol import Arm, ArmKind
from schemas.state.participant import ParticipantState
from simulation.bare import BARE_QUEUE, BareWorkflow, Poke, Script, script_of
from simulation.clock import fast_forward
from simulation.people import VirtualParticipant
from simulation.progress import ADDRESS, Progress, follow
from simulation.site import News, VirtualSite, World
from simulation.trial import bank_csv, start_study
from workflows.participant import ParticipantWorkflow
from workflows.sandbox import workflow_runner

Figures = dict[str, float]
# A workflow takes ten updates at a time, and enrolments are updates of one study.
TOGETHER = 8
RESULTS = Path(__file__).parent.parent / "docs"
console = Console()


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


class Bench:
    """One measured stack."""

    def __init__(self, client: Client, pool: Pool, news: News, progress: Progress, loaded: LoadedProtocol) -> None:
        """Begin without figures."""
        self._client, self._pool, self._news, self._progress, self._loaded = client, pool, news, progress, loaded
        self._studies = 0
        self._bare = 0

    async def participants(self, count: int, together: int) -> tuple[float, list[float]]:
        """Run `count` whole journeys, `together` at a time; return seconds and the answers' latencies in ms."""
        world = await self._study()
        latencies: list[float] = []
        _time_answers(world.client, latencies)
        gate = asyncio.Semaphore(together)

        async def one(number: int) -> None:
            async with gate:
                antigen = self._loaded.protocol.panel[number % len(self._loaded.protocol.panel)].antigen
                person = VirtualParticipant(subject=f"CN01-{number:04d}", age_years=50, antigens=(antigen,))
                site = VirtualSite(world, self._loaded.protocol, person, nobody)
                await site.enroll()
                await site.live()

        return await _timed(asyncio.gather(*(one(number) for number in range(1, count + 1)))), latencies

    async def bare(self, script: Script, count: int, together: int) -> tuple[float, list[float]]:
        """Run `count` bare workflows through the same script; return seconds and the updates' latencies in ms."""
        latencies: list[float] = []
        gate = asyncio.Semaphore(together)

        async def one() -> None:
            async with gate:
                self._bare += 1
                await self._bare_journey(f"bare/{self._bare}", script, latencies)

        return await _timed(asyncio.gather(*(one() for _ in range(count)))), latencies

    async def _bare_journey(self, workflow_id: str, script: Script, latencies: list[float]) -> None:
        handle = await self._client.start_workflow(BareWorkflow.run, script, id=workflow_id, task_queue=BARE_QUEUE)
        for step in script.steps:
            if step.fires:
                await fast_forward(self._client, workflow_id, timedelta(seconds=step.seconds or 0))
                await self._progress.timer_passed(workflow_id)
            else:
                began = time.perf_counter()
                await handle.execute_update(BareWorkflow.poke, Poke())
                latencies.append(1000 * (time.perf_counter() - began))
        await handle.result()

    async def history(self, workflow_id: str) -> WorkflowHistory:
        """Fetch a history."""
        return await self._client.get_workflow_handle(workflow_id).fetch_history()

    async def one_history(self) -> WorkflowHistory:
        """Return the history of one uneventful journey."""
        await self.participants(1, 1)
        return await self.history(names.participant_id(f"bench-{self._studies}", "CN01-0001"))

    async def enrolments(self, count: int, together: int) -> tuple[float, World]:
        """Enrol participants; return seconds and their world."""
        world = await self._study(units=0)
        gate = asyncio.Semaphore(together)

        async def one(number: int) -> None:
            async with gate:
                person = VirtualParticipant(subject=f"CN01-{number:04d}", age_years=50, antigens=())
                await VirtualSite(world, self._loaded.protocol, person, nobody).enroll()

        return await _timed(asyncio.gather(*(one(number) for number in range(1, count + 1)))), world

    async def bare_starts(self, count: int, together: int) -> float:
        """Start bare workflows that wait for an update; return seconds."""
        script = Script.model_validate({"steps": [{"seconds": 86400, "fires": False}]})
        gate = asyncio.Semaphore(together)

        async def one() -> None:
            async with gate:
                self._bare += 1
                workflow_id = f"bare/{self._bare}"
                await self._client.start_workflow(BareWorkflow.run, script, id=workflow_id, task_queue=BARE_QUEUE)

        return await _timed(asyncio.gather(*(one() for _ in range(count))))

    async def open_ones(self, count: int) -> dict[str, float]:
        """Enrol `count`, have each of them open its tasks, ask each for its state; return what the worklist has."""
        seconds, world = await self.enrolments(count, TOGETHER)
        while await self._with_tasks(world) < count:  # noqa: ASYNC110 - counted, not told
            await asyncio.sleep(0.2)
        gate = asyncio.Semaphore(20)

        async def ask(number: int) -> int:
            async with gate:
                return len((await world.client.participant_state(f"CN01-{number:04d}")).tasks)

        opened = await asyncio.gather(*(ask(number) for number in range(1, count + 1)))
        return {"enrol_seconds": seconds, "with_open_tasks": float(sum(1 for tasks in opened if tasks))}

    async def _with_tasks(self, world: World) -> int:
        counted = await self._pool.fetchval(
            "SELECT count(DISTINCT owner) FROM task WHERE study = $1", world.client.study
        )
        return int(counted)

    async def _study(self, units: int = 60) -> World:
        self._studies += 1
        world = World(TrialClient(self._client, f"bench-{self._studies}"), self._pool, self._news)
        await self._pool.execute("TRUNCATE reservation, custody, unit")
        if units:
            today = datetime.now(UTC).date()
            targets = [(entry.antigen,) for entry in self._loaded.protocol.panel]
            text = bank_csv(targets, units=units, million_cells=3000, first_expiry=today + timedelta(days=900))
            await load_units(self._pool, text, today, "pharmacist-01")
        await start_study(world, self._loaded)
        return world


def _time_answers(client: TrialClient, latencies: list[float]) -> None:
    answer = client.answer_task

    async def timed(subject: str, command: object) -> object:
        began = time.perf_counter()
        accepted = await answer(subject, command)  # type: ignore[arg-type]
        latencies.append(1000 * (time.perf_counter() - began))
        return accepted

    client.answer_task = timed  # type: ignore[assignment, method-assign]


async def _timed(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


@asynccontextmanager
async def stand(data: Path) -> AsyncIterator[Bench]:
    """Stand up a stack and the yardstick's worker: each worker in its own process, this one only drives."""
    await asyncio.to_thread(up, data, ui=False, virtual_time=True, report=_silent, task_queue=names.TASK_QUEUE)
    services = embedded_services(data)
    client = await connect_temporal(services, DATA_CONVERTER)
    pool = await open_pool(services.database_url)
    await migrate(pool)
    news = News()
    connection = await listen(services.database_url, news.stir)
    socket_file = data / "progress"
    transport, progress = await follow(socket_file)
    environment = os.environ | {"TRIAL_DATA": str(data), ADDRESS: str(socket_file)}
    bare = await asyncio.create_subprocess_exec(sys.executable, "-m", "simulation.bare_worker", env=environment)
    try:
        yield Bench(client, pool, news, progress, bench_protocol())
    finally:
        bare.terminate()
        await bare.wait()
        transport.close()
        await connection.close()
        await pool.close()
        await asyncio.to_thread(down, data, _silent)


def _silent(line: str) -> None:
    """Say nothing."""


async def replay_rate(history: WorkflowHistory, workflow: type, seconds: float) -> float:
    """Replay a history again and again, for about so many seconds, with one replayer; return events per second."""
    replayed = 0
    began = time.perf_counter()

    async def again() -> AsyncIterator[WorkflowHistory]:
        while time.perf_counter() - began < seconds:
            yield history

    replayer = Replayer(
        workflows=[workflow],
        workflow_runner=workflow_runner("simulation.progress"),
        data_converter=DATA_CONVERTER,
    )
    async with replayer.workflow_replay_iterator(again()) as results:
        async for result in results:
            if result.replay_failure is not None:
                raise result.replay_failure
            replayed += len(history.events)
    return replayed / (time.perf_counter() - began)


async def measure(data: Path, chosen: argparse.Namespace) -> Figures:
    """Measure everything."""
    figures: Figures = {}
    async with stand(data / "ratios") as bench:
        console.print("One journey, for its history ...")
        history = await bench.one_history()
        script = script_of(history)
        figures |= history_figures(history, script)
        await bench.bare(script, 1, 1)
        bare_history = await bench.history("bare/1")
        figures |= await _throughput(bench, script, chosen)
        figures |= await _latency(bench, script, chosen)
        figures |= await _starts(bench, chosen)
        console.print("Replay ...")
        ours = await replay_rate(history, ParticipantWorkflow, chosen.replay_seconds)
        yardstick = await replay_rate(bare_history, BareWorkflow, chosen.replay_seconds)
        figures |= {
            "replay_events_per_second": ours,
            "bare_replay_events_per_second": yardstick,
            "replay_ratio": ours / yardstick,
        }
    console.print(f"{chosen.open} open participants on one worker ...")
    async with stand(data / "open") as bench:
        figures |= await _memory(bench, data / "open", chosen.open)
    return figures


async def _throughput(bench: Bench, script: Script, chosen: argparse.Namespace) -> Figures:
    ours, bare = [], []
    for number in range(1, chosen.rounds + 1):
        what = f"{chosen.participants} journeys, {chosen.together} at a time"
        console.print(f"Throughput, round {number} of {chosen.rounds}: {what} ...")
        ours.append(chosen.participants / (await bench.participants(chosen.participants, chosen.together))[0])
        bare.append(chosen.participants / (await bench.bare(script, chosen.participants, chosen.together))[0])
    return {
        "participants_per_second": statistics.median(ours),
        "bare_per_second": statistics.median(bare),
        "participants_ratio": statistics.median(o / b for o, b in zip(ours, bare, strict=True)),
    }


async def _latency(bench: Bench, script: Script, chosen: argparse.Namespace) -> Figures:
    ours: list[float] = []
    bare: list[float] = []
    console.print("Update latency, one participant at a time ...")
    for _ in range(chosen.rounds):
        ours += (await bench.participants(4, 1))[1]
        bare += (await bench.bare(script, 4, 1))[1]
    return {
        "update_latency_ms_median": statistics.median(ours),
        "update_latency_ms_p99": _percentile(ours, 0.99),
        "bare_update_latency_ms_median": statistics.median(bare),
        "bare_update_latency_ms_p99": _percentile(bare, 0.99),
        "update_latency_ratio": statistics.median(ours) / statistics.median(bare),
        "update_latency_p99_ratio": _percentile(ours, 0.99) / _percentile(bare, 0.99),
    }


async def _starts(bench: Bench, chosen: argparse.Namespace) -> Figures:
    console.print("Start rate ...")
    ours = chosen.starts / (await bench.enrolments(chosen.starts, TOGETHER))[0]
    bare = chosen.starts / await bench.bare_starts(chosen.starts, TOGETHER)
    return {"starts_per_second": ours, "bare_starts_per_second": bare, "start_ratio": ours / bare}


async def _memory(bench: Bench, data: Path, count: int) -> Figures:
    stack = read_stack(data)
    if stack is None or stack.worker is None:
        raise RuntimeError("the stack has no worker")
    worker = psutil.Process(stack.worker.pid)
    before = worker.memory_info().rss
    found = await bench.open_ones(count)
    rss = worker.memory_info().rss
    return {
        "open_participants": found["with_open_tasks"],
        "worker_rss_mb_before": before / 2**20,
        f"worker_rss_mb_at_{count}": rss / 2**20,
        "enrolments_per_second_at_open": count / found["enrol_seconds"],
    }


def history_figures(history: WorkflowHistory, script: Script) -> Figures:
    """Count a history's events and bytes; those that only virtual time adds are counted apart."""
    virtual = [
        e
        for e in history.events
        if e.HasField("workflow_execution_time_skipping_transitioned_event_attributes")
        or e.HasField("workflow_execution_options_updated_event_attributes")
    ]
    return {
        "history_events": float(len(history.events)),
        "history_events_of_virtual_time": float(len(virtual)),
        "history_bytes": float(sum(event.ByteSize() for event in history.events)),
        "updates": float(sum(not step.fires for step in script.steps)),
        "timers": float(sum(step.seconds is not None for step in script.steps)),
    }


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


BARS: dict[str, Callable[[float], bool]] = {
    "participants_ratio": lambda value: value >= 0.7,  # noqa: PLR2004 - the bar itself
    "update_latency_ratio": lambda value: value <= 1.5,  # noqa: PLR2004
    "replay_ratio": lambda value: value >= 0.5,  # noqa: PLR2004
    "history_events": lambda value: value <= 500,  # noqa: PLR2004
    "history_bytes": lambda value: value <= 150_000,  # noqa: PLR2004
    "worker_rss_mb_at_1000": lambda value: value < 1024,  # noqa: PLR2004
}


def show(figures: Figures, when: date) -> None:
    """Print the figures, and write them to docs/bench.json and docs/bench.md."""
    table = Table(title="Benchmark", title_justify="left")
    for column in ("Figure", "Value", "Bar kept"):
        table.add_column(column)
    lines = [
        "# Benchmark",
        "",
        f"Measured on {when} by `make bench`. Ratios are against a bare Temporal workflow with the",
        "same updates and timers, in the same run.",
        "",
        "| figure | value | bar kept |",
        "|---|---:|---|",
    ]
    for name, value in figures.items():
        kept = ("yes" if BARS[name](value) else "NO") if name in BARS else ""
        table.add_row(name, f"{value:,.2f}", kept)
        lines.append(f"| {name} | {value:,.2f} | {kept} |")
    console.print(table)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "bench.json").write_text(
        json.dumps({k: round(v, 4) for k, v in figures.items()}, indent=2) + "\n", encoding="utf-8"
    )
    (RESULTS / "bench.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=30, help="journeys in a round (at most 60)")
    parser.add_argument("--together", type=int, default=10, help="how many at a time")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--keep", action="store_true", help="keep the data folder, logs and all")
    parser.add_argument("--starts", type=int, default=200)
    parser.add_argument("--open", type=int, default=1000)
    parser.add_argument("--replay-seconds", type=float, default=8.0)
    chosen = parser.parse_args()
    data = Path(tempfile.mkdtemp(prefix="trial-bench-"))
    try:
        figures = asyncio.run(measure(data, chosen))
    finally:
        for part in ("ratios", "open"):
            down(data / part, _silent)
        shutil.rmtree(data, ignore_errors=True) if not chosen.keep else None
    show(figures, datetime.now(UTC).date())


if __name__ == "__main__":
    main()
