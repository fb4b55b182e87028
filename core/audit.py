"""Who was answered from what, and what administrators did: an append-only file of JSON lines, each chained to the one before.

A line holds ``time`` (UTC, when it was recorded), ``event``, ``who`` (``slack:U123``, ``cli``, ...), ``where`` (platform and
channel), ``facts``, ``prev`` (the hash of the line before) and ``hash`` (SHA-256 of the line up to there). No text of messages
or documents, no titles, no secrets.

**A question is recorded as the SHA-256 of its words and its length.** The hash has no salt: who investigates must be able to ask
"who asked this, and where?" of any file, from any machine, with nothing but the words. So it hides a question from readers
of the file only as long as they cannot guess it; hence the file is for its owner alone (mode 600).

**When it cannot be written, answering goes on.** An answer holds nothing that its readers may not read, and a full disk
should not silence a team. It is logged once, and ``footnote_audit_lines_total{outcome="lost"}`` counts what is missing: alert
on it.

The chain shows that a line was changed, inserted or taken out. It cannot show that the last lines were cut off, or that all
was written anew: keep the last hash, or a copy of the file, where Footnote's user cannot write.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import hashlib
import json
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog

from core.errors import ConfigError
from core.models import Audience, now
from core.redaction import redact
from core.telemetry import AUDIT_LINES

_BLOCK = 65_536
_CLOSE_SECONDS = 5.0
_MOST_WAITING = 10_000
"""Lines, while the disk or another process's lock keeps us waiting."""
_LINE = re.compile(rb'(\{.*,"prev":"([0-9a-f]*)"),"hash":"([0-9a-f]{64})"\}')

log = structlog.get_logger(__name__)


class Audit:
    """Records without ever holding or failing its caller: a thread of its own appends the lines in the order of recording.

    Any number of processes on one machine share a file and its chain.
    """

    def __init__(self, path: Path | None, *, clock: Callable[[], datetime] = now) -> None:
        """Without a ``path`` nothing is recorded."""
        self._path = path
        self._clock = clock
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue(_MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._failing = False

    def record(self, event: str, *, who: str, where: Mapping[str, str] | None = None, **facts: Any) -> None:
        """``facts`` are JSON values; of an Audience there will be the number of readers and one hash of all that they hold."""
        if self._path is None:
            return
        line = {"time": self._clock().isoformat(), "event": event, "who": who, "where": where or {}, "facts": facts}
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._lost("too many lines wait")
            return
        if self._thread is None:
            # A daemon: a lock that is never let go of must not keep the process alive.
            self._thread = threading.Thread(target=self._write, args=(self._path,), name="audit", daemon=True)
            self._thread.start()

    def command(self, name: str, *words: str) -> None:
        """Of the command line, whose user is whoever runs Footnote."""
        self.record("command.run", who="cli", command=name, words=[address_hidden(word) for word in words])

    def close(self) -> None:
        """Return when all that was recorded is on disk, or after five seconds."""
        if self._thread is None:
            return
        with suppress(queue.Full):
            self._waiting.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)
        if waiting := self._waiting.qsize():
            log.error("audit.unfinished", lines=waiting)
        self._thread = None

    def check(self) -> str:
        """Where it goes. Raises ConfigError when it cannot be written there."""
        if self._path is None:
            return "off"
        try:
            with _locked(self._path):
                return str(self._path)
        except OSError as error:
            raise ConfigError(f"FOOTNOTE_AUDIT_LOG {self._path} cannot be written: {error.strerror}") from error

    def _write(self, path: Path) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                _append(path, {**line, "facts": {name: _json(fact) for name, fact in line["facts"].items()}})
            except OSError as error:
                self._lost(error.strerror or type(error).__name__)
                continue
            AUDIT_LINES.labels("written").inc()
            if self._failing:
                log.warning("audit.recovered", path=str(path))
            self._failing = False

    def _lost(self, reason: str) -> None:
        AUDIT_LINES.labels("lost").inc()
        if not self._failing:
            log.error("audit.failed", path=str(self._path), reason=reason, consequence="answers are given and not recorded")
        self._failing = True


OFF = Audit(None)


