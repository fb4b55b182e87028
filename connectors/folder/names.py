"""Names of files as document ids: any bytes that a file system allows become one line of valid text, and back."""

from __future__ import annotations

import re
import unicodedata

Parts = tuple[str, ...]
"""A path inside the folder as the operating system spells it: ``("people", "salary-bands.md")``."""

_CONTROLS = {"Cc", "Zl", "Zp"}
_ESCAPE = re.compile(r"\\(?:(\\)|x([89a-f][0-9a-f])|u([0-9a-f]{4}))")


def document_id(source: str, parts: Parts) -> str:
    """``NAME:relative/path``. Bytes that are not UTF-8, control characters and backslashes are escaped, so that
    different files never share an id.
    """
    return f"{source}:{'/'.join(_escape(part) for part in parts)}"


def parts_of(source: str, document_id: str) -> Parts | None:
    """The path that :func:`document_id` was made from; None if no file can have this id."""
    name, _, path = document_id.partition(":")
    if name != source or not path:
        return None
    parts = tuple(_unescape(part) for part in path.split("/"))
    # An id comes from outside: it must not lead out of the folder, and not be a second spelling of another id.
    safe = all(part not in {"", ".", ".."} and "\0" not in part and "/" not in part for part in parts)
    return parts if safe and document_id == f"{source}:{'/'.join(_escape(part) for part in parts)}" else None


def printable(name: str) -> str:
    """A file name for people to read."""
    return "".join(_shown(char) for char in name).strip() or "untitled"


def _escape(part: str) -> str:
    return "".join(_escaped(char) for char in part)


def _escaped(char: str) -> str:
    code = ord(char)
    if char == "\\":
        return "\\\\"
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\u{code:04x}" if unicodedata.category(char) in _CONTROLS else char


def _unescape(part: str) -> str:
    def char(match: re.Match[str]) -> str:
        backslash, byte, code = match.groups()
        if backslash:
            return "\\"
        return chr(0xDC00 + int(byte, 16)) if byte else chr(int(code, 16))

    return _ESCAPE.sub(char, part)


def _shown(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return "\ufffd"
    return " " if unicodedata.category(char) in _CONTROLS else char
