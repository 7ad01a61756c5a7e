"""The environment variables of the trial, read and checked in one place.

The standard variables of the Temporal SDK (`TEMPORAL_NAMESPACE`, `TEMPORAL_API_KEY`, `TEMPORAL_TLS...`) are read by the
SDK itself; here are only those that decide which Temporal is used.
"""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from deploy.errors import SettingsError

DATABASE_EXAMPLE = "postgresql://trial@db.example.org:5432/trial"
TEMPORAL_EXAMPLE = "temporal.example.org:7233"


def _postgres_url(value: SecretStr) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    if parts.scheme not in ("postgresql", "postgres"):
        raise ValueError("is not a Postgres URL")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("has a port that is no number from 0 to 65535") from None
    return value


def _host_and_port(value: str) -> str:
    host, _, port = value.rpartition(":")
    if not host or "/" in value or not port.isdecimal():
        raise ValueError("is not host:port")
    return value


def _recipients(value: object) -> object:
    """Reads `role=address,role=address`."""
    if not isinstance(value, str):
        return value
    pairs = [pair.strip().partition("=") for pair in value.split(",")]
    if not all(role and "@" in address for role, _, address in pairs):
        raise ValueError("is not a list of role=address")
    return {role.strip(): address.strip() for role, _, address in pairs}


def _has_default(value: dict[str, str]) -> dict[str, str]:
    if "default" not in value:
        raise ValueError("has no address for 'default', which serves the roles that are not listed")
    return value


DatabaseUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port)]
Recipients = Annotated[dict[str, str], NoDecode, BeforeValidator(_recipients), AfterValidator(_has_default)]


class Settings(BaseSettings):
    """All variables; one that is set to nothing counts as not set."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", case_sensitive=True, env_ignore_empty=True)

    data: Path = Field(Path(".trial"), validation_alias="TRIAL_DATA", description="the folder of the embedded stack")
    database_url: DatabaseUrl | None = Field(
        None,
        validation_alias="TRIAL_DATABASE_URL",
        description="the URL of the trial's own PostgreSQL; needed with TEMPORAL_ADDRESS",
        examples=[DATABASE_EXAMPLE],
    )
    temporal_address: HostAndPort | None = Field(
        None,
        validation_alias="TEMPORAL_ADDRESS",
        description="host and port of a Temporal server other than the embedded one",
        examples=[TEMPORAL_EXAMPLE],
    )
    temporal_profile: str | None = Field(
        None, validation_alias="TEMPORAL_PROFILE", description="a profile of the Temporal SDK's configuration file"
    )
    temporal_config_file: Path | None = Field(
        None, validation_alias="TEMPORAL_CONFIG_FILE", description="the Temporal SDK's configuration file (TOML)"
    )
    temporal_server: Path | None = Field(
        None,
        validation_alias="TRIAL_TEMPORAL_SERVER",
        description="the program of the embedded Temporal server (Temporal CLI with server 1.32 or newer)",
    )
    no_download: bool = Field(
        default=False,
        validation_alias="TRIAL_NO_DOWNLOAD",
        description="true: the Temporal SDK's download of a server is not tried",
        examples=["1"],
    )
    # Only the worker uses those below.
    smtp_host: str | None = Field(
        None,
        validation_alias="TRIAL_SMTP_HOST",
        description="the mail server that notices go through; without it they go to the log",
    )
    smtp_port: int = Field(
        25,
        ge=1,
        le=65535,
        validation_alias="TRIAL_SMTP_PORT",
        description="the mail server's port, 1 to 65535",
        examples=["25"],
    )
    smtp_sender: str = Field(
        "trial@localhost",
        pattern="^[^@ ]+@[^@ ]+$",
        validation_alias="TRIAL_SMTP_SENDER",
        description="the address that notices come from",
        examples=["trial@example.org"],
    )
    smtp_recipients: Recipients = Field(
        {"default": "trial@localhost"},
        validation_alias="TRIAL_SMTP_RECIPIENTS",
        description="one address for each role, and one for `default`",
        examples=["default=trial@example.org,pharmacist=pharmacy@example.org"],
    )
    build_id: str | None = Field(
        None,
        validation_alias="TRIAL_BUILD_ID",
        description="the worker's version in the worker deployment; without it there is no versioning",
    )

    @property
    def chooses_temporal(self) -> bool:
        """Whether a Temporal server other than the embedded one is named."""
        return bool(self.temporal_address or self.temporal_profile or self.temporal_config_file)


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingsError: a variable is malformed; the message has a line for each, with value, rule and what is expected.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(map(_problem, error.errors(include_url=False)))) from None


def _problem(error: ErrorDetails) -> str:
    """One malformed variable in a line; the value of a secret is left out."""
    variable = str(error["loc"][0])
    field = next(field for field in Settings.model_fields.values() if field.validation_alias == variable)
    shown = "" if "SecretStr" in str(field.annotation) else f" = {error['input']}"
    rule = error["msg"].removeprefix("Value error, ")
    example = f", such as {field.examples[0]}" if field.examples else ""
    return f"{variable}{shown}: {rule[0].lower()}{rule[1:]}; expected {field.description}{example}"
