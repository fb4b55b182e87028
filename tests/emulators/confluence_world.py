"""What a Confluence site is made of. People change it through :class:`tests.emulators.confluence_site.Site`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


@dataclass(eq=False)
class Account:
    id: str
    """Cloud: the account id. Data Center: the user key."""
    name: str
    email: str
    username: str
    """Data Center only."""
    shows_email: bool = True
    active: bool = True
    time_zone: str = "UTC"
    """Of the profile: CQL reads times in it."""
    administers: bool = False

    @property
    def principal(self) -> str:
        return f"account:{self.id}"


@dataclass(eq=False)
class Group:
    id: str
    """Cloud: a UUID. Data Center knows groups by name alone."""
    name: str
    members: dict[str, Account] = field(default_factory=dict)

    @property
    def principal(self) -> str:
        return f"group:{self.id}"


class AccessClass(StrEnum):
    """Who is meant without being named."""

    ANONYMOUS = "anonymous-users"
    LICENSED = "all-licensed-users"
    ADMINS = "all-product-admins"

    @property
    def principal(self) -> str:
        return {"anonymous-users": "everyone", "all-licensed-users": "licensed", "all-product-admins": "admins"}[self]


Subject = Account | Group | AccessClass


@dataclass(frozen=True)
class Role:
    id: str
    name: str
    permissions: tuple[str, ...]
    """``read/space``: operation and target."""
    system: bool = True


@dataclass(frozen=True)
class Grant:
    """A permission in a space."""

    id: int
    subject: Subject
    operation: str
    target: str
    role: Role | None = None
    """The role that it came with."""


@dataclass(eq=False)
class Restriction:
    """The people and groups to whom an operation is left."""

    users: dict[str, Account] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.users or self.groups)

    @property
    def principals(self) -> frozenset[str]:
        return frozenset({user.principal for user in self.users.values()} | {group.principal for group in self.groups.values()})


@dataclass(eq=False)
class Space:
    id: str
    key: str
    name: str
    author: Account
    created_at: datetime
    type: str = "global"
    status: str = "current"
    grants: list[Grant] = field(default_factory=list)
    contents: dict[str, Content] = field(default_factory=dict)
    """Pages, blog posts and folders of every status."""

    @property
    def readers(self) -> frozenset[str]:
        return frozenset(g.subject.principal for g in self.grants if (g.operation, g.target) == ("read", "space"))


@dataclass(frozen=True)
class Version:
    number: int
    at: datetime
    author: Account
    message: str = ""


@dataclass(frozen=True)
class File:
    id: str
    media_type: str
    data: bytes = field(repr=False)
    zeros: int | None = None
    """So many zero bytes, in place of the data."""
    listed: int | None = None
    """What Confluence says of its size, if that is wrong."""

    @property
    def size(self) -> int:
        return len(self.data) if self.zeros is None else self.zeros

    @property
    def listed_size(self) -> int:
        return self.size if self.listed is None else self.listed

    def pieces(self, length: int = 65_536) -> Iterator[bytes]:
        if self.zeros is None:
            yield self.data
            return
        for start in range(0, self.zeros, length):
            yield bytes(min(length, self.zeros - start))


@dataclass(eq=False)
class Content:
    id: str
    """Digits; of an attachment ``att`` and digits."""
    kind: str
    """page, blogpost, folder (or whiteboard, database, embed), attachment or comment."""
    space: Space
    title: str
    body: str
    versions: list[Version]
    """Oldest first."""
    status: str = "current"
    """current, archived, trashed or draft."""
    parent: Content | None = None
    """The page or folder above; what an attachment or a comment is on; the comment that is replied to."""
    children: dict[str, Content] = field(default_factory=dict)
    """Pages and folders below, attachments excepted; the replies to a comment."""
    attachments: dict[str, Content] = field(default_factory=dict)
    comments: dict[str, Content] = field(default_factory=dict)
    """The first ones of threads."""
    labels: dict[str, None] = field(default_factory=dict)
    """Names, in the order in which they were given."""
    restrictions: dict[str, Restriction] = field(default_factory=lambda: {"read": Restriction(), "update": Restriction()})
    files: dict[int, File] = field(default_factory=dict)
    """Of an attachment, by the number of the version that brought it."""
    location: str = ""
    """Of a comment: footer or inline."""
    resolution: str = "open"
    marked: str = ""
    """The words that an inline comment is about."""
    broken: bool = False
    """Its body cannot be rendered: whoever asks for it gets a 500."""

    @property
    def number(self) -> int:
        return int(self.id.removeprefix("att"))

    @property
    def version(self) -> Version:
        return self.versions[-1]

    @property
    def file(self) -> File:
        return self.file_of(self.version.number)

    def file_of(self, version: int) -> File:
        return self.files[max(number for number in self.files if number <= version)]

    @property
    def created(self) -> Version:
        return self.versions[0]

    @property
    def holder(self) -> Content:
        """The page, blog post or folder whose permissions count."""
        content = self
        while content.kind in {"attachment", "comment"} and content.parent is not None:
            content = content.parent
        return content

    @property
    def ancestors(self) -> list[Content]:
        """Pages and folders above, root first."""
        found = []
        above = self.holder.parent
        while above is not None:
            found.append(above)
            above = above.parent
        return found[::-1]

    def subtree(self) -> Iterator[Content]:
        yield self
        for child in self.children.values():
            yield from child.subtree()
