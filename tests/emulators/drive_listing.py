"""files.list and changes.list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.emulators.drive_errors import Refused, invalid, not_found
from tests.emulators.drive_faults import Effect
from tests.emulators.drive_feed import Entry
from tests.emulators.drive_item import Item
from tests.emulators.drive_query import Query, query_of
from tests.emulators.drive_question import Question

_ORDER: dict[str, Callable[[Item], Any]] = {
    "createdTime": lambda item: item.created,
    "folder": lambda item: item.children is None,
    "modifiedTime": lambda item: item.modified,
    "name": lambda item: item.name,
    "name_natural": lambda item: item.name,
    "recency": lambda item: item.modified,
}


class Listing:
    """The last list of files is kept while nothing changes: its pages are cut out of it."""

    def __init__(self) -> None:
        self._of: object = None
        self._files: list[Item] = []

    def files(self, asked: Question) -> dict[str, Any]:
        order, start = asked.text("orderBy"), asked.position()
        found = self._found(asked, order)
        size = asked.page_size(100, 1000)
        # Without an order a page goes on after the last file; with one it goes on after so many, whatever moved since.
        at = start if order else next((n for n, item in enumerate(found) if item.serial > start), len(found))
        page = [] if asked.effect is Effect.EMPTY_PAGE else found[at : at + size]
        body: dict[str, Any] = {"kind": "drive#fileList", "incompleteSearch": asked.effect is Effect.INCOMPLETE}
        if asked.mask.wants("files"):
            body["files"] = [asked.resources.file(item, asked.mask.under("files")) for item in page]
        if asked.effect is Effect.EMPTY_PAGE:
            return body | asked.next(start)
        if at + size < len(found):
            body |= asked.next(at + size if order else page[-1].serial)
        return body

    def _found(self, asked: Question, order: str | None) -> list[Item]:
        of = (asked.world.revision, {**asked.bound, "pageToken": None})
        if self._of != of:
            query = query_of(asked.text("q"), asked.world, asked.email)
            listed = _listed(asked, query)
            self._files = sorted((item for item in query.among(asked.world) if listed(item)), key=lambda item: item.serial)
            for key in reversed((order or "").split(",") if order else []):
                name, _, direction = key.strip().partition(" ")
                if name not in _ORDER or direction not in {"", "desc"}:
                    raise invalid(f"Invalid Value {key}", "orderBy")
                self._files.sort(key=_ORDER[name], reverse=direction == "desc")
            self._of = of
        return self._files


def _listed(asked: Question, query: Query) -> Callable[[Item], bool]:
    """Whether an item belongs to what is searched."""
    world, access, email = asked.world, asked.world.access, asked.email
    corpora, drive, everywhere = asked.text("corpora") or "user", asked.text("driveId"), _all_drives(asked)
    if asked.text("spaces") not in {None, "drive"}:
        raise invalid("Invalid Value", "spaces")
    if corpora not in {"user", "drive", "allDrives"}:
        raise invalid("Invalid Value", "corpora")
    if (corpora == "drive") != (drive is not None):
        raise invalid("The driveId parameter must be specified if and only if corpora is set to drive.", "driveId")
    if corpora != "user" and not everywhere:
        raise Refused(
            "teamDrivesParameterRequired",
            "The includeItemsFromAllDrives and supportsAllDrives parameters must be set to true.",
            status=403,
            location=("includeItemsFromAllDrives", "parameter"),
        )
    if drive is not None:
        _member(asked, drive)
        return lambda item: item.drive == drive and item.id != drive and access.sees(email, item)
    for parent in query.parents:
        if parent not in world.items or not access.sees(email, world.items[parent]):
            raise not_found("File", ".")
        asked.need_key(world.items[parent])

    def listed(item: Item) -> bool:
        if item.id not in world.drives and (item.drive is None or everywhere):
            if query.parents:
                return access.sees(email, item)
            if access.finds(email, item):
                # Of the shared drives, only what was shared for itself.
                return item.drive is None or corpora == "allDrives" or access.role(email, world.drives[item.drive].root) is None
        return False

    return listed


def _all_drives(asked: Question) -> bool:
    supported, included = asked.flag("supportsAllDrives"), asked.flag("includeItemsFromAllDrives")
    if included and not supported:
        raise invalid("includeItemsFromAllDrives needs supportsAllDrives.", "includeItemsFromAllDrives")
    return included


def _member(asked: Question, drive: str) -> None:
    known = asked.world.drives.get(drive)
    if known is None or not asked.flag("supportsAllDrives") or asked.world.access.role(asked.email, known.root) is None:
        raise not_found("Shared drive", drive)


def start_page_token(asked: Question) -> dict[str, Any]:
    if drive := asked.text("driveId"):
        _member(asked, drive)
    return {"kind": "drive#startPageToken", "startPageToken": _token(asked, asked.world.feed.head)}


def changes(asked: Question) -> dict[str, Any]:
    """Each page goes up to a sequence number; what is not for this account leaves gaps, so a page may be empty."""
    token, drive = asked.required("pageToken"), asked.text("driveId")
    everywhere = _all_drives(asked)
    if drive is not None:
        _member(asked, drive)
        if not everywhere:
            raise invalid("The includeItemsFromAllDrives parameter must be set to true for a shared drive.", "driveId")
    since = asked.pages.read(token, _feed_of(asked))
    body: dict[str, Any] = {"kind": "drive#changeList", "changes": []}
    if asked.effect is Effect.EMPTY_PAGE:
        return body | {"nextPageToken": _token(asked, since)}
    entries = asked.world.feed.since(since)
    size = asked.page_size(100, 1000)
    told = (_told(asked, entry, since, drive, everywhere) for entry in entries[:size])
    body["changes"] = [change for change in told if change is not None]
    if len(entries) > size:
        return body | {"nextPageToken": _token(asked, entries[size - 1].sequence)}
    return body | {"newStartPageToken": _token(asked, asked.world.feed.head)}


def _feed_of(asked: Question) -> dict[str, object]:
    return {"feed": asked.email, "driveId": asked.text("driveId")}


def _token(asked: Question, sequence: int) -> str:
    return asked.pages.make(_feed_of(asked), sequence)


def _told(asked: Question, entry: Entry, since: int, drive: str | None, everywhere: bool) -> dict[str, Any] | None:
    """A change as this feed tells it: with the item, as removed, or not at all."""
    world, mask = asked.world, asked.mask.under("changes")
    if drive is not None and entry.places.get(drive, 0) <= since:
        return None
    if entry.kind == "drive":
        if not everywhere:
            return None
        here = entry.id in world.drives and world.access.role(asked.email, world.drives[entry.id].root) is not None
    else:
        item = world.items.get(entry.id)
        seen = item is not None and world.access.sees(asked.email, item)
        if asked.flag("restrictToMyDrive") and (item is None or item.owner != asked.email):
            return None
        if drive is not None:
            inside = item is not None and item.drive == drive
        else:
            inside = everywhere or (item.drive is None if item else None in entry.places)
        here = seen and (inside or asked.flag("includeCorpusRemovals"))
        if not everywhere and not inside and None not in entry.places:
            return None
    if here:
        return asked.resources.changed(entry, mask)
    return asked.resources.removed(entry) if asked.flag("includeRemoved", True) else None
