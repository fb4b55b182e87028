"""What there is on a site: spaces, what is in them, and how it hangs together. Without bodies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

MAX_DEPTH = 100
"""Pages above one another. Nobody builds that; who may read what lies deeper cannot be told."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    id: str
    key: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page or a blog post; or what may stand above pages: a folder, a whiteboard, a database."""

    id: str
    kind: str
    """As Confluence says: ``page``, ``blogpost``, ``folder``, ..."""
    title: str
    space_id: str
    version: int
    updated_at: datetime
    url: str
    parent_id: str | None = None
    parent_kind: str = "page"
    owner: str = ""
    """The account that owns it: whoever created it, if it was not handed over; empty where Confluence does not say."""
    editor: str = ""
    """The account that wrote this version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    id: str
    """With ``att`` before the digits."""
    page_id: str
    title: str
    media_type: str
    size: int
    """Bytes, as Confluence says: it may be wrong."""
    version: int
    updated_at: datetime
    url: str
    download: str

    @property
    def is_html(self) -> bool:
        return "html" in self.media_type


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    id: str
    page_id: str
    """Empty where only the comment that it replies to says it."""
    parent_id: str | None
    version: int
    updated_at: datetime
    url: str
    inline: bool = False
    marked: str = ""
    """The words of the page that an inline comment is about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Thread:
    """A comment on a page and all replies, oldest first."""

    page_id: str
    comments: tuple[Comment, ...]

    @property
    def first(self) -> Comment:
        return self.comments[0]


@dataclass(kw_only=True)
class Listing:
    spaces: dict[str, Space] = field(default_factory=dict)
    """By id, as everything here."""
    pages: dict[str, Page] = field(default_factory=dict)
    """Pages and blog posts."""
    above: dict[str, Page] = field(default_factory=dict)
    """What stands above them and is none itself."""
    attachments: dict[str, Attachment] = field(default_factory=dict)
    threads: dict[str, Thread] = field(default_factory=dict)
    """By the id of their first comment."""
    is_whole: bool = False
    """Whether it is all that is in the spaces."""
    _ancestors: dict[str, tuple[Page, ...] | None] = field(default_factory=dict)

    def ancestors(self, page: Page) -> tuple[Page, ...] | None:
        """What stands above a page, outermost first; None when that cannot be told: something among it is out of sight."""
        found = self._ancestors
        waiting = {page.id: page}
        while waiting:
            id, current = next(reversed(waiting.items()))
            parent = self.parent(current)
            if parent is not None and parent.id not in found and parent.id not in waiting:
                waiting[parent.id] = parent
                continue
            above = found.get(parent.id) if parent is not None else None
            if current.parent_id is None:
                found[id] = ()
            elif parent is None or above is None or len(above) >= MAX_DEPTH:
                found[id] = None
            else:
                found[id] = (*above, parent)
            del waiting[id]
        return found[page.id]

    def parent(self, page: Page) -> Page | None:
        if page.parent_id is None:
            return None
        return self.pages.get(page.parent_id) or self.above.get(page.parent_id)

    def path(self, page: Page) -> tuple[str, ...]:
        """Titles above a page. Whoever may read it may read them: it inherits what its ancestors are restricted to."""
        space = self.spaces[page.space_id].name
        return (space, *(above.title for above in self.ancestors(page) or ()))

    def orphans(self) -> dict[str, str]:
        """What stands above something here and is not here itself: id to kind."""
        everything = (*self.pages.values(), *self.above.values())
        return {
            page.parent_id: page.parent_kind
            for page in everything
            if page.parent_id is not None and page.parent_id not in self.pages and page.parent_id not in self.above
        }

    def keep_what_hangs_together(self) -> None:
        """Drop what is on pages that are not here: of other spaces, or archived."""
        self.pages = {id: page for id, page in self.pages.items() if page.space_id in self.spaces}
        self.attachments = {id: item for id, item in self.attachments.items() if item.page_id in self.pages}
        self.threads = {id: thread for id, thread in self.threads.items() if thread.page_id in self.pages}


def threads(comments: Iterable[Comment]) -> dict[str, Thread]:
    """By the id of the first comment. A reply to one that is gone is gone with it."""
    by_id = {comment.id: comment for comment in comments}
    members: defaultdict[str, list[Comment]] = defaultdict(list)
    for comment in by_id.values():
        members[_first(comment, by_id).id].append(comment)
    return {
        id: Thread(page_id=by_id[id].page_id, comments=tuple(_ordered(by_id[id], found)))
        for id, found in members.items()
        if by_id[id].page_id and by_id[id].parent_id is None
    }


def _first(comment: Comment, by_id: dict[str, Comment]) -> Comment:
    passed = {comment.id}
    while comment.parent_id in by_id and comment.parent_id not in passed:
        comment = by_id[comment.parent_id]
        passed.add(comment.id)
    return comment


def _ordered(first: Comment, comments: list[Comment]) -> Iterator[Comment]:
    yield first
    yield from sorted((comment for comment in comments if comment is not first), key=lambda comment: int(comment.id))
