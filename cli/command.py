"""How a function becomes a command of `trial`: shared options, exit codes, and the time limit."""

import inspect
from collections.abc import Callable, Coroutine
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from cli.call import READING, WRITING, Call, JsonOption
from cli.exit_codes import Exit
from cli.failures import fail, report
from cli.output import OutputClosedError

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")

ANSWER_LIMIT = 60.0
"""Seconds that a command waits for workflows to answer: without a worker they never do."""


class Noun(TyperGroup):
    """A group of commands, whose help says of each what it does, and not only the first words of it."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as typer calls it
        """See base class."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, each.get_short_help_str(limit=200)) for name, each in self.commands.items()])


def noun(**settings: Any) -> typer.Typer:  # noqa: ANN401 - whatever typer takes
    """Return a group of commands, such as `trial task`."""
    # Without markup typer does not load rich, which takes longer than the rest of `--help`.
    return typer.Typer(cls=Noun, no_args_is_help=True, rich_markup_mode=None, **settings)


class CommandWithSections(TyperCommand):
    """A command whose help lists its own options first, then those that it shares with others."""

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer does not export their types
        """See base class."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            kind = "Arguments" if parameter.param_type_name == "argument" else "Options"
            record = parameter.get_help_record(ctx)
            if record is not None:
                sections.setdefault(getattr(parameter, "rich_help_panel", None) or kind, []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


def command(app: typer.Typer, name: str, *, writes: bool = False) -> Callable[[Command], Command]:
    """
    Register a command that takes its `Call` first, with the shared options after its own.

    People type global options after the command; so each command has them, and what stands there goes before what
    stands right after `trial`. A parameter whose type is a dataclass stands for that class's fields. The command's
    exceptions become messages and exit codes here, and nowhere else.
    """
    shared = WRITING if writes else READING

    def register(function: Command) -> Command:
        def run(ctx: typer.Context, **values: Any) -> None:  # noqa: ANN401 - whatever the command's options are
            given = {key: values.pop(key) for key in shared}
            before = ctx.obj if isinstance(ctx.obj, Call) else Call()
            call = Call(**{f.name: given.get(f.name) or getattr(before, f.name) for f in fields(Call)})
            for group_name, group in groups.items():
                values[group_name] = group(**{f.name: values.pop(f.name) for f in fields(group)})
            raise typer.Exit(_run(function, call, values))

        typed = list(inspect.signature(function).parameters.values())[1:]
        groups: dict[str, type[Any]] = {each.name: each.annotation for each in typed if _is_group(each)}
        own = [option for each in typed for option in _expanded(each)]
        added = [_option(key, annotation) for key, annotation in shared.items()]
        parameters = [
            _context(),
            *(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own),
            *added,
        ]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        app.command(name, cls=CommandWithSections, help=inspect.getdoc(function))(run)
        return function

    return register


def _is_group(parameter: inspect.Parameter) -> bool:
    return is_dataclass(parameter.annotation)


def _expanded(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    if not _is_group(parameter):
        return [parameter]
    keyword = inspect.Parameter.KEYWORD_ONLY
    return [
        inspect.Parameter(f.name, keyword, default=f.default, annotation=f.type) for f in fields(parameter.annotation)
    ]


def _option(name: str, annotation: object) -> inspect.Parameter:
    default = False if annotation is JsonOption else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _context() -> inspect.Parameter:
    return inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)


def _run(function: Callable[..., Any], call: Call, values: dict[str, Any]) -> int:
    try:
        result = function(call, **values)
        return int((wait_for(result) if inspect.iscoroutine(result) else result) or Exit.OK)
    except (typer.Exit, typer.Abort):
        raise
    except OutputClosedError:
        return Exit.OUTPUT_CLOSED
    except Exception as error:  # noqa: BLE001 - every failure gets a message and an exit code
        return report(error, as_json=call.as_json)


def wait_for(work: Coroutine[Any, Any, Result], limit: float | None = ANSWER_LIMIT) -> Result:
    """Run what must be waited for, within the limit in seconds; None is no limit."""
    import asyncio  # noqa: PLC0415 - slow to load, and `--help` must answer at once

    async def within() -> Result:
        async with asyncio.timeout(limit):
            return await work

    try:
        return asyncio.run(within())
    except TimeoutError:
        rule = f"no answer within {limit:g} seconds; a command that was sent may still be carried out"
        fail(Exit.UNREACHABLE, "Unreachable", rule, expected="a running worker: see `trial status`")
