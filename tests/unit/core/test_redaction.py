"""No secret is written: what it may look like, where it may stand, who may write it, and what looking for it costs."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from urllib.parse import quote

import pytest

from core.redaction import MARK, redact, register

SHAPED = {
    "Slack's bot token": "xoxb-1234567890-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx",
    "Slack's rotated token": "xoxe.xoxb-1-AbCdEfGhIjKlMnOp",
    "Slack's app token": "xapp-1-A012345-67890-abcdef0123456789",
    "Discord's bot token": "MTk4NjIyNDgzNDcxOTI1MjQ4.GaBcDe.AbCdEfGhIjKlMnOpQrStUvWxYz0123456789_-",
    "an Atlassian API token": "ATATT3xFfGF0abcDEF-123_456=7A8B9C0D",
    "an Atlassian access token": "ATCTT3xFfGF0abcDEF-123_456=7A8B9C0D",
    "Google's access token": "ya29.c.b0Aaekm1K-ab_cd.EF",
    "Google's refresh token": "1//0gAbCdEfGhIjKlMnOpQrStUv-wx_yz",
    "Google's API key": "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "Google's client secret": "GOCSPX-AbCdEf_123-456",
    "OpenAI's key": "sk-proj-AbCdEf0123456789_-",
    "a signed assertion": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJhQGIifQ.c2lnbmF0dXJl",
}
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"
PAT = "NTY3ODkwMTIzNDU2Om5vIHNoYXBl+/x"
"""A Confluence Data Center's token: nothing tells it from other text."""


@pytest.mark.parametrize("token", SHAPED.values(), ids=SHAPED.keys())
@pytest.mark.parametrize("around", ["{}", "token={}, next", '{{"value": "{}"}}', "https://host/path?x={}&y=1", "b'{}'"])
def test_a_token_is_known_by_its_shape(token: str, around: str) -> None:
    written = redact(around.format(token))

    # Of Discord's, the bot's id stays, which everybody sees.
    assert token.rpartition(".")[2] not in written
    assert MARK in written
    assert token not in written


@pytest.mark.parametrize("key", [PRIVATE_KEY, PRIVATE_KEY[:60], json.dumps(PRIVATE_KEY), repr(PRIVATE_KEY.encode())])
def test_a_private_key_is_blotted_out_in_any_spelling_and_where_it_was_cut_off(key: str) -> None:
    assert "MIIE" not in redact(f"signing with {key}")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Authorization: Basic YW5hQGFjbWUuY29tOnRva2Vu", f"Authorization: {MARK}"),
        ("{'authorization': 'Bearer abcdefgh'}", f"{{'authorization': '{MARK}'}}"),
        ("(b'Authorization', b'Bot abc.def')", f"(b'Authorization', b'{MARK}')"),
        ("sent Bearer AbCdEfGhIjKl", f"sent Bearer {MARK}"),
        ("api-key: 0123456789", f"api-key: {MARK}"),
        ('"client_secret":"abc"', f'"client_secret":"{MARK}"'),
        ("Set-Cookie: JSESSIONID=abc; Path=/", f"Set-Cookie: {MARK}"),
        ("redis://:hunter2@cache:6379/0", f"redis://{MARK}@cache:6379/0"),
        ("https://ana:hun@ter2@host/path", f"https://{MARK}@host/path"),
        ("https://s3/x?X-Amz-Signature=0a1b&X-Amz-Date=1", f"https://s3/x?X-Amz-Signature={MARK}&X-Amz-Date=1"),
        ("https://s/x?a=1&X-Goog-Signature=0a1b", f"https://s/x?a=1&X-Goog-Signature={MARK}"),
        ("https://blob/x?sv=1&sig=a%2Fb%3D", f"https://blob/x?sv=1&sig={MARK}"),
        ("https://h/download?token=abc", f"https://h/download?token={MARK}"),
        ("wss://wss-primary.slack.com/link/?ticket=abc&app_id=1", f"wss://wss-primary.slack.com/link/?ticket={MARK}&app_id=1"),
        ("https://hooks.slack.com/commands/T1/2/abc", f"https://{MARK}"),
        (
            "https://discord.com/api/v10/webhooks/123/aW50ZXJhY3Rpb246MTIzNDU2Nzg5/messages",
            f"https://discord.com/api/v10/webhooks/123/{MARK}/messages",
        ),
    ],
)
def test_what_is_said_to_be_a_secret_is_one(text: str, written: str) -> None:
    assert redact(text) == written


