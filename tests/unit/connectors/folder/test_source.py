from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.folder.source import FolderSource
from connectors.folder.tree import SETTLED_SECONDS
from core.errors import ConfigError, DocumentError, UserError
from core.models import NOBODY, PUBLIC, Access, AccessChanged
from tests.unit.connectors.folder.conftest import read

HR = Access(gates=(frozenset({"group:hr"}),))


def later(seconds: float = 2 * SETTLED_SECONDS):
    return lambda: time.time() + seconds


def folder(root: Path, **options: object) -> FolderSource:
    return FolderSource("docs", root, **options)


async def test_a_file_becomes_a_document_with_its_place_and_title(root: Path):
    file = root / "people ops" / "leave.md"
    file.parent.mkdir()
    file.write_text("Some words first.\n\n# **Leave** and [absence](x.md)\n\nThirty days.\n")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    document = (await read(folder(root, url="https://wiki.example/docs/"))).documents["people ops/leave.md"]
    assert document.id == "docs:people ops/leave.md"
    assert (document.title, document.path, document.source) == ("Leave and absence", ("people ops",), "docs")
    assert document.url == "https://wiki.example/docs/people%20ops/leave.md"
    assert (document.media_type, document.access) == ("text/markdown", PUBLIC)
    assert document.updated_at == datetime.fromtimestamp(1_700_000_000, UTC)


async def test_without_a_base_url_documents_open_as_files(root: Path):
    (root / "a b#c?.md").write_text("x")
    document = (await read(folder(root))).documents["a b#c?.md"]
    assert document.url == f"file://{root}/a%20b%23c%3F.md"


@pytest.mark.parametrize(
    ("name", "content", "title"),
    [
        ("a.md", "---\ntitle: From the front\n---\n# Heading", "From the front"),
        ("a.md", "```\n# not this\n```\nSetext here\n===\n", "Setext here"),
        ("a.md", "no heading", "a"),
        ("a.html", "<title>Fish &amp; chips</title><h1>No</h1>", "Fish & chips"),
        ("a.htm", "<h1>The <em>first</em></h1>", "The first"),
        ("release notes.txt", "# not markdown", "release notes"),
        ("a.csv", "x,y", "a"),
        ("a.md", "# " + "long " * 100, ("long " * 40)[:199].rstrip() + "…"),
    ],
)
async def test_titles(root: Path, name: str, content: str, title: str):
    (root / name).write_text(content)
    assert (await read(folder(root))).documents[name].title == title


async def test_the_front_matter_says_who_may_read_and_is_no_part_of_the_text(root: Path):
    (root / "pay.md").write_text("---\naccess: [group:hr]\nupdated: 2026-04-29\n---\n# Pay\n")
    document = (await read(folder(root))).documents["pay.md"]
    assert (document.access, document.body) == (HR, "# Pay\n")
    assert document.updated_at == datetime(2026, 4, 29, tzinfo=UTC)


async def test_folder_and_page_must_both_admit_a_reader(root: Path):
    (root / "people").mkdir()
    (root / ".access.toml").write_text('read = ["group:staff"]')
    (root / "people" / ".access.toml").write_text('read = ["group:hr"]')
    (root / "people" / "pay.md").write_text("---\naccess: [user:ana@acme.com]\n---\nx")
    access = (await read(folder(root))).documents["people/pay.md"].access
    assert set(access.gates) == {frozenset({"group:staff"}), frozenset({"group:hr"}), frozenset({"user:ana@acme.com"})}


async def test_access_files_are_neither_documents_nor_skipped(root: Path):
    (root / ".access.toml").write_text('read = ["everyone"]')
    found = await read(folder(root))
    assert (found.documents, found.skipped, found.failed) == ({}, {}, {})


@pytest.mark.parametrize("name", [".access.toml", ".access.yaml", "access.toml", ".Access.toml"])
async def test_an_access_file_that_means_nothing_closes_the_folder(root: Path, name: str):
    (root / "sub").mkdir()
    (root / "sub" / "a.md").write_text("x")
    (root / "b.md").write_text("x")
    (root / "sub" / name).write_text("readers: nobody knows")
    found = await read(folder(root))
    assert set(found.documents) == {"b.md"}
    assert name in found.failed["sub/a.md"]
    assert AccessChanged(document_id="docs:sub/a.md", access=NOBODY) in found.changes
    assert found.listed >= {"docs:sub/a.md", "docs:b.md"}