def question_facts(question: str) -> dict[str, Any]:
    """The hash of its words in lower case with single spaces between them, and how many characters it has."""
    words = " ".join(question.casefold().split())
    return {"sha256": _sha256(words.encode(errors="replace")), "characters": len(question)}


def address_hidden(word: str) -> str:
    """``word``, or its hash where it is an address: those of pages hold their titles."""
    return f"sha256:{_sha256(word.encode())}" if "://" in word else word


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What :func:`verify` found: ``broken`` is the first line that does not fit, with the ``reason``; None when all fit."""

    lines: int
    last_hash: str
    cut_off: tuple[int, ...] = ()
    """Lines of which a crash or a full disk left only a part. The chain goes on over them."""
    broken: int | None = None
    reason: str = ""


def verify(path: Path) -> Verified:
    """Follow the chain from the first line to the last. Raises OSError when the file cannot be read."""
    cut_off: list[int] = []
    number, last = 0, None
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        for number, raw in enumerate(file, 1):
            line = raw.removesuffix(b"\n")
            sealed = _LINE.fullmatch(line)
            reason = ""
            if sealed is None:
                cut_off.append(number)
            elif _sha256(sealed[1] + b"}") != sealed[3].decode():
                reason = "it was changed after it was written"
            elif last is not None and sealed[2].decode() != last:
                reason = f"it does not follow line {number - 1}: that one was changed, or lines between them are missing or new"
            if reason:
                return Verified(lines=number, last_hash=last or "", cut_off=tuple(cut_off), broken=number, reason=reason)
            last = _hash_of(line)
    return Verified(lines=number, last_hash=last or "", cut_off=tuple(cut_off))


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with _locked(path) as file:
        last = _last_line(file)
        data = b""
        if not last:
            name, prev = _file_before(path)
            began = {**line, "event": "audit.began", "who": "", "where": {}, "facts": {"after": name}}
            first = _sealed(began, prev)
            data, prev = first + b"\n", _hash_of(first)
        else:
            prev = _hash_of(last.removesuffix(b"\n"))
            if not last.endswith(b"\n"):
                data = b"\n"
        data += _sealed(line, prev) + b"\n"
        if os.write(file, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(file)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file's descriptor, while nobody else appends to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            # It may have been moved away while we waited.
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):
                    yield file
                    return
        finally:
            os.close(file)


def _last_line(file: int) -> bytes:
    end = os.fstat(file).st_size
    tail = b""
    while end and b"\n" not in tail[:-1]:
        start = max(0, end - _BLOCK)
        tail = os.pread(file, end - start, start) + tail
        end = start
    return tail[tail.rfind(b"\n", 0, -1) + 1 :]


def _file_before(path: Path) -> tuple[str, str]:
    """The name of the file that was moved away last, ``audit.jsonl.1`` or ``audit-2026.jsonl``, and its last hash; both empty
    when there is none that can be read.
    """
    found: list[tuple[float, str, str]] = []
    for other in path.parent.glob(f"{glob.escape(path.stem)}*"):
        with suppress(OSError), other.open("rb") as file:
            sealed = _LINE.fullmatch(_last_line(file.fileno()).removesuffix(b"\n"))
            if sealed and other != path:
                found.append((other.stat().st_mtime, other.name, sealed[3].decode()))
    _, name, last = max(found, default=(0.0, "", ""))
    return name, last


def _json(fact: Any) -> Any:
    # Here, not where it is recorded: a large channel takes its time.
    if not isinstance(fact, Audience):
        return fact
    readers = sorted(sorted(reader) for reader in fact.readers)
    return {"readers": len(readers), "sha256": _sha256(json.dumps(readers).encode())}


def _sealed(line: Mapping[str, Any], prev: str) -> bytes:
    text = json.dumps({**redact(line), "prev": prev}, separators=(",", ":")).encode()
    return text[:-1] + f',"hash":"{_sha256(text)}"}}'.encode()


def _hash_of(line: bytes) -> str:
    """What the next line has as ``prev``; of a line that was cut off, the hash of what there is."""
    sealed = _LINE.fullmatch(line)
    return sealed[3].decode() if sealed else _sha256(line)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
