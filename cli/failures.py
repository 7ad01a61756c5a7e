"""Why a command was not carried out: what is wrong, in sentences or as JSON, and the exit code."""

import traceback
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from cli.exit_codes import Exit
from cli.output import emit, note

if TYPE_CHECKING:
    from schemas.problem import Problem

MALFORMED = ("InvalidInput", "OutOfRange", "WrongUnit", "DateInFuture", "DateBeforeStep")
UNKNOWN = ("UnknownTask", "UnknownArm", "UnknownEvent")
KNOWN_ERRORS = {
    "activities.bank_file.BankFileError": (Exit.BAD_INPUT, "UnreadableFile"),
    "builtins.UnicodeDecodeError": (Exit.BAD_INPUT, "UnreadableFile"),
    "decisions.state.folding.AsOfError": (Exit.BAD_INPUT, "InvalidInput"),
    "activities.states.FactsMissingError": (Exit.UNREACHABLE, "ReadModelDiffers"),
    "history.documents.HistoryFormatError": (Exit.BAD_INPUT, "UnreadableHistory"),
    "client.trial_client.UnknownError": (Exit.UNKNOWN, "Unknown"),
    "client.trial_client.NotReadyError": (Exit.UNREACHABLE, "Unreachable"),
    "deploy.errors.DeployError": (Exit.UNREACHABLE, "Unreachable"),
    "temporalio.service.RPCError": (Exit.UNREACHABLE, "Unreachable"),
    "asyncpg.exceptions._base.PostgresError": (Exit.UNREACHABLE, "Unreachable"),
    "asyncpg.exceptions._base.InterfaceError": (Exit.UNREACHABLE, "Unreachable"),
    "builtins.ConnectionError": (Exit.UNREACHABLE, "Unreachable"),
}
"""What errors mean to whoever typed the command, by the name of their class: so none of the classes is imported."""


class Trouble(NamedTuple):
    """One thing that is wrong: where, with which value, against which rule, and what would be right."""

    type: str
    field: str
    value: str
    rule: str
    expected: str

    @property
    def message(self) -> str:
        """Say it in one sentence."""
        subject = f"{self.field} = {self.value}" if self.field and self.value else self.field or self.value
        sentence = f"{subject}: {self.rule}" if subject else self.rule
        return f"{sentence}; expected {self.expected}" if self.expected else sentence


class FailureError(Exception):
    """A command was not carried out; everything that is wrong, and the exit code."""

    def __init__(self, code: Exit, *troubles: Trouble) -> None:
        """Take one trouble or more."""
        super().__init__("\n".join(trouble.message for trouble in troubles))
        self.code = code
        self.troubles = troubles


def failure(
    code: Exit, kind: str, rule: str, *, field: str = "", value: object = "", expected: str = ""
) -> FailureError:
    """Return a failure with one trouble."""
    return FailureError(code, Trouble(kind, field, str(value), rule, expected))


def fail(code: Exit, kind: str, rule: str, *, field: str = "", value: object = "", expected: str = "") -> NoReturn:
    """Stop the command with one trouble."""
    raise failure(code, kind, rule, field=field, value=value, expected=expected)


def fail_unreadable(file: object, rule: str, *, field: str = "file", expected: str = "") -> NoReturn:
    """Stop the command: a file is missing, or does not hold what it should."""
    fail(Exit.BAD_INPUT, "UnreadableFile", rule, field=field, value=file, expected=expected)


def fail_unwritable(flag: str, file: object, error: OSError) -> NoReturn:
    """Stop the command: a file can't be written."""
    fail(Exit.BAD_INPUT, "UnwritableFile", str(error), field=flag, value=file, expected="a file in a folder")


def of_problem(problem: "Problem") -> FailureError:
    """Return a workflow's refusal with its exit code."""
    kind = problem.type.value
    code = Exit.BAD_INPUT if kind in MALFORMED else Exit.UNKNOWN if kind in UNKNOWN else Exit.REFUSED
    return FailureError(code, Trouble(kind, problem.field, problem.value, problem.rule, problem.expected))


def failure_of(error: Any) -> FailureError | None:  # noqa: ANN401 - each class of errors has attributes of its own
    """Return what an exception means to whoever typed the command; None when it should not have happened."""
    if isinstance(error, FailureError):
        return error
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in type(error).__mro__]
    if "client.trial_client.RefusedError" in names:
        return of_problem(error.problem)
    if "protocols.loader.ProtocolError" in names:
        return FailureError(Exit.BAD_INPUT, *(_protocol_trouble(line) for line in error.problems))
    if "temporalio.service.RPCError" in names and error.status.name == "NOT_FOUND":
        return failure(Exit.UNKNOWN, "Unknown", str(error))
    if "asyncpg.exceptions.UndefinedTableError" in names:
        rule = f"{error}: the database has not been set up yet, and the worker does it when it starts"
        return failure(Exit.UNREACHABLE, "Unreachable", rule, expected="`trial up`")
    known = next((KNOWN_ERRORS[name] for name in names if name in KNOWN_ERRORS), None)
    field = "--as-of" if "decisions.state.folding.AsOfError" in names else ""
    return failure(*known, str(error) or type(error).__name__, field=field) if known else None


def _protocol_trouble(line: str) -> Trouble:
    # 'FILE: path.in.file = VALUE: rule'; a value is JSON on one line and may hold ': ' itself, a rule seldom does.
    place, _, rest = line.partition(" = ")
    value, _, rule = rest.partition(": ")
    return Trouble("ProtocolError", place.rpartition(": ")[2], value, rule, "")


def report(error: Exception, *, as_json: bool) -> Exit:
    """Show a failure: JSON on stdout where asked for, else sentences on stderr."""
    failed = failure_of(error)
    if failed is None:
        traceback.print_exception(error)
        failed = failure(Exit.UNEXPECTED, type(error).__name__, str(error) or type(error).__name__)
    if as_json:
        first, *others = [trouble._asdict() | {"message": trouble.message} for trouble in failed.troubles]
        emit({"error": first | {"others": others} if others else first})
    else:
        for trouble in failed.troubles:
            note(f"trial: {trouble.type}: {trouble.message}")
    return failed.code
