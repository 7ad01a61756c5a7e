"""The `trial` command for tests, called in this process, and what several tests do with it."""

import asyncio
import io
import json
import os
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import pytest
from temporalio.client import Client

import starter
from activities.bank_file import COLUMNS
from cli.exit_codes import Exit
from protocols.loader import LoadedProtocol, default_protocol_path
from simulation.answers import eligibility_form

Document: TypeAlias = Any
"""Parsed JSON."""
ROOT = Path(__file__).parents[2]
TODAY = datetime.now(UTC).date().isoformat()
# Two days on, it is the future everywhere on earth.
TOMORROW = (datetime.now(UTC).date() + timedelta(days=2)).isoformat()
CONSENT = ("--consent-date", TODAY, "--consent-version", "1.0", "--age", "55")
COORDINATOR = ("--as", "coord-01", "--role", "coordinator")
INVESTIGATOR = ("--as", "inv-01", "--role", "investigator")
LABORATORY = ("--as", "lab-01", "--role", "laboratory")
OPERATIONS = ("--as", "ops-01", "--role", "operations")
COMMITTEE = ("--as", "src-chair", "--role", "committee")
BIOPSY = ("--set", f"collected_on={TODAY}", "--set", "sample=tissue")
POLLS = 100
PAUSE = 0.05
"""Seconds between two questions."""
OURS = ("TEMPORAL_", "TRIAL_")
"""How the variables begin that the command reads."""


@dataclass(frozen=True)
class Finished:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Document:
        """The document on stdout."""
        return json.loads(self.out)

    def refuses(self, code: Exit, *words: str) -> None:
        """The command was refused with this code, and its message names these fields, values and rules."""
        assert (self.code, self.out) == (code, ""), self
        for word in words:
            assert word in self.err, self


@dataclass(frozen=True)
class Trial:
    """The `trial` command with its environment."""

    environment: dict[str, str]

    async def __call__(self, *words: str, typed: str | None = None) -> Finished:
        """Run one command in this process; `typed` goes to its stdin."""
        return await asyncio.to_thread(run_here, words, self.environment, typed or "")

    async def process(self, *words: str, typed: str | None = None) -> Finished:
        """Run one command in a process of its own."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "starter", *words),
            cwd=ROOT,
            env=self.environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate((typed or "").encode())
        return Finished(process.returncode or 0, out.decode(), err.decode())

    async def ok(self, *words: str, typed: str | None = None) -> Document:
        """Run one command that must succeed; return its JSON document."""
        finished = await self(*words, "--json", typed=typed)
        assert finished.code == Exit.OK, finished
        return finished.json

    async def state(self, subject: str) -> dict[str, Any]:
        """A participant's state but for the count of refusals, which are no change."""
        state: dict[str, Any] = await self.ok("participant", "status", subject)
        return {key: value for key, value in state.items() if key != "refusals"}


# ---------------------------------------------------------------------- one command in this process

ONE_AT_A_TIME = threading.Lock()
"""The environment and the standard streams belong to the whole process."""


def run_here(words: tuple[str, ...], environment: Mapping[str, str], typed: str) -> Finished:
    """Run one command in this thread, with its own environment and streams."""
    out, err = Capture(), Capture()
    with ONE_AT_A_TIME, variables(environment), streams(out, err, typed):
        code = starter.run(words)
    return Finished(code, out.text(), err.text())


class Capture(io.TextIOWrapper):
    """A stream that keeps what is written."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        """What was written so far."""
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode()


@contextmanager
def variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Let the command read these variables, and none of this process's own."""
    before = {name: value for name, value in os.environ.items() if name.startswith(OURS)}
    given = {name: value for name, value in environment.items() if name.startswith(OURS)}
    for name in before:
        del os.environ[name]
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def streams(out: Capture, err: Capture, typed: str) -> Iterator[None]:
    """Let the command of this thread write and read these; the other threads, such as the worker's, theirs."""
    before = sys.stdin, sys.stdout, sys.stderr
    chosen: Any = Chosen(sys.stdin, io.StringIO(typed)), Chosen(sys.stdout, out), Chosen(sys.stderr, err)
    sys.stdin, sys.stdout, sys.stderr = chosen
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


class Chosen:
    """A stream for the context that made it, and another one for all others."""

    def __init__(self, theirs: TextIO, ours: TextIO) -> None:
        self._theirs = theirs
        self._stream: ContextVar[TextIO] = ContextVar("stream")
        self._stream.set(ours)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - a stream's method or value
        return getattr(self._stream.get(self._theirs), name)


# ---------------------------------------------------------------------- fixtures


