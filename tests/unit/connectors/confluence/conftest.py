"""A Confluence source on an emulated site in this process, and the engine that takes over what it tells. Nobody waits:
the clock of the loop jumps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from connectors.confluence.source import ConfluenceSource
from core.indexing.sync import Syncer
from core.limits import LocalLimiter
from core.models import Access, Change, Document, Groups, Known, Listed, SyncReport, SyncRequest, SyncState, Upsert
from core.principals import expand
from core.settings import ConfluenceConfig
from tests.emulators.confluence import Account, ConfluenceApi, Content, Site
from tests.memory_index import LineParser, MemoryIndex, MemoryLedger, WordEmbedder
from tests.sources import NOON
from tests.virtual_time import LOOPS


def pytest_asyncio_loop_factories(config, item):
    return LOOPS


class Acme:
    """A site, a source that reads it, and an index that is brought in step with it."""

    def __init__(self, *, data_center: bool = False, **api: object) -> None:
        self.time = NOON
        self.loop = asyncio.get_running_loop()
        self.site = Site(data_center=data_center, clock=lambda: self.time)
        self.api = ConfluenceApi(self.site, monotonic=self.loop.time, **api)
        self.ana, self.bob = self.site.user("Ana"), self.site.user("Bob")
        self.eng = self.site.space("ENG", "Engineering")
        self.index = MemoryIndex()
        self.ledger = MemoryLedger(self.index)
        self.parser = LineParser()
        self._sources: list[ConfluenceSource] = []
        self.source = self.connect()

    def connect(self, *, transport: httpx.AsyncBaseTransport | None = None, **fields: object) -> ConfluenceSource:
        """Another source on the same site."""
        is_scoped = self.api.credentials.scopes is not None
        defaults = {"url": self.api.url, "api_token": self.api.token}
        if not (self.site.data_center or is_scoped):
            defaults["email"] = self.api.email
        limiter = LocalLimiter(clock=self.loop.time)
        config = ConfluenceConfig(**(defaults | fields))
        source = ConfluenceSource(config, limiter, transport=transport or self.api, clock=lambda: self.time)
        self._sources.append(source)
        return source

    async def close(self) -> None:
        for source in self._sources:
            await source.close()

    async def told(self, known=None) -> list[Change]:
        """What the source tells, beginning with nothing, or with what is ``known``."""
        return [change async for change in self.source.changes(None, known or {})]

    async def documents(self) -> dict[str, Document]:
        """By title."""
        return {change.document.title: change.document for change in await self.told() if isinstance(change, Upsert)}

    async def sync(self, **fields: object) -> SyncReport:
        """One sync by the engine, a minute later."""
        self.time += timedelta(minutes=1)
        self.api.forget()
        syncer = Syncer(self.index, self.parser, WordEmbedder(), clock=lambda: self.time)
        request = SyncRequest(id="r", source=self.source.name, requested_by="cli", at=self.time, **fields)
        state = SyncState(source=self.source.name, cursor=self.ledger.cursor)
        return await syncer.run(self.source, request, state, self.ledger)

    async def known(self) -> dict[str, Known]:
        """As the index holds it."""
        return {
            record.document_id: Known(version=record.version, access_class=record.access_class)
            async for record in self.index.records(self.source.name)
        }

    def text_of(self, content: Content) -> str:
        return self.index.text_of(f"confluence:{content.id}")

    def may_read(self, person: Account, content: Content) -> bool:
        """As far as the index knows."""
        access = self.index.access_of(f"confluence:{content.id}")
        return access is not None and access.admits(expand({f"user:{person.email}"}, self.ledger.members))

    def agrees(self) -> bool:
        """The index holds what the account sees, for those who may read it."""
        visible = self.site.visible_documents()
        assert self.index.documents == {_id(content) for content in visible.values()}
        for content in visible.values():
            access = self.index.access_of(_id(content))
            held = {person.id for person in self.site.accounts.values() if self._admits(access, person)}
            assert held == {person.id for person in self.site.accounts.values() if self.site.may_read(person, content)}, content
        return True

    def _admits(self, access: Access, person: Account) -> bool:
        return access.admits(expand({f"user:{person.email}"}, self.ledger.members))


def _id(content: Content) -> str:
    return f"confluence:{'comment:' if content.kind == 'comment' else ''}{content.id}"


def of(kind: type, changes: list[Change]) -> list:
    return [change for change in changes if isinstance(change, kind)]


def listed(changes: list[Change]) -> frozenset[str]:
    [listing] = of(Listed, changes)
    return listing.document_ids


def members(changes: list[Change]) -> dict:
    [groups] = of(Groups, changes)
    return dict(groups.members)


@pytest.fixture
async def acme() -> AsyncIterator[Acme]:
    """Cloud."""
    acme = Acme()
    yield acme
    await acme.close()
    assert acme.api.flaws == [], "all requests and answers are as Atlassian's documents say"


@pytest.fixture
async def data_center() -> AsyncIterator[Acme]:
    acme = Acme(data_center=True)
    yield acme
    await acme.close()


@pytest.fixture(params=["cloud", "data center"])
async def either(request) -> AsyncIterator[Acme]:
    acme = Acme(data_center=request.param == "data center")
    yield acme
    await acme.close()
    assert acme.api.flaws == []
