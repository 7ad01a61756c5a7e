"""`stack.json` of another version, of another folder, or of processes that have ended."""

import json
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from deploy.errors import DataFolderError
from deploy.stack import down
from deploy.stack_file import Process, Stack, read_stack, save_stack
from deploy.status import status

PROCESS = {"pid": 12, "started": 1.0}
WRITTEN = {"data": "/data", "port": 7233, "ui_port": None, "virtual_time": False, "server": PROCESS, "worker": PROCESS}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (WRITTEN | {"queues": ["trial"]}, r"queues: extra inputs are not permitted"),
        ({name: value for name, value in WRITTEN.items() if name != "port"}, r"port: field required"),
        (WRITTEN | {"port": "many"}, r"port: input should be a valid integer"),
    ],
    ids=["unknown field", "missing field", "other type"],
)
def test_a_stack_file_of_another_version_says_what_to_do(tmp_path: Path, content: dict[str, Any], reason: str) -> None:
    (tmp_path / "stack.json").write_text(json.dumps(content))
    with pytest.raises(DataFolderError, match=rf"stack\.json is damaged or of another version \({reason}") as error:
        read_stack(tmp_path)
    assert "Run `trial down` of the version that wrote it" in str(error.value)
    assert "end the processes that it names (server 12, worker 12); then delete the file" in str(error.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"server": 12}'])
def test_a_damaged_stack_file_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    with pytest.raises(DataFolderError, match=r"make sure that nothing runs on this folder; then delete the file"):
        read_stack(tmp_path)


def test_a_stack_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "stack.json").mkdir()
    with pytest.raises(DataFolderError, match=r"stack\.json can't be read: Is a directory; give it to the user"):
        read_stack(tmp_path)


def test_a_recycled_pid_is_left_alone(tmp_path: Path) -> None:
    stranger = Process(pid=os.getpid(), started=1.0)
    save_stack(Stack(data=tmp_path, port=1, ui_port=None, virtual_time=False, server=stranger, worker=stranger))
    assert not status(tmp_path).server
    down(tmp_path)  # had it believed the pid, this test would have been killed


def test_a_copied_folder_does_not_stop_the_processes_of_the_original(tmp_path: Path) -> None:
    ours = Process(pid=os.getpid(), started=psutil.Process().create_time())
    original = Stack(data=tmp_path / "original", port=7233, ui_port=None, virtual_time=False, server=ours, worker=ours)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "stack.json").write_text(original.model_dump_json())
    assert not status(tmp_path / "copy").server
    down(tmp_path / "copy")  # had it stopped what the file names, this test would have been killed
    copied = read_stack(tmp_path / "copy")
    assert copied
    assert (copied.data, copied.port) == (tmp_path / "copy", 7233)


def test_down_on_nothing_is_no_error(tmp_path: Path) -> None:
    down(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()