@pytest.fixture
def nowhere(tmp_path: Path) -> Trial:
    """The command on a machine where no stack is up."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TEMPORAL_", "TRIAL_"))}
    return Trial(kept | {"TRIAL_DATA": str(tmp_path)})


@pytest.fixture
def trial(nowhere: Trial, client: Client, dsn: str, trial_worker: None) -> Trial:
    """The command on the session's stack, for a study that nobody started."""
    study = f"study-{uuid.uuid4().hex[:8]}"
    address = client.service_client.config.target_host
    stack = {"TEMPORAL_ADDRESS": address, "TRIAL_DATABASE_URL": dsn, "TRIAL_STUDY": study}
    return replace(nowhere, environment=nowhere.environment | stack)


@pytest.fixture
async def study(trial: Trial) -> Trial:
    """The command in a study that runs under the platform protocol."""
    await trial.ok("study", "start", "--protocol", str(default_protocol_path()), *OPERATIONS)
    return trial


@pytest.fixture
async def participant(study: Trial) -> Trial:
    """The same with CN01-001 enrolled."""
    await study.ok("participant", "enroll", "CN01-001", *CONSENT, *COORDINATOR)
    await until(lambda: open_tasks(study), lambda tasks: len(tasks) == 2)
    return study


async def until(ask: Callable[[], Awaitable[Document]], done: Callable[[Document], bool]) -> Document:
    """Ask again until the answer is the one waited for: workflows signal each other, and publish, a moment later."""
    answer = await ask()
    for _ in range(POLLS):
        if done(answer):
            return answer
        await asyncio.sleep(PAUSE)
        answer = await ask()
    raise AssertionError(f"still {answer}")


async def open_tasks(trial: Trial) -> list[str]:
    """The ids of the open tasks."""
    return [task["task_id"] for task in await trial.ok("worklist")]


async def finds_refusals(trial: Trial, owner: str, *types: str) -> list[dict[str, Any]]:
    """An auditor finds refusals of these types, in this order, in a history; returns them."""

    def is_complete(facts: list[dict[str, Any]]) -> bool:
        return [fact["problem"]["type"] for fact in facts] == list(types)

    # They are in the history once they are published, which is after the answer.
    facts: list[dict[str, Any]] = await until(
        lambda: trial.ok("audit", "facts", owner, "--kind", "refused"), is_complete
    )
    return facts


def panel(protocol: LoadedProtocol) -> str:
    """A laboratory's report: mesothelin on most cells, nothing else."""
    stained = {True: [5, 5, 30, 60], False: [90, 10, 0, 0]}
    antigens = [
        {"antigen": entry.antigen, "percent_by_intensity": stained[entry.antigen == "mesothelin"]}
        for entry in protocol.protocol.panel
    ]
    sample = {"sample": "tissue", "collected_on": TODAY, "adequate": True, "antigens": antigens}
    return json.dumps({"reported_on": TODAY, "samples": [sample]})


def eligibility(protocol: LoadedProtocol) -> str:
    """A form that meets every criterion."""
    return eligibility_form(protocol.protocol, datetime.now(UTC), {}).model_dump_json()


async def screen(trial: Trial, protocol: LoadedProtocol) -> None:
    """Answer what stands between consent and the arm's slot."""
    await trial.ok("task", "complete", "CN01-001:01-biopsy-1", *BIOPSY, *COORDINATOR)
    await trial.ok(
        "task", "complete", "CN01-001:02-eligibility-1", "--file", "-", *INVESTIGATOR, typed=eligibility(protocol)
    )
    report = ("task", "complete", "CN01-001:03-antigen-panel-1", "--file", "-", *LABORATORY)
    await trial.ok(*report, typed=panel(protocol))


async def stock(trial: Trial, folder: Path) -> None:
    """Load the units for one participant at dose level 1."""
    mark = uuid.uuid4().hex[:8].upper()
    units = [f"U-{mark}-{number},LOT-1,D-1,mesothelin,100,released,2040-01-01" for number in (1, 2, 3)]
    file = folder / "stock.csv"
    file.write_text("\n".join([",".join(COLUMNS), *units]))
    await trial.ok("bank", "load", str(file), "--as", "pharm-01")


async def delegate(trial: Trial, person: str, role: str) -> None:
    """Delegate a role, and wait until the arms know who may sign for the committee."""
    await trial.ok("study", "delegate", person, role, "--reason", "on the delegation log", *OPERATIONS)
    if role == "committee":
        await until(lambda: trial.ok("arm", "status"), lambda arms: all(person in arm["signers"] for arm in arms))


async def signed(trial: Trial, arm: str = "single-target") -> tuple[str, ...]:
    """The options of a signature on the packet as it is now."""
    packet = await trial.ok("arm", "packet", arm)
    return "--sign", "--packet-sha256", packet["sha256"]
