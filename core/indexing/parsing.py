"""Documents are parsed in a process of their own, because files are hostile: see :mod:`core.indexing.parser_worker`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from core.errors import DocumentError
from core.indexing.blocks import Block, Kind
from core.models import Document

__all__ = ["MEDIA_TYPES", "Block", "Kind", "Limits", "Parser"]

MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "application/xhtml+xml",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".rst": "text/plain",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""File name suffixes, in lower case, of what can be parsed."""

MAX_BODY = 100 * 1024 * 1024
FRAME = struct.Struct("!Q")
"""Both directions: eight bytes of length, then so many bytes."""

_KEPT = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT"})
"""Variables that the process gets. Tokens and keys are none of its business."""

_LAST_SECONDS = 5.0
"""For a process that has closed its pipes to end."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Limits:
    """What one document may cost. Starting the process and its libraries (some seconds) counts towards the first one."""

    memory: int = 2 * 2**30
    """Bytes of address space of the process; it needs 0.4 GiB before it reads anything."""
    cpu: float = 60.0
    """Seconds of processor time."""
    wall: float = 180.0
    """Seconds by the clock; longer than the processor time, since a busy machine is no fault of the document."""
    idle: float = 30.0
    """Seconds without work after which the process ends and gives its memory back."""


class Parser:
    """Parses one document after another in a guarded process that starts when it is needed and ends when it is idle."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None
        self._bedtime: asyncio.TimerHandle | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def awake(self) -> bool:
        """Whether the process is there and holds memory."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return self._process.pid if self._process and self.awake else None

    async def parse(self, document: Document) -> list[Block]:
        """The blocks of ``document``. Calls may overlap: they queue for the one process.

        Raises DocumentError for what is empty, damaged, protected, mislabelled, without text, of an unknown type,
        or above a limit. Then the process is replaced if need be, and the next document goes on.
        """
        body = document.body.encode("utf-8", "replace") if isinstance(document.body, str) else document.body
        if len(body) > MAX_BODY:
            raise _failed(
                document, f"has {len(body) // 2**20:,} MB, more than the {MAX_BODY // 2**20} MB that are accepted: split it"
            )
        async with self._turn:
            if self._bedtime:
                self._bedtime.cancel()
            try:
                used = self.awake
                answer = await self._ask(document, body)
                if answer is None and used:
                    # It may have died of earlier documents, or while it was idle: this one gets a fresh process.
                    answer = await self._ask(document, body)
            finally:
                if self.awake:
                    self._bedtime = asyncio.get_running_loop().call_later(self._limits.idle, self._sleep)
        if answer is None:
            raise _failed(
                document, "made the parser fail, it may be damaged or too large: export it again or store it in another format"
            )
        if "error" in answer:
            raise _failed(document, answer["error"])
        return [Block(kind, text, level) for kind, text, level in answer["blocks"]]

    async def close(self) -> None:
        """End the process. A later parse() would start it again."""
        async with self._turn:
            if self._bedtime:
                self._bedtime.cancel()
            await self._kill()
        await asyncio.gather(*self._closing)

    async def _ask(self, document: Document, body: bytes) -> dict[str, Any] | None:
        """The answer of the process, or None if it died without one. Raises DocumentError if it had to be stopped."""
        process = await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        head = json.dumps({"media_type": document.media_type}).encode()
        try:
            async with asyncio.timeout(self._limits.wall):
                process.stdin.writelines((FRAME.pack(len(head)), head, FRAME.pack(len(body)), body))
                await process.stdin.drain()
                (length,) = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
                answer: dict[str, Any] = json.loads(await process.stdout.readexactly(length))
        except TimeoutError as error:
            await self._kill()
            raise _failed(
                document, f"could not be parsed within {self._limits.wall:g} seconds: split it or store it in another format"
            ) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            # It is ending by itself. A kill before asyncio knows of the end would take away what it died of.
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SECONDS):
                    await process.wait()
            await self._kill()
            _log.warning("parser.died", document=document.id, returncode=process.returncode)
            if process.returncode != -signal.SIGXCPU:
                return None
            raise _failed(
                document,
                f"needs more than {self._limits.cpu:g} seconds of processor time: split it or store it in another format",
            ) from error
        except asyncio.CancelledError:
            # Half a question or answer is in the pipes: nobody can use this process any more.
            await self._kill()
            raise
        if answer.get("spent"):
            await self._kill()
        return answer

    async def _start(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                # -P: a folder named "core" where Footnote was started is not ours.
                "-P",
                *("-m", "core.indexing.parser_worker", json.dumps({**asdict(self._limits), "parent": os.getpid()})),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(("LC_", "PYTHON"))},
                # Its own group: Ctrl-C in a terminal is for us to handle, and then stdin closes.
                start_new_session=True,
            )
        return self._process

    def _sleep(self) -> None:
        """Closing its stdin ends the process at once, since it is not at work."""
        process, self._process = self._process, None
        if process and process.stdin:
            process.stdin.close()
            task = asyncio.get_running_loop().create_task(self._reap(process))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    @staticmethod
    async def _reap(process: asyncio.subprocess.Process) -> None:
        await process.wait()

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await asyncio.shield(process.wait())


def _failed(document: Document, reason: str) -> DocumentError:
    return DocumentError(f"{document.title or document.id} {reason}.")