@pytest.mark.parametrize(
    "text",
    [
        "basic understanding of the bot framework, and a bearer of good news",
        "https://acme.atlassian.net/wiki/spaces/ENG/pages/7?focusedCommentId=12",
        "http://127.0.0.1:8080",
        "risk-assessment-of-desk-sharing",
        "prompt_tokens=120 in core.answering.model.build_the_chat_model_of_the_settings",
        "token=expired",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.fixture(scope="module")
def _registered() -> None:
    register(PAT, "  ", "short", PRIVATE_KEY)


@pytest.mark.usefixtures("_registered")
@pytest.mark.parametrize(
    "spelled",
    [
        PAT,
        quote(PAT, safe=""),
        base64.b64encode(PAT.encode()).decode(),
        base64.b64encode(f"ana@acme.com:{PAT}".encode()).decode(),
        base64.b64encode(f"bo@acme.com:{PAT}".encode()).decode(),
        base64.urlsafe_b64encode(f"footnote@acme.com:{PAT}".encode()).decode(),
    ],
)
def test_a_secret_without_a_shape_is_blotted_out_in_every_spelling_once_it_is_known(spelled: str) -> None:
    written = redact(f"got {spelled} back")

    assert MARK in written
    assert spelled not in written
    assert PAT[4:-4] not in written


@pytest.mark.usefixtures("_registered")
def test_words_that_are_too_short_to_be_told_from_others_stay() -> None:
    assert redact("a short story") == "a short story"


@pytest.mark.usefixtures("_registered")
def test_a_line_of_a_known_private_key_is_no_less_secret() -> None:
    assert redact("cannot decode AQEFAASCBKcwggSjAgEAAoIB") == f"cannot decode {MARK}"


@pytest.mark.usefixtures("_registered")
def test_a_known_private_key_hides_no_other_one_from_being_known_by_its_first_line() -> None:
    another = PRIVATE_KEY.replace("MIIEvQIBADANBgkqhkiG9w0B", "MIIEanotherkey1234567890")

    assert "MIIE" not in redact(f"signing with {another}")


def test_secrets_are_found_inside_whatever_is_logged() -> None:
    token = SHAPED["OpenAI's key"]

    class Request:
        def __repr__(self) -> str:
            return f"<Request key={token}>"

    event = {
        "a": [token],
        "b": {"c": (token.encode(), {token})},
        token: 1,
        "d": Request(),
        "password": "hunter2",
        "n": 7,
        "o": None,
    }

    assert redact(event) == {
        "a": [MARK],
        "b": {"c": [MARK, [MARK]]},
        MARK: 1,
        "d": f"<Request key={MARK}>",
        "password": MARK,
        "n": 7,
        "o": None,
    }


PROGRAM = """
import logging, sys, threading, warnings
import structlog
from core.telemetry import configure_logging

shaped, pat = "sk-proj-AbCdEf0123456789", "NTY3ODkwMTIzNDU2"
configure_logging("debug", sys.argv[1], [pat])

class Odd:
    def __repr__(self):
        return f"Odd({shaped}, {pat})"

own, foreign = structlog.get_logger("own"), logging.getLogger("foreign")
for token in (shaped, pat):
    own.info("part.said", text=token, odd=Odd(), raw=token.encode(), nested={"a": [token]})
    own.bind(bound=token).warning(token)
    foreign.info("got %s", token)
    foreign.warning("with %r", Odd(), extra={"request": Odd()}, stack_info=True)
    foreign.info("%d", token)
    warnings.warn(token)
    try:
        try:
            raise ValueError(token)
        except ValueError as error:
            raise RuntimeError(f"with {token}") from error
    except RuntimeError:
        own.exception("part.failed")
        foreign.exception("failed %s", token)
own.info("part.ended", mark="the-last-line")
raise SystemExit(Odd()) if len(sys.argv) > 2 else RuntimeError(shaped + pat)
"""


@pytest.mark.parametrize("style", ["console", "json"])
def test_no_logger_of_ours_or_of_others_writes_a_secret(style: str) -> None:
    written = subprocess.run([sys.executable, "-c", PROGRAM, style], capture_output=True, text=True, timeout=60).stderr

    assert "the-last-line" in written
    assert "RuntimeError" in written
    assert written.count(MARK) > 20
    assert "sk-proj" not in written
    assert "NTY3ODkw" not in written


HOSTILE = [
    *(
        "x",
        "a ",
        "-----BEGIN A-----",
        "-----BEGIN A-----\n-----END ",
        "xoxb-",
        "xoxb.xox",
        "eyJ",
        "eyJaaaaaaaa",
        "eyJaaaaaaaaaa.",
    ),
    *("Bearer ", "bot a", "authorization", "authorization:", 'api_key="', "access-access_", "Cookie:", "&key", "?token=&"),
    *(
        "?" + 39 * "a",
        "://",
        "://a:",
        "://a:b",
        "hooks.slack.com/a/",
        "/webhooks/1/",
        23 * "a" + ".abcdef.",
        "ATATT",
        "1//",
        "\\",
    ),
]


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_hostile_line_of_100_kb_costs_no_more_than_a_glance(unit: str) -> None:
    line = unit * (100_000 // len(unit))
    began = time.process_time()

    redact(line)

    assert time.process_time() - began < 0.25
