"""Where Temporal and Postgres are, and what is said when they are not named or do not answer."""

import os
from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.database import connect_database
from deploy.errors import SettingsError, UnreachableError
from deploy.services import Services, database_host, embedded_services, find_services
from deploy.temporal_client import connect_arguments, connect_temporal

URL = "postgresql://trial:s3cret@127.0.0.1:1/trial"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TRIAL_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services that the environment names, and that do not answer."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "trial")
    monkeypatch.setenv("TEMPORAL_API_KEY", "k3y")
    monkeypatch.setenv("TRIAL_DATABASE_URL", URL)
    return find_services()


def services(url: str) -> Services:
    return Services(source="environment", database_url=url)


def test_the_environment_is_taken_whole(elsewhere: Services) -> None:
    assert elsewhere.source == "environment"
    assert connect_arguments(elsewhere) == {
        "target_host": "127.0.0.1:1",
        "namespace": "trial",
        "api_key": "k3y",
        "tls": True,
    }
    assert elsewhere.database_host == "127.0.0.1:1"


def test_services_do_not_show_secrets(elsewhere: Services) -> None:
    assert "s3cret" not in repr(elsewhere)
    assert "k3y" not in repr(elsewhere)


def test_a_profile_file_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text('[profile.site]\naddress = "site.example.org:7233"\nnamespace = "trial"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(profile))
    monkeypatch.setenv("TEMPORAL_PROFILE", "site")
    monkeypatch.setenv("TRIAL_DATABASE_URL", URL)
    assert connect_arguments(find_services())["target_host"] == "site.example.org:7233"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TEMPORAL_ADDRESS": "a:1"}, "TRIAL_DATABASE_URL is not set.*such as postgresql://"),
        ({"TRIAL_DATABASE_URL": URL}, "TRIAL_DATABASE_URL is set and TEMPORAL_ADDRESS is not"),
        ({"TEMPORAL_PROFILE": "nowhere", "TRIAL_DATABASE_URL": URL}, "TEMPORAL_.*nowhere"),
        ({"TEMPORAL_CONFIG_FILE": "/dev/null", "TRIAL_DATABASE_URL": URL}, "TEMPORAL_ADDRESS is not set"),
        ({}, "no stack is up on .*: start one with `trial up`"),
    ],
)
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, environment: dict[str, str], message: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=message) as error:
        connect_arguments(find_services(tmp_path))
    assert "s3cret" not in str(error.value)


async def test_a_temporal_server_that_does_not_answer_is_named(elsewhere: Services) -> None:
    with pytest.raises(UnreachableError, match=r"no Temporal server at 127\.0\.0\.1:1 \(set by") as error:
        await connect_temporal(elsewhere, pydantic_data_converter)
    assert "k3y" not in str(error.value)


@pytest.mark.parametrize("url", [URL, "postgresql://trial:s3cret@no-host.invalid/trial"])
async def test_a_postgres_that_does_not_answer_is_named_without_its_password(url: str) -> None:
    with pytest.raises(UnreachableError, match=f"no Postgres at {database_host(url)}") as error:
        await connect_database(services(url))
    assert "s3cret" not in str(error.value)


async def test_a_refusal_by_postgres_is_quoted(postgres_url: str) -> None:
    with pytest.raises(UnreachableError, match=r'no Postgres at .*"nowhere" does not exist'):
        await connect_database(services(postgres_url.replace("/postgres?", "/nowhere?")))


async def test_the_pool_of_a_database_that_answers_is_open(postgres_url: str) -> None:
    pool = await connect_database(services(postgres_url))
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()


@pytest.mark.parametrize(
    ("url", "host"),
    [
        (URL, "127.0.0.1:1"),
        ("postgresql://trial:s3cret@db/trial", "db"),
        ("postgresql://postgres@/postgres?host=/run/pg&port=5432", "/run/pg"),
        ("postgresql://", "an unnamed host"),
        ("postgresql://trial:s3cret@db:port/trial", "an unreadable URL"),
    ],
)
def test_the_host_of_a_url_is_all_that_is_shown(url: str, host: str) -> None:
    assert database_host(url) == host


def test_a_folder_without_a_stack_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"no stack is up on {tmp_path}"):
        embedded_services(tmp_path)
