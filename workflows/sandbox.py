"""The sandbox that workflows run and replay in."""

from temporalio.worker.workflow_sandbox import SandboxRestrictions

from workflows.query_guard import GuardedRunner

PASSED_THROUGH = ("pydantic", "pydantic_core", "annotated_types", "structlog", "schemas", "decisions", "workflows")
"""Lint proves that these have no clock, no chance and no I/O (ADR 0010): they are not executed anew for each run."""


def workflow_runner(*also_passed_through: str) -> GuardedRunner:
    """Return the runner of all workers and of every replay."""
    modules = (*PASSED_THROUGH, *also_passed_through)
    return GuardedRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*modules))
