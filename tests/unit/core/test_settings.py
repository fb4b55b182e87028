"""Settings are refused early and by name, and documented wherever people look for them."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from core.errors import ConfigError
from core.settings import Settings, load_settings

ROOT = Path(__file__).parents[3]
SEVERAL = "SLACK_CLIENT_ID=1.2\nSLACK_CLIENT_SECRET=s\nSLACK_TEAMS=T1ACME"
NAMES = {name.upper() for name in Settings.model_fields if name != "file"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path) -> Iterator[None]:
    """Away from the checkout, whose .env and footnote.toml are somebody's own."""
    with contextlib.chdir(tmp_path):
        yield


def test_without_any_variable_everything_is_embedded_and_off() -> None:
    settings = load_settings()
    assert settings.qdrant_url is None
    assert settings.redis_url is None
    assert settings.slack_bot_token is None
    assert settings.footnote_sync_interval == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("text", "value"),
    [("90", timedelta(seconds=90)), ("90s", timedelta(seconds=90)), ("1h30m", timedelta(minutes=90)), ("2d", timedelta(days=2))],
)
def test_durations_are_written_as_people_write_them(text: str, value: timedelta) -> None:
    Path(".env").write_text(f"FOOTNOTE_SYNC_INTERVAL={text}\n")
    assert load_settings().footnote_sync_interval == value


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        ("SLACK_BOT_TOKEN=xoxb-1", "SLACK_APP_TOKEN"),
        ("SLACK_APP_TOKEN=xapp-1", "SLACK_BOT_TOKEN"),
        ("SLACK_SIGNING_SECRET=s", "SLACK_BOT_TOKEN"),
        ("SLACK_CLIENT_ID=1.2", "SLACK_CLIENT_ID is set, but SLACK_CLIENT_SECRET and SLACK_TEAMS and FOOTNOTE_TOKEN_KEY not"),
        ("FOOTNOTE_TOKEN_KEY=" + "k" * 32, "FOOTNOTE_TOKEN_KEY is set, but SLACK_CLIENT_ID"),
        (
            "SLACK_BOT_TOKEN=xoxb-1\nSLACK_APP_TOKEN=xapp-1\nSLACK_CLIENT_ID=1.2",
            "SLACK_BOT_TOKEN and SLACK_CLIENT_ID are both set",
        ),
        (f"{SEVERAL}\nFOOTNOTE_TOKEN_KEY={'k' * 32}", "neither SLACK_APP_TOKEN .* nor SLACK_SIGNING_SECRET"),
        (f"{SEVERAL}\nSLACK_APP_TOKEN=xapp-1\nFOOTNOTE_TOKEN_KEY={'k' * 32},short", "FOOTNOTE_TOKEN_KEY: a key has 32"),
        (f"{SEVERAL}\nSLACK_TEAMS=T1ACME acme", "SLACK_TEAMS.*'acme' is no id of a workspace"),
        ("QDRANT_URL=localhost:6333", "QDRANT_URL"),
        ("FOOTNOTE_SYNC_INTERVAL=soon", "FOOTNOTE_SYNC_INTERVAL"),
        ("FOOTNOTE_HTTP_PORT=70000", "FOOTNOTE_HTTP_PORT"),
        ("FOOTNOTE_LOG_LEVEL=loud", "FOOTNOTE_LOG_LEVEL"),
        ("FOOTNOTE_CONFIG=nowhere.toml", "FOOTNOTE_CONFIG"),
        ("FOOTNOTE_SYNC_INTERVAL=0s", "FOOTNOTE_SYNC_INTERVAL"),
        ("FOOTNOTE_MODEL_TIMEOUT=0", "FOOTNOTE_MODEL_TIMEOUT"),
        ("FOOTNOTE_MEMORY_TTL=99999999999999d", "FOOTNOTE_MEMORY_TTL"),
        ("FOOTNOTE_ADMINS=U123", "FOOTNOTE_ADMINS.*'U123' names nobody"),
        ("CONFLUENCE_URL=https://acme.atlassian.net", "CONFLUENCE_API_TOKEN is not"),
        ("CONFLUENCE_API_TOKEN=t", "CONFLUENCE_URL is not set"),
        ("CONFLUENCE_API_TOKEN_FILE=f", "CONFLUENCE_URL is not set"),
        ("CONFLUENCE_URL=https://a.example\nCONFLUENCE_API_TOKEN=t\nCONFLUENCE_API_TOKEN_FILE=f", "both set"),
        ("CONFLUENCE_SPACES=ENG", "CONFLUENCE_URL is not set"),
        ("CONFLUENCE_URL=http://wiki.acme.com\nCONFLUENCE_API_TOKEN=t", "CONFLUENCE_URL.*unencrypted"),
        ("CONFLUENCE_URL=wiki.acme.com\nCONFLUENCE_API_TOKEN=t", "CONFLUENCE_URL.*not a http"),
        ("GOOGLE_DRIVE_FOLDERS=1AbC", "GOOGLE_APPLICATION_CREDENTIALS is not"),
        ("GOOGLE_APPLICATION_CREDENTIALS=k.json\nGOOGLE_DIRECTORY_ADMIN=it@acme.com", "neither GOOGLE_DRIVE_FOLDERS"),
        ("GOOGLE_API_URL=http://google.example", "GOOGLE_API_URL.*unencrypted"),
        ("FOOTNOTE_PUSH_SECRET=short", "FOOTNOTE_PUSH_SECRET.*at least 16"),
    ],
)
def test_a_wrong_or_half_set_setting_is_refused_by_its_name(lines: str, named: str) -> None:
    Path(".env").write_text(lines + "\n")
    with pytest.raises(ConfigError, match=named):
        load_settings()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (".env", b"FOOTNOTE_FOLDER=\xff\xfe\n", r"\.env is not text"),
        ("footnote.toml", b"\xff\xfe", "footnote.toml is not valid TOML"),
        ("footnote.toml", b"admins = [", "footnote.toml is not valid TOML"),
        ("footnote.toml", b"admins = [1]", "footnote.toml: admins"),
        ("footnote.toml", b'admins = ["ana"]', "footnote.toml: admins.*'ana' names nobody"),
        ("footnote.toml", b'[groups]\n"people" = ["user:ana@acme.com"]', "'people' names nobody"),
    ],
)
def test_a_file_that_cannot_be_understood_is_named(name: str, content: bytes, said: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        load_settings()


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "no text"])
def test_a_secret_file_that_cannot_be_read_is_named(content: bytes | None) -> None:
    if content is not None:
        Path("key").write_bytes(content)
    os.environ["OPENAI_API_KEY_FILE"] = "key"
    try:
        with pytest.raises(ConfigError, match="OPENAI_API_KEY_FILE names key"):
            load_settings()
    finally:
        del os.environ["OPENAI_API_KEY_FILE"]


