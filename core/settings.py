"""All settings, read once from the environment, ``.env``, ``NAME_FILE`` secrets and ``footnote.toml``."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Self, cast
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from core.errors import ConfigError
from core.models import EVERYONE, Principal

_LONGEST = timedelta(days=3650)
_LONGEST_SHOWN = 20
"""Characters."""
_SHORTEST_KEY = 32
"""Characters."""
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def _shown(value: str) -> str:
    """As errors repeat it, unless it is so long that it may be a token in the wrong place."""
    return repr(value) if len(value) <= _LONGEST_SHOWN else "what stands there"


def _duration(value: object) -> object:
    """``90s``, ``10m``, ``1h30m``, ``2d``; a bare number is seconds."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    match = _DURATION.fullmatch(f"{text}s" if text.isdecimal() else text)
    if not match:
        raise ValueError(f"{_shown(value)} is not a duration: write 90s, 10m, 1h30m or 2d")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups())
    try:
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        duration = timedelta.max
    if not timedelta(seconds=1) <= duration <= _LONGEST:
        raise ValueError(f"{_shown(value)} is not a duration from 1 second to {_LONGEST.days} days")
    return duration


def _words(value: object) -> object:
    return [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value


def _url(value: object) -> object:
    if isinstance(value, str) and not _is_http(value):
        raise ValueError(f"{_shown(value)} is not a http(s) URL")
    return value


def _is_http(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_host = bool(parts.hostname and parts.hostname.encode("idna")) and parts.port != 0
    except ValueError:
        return False
    return is_host and parts.scheme in {"http", "https"} and text.isprintable() and " " not in text


def _source_url(value: object) -> object:
    """As :func:`_url`; a credential goes there, so plain http is for this machine only."""
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
    except ValueError:
        return _url(value)
    if "@" in parts.netloc:
        # Not repeated: what stands there may be a password.
        raise ValueError("there is a user or a password in the URL: a credential has settings of its own")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError(f"{value!r} would send the credential unencrypted: write https://")
    return _url(value)


def _link_url(value: object) -> object:
    """As :func:`_url`; what people are sent to is encrypted, too."""
    url = _url(value)
    if isinstance(url, str) and urlsplit(url).scheme == "http" and not _is_loopback(urlsplit(url).hostname or ""):
        raise ValueError(f"{url!r} is not encrypted, and footnotes link to nothing that is not: write https://")
    return url


def _password(url: str) -> str | None:
    """As a person would write it, not as the URL does."""
    try:
        password = urlsplit(url).password
    except ValueError:
        return None
    return unquote(password) if password else None


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _compared(name: str) -> Principal:
    """As it is compared everywhere: platforms report addresses in any case."""
    name = unicodedata.normalize("NFC", name.strip())
    kind, _, value = name.partition(":")
    if name != EVERYONE and not (kind and value):
        raise ValueError(
            f"{_shown(name)} names nobody: write slack:U123, discord:456, discord:role:789, user:ana@acme.com or group:NAME"
        )
    return name.lower() if kind in {"user", "domain"} else name


def _team(name: str) -> str:
    if not re.fullmatch(r"[TE][A-Z0-9]{2,}", name):
        raise ValueError(f"{_shown(name)} is no id of a workspace (T0123ABC) or an organisation (E0123ABC)")
    return name


def _domain(name: str) -> str:
    """As addresses end, in lower case."""
    name = name.lower()
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", name):
        raise ValueError(f"{name!r} is no domain: write acme.com")
    return name


Named = Annotated[Principal, AfterValidator(_compared)]
Duration = Annotated[timedelta, BeforeValidator(_duration)]
Words = Annotated[tuple[Named, ...], NoDecode, BeforeValidator(_words)]
Domains = Annotated[tuple[Annotated[str, AfterValidator(_domain)], ...], NoDecode, BeforeValidator(_words)]
Teams = Annotated[tuple[Annotated[str, AfterValidator(_team)], ...], NoDecode, BeforeValidator(_words)]
Keys = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]
HttpUrl = Annotated[str, BeforeValidator(_url)]
SourceUrl = Annotated[str, BeforeValidator(_source_url)]
LinkUrl = Annotated[str, BeforeValidator(_link_url)]
NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"


class FolderConfig(BaseModel):
    """A folder of files as a source: ``[[folders]]`` in footnote.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=NAME)
    path: Path
    url: LinkUrl | None = None
    """Where people can open the files; the path inside the folder is appended. Default: ``file://``."""


class ConfluenceConfig(BaseModel):
    """A Confluence site as a source: ``[[confluence]]`` in footnote.toml, or ``CONFLUENCE_*``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="confluence", pattern=NAME)
    url: SourceUrl
    """The site (with or without ``/wiki``), ``https://api.atlassian.com/ex/confluence/{cloudId}``, or a Data Center."""
    email: str | None = None
    """Whose token it is: Cloud. Without it the token is sent as Bearer: Data Center, or a service account's."""
    api_token: SecretStr | None = Field(default=None, repr=False)
    api_token_file: Path | None = None
    """Instead of ``api_token``: read again whenever the token is refused, so that a renewed one is picked up."""
    spaces: tuple[str, ...] = ()
    """Keys; empty: every space that the account sees."""
    pages_url: LinkUrl | None = None
    """The site as people open it, if that is not at the host of ``url``: footnotes link to no other."""

    @model_validator(mode="after")
    def _has_a_token(self) -> Self:
        if (self.api_token is None) == (self.api_token_file is None):
            raise ValueError(f"the Confluence source {self.name!r} needs api_token or api_token_file, one of the two")
        return self


class DriveConfig(BaseModel):
    """Google Drive as a source: ``[[drive]]`` in footnote.toml, or ``GOOGLE_*``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(default="drive", pattern=NAME)
    credentials: Path
    """A service account's key file (JSON). Its ``token_uri`` is honoured; it is read again when Google refuses it."""
    folders: tuple[str, ...] = ()
    """Ids or addresses of folders that are shared with the service account."""
    drives: tuple[str, ...] = ()
    """Ids of shared drives."""
    directory_admin: str | None = None
    """An administrator whom the service account may act as to read who is in which group (domain-wide delegation of
    ``admin.directory.group.member.readonly``). Without one, nobody is known to be in a Google group."""
    api_url: SourceUrl = "https://www.googleapis.com"

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.folders or self.drives):
            raise ValueError(f"the Drive source {self.name!r} names neither folders nor drives: list what it should read")
        return self


