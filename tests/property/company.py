"""A company: its Confluence, its Drive, the chat that its people talk in, and what each of them may read.

The oracle asks the emulated sites themselves, person by person and document by document. It knows nothing of Footnote's
principals, gates and classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.confluence.source import ConfluenceSource
from connectors.google_drive.source import DriveSource
from core.models import Principal
from core.ports import Source
from core.settings import ConfluenceConfig, DriveConfig
from tests.emulators.confluence_api import ConfluenceApi
from tests.emulators.confluence_site import Site
from tests.emulators.confluence_world import AccessClass, Account, Content, Group
from tests.emulators.drive import Drive, DriveApi, key_file
from tests.emulators.drive_item import Item
from tests.emulators.slack_workspace import Channel, User
from tests.fakes import Unhurried
from tests.property.chat import Chat

STRANGER = "stranger@elsewhere.example"


@dataclass(eq=False)
class Person:
    email: str
    """Which the chat and Google know."""
    account: Account | None
    """In Confluence."""
    user: User
    """In the chat."""


@dataclass(frozen=True)
class Place:
    """Where somebody asks: in a channel, or (None) alone."""

    asker: Person
    channel: Channel | None


class Company:
    def __init__(self, *, data_center: bool) -> None:
        self.drive = drive = Drive()
        self.site = site = Site(data_center=data_center, clock=drive.now)
        self.site_api, self.drive_api = ConfluenceApi(site), DriveApi(drive)
        accounts = [site.user("Ana"), site.user("Bob", email="Bob@Acme.com"), site.user("Cat", shows_email=False), None]
        self.chat = Chat("ana@acme.com", "bob@acme.com", "cat@acme.com", "dan@other.org")
        self.people = [Person(user.name, account, user) for user, account in zip(self.chat.users, accounts, strict=True)]
        for person in self.people:
            drive.user(person.email)
        self.granted: dict[str, Group] = {}
        """By channel: what an administrator lets all in it read as."""
        self._a_confluence(site)
        self._a_drive(drive)
        self._words = 0

    def _a_confluence(self, site: Site) -> None:
        ana, bob, cat = self.accounts = [person.account for person in self.people if person.account]
        self.groups = self.team, self.board = site.group("team", ana, bob), site.group("board", cat)
        self.subjects = [site.everybody, self.team, self.board, bob, AccessClass.ANONYMOUS]
        self.spaces = [
            site.space("ENG"),
            site.space("HR", permit=[self.board, site.bot]),
            site.space("WWW", permit=[AccessClass.ANONYMOUS, site.bot]),
        ]
        handbook = site.page(self.spaces[0], "Handbook", "<p>for all</p>")
        leave = site.page(self.spaces[0], "Leave", "<p>thirty days</p>", parent=handbook)
        site.restrict(leave, users=[site.bot], groups=[self.team])
        site.page(self.spaces[0], "Parents", "<p>more days</p>", parent=leave)
        site.page(self.spaces[1], "Salaries", "<p>much</p>")
        site.page(self.spaces[2], "Jobs", "<p>many</p>")
        site.attach(leave, "days.txt", b"a table")
        site.comment(handbook, "<p>why</p>")

    def _a_drive(self, drive: Drive) -> None:
        bot = f"user:{drive.bot}"
        self.eng = drive.group("eng@acme.com", ["user:cat@acme.com"])
        self.all = drive.group("all@acme.com", [self.eng, "user:bob@acme.com"])
        self.policies = drive.folder("Policies")
        drive.share(self.policies, bot, "writer")
        drive.share(self.policies, "domain:acme.com")
        self.handbook = drive.shared_drive("Handbook", members={"user:bob@acme.com": "organizer", self.eng: "reader"})
        self.folders = [
            self.policies,
            drive.folder("Travel", self.policies),
            self.handbook.root,
            drive.folder("Management", self.handbook),
        ]
        self.folders.append(drive.folder("Board", self.folders[-1]))
        for folder in self.folders[1:]:
            if folder is not self.handbook.root:
                # So that the account goes on reading them when they are limited.
                drive.share(folder, bot, "writer")
        drive.share(self.folders[1], "user:dan@other.org")
        for number, folder in enumerate(self.folders):
            drive.doc(f"Doc {number}", folder, f"text {number}")

    def sources(self) -> tuple[Source, ...]:
        api = self.site_api
        email = None if self.site.data_center else api.email
        confluence = ConfluenceConfig(url=api.url, email=email, api_token=api.token)
        drive = DriveConfig(
            credentials=key_file(),
            folders=(self.policies.id,),
            drives=(self.handbook.id,),
            directory_admin="admin@acme.com",
        )
        return (
            ConfluenceSource(confluence, Unhurried(), transport=api, clock=self.drive.now),
            DriveSource(drive, Unhurried(), transport=self.drive_api, clock=self.drive.now),
        )

    @property
    def places(self) -> list[Place]:
        alone = [Place(person, None) for person in self.people]
        channels = self.chat.channels
        askers = [next((one for one in self.people if one.user.id in channel.inside), self.people[0]) for channel in channels]
        return [*alone, *map(Place, askers, channels)]

    def settings(self) -> dict[Principal, set[Principal]]:
        """The groups of footnote.toml."""
        granted: dict[Principal, set[Principal]] = {}
        for channel, group in self.granted.items():
            granted.setdefault(f"group:confluence:{group.id}", set()).add(f"channel:slack:{channel}")
        return granted

    # The oracle.

    def readable(self) -> Iterator[tuple[Place, set[str]]]:
        """The ids of the documents that everyone may read who sees an answer there, of those that Footnote was shown."""
        documents = self.documents()
        for place in self.places:
            readers = self._readers(place)
            also = self.granted.get(place.channel.id) if place.channel else None
            readable = (
                {id for id, item in documents.items() if self._reads(one, item) or (also and self._passes(also, one, item))}
                for one in readers
            )
            yield place, set.intersection(*readable) if readers else set()

    def public(self) -> set[str]:
        return {id for id, item in self.documents().items() if self._reads(None, item)}

    def _readers(self, place: Place) -> list[Person | None]:
        """None: somebody of whom nothing is known."""
        if place.channel is None:
            return [place.asker]
        users = self.chat.readers(place.channel, place.asker.user)
        return [None] if users is None else [person for person in self.people if person.user in users]

    def documents(self) -> dict[str, Content | Item]:
        """All that Footnote was shown, by id."""
        pages = self.site.visible_documents().values()
        files = (self.drive.items[id] for id in self.drive.visible_documents([self.policies, self.handbook.root]))
        return {
            **{f"confluence:{'comment:' if page.kind == 'comment' else ''}{page.id}": page for page in pages},
            **{f"drive:{file.id}": file for file in files},
        }

    def _reads(self, person: Person | None, item: Content | Item) -> bool:
        known = person if person and self.chat.is_member(person.user) else None
        if isinstance(item, Item):
            # In My Drive only editors are told who may read: what is not told is not believed of anybody.
            told = item.drive or self.drive.access.role(self.drive.bot, item) in {"writer", "owner"}
            return bool(told) and self.drive.finds(self._address(known), item)
        return self.site.may_read(self._account(known), item)

    def _passes(self, group: Group, person: Person | None, item: Content | Item) -> bool:
        """Whether somebody could read it who was in this group of Confluence, too."""
        known = person if person and self.chat.is_member(person.user) else None
        held = self.site.principals(self._account(known)) | {group.principal}
        return isinstance(item, Content) and all(gate & held for gate in self.site.readers(item))

    def _address(self, person: Person | None) -> str:
        """Google does not say whom it deleted: the chat's word for an address of the domain is enough for what is shared
        with the domain.
        """
        if person is None:
            return STRANGER
        is_deleted = f"user:{person.email}" in self.drive.deleted_accounts
        return f"formerly-{person.email}" if is_deleted else person.email

    def _account(self, person: Person | None) -> Account | None:
        """Nothing but an address that Confluence shows makes a person of the chat one of Confluence."""
        return person.account if person and person.account and person.account.shows_email else None

    # What people do with texts. No two are the same, and each is a chunk.

    def words(self) -> str:
        self._words += 1
        return f"granite and basalt {self._words}"

    def pages(self, *kinds: str) -> list[Content]:
        return [content for content in self.site.contents.values() if content.kind in kinds]

    def files(self) -> list[Item]:
        return [item for item in self.drive.items.values() if item.is_document]
