"""What errors mean to whoever typed a command."""

from importlib import import_module

import pytest

from cli.exit_codes import Exit
from cli.failures import KNOWN_ERRORS, failure_of
from decisions.state.folding import AsOfError


@pytest.mark.parametrize("name", KNOWN_ERRORS)
def test_every_known_error_exists(name: str) -> None:
    """They are known by name, so that none is imported: a class that is renamed must be renamed here."""
    module, _, cls = name.rpartition(".")
    assert issubclass(getattr(import_module(module), cls), Exception)


def test_an_error_is_known_by_its_base_class() -> None:
    failed = failure_of(ConnectionRefusedError("nobody listens"))
    assert failed is not None
    assert (failed.code, str(failed)) == (Exit.UNREACHABLE, "nobody listens")


def test_a_moment_that_can_not_be_shown_names_its_flag() -> None:
    failed = failure_of(AsOfError("lies in the future"))
    assert failed is not None
    assert (failed.code, str(failed)) == (Exit.BAD_INPUT, "--as-of: lies in the future")


def test_a_mistake_in_the_program_is_no_known_error() -> None:
    assert failure_of(ZeroDivisionError()) is None
