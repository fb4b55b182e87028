"""The sample pages: everybody may read most of them, and what the demo asks is in them for those who may know it."""

from __future__ import annotations

import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.folder.source import FolderSource
from core.indexing.parsing import Parser
from core.models import ANYONE, PUBLIC, Audience, Document, Failed, Skipped, Upsert
from core.principals import expand
from core.settings import ConfigFile

DEPLOY = Path(__file__).parents[3] / "deploy"
GROUPS = ConfigFile.model_validate(tomllib.loads((DEPLOY / "handbook.toml").read_text())).groups
QUESTIONS: list[dict[str, Any]] = tomllib.loads((DEPLOY / "demo.toml").read_text())["questions"]
DOMAIN = "@quillmoor.example"

Pages = dict[str, Document]


@pytest.fixture
async def pages() -> Pages:
    changes = [change async for change in FolderSource("folder", DEPLOY / "handbook").changes(None, {})]
    assert [change for change in changes if isinstance(change, Failed | Skipped)] == []
    return {change.document.id.removeprefix("folder:"): change.document for change in changes if isinstance(change, Upsert)}


def readers_of(document: Document, *names: str) -> list[str]:
    return [name for name in names if Audience.of(expand({f"user:{name}{DOMAIN}"}, GROUPS)).may_read(document.access)]


async def test_it_is_small_and_of_every_common_kind(pages: Pages) -> None:
    kinds = Counter(name.rpartition(".")[2] for name in pages)
    assert kinds["md"] >= 10
    assert set(kinds) == {"md", "html", "docx", "pdf", "xlsx"}
    assert 16 <= len(pages) <= 20
    assert max(path.stat().st_size for path in (DEPLOY / "handbook").rglob("*.*")) < 40_000


async def test_its_restricted_pages_are_for_those_whom_they_name(pages: Pages) -> None:
    restricted = {
        name: readers_of(page, "ines", "priya", "mara", "jonas", "sam") for name, page in pages.items() if page.access != PUBLIC
    }
    assert restricted == {
        "finance/board-notes-2026-q1.md": ["ines", "priya"],
        "people/handover-jonas-to-mara.md": ["mara"],
        "people/salary-bands.md": ["mara", "jonas"],
    }


async def test_no_page_was_changed_in_the_future(pages: Pages) -> None:
    dated = [page for page in pages.values() if page.metadata.get("updated")]
    assert len(dated) >= 10
    assert all(datetime(2026, 1, 1, tzinfo=UTC) <= page.updated_at <= datetime(2026, 11, 1, tzinfo=UTC) for page in dated)


async def test_what_the_demo_asks_is_in_the_pages_for_those_who_may_know_it_and_not_for_others(pages: Pages) -> None:
    parser = Parser()
    try:
        texts = {
            name: " ".join(" ".join(block.text for block in await parser.parse(page)).split()) for name, page in pages.items()
        }
    finally:
        await parser.close()
    assert [question["ask"] for question in QUESTIONS if not question.get("expect")], "one question has no answer in the pages"
    for question in QUESTIONS:
        readers = [expand({reader}, GROUPS) for reader in question.get("as", ())]
        audience = Audience.of(*readers) if readers else ANYONE
        readable = [text for name, text in texts.items() if audience.may_read(pages[name].access)]
        assert any(question.get("expect", "") in text for text in readable), question
        assert not any(fact in text for fact in question.get("never", ()) for text in readable), question
        assert all(any(fact in text for text in texts.values()) for fact in question.get("never", ())), question