def test_people_are_compared_whatever_the_case_of_their_addresses() -> None:
    Path("footnote.toml").write_text(
        'admins = ["user:Ana@ACME.com", "slack:U1"]\n[groups]\n"group:Eng" = ["user:Bo@Acme.com", "domain:ACME.com"]\n'
    )
    settings = load_settings()
    assert settings.admins == {"user:ana@acme.com", "slack:U1"}
    assert settings.file.groups == {"group:Eng": ("user:bo@acme.com", "domain:acme.com")}


def test_an_unknown_key_of_the_file_is_refused_by_its_name() -> None:
    Path("footnote.toml").write_text('admin = ["slack:U1"]\n')
    with pytest.raises(ConfigError, match="admin is not a setting"):
        load_settings()


def test_the_file_adds_folders_groups_and_admins() -> None:
    Path("footnote.toml").write_text(
        'admins = ["slack:U1"]\n[groups]\n"group:eng" = ["user:ana@acme.com"]\n[[folders]]\nname = "wiki"\npath = "docs"\n'
    )
    Path(".env").write_text("FOOTNOTE_FOLDER=handbook\nFOOTNOTE_ADMINS=discord:2, slack:U3\n")
    settings = load_settings()
    assert settings.admins == {"slack:U1", "discord:2", "slack:U3"}
    assert [folder.name for folder in settings.folders] == ["folder", "wiki"]
    assert settings.file.groups["group:eng"] == ("user:ana@acme.com",)


SITE = '[[confluence]]\nname = "wiki"\nurl = "https://acme.atlassian.net"\n'


def test_the_environment_and_the_file_name_sites_and_drives() -> None:
    Path("footnote.toml").write_text(
        f'{SITE}api_token_file = "token"\n\n[[drive]]\nname = "designs"\ncredentials = "k.json"\ndrives = ["0AB"]\n'
    )
    Path(".env").write_text(
        "CONFLUENCE_URL=http://127.0.0.1:8090/wiki\nCONFLUENCE_EMAIL=bot@acme.com\n"
        "CONFLUENCE_API_TOKEN=t\nCONFLUENCE_SPACES=ENG, HR\n"
        "GOOGLE_APPLICATION_CREDENTIALS=key.json\nGOOGLE_DRIVE_FOLDERS=1AbC,https://drive.google.com/drive/folders/2\n"
    )
    settings = load_settings()
    site, other = settings.confluence
    assert (site.name, site.email, site.spaces) == ("confluence", "bot@acme.com", ("ENG", "HR"))
    assert (other.name, other.api_token_file) == ("wiki", Path("token"))
    drive, designs = settings.drive
    assert (drive.name, drive.folders) == ("drive", ("1AbC", "https://drive.google.com/drive/folders/2"))
    assert (designs.name, designs.drives) == ("designs", ("0AB",))


