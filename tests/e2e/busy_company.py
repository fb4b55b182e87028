"""A company whose people never stop: they write, move, restrict, share and delete in Confluence and in Google Drive, while
both services fail now and then. It remembers who could ever read which text.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from qdrant_client import AsyncQdrantClient, models

from core.embedded.keeper import attach
from core.groups import SourceGroups
from core.indexing.payloads import access_of
from core.indexing.qdrant import connect
from core.models import Principal
from core.principals import expand
from tests.emulators.confluence import Account, ConfluenceServer, Content
from tests.emulators.drive import DriveServer
from tests.emulators.drive_content import Text
from tests.emulators.drive_world import Item, SharedDrive

PEOPLE = ("ana@acme.com", "bob@acme.com", "cat@acme.com")
MOST = 40
"""Documents in each system: a sync removes twenty unasked."""

Readable = Mapping[str, tuple[str, frozenset[str]]]
"""Document id to its word, and those of the people who may read it."""


class BusyCompany:
    def __init__(self, confluence: ConfluenceServer, google: DriveServer, seed: int) -> None:
        self.confluence = confluence
        self.google = google
        self.random = random.Random(seed)
        self.ever: defaultdict[str, set[str]] = defaultdict(set)
        """Word to all people who could read it at some moment."""
        self.deeds = 0
        self._words = 0
        site, drive = confluence.site, google.drive
        self.accounts: dict[str, Account] = {email: site.user(email.partition("@")[0].title(), email=email) for email in PEOPLE}
        self.staff = site.group("staff", self.accounts["ana@acme.com"], self.accounts["bob@acme.com"], site.bot)
        self.spaces = [site.space("ENG"), site.space("HR", permit=[self.staff])]
        self.group = drive.group("eng@acme.com", ["user:ana@acme.com"])
        self.mine = drive.folder("Policies")
        drive.share(self.mine, f"user:{drive.bot}", "writer")
        self.shared: SharedDrive = drive.shared_drive("Team", members={"group:eng@acme.com": "reader"})
        self.folders = [self.mine, drive.folder("Travel", self.mine), drive.folder("Board", self.shared)]
        for _ in range(12):
            self._write_a_page()
            self._write_a_file()
        self.look()

    def settings(self, home: Path) -> dict[str, str]:
        return {
            "CONFLUENCE_URL": self.confluence.url,
            "CONFLUENCE_EMAIL": self.confluence.email or "",
            "CONFLUENCE_API_TOKEN": self.confluence.token,
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.google.write_credentials(home / "key.json")),
            "GOOGLE_API_URL": self.google.url,
            "GOOGLE_DRIVE_FOLDERS": self.mine.id,
            "GOOGLE_DRIVE_DRIVES": self.shared.id,
            "GOOGLE_DIRECTORY_ADMIN": "admin@acme.com",
        }

    # What people do.

    def work(self) -> None:
        """One of them does something."""
        deeds: list[Callable[[], object]] = [
            self._write_a_page,
            self._write_a_file,
            *2 * [self._edit_a_page, self._edit_a_file],
            self._move_a_page,
            self._move_a_file,
            self._restrict_a_page,
            self._open_a_page,
            self._share_a_file,
            self._unshare_a_file,
            self._trash_a_page,
            self._trash_a_file,
            self._comment,
            self._attach,
            self._change_a_group,
            self._rename,
        ]
        self.random.choice(deeds)()
        self.deeds += 1
        self.look()

    def fail(self) -> None:
        """Something goes wrong with the next requests."""
        api, drive = self.confluence.api, self.google.api
        faults: list[Callable[[], object]] = [
            lambda: api.throttle(3, 1.0, times=3),
            lambda: api.fail(status=503, times=2),
            lambda: api.fail("*/pages*", cut=True),
            lambda: api.fail("*search*", truncated=True),
            lambda: api.fail(html=True),
            api.expire_cursors,
            lambda: drive.fail("*", "userRateLimitExceeded", times=2),
            lambda: drive.fail("*", 500, times=2),
            lambda: drive.fail("*", "half"),
            lambda: drive.fail("files.list", "incomplete"),
            lambda: drive.fail("*", "html"),
            lambda: drive.fail("changes.list", "expired"),
        ]
        self.random.choice(faults)()

    def rest(self) -> None:
        """Nothing goes wrong any more."""
        self.confluence.api.faults.clear()
        self.google.api.faults.clear()

    # Who may read what.

    def truth(self) -> dict[str, tuple[str, frozenset[str]]]:
        site, drive = self.confluence.site, self.google.drive
        found = {}
        for id, content in site.visible_documents().items():
            readers = frozenset(email for email, account in self.accounts.items() if site.may_read(account, content))
            prefix = "comment:" if content.kind == "comment" else ""
            found[f"confluence:{prefix}{id}"] = _word(content), readers
        for id in drive.visible_documents([self.mine, self.shared]):
            item = drive.items[id]
            assert isinstance(item.content, Text)
            readers = frozenset(email for email in PEOPLE if drive.finds(email, item))
            found[f"drive:{id}"] = item.content.markdown.strip(), readers
        return found

    def look(self) -> None:
        for word, readers in self.truth().values():
            self.ever[word] |= readers

    # Their deeds.

    def _word(self) -> str:
        self._words += 1
        return f"word{self._words}x"

    def _pages(self) -> list[Content]:
        visible = self.confluence.site.visible_documents().values()
        return sorted((content for content in visible if content.kind == "page"), key=lambda content: int(content.id))

    def _files(self) -> list[Item]:
        drive = self.google.drive
        return sorted((drive.items[id] for id in drive.visible_documents([self.mine, self.shared])), key=lambda item: item.id)

    def _write_a_page(self) -> None:
        pages = self._pages()
        if len(pages) < MOST:
            space = self.random.choice(self.spaces)
            parents = [page for page in pages if page.space is space]
            parent = self.random.choice([None, *parents])
            word = self._word()
            self.confluence.site.page(space, f"Page {word}", f"<p>{word}</p>", parent=parent)

    def _write_a_file(self) -> None:
        if len(self._files()) < MOST:
            self.google.drive.doc(f"File {self._words}", self.random.choice([self.shared, *self.folders]), self._word())

    def _edit_a_page(self) -> None:
        if pages := self._pages():
            self.confluence.site.edit(self.random.choice(pages), body=f"<p>{self._word()}</p>")

    def _edit_a_file(self) -> None:
        if files := self._files():
            self.google.drive.edit(self.random.choice(files), self._word())

    def _rename(self) -> None:
        if pages := self._pages():
            self.confluence.site.edit(self.random.choice(pages), title=f"Renamed {self._words} {self.deeds}")
        self.google.drive.rename(self.random.choice(self.folders), f"Folder {self.deeds}")

    def _move_a_page(self) -> None:
        pages = self._pages()
        if len(pages) > 1:
            page, parent = self.random.sample(pages, 2)
            above = parent
            while above is not None and above is not page:
                above = above.parent
            if above is None:
                self.confluence.site.move(page, parent=parent)

    def _move_a_file(self) -> None:
        if files := self._files():
            self.google.drive.move(self.random.choice(files), self.random.choice([self.shared, *self.folders]))

    def _restrict_a_page(self) -> None:
        if pages := self._pages():
            reader = self.accounts[self.random.choice(PEOPLE)]
            self.confluence.site.restrict(self.random.choice(pages), users=[reader, self.confluence.site.bot])

    def _open_a_page(self) -> None:
        if pages := self._pages():
            self.confluence.site.unrestrict(self.random.choice(pages))

    def _share_a_file(self) -> None:
        if files := self._files():
            self.google.drive.share(self.random.choice(files), f"user:{self.random.choice(PEOPLE)}")

    def _unshare_a_file(self) -> None:
        if files := self._files():
            self.google.drive.unshare(self.random.choice(files), f"user:{self.random.choice(PEOPLE)}")

    def _trash_a_page(self) -> None:
        if len(pages := self._pages()) > 5:
            self.confluence.site.trash(self.random.choice(pages))

    def _trash_a_file(self) -> None:
        if len(files := self._files()) > 5:
            self.google.drive.trash(self.random.choice(files))

    def _comment(self) -> None:
        if pages := self._pages():
            self.confluence.site.comment(self.random.choice(pages), f"<p>{self._word()}</p>")

    def _attach(self) -> None:
        if pages := self._pages():
            word = self._word()
            self.confluence.site.attach(self.random.choice(pages), f"{word}.txt", word.encode(), media_type="text/plain")

    def _change_a_group(self) -> None:
        person = self.random.choice(PEOPLE)
        site, drive = self.confluence.site, self.google.drive
        if self.random.random() < 0.5:
            site.join(self.staff, self.accounts[person])
            drive.join(self.group, f"user:{person}")
        else:
            site.leave(self.staff, self.accounts[person])
            drive.leave(self.group, f"user:{person}")


def _word(content: Content) -> str:
    if content.kind == "attachment":
        return content.file.data.decode() if content.file else ""
    return content.body.removeprefix("<p>").removesuffix("</p>")


async def readable(data_dir: Path, sources: Iterable[str]) -> dict[str, tuple[str, frozenset[str]]]:
    """What Footnote's index holds, and which of the people it would show it to."""
    from bots.redis import connect_redis

    names = list(sources)
    engines = await attach(data_dir)
    client: AsyncQdrantClient = connect(socket=engines.qdrant_socket)
    redis = connect_redis(None, engines.redis_socket)
    try:
        chosen = models.Filter(must=[models.FieldCondition(key="source", match=models.MatchAny(any=names))])
        after = await SourceGroups(redis, names).read()
        while True:
            # A sync tells its groups first: those of before and those of after must be the same to belong to the documents.
            before = after
            points, _ = await client.scroll("footnote", scroll_filter=chosen, limit=10_000, with_payload=True)
            after = await SourceGroups(redis, names).read()
            if before == after:
                break
        held: dict[str, frozenset[Principal]] = {email: expand({f"user:{email}"}, after.groups) for email in PEOPLE}
        found = {}
        for point in points:
            payload = point.payload or {}
            if payload["position"] == 0:
                access = access_of(payload["gates"])
                readers = frozenset(email for email, principals in held.items() if access.admits(principals))
                found[payload["document_id"]] = payload["text"].strip(), readers
        return found
    finally:
        await redis.aclose()
        await client.close()
        await engines.release()
