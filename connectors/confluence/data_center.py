"""Confluence Data Center: the REST API v1, by offset."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from connectors.confluence.bodies import AT_ONCE, Body, isolated
from connectors.confluence.client import FAILURES, Answer, Client, Item, moment, results_of, slices, understood
from connectors.confluence.listing import Attachment, Comment, Listing, Page, Space, Thread, threads
from connectors.http import Rejected
from core.errors import DocumentError
from core.together import Together, all_of

API = "/rest/api"
LIMIT = 200
KINDS = ("page", "blogpost")
SPACES_AT_ONCE = 50
"""Keys in one search: the address of a request may be 8 kB long."""
Request = tuple[str, Mapping[str, Any]]
"""Path and parameters."""

_OF_PAGE = "space,version,history,ancestors,childTypes.all"
_OF_FILE = "version,container"
_OF_COMMENT = "version,container,ancestors,extensions.inlineProperties"
_LOCATIONS = ["footer", "inline", "resolved"]


class DataCenter:
    """:class:`connectors.confluence.site.Site`. Attachments and comments are listed by the search alone: one more on a page
    is seen as soon as the search knows it, which takes it some seconds.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    async def account(self) -> str:
        found = await self.client.json(f"{API}/user/current", attempts=2)
        return str(found.get("displayName") or found.get("username") or "an account without a name")

    async def spaces(self, keys: Collection[str]) -> list[Space]:
        asked = [{"spaceKey": list(some)} for some in slices(sorted(keys), SPACES_AT_ONCE)] or [{}]
        return await everything(self.client, [(f"{API}/space", {"status": "current", **keys}) for keys in asked], _space)

    async def listing(self, spaces: Sequence[Space]) -> Listing:
        listing = Listing(spaces={space.id: space for space in spaces}, is_whole=True)
        busy: dict[str, set[str]] = {}

        def read(found: Answer) -> Page:
            page = self._page(found)
            busy[page.id] = {kind for kind, told in found.get("childTypes", {}).items() if told.get("value")}
            return page

        found = await everything(self.client, contents(spaces, _OF_PAGE), read)
        listing.pages = {page.id: page for page in found}
        async with Together() as tasks:
            files = tasks.create_task(everything(self.client, _search(spaces, "attachment", _OF_FILE), self._attachment))
            talk = tasks.create_task(everything(self.client, _search(spaces, "comment", _OF_COMMENT), self._comment))
        attached, said = files.result(), talk.result()
        # The search may lag behind for a while. Pages say whether there is something on them: where it knows of nothing,
        # they are asked.
        known = {"attachment": {file.page_id for file in attached}, "comment": {comment.page_id for comment in said}}
        silent = {kind: [id for id, kinds in busy.items() if kind in kinds and id not in ids] for kind, ids in known.items()}
        attached += await everything(self.client, map(_files, silent["attachment"]), self._attachment)
        said += await everything(self.client, map(_talk, silent["comment"]), self._comment)
        listing.attachments = {attachment.id: attachment for attachment in attached}
        listing.threads = threads(said)
        listing.keep_what_hangs_together()
        await self._look_above(listing)
        return listing

    async def trace(self, id: str) -> Listing | None:
        listing = Listing()
        page_id = id
        if id.startswith("comment:"):
            id = id.removeprefix("comment:")
            first = await self._one(id, ("comment",), _OF_COMMENT, self._comment)
            page_id = first.page_id if first else ""
            listing.threads = threads(await everything(self.client, [_talk(page_id)], self._comment)) if page_id else {}
            listing.threads = {id: listing.threads[id]} if id in listing.threads else {}
        elif not id.isdecimal():
            file = await self._one(id, ("attachment",), _OF_FILE, self._attachment)
            page_id = file.page_id if file else ""
            listing.attachments = {id: file} if file else {}
        found = await self._one(page_id, KINDS, _OF_PAGE, lambda found: (self._page(found), found["space"]["key"]))
        if found is None:
            return None
        page, key = found
        listing.spaces = {space.id: space for space in await self.spaces([key])}
        listing.pages = {page.id: page}
        listing.keep_what_hangs_together()
        await self._look_above(listing)
        return listing

    async def titled(self, space: Space, title: str) -> str | None:
        params = {"spaceKey": space.key, "title": title, "type": "page", "status": "current"}
        return next(iter(await everything(self.client, [(f"{API}/content", params)], itemgetter("id"))), None)

    async def on_page(self, page: Page) -> Listing:
        attached = await everything(self.client, [_files(page.id)], self._attachment)
        said = await everything(self.client, [_talk(page.id)], self._comment)
        return Listing(attachments={attachment.id: attachment for attachment in attached}, threads=threads(said))

    async def bodies(self, pages: Sequence[Page]) -> Mapping[str, Body | DocumentError]:
        return await isolated(pages, self._bodies)

    async def said(self, threads: Sequence[Thread], listing: Listing) -> Mapping[str, Body | DocumentError]:
        found: dict[str, Body | DocumentError] = {}
        for some in slices([comment for thread in threads for comment in thread.comments], AT_ONCE):
            found |= await isolated(some, self._bodies)
        return found

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        return await self.client.content(attachment.download, limit=limit, failures=FAILURES, may_be_html=attachment.is_html)

    async def _one(self, id: str, kinds: Collection[str], expand: str, read: Callable[[Answer], Item]) -> Item | None:
        """What is current and of one of these kinds; None when it is not there."""
        if not id.removeprefix("att").isdecimal():
            return None
        path = f"{API}/content/{id}"
        found = await self.client.found(path, {"status": "current", "expand": expand})
        return understood(read, found, path) if found is not None and found.get("type") in kinds else None

    async def _look_above(self, listing: Listing) -> None:
        """List what stands above the pages and is not listed: out of the archive or the trash, level by level."""
        unseen: set[str] = set()
        params = {"status": "any", "expand": _OF_PAGE}
        while missing := listing.orphans().keys() - unseen:
            found = await all_of(self.client.found(f"{API}/content/{id}", params) for id in missing)
            above = [understood(self._page, answer, "content") for answer in found if answer is not None]
            listing.above |= {page.id: page for page in above}
            unseen |= missing

    async def _bodies(self, some: Sequence[Page | Comment]) -> Mapping[str, Body]:
        ids, expand = [content.id for content in some], "body.storage,version"
        current = {"status": "current", "expand": expand}
        found: dict[str, Body] = {}
        if len(ids) > 1:
            params = {"cql": f"id in ({', '.join(ids)})", "expand": expand, "limit": len(ids)}
            answer = await self.client.json(f"{API}/content/search", params, failures=FAILURES)
            found = dict(understood(_body, result, "content/search") for result in results_of(answer, "content/search"))
        # The search may not know it yet, or may have told fewer than it was asked for.
        for id in ids:
            if id not in found:
                try:
                    answer = await self.client.json(f"{API}/content/{id}", current, failures=FAILURES)
                    found |= [understood(_body, answer, f"{API}/content/{id}")]
                except Rejected as error:
                    if error.status != 404:
                        raise
        return found

    # What answers say.

    def _page(self, found: Answer) -> Page:
        above = found.get("ancestors") or []
        return Page(
            id=found["id"],
            kind=found["type"],
            title=found["title"],
            space_id=str(found["space"]["id"]),
            version=found["version"]["number"],
            updated_at=moment(found["version"]["when"]),
            url=self.client.base + found["_links"]["webui"],
            parent_id=above[-1]["id"] if above else None,
            owner=_user_key((found.get("history") or {}).get("createdBy")),
            editor=_user_key(found["version"].get("by")),
        )

    def _attachment(self, found: Answer) -> Attachment:
        said = found["extensions"]
        return Attachment(
            id=found["id"],
            page_id=_container(found),
            title=found["title"],
            media_type=said.get("mediaType") or "",
            size=said.get("fileSize") or 0,
            version=found["version"]["number"],
            updated_at=moment(found["version"]["when"]),
            url=self.client.base + found["_links"]["webui"],
            download=found["_links"]["download"],
        )

    def _comment(self, found: Answer) -> Comment:
        above, marked = found.get("ancestors") or [], found["extensions"].get("inlineProperties") or {}
        return Comment(
            id=found["id"],
            page_id=_container(found),
            parent_id=above[-1]["id"] if above else None,
            version=found["version"]["number"],
            updated_at=moment(found["version"]["when"]),
            url=self.client.base + found["_links"]["webui"],
            inline=found["extensions"].get("location") == "inline",
            marked=marked.get("originalSelection") or "",
        )


