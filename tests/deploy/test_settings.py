"""Settings errors name the variable, or the address, and never a password."""

import asyncio
from pathlib import Path

import pytest
from temporalio.contrib.pydantic import pydantic_data_converter

from deploy.postgres import start_postgres
from deploy.settings import Settings, SettingsError, connect, connect_database, database_host, load_settings

URL = "postgresql://trial:s3cret@127.0.0.1:1/trial"


def settings(url: str = URL) -> Settings:
    return Settings(temporal={"target_host": "127.0.0.1:1", "api_key": "k3y"}, database_url=url, source="environment")


def test_the_environment_is_taken_whole(tmp_path: Path) -> None:
    environment = {
        "TEMPORAL_ADDRESS": "temporal.example.org:7233",
        "TEMPORAL_NAMESPACE": "trial",
        "TEMPORAL_API_KEY": "k3y",
        "TRIAL_DATABASE_URL": URL,
    }
    loaded = load_settings(tmp_path, environment)
    assert loaded.source == "environment"
    assert loaded.temporal == {
        "target_host": "temporal.example.org:7233",
        "namespace": "trial",
        "api_key": "k3y",
        "tls": True,
    }
    assert loaded.database_host == "127.0.0.1:1"


def test_a_profile_file_is_read(tmp_path: Path) -> None:
    profile = tmp_path / "temporal.toml"
    profile.write_text('[profile.site]\naddress = "site.example.org:7233"\nnamespace = "trial"\n')
    environment = {
        "TEMPORAL_CONFIG_FILE": str(profile),
        "TEMPORAL_PROFILE": "site",
        "TRIAL_DATABASE_URL": URL,
    }
    assert load_settings(tmp_path, environment).temporal_address == "site.example.org:7233"


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"TEMPORAL_ADDRESS": "a:1"}, "TRIAL_DATABASE_URL is not set.*such as postgresql://"),
        ({"TRIAL_DATABASE_URL": URL}, "TRIAL_DATABASE_URL is set and TEMPORAL_ADDRESS is not"),
        ({"TEMPORAL_PROFILE": "nowhere", "TRIAL_DATABASE_URL": URL}, "TEMPORAL_.*nowhere"),
        ({"TEMPORAL_CONFIG_FILE": "/dev/null", "TRIAL_DATABASE_URL": URL}, "TEMPORAL_ADDRESS is not set"),
        ({}, "trial up"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, environment: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as error:
        load_settings(tmp_path, environment)
    assert "s3cret" not in str(error.value)


async def test_a_temporal_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no Temporal server at 127\.0\.0\.1:1") as error:
        await connect(settings(), pydantic_data_converter)
    assert "k3y" not in str(error.value)


@pytest.mark.parametrize("url", [URL, "postgresql://trial:s3cret@no-host.invalid/trial"])
async def test_a_postgres_that_does_not_answer_is_named_without_its_password(url: str) -> None:
    with pytest.raises(SettingsError, match=f"no Postgres at {database_host(url)}") as error:
        await connect_database(settings(url))
    assert "s3cret" not in str(error.value)


async def test_an_unreadable_postgres_url_is_not_quoted() -> None:
    with pytest.raises(SettingsError, match="TRIAL_DATABASE_URL is not a Postgres URL") as error:
        await connect_database(settings("mysql://trial:s3cret@db/trial"))
    assert "s3cret" not in str(error.value)


async def test_a_refusal_by_postgres_is_told(postgres_folder: Path) -> None:
    dsn = await asyncio.to_thread(start_postgres, postgres_folder)
    with pytest.raises(SettingsError, match=r'no Postgres at .*"nowhere" does not exist'):
        await connect_database(settings(dsn.replace("/postgres?", "/nowhere?")))


async def test_a_pool_is_open(postgres_folder: Path) -> None:
    dsn = await asyncio.to_thread(start_postgres, postgres_folder)
    pool = await connect_database(settings(dsn))
    assert await pool.fetchval("SELECT 1") == 1
    await pool.close()


def test_settings_do_not_show_secrets() -> None:
    assert "s3cret" not in repr(settings())
    assert "k3y" not in repr(settings())


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
