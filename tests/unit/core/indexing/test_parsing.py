"""The guarded process: limits, death and sleep. What each format gives is in test_readers.py."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import docx
import pytest

from core.errors import DocumentError
from core.indexing.parsing import MAX_BODY, MEDIA_TYPES, Block, Limits, Parser
from core.models import PUBLIC, Document

ROOT = Path(__file__).parents[4]
DOCX = MEDIA_TYPES[".docx"]
ENDLESS = b"".join(b"<table>" + b"<tr><td rowspan=50 colspan=50>x" * 2000 for _ in range(40))
"""HTML that takes minutes to read."""


def document(body: str | bytes, media_type: str = "text/plain", name: str = "Notes") -> Document:
    return Document(
        id=f"folder:{name}",
        source="folder",
        title=name,
        url="",
        body=body,
        media_type=media_type,
        updated_at=datetime(2026, 11, 2, tzinfo=UTC),
        access=PUBLIC,
    )


@pytest.fixture
async def parser() -> AsyncIterator[Parser]:
    parser = Parser()
    yield parser
    await parser.close()


def pid(parser: Parser) -> int:
    assert parser.pid
    return parser.pid


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def gone(pid: int, seconds: float = 30.0) -> bool:
    """Whether it is within so many seconds."""
    for _ in range(int(seconds / 0.02)):
        if not alive(pid):
            return True
        await asyncio.sleep(0.02)
    return False


async def test_documents_queue_for_one_process_and_each_gets_its_own_answer(parser):
    found = await asyncio.gather(*(parser.parse(document(f"Text {number}.")) for number in range(30)))
    assert found == [[Block("text", f"Text {number}.")] for number in range(30)]
    first = pid(parser)
    await parser.parse(document("# Title\n\nMore.", "text/markdown"))
    assert pid(parser) == first


async def test_large_bodies_pass_through_the_pipes(parser):
    body = "\n\n".join(f"Paragraph {number} of a long text." for number in range(100_000))
    assert len(await parser.parse(document(body))) == 100_000


async def test_errors_name_the_document_and_what_to_do(parser):
    with pytest.raises(DocumentError, match=r"^Empty\.pdf is empty: there is nothing to index\.$"):
        await parser.parse(document(b"", "application/pdf", "Empty.pdf"))
    with pytest.raises(DocumentError, match=r"^Huge has 101 MB, more than the 100 MB that are accepted: split it\.$"):
        await parser.parse(document(bytes(MAX_BODY + 2**20), name="Huge"))
    assert await parser.parse(document("fine")) == [Block("text", "fine")]


async def test_text_that_cannot_be_encoded_is_read_all_the_same(parser):
    assert await parser.parse(document("caf\ud800é")) == [Block("text", "caf?é")]


async def test_a_document_that_would_take_forever_is_stopped_and_the_next_goes_on():
    parser = Parser(Limits(wall=3))
    await parser.parse(document("warm"))
    before = pid(parser)
    body = document(ENDLESS, "text/html", "Slow")
    began = time.monotonic()
    with pytest.raises(DocumentError, match=r"^Slow could not be parsed within 3 seconds"):
        await parser.parse(body)
    assert time.monotonic() - began < 30
    assert not alive(before)
    assert await parser.parse(document("next")) == [Block("text", "next")]
    await parser.close()


async def test_the_kernel_stops_a_document_that_burns_the_processor():
    parser = Parser(Limits(cpu=2, wall=60))
    body = document(ENDLESS, "text/html", "Slow")
    with pytest.raises(DocumentError, match="needs more than 2 seconds of processor time"):
        await parser.parse(body)
    assert await parser.parse(document("next")) == [Block("text", "next")]
    await parser.close()


async def test_the_time_of_earlier_documents_does_not_count():
    parser = Parser(Limits(cpu=2))
    for _ in range(4):
        rows = "\n".join(f"{number},{number * 2},{number * 3}" for number in range(60_000))
        assert await parser.parse(document(rows, "text/csv"))
    await parser.close()


async def test_a_document_that_needs_too_much_memory_fails_alone():
    parser = Parser(Limits(memory=420 * 2**20))
    await parser.parse(document("# warm\n\nText.", "text/markdown"))
    file = io.BytesIO()
    docx.Document().save(file)
    with zipfile.ZipFile(file) as good:
        content = {name: good.read(name) for name in good.namelist()}
    content["word/document.xml"] = (
        b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'
        + b"<w:p><w:r><w:t>Text that repeats.</w:t></w:r></w:p>" * 2_000_000
        + b"</w:body></w:document>"
    )
    content["word/noise.bin"] = os.urandom(2 * 2**20)
    with zipfile.ZipFile(file := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in content.items():
            archive.writestr(name, part)
    with pytest.raises(DocumentError, match=r"^Large (needs too much memory|made the parser fail)"):
        await parser.parse(document(file.getvalue(), DOCX, "Large"))
    assert await parser.parse(document("next")) == [Block("text", "next")]
    await parser.close()


@pytest.mark.fault
async def test_a_process_that_was_killed_between_documents_is_replaced_unnoticed(parser):
    for _ in range(3):
        await parser.parse(document("one"))
        os.kill(pid(parser), signal.SIGKILL)
        assert await parser.parse(document("two")) == [Block("text", "two")]


@pytest.mark.fault
async def test_a_process_that_stands_still_is_given_up():
    parser = Parser(Limits(wall=1))
    await parser.parse(document("one"))
    os.kill(pid(parser), signal.SIGSTOP)
    with pytest.raises(DocumentError, match="within 1 seconds"):
        await parser.parse(document("two"))
    assert await parser.parse(document("three")) == [Block("text", "three")]
    await parser.close()


async def test_a_cancelled_parse_does_not_disturb_the_next(parser):
    await parser.parse(document("warm"))
    task = asyncio.create_task(parser.parse(document(ENDLESS, "text/html")))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await parser.parse(document("next")) == [Block("text", "next")]


async def test_it_sleeps_when_idle_and_wakes_when_asked():
    parser = Parser(Limits(idle=1))
    await parser.parse(document("one"))
    first = pid(parser)
    assert parser.awake
    assert await gone(first)
    assert not parser.awake
    assert await parser.parse(document("two")) == [Block("text", "two")]
    assert pid(parser) != first
    await parser.close()


async def test_the_process_gets_no_tokens(parser):
    os.environ["SLACK_BOT_TOKEN"] = "xoxb-secret"
    try:
        await parser.parse(document("one"))
    finally:
        del os.environ["SLACK_BOT_TOKEN"]
    assert "PATH=" in environment(pid(parser))
    assert "xoxb-secret" not in environment(pid(parser))


async def test_closing_ends_the_process_and_may_be_repeated(parser):
    await parser.parse(document("one"))
    process = pid(parser)
    await parser.close()
    await parser.close()
    assert await gone(process)


@pytest.mark.fault
def test_it_dies_with_its_parent():
    program = """
