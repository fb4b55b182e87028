"""Confluence Cloud: the REST API v2, which reads the database, and v1 for files."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from connectors.confluence.bodies import Body, isolated
from connectors.confluence.client import FAILURES, Answer, Client, Item, moment, slices, understood
from connectors.confluence.listing import Attachment, Comment, Listing, Page, Space, Thread, threads
from connectors.http import Rejected
from core.errors import DocumentError
from core.together import Together, all_of

V1, V2 = "/wiki/rest/api", "/wiki/api/v2"
PAGE_LIMIT = 250
SPACES_AT_ONCE = 100
"""Ids of spaces in one listing: v2 takes no more."""
LANES = 4
"""Listings side by side: each goes on from its own last page only."""

_COMMENTS = ("footer-comments", "inline-comments")
_FILE = re.compile(r"att\d{1,20}")
_ABOVE = {"folder": "folders", "whiteboard": "whiteboards", "database": "databases", "embed": "embeds"}
"""What pages may stand below, beside pages."""


class Cloud:
    """:class:`connectors.confluence.site.Site`."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def account(self) -> str:
        found = await self.client.json(f"{V1}/user/current", attempts=2)
        return str(found.get("displayName") or found.get("publicName") or "an account without a name")

    async def spaces(self, keys: Collection[str]) -> list[Space]:
        wanted = {"status": "current", "limit": PAGE_LIMIT, "sort": "id"}
        asked = [wanted | {"keys": ",".join(some)} for some in slices(sorted(keys), PAGE_LIMIT)] or [wanted]
        found = await all_of(self.client.listed(f"{V2}/spaces", params, _space) for params in asked)
        return [space for some in found for space in some]

    async def listing(self, spaces: Sequence[Space]) -> Listing:
        contents = [self._contents("pages", some) for some in lanes(spaces)]
        contents += [self._contents("blogposts", some) for some in slices(spaces, SPACES_AT_ONCE)]
        async with Together() as tasks:
            pages = tasks.create_task(all_of(contents))
            on_them = tasks.create_task(self._on_pages(V2))
        listing = on_them.result()
        listing.is_whole = True
        listing.spaces = {space.id: space for space in spaces}
        listing.pages = {page.id: page for some in pages.result() for page in some}
        listing.keep_what_hangs_together()
        await self._look_above(listing)
        return listing

    async def trace(self, id: str) -> Listing | None:
        listing = Listing()
        page_id = id
        if id.startswith("comment:"):
            listing.threads = threads(await self._thread(id.removeprefix("comment:")))
            page_id = next((thread.page_id for thread in listing.threads.values()), "")
        elif _FILE.fullmatch(id) and (found := await self._one(f"{V2}/attachments/{id}", self._attachment)):
            listing.attachments, page_id = {id: found}, found.page_id
        page = await self._page(page_id)
        if page is None:
            return None
        spaces = await self.client.listed(f"{V2}/spaces", {"ids": page.space_id, "status": "current"}, _space)
        listing.spaces = {space.id: space for space in spaces}
        listing.pages = {page.id: page}
        listing.keep_what_hangs_together()
        await self._look_above(listing)
        return listing

    async def titled(self, space: Space, title: str) -> str | None:
        params = {"space-id": space.id, "title": title, "status": "current"}
        return next(iter(await self.client.listed(f"{V2}/pages", params, itemgetter("id"))), None)

    async def on_page(self, page: Page) -> Listing:
        return await self._on_pages(f"{V2}/{page.kind}s/{page.id}")

    async def bodies(self, pages: Sequence[Page]) -> Mapping[str, Body | DocumentError]:
        async def ask(some: Sequence[Page]) -> Mapping[str, Body]:
            found: dict[str, Body] = {}
            for kind in ("page", "blogpost"):
                if ids := ",".join(page.id for page in some if page.kind == kind):
                    params = {"id": ids, "status": "current", "body-format": "storage", "limit": PAGE_LIMIT}
                    found |= await self.client.listed(f"{V2}/{kind}s", params, _body, failures=FAILURES)
            return found

        return await isolated(pages, ask)

    async def said(self, threads: Sequence[Thread], listing: Listing) -> Mapping[str, Body | DocumentError]:
        wanted = [comment for thread in threads for comment in thread.comments]
        everything = sum(len(thread.comments) for thread in listing.threads.values())
        found: dict[str, Body | DocumentError] = {}
        if listing.is_whole and len(wanted) > everything / PAGE_LIMIT + len(_COMMENTS):
            # To list them all again takes fewer requests than to ask for each.
            ids = {comment.id for comment in wanted}
            params = {"body-format": "storage", "limit": PAGE_LIMIT}
            with suppress(Rejected):
                for kind in _COMMENTS:
                    told = await self.client.listed(
                        f"{V2}/{kind}", params, lambda answer: _body(answer) if answer["id"] in ids else None, failures=FAILURES
                    )
                    found |= dict(filter(None, told))

        async def ask(comment: Comment) -> None:
            kind = _COMMENTS[comment.inline]
            try:
                told = await self.client.json(f"{V2}/{kind}/{comment.id}", {"body-format": "storage"}, failures=FAILURES)
                found[comment.id] = understood(_body, told, kind)[1]
            except Rejected as error:
                if error.status >= 500:
                    found[comment.id] = DocumentError(f"{error}: Confluence cannot show this comment")

        await all_of(ask(comment) for comment in wanted if comment.id not in found)
        return found

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        return await self.client.content(
            attachment.download,
            {"version": attachment.version},
            limit=limit,
            failures=FAILURES,
            may_be_html=attachment.is_html,
        )

    # What there is.

    async def _contents(self, kind: str, spaces: Sequence[Space]) -> list[Page]:
        ids = ",".join(space.id for space in spaces)
        params = {"space-id": ids, "status": "current", "sort": "id", "limit": PAGE_LIMIT}
        return await self.client.listed(f"{V2}/{kind}", params, self._read(kind.removesuffix("s")))

    async def _on_pages(self, root: str) -> Listing:
        """The attachments and threads of a page, or of all."""
        async with Together() as tasks:
            params = {"status": "current", "limit": PAGE_LIMIT}
            attached = tasks.create_task(self.client.listed(f"{root}/attachments", params, self._attachment))
            said = tasks.create_task(all_of(self._comments(f"{root}/{kind}") for kind in _COMMENTS))
        return Listing(
            attachments={attachment.id: attachment for attachment in attached.result()},
            threads=threads(comment for some in said.result() for comment in some),
        )

    async def _comments(self, path: str) -> list[Comment]:
        return await self.client.listed(path, {"limit": PAGE_LIMIT}, self._comment)

    async def _thread(self, id: str) -> list[Comment]:
        """A thread's first comment and all replies; nothing when it is gone, or itself a reply."""
        for kind in _COMMENTS if id.isdecimal() else ():
            first = await self._one(f"{V2}/{kind}/{id}", self._comment)
            if first is None:
                continue
            found, asked = [first], 0
            while asked < len(found) and first.parent_id is None:
                found += await self._comments(f"{V2}/{kind}/{found[asked].id}/children")
                asked += 1
            return found
        return []

    async def _page(self, id: str) -> Page | None:
        if not id.isdecimal():
            return None
        page = await self._one(f"{V2}/pages/{id}", self._read("page"), {"status": "current"})
        return page or await self._one(f"{V2}/blogposts/{id}", self._read("blogpost"), {"status": "current"})

    async def _one(self, path: str, read: Callable[[Answer], Item], params: Mapping[str, Any] | None = None) -> Item | None:
        """None when it is not there (404), or not current."""
        found = await self.client.found(path, params or {})
        return understood(read, found, path) if found is not None and found.get("status") == "current" else None

    async def _look_above(self, listing: Listing) -> None:
        """List what stands above the pages and is no page of these spaces, level by level."""
        unseen: set[str] = set()
        while missing := {id: kind for id, kind in listing.orphans().items() if id not in unseen}:
            pages = [id for id, kind in missing.items() if kind == "page"]
            asked = [
                self.client.listed(
                    f"{V2}/pages",
                    {"id": ",".join(ids), "status": "current,archived,trashed", "limit": PAGE_LIMIT},
                    self._read("page"),
                )
                for ids in slices(pages, PAGE_LIMIT)
            ]
            found = [page for some in await all_of(asked) for page in some]
            others = [(id, kind) for id, kind in missing.items() if kind in _ABOVE]
            found += filter(
                None,
                await all_of(self._one(f"{V2}/{_ABOVE[kind]}/{id}", self._read(kind)) for id, kind in others),
            )
            listing.above |= {page.id: page for page in found}
            unseen |= missing.keys()

    # What answers say.

    def _read(self, kind: str) -> Callable[[Answer], Page]:
        def page(found: Answer) -> Page:
            return Page(
                id=str(found["id"]),
                kind=kind,
                title=found["title"],
                space_id=str(found.get("spaceId", "")),
                version=found["version"]["number"],
                updated_at=moment(found["version"]["createdAt"]),
                url=self.client.base + found["_links"].get("webui", ""),
                parent_id=found.get("parentId"),
                parent_kind=found.get("parentType") or "page",
                owner=found.get("ownerId") or found.get("authorId") or "",
                editor=found["version"].get("authorId") or "",
            )

        return page

    def _attachment(self, found: Answer) -> Attachment:
        page_id = found.get("pageId") or found.get("blogPostId") or ""
        return Attachment(
            id=found["id"],
            page_id=page_id,
            title=found["title"],
            media_type=found.get("mediaType") or "",
            size=found.get("fileSize") or 0,
            version=found["version"]["number"],
            updated_at=moment(found["version"]["createdAt"]),
            url=self.client.base + found["webuiLink"],
            download=f"{V1}/content/{page_id}/child/attachment/{found['id']}/download",
        )

    def _comment(self, found: Answer) -> Comment:
        marked = (found.get("properties") or {}).get("inlineOriginalSelection")
        return Comment(
            id=str(found["id"]),
            page_id=found.get("pageId") or found.get("blogPostId") or "",
            parent_id=found.get("parentCommentId"),
            version=found["version"]["number"],
            updated_at=moment(found["version"]["createdAt"]),
            url=self.client.base + found["_links"]["webui"],
            inline="resolutionStatus" in found,
            marked=marked or "",
        )


def lanes(spaces: Sequence[Space]) -> list[Sequence[Space]]:
    """Spaces to be listed together, so that some listings can be followed at once."""
    return [some for lane in range(LANES) for some in slices(spaces[lane::LANES], SPACES_AT_ONCE)]


def _space(found: Answer) -> Space:
    return Space(id=str(found["id"]), key=found["key"], name=found["name"])


def _body(found: Answer) -> tuple[str, Body]:
    return str(found["id"]), Body(storage=found["body"]["storage"]["value"], version=found["version"]["number"])
