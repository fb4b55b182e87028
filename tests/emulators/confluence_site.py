"""A Confluence site that people write in. Methods are named as people act; who may read what follows Confluence's rules.

site = Site()
space = site.space("ENG")
page = site.page(space, "Leave", "<p>Thirty days.</p>")
site.restrict(page, users=[ana])
assert site.readers(page) == [{site.everybody.principal}, {ana.principal}]
"""

from __future__ import annotations

import mimetypes
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from tests.emulators.confluence_readers import Readers
from tests.emulators.confluence_world import (
    Account,
    Content,
    File,
    Grant,
    Group,
    Restriction,
    Role,
    Space,
    Subject,
    Version,
)

ROLES = (
    Role("1c5c2f0e-0000-4000-8000-000000000001", "Viewer", ("read/space",)),
    Role("1c5c2f0e-0000-4000-8000-000000000002", "Collaborator", ("read/space", "create/page", "create/comment")),
    Role("1c5c2f0e-0000-4000-8000-000000000003", "Admin", ("read/space", "create/page", "administer/space")),
)


class Site(Readers):
    """``clock`` tells the time of what happens.

    What is not said otherwise is done by ``author``, and a new space is open to the group of all licensed people.
    """

    def __init__(self, *, data_center: bool = False, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        super().__init__(data_center=data_center)
        self.clock = clock
        self.roles: list[Role] = list(ROLES)
        self.labels: dict[str, str] = {}
        """Name to id."""

    # Spaces.

    def space(self, key: str, name: str | None = None, *, permit: Iterable[Subject] | None = None, type: str = "global") -> Space:
        id = str(next(self._ids))
        space = self.spaces[id] = Space(id, key, name or key.title(), self.author, self._now(), type=type)
        self.permit(space, *([self.everybody] if permit is None else permit))
        return space

    def rename_space(self, space: Space, name: str | None = None, *, key: str | None = None) -> None:
        space.name, space.key = name or space.name, key or space.key
        self._changed()

    def archive_space(self, space: Space) -> None:
        """Its pages stay current."""
        space.status = "archived"
        self._changed()

    def delete_space(self, space: Space) -> None:
        del self.spaces[space.id]
        for content in list(space.contents.values()):
            self._forget(content)
        self._changed()

    def permit(
        self, space: Space, *subjects: Subject, role: Role | None = None, operation: str = "read", target: str = "space"
    ) -> None:
        """Grant one permission, or all of a role."""
        permissions = [tuple(name.split("/")) for name in role.permissions] if role else [(operation, target)]
        space.grants += [
            Grant(next(self._ids), subject, operation, target, role) for subject in subjects for operation, target in permissions
        ]
        self._changed()

    def forbid(self, space: Space, *subjects: Subject) -> None:
        """Take back all that they were granted."""
        space.grants = [grant for grant in space.grants if grant.subject not in subjects]
        self._changed()

    def role(self, name: str, *permissions: str) -> Role:
        """``read/space`` and the like."""
        role = Role(self._uuid(), name, permissions, system=False)
        self.roles.append(role)
        return role

    # Pages, blog posts, folders.

    def page(
        self, space: Space, title: str, body: str = "", *, parent: Content | None = None, author: Account | None = None
    ) -> Content:
        return self._create("page", space, title, body, parent=parent, author=author)

    def draft(self, space: Space, title: str, *, parent: Content | None = None) -> Content:
        """A page that only its author sees; others may have put pages below it."""
        draft = self._create("page", space, title, "", parent=parent)
        draft.status = "draft"
        return draft

    def blog(self, space: Space, title: str, body: str = "", *, author: Account | None = None) -> Content:
        return self._create("blogpost", space, title, body, author=author)

    def folder(self, space: Space, title: str, *, parent: Content | None = None, kind: str = "folder") -> Content:
        """``kind`` may be a whiteboard, a database or an embed, which have pages below them too."""
        return self._create(kind, space, title, "", parent=parent)

    def edit(self, content: Content, *, body: str | None = None, title: str | None = None, author: Account | None = None) -> None:
        """Of a comment too. A new version, even if nothing is different."""
        content.body = content.body if body is None else body
        content.title = content.title if title is None else title
        self._version(content, author)

    def move(self, page: Content, *, parent: Content | None = None, space: Space | None = None) -> None:
        """With all that is below, and without a new version. Without a parent: to the top of the space."""
        if parent is not None and parent in page.subtree():
            raise ValueError(f"{page.title!r} cannot be moved below itself")
        target = space or (parent.space if parent is not None else page.space)
        self._hang(page, parent)
        for content in page.subtree():
            del content.space.contents[content.id]
            content.space = target
            target.contents[content.id] = content
        self._changed()

    def archive(self, page: Content) -> None:
        """What is below moves up."""
        self._lift(page)
        page.status = "archived"
        self._changed()

    def trash(self, content: Content) -> None:
        """What is below moves up, without a new version. Attachments and comments go with it."""
        self._lift(content)
        content.status = "trashed"
        self._changed()

    def restore(self, content: Content) -> None:
        """Out of the trash or the archive, to where it was, or to the top if that is gone."""
        above = content.parent
        if content.kind not in {"attachment", "comment"}:
            there = above is not None and above.status == "current" and above.id in self.contents and above.space is content.space
            self._hang(content, above if there else None)
        content.status = "current"
        self._changed()

    def purge(self, content: Content) -> None:
        """Gone for good."""
        self._lift(content)
        self._forget(content)
        self._changed()

    def label(self, content: Content, *names: str) -> None:
        for name in names:
            if name not in self.labels:
                self.labels[name] = str(next(self._ids))
        content.labels.update(dict.fromkeys(names))
        self._changed()

    def unlabel(self, content: Content, *names: str) -> None:
        for name in names:
            content.labels.pop(name, None)
        self._changed()

    def restrict(
        self, content: Content, *, users: Iterable[Account] = (), groups: Iterable[Group] = (), operation: str = "read"
    ) -> None:
        """Leave it to these people and groups, in place of whom it was left to before."""
        content.restrictions[operation] = Restriction({user.id: user for user in users}, {group.id: group for group in groups})
        self._changed()

    def unrestrict(self, content: Content, *, operation: str = "read") -> None:
        self.restrict(content, operation=operation)

    def poison(self, content: Content, broken: bool = True) -> None:
        """Its body cannot be rendered, nor can any listing with bodies that it is in."""
        content.broken = broken
        self._changed()

    # Attachments and comments.

    def attach(self, content: Content, name: str, data: bytes = b"", **how: Any) -> Content:
        """``media_type``, if the name does not tell it; ``zeros`` makes a file of so many bytes without data; ``listed`` is
        the size that is told in place of the real one.
        """
        attachment = self._create("attachment", content.space, name, "", parent=content)
        attachment.files[1] = self._file(attachment, data, **how)
        return attachment

    def replace(self, attachment: Content, data: bytes = b"", **how: Any) -> None:
        """Upload a new version of the file; the page's own version stays."""
        self._version(attachment, None)
        attachment.files[attachment.version.number] = self._file(attachment, data, **how)

    def comment(
        self, content: Content, body: str, *, inline: bool = False, marked: str = "", author: Account | None = None
    ) -> Content:
        comment = self._create("comment", content.space, f"Re: {content.title}", body, parent=content, author=author)
        comment.location, comment.marked = ("inline", marked or content.title) if inline else ("footer", "")
        return comment

    def reply(self, comment: Content, body: str, *, author: Account | None = None) -> Content:
        reply = self._create("comment", comment.space, comment.title, body, parent=comment, author=author)
        reply.location, reply.marked = comment.location, comment.marked
        return reply

    def resolve(self, comment: Content) -> None:
        comment.resolution = "resolved"
        self._changed()

    def delete(self, content: Content) -> None:
        """An attachment goes to the trash; a comment is gone at once, with its replies."""
        if content.kind == "attachment":
            return self.trash(content)
        for comment in list(content.subtree()):
            self._forget(comment)
        self._changed()

    # Inside.

    def _create(
        self,
        kind: str,
        space: Space,
        title: str,
        body: str,
        *,
        parent: Content | None = None,
        author: Account | None = None,
    ) -> Content:
        number = next(self._ids)
        id = f"att{number}" if kind == "attachment" else str(number)
        content = Content(id, kind, space, title, body, [Version(1, self._now(), author or self.author)])
        self.contents[id] = content
        if kind not in {"attachment", "comment"}:
            space.contents[id] = content
        self._hang(content, parent)
        self._changed()
        return content

    def _hang(self, content: Content, parent: Content | None) -> None:
        for above, linked in ((content.parent, False), (parent, True)):
            if above is None:
                continue
            shelf = {"attachment": above.attachments, "comment": above.comments}.get(content.kind, above.children)
            shelf = above.children if above.kind == "comment" else shelf
            if linked:
                shelf[content.id] = content
            else:
                shelf.pop(content.id, None)
        content.parent = parent

    def _lift(self, content: Content) -> None:
        if content.kind not in {"attachment", "comment"}:
            for child in list(content.children.values()):
                self._hang(child, content.parent)
            if content.parent is not None:
                content.parent.children.pop(content.id, None)

    def _forget(self, content: Content) -> None:
        """With its attachments, comments and replies."""
        for below in (*content.attachments.values(), *content.comments.values()):
            for item in list(below.subtree()):
                self.contents.pop(item.id, None)
        self.contents.pop(content.id, None)
        content.space.contents.pop(content.id, None)
        if content.parent is not None:
            for shelf in (content.parent.children, content.parent.attachments, content.parent.comments):
                shelf.pop(content.id, None)

    def _file(self, attachment: Content, data: bytes, *, media_type: str | None = None, **how: int | None) -> File:
        kind = media_type or mimetypes.guess_type(attachment.title)[0] or "application/octet-stream"
        return File(self._uuid(), kind, data, **how)

    def _version(self, content: Content, author: Account | None) -> None:
        content.versions.append(Version(content.version.number + 1, self._now(), author or self.author))
        self._changed()

    def _now(self) -> datetime:
        """Confluence keeps milliseconds."""
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)
