"""How long the `trial` command takes, from its start to its end, as a person waits for it."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from simulation.bench_journeys import Journeys, subject

REPEATED = 10
TRIAL = (sys.executable, "-m", "starter")
BIOPSY = "01-biopsy-1"
"""The step of the first task, which each participant opens on enrolment."""


async def command_figures(journeys: Journeys, data: Path) -> dict[str, float]:
    """Return the medians of ten runs of each command, in seconds and as multiples of `python -c pass`."""
    _run, world = await journeys.enrolments(REPEATED, REPEATED)
    await journeys.wait_for_tasks(world, REPEATED)
    return await asyncio.to_thread(_figures, _environment(data, world.client.study))


def _environment(data: Path, study: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TRIAL_", "TEMPORAL_"))}
    return inherited | {"TRIAL_DATA": str(data), "TRIAL_STUDY": study}


def _figures(environment: dict[str, str]) -> dict[str, float]:
    subjects = [subject(number) for number in range(1, REPEATED + 1)]
    commands = {
        "python_pass": [[sys.executable, "-c", "pass"]] * REPEATED,
        "trial_help": [[*TRIAL, "--help"]] * REPEATED,
        "trial_worklist": [[*TRIAL, "worklist"]] * REPEATED,
        "trial_participant_status": [[*TRIAL, "participant", "status", each] for each in subjects],
        "trial_task_complete": [_completing(each) for each in subjects],
    }
    medians = {name: _median_seconds(each, environment) for name, each in commands.items()}
    ratios = {f"{name}_ratio": seconds / medians["python_pass"] for name, seconds in medians.items()}
    del ratios["python_pass_ratio"]
    return {f"{name}_seconds": seconds for name, seconds in medians.items()} | ratios


def _completing(each: str) -> list[str]:
    today = datetime.now(UTC).date()
    answer = ("--set", f"collected_on={today}", "--set", "sample=tissue", "--as", "coordinator-01")
    return [*TRIAL, "task", "complete", f"{each}:{BIOPSY}", *answer, "--role", "coordinator"]


def _median_seconds(commands: Sequence[Sequence[str]], environment: dict[str, str]) -> float:
    return statistics.median(_seconds(command, environment) for command in commands)


def _seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}")
    return seconds
