"""Confluence Data Center: the REST API v1, by offset."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from connectors.confluence.access import Gate, Restrictions, account, group
from connectors.confluence.bodies import AT_ONCE, Body, isolated
from connectors.confluence.client import FAILURES, Answer, Client, Item, moment, results_of, slices, understood
from connectors.confluence.listing import Attachment, Comment, Listing, Page, Space, Thread, threads
from connectors.confluence.restrictions import EXPAND, RestrictionReader
from connectors.confluence.site import People, User
from connectors.http import Rejected
from core.errors import AuthError, DocumentError
from core.models import EVERYONE, Principal

API = "/rest/api"
LIMIT = 200
KINDS = ("page", "blogpost")
SPACES_AT_ONCE = 50
"""Keys in one search: the address of a request may be 8 kB long."""
PROFILE_AGE = timedelta(days=1)
"""How old an e-mail address may be: profiles are told one at a time."""
_OF_PAGE = "space,version,ancestors,childTypes.all"
_OF_FILE = "version,container"
_OF_COMMENT = "version,container,ancestors,extensions.inlineProperties"
_LOCATIONS = ["footer", "inline", "resolved"]


class DataCenter:
    """:class:`connectors.confluence.site.Site`. Attachments and comments are listed by the search alone: one more on a page
    is seen as soon as the search knows it, which takes it some seconds.
    """

    def __init__(self, client: Client, source: str, clock: Callable[[], datetime]) -> None:
        """``source`` is the name in the principals."""
        self.client = client
        self._source = source
        self._clock = clock
        self._emails: dict[str, tuple[str, datetime | None]] = {}
        """Of users by their key, and since when they are known."""
        self._restricted = RestrictionReader(
            client,
            API,
            user=lambda user: account(source, user["userKey"]),
            group=lambda found: group(source, found["name"]),
        )

    async def account(self) -> str:
        found = await self.client.json(f"{API}/user/current", attempts=2)
        return str(found.get("displayName") or found.get("username") or "an account without a name")

    async def spaces(self, keys: Collection[str]) -> list[Space]:
        asked = [{"spaceKey": list(some)} for some in slices(sorted(keys), SPACES_AT_ONCE)] or [{}]
        return await self._all([(f"{API}/space", {"status": "current", **keys}) for keys in asked], _space)

    async def listing(self, spaces: Sequence[Space]) -> Listing:
        listing = Listing(spaces={space.id: space for space in spaces})
        busy: dict[str, set[str]] = {}

        def read(found: Answer) -> Page:
            page = self._page(found)
            busy[page.id] = {kind for kind, told in found.get("childTypes", {}).items() if told.get("value")}
            return page

        found = await self._all([*self._contents(spaces, _OF_PAGE)], read)
        listing.pages = {page.id: page for page in found}
        attached, said = await asyncio.gather(
            self._all([*self._search(spaces, "attachment", _OF_FILE)], self._attachment),
            self._all([*self._search(spaces, "comment", _OF_COMMENT)], self._comment),
        )
        # The search may lag behind for a while. Pages say whether there is something on them: where it knows of nothing,
        # they are asked.
        files, talked = {item.page_id for item in attached}, {comment.page_id for comment in said}
        attached += await self._all(
            [self._files(id) for id, kinds in busy.items() if "attachment" in kinds and id not in files], self._attachment
        )
        said += await self._all(
            [self._talk(id) for id, kinds in busy.items() if "comment" in kinds and id not in talked], self._comment
        )
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
            first = await self._one(id, _OF_COMMENT)
            page_id = first["container"]["id"] if first is not None and first["type"] == "comment" else ""
        elif id.startswith("att"):
            file = await self._one(id, _OF_FILE)
            page_id = file["container"]["id"] if file is not None else ""
            if file is not None:
                listing.attachments = {id: self._attachment(file)}
        found = await self._one(page_id, _OF_PAGE)
        if found is None or found["type"] not in KINDS:
            return None
        page = self._page(found)
        listing.spaces = {space.id: space for space in await self.spaces([found["space"]["key"]])}
        listing.pages = {page.id: page}
        if page_id != id and not listing.attachments:
            said = threads(await self._all([self._talk(page.id)], self._comment))
            listing.threads = {id: said[id]} if id in said else {}
        listing.keep_what_hangs_together()
        await self._look_above(listing)
        return listing

    async def titled(self, space: Space, title: str) -> str | None:
        params = {"spaceKey": space.key, "title": title, "type": "page", "status": "current"}
        return next(iter(await self._all([(f"{API}/content", params)], itemgetter("id"))), None)

    async def on_page(self, page: Page) -> Listing:
        attached, said = await asyncio.gather(
            self._all([self._files(page.id)], self._attachment), self._all([self._talk(page.id)], self._comment)
        )
        return Listing(attachments={attachment.id: attachment for attachment in attached}, threads=threads(said))

    async def readers(self, spaces: Sequence[Space]) -> Mapping[str, Gate]:
        return dict(zip((space.id for space in spaces), await asyncio.gather(*map(self._readers, spaces)), strict=True))

    async def restrictions(self, listing: Listing) -> Restrictions:
        gates: dict[str, Gate | None] = {}
        if len(listing.pages) > 1:
            asked = [*self._contents(list(listing.spaces.values()), EXPAND)]
            gates = dict(filter(None, await self._all(asked, self._restricted.listed)))
        others = (listing.pages.keys() | listing.above.keys()) - gates.keys()
        return gates | dict(await self._restricted.one_by_one(others))

    async def people(self, groups: Collection[str], accounts: Collection[str]) -> People:
        found = dict(zip(groups, await asyncio.gather(*map(self._members, groups)), strict=True))
        told = {member["userKey"]: member for members in found.values() for member in members}
        others = await asyncio.gather(*(self._account(key) for key in set(accounts) - told.keys()))
        told |= {other["userKey"]: other for other in others if other is not None}
        users = await asyncio.gather(*map(self._user, told.values()))
        return People(
            members={id: frozenset(member["userKey"] for member in members) for id, members in found.items()},
            users={user.id: user for user in users},
        )

    async def names(self, accounts: Collection[str]) -> Mapping[str, str]:
        found = await asyncio.gather(*map(self._account, accounts))
        return {user["userKey"]: user["displayName"] for user in found if user is not None}

    async def bodies(self, pages: Sequence[Page]) -> Mapping[str, Body | DocumentError]:
        return await isolated(pages, self._bodies)

    async def said(self, threads: Sequence[Thread], listing: Listing) -> Mapping[str, Body | DocumentError]:
        found: dict[str, Body | DocumentError] = {}
        for some in slices([comment for thread in threads for comment in thread.comments], AT_ONCE):
            found |= await isolated(some, self._bodies)
        return found

    async def download(self, attachment: Attachment, limit: int) -> bytes:
        return await self.client.content(attachment.download, limit=limit, failures=FAILURES, may_be_html=attachment.is_html)

    # What there is.

    async def _all(self, asked: Sequence[tuple[str, Mapping[str, Any]]], read: Callable[[Answer], Item]) -> list[Item]:
        by_id = itemgetter("id")
        found = await asyncio.gather(*(self.client.counted(path, params, by_id, read, limit=LIMIT) for path, params in asked))
        return [*chain.from_iterable(found)]

    def _contents(self, spaces: Sequence[Space], expand: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for space in spaces:
            for kind in KINDS:
                yield f"{API}/content", {"spaceKey": space.key, "type": kind, "status": "current", "expand": expand}

    def _search(self, spaces: Sequence[Space], kind: str, expand: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for some in slices(spaces, SPACES_AT_ONCE):
            keys = ", ".join(json.dumps(space.key) for space in some)
            yield f"{API}/content/search", {"cql": f"space in ({keys}) and type = {kind} order by created", "expand": expand}

    def _files(self, page_id: str) -> tuple[str, Mapping[str, Any]]:
        return f"{API}/content/{page_id}/child/attachment", {"expand": _OF_FILE}

    def _talk(self, page_id: str) -> tuple[str, Mapping[str, Any]]:
        return f"{API}/content/{page_id}/child/comment", {"expand": _OF_COMMENT, "depth": "all", "location": _LOCATIONS}

    async def _one(self, id: str, expand: str) -> Answer | None:
        """What is current; None when it is not there."""
        if not id.removeprefix("att").isdecimal():
            return None
        return await self._found(f"{API}/content/{id}", {"status": "current", "expand": expand})

    async def _found(self, path: str, params: Mapping[str, Any]) -> Answer | None:
        try:
            return await self.client.json(path, params)
        except Rejected as error:
            if error.status != 404:
                raise self.client.explained(error, path) from error
            return None

    async def _look_above(self, listing: Listing) -> None:
        """List what stands above the pages and is not listed: out of the archive or the trash, level by level."""
        unseen: set[str] = set()
        while missing := listing.orphans().keys() - unseen:
            params = {"status": "any", "expand": _OF_PAGE}
            found = await asyncio.gather(*(self._found(f"{API}/content/{id}", params) for id in missing))
            listing.above |= {page.id: page for page in map(self._page, filter(None, found))}
            unseen |= missing

    async def _bodies(self, some: Sequence[Page | Comment]) -> Mapping[str, Body]:
        ids, expand = [content.id for content in some], "body.storage,version"
        found: dict[str, Body] = {}
        if len(ids) > 1:
            params = {"cql": f"id in ({', '.join(ids)})", "expand": expand, "limit": len(ids)}
            answer = await self.client.json(f"{API}/content/search", params, failures=FAILURES)
            found = dict(understood(_body, result, "content/search") for result in results_of(answer, "content/search"))
        # The search may not know it yet, or may have told fewer than it was asked for.
        for id in ids:
            if id not in found:
                try:
                    params = {"status": "current", "expand": expand}
                    answer = await self.client.json(f"{API}/content/{id}", params, failures=FAILURES)
                    found |= [understood(_body, answer, f"{API}/content/{id}")]
                except Rejected as error:
                    if error.status != 404:
                        raise
        return found

    # Who may read.

    async def _readers(self, space: Space) -> Gate:
        path = f"{API}/space/{quote(space.key, safe='')}/permissions"
        try:
            granted = await self.client.value(path)
        except Rejected as error:
            if error.status != 404:
                raise self.client.explained(error, path) from error
            return await self._readers_before_9_1(space)
        reading = {"operationKey": "read", "targetType": "space"}

        def subject(item: Answer) -> Principal | None:
            return self._principal(item["subject"]) if reading.items() <= item["operation"].items() else None

        return frozenset(filter(None, (understood(subject, item, path) for item in granted)))

    def _principal(self, subject: Answer) -> Principal | None:
        match subject:
            case {"type": "user", "userKey": key}:
                return account(self._source, key)
            case {"type": "group", "name": name}:
                return group(self._source, name)
            case {"type": "anonymous"}:
                return EVERYONE
            case _:
                return None

    async def _readers_before_9_1(self, space: Space) -> Gate:
        path = "/rpc/json-rpc/confluenceservice-v2/getSpacePermissionSets"
        try:
            sets = await self.client.value(path, body=[space.key])
        except Rejected as error:
            raise AuthError(
                f"Confluence at {self.client.url} does not say who may read the space {space.key}: before version 9.1 it does "
                "so by its remote API (JSON-RPC), which an administrator has to switch on"
            ) from error
        granted = [item for found in sets if found["type"] == "VIEWSPACE" for item in found["spacePermissions"]]
        readers: set[Principal] = set()
        for item in granted:
            if item.get("groupName"):
                readers.add(group(self._source, item["groupName"]))
            elif item.get("userName"):
                user = await self._found(f"{API}/user", {"username": item["userName"]})
                readers |= {account(self._source, user["userKey"])} if user else set()
            else:
                readers.add(EVERYONE)
        return frozenset(readers)

    async def _members(self, name: str) -> list[Answer]:
        """Nobody when the group is gone, or cannot be asked for: servers refuse a slash in its name."""
        path = f"{API}/group/{quote(name, safe='')}/member"
        try:
            return await self.client.counted(path, {"expand": "status"}, itemgetter("userKey"), dict, limit=LIMIT)
        except Rejected:
            return []

    async def _account(self, key: str) -> Answer | None:
        return await self._found(f"{API}/user", {"key": key, "expand": "status"})

    async def _user(self, told: Answer) -> User:
        return User(
            id=told["userKey"],
            name=told["displayName"],
            email=await self._email(told["userKey"], told["username"]),
            active=told.get("status", "current") == "current",
        )

    async def _email(self, key: str, username: str) -> str:
        """Only the profile tells it, and only where it may be seen."""
        email, since = self._emails.get(key, ("", None))
        if since is None or self._clock() - since > PROFILE_AGE:
            profile = await self._found(f"/rest/mobile/latest/profile/{quote(username, safe='')}", {})
            email = (profile or {}).get("email") or ""
            self._emails[key] = email, self._clock()
        return email

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


def _space(found: Answer) -> Space:
    return Space(id=str(found["id"]), key=found["key"], name=found["name"])


def _container(found: Answer) -> str:
    """The page or blog post that it is on; empty when it is on something else."""
    container = found["container"]
    return container["id"] if container.get("type") in KINDS else ""


def _body(found: Answer) -> tuple[str, Body]:
    return found["id"], Body(storage=found["body"]["storage"]["value"], version=found["version"]["number"])
