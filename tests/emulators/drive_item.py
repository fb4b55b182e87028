"""Files, folders and shared drives of an emulated Google Drive, and what was granted on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from tests.emulators.drive_content import FOLDER, SHORTCUT, Content


@dataclass(eq=False)
class Grant:
    """What somebody was given on one item."""

    principal: str
    """``user:ana@acme.com``, ``group:eng@acme.com``, ``domain:acme.com`` or ``anyone``; in lower case."""
    role: str
    discoverable: bool = True
    """False: only who has the address finds it. Of domains and ``anyone``."""
    expires: datetime | None = None
    view: str | None = None
    """``published``: shown on the web, gives no access to the file."""
    pending_owner: bool = False


@dataclass(eq=False, slots=True)
class Item:
    """A file, folder or shortcut. The root folder of a shared drive has the drive's id and its members as grants."""

    id: str
    serial: int
    """In which order it was made."""
    name: str
    mime_type: str
    parent: Item | None
    created: datetime
    modified: datetime
    owner: str | None
    """Who owns it in My Drive; None in a shared drive."""
    drive: str | None = None
    """The id of its shared drive."""
    content: Content = None
    target: Item | None = None
    """Of a shortcut."""
    resource_key: str | None = None
    downloadable: bool = True
    """False: readers may neither copy nor download it."""
    abusive: bool = False
    version: int = 1
    revision: int = 1
    """Of the content."""
    trashed_at: datetime | None = None
    """When it was put into the trash itself, not with a folder around it."""
    limited: bool = False
    """What is granted above does not count from here on."""
    grants: dict[tuple[str, str | None], Grant] = field(default_factory=dict)
    """Given on this item, by principal and view."""
    children: dict[str, Item] | None = None
    """By id; None of what is no folder."""

    def ancestors(self) -> Iterator[Item]:
        """The folders around it, innermost first."""
        at = self.parent
        while at is not None:
            yield at
            at = at.parent

    def descendants(self) -> Iterator[Item]:
        for child in list((self.children or {}).values()):
            yield child
            yield from child.descendants()

    @property
    def trashed(self) -> bool:
        return self.trashed_at is not None or any(folder.trashed_at for folder in self.ancestors())

    @property
    def is_document(self) -> bool:
        return self.mime_type not in {FOLDER, SHORTCUT}

    def all_grants(self) -> list[Grant]:
        owner = [Grant(f"user:{self.owner}", "owner")] if self.owner else []
        return owner + list(self.grants.values())


@dataclass(eq=False)
class SharedDrive:
    id: str
    name: str
    created: datetime
    root: Item
