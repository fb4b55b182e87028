"""Footnote as a program: its processes, their exit statuses, what they print."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.settings import Settings


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Installation:
    """One machine's Footnote: its folder of pages, its data, its settings."""

    home: Path
    settings: Mapping[str, str]

    async def start(
        self,
        *args: str | bytes,
        stdin: int | IO[bytes] | None = None,
        stdout: int | IO[bytes] = asyncio.subprocess.PIPE,
        stderr: int | IO[bytes] = asyncio.subprocess.PIPE,
        **settings: str,
    ) -> asyncio.subprocess.Process:
        names = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name not in names}
        return await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("footnote"),
            *args,
            cwd=self.home,
            env=environment | dict(self.settings) | settings,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )

    async def run(self, *args: str | bytes, typed: bytes | None = None, **settings: str) -> Ran:
        """``typed`` is what comes over standard input."""
        process = await self.start(*args, stdin=asyncio.subprocess.PIPE if typed is not None else None, **settings)
        out, err = await process.communicate(typed)
        return Ran(process.returncode or 0, out.decode(), err.decode())


async def ready(process: asyncio.subprocess.Process) -> str:
    """The address of a starting `footnote serve`, once it says that it is ready."""
    assert process.stderr is not None
    async with asyncio.timeout(120):
        async for line in process.stderr:
            if b"footnote.ready" in line:
                return str(json.loads(line)["http"])
    raise AssertionError("footnote serve ended before it was ready")


def processes_of(home: Path) -> list[str]:
    """Command lines of the processes that name this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(home) in line:
            found.append(line)
    return found
