"""The SDK's passes over payloads are made where a codec or storage needs them, and change nothing where none does."""

from collections.abc import Iterable

from temporalio.api.common.v1 import Payload
from temporalio.bridge import worker as bridge
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import DataConverter, PayloadCodec

from client.converter import DATA_CONVERTER
from workflows.runner import workflow_runner


class Backwards(PayloadCodec):
    """Turns every payload's data round."""

    async def encode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Turn round."""
        return [Payload(metadata=payload.metadata, data=payload.data[::-1]) for payload in payloads]

    async def decode(self, payloads: Iterable[Payload]) -> list[Payload]:
        """Turn round again."""
        return await self.encode(payloads)


async def completed(converter: DataConverter, passes: object = None) -> WorkflowActivationCompletion:
    """Return a completed activation, with a result and a signal's argument, as it leaves the worker."""
    workflow_runner()
    completion = WorkflowActivationCompletion(run_id="run")
    commands = completion.successful.commands
    commands.add().complete_workflow_execution.result.data = b"abc"
    commands.add().signal_external_workflow_execution.args.add().data = b"xyz"
    encode = passes or bridge.encode_completion
    assert callable(encode)
    await encode(completion, converter, encode_headers=True, storage_concurrency_limit=1)
    return completion


async def test_without_codec_and_storage_the_passes_left_out_would_change_nothing() -> None:
    """What leaves the worker is, byte for byte, what the SDK's own passes would have left."""
    workflow_runner()
    own = bridge.encode_completion.__wrapped__  # type: ignore[attr-defined]

    assert await completed(DATA_CONVERTER) == await completed(DATA_CONVERTER, own)


async def test_a_codec_still_sees_every_payload() -> None:
    """With a codec the passes are made."""
    completion = await completed(DataConverter(payload_codec=Backwards()))

    result, signal = completion.successful.commands
    assert result.complete_workflow_execution.result.data == b"cba"
    assert signal.signal_external_workflow_execution.args[0].data == b"zyx"


async def test_the_passes_are_wrapped_once() -> None:
    """Every worker and replay asks for the runner: the SDK's passes are wrapped the first time."""
    workflow_runner()
    before = (bridge.decode_activation, bridge.encode_completion)
    workflow_runner()

    assert (bridge.decode_activation, bridge.encode_completion) == before
    assert not hasattr(bridge.decode_activation.__wrapped__, "__wrapped__")  # type: ignore[attr-defined]
