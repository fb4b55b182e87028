"""A request, read and allowed: what a method answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.emulators.drive_errors import Refused, not_found
from tests.emulators.drive_faults import Effect
from tests.emulators.drive_fields import Mask
from tests.emulators.drive_item import Item
from tests.emulators.drive_pages import Pages
from tests.emulators.drive_resources import Resources
from tests.emulators.drive_routes import Route, Value
from tests.emulators.drive_world import Drive


@dataclass(frozen=True)
class Question:
    route: Route
    named: Mapping[str, str]
    """What the path says: ``fileId`` ..."""
    parameters: Mapping[str, Value]
    mask: Mask
    email: str
    world: Drive
    resources: Resources
    pages: Pages
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case."""
    body: Any = None
    effect: Effect | None = None

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.parameters.get(name, default))

    def text(self, name: str) -> str | None:
        value = self.parameters.get(name)
        return None if value is None else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise Refused("required", f"Required parameter: {name}", status=400, location=(name, "parameter"))
        return value

    def page_size(self, default: int, most: int, name: str = "pageSize") -> int:
        return min(int(self.parameters.get(name, default)), most)

    @property
    def bound(self) -> dict[str, object]:
        """What a page token is good for."""
        return {"route": self.route.name, "email": self.email, **self.named, **self.parameters}

    def position(self) -> int:
        """Where the page starts."""
        token = self.text("pageToken")
        return self.pages.read(token, self.bound) if token is not None else 0

    def next(self, position: int) -> dict[str, str]:
        return {"nextPageToken": self.pages.make(self.bound, position)}

    def page(self, name: str, items: list[Any], default: int, most: int, *, size: str = "pageSize") -> dict[str, Any]:
        """A page of items by their place in the list."""
        start = self.position()
        if self.effect is Effect.EMPTY_PAGE:
            return {name: []} | self.next(start)
        stop = start + self.page_size(default, most, size)
        return {name: items[start:stop]} | (self.next(stop) if stop < len(items) else {})

    def item(self, id: str) -> Item:
        """A file, if this account is told that it is there."""
        item = self.world.items.get(id)
        if item is None or not self.world.access.sees(self.email, item):
            raise not_found("File", id)
        if item.drive and "supportsAllDrives" in self.route.parameters and not self.flag("supportsAllDrives"):
            raise not_found("File", id)
        self.need_key(item)
        return item

    def need_key(self, item: Item) -> None:
        if item.resource_key and f"{item.id}/{item.resource_key}" not in self._keys():
            raise not_found("File", item.id)

    def _keys(self) -> set[str]:
        return {key.strip() for key in self.headers.get("x-goog-drive-resource-keys", "").split(",")}
