"""A company: its Confluence, its Drive, the chat that its people talk in, and what each of them may read.

The oracle asks the emulated sites themselves, person by person and document by document. It knows nothing of Footnote's
principals, gates and classes.
"""

from __future__ import annotations

from dataclasses import dataclass

from connectors.confluence.source import ConfluenceSource
from connectors.google_drive.source import DriveSource
from core.models import Principal
from core.ports import Source
from core.settings import ConfluenceConfig, DriveConfig
from tests.emulators.confluence_api import ConfluenceApi
from tests.emulators.confluence_site import Site
from tests.emulators.confluence_world import AccessClass, Account, Content
from tests.emulators.drive import Drive, DriveApi, key_file
from tests.emulators.drive_item import Item
from tests.fakes import Unhurried

STRANGER = "stranger@elsewhere.example"


@dataclass(eq=False)
class Person:
    """``email`` is what the chat knows; Google knows it too."""

    email: str
    account: Account | None
    """In Confluence."""
    is_member: bool = True
    """Of the chat's workspace. Of a guest or a stranger the chat tells no address."""

    @property
    def principals(self) -> frozenset[Principal]:
        """What the chat says of them."""
        return frozenset({f"user:{self.email}"} if self.is_member else ())


class Company:
    def __init__(self, *, data_center: bool) -> None:
        self.drive = drive = Drive()
        self.site = site = Site(data_center=data_center, clock=drive.now)
        self.site_api, self.drive_api = ConfluenceApi(site), DriveApi(drive)
        self.ana = Person("ana@acme.com", site.user("Ana"))
        self.bob = Person("bob@acme.com", site.user("Bob", email="Bob@Acme.com"))
        self.cat = Person("cat@acme.com", site.user("Cat", shows_email=False))
        self.dan = Person("dan@other.org", None)
        self.people = [self.ana, self.bob, self.cat, self.dan]
        for person in self.people:
            drive.user(person.email)
        self.channels: list[set[Person]] = [set(self.people), {self.ana, self.bob}, set()]
        self._a_confluence(site)
        self._a_drive(drive)
        self._words = 0

    def _a_confluence(self, site: Site) -> None:
        self.team, self.board = site.group("team", self.ana.account, self.bob.account), site.group("board", self.cat.account)
        self.accounts = [person.account for person in self.people if person.account]
        self.subjects = [site.everybody, self.team, self.board, self.bob.account, AccessClass.ANONYMOUS]
        self.spaces = [site.space("ENG"), site.space("HR", permit=[self.board, site.bot])]
        handbook = site.page(self.spaces[0], "Handbook", "<p>for all</p>")
        leave = site.page(self.spaces[0], "Leave", "<p>thirty days</p>", parent=handbook)
        site.restrict(leave, users=[site.bot], groups=[self.team])
        site.page(self.spaces[0], "Parents", "<p>more days</p>", parent=leave)
        site.page(self.spaces[1], "Salaries", "<p>much</p>")
        site.attach(leave, "days.txt", b"a table")
        site.comment(handbook, "<p>why</p>")

    def _a_drive(self, drive: Drive) -> None:
        bot = f"user:{drive.bot}"
        self.eng = drive.group("eng@acme.com", ["user:cat@acme.com"])
        self.all = drive.group("all@acme.com", [self.eng, "user:bob@acme.com"])
        self.policies = drive.folder("Policies")
        drive.share(self.policies, bot, "writer")
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
    def audiences(self) -> list[tuple[Person, ...]]:
        """Each person alone, and the members of each channel."""
        return [*((person,) for person in self.people), *map(tuple, self.channels)]

    # The oracle.

    def readable(self, *people: Person) -> set[str]:
        """The ids of the documents that every one of these people may read, of those that Footnote was shown."""
        found = ({id for id, item in self.documents().items() if self._reads(one, item)} for one in people)
        return set.intersection(*found) if people else set()

    def documents(self) -> dict[str, Content | Item]:
        """All that Footnote was shown, by id."""
        pages = self.site.visible_documents().values()
        files = (self.drive.items[id] for id in self.drive.visible_documents([self.policies, self.handbook.root]))
        return {
            **{f"confluence:{'comment:' if page.kind == 'comment' else ''}{page.id}": page for page in pages},
            **{f"drive:{file.id}": file for file in files},
        }

    def _reads(self, person: Person, item: Content | Item) -> bool:
        if isinstance(item, Item):
            # In My Drive only editors are told who may read: what is not told is not believed of anybody.
            told = item.drive or self.drive.access.role(self.drive.bot, item) in {"writer", "owner"}
            return bool(told) and self.drive.finds(person.email if person.is_member else STRANGER, item)
        # Nothing but an address that Confluence shows makes a person of the chat one of Confluence.
        account = person.account if person.is_member and person.account and person.account.shows_email else None
        return self.site.may_read(account, item)

    # What people do with texts. No two are the same, and each is a chunk.

    def words(self) -> str:
        self._words += 1
        return f"granite and basalt {self._words}"

    def pages(self, *kinds: str) -> list[Content]:
        return [content for content in self.site.contents.values() if content.kind in kinds]

    def files(self) -> list[Item]:
        return [item for item in self.drive.items.values() if item.is_document]
