"""
How many mutants of the rules the tests kill: what `make mutation` runs.

mutmut changes each function of `decisions/` in one small way after another, such as `<` to `<=`, and runs the tests of
`tests/decisions` that reach it. A mutant is killed when a test fails or does not come to an end; one that survives is
a change of a rule that nobody would notice. All else counts as survived: what no test reaches, what crashed, and what
was not run.
"""

import re
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

LEAST_PERCENT = 90
MUTMUT = str(Path(sys.executable).with_name("mutmut"))
FOLDER = Path("mutants")
SECONDS_BETWEEN_NEWS = 15
KILLED = ("killed", "timeout")
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
COUNTS = re.compile(r"(?P<done>\d+)/(?P<all>\d+) .* 🙁 (?P<survived>\d+)")


def main(patterns: list[str]) -> int:
    """Run the mutants whose names fit a pattern, or all; return 0 when enough of them are killed."""
    # A result of an earlier run says nothing of today's tests.
    shutil.rmtree(FOLDER, ignore_errors=True)
    exit_code = run_mutants(patterns)
    if exit_code != 0:
        return exit_code
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for mutant, status in results(patterns):
        by_module[mutant.rpartition(".")[0]][status] += 1
    for module, counts in sorted(by_module.items()):
        print(f"{module:<32} {in_words(counts)}")
    total = sum(by_module.values(), Counter[str]())
    print(f"{'together':<32} {in_words(total)}")
    print("`.venv/bin/mutmut results` names the mutants not killed, `.venv/bin/mutmut show NAME` shows one.")
    print(f"mutation score: {score(total):.1f} %")
    return 0 if score(total) >= LEAST_PERCENT else 1


def run_mutants(patterns: list[str]) -> int:
    """Let mutmut make and run the mutants, telling how far it is; print its last words if it fails."""
    last_words: deque[str] = deque(maxlen=100)
    step, told_at = "", 0.0
    # mutmut turns its spinner with carriage returns, which text mode reads as ends of lines.
    with subprocess.Popen(
        [MUTMUT, "run", *patterns], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    ) as process:
        for line in process.stdout or ():
            last_words.append(line)
            counts = COUNTS.search(line)
            if counts and time.monotonic() - told_at >= SECONDS_BETWEEN_NEWS:
                told_at = time.monotonic()
                print(f"{counts['done']} of {counts['all']} mutants, {counts['survived']} survived", flush=True)
            elif not counts and line[0] in SPINNER and (title := line.strip(SPINNER + " \n")) not in ("", step):
                step = title
                print(step, flush=True)
    if process.returncode != 0:
        print("".join(last_words))
        print(f"mutmut ended with exit code {process.returncode}", file=sys.stderr)
    return process.returncode


def results(patterns: list[str]) -> Iterator[tuple[str, str]]:
    """Read each mutant's name and what became of it."""
    listed = subprocess.run([MUTMUT, "results", "--all", "true"], capture_output=True, encoding="utf-8", check=True)
    for line in listed.stdout.splitlines():
        mutant, separator, status = line.strip().rpartition(": ")
        if separator and (not patterns or any(fnmatch(mutant, pattern) for pattern in patterns)):
            yield mutant, status


def score(counts: Counter[str]) -> float:
    """Return the percentage killed; of no mutants at all none is killed."""
    return 100 * sum(counts[status] for status in KILLED) / max(counts.total(), 1)


def in_words(counts: Counter[str]) -> str:
    """Say the score and what became of the mutants."""
    parts = ", ".join(f"{number} {status}" for status, number in counts.most_common())
    return f"{score(counts):5.1f} % of {counts.total()}: {parts}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
