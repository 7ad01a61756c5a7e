"""Data folders that this user or this version can't use: the message names what is wrong and the command for it."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deploy.data_folder import check_cluster, prepare_data_folder
from deploy.errors import DataFolderError
from deploy.postgres import postmaster, start_postgres, stop_postgres
from deploy.postgres_wheel import TARGET_POSTGRES_VERSION

AS_ROOT = os.geteuid() == 0
NOBODY = 65534


@contextmanager
def as_a_user_without_rights(path: Path) -> Iterator[None]:
    """A user whom a file does not let read; root may read everything, so it becomes somebody else."""
    path.chmod(0)
    if AS_ROOT:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(os.getuid())


@pytest.fixture
def copy(postgres_folder: Path, temporary_folder: Path) -> Iterator[Path]:
    """A copy of a stopped cluster as `cp -r` makes it: owned by whoever copies."""
    subprocess.run(["/bin/cp", "-r", postgres_folder, temporary_folder / "postgres"], check=True)
    yield temporary_folder / "postgres"
    stop_postgres(temporary_folder / "postgres")


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    prepare_data_folder(tmp_path / "new" / "data")
    assert (tmp_path / "new" / "data").is_dir()


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataFolderError, match=r"data can't be made or is no folder: .*; name another folder"):
        prepare_data_folder(tmp_path / "data")


@pytest.mark.parametrize("part", ["stack.json", "temporal.db"])
def test_files_of_another_user_are_named_with_their_owner(temporary_folder: Path, part: str) -> None:
    (temporary_folder / part).touch()
    owner = pwd.getpwuid(os.getuid()).pw_name
    with (
        as_a_user_without_rights(temporary_folder / part),
        pytest.raises(
            DataFolderError, match=rf"{part} belongs to {owner} and can't be .*chown -R USER {temporary_folder}"
        ),
    ):
        prepare_data_folder(temporary_folder)


@pytest.mark.skipif(not AS_ROOT, reason="only root's copies get another owner than PostgreSQL's user")
def test_a_copy_made_by_root_is_refused_until_its_owner_is_given_back(copy: Path) -> None:
    with pytest.raises(DataFolderError, match=r"PG_VERSION belongs to root, and PostgreSQL runs as pgserver") as error:
        start_postgres(copy)
    command = f"chown -R pgserver {copy}"
    assert f"`{command}`" in str(error.value)
    subprocess.run(command.split(), check=True)
    assert str(copy) in start_postgres(copy)


@pytest.fixture
def cluster_files(tmp_path: Path) -> Path:
    """What a check of a cluster looks at, owned by PostgreSQL's user."""
    folder = tmp_path / "postgres"
    folder.mkdir(mode=0o700)
    (folder / "PG_VERSION").write_text(f"{TARGET_POSTGRES_VERSION}\n")
    if AS_ROOT:
        shutil.chown(folder / "PG_VERSION", "pgserver")
    return folder


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_permissions_with_which_postgres_does_not_start_are_named(cluster_files: Path, mode: int) -> None:
    cluster_files.chmod(mode)
    with pytest.raises(DataFolderError, match=rf"permissions {mode:04o}, .*run `chmod 0700 {cluster_files}`"):
        check_cluster(cluster_files)
    cluster_files.chmod(0o700)
    check_cluster(cluster_files)


@pytest.mark.parametrize(
    ("found", "remedy"),
    [
        ("16", "set PGSERVER_POSTGRES_VERSION=16, or start with a new data folder"),
        ("12", "use the version of `trial` that made it, or start with a new data folder"),
        ("", "made by PostgreSQL of no known version"),
    ],
)
def test_a_cluster_of_another_major_version_is_refused(cluster_files: Path, found: str, remedy: str) -> None:
    (cluster_files / "PG_VERSION").write_text(f"{found}\n")
    with pytest.raises(DataFolderError, match=remedy):
        check_cluster(cluster_files)


def test_a_copy_of_a_running_server_is_refused_and_the_original_runs_on(cluster: Path, tmp_path: Path) -> None:
    url = start_postgres(cluster)
    subprocess.run(["/bin/cp", "-a", cluster, tmp_path / "postgres"], check=True)
    with pytest.raises(DataFolderError, match=f"is a copy of {cluster}, .*`trial down --data {cluster.parent}`"):
        start_postgres(tmp_path / "postgres")
    assert start_postgres(cluster) == url


def test_a_folder_that_was_moved_after_a_crash_starts(
    postgres_folder: Path, temporary_folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    start_postgres(postgres_folder)
    server = postmaster(postgres_folder)
    assert server
    server.kill()
    eventually(lambda: postmaster(postgres_folder) is None)
    moved = postgres_folder.rename(temporary_folder / "moved")
    try:
        assert str(moved) in start_postgres(moved)
    finally:
        stop_postgres(moved)
        moved.rename(postgres_folder)
