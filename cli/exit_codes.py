"""The exit codes of `trial`."""

from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of `trial`. They are stable: scripts may rely on them."""

    OK = 0
    """Done."""
    UNEXPECTED = 1
    """A mistake in the program or its surroundings; the traceback is on stderr."""
    BAD_INPUT = 2
    """Malformed: usage, a missing field, a value out of range, a protocol with problems. Nothing was recorded."""
    PARTLY_DONE = 3
    """Some rows of a bank file were rejected; the others are loaded."""
    REFUSED = 4
    """A rule of the trial refused the command; an auditor finds the refusal in the history."""
    REPLAY_DIFFERS = 5
    """Today's code does not do what the history says was done."""
    UNKNOWN = 6
    """There is no such study, arm, subject, task, adverse event or workflow."""
    UNREACHABLE = 7
    """Temporal, Postgres or the worker does not answer, or the settings are wrong."""
    MENDED = 8
    """`audit rebuild` found that the database differed from the histories, and reported every difference."""
    WAITING = 9
    """`status` found publications that wait until `audit rebuild` has been run."""
    OUTPUT_CLOSED = 141
    """Whoever read the output closed it, such as `| head`: as a program ends that SIGPIPE ended."""
