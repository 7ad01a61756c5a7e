"""What the worker makes of its settings."""

import pytest

from activities.notifications import ConsoleChannel, EmailChannel
from deploy.errors import SettingsError
from deploy.settings import load_settings
from worker import channel, main


def test_notices_go_to_the_log_unless_a_mail_server_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIAL_SMTP_HOST", raising=False)
    assert isinstance(channel(load_settings()), ConsoleChannel)
    monkeypatch.setenv("TRIAL_SMTP_HOST", "mail.example.org")
    assert isinstance(channel(load_settings()), EmailChannel)


def test_a_recipient_of_an_unknown_role_is_named_with_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAL_SMTP_RECIPIENTS", "default=trial@example.org,pharmacy=pharmacy@example.org")
    with pytest.raises(SettingsError, match=r"TRIAL_SMTP_RECIPIENTS = pharmacy: there is no such role; .*pharmacist"):
        channel(load_settings())


def test_a_worker_with_a_malformed_setting_says_so_and_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.configure_logs", lambda: None)  # it would change the logs of the other tests
    monkeypatch.setenv("TRIAL_SMTP_PORT", "smtp")
    with pytest.raises(SystemExit, match=r"^worker: TRIAL_SMTP_PORT = smtp: .* such as 25"):
        main()