async def test_a_page_with_a_broken_declaration_is_hidden_and_reported(root: Path):
    (root / "pay.md").write_text("---\naccess: hr\n---\nx")
    found = await read(folder(root))
    assert "'hr' is no reader" in found.failed["pay.md"]
    assert AccessChanged(document_id="docs:pay.md", access=NOBODY) in found.changes
    with pytest.raises(DocumentError, match="no reader"):
        await folder(root).fetch("docs:pay.md")


async def test_what_is_no_document_is_skipped_with_its_reason(root: Path):
    outside = root.parent / f"{root.name}-outside.md"
    outside.write_text("secret of somebody else")
    (root / ".git").mkdir()
    (root / ".git" / "config.txt").write_text("x")
    (root / ".hidden.md").write_text("x")
    (root / "real.md").write_text("x")
    (root / "link.md").symlink_to(root / "real.md")
    (root / "away.md").symlink_to(outside)
    (root / "loop").symlink_to(root)
    (root / "dangling.md").symlink_to(root / "nothing.md")
    (root / "photo.PNG").write_bytes(b"x")
    (root / "Makefile").write_text("x")
    os.mkfifo(root / "pipe.md")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(root / "socket.md"))
        with (root / "big.txt").open("wb") as big:
            big.truncate(50 * 1024 * 1024 + 1)
        found = await read(folder(root))
    outside.unlink()
    assert set(found.documents) == {"real.md"}
    inside = "symbolic link (what it points to is read where it lies)"
    assert found.skipped == {
        ".git": "hidden",
        ".hidden.md": "hidden",
        "link.md": inside,
        "loop": inside,
        "dangling.md": inside,
        "away.md": "symbolic link that leaves the folder",
        "photo.PNG": "unsupported type .png",
        "Makefile": "unsupported type (no extension)",
        "pipe.md": "not a regular file",
        "socket.md": "not a regular file",
        "big.txt": "larger than 50 MB",
    }
    assert found.listed == {"docs:real.md", *(f"docs:{name}" for name in found.skipped)}


async def test_a_link_that_took_a_folders_place_leads_nowhere(root: Path):
    secret = root.parent / f"{root.name}-secret"
    secret.mkdir()
    (secret / "a.md").write_text("secret")
    (root / "sub").symlink_to(secret)
    assert await folder(root).fetch("docs:sub/a.md") is None
    (secret / "a.md").unlink()
    secret.rmdir()


@pytest.mark.parametrize(
    "name", ["two\nlines.md", "emoji 🚄.md", "a%20b#c?d.md", "-rf.md", "'quotes\".md", "back\\slash.md", "\u202ertl.md"]
)
async def test_odd_names_are_read_fetched_and_listed(root: Path, name: str):
    (root / name).write_text("# Fine\n")
    source = folder(root)
    found = await read(source)
    [document] = found.documents.values()
    assert (await source.fetch(document.id)) == document
    assert found.listed == {document.id}
    for scope in (document.id, document.url):
        assert [id async for id in source.select(scope)] == [document.id]


async def test_a_name_that_is_not_utf8_is_read_too(root: Path):
    (root / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    source = folder(root)
    [document] = (await read(source)).documents.values()
    assert (document.id, document.title) == ("docs:caf\\xe9.txt", "caf\ufffd")
    assert document.url.endswith("caf%E9.txt")
    assert await source.fetch(document.id) == document


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\xef\xbb\xbfplain", "plain"),
        ("Grüße".encode("utf-16"), "Grüße"),
        ("Grüße €".encode("cp1252"), "Grüße €"),
        ("日本語".encode(), "日本語"),
    ],
)
async def test_text_is_read_in_the_encodings_that_people_use(root: Path, data: bytes, text: str):
    (root / "a.txt").write_bytes(data)
    assert (await read(folder(root))).documents["a.txt"].body == text


