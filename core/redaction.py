"""Secrets are blotted out of what is written: by their shape, and where a secret has none, by its value.

Every pattern begins with characters that are rare, or is tried only where they stand, and reads a text once.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

MARK = "[redacted]"
SHORTEST = 8
"""Characters of a value that is blotted out wherever it stands; a shorter one would take ordinary words with it."""

_NAMES = (
    r"(?:proxy-)?authorization|password|passwd|private_key|x-slack-signature"
    r"|(?:x-goog-)?api[-_]?key|(?:client|signing|push|shared)[-_]secret|(?:access|refresh|id|bot|app|api|auth)[-_]token"
)
_NAMED = re.compile(rf"{_NAMES}|(?:set-)?cookie")


@dataclass(frozen=True)
class _Shape:
    pattern: re.Pattern[str]
    marks: tuple[str, ...]
    """In lower case: what such a secret has one of about it. Looking for them is cheaper than the pattern."""
    instead: str = MARK


def _shape(pattern: str, *marks: str, instead: str = MARK) -> _Shape:
    return _Shape(re.compile(pattern, re.DOTALL), marks, instead)


_SHAPES = (
    # First what is cut off most easily: without its end, everything after the beginning.
    _shape(r"-----BEGIN [A-Z0-9 ]{1,40}-----(?:.*?-----END [A-Z0-9 ]{1,40}-----|.*)", "-----begin "),
    # Slack: tokens, also rotated ones, and addresses that whoever knows them may post to.
    _shape(r"xox[a-z](?:\.xox[a-z])?-[\w%-]+", "xox"),
    _shape(r"xapp-[\w-]+", "xapp-"),
    _shape(r"hooks\.slack\.com/\w+/[\w/-]+", "hooks.slack.com/"),
    # Discord: what comes before the first dot is the bot's id, which everybody sees; and the tokens of interactions.
    _shape(r"\.(?<=[\w-]{23}\.)[\w-]{6}\.[\w-]{27,}", "."),
    _shape(r"/((?:webhooks|interactions)/\d+/)[\w-]{20,}", "/webhooks/", "/interactions/", instead=rf"/\1{MARK}"),
    # Atlassian, Google, OpenAI, and signed assertions.
    _shape(r"AT[A-Z]TT[\w=.+/-]{8,}", "tt"),
    _shape(r"ya29\.[\w.-]+", "ya29."),
    _shape(r"1//(?<!\w1//)[\w-]{20,}", "1//"),
    _shape(r"AIza[\w-]{20,}", "aiza"),
    _shape(r"GOCSPX-[\w-]+", "gocspx-"),
    _shape(r"sk-(?<!\wsk-)[\w-]{8,}", "sk-"),
    _shape(r"eyJ(?<![\w-]eyJ)[\w-]{8,}\.[\w-]{8,}\.[\w-]*", "eyj"),
    # What a header, a variable or a key in JSON says that it is.
    _shape(
        rf"(?i:({_NAMES})(\\?[\"']?\s{{0,4}}[:=,]\s{{0,4}}(?:b(?=[\"']))?\\?[\"']?)(?:(?:bearer|basic|bot)\s{{1,4}})?)[^\s\"',;\\&()<>{{}}\[\]]+",
        *("authorization", "passw", "_key", "-key", "apikey", "-signature", "_secret", "-secret", "_token", "-token"),
        instead=rf"\1\2{MARK}",
    ),
    _shape(r"([Cc](?i:ookie)\\?[\"']?\s{0,4}[:,]\s{0,4}b?\\?[\"']?)[^\r\n\"'\\]+", "cookie", instead=rf"\1{MARK}"),
    # In prose "basic" and "bot" are words, and what follows them is one, too: in lower case, without digits.
    _shape(
        r"([Bb](?i:earer|asic|ot) )(?=[a-z~+/._-]{0,100}[\dA-Z=])[\w.~+/=-]{8,}",
        *("bearer ", "basic ", "bot "),
        instead=rf"\1{MARK}",
    ),
    # Addresses: signed queries, and a user's password.
    _shape(
        r"(?i:([?&;][\w-]{0,40}(?:signature|credential|token|ticket|secret|password|key|sig|hm)=))[^&;\s\"'<>)]+",
        *("sig=", "signature=", "credential=", "token=", "ticket=", "secret=", "password=", "key=", "hm="),
        instead=rf"\1{MARK}",
    ),
    _shape(r"://[^\s/:@\"']*:[^\s/\"']+@", "://", instead=f"://{MARK}@"),
)

_EDGE = re.compile(r"-----(BEGIN|END) [A-Z ]+-----")

_values: tuple[str, ...] = ()


def register(*secrets: str) -> None:
    """Blot out these from now on, in this process, whatever their shape: as they are, quoted for URLs and JSON, and in
    base64 with something before it, as in ``Basic`` headers. Of one with several lines (a private key), each line.
    """
    global _values
    lines = {line.strip() for secret in secrets for line in (secret, *secret.split("\n"))}
    # All private keys begin and end with the same lines, and are known by them.
    told = {line for line in lines if len(line) >= SHORTEST and not _EDGE.fullmatch(line)}
    spelled = {spelling for line in told for spelling in _spellings(line)}
    # The longest first: none is left in half because it begins with another one.
    _values = tuple(sorted({*_values, *spelled}, key=len, reverse=True))


def redact(value: Any) -> Any:
    """``value`` without secrets: in strings and bytes, and inside mappings, lists, tuples and sets, keys included.

    What is neither a number nor one of these becomes its representation, since that is what would be written of it.
    """
    match value:
        case str():
            return _redact_text(value)
        case None | bool() | int() | float():
            return value
        case bytes() | bytearray():
            return _redact_text(bytes(value).decode("utf-8", "backslashreplace"))
        case Mapping():
            return {_key(key): MARK if _is_named(key, item) else redact(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [redact(item) for item in value]
        case _:
            return _redact_text(repr(value))


def _redact_text(text: str) -> str:
    if len(text) < SHORTEST:
        return text
    for value in _values:
        if value in text:
            text = text.replace(value, MARK)
    lower = text.lower()
    for shape in _SHAPES:
        for mark in shape.marks:
            if mark in lower:
                text = shape.pattern.sub(shape.instead, text)
                break
    return text


def _key(key: Any) -> Any:
    return _redact_text(key) if isinstance(key, str) else key


def _is_named(key: Any, item: Any) -> bool:
    return isinstance(key, str) and isinstance(item, str | bytes) and bool(_NAMED.fullmatch(key.lower()))


def _spellings(secret: str) -> Iterator[str]:
    yield from (secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1])
    yield from _in_base64(secret.encode())


def _in_base64(secret: bytes) -> Iterable[str]:
    """What base64 makes of ``secret`` behind anything: it depends only on how many bytes stand before it, modulo three."""
    for before in range(3):
        text = base64.b64encode(bytes(before) + secret).decode()
        # The first and last characters are shared with the neighbours.
        whole = text[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6]
        yield whole
        yield whole.translate(str.maketrans("+/", "-_"))


def address(url: str | None) -> str:
    """Where a server is, without a password that its URL may carry; None is the embedded one."""
    if url is None:
        return "embedded"
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or parts.path}{f':{parts.port}' if parts.port else ''}"
