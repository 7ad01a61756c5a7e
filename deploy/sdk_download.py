"""Downloads the Temporal CLI that the SDK pins into the folder that is given: `python -m deploy.sdk_download FOLDER`.

A program of its own, because the SDK's download can't be cancelled from within.
"""

import asyncio
import sys

from temporalio.testing import WorkflowEnvironment


async def _download(folder: str) -> None:
    async with await WorkflowEnvironment.start_local(download_dest_dir=folder):
        pass


if __name__ == "__main__":
    try:
        asyncio.run(_download(sys.argv[1]))
    except RuntimeError as error:
        sys.exit(str(error))