async def test_binary_data_under_a_text_name_fails_and_the_rest_goes_on(root: Path):
    (root / "a.md").write_bytes(b"-\0-\0-\0\n\0")
    (root / "b.md").write_text("x")
    found = await read(folder(root))
    assert set(found.documents) == {"b.md"}
    assert "binary data" in found.failed["a.md"]


async def test_files_that_we_may_not_read_are_hidden_and_reported(root: Path, request):
    (root / "closed.md").write_text("x")
    (root / "closed.md").chmod(0)
    (root / "open.md").write_text("x")
    request.getfixturevalue("unprivileged")
    found = await read(folder(root))
    assert set(found.documents) == {"open.md"}
    assert "Permission denied" in found.failed["closed.md"]
    assert AccessChanged(document_id="docs:closed.md", access=NOBODY) in found.changes


async def test_a_folder_that_we_may_not_list_makes_the_listing_incomplete_and_hides_what_was_in_it(root: Path, request):
    (root / "sub").mkdir()
    (root / "sub" / "a.md").write_text("x")
    (root / "b.md").write_text("x")
    source = folder(root, clock=later())
    before = await read(source)
    (root / "sub").chmod(0)
    request.getfixturevalue("unprivileged")
    found = await read(source, before)
    assert "cannot be listed" in found.failed["sub"]
    assert AccessChanged(document_id="docs:sub/a.md", access=NOBODY) in found.changes
    assert found.listed is None
    os.seteuid(0) if os.getuid() == 0 else None
    (root / "sub").chmod(0o755)
    assert set((await read(source, found)).documents) == {"sub/a.md"}


async def test_an_access_file_that_we_may_not_read_closes_its_folder(root: Path, request):
    (root / ".access.toml").write_text('read = ["everyone"]')
    (root / ".access.toml").chmod(0)
    (root / "a.md").write_text("x")
    request.getfixturevalue("unprivileged")
    found = await read(folder(root))
    assert (found.documents, set(found.failed)) == ({}, {"a.md"})


async def test_only_what_changed_since_is_read(root: Path):
    for name in ("a.md", "b.md"):
        (root / name).write_text("x")
    source = folder(root, clock=later())
    before = await read(source)
    assert (await read(source, before)).documents == {}
    (root / "b.md").write_text("y")
    (root / "new.md").write_text("z")
    assert list((await read(source, before)).documents) == ["b.md", "new.md"]


async def test_a_change_of_a_folders_access_is_a_change_of_all_files_below(root: Path):
    (root / "sub").mkdir()
    (root / "sub" / "a.md").write_text("x")
    (root / "b.md").write_text("x")
    source = folder(root, clock=later())
    before = await read(source)
    (root / "sub" / ".access.toml").write_text('read = ["group:hr"]')
    assert {id: d.access for id, d in (await read(source, before)).documents.items()} == {"sub/a.md": HR}


async def test_known_files_come_before_new_ones(root: Path):
    for name in ("m.md", "n.md"):
        (root / name).write_text("x")
    source = folder(root, clock=later())
    before = await read(source)
    for name in ("a.md", "m.md", "n.md"):
        (root / name).write_text("y")
    assert list((await read(source, before)).documents) == ["m.md", "n.md", "a.md"]


async def test_a_second_change_within_the_resolution_of_the_clock_is_not_lost(root: Path):
    file = root / "a.md"
    source = folder(root)
    file.write_text("one")
    status = file.stat()
    first = await read(source)
    file.write_text("two")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (await read(source, first)).documents["a.md"].body == "two"


async def test_a_file_moved_over_another_one_with_an_old_date_is_a_change(root: Path):
    (root / "a.md").write_text("one")
    (root / "b.md").write_text("two")
    os.utime(root / "a.md", (1e9, 1e9))
    os.utime(root / "b.md", (1e9, 1e9))
    source = folder(root, clock=later())
    before = await read(source)
    os.replace(root / "b.md", root / "a.md")
    assert (await read(source, before)).documents["a.md"].body == "two"


