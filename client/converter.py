"""
Payloads: pydantic JSON without empty fields, which keeps histories small and readable.

A command that cannot be read is refused by name, with the field that is wrong: else its sender would only learn that
decoding failed. Other payloads still fail the workflow task, which is tried again once a worker can read them.
"""

from typing import Any

import temporalio.api.common.v1
from pydantic import ValidationError
from pydantic_core import to_json
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, JSONPlainPayloadConverter
from temporalio.exceptions import ApplicationError

from decisions.commands.malformed import problem_of
from schemas.commands import commands as c

COMMANDS = frozenset(
    {
        c.AmendAdverseEvent,
        c.AnswerTask,
        c.ChangeDelegation,
        c.Decide,
        c.EndParticipation,
        c.Enroll,
        c.Hold,
        c.LiftHold,
        c.ReportAdverseEvent,
    }
)
"""What people send as updates, and nothing else is."""


class LeanJSONPayloadConverter(PydanticJSONPlainPayloadConverter):
    """Leave out fields that are None: their default says the same."""

    def to_payload(self, value: Any) -> temporalio.api.common.v1.Payload | None:  # noqa: ANN401 - any value
        """See base class."""
        return temporalio.api.common.v1.Payload(
            metadata={"encoding": self.encoding.encode()}, data=to_json(value, exclude_none=True)
        )

    def from_payload(self, payload: temporalio.api.common.v1.Payload, type_hint: type | None = None) -> Any:  # noqa: ANN401 - any value
        """See base class; what is wrong with a command is named."""
        try:
            return super().from_payload(payload, type_hint)
        except ValidationError as error:
            if type_hint not in COMMANDS:
                raise
            problem = problem_of(error)
            raise ApplicationError(problem.message(), problem, type=problem.type.value, non_retryable=True) from error


_LEAN = LeanJSONPayloadConverter()
# The SDK makes a new converter for every activation: the parts, which have no state but their caches, are made once.
_PARTS = tuple(
    _LEAN if isinstance(part, (PydanticJSONPlainPayloadConverter, JSONPlainPayloadConverter)) else part
    for part in PydanticPayloadConverter().converters.values()
)


class LeanPayloadConverter(CompositePayloadConverter):
    """The SDK's pydantic converter with the lean JSON part in place of its own."""

    def __init__(self) -> None:
        """Replace the JSON converter, keep the others."""
        super().__init__(*_PARTS)


DATA_CONVERTER = DataConverter(payload_converter_class=LeanPayloadConverter)
