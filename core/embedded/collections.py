"""All collections of a data dir, by name and by alias."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import orjson

from core.embedded.aliases import changed
from core.embedded.collection import Collection, write_json
from core.embedded.fields import Refused
from core.errors import ConfigError

_RESERVE = 128 * 2**20
"""Bytes of the disk that updates leave free: the engine is killed by its own memory maps when a disk is full."""
_QUICKLY_VACUUMED = 50_000
"""Points; 40 microseconds each."""


class Collections:
    """Folders ``live/NAME``; one is made in ``draft`` and deleted by way of ``grave``, both emptied at the next start.
    ``aliases.json`` holds other names of them.
    """

    def __init__(self, root: Path, reserve: int = _RESERVE) -> None:
        self._root, self._reserve = root, reserve
        self._live, self._draft, self._grave = (root / name for name in ("live", "draft", "grave"))
        self._open: dict[str, Collection] = {}
        self._aliases: dict[str, str] = {}

    def load(self) -> None:
        """Open every collection; updates since the last flush are replayed from the log."""
        for path in (self._draft, self._grave):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self._live.mkdir(exist_ok=True)
        for path in sorted(path for path in self._live.iterdir() if path.is_dir()):
            try:
                collection = Collection.load(path)
                collection.vacuum()
            except OSError:
                raise
            except Exception as error:  # the engine's binding has no narrower ones
                raise ConfigError(
                    f"The collection in {path} cannot be opened: {error}. Move that folder away and index its sources again."
                ) from error
            self._open[unquote(path.name)] = collection
        if self._alias_file.exists():
            aliases: dict[str, str] = orjson.loads(self._alias_file.read_bytes())
            # A crash may have come between the end of a collection and that of its aliases.
            self._aliases = {alias: name for alias, name in aliases.items() if name in self._open}

    def __iter__(self) -> Iterator[str]:
        return iter(self._open)

    def __contains__(self, name: str) -> bool:
        return self._aliases.get(name, name) in self._open

    def __getitem__(self, name: str) -> Collection:
        if (collection := self._open.get(self._aliases.get(name, name))) is None:
            raise Refused.missing(f"Collection `{name}` doesn't exist!")
        return collection

    def growing(self, name: str) -> Collection:
        """The collection, for an update that adds to it. Raises Refused when the disk is nearly full; deleting goes on."""
        self._check_room()
        return self[name]

    def create(self, name: str, body: Any) -> None:
        self._check_room()
        self._check_free(name)
        if name in self._aliases:
            raise Refused.bad(f"Can't create collection with name {name}. Alias with the same name already exists")
        folder = quote(name, safe="")
        if name in {"", ".", ".."} or len(folder) > 255:
            raise Refused.bad(f"`{name:.80}` cannot be the name of a collection: use 1 to 255 letters, digits, - or _")
        self._open[name] = Collection.create(self._live / folder, self._draft / folder, body)

    def drop(self, name: str) -> bool:
        """Whether there was one to drop. Its aliases go with it; an alias alone drops nothing."""
        if (collection := self._open.pop(name, None)) is None:
            return False
        collection.drop(self._grave / quote(name, safe=""))
        self._keep_aliases({alias: target for alias, target in self._aliases.items() if target != name})
        return True

    @property
    def aliases(self) -> Mapping[str, str]:
        """Alias to the name of its collection."""
        return self._aliases

    def change_aliases(self, actions: Sequence[Any]) -> None:
        """All of them in their order, or none."""
        self._keep_aliases(changed(self._aliases, actions, self._open.keys()))

    def _check_free(self, name: str) -> None:
        if name in self._open:
            raise Refused(409, f"Wrong input: Collection `{name}` already exists!")

    def _keep_aliases(self, aliases: dict[str, str]) -> None:
        if aliases != self._aliases:
            write_json(self._alias_file, aliases)
            self._aliases = aliases

    @property
    def _alias_file(self) -> Path:
        return self._root / "aliases.json"

    def _check_room(self) -> None:
        if (free := shutil.disk_usage(self._root).free) < self._reserve:
            raise Refused(
                507,
                f"Service internal error: the disk of {self._root} has {free >> 20} MB free, and {self._reserve >> 20} MB "
                "are kept in reserve. Free some space; nothing is lost.",
            )

    def flush(self) -> None:
        for collection in self._open.values():
            collection.flush()

    def vacuum(self) -> None:
        """Where it takes less than about 2 s: everything else stands still meanwhile. Larger ones wait for the next start."""
        for collection in self._open.values():
            if collection.points <= _QUICKLY_VACUUMED:
                collection.vacuum()

    def close(self) -> None:
        """Flush and close all of them."""
        self.flush()
        while self._open:
            self._open.popitem()[1].close()