class ConfigFile(BaseModel):
    """What does not fit into a variable. An unknown key is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    admins: tuple[Named, ...] = ()
    folders: tuple[FolderConfig, ...] = ()
    confluence: tuple[ConfluenceConfig, ...] = ()
    drive: tuple[DriveConfig, ...] = ()
    groups: Mapping[Named, tuple[Named, ...]] = Field(default_factory=dict)
    """``"group:people-ops" = ["user:ana@acme.com"]``: whom a group principal of the folder sources contains."""


class Settings(BaseSettings):
    """One class, built once by :func:`load_settings` and passed down. Field names are the variables, in lower case."""

    model_config = SettingsConfigDict(env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True)

    footnote_data_dir: Path = Path(".footnote")
    """Where the embedded parts keep their data."""
    footnote_config: Path | None = None
    """Path of footnote.toml: admins, sources, groups."""

    qdrant_url: HttpUrl | None = None
    """A Qdrant server or cluster; without it the embedded engine in the data dir."""
    qdrant_api_key: SecretStr | None = None
    """Key of that server."""
    redis_url: str | None = None
    """A Redis or Valkey server; without it the embedded server in the data dir."""

    openai_api_key: SecretStr | None = None
    """Key of the chat model's server; without a key and a model Footnote answers in quotes."""
    openai_base_url: HttpUrl | None = None
    """Any OpenAI-compatible server."""
    footnote_model: str | None = None
    """LangChain ``provider:model`` name of the chat model."""
    footnote_model_timeout: Duration = timedelta(seconds=30)
    """How long the model may stay silent before the answer is given in quotes."""
    footnote_support: str = Field(default="words", pattern="^(words|model)$")
    """Who decides whether a source says what words leave open: ``words`` (and the bundled embedding), or the ``model`` itself."""
    footnote_source_tokens: int = Field(default=3_000, ge=200)
    """Tokens of sources that the model is told for an answer, about."""
    footnote_reranker: str | None = None
    """Model of a reranker that reads the best chunks again, or ``tei`` for a server that has one model. None: no reranking."""
    footnote_reranker_url: HttpUrl | None = None
    """Where it takes ``POST /rerank``."""
    footnote_reranker_key: SecretStr | None = None
    """Its key, if it wants one."""
    footnote_embeddings: str = "local"
    """``local`` (bundled all-MiniLM-L6-v2), ``local:wordllama`` (faster, less exact), ``local:multilingual`` (an extra) or
    ``openai:text-embedding-3-small`` ..."""

    slack_bot_token: SecretStr | None = None
    """Bot token (``xoxb-``)."""
    slack_app_token: SecretStr | None = None
    """App-level token (``xapp-``) for Socket Mode."""
    slack_signing_secret: SecretStr | None = None
    """Signing secret for HTTP events instead of Socket Mode."""
    slack_client_id: str | None = None
    """Instead of ``SLACK_BOT_TOKEN``: the app's client id, so that several workspaces can install it."""
    slack_client_secret: SecretStr | None = None
    """The app's client secret."""
    slack_teams: Teams = ()
    """Ids of the workspaces (``T…``) and organisations (``E…``) that may install it, and no others."""
    footnote_token_key: SecretStr | None = None
    """What the tokens of the workspaces are encrypted with: 32 characters or more. Several by comma, the newest first."""
    slack_api_url: HttpUrl = "https://slack.com/api/"
    """Base URL of the Web API."""
    discord_bot_token: SecretStr | None = None
    """Bot token."""
    discord_api_url: HttpUrl = "https://discord.com/api/v10"
    """Base of the REST API; the gateway's address is asked there."""
    discord_message_content: bool = False
    """Ask for the text of messages that do not mention the bot: a privileged intent, to be switched on in the portal, too."""
    discord_shards: int | None = Field(default=None, ge=1)
    """Connections to the gateway; as many as Discord recommends without it."""

    confluence_url: SourceUrl | None = None
    """A Confluence site: Cloud, with or without ``/wiki``, or Data Center."""
    confluence_email: str | None = None
    """Whose API token it is; none for a Data Center's personal access token."""
    confluence_api_token: SecretStr | None = None
    """API token, or personal access token."""
    confluence_api_token_file: Path | None = None
    """Instead of it, the file that it stands in: read again whenever the token is refused."""
    confluence_spaces: Keys = ()
    """Keys of the spaces to read; without them every space that the account sees."""
    google_application_credentials: Path | None = None
    """A service account's key file, for Google Drive."""
    google_drive_folders: Keys = ()
    """Ids or addresses of Drive folders shared with the service account."""
    google_drive_drives: Keys = ()
    """Ids of shared drives that the service account is a member of."""
    google_directory_admin: str | None = None
    """Administrator whom the service account may act as to read who is in which Google group."""
    google_api_url: SourceUrl = "https://www.googleapis.com"
    """Stands in place of Google's own address."""
    footnote_folder: Path | None = None
    """A folder of files as a source named ``folder``."""
    footnote_uploads: str = Field(default="everyone", pattern="^(off|admins|everyone)$")
    """Who may add files in chat: ``everyone`` for those who see the channel, ``admins``, or ``off``."""
    footnote_upload_mb: int = Field(default=20, ge=1, le=100)
    """Size of the largest file that may be added, or asked about, in MB."""
    footnote_sync_interval: Duration = timedelta(minutes=10)
    """How often each source is resynced."""
    footnote_push_secret: SecretStr | None = Field(default=None, min_length=16)
    """What ``POST /push/{source}`` must prove to know; without it there are no push notifications."""
    footnote_admins: Words = ()
    """Who may run admin commands: ``slack:U123``, ``discord:456``, ``discord:role:789``, ``user:ana@acme.com``."""
    footnote_email_domains: Domains = ()
    """Whose addresses name a person, in Slack and of linked accounts; none: those of all full members, and all linked ones."""
    footnote_rate_limit: int = Field(default=10, ge=1)
    """Questions a person may ask in a minute."""
    footnote_channel_rate_limit: int = Field(default=60, ge=1)
    """Questions that all who ask in one channel may ask in a minute; those in private do not count."""
    footnote_daily_tokens: int | None = Field(default=None, ge=1)
    """Tokens that the chat model may use for everybody in a day (UTC); then answers are quotes."""
    footnote_daily_tokens_per_person: int | None = Field(default=None, ge=1)
    """Tokens that it may use for one person in a day (UTC)."""
    footnote_memory_turns: int = Field(default=20, ge=1)
    """Turns remembered per conversation."""
    footnote_memory_ttl: Duration = timedelta(days=30)
    """How long a silent conversation is remembered."""

    footnote_audit_log: Path | None = None
    """Who was answered from what, and what administrators did; ``off`` records nothing. Default: ``audit.jsonl`` in the data
    dir."""
    footnote_http_host: str = "127.0.0.1"
    """Address of health, metrics, Slack HTTP events and push notifications."""
    footnote_http_port: int = Field(default=8080, ge=0, le=65535)
    """Port of the same; 0 takes a free one."""
    footnote_log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    """``debug``, ``info``, ``warning`` or ``error``."""
    footnote_log_format: str = Field(default="auto", pattern="^(auto|console|json)$")
    """``console``, ``json``, or ``auto``: console on a terminal."""

    file: ConfigFile = Field(default_factory=ConfigFile, exclude=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = _SecretFiles(settings_cls, cast("EnvSettingsSource", dotenv_settings).env_vars)
        return init_settings, env_settings, files, dotenv_settings

    @model_validator(mode="after")
    def _one_or_several_workspaces(self) -> Self:
        several = {
            "SLACK_CLIENT_ID": self.slack_client_id,
            "SLACK_CLIENT_SECRET": self.slack_client_secret,
            "SLACK_TEAMS": self.slack_teams,
            "FOOTNOTE_TOKEN_KEY": self.footnote_token_key,
        }
        there = [name for name, value in several.items() if value]
        if there and self.slack_bot_token:
            raise ValueError(
                f"SLACK_BOT_TOKEN and {there[0]} are both set: the first is for one workspace, the other for several that "
                "install Footnote themselves. Unset one of them"
            )
        if there and (missing := [name for name in several if name not in there]):
            raise ValueError(
                f"{there[0]} is set, but {' and '.join(missing)} not: for workspaces that install Footnote themselves all of "
                f"{', '.join(several)} are needed"
            )
        if there and not (self.slack_app_token or self.slack_signing_secret):
            raise ValueError(
                "SLACK_CLIENT_ID is set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP events): "
                "set one of them, or unset SLACK_CLIENT_ID to run without Slack"
            )
        if any(len(key) < _SHORTEST_KEY for key in self.token_keys):
            raise ValueError(
                f"FOOTNOTE_TOKEN_KEY: a key has {_SHORTEST_KEY} characters or more: make one with `openssl rand -hex 32`"
            )
        return self

    @model_validator(mode="after")
    def _no_half_configured_platform(self) -> Self:
        if self.slack_bot_token and not (self.slack_app_token or self.slack_signing_secret):
            raise ValueError(
                "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (Socket Mode) nor SLACK_SIGNING_SECRET (HTTP events): "
                "set one of them, or unset SLACK_BOT_TOKEN to run without Slack"
            )
        if (self.slack_app_token or self.slack_signing_secret) and not (self.slack_bot_token or self.slack_client_id):
            raise ValueError(
                "SLACK_BOT_TOKEN is not set, but SLACK_APP_TOKEN or SLACK_SIGNING_SECRET is: "
                "copy it from your Slack app's OAuth & Permissions page"
            )
        tokens = [token for token in (self.confluence_api_token, self.confluence_api_token_file) if token]
        if len(tokens) > 1:
            raise ValueError("CONFLUENCE_API_TOKEN and CONFLUENCE_API_TOKEN_FILE are both set: unset one of them")
        if self.confluence_url and not tokens:
            raise ValueError(
                "CONFLUENCE_URL is set, but CONFLUENCE_API_TOKEN is not: make a token at "
                "id.atlassian.com/manage-profile/security/api-tokens (Cloud) or in your profile (Data Center)"
            )
        if not self.confluence_url and (tokens or self.confluence_email or self.confluence_spaces):
            raise ValueError("CONFLUENCE_URL is not set, but another CONFLUENCE_ setting is: set it, or unset the others")
        if not self.google_application_credentials and (self.google_drive_folders or self.google_drive_drives):
            raise ValueError(
                "GOOGLE_DRIVE_FOLDERS or GOOGLE_DRIVE_DRIVES is set, but GOOGLE_APPLICATION_CREDENTIALS is not: "
                "name the key file of a service account that they are shared with"
            )
        if self.google_directory_admin and not (self.google_drive_folders or self.google_drive_drives):
            raise ValueError(
                "GOOGLE_DIRECTORY_ADMIN is set, but neither GOOGLE_DRIVE_FOLDERS nor GOOGLE_DRIVE_DRIVES: "
                "name what Footnote should read, or unset it"
            )
        return self

    @property
    def admins(self) -> frozenset[Principal]:
        return frozenset((*self.footnote_admins, *self.file.admins))

    @property
    def token_keys(self) -> tuple[str, ...]:
        """Of ``FOOTNOTE_TOKEN_KEY``: the first encrypts, all decrypt."""
        keys = self.footnote_token_key.get_secret_value() if self.footnote_token_key else ""
        return tuple(key.strip() for key in keys.split(",") if key.strip())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must never be written: the values of all secrets, and the passwords in URLs. Of one that stands in a file of
        its own and may change, whoever reads that file knows.
        """
        values = [getattr(self, name) for name in type(self).model_fields]
        tokens = [site.api_token for site in self.confluence]
        return (
            *(value.get_secret_value() for value in (*values, *tokens) if isinstance(value, SecretStr)),
            *self.token_keys,
            *(password for value in values if isinstance(value, str) and (password := _password(value))),
        )

    @property
    def audit_log(self) -> Path | None:
        if self.footnote_audit_log is None:
            return self.footnote_data_dir / "audit.jsonl"
        return None if str(self.footnote_audit_log).casefold() == "off" else self.footnote_audit_log

    @property
    def fingerprint(self) -> str:
        """SHA-256 of all settings; of a secret only whether it is set."""
        values = {**self.model_dump(mode="json"), "file": self.file.model_dump(mode="json")}
        # An address may hold a password.
        text = re.sub(r"//[^/\s\"]*@", "//", json.dumps(values, sort_keys=True))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def folders(self) -> tuple[FolderConfig, ...]:
        if self.footnote_folder is None:
            return self.file.folders
        return (FolderConfig(name="folder", path=self.footnote_folder), *self.file.folders)

    @property
    def confluence(self) -> tuple[ConfluenceConfig, ...]:
        if self.confluence_url is None:
            return self.file.confluence
        one = ConfluenceConfig(
            url=self.confluence_url,
            email=self.confluence_email,
            api_token=self.confluence_api_token,
            api_token_file=self.confluence_api_token_file,
            spaces=self.confluence_spaces,
        )
        return (one, *self.file.confluence)

    @property
    def drive(self) -> tuple[DriveConfig, ...]:
        # The variable is Google's own and may be set for other programs: a source is only what names a folder or drive.
        if self.google_application_credentials is None or not (self.google_drive_folders or self.google_drive_drives):
            return self.file.drive
        one = DriveConfig(
            credentials=self.google_application_credentials,
            folders=self.google_drive_folders,
            drives=self.google_drive_drives,
            directory_admin=self.google_directory_admin,
            api_url=self.google_api_url,
        )
        return (one, *self.file.drive)


class _SecretFiles(PydanticBaseSettingsSource):
    """``OPENAI_API_KEY_FILE=/run/secrets/openai`` stands for ``OPENAI_API_KEY``, as in container platforms."""

    def __init__(self, settings_cls: type[BaseSettings], dotenv: Mapping[str, str | None]) -> None:
        super().__init__(settings_cls)
        self._dotenv = dotenv

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        path = os.environ.get(f"{field_name.upper()}_FILE") or self._dotenv.get(f"{field_name}_file")
        if not path or f"{field_name}_file" in self.settings_cls.model_fields:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise ConfigError(f"{field_name.upper()}_FILE names {path}, which cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{field_name.upper()}_FILE names {path}, which is not text in UTF-8") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


def load_settings(**overrides: Any) -> Settings:
    """Read all settings. Raises ConfigError that names the setting and never shows a value that may be a secret."""
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(".env is not text in UTF-8: save it again as UTF-8") from error
    except OSError as error:
        raise ConfigError(f".env cannot be read: {error.strerror}") from error
    path = settings.footnote_config or Path("footnote.toml")
    if settings.footnote_config is None and not path.exists():
        return settings
    return settings.model_copy(update={"file": _config_file(path)})


def _config_file(path: Path) -> ConfigFile:
    try:
        return ConfigFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise ConfigError(_explain(error, f"{path}: ")) from None
    except OSError as error:
        raise ConfigError(f"FOOTNOTE_CONFIG names {path}, which cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _explain(error: ValidationError, file: str = "") -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        where = [str(part) for part in problem["loc"]]
        name = ".".join(where) if file else "".join(where[:1]).upper()
        if problem["type"] == "extra_forbidden":
            lines.append(f"{file}{name} is not a setting that Footnote knows")
            continue
        text = problem["msg"].removeprefix("Value error, ")
        lines.append(f"{file}{name}: {text}" if name else f"{file}{text}")
    return "\n".join(lines)
