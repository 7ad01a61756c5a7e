"""Which parts of an embedded stack run."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from deploy.postgres import postmaster
from deploy.processes import is_running
from deploy.stack_file import postgres_folder, read_stack


class Status(BaseModel):
    """Which parts run."""

    model_config = ConfigDict(frozen=True)

    server: bool
    postgres: bool
    worker: bool

    @property
    def ready(self) -> bool:
        """Whether clients can work: the worker may be missing, its tasks wait for it."""
        return self.server and self.postgres

    @property
    def complete(self) -> bool:
        """Whether all parts run."""
        return self.ready and self.worker


def status(data: Path) -> Status:
    """Which parts of the stack on a data folder run now.

    Raises:
        DataFolderError: the stack file can't be read.
    """
    stack = read_stack(data)
    return Status(
        server=is_running(stack.server if stack else None),
        postgres=postmaster(postgres_folder(data)) is not None,
        worker=is_running(stack.worker if stack else None),
    )
