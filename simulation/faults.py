"""
`make faults`: the worker, the Temporal server and Postgres are killed with -9 while trials run; then all is verified.

Which part is killed when is drawn from the seed, and so are the participants of each trial. Trials go on until all
kills are done, or the time is over. Figures are written to docs/faults.json; exit code 1 when there was a violation.
"""

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from pydantic import Field
from temporalio.runtime import Runtime, TelemetryConfig

from deploy.stack import down, up
from schemas.base import Frozen
from simulation.demo import STORIES
from simulation.faulty_trial import FaultyTrial
from simulation.kills import Kill, Part, draw_kills

RESULT = Path(__file__).parent.parent / "docs" / "faults.json"
SECONDS = 18 * 60.0
"""After this no part is killed any more, and no trial begun."""


class FaultsResult(Frozen):
    """What is written to docs/faults.json."""

    kills: int
    kills_by_part: dict[Part, int]
    trials: int
    participants: int = Field(description="In each trial.")
    seed: int
    seconds: float
    violations: int
    violation_details: tuple[str, ...]


def run_faults(*, kills: int, seed: int, participants: int, keep: bool = False) -> FaultsResult:
    """Run trials until all kills are done, verify each, and return the figures; progress is printed."""
    began, planned = time.monotonic(), draw_kills(kills, random.Random(seed))
    done, violations, trials = Counter[Part](), list[str](), 0

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {line}")

    def report(kill: Kill, seconds: float) -> None:
        done[kill.part] += 1
        say(f"kill {done.total()} of {kills}: {kill.part.value}, all running after {seconds:.1f} s")

    while planned and time.monotonic() - began < SECONDS:
        trials += 1
        left = SECONDS - (time.monotonic() - began)
        trial = FaultyTrial(seed + trials, participants, planned, report, seconds=left)
        found = _on_own_stack(trial, keep=keep)
        violations += [f"trial {trials}: {sentence}" for sentence in found]
        met = ", ".join(f"{count} x {what}" for what, count in trial.met.most_common())
        say(f"trial {trials} verified: {len(found)} violations; met: {met}")
    return FaultsResult(
        kills=done.total(),
        kills_by_part={part: done[part] for part in Part},
        trials=trials,
        participants=participants,
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        violations=len(violations),
        violation_details=tuple(violations),
    )


def _on_own_stack(trial: FaultyTrial, *, keep: bool) -> list[str]:
    data = Path(tempfile.mkdtemp(prefix="trial-faults-"))
    found = ["it did not come to its verification"]
    try:
        stack = up(data, ui=False, virtual_time=True, report=_silent)
        found = asyncio.run(trial.run(stack))
    finally:
        down(data, report=_silent)
        if keep or found:
            print(f"histories, database and logs are kept in {data}")
        else:
            shutil.rmtree(data)
    return found


def _silent(line: str) -> None:
    """Say nothing."""


def main() -> None:
    """Run, print, write; exit 1 when there was a violation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20261124, help="draws kills and participants")
    parser.add_argument("--participants", type=int, default=len(STORIES), help=f"in a trial, at most {len(STORIES)}")
    parser.add_argument(
        "--keep", action="store_true", help="keep the data folders; those with violations are kept anyway"
    )
    chosen = parser.parse_args()
    # Both libraries warn of every call and connection that fails while a part is away.
    logging.getLogger("asyncpg").setLevel(logging.ERROR)
    Runtime.set_default(Runtime(telemetry=TelemetryConfig(logging=None)))
    result = run_faults(kills=chosen.kills, seed=chosen.seed, participants=chosen.participants, keep=chosen.keep)
    RESULT.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    for sentence in result.violation_details:
        print(sentence)
    print(f"{result.kills} kills in {result.trials} trials, {result.seconds:.0f} s: {result.violations} violations")
    sys.exit(1 if result.violations else 0)


if __name__ == "__main__":
    main()
