"""An emulated service in a process of its own, as a service is: ``python -m tests.benchmarks.emulated confluence 1000 0.05``
serves 1000 documents, each request taking 50 ms, and prints the settings of a source as JSON.
"""

from __future__ import annotations

import asyncio
import html
import itertools
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.prose import pages
from tests.emulators.confluence import ConfluenceServer
from tests.emulators.drive import DriveServer

SPACES = 5


async def serve(kind: str, documents: int, seconds: float) -> None:
    texts = itertools.islice(itertools.cycle(pages()), documents)
    async with AsyncExitStack() as stack:
        if kind == "confluence":
            confluence = await stack.enter_async_context(ConfluenceServer())
            spaces = [confluence.site.space(f"S{number}") for number in range(SPACES)]
            for number, (title, text) in enumerate(texts):
                body = "".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n\n"))
                confluence.site.page(spaces[number % SPACES], f"{title} {number}", f"{body}<p>Page {number}</p>")
            if seconds:
                confluence.api.fail(seconds=seconds, times=float("inf"))
            settings = {"url": confluence.url, "email": confluence.email, "api_token": confluence.token}
        else:
            google = await stack.enter_async_context(DriveServer())
            drive = google.drive.shared_drive("Team")
            folders = [google.drive.folder(f"Folder {number}", drive) for number in range(SPACES)]
            for number, (title, text) in enumerate(texts):
                google.drive.doc(f"{title} {number}", folders[number % SPACES], f"{text}\n\nPage {number}")
            if seconds:
                google.api.fail("*", "slow", seconds=seconds, times=sys.maxsize)
            key = google.write_credentials(Path(stack.enter_context(tempfile.TemporaryDirectory())) / "key.json")
            settings = {"api_url": google.url, "credentials": str(key), "drives": [drive.id]}
        print(json.dumps(settings), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@asynccontextmanager
async def emulated(kind: str, documents: int, seconds: float = 0.0) -> AsyncIterator[dict[str, Any]]:
    """The settings of a source over a service that is served as long as this lasts."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.benchmarks.emulated",
        kind,
        str(documents),
        str(seconds),
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
