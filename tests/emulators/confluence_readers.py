"""Who may read what of a Confluence site: the oracle of tests, and what the bot is shown."""

from __future__ import annotations

from tests.emulators.confluence_people import People
from tests.emulators.confluence_world import Account, Content, Space


class Readers(People):
    """Whoever may view the space, and is named by the restriction of the content and of each page above it."""

    def __init__(self, *, data_center: bool) -> None:
        super().__init__(data_center=data_center)
        self.spaces: dict[str, Space] = {}
        """By id."""
        self.contents: dict[str, Content] = {}
        """By id, of every kind and status; what was purged is not there."""
        self._seen: dict[str, bool] = {}
        self._seen_at = -1
        self._principals: frozenset[str] = frozenset()

    def readers(self, content: Content) -> list[frozenset[str]]:
        """The gates: whoever may read holds a principal of each. ``everyone``, ``licensed``, ``admins``, ``group:<id>``,
        ``account:<id>``.
        """
        lists = [above.restrictions["read"] for above in (*content.ancestors, content.holder)]
        return [content.holder.space.readers, *(restriction.principals for restriction in lists if restriction)]

    def may_read(self, account: Account | None, content: Content) -> bool:
        held = self.principals(account)
        return all(gate & held for gate in self.readers(content))

    def sees_space(self, space: Space) -> bool:
        """Whether the bot does."""
        self._refresh()
        return bool(space.readers & self._principals)

    def sees(self, content: Content) -> bool:
        """Whether the bot may read it, whatever its status; the draft of another nobody sees."""
        self._refresh()
        holder = content.holder
        if holder.id not in self._seen:
            own = holder.restrictions["read"]
            self._seen[holder.id] = (
                holder.status != "draft"
                and (not own or bool(own.principals & self._principals))
                and (self._passes(holder.parent) if holder.parent is not None else self.sees_space(holder.space))
            )
        return self._seen[holder.id]

    def visible_documents(self, *, archived: bool = False) -> dict[str, Content]:
        """By id: the pages, blog posts, attachments and comment threads (by their first comment) that the bot can read.

        ``archived``: those that are archived, or in an archived space, too.
        """
        statuses = {"current", "archived"} if archived else {"current"}
        found: dict[str, Content] = {}
        for space in self.spaces.values():
            if space.status not in statuses:
                continue
            for content in space.contents.values():
                if content.kind not in {"page", "blogpost"} or content.status not in statuses or not self.sees(content):
                    continue
                own = [*content.attachments.values(), *content.comments.values()]
                found |= {item.id: item for item in (content, *own) if item.status in statuses}
        return found

    def space_of(self, key: str) -> Space | None:
        return next((space for space in self.spaces.values() if space.key == key), None)

    def _passes(self, above: Content) -> bool:
        """A draft above stops nobody."""
        if above.status != "draft":
            return self.sees(above)
        return self._passes(above.parent) if above.parent is not None else self.sees_space(above.space)

    def _refresh(self) -> None:
        if self._seen_at != self.revision:
            self._seen_at, self._seen, self._principals = self.revision, {}, self.principals(self.bot)