async def everything(client: Client, asked: Iterable[Request], read: Callable[[Answer], Item]) -> list[Item]:
    """All results of listings of what has an id."""
    found = await all_of(client.counted(path, params, itemgetter("id"), read, limit=LIMIT) for path, params in asked)
    return [*chain.from_iterable(found)]


def contents(spaces: Iterable[Space], expand: str) -> Iterator[Request]:
    """The listings of all pages and blog posts."""
    for space in spaces:
        for kind in KINDS:
            yield f"{API}/content", {"spaceKey": space.key, "type": kind, "status": "current", "expand": expand}


def _search(spaces: Sequence[Space], kind: str, expand: str) -> Iterator[Request]:
    for some in slices(spaces, SPACES_AT_ONCE):
        keys = ", ".join(json.dumps(space.key) for space in some)
        yield f"{API}/content/search", {"cql": f"space in ({keys}) and type = {kind} order by created", "expand": expand}


def _files(page_id: str) -> Request:
    return f"{API}/content/{page_id}/child/attachment", {"expand": _OF_FILE}


def _talk(page_id: str) -> Request:
    return f"{API}/content/{page_id}/child/comment", {"expand": _OF_COMMENT, "depth": "all", "location": _LOCATIONS}


def _space(found: Answer) -> Space:
    return Space(id=str(found["id"]), key=found["key"], name=found["name"])


def _user_key(person: Answer | None) -> str:
    """Empty for whoever was not logged in, or is deleted."""
    return (person or {}).get("userKey") or ""


def _container(found: Answer) -> str:
    """The page or blog post that it is on; empty when it is on something else."""
    container = found["container"]
    return container["id"] if container.get("type") in KINDS else ""


def _body(found: Answer) -> tuple[str, Body]:
    return found["id"], Body(storage=found["body"]["storage"]["value"], version=found["version"]["number"])
