"""Confluence Cloud: the REST API v2 (the database) for what there is, v1 for restrictions, groups and files."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import starmap
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from connectors.confluence.access import NO_ONE, Gate, Restrictions, account, group
from connectors.confluence.bodies import Body, isolated
from connectors.confluence.client import FAILURES, Answer, Client, Item, moment, results_of, slices, understood
from connectors.confluence.listing import Attachment, Comment, Listing, Page, Space, Thread, threads
from connectors.confluence.restrictions import EXPAND, RestrictionReader
from connectors.confluence.site import People, User
from connectors.http import Rejected
from core.errors import DocumentError
from core.models import EVERYONE, Principal

V1, V2 = "/wiki/rest/api", "/wiki/api/v2"
PAGE_LIMIT = 250
SPACES_AT_ONCE = 100
"""Ids of spaces in one listing: v2 takes no more."""
USERS_AT_ONCE = 250
MEMBERS = 200

_CLASSES = frozenset({"all-licensed-users", "all-product-admins", "authenticated-users", "jsm-project-admins"})
"""Those who are meant without being named. Who they are Confluence does not say: a group of nobody we know."""
_ANONYMOUS = "anonymous-users"
_COMMENTS = ("footer-comments", "inline-comments")
_FILE = re.compile(r"att\d{1,20}")
_ABOVE = {"folder": "folders", "whiteboard": "whiteboards", "database": "databases", "embed": "embeds"}
"""What pages may stand below, beside pages."""


class Cloud:
    """:class:`connectors.confluence.site.Site`."""

    def __init__(self, client: Client, source: str) -> None:
        """``source`` is the name in the principals."""
        self.client = client
        self._source = source
        self._restricted = RestrictionReader(
            client,
            V1,
            user=lambda user: account(source, user["accountId"]),
            group=lambda group_: group(source, group_["id"]),
        )

    async def account(self) -> str:
        found = await self.client.json(f"{V1}/user/current", attempts=2)
        return str(found.get("displayName") or found.get("publicName") or "an account without a name")

    async def spaces(self, keys: Collection[str]) -> list[Space]:
        wanted = {"status": "current", "limit": PAGE_LIMIT, "sort": "id"}
        asked = [wanted | {"keys": ",".join(some)} for some in slices(sorted(keys), PAGE_LIMIT)] or [wanted]
        found = await asyncio.gather(*(self.client.listed(f"{V2}/spaces", params, _space) for params in asked))
        return [space for some in found for space in some]

    async def listing(self, spaces: Sequence[Space]) -> Listing:
        contents = [self._contents(kind, some) for some in slices(spaces, SPACES_AT_ONCE) for kind in ("pages", "blogposts")]
        comments = [self._comments(f"{V2}/{kind}") for kind in _COMMENTS]
        pages, attached, said = await asyncio.gather(
            asyncio.gather(*contents), self._attachments(f"{V2}/attachments"), asyncio.gather(*comments)
        )
        listing = Listing(
            spaces={space.id: space for space in spaces},
            pages={page.id: page for some in pages for page in some},
            attachments={attachment.id: attachment for attachment in attached},
            threads=threads(comment for some in said for comment in some),
        )
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
        root = f"{V2}/{page.kind}s/{page.id}"
        attached, said = await asyncio.gather(
            self._attachments(f"{root}/attachments"), asyncio.gather(*(self._comments(f"{root}/{kind}") for kind in _COMMENTS))
        )
        return Listing(
            attachments={attachment.id: attachment for attachment in attached},
            threads=threads(comment for some in said for comment in some),
        )

    async def readers(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        anonymous, granted = await asyncio.gather(self._open_to_all(spaces), asyncio.gather(*map(self._granted, spaces)))
        return {
            space.id: gate | (frozenset({EVERYONE}) if space.key in anonymous else NO_ONE)
            for space, gate in zip(spaces, granted, strict=True)
        }

    async def restrictions(self, listing: Listing) -> Restrictions:
        gates: dict[str, Gate | None] = {}
        if len(listing.pages) > 1:
            found = await asyncio.gather(
                *(self._restrictions_in(some) for some in slices(list(listing.spaces.values()), SPACES_AT_ONCE))
            )
            gates = {id: gate for some in found for id, gate in some}
        # The search knows of a new page some seconds after it is there.
        others = (listing.pages.keys() | listing.above.keys()) - gates.keys()
        return gates | dict(await self._restricted.one_by_one(others))

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        asked = [group for group in groups if group not in _CLASSES]
        members = dict(zip(asked, await asyncio.gather(*map(self._members, asked)), strict=True))
        users = await self._users(frozenset(accounts).union(*members.values()))
        return People(members=members, users={user.id: user for user in users})

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        return {user.id: user.name for user in await self._users(accounts)}

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
        if len(wanted) > everything / PAGE_LIMIT + len(_COMMENTS):
            ids = {comment.id for comment in wanted}
            params = {"body-format": "storage", "limit": PAGE_LIMIT}
            with suppress(Rejected):
                for kind in _COMMENTS:
                    told = await self.client.listed(f"{V2}/{kind}", params, _body, failures=FAILURES)
                    found |= {id: body for id, body in told if id in ids}

        async def ask(comment: Comment) -> None:
            kind = _COMMENTS[comment.inline]
            try:
                told = await self.client.json(f"{V2}/{kind}/{comment.id}", {"body-format": "storage"}, failures=FAILURES)
                found[comment.id] = understood(_body, told, kind)[1]
            except Rejected as error:
                if error.status >= 500:
                    found[comment.id] = DocumentError(f"{error}: Confluence cannot show this comment")

        await asyncio.gather(*(ask(comment) for comment in wanted if comment.id not in found))
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

    async def _attachments(self, path: str) -> list[Attachment]:
        return await self.client.listed(path, {"status": "current", "limit": PAGE_LIMIT}, self._attachment)

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
        try:
            found = await self.client.json(path, params)
        except Rejected as error:
            if error.status != 404:
                raise self.client.explained(error, path) from error
            return None
        return understood(read, found, path) if found.get("status") == "current" else None

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
            found = [page for some in await asyncio.gather(*asked) for page in some]
            others = [(id, kind) for id, kind in missing.items() if kind in _ABOVE]
            found += filter(
                None,
                await asyncio.gather(*(self._one(f"{V2}/{_ABOVE[kind]}/{id}", self._read(kind)) for id, kind in others)),
            )
            listing.above |= {page.id: page for page in found}
            unseen |= missing.keys()

    # Who may read.

    async def _open_to_all(self, spaces: Sequence[Space]) -> set[str]:
        """The keys of the spaces that may be read without logging in. Only v1 says so."""

        def read(space: Answer) -> tuple[str, bool]:
            granted = (item for item in space.get("permissions", ()) if item.get("anonymousAccess"))
            operations = (item.get("operation", {}) for item in granted)
            return space["key"], any((it.get("operation"), it.get("targetType")) == ("read", "space") for it in operations)

        def asked(some: Sequence[Space]) -> Mapping[str, Any]:
            return {"spaceKey": [space.key for space in some], "expand": "permissions"}

        key = itemgetter("key")
        try:
            found = await asyncio.gather(
                *(
                    self.client.counted(f"{V1}/space", asked(some), key, read, limit=SPACES_AT_ONCE)
                    for some in slices(spaces, SPACES_AT_ONCE)
                )
            )
        except Rejected:
            return set()
        return {key for some in found for key, is_open in some if is_open}

    async def _granted(self, space: Space) -> Gate:
        """Those with the permission to read a space, and no other. A role is who it was assigned to."""
        root = f"{V2}/spaces/{space.id}"
        found = await self.client.listed(f"{root}/permissions", {"limit": PAGE_LIMIT}, _permission)
        principals = [principal for principal in found if principal]
        roles = {id for kind, id in principals if kind == "role" and id not in _CLASSES | {_ANONYMOUS}}
        if roles:
            assigned = await self.client.listed(f"{root}/role-assignments", {"limit": PAGE_LIMIT}, _assignment)
            principals += [(kind, id) for role, kind, id in assigned if role in roles]
        return frozenset(filter(None, starmap(self._principal, principals)))

    def _principal(self, kind: str, id: str) -> Principal | None:
        match kind:
            case "user":
                return account(self._source, id)
            case "group":
                return group(self._source, id)
            case "role" | "access_class" if id == _ANONYMOUS:
                return EVERYONE
            case "role" | "access_class" if id in _CLASSES:
                return group(self._source, id)
            case _:
                return None

    async def _restrictions_in(self, spaces: Sequence[Space]) -> list[tuple[str, Gate | None]]:
        keys = ", ".join(json.dumps(space.key) for space in spaces)
        params = {"cql": f"space in ({keys}) and type in (page, blogpost)", "expand": EXPAND, "limit": PAGE_LIMIT}
        found = await self.client.listed(f"{V1}/content/search", params, self._restricted.listed)
        return [gate for gate in found if gate is not None]

    async def _members(self, group_id: str) -> frozenset[str]:
        path = f"{V1}/group/{quote(group_id, safe='')}/membersByGroupId"
        key = itemgetter("accountId")
        try:
            return frozenset(await self.client.counted(path, {}, key, key, limit=MEMBERS))
        except Rejected as error:
            if error.status == 404:
                return frozenset()
            raise

    async def _users(self, ids: Collection[str]) -> list[User]:
        async def ask(some: Sequence[str]) -> list[User]:
            found = await self.client.json(f"{V2}/users-bulk", body={"accountIds": list(some)})
            return [understood(_user, user, "users-bulk") for user in results_of(found, "users-bulk")]

        return [user for some in await asyncio.gather(*map(ask, slices(sorted(ids), USERS_AT_ONCE))) for user in some]

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


def _space(found: Answer) -> Space:
    return Space(id=str(found["id"]), key=found["key"], name=found["name"])


def _body(found: Answer) -> tuple[str, Body]:
    return str(found["id"]), Body(storage=found["body"]["storage"]["value"], version=found["version"]["number"])


def _user(found: Answer) -> User:
    return User(
        id=found["accountId"],
        name=found.get("displayName") or found.get("publicName") or "",
        email=found.get("email") or "",
        active=found.get("accountStatus") == "active",
    )


def _permission(found: Answer) -> tuple[str, str] | None:
    operation, principal = found["operation"], found["principal"]
    if (operation["key"], operation["targetType"]) != ("read", "space"):
        return None
    return principal["type"], principal["id"]


def _assignment(found: Answer) -> tuple[str, str, str]:
    return found["roleId"], found["principal"]["principalType"].lower(), found["principal"]["principalId"]