async def test_a_file_a_folder_and_an_address_select_what_lies_there(root: Path):
    for name in ("a.md", "trips/visa rules.md", "trips/far/b.md"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")
    source = folder(root, url="https://wiki.acme.com/h")

    async def selected(scope: str) -> list[str]:
        return [id async for id in source.select(scope)]

    assert await selected("a.md") == ["docs:a.md"]
    assert set(await selected("trips/")) == {"docs:trips/visa rules.md", "docs:trips/far/b.md"}
    assert await selected("https://wiki.acme.com/h/trips/visa%20rules.md") == ["docs:trips/visa rules.md"]
    for nothing in ("tri", "https://elsewhere.com/a.md", "../a.md", ""):
        with pytest.raises(UserError, match="has no file or folder"):
            await selected(nothing)


async def test_a_file_that_vanishes_between_listing_and_reading_is_no_failure(root: Path):
    for name in ("a.md", "b.md", "c.md"):
        (root / name).write_text("x")
    found = []
    async for change in folder(root).changes(None, {}):
        found.append(change)
        (root / "b.md").unlink(missing_ok=True)
    assert [type(change).__name__ for change in found] == ["Listed", "Upsert", "Upsert", "Checkpoint"]


async def test_a_file_that_is_written_all_the_time_holds_nobody_up(root: Path):
    (root / "a.log.txt").write_text("x" * 3_000_000)
    (root / "b.md").write_text("x")
    stop = threading.Event()

    def write() -> None:
        with (root / "a.log.txt").open("a") as file:
            while not stop.is_set():
                file.write("more\n")
                file.flush()
                time.sleep(0.0001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = await read(folder(root))
    finally:
        stop.set()
        writer.join()
    assert "b.md" in found.documents
    assert found.failed in ({}, {"a.log.txt": "it changes while it is read; the next sync tries again"})
    assert (await read(folder(root), found)).documents["a.log.txt"].body.endswith("more\n")


async def test_a_root_that_is_gone_or_no_folder_is_an_error_and_no_deletion(root: Path):
    missing = folder(root / "missing")
    for call in (missing.check, lambda: read(missing), lambda: missing.fetch("docs:a.md")):
        with pytest.raises(ConfigError, match="cannot be read"):
            await call()
    (root / "file").write_text("x")
    with pytest.raises(ConfigError, match="is not a folder"):
        await folder(root / "file").check()


async def test_check_says_what_was_found(root: Path):
    (root / "a.md").write_text("x")
    assert await folder(root).check() == f"{root}: 1 documents"


async def test_a_very_deep_tree_is_read(root: Path):
    deep = root.joinpath(*["d"] * 300)
    deep.mkdir(parents=True)
    (deep / "a.md").write_text("x")
    assert len((await read(folder(root))).documents) == 1


async def test_office_files_keep_their_bytes(root: Path):
    (root / "a.docx").write_bytes(b"PK\x03\x04\0\0")
    document = (await read(folder(root))).documents["a.docx"]
    assert document.body == b"PK\x03\x04\0\0"
    assert document.media_type == "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


async def test_others_are_served_while_thousands_of_unchanged_files_are_compared(root: Path):
    for number in range(6000):
        (root / f"a page of the handbook, number {number}.md").touch()
    source = folder(root, clock=later())
    before = await read(source)
    longest = 0.0

    async def others() -> None:
        nonlocal longest
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - began)

    serving = asyncio.create_task(others())
    await asyncio.sleep(0.01)
    again = await read(source, before)
    assert (again.documents, len(again.listed)) == ({}, 6000)
    await asyncio.sleep(0.01)
    serving.cancel()
    assert longest < 0.05


async def test_who_may_read_a_file_that_turned_unreadable_is_unknown(root: Path):
    (root / "pay.md").write_text("Everybody earns thirty.")
    source = folder(root)
    before = await read(source)
    (root / ".access.toml").write_text('read = ["group:hr"]')
    (root / "pay.md").write_bytes(b"\0\1\2")
    told = await read(source, before)
    assert "binary" in told.failed["pay.md"]
    assert AccessChanged(document_id="docs:pay.md", access=NOBODY) in told.changes
