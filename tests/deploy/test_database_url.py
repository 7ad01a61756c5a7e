"""The database's URL without `deploy.services`: the same one in the usual cases, none in all others."""

import shutil
from pathlib import Path

import pytest

from deploy.database_url import usual_database_url
from deploy.services import find_services
from deploy.settings import Settings
from deploy.stack_file import Process, Stack, save_stack

URL = "postgresql://trial@db.example.org:5432/trial"
TEMPORAL = {"TEMPORAL_ADDRESS": "temporal.example.org:7233"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data folder of a stack that is up."""
    stack = Stack(data=tmp_path, port=7233, ui_port=None, virtual_time=False, database_url=URL)
    save_stack(stack.model_copy(update={"server": Process(pid=1, started=0.0)}))
    return tmp_path


def test_the_embedded_stack_has_the_url_of_its_services(folder: Path) -> None:
    assert usual_database_url(folder, {}) == find_services(folder, Settings.model_construct()).database_url == URL


def test_the_environment_comes_first(folder: Path) -> None:
    other = URL.replace("/trial", "/other")
    assert usual_database_url(folder, TEMPORAL | {"TRIAL_DATABASE_URL": other}) == other


@pytest.mark.parametrize("environment", [TEMPORAL, {"TRIAL_DATABASE_URL": URL}], ids=["temporal", "database"])
def test_half_an_environment_is_in_doubt(folder: Path, environment: dict[str, str]) -> None:
    assert usual_database_url(folder, environment) is None


def test_a_stack_that_is_not_up_is_in_doubt(folder: Path) -> None:
    save_stack(Stack(data=folder, port=7233, ui_port=None, virtual_time=False, database_url=URL))
    assert usual_database_url(folder, {}) is None


def test_a_copied_folder_is_in_doubt(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    copy = tmp_path_factory.mktemp("copy") / "data"
    shutil.copytree(folder, copy)
    assert usual_database_url(copy, {}) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"server": null}'])
def test_a_stack_file_that_is_no_such_file_is_in_doubt(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    assert usual_database_url(tmp_path, {}) is None
    assert usual_database_url(tmp_path / "nowhere", {}) is None
