"""Payloads: pydantic JSON without empty fields, which keeps histories small and readable."""

from typing import Any

import temporalio.api.common.v1
from pydantic_core import to_json
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter, PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter, JSONPlainPayloadConverter


class LeanJSONPayloadConverter(PydanticJSONPlainPayloadConverter):
    """Leave out fields that are None: their default says the same."""

    def to_payload(self, value: Any) -> temporalio.api.common.v1.Payload | None:  # noqa: ANN401 - any value
        """See base class."""
        return temporalio.api.common.v1.Payload(
            metadata={"encoding": self.encoding.encode()}, data=to_json(value, exclude_none=True)
        )


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
