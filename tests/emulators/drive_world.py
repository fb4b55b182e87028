"""The files, folders, shared drives and people of an emulated Google Workspace, and what people do with them.

drive = Drive()
handbook = drive.folder("Handbook")                        # Ana's, shared with the bot
leave = drive.doc("Leave", handbook, "# Leave\\n\\nThirty days.")
drive.share(leave, "group:everyone@acme.com")
drive.edit(leave, "# Leave\\n\\nThirty-one days.")
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from tests.emulators.drive_access import Access
from tests.emulators.drive_content import (
    DOCUMENT,
    FOLDER,
    FORM,
    PRESENTATION,
    SHORTCUT,
    SPREADSHEET,
    Content,
    Sheets,
    Slides,
    Text,
    Zeros,
)
from tests.emulators.drive_feed import Feed, Place
from tests.emulators.drive_item import Grant, Item, SharedDrive

DOMAIN = "acme.com"
BOT = "footnote@acme-footnote.iam.gserviceaccount.com"
OWNER = f"ana@{DOMAIN}"


Folder = Item | SharedDrive
Tables = Mapping[str, Sequence[Sequence[object]]]
Given = str | bytes | Zeros | Tables | Sequence[tuple[str, str]]


class Drive:
    """The world. ``bot`` is the service account. Who reads through the API is told what Google would tell it."""

    def __init__(self, *, bot: str = BOT, domain: str = DOMAIN) -> None:
        self.bot = bot
        self.domain = domain
        self.admins = {f"admin@{domain}"}
        self.emit_descendant_changes = False
        """Whether a change of a folder is told of all that is in it, too. Google does not promise it."""
        self.my_drive_permissions_from = "writer"
        """The role from which on one may list the permissions of an item in My Drive."""
        self.shared_drive_permissions_from = "reader"
        """The same in a shared drive."""
        self.items: dict[str, Item] = {}
        self.drives: dict[str, SharedDrive] = {}
        self.users: dict[str, str] = {}
        """Address in lower case to the address as it is shown."""
        self.groups: dict[str, set[str]] = {}
        """``group:eng@acme.com`` to its members: ``user:``, ``group:`` or, for all who are in it, ``domain:``."""
        self.deleted_accounts: set[str] = set()
        self.suspended: set[str] = set()
        self.feed = Feed()
        self.access = Access(self)
        self.revision = 0
        """Moves on any change."""
        self._ahead = timedelta()
        self._serials = itertools.count(1)
        for email in (OWNER, bot, *self.admins):
            self.user(email)

    # Time.

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def pass_time(self, gap: timedelta) -> None:
        self._ahead += gap
        self.revision += 1

    # People.

    def user(self, email: str) -> str:
        """Somebody with an account; returns the principal."""
        self.users.setdefault(email.lower(), email)
        return f"user:{email.lower()}"

    def delete_user(self, email: str) -> None:
        """What was granted to it stays, and gives nothing."""
        self.deleted_accounts.add(f"user:{email.lower()}")
        self.revision += 1

    def suspend(self, email: str) -> None:
        self.suspended.add(f"user:{email.lower()}")

    def group(self, email: str, members: Iterable[str] = ()) -> str:
        """A group of ``user:``, ``group:`` or ``domain:`` principals; returns its own."""
        group = self._principal(f"group:{email}")
        for member in members:
            self.join(group, member)
        return group

    def join(self, group: str, member: str) -> None:
        """Groups may be in groups, in circles too. The feed of changes tells nothing of it."""
        self.groups[self._principal(group)].add(self._principal(member))
        self.revision += 1

    def leave(self, group: str, member: str) -> None:
        self.groups[self._principal(group)].discard(self._principal(member))
        self.revision += 1

    def _principal(self, named: str) -> str:
        kind, _, address = named.partition(":")
        if kind == "user":
            return self.user(address)
        if kind == "group":
            self.groups.setdefault(named.lower(), set())
        elif kind != "domain" and named != "anyone":
            raise ValueError(f"{named!r} is no principal: say user:, group:, domain: with an address, or anyone")
        return named.lower()

    # What there is.

    def shared_drive(self, name: str, *, members: Mapping[str, str] | None = None, with_bot: bool = True) -> SharedDrive:
        """``members`` by principal with their role; the bot is a reader."""
        serial, at = next(self._serials), self.now()
        id = _id("0A", serial, 19)
        root = Item(id, serial, "Drive", FOLDER, None, at, at, None, drive=id, children={})
        drive = self.drives[id] = SharedDrive(id, name, at, root)
        self.items[id] = root
        for member, role in (members or {}).items():
            self.add_member(drive, member, role)
        if with_bot:
            self.add_member(drive, f"user:{self.bot}", "reader")
        return drive

    def folder(self, name: str, parent: Folder | None = None, *, owner: str = OWNER, with_bot: bool = True) -> Item:
        """Without a parent it lies in the owner's My Drive and is shared with the bot as a reader."""
        folder = self._add(name, FOLDER, parent, owner, children={})
        if parent is None and with_bot:
            self.share(folder, f"user:{self.bot}")
        return folder

    def doc(self, name: str, parent: Folder, text: str = "", *, owner: str = OWNER) -> Item:
        return self._add(name, DOCUMENT, parent, owner, content=Text(text))

    def sheet(self, name: str, parent: Folder, tables: Tables, *, owner: str = OWNER) -> Item:
        return self._add(name, SPREADSHEET, parent, owner, content=Sheets.of(tables))

    def slides(self, name: str, parent: Folder, slides: Sequence[tuple[str, str]], *, owner: str = OWNER) -> Item:
        return self._add(name, PRESENTATION, parent, owner, content=Slides(tuple(slides)))

    def form(self, name: str, parent: Folder, *, owner: str = OWNER) -> Item:
        """An editor's file that cannot be exported."""
        return self._add(name, FORM, parent, owner)

    def file(
        self,
        name: str,
        parent: Folder,
        content: str | bytes | Zeros = b"",
        mime_type: str = "text/plain",
        *,
        owner: str = OWNER,
        resource_key: str | None = None,
        abusive: bool = False,
    ) -> Item:
        """A file with bytes. ``abusive``: Google took it for malware."""
        read = content.encode() if isinstance(content, str) else content
        return self._add(name, mime_type, parent, owner, content=read, resource_key=resource_key, abusive=abusive)

    def shortcut(self, name: str, parent: Folder, target: Item, *, owner: str = OWNER) -> Item:
        if target.target is not None:
            raise ValueError("Drive makes no shortcuts to shortcuts")
        return self._add(name, SHORTCUT, parent, owner, target=target)

    def _add(
        self,
        name: str,
        mime_type: str,
        parent: Folder | None,
        owner: str,
        *,
        content: Content = None,
        children: dict[str, Item] | None = None,
        target: Item | None = None,
        resource_key: str | None = None,
        abusive: bool = False,
    ) -> Item:
        around = parent.root if isinstance(parent, SharedDrive) else parent
        drive = around.drive if around else None
        serial, at = next(self._serials), self.now()
        item = Item(_id("1", serial, 33), serial, name, mime_type, around, at, at, None if drive else owner.lower(), drive)
        item.content, item.children, item.target = content, children, target
        item.resource_key, item.abusive = resource_key, abusive
        if not drive:
            self.user(owner)
        self.items[item.id] = item
        if around:
            assert around.children is not None
            around.children[item.id] = item
        self.revision += 1
        if self.access.sees(self.bot, item):
            self.feed.add("file", item.id, at, [drive])
        return item

    def children(self, id: str) -> list[Item]:
        return list((self.items[id].children or {}).values()) if id in self.items else []

    # What people do with it.

    def edit(self, item: Item, content: Given) -> None:
        """New content, given as it was when the item was made."""
        with self._changing(item):
            match item.mime_type, content:
                case (str(mime), str(text)) if mime == DOCUMENT:
                    item.content = Text(text)
                case _, Mapping():
                    item.content = Sheets.of(content)
                case _, str(text):
                    item.content = text.encode()
                case _, bytes() | Zeros():
                    item.content = content
                case _:
                    item.content = Slides(tuple(content))
            item.modified = self.now()
            item.revision += 1

    def touch(self, item: Item) -> None:
        """Something that nobody sees: the version moves, the content is the same."""
        with self._changing(item):
            pass

    def rename(self, item: Folder, name: str) -> None:
        if isinstance(item, SharedDrive):
            with self._changing_drive(item):
                item.name = name
            return
        with self._changing(item, subtree=True):
            item.name = name

    def move(self, item: Item, parent: Folder) -> None:
        """Into another folder or shared drive. What was granted on it stays, what it inherited changes."""
        around = parent.root if isinstance(parent, SharedDrive) else parent
        assert around.children is not None
        if around is item or item in around.ancestors():
            raise ValueError("a folder cannot be moved into itself")
        with self._changing(item, subtree=True):
            if item.parent:
                assert item.parent.children is not None
                del item.parent.children[item.id]
            item.parent = around
            around.children[item.id] = item
            for moved in (item, *item.descendants()):
                moved.drive = around.drive
                moved.owner = None if around.drive else moved.owner or around.owner

    def forbid_download(self, item: Item) -> None:
        """Readers may neither copy nor download nor export it."""
        with self._changing(item):
            item.downloadable = False

    def trash(self, item: Item) -> None:
        """A folder takes with it what is in it."""
        with self._changing(item, subtree=True):
            item.trashed_at = self.now()

    def restore(self, item: Item) -> None:
        with self._changing(item, subtree=True):
            item.trashed_at = None

    def delete(self, item: Folder) -> None:
        """For good, with all that is in it."""
        if isinstance(item, SharedDrive):
            with self._changing_drive(item):
                del self.drives[item.id]
                for gone in (item.root, *item.root.descendants()):
                    del self.items[gone.id]
            return
        with self._changing(item, subtree=True):
            for gone in (item, *item.descendants()):
                del self.items[gone.id]
            if item.parent:
                assert item.parent.children is not None
                del item.parent.children[item.id]

    def share(
        self,
        item: Item,
        principal: str,
        role: str = "reader",
        *,
        discoverable: bool = True,
        expires: datetime | None = None,
        view: str | None = None,
        pending_owner: bool = False,
    ) -> None:
        """Give a role; it replaces what the principal was given on this item before."""
        named = self._principal(principal)
        with self._changing(item, subtree=True):
            item.grants[named, view] = Grant(named, role, discoverable, expires, view, pending_owner)

    def unshare(self, item: Item, principal: str) -> None:
        """Take away what was given on this item; what is inherited stays."""
        named = self._principal(principal)
        with self._changing(item, subtree=True):
            item.grants = {key: grant for key, grant in item.grants.items() if grant.principal != named}

    def unshare_bot(self, item: Folder) -> None:
        if isinstance(item, SharedDrive):
            self.remove_member(item, f"user:{self.bot}")
        else:
            self.unshare(item, f"user:{self.bot}")

    def limit_access(self, folder: Item, limited: bool = True) -> None:
        """Only who is named on the folder itself, its owner and a shared drive's organizers open it."""
        if folder.children is None or folder.id in self.drives:
            raise ValueError("only a folder can be limited")
        with self._changing(folder, subtree=True):
            folder.limited = limited

    def add_member(self, drive: SharedDrive, principal: str, role: str = "reader") -> None:
        named = self._principal(principal)
        with self._changing_drive(drive):
            drive.root.grants[named, None] = Grant(named, role)

    def remove_member(self, drive: SharedDrive, principal: str) -> None:
        named = self._principal(principal)
        with self._changing_drive(drive):
            drive.root.grants.pop((named, None), None)

    @contextmanager
    def _changing(self, item: Item, *, subtree: bool = False) -> Iterator[None]:
        told = [item, *(item.descendants() if subtree and self.emit_descendant_changes else ())]
        before: list[tuple[Item, bool, Place]] = [(each, self.access.sees(self.bot, each), each.drive) for each in told]
        yield
        self.revision += 1
        at = self.now()
        for each, seen, place in before:
            each.version += 1
            if seen or self.access.sees(self.bot, each):
                self.feed.add("file", each.id, at, [place, each.drive])

    @contextmanager
    def _changing_drive(self, drive: SharedDrive) -> Iterator[None]:
        told = [drive.root, *(drive.root.descendants() if self.emit_descendant_changes else ())]
        before = [(each, self.access.sees(self.bot, each)) for each in told]
        yield
        self.revision += 1
        at = self.now()
        for each, seen in before:
            each.version += 1
            if seen or self.access.sees(self.bot, each):
                self.feed.add("drive" if each is drive.root else "file", each.id, at, [drive.id])

    # What is true: the measure for what is read through the API.

    def readers(self, item: Item, *, source: str = "drive") -> tuple[frozenset[str], ...]:
        """Who finds a file, as the gates of an Access: Drive has one gate. Who only has a link does not find it."""
        names = {"group": f"group:{source}:", "user": "user:", "domain": "domain:"}
        found = (principal.partition(":") for principal in self.access.finders(item))
        return (frozenset(names[kind] + address if address else "everyone" for kind, _, address in found),)

    def finds(self, email: str, item: Item) -> bool:
        """Whether a person finds a file, found without :meth:`readers`."""
        return self.access.role(email.lower(), item, link=False) is not None

    def members(self, group: str) -> frozenset[str]:
        """The addresses of all in a group, however deep."""
        return frozenset(email for email in self.users if group.lower() in self.access.principals(email))

    def visible_documents(self, roots: Collection[Folder | str]) -> frozenset[str]:
        """The ids of all files below these folders and shared drives that the bot can read and that are not in the trash.

        A shortcut to a file stands for the file, wherever that is; one to a folder stands for nothing.
        """
        found: set[str] = set()
        waiting = [self.items[id] for root in roots if (id := root if isinstance(root, str) else root.id) in self.items]
        while waiting:
            item = waiting.pop()
            if not self.access.sees(self.bot, item) or item.trashed:
                continue
            waiting += (item.children or {}).values()
            read = item.target if item.mime_type == SHORTCUT else item
            if read and read.is_document and read.id in self.items and not read.trashed and self.access.role(self.bot, read):
                found.add(read.id)
        return frozenset(found)

    def path(self, item: Item) -> tuple[str, ...]:
        """The names of the folders around it that the bot sees, outermost first; of a shared drive its own name."""
        seen = [folder for folder in item.ancestors() if self.access.sees(self.bot, folder)]
        return tuple(self.drives[folder.id].name if folder.id in self.drives else folder.name for folder in reversed(seen))


def _id(prefix: str, serial: int, length: int) -> str:
    """As Google's look, and the same in each run."""
    return prefix + hashlib.sha256(str(serial).encode()).hexdigest()[: length - len(prefix)]
