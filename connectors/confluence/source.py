"""A Confluence as a source: pages, blog posts, attachments and comment threads, and who may read them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import aclosing
from datetime import datetime

import httpx

from connectors.confluence.access import Gates, account, group
from connectors.confluence.client import GATEWAY_PATH, Client, hosts_of
from connectors.confluence.cloud import Cloud
from connectors.confluence.cloud_readers import CloudReaders
from connectors.confluence.data_center import DataCenter
from connectors.confluence.data_center_readers import DataCenterReaders
from connectors.confluence.entries import Entry, entries_of
from connectors.confluence.listing import Listing, Page, Space
from connectors.confluence.readers import Readers
from connectors.confluence.reading import Reader
from connectors.confluence.scope import Scope, parse_scope
from connectors.confluence.site import Site
from connectors.http import Rejected
from core.addresses import is_at
from core.errors import AuthError, DocumentError, UserError
from core.indexing.cleaning import one_line
from core.models import (
    NOBODY,
    PUBLIC,
    AccessChanged,
    Change,
    Checkpoint,
    Document,
    Failed,
    Groups,
    Known,
    Listed,
    Principal,
    now,
)
from core.ports import Limiter
from core.settings import ConfluenceConfig
from core.together import Together, cancelled

TRIES = 3
"""Times that a document is read again, because it was edited while it was read."""


class ConfluenceSource:
    """Each sync lists everything anew, without bodies, and who may read it: so it sees what moves no date, as
    restrictions, moves, groups and deletions do. Bodies are read where the version is not the known one.

    That makes the cursor a mere formality. There is no watermark that could pass over something, and no clock of ours or
    of theirs to compare.

    Archived pages and spaces, drafts and the trash are left out, and so is a reply to a comment that is gone.
    """

    def __init__(
        self,
        config: ConfluenceConfig,
        limiter: Limiter,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self.name = config.name
        self._keys = config.spaces
        self._hosts = hosts_of(config)
        self._client = Client(config, limiter, transport)
        self._site: Site = Cloud(self._client) if self._client.cloud else DataCenter(self._client)
        self._readers: Readers = (
            CloudReaders(self._client, self.name) if self._client.cloud else DataCenterReaders(self._client, self.name, clock)
        )

    async def close(self) -> None:
        await self._client.close()

    async def check(self) -> str:
        flavour = "Cloud" if self._client.cloud else "Data Center"
        try:
            name = await self._site.account()
        except Rejected as error:
            raise self._client.not_here(error, "who we are") from error
        spaces = await self._spaces()
        seen = f"{len(spaces)} space{'' if len(spaces) == 1 else 's'}"
        if not is_at(self._client.base, self._hosts):
            seen += f". Its pages are at {self._client.base}, where footnotes link to only if pages_url in footnote.toml says so"
        return f"Confluence {flavour} at {self._client.url} as {name}: {seen}"

    async def changes(self, cursor: str | None, known: Mapping[str, Known]) -> AsyncGenerator[Change, None]:
        listing = await self._site.listing(await self._spaces())
        gates = await self._gates(listing)
        # In a thread: thousands of hashes take longer than the event loop may be kept.
        entries = await asyncio.to_thread(lambda: {entry.id: entry for entry in entries_of(self.name, listing, gates)})
        # Those whose access in the index is not theirs any more.
        outdated = {id for id, entry in entries.items() if _has_other_access(known.get(id), entry)}
        edited = {id for id, entry in entries.items() if id not in known or known[id].version != entry.version}
        edited |= await self._edited_since([entries[id] for id in outdated - edited if entries[id].access != NOBODY], listing)
        changed = [entry for id, entry in entries.items() if id in edited]
        # Where the old content is open to others than the new one, it has to go first, and old content before anything new.
        urgent = [entry for entry in changed if entry.id in outdated]
        old = [entry for entry in changed if entry.id in known and entry.id not in outdated]
        new = [entry for entry in changed if entry.id not in known]
        contents = self._contents(Reader(self.name, self._site, self._readers, listing, self.fetch), urgent, old, new)
        # Read while the groups are.
        first = asyncio.create_task(anext(contents, None))
        try:
            yield Groups(members=await self._groups(gates))
            yield Listed(document_ids=frozenset(entries), expected=len(changed))
            for entry in sorted(
                (entries[id] for id in outdated - edited),
                key=lambda entry: _width(known[entry.id], entry),
            ):
                yield AccessChanged(document_id=entry.id, access=entry.access)
            if change := await first:
                yield change
            async for change in contents:
                yield change
        finally:
            await cancelled(first)
            await contents.aclose()
        yield Checkpoint(cursor="listed")

    async def _edited_since(self, entries: Collection[Entry], listing: Listing) -> set[str]:
        """Which of these are not as they were listed: what is in the index of them is older than who may read them, and may
        never have been meant for those.
        """
        pages = [entry.of if isinstance(entry.of, Page) else listing.pages[entry.of.page_id] for entry in entries]
        if not pages:
            return set()
        again = await self._site.listing([listing.spaces[id] for id in sorted({page.space_id for page in pages})])
        found = await asyncio.to_thread(
            lambda: {entry.id: entry.version for entry in entries_of(self.name, again, Gates(again, {}, {}))}
        )
        return {entry.id for entry in entries if found.get(entry.id) != entry.version}

    async def _contents(self, reader: Reader, urgent: list[Entry], *others: list[Entry]) -> AsyncGenerator[Change, None]:
        for some in (urgent, *others):
            async with aclosing(reader.changes(some)) as changes:
                async for change in changes:
                    if isinstance(change, Failed) and some is urgent:
                        yield AccessChanged(document_id=change.document_id, access=NOBODY)
                    yield change

    async def fetch(self, document_id: str) -> Document | None:
        source, _, id = document_id.partition(":")
        if source != self.name:
            return None
        for _ in range(TRIES):
            listing = await self._site.trace(id)
            if listing is None or not self._is_ours(listing):
                return None
            # As in changes(): first the version, then who may read it, then the body of that version.
            gates = await self._gates(listing)
            entry = next((entry for entry in entries_of(self.name, listing, gates) if entry.id == document_id), None)
            if entry is None:
                return None
            if document := await Reader(self.name, self._site, self._readers, listing, self.fetch).document(entry):
                return document
        raise DocumentError("it is edited again and again: it is read when it rests")

    async def select(self, scope: str) -> AsyncIterator[str]:
        wanted = parse_scope(scope, self.name, await self._home())
        listing = await self._select(wanted)
        if listing is None or not self._is_ours(listing):
            raise UserError(f"{scope!r} is not in {self.name}, or not shared with its account: ask for a page that is")
        is_whole = not wanted.id or wanted.id.isdecimal()
        # Who may read them is asked when they are fetched.
        for entry in entries_of(self.name, listing, Gates(listing, {}, {})):
            if entry.skip is None and (is_whole or entry.id == f"{self.name}:{wanted.id}"):
                yield entry.id

    # What there is, and for whom.

    async def _spaces(self) -> list[Space]:
        try:
            spaces = await self._site.spaces(self._keys)
        except Rejected as error:
            raise self._client.not_here(error, "the list of spaces") from error
        if vanished := sorted(set(self._keys) - {space.key for space in spaces}):
            raise AuthError(
                f"the space {one_line(', '.join(vanished))} vanished, was archived, or is not shared with the account of "
                f"{self.name}: share it, or take it out of CONFLUENCE_SPACES (keys are written as "
                "Confluence writes them: ENG). Until then nothing of this source is changed."
            )
        return spaces

    def _is_ours(self, listing: Listing) -> bool:
        return bool(listing.spaces) and (not self._keys or all(space.key in self._keys for space in listing.spaces.values()))

    async def _gates(self, listing: Listing) -> Gates:
        async with Together() as tasks:
            readers = tasks.create_task(self._readers.of_spaces(list(listing.spaces.values())))
            restrictions = tasks.create_task(self._readers.restrictions(listing))
        return Gates(listing, readers.result(), restrictions.result())

    async def _groups(self, gates: Gates) -> dict[Principal, frozenset[Principal]]:
        named = [principal.split(":", 2) for principal in gates.principals if ":" in principal]
        groups = {id for kind, _, id in named if kind == "group"}
        people = await self._readers.people(groups, {id for kind, _, id in named if kind == "account"})
        members = {
            group(self.name, id): frozenset(account(self.name, one) for one in found) for id, found in people.members.items()
        }
        for id in {id for kind, _, id in named if kind == "account"} | people.users.keys():
            user = people.users.get(id)
            # Whoever was deactivated is nobody, wherever the account still stands.
            email = user.email.strip().lower() if user is not None and user.active else ""
            members[account(self.name, id)] = frozenset({f"user:{email}"} if email else ())
        return members

    # What people ask for.

    async def _home(self) -> str:
        """Where people open the site; behind the gateway only its answers say so."""
        if GATEWAY_PATH in self._client.base:
            await self._spaces()
        return self._client.base

    async def _select(self, wanted: Scope) -> Listing | None:
        if wanted.id:
            listing = await self._site.trace(wanted.id)
            if listing is not None and wanted.id in listing.pages:
                found = await self._site.on_page(listing.pages[wanted.id])
                listing.attachments, listing.threads = found.attachments, found.threads
            if listing is not None or not wanted.space:
                return listing
        spaces = [space for space in await self._site.spaces([wanted.space]) if space.key == wanted.space]
        if not spaces:
            return None
        if wanted.title:
            id = await self._site.titled(spaces[0], wanted.title)
            return await self._select(Scope(id=id)) if id else None
        listing = await self._site.listing(spaces)
        if wanted.id:
            # A folder stands for what is below it.
            ancestors = ((page, listing.ancestors(page) or ()) for page in listing.pages.values())
            listing.pages = {page.id: page for page, above in ancestors if wanted.id in {one.id for one in above}}
            listing.keep_what_hangs_together()
        return listing if listing.pages else None


def _has_other_access(known: Known | None, entry: Entry) -> bool:
    return known is not None and known.access_class not in {"", entry.access.class_id}


def _width(known: Known, entry: Entry) -> int:
    """Losses first: of a hash it cannot be told whom it admits, but for the two that admit all and nobody."""
    if entry.access == NOBODY or known.access_class == PUBLIC.class_id:
        return 0
    return 2 if entry.access == PUBLIC or known.access_class == NOBODY.class_id else 1