def test_a_key_file_that_is_there_for_other_programs_is_no_drive() -> None:
    Path(".env").write_text("GOOGLE_APPLICATION_CREDENTIALS=key.json\n")
    assert load_settings().drive == ()


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (SITE, "needs api_token or api_token_file"),
        (f'{SITE}api_token = "t"\napi_token_file = "token"', "one of the two"),
        (f'{SITE}api_token = "t"\nspace = ["ENG"]', "space is not a setting"),
        ('[[confluence]]\nname = "Wiki"\nurl = "https://a.example"\napi_token = "t"', "confluence.0.name"),
        ('[[confluence]]\nurl = "http://wiki.acme.com"\napi_token = "t"', "unencrypted"),
        ('[[drive]]\ncredentials = "k.json"', "neither folders nor drives"),
        ('[[folders]]\nname = "files"\npath = "."\nurl = "http://files.acme.com"', "is not encrypted"),
    ],
    ids=["no token", "two tokens", "unknown key", "name", "http", "nothing to read", "links that are not encrypted"],
)
def test_half_a_site_or_drive_in_the_file_is_refused_by_its_name(lines: str, said: str) -> None:
    Path("footnote.toml").write_text(lines + "\n")
    with pytest.raises(ConfigError, match=said):
        load_settings()


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_secret_may_stand_in_a_file_that_is_named_anywhere(where: str) -> None:
    Path("secret").write_text("from-the-file\n")
    names = {
        "CONFLUENCE_URL": "https://acme.atlassian.net",
        "CONFLUENCE_API_TOKEN_FILE": "secret",
        "OPENAI_API_KEY_FILE": "secret",
    }
    if where == ".env":
        Path(".env").write_text("".join(f"{name}={value}\n" for name, value in names.items()))
        settings = load_settings()
    else:
        os.environ.update(names)
        try:
            settings = load_settings()
        finally:
            for name in names:
                del os.environ[name]
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "from-the-file"
    # Read when it is needed, and again when it is refused.
    assert (settings.confluence[0].api_token, settings.confluence[0].api_token_file) == (None, Path("secret"))


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.atlassian.net:99999",
        "https://acme.atlassian.net:port",
        "https://wi ki.acme.com",
        "https://wiki..acme.com",
        "https://\u202ewiki.acme.com",
        "https://[::1",
        "https://",
        "wiki.acme.com",
        "file:///etc/passwd",
    ],
)
def test_what_is_no_address_is_refused_before_anything_is_asked(url: str) -> None:
    for name in ("CONFLUENCE_URL", "GOOGLE_API_URL", "QDRANT_URL"):
        with pytest.raises(ConfigError, match=f"{name}: .* is not a http") as refused:
            load_settings(**{name.lower(): url})
        assert "\u202e" not in str(refused.value)


@pytest.mark.parametrize("name", ["CONFLUENCE_URL", "QDRANT_URL", "FOOTNOTE_ADMINS", "FOOTNOTE_SYNC_INTERVAL"])
def test_a_token_in_the_wrong_place_is_not_repeated(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: what stands there ") as refused:
        load_settings(**{name.lower(): "NTY3ODkwMTIzNDU2Om5vIHNoYXBl"})
    assert "NTY3" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://ana:canary@acme.atlassian.net", "http://ana:canary@wiki.acme.com"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    Path(".env").write_text(f"CONFLUENCE_URL={url}\nCONFLUENCE_API_TOKEN=t\n")
    with pytest.raises(ConfigError, match=r"CONFLUENCE_URL.*a user or a password") as refused:
        load_settings()
    assert "canary" not in str(refused.value)


def test_a_secret_is_never_shown() -> None:
    Path(".env").write_text("SLACK_BOT_TOKEN=xoxb-canary\nSLACK_APP_TOKEN=xapp-canary\nFOOTNOTE_HTTP_PORT=x\n")
    with pytest.raises(ConfigError) as refused:
        load_settings()
    assert "canary" not in str(refused.value)
    Path(".env").write_text(
        "SLACK_BOT_TOKEN=xoxb-canary\nSLACK_APP_TOKEN=xapp-canary\nFOOTNOTE_PUSH_SECRET=canary-canary-canary\n"
        "CONFLUENCE_URL=https://acme.atlassian.net\nCONFLUENCE_API_TOKEN=canary\n"
    )
    Path("footnote.toml").write_text(f'{SITE}api_token = "canary"\n')
    settings = load_settings()
    assert "canary" not in repr(settings) + repr(settings.confluence)


def test_every_setting_stands_in_the_example_file_and_nothing_else_does() -> None:
    example = (ROOT / ".env.example").read_text()
    assert set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE)) == NAMES


def test_every_setting_stands_in_the_readme_and_nothing_else_does() -> None:
    table = (ROOT / "README.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \|", table, re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`([A-Z][A-Z0-9_]+)`", row)} == NAMES


def test_all_secrets_are_known_wherever_they_stand() -> None:
    Path(".env").write_text("DISCORD_BOT_TOKEN=one\nREDIS_URL=redis+sentinel://:t%40wo@one:26379,two:26379/mymaster\n")
    Path("footnote.toml").write_text('[[confluence]]\nname = "wiki"\nurl = "https://wiki.acme.com"\napi_token = "three"\n')

    assert sorted(load_settings().secrets) == ["one", "t@wo", "three"]
