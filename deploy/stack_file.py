"""`stack.json` in a data folder: which processes the embedded stack consists of, and where they answer."""

import json
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.errors import DataFolderError


class Process(BaseModel):
    """A program that was started; the start time (seconds since 1970) tells it from a later one with the same pid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    started: float


class Stack(BaseModel):
    """An embedded stack. Ports stay the same from one `up` to the next if they are free."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path
    port: int
    ui_port: int | None
    namespace: str = "default"
    database_url: str = Field(default="", repr=False)
    virtual_time: bool
    server: Process | None = None
    worker: Process | None = None

    @property
    def temporal_address(self) -> str:
        """Host and port of the Temporal frontend."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str | None:
        """Address of Temporal's web page, or None when it runs without one."""
        return None if self.ui_port is None else f"http://127.0.0.1:{self.ui_port}"


def postgres_folder(data: Path) -> Path:
    """PostgreSQL's data directory in a data folder."""
    return data / "postgres"


def read_stack(data: Path) -> Stack | None:
    """The stack of a data folder, or None if the folder has none.

    In a copied or moved folder the file still names the processes of the original: they are left out.

    Raises:
        DataFolderError: the file was written by another version, is damaged, or may not be read.
    """
    file, folder = data / "stack.json", data.resolve()
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataFolderError(f"{file} can't be read: {error.strerror}; give it to the user who runs `trial`") from None
    try:
        stack = Stack.model_validate_json(content)
    except ValidationError as error:
        raise DataFolderError(_unreadable(file, content, error)) from None
    if stack.data != folder:
        return stack.model_copy(update={"data": folder, "server": None, "worker": None})
    return stack


def save_stack(stack: Stack) -> Stack:
    """Writes `stack.json` in one step: a reader finds the old or the new content, never a part."""
    partial = stack.data / "stack.json.partial"
    partial.write_text(stack.model_dump_json(indent=2), encoding="utf-8")
    partial.replace(stack.data / "stack.json")
    return stack


def _unreadable(file: Path, content: bytes, error: ValidationError) -> str:
    reasons = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'content'}: {e['msg'].lower()}" for e in error.errors())
    pids = _pids(content)
    running = f"end the processes that it names ({pids})" if pids else "make sure that nothing runs on this folder"
    return (
        f"{file} is damaged or of another version ({reasons}). Run `trial down` of the version that wrote it, "
        f"or {running}; then delete the file. The data stay."
    )


def _pids(content: bytes) -> str:
    """The processes that a stack file of an unknown layout names, as `server 12, worker 34`."""
    try:
        document = json.loads(content)
        parts = {name: document[name]["pid"] for name in ("server", "worker") if document.get(name)}
    except (ValueError, TypeError, KeyError, AttributeError):
        return ""
    return ", ".join(f"{name} {pid}" for name, pid in parts.items())