import asyncio
from tests.unit.core.indexing.test_parsing import Parser, document

async def main():
    parser = Parser()
    await parser.parse(document("one"))
    print(parser.pid, flush=True)
    await parser.parse(document("<table><tr><td rowspan=50 colspan=50>" * 4000, "text/html"))
    await asyncio.sleep(60)

asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert parent.stdout
    child = int(parent.stdout.readline())
    assert alive(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert asyncio.run(gone(child))


def test_the_process_cannot_connect_nor_start_programs():
    """Its guard is asked itself: with an audit hook there is no way back."""
    program = """
import os, socket, subprocess, sys, urllib.request
from core.indexing.parser_worker import _guard
sys.addaudithook(_guard)
attempts = [
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("example.com", 80),
    lambda: urllib.request.urlopen("http://127.0.0.1:9/"),
    lambda: subprocess.run(["true"]),
    lambda: os.system("true"),
    lambda: os.fork(),
    lambda: os.posix_spawn("/bin/true", ["true"], {}),
    lambda: os.execv("/bin/true", ["true"]),
    lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9)),
]
for attempt in attempts:
    try:
        attempt()
    except PermissionError:
        continue
    except OSError as error:
        if isinstance(getattr(error, "reason", None), PermissionError):
            continue
    sys.exit("an attempt got through")
print("all refused")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout == "all refused\n", done.stderr
