"""Logs of workflows: structlog events, silent on replay, with study, owner, workflow and run always bound."""

from typing import Any

import structlog
from temporalio import workflow


def workflow_log(study: str, owner: str) -> Any:  # noqa: ANN401 - structlog's loggers are proxies
    """Return a logger bound to this workflow's ids; `owner` is the subject, the arm or the study."""
    info = workflow.info()
    return structlog.wrap_logger(
        workflow.logger,
        processors=[structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
        study=study,
        owner=owner,
        workflow_id=info.workflow_id,
        run_id=info.run_id,
    )
