"""What a whole Footnote process costs: time to help, time to be ready, memory at rest."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
FOOTNOTE = Path(sys.executable).with_name("footnote")
LIBRARIES = (
    "bots.serve, bots.commands.registry, bots.responder, connectors.registry, core.answering.assistant, core.answering.gate, "
    "core.indexing.index, core.indexing.jobs, core.indexing.parsing, core.indexing.sync, core.settings, "
    "aiohttp.web, httpx, onnxruntime, qdrant_client, qdrant_edge, redis.asyncio, tokenizers"
)
RUNS = 5


async def seconds(*command: str | Path) -> float:
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    assert await process.wait() == 0
    return time.perf_counter() - started


@asynccontextmanager
async def serving(data_dir: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, float]]:
    """`footnote serve` over the sample pages, and the seconds until it said that it was ready."""
    settings = {
        "PATH": str(FOOTNOTE.parent),
        "HOME": str(data_dir),
        "FOOTNOTE_DATA_DIR": str(data_dir / "d"),
        "FOOTNOTE_FOLDER": str(ROOT / "deploy" / "handbook"),
        "FOOTNOTE_HTTP_PORT": "0",
        "FOOTNOTE_LOG_FORMAT": "json",
    }
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        FOOTNOTE, "serve", cwd=data_dir, env=settings, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    try:
        await said(process, "footnote.ready")
        yield process, time.perf_counter() - started
    finally:
        process.terminate()
        await process.communicate()


async def said(process: asyncio.subprocess.Process, event: str) -> None:
    assert process.stderr is not None
    async with asyncio.timeout(180):
        async for line in process.stderr:
            if line.startswith(b"{") and json.loads(line).get("event") == event:
                return
    raise AssertionError(f"the process ended before {event}")


async def test_help_is_instant() -> None:
    median = statistics.median([await seconds(FOOTNOTE, "--help") for _ in range(RUNS)])
    print(f"\nfootnote --help: {median:.2f} s (median of {RUNS})")
    assert median <= 0.5


async def test_serve_is_ready_little_later_than_its_libraries_are_imported(data_dir: Path) -> None:
    ratios = []
    for _ in range(RUNS):
        imports = await seconds(sys.executable, "-c", f"import {LIBRARIES}")
        async with serving(data_dir) as (_, ready):
            ratios.append(ready / imports)
            print(f"\nready {ready:.2f} s, imports {imports:.2f} s, ratio {ratios[-1]:.2f}")
    assert statistics.median(ratios) <= 1.3


async def test_at_rest_all_processes_together_stay_small(data_dir: Path) -> None:
    async with serving(data_dir) as (process, _):
        await said(process, "sync.finished")
        async with asyncio.timeout(120):
            while any("parser_worker" in line for line in processes_of(data_dir, process.pid).values()):
                await asyncio.sleep(1)
        resident = {line: resident_mb(pid) for pid, line in processes_of(data_dir, process.pid).items()}
    for line, mb in resident.items():
        print(f"\n{mb:6.0f} MB  {line[:90]}", end="")
    print(f"\n{sum(resident.values()):6.0f} MB  together")
    assert len(resident) >= 3
    assert sum(resident.values()) <= 900


def processes_of(data_dir: Path, serve: int) -> dict[int, str]:
    """Command lines of the server, its children, and the engines that keep this data dir."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if int(entry.name) == serve or parent == serve or str(data_dir) in line:
            found[int(entry.name)] = line
    return found


def resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024
