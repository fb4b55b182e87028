"""`footnote add`, `uploads` and `remove`: the files that people added, from the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots.upload import Offered
from core.errors import UserError
from core.models import Access, Principal
from core.together import cancelled

if TYPE_CHECKING:
    from bots.app import App
    from core.indexing.uploads import Upload

CLI = "cli"
"""Who adds and removes here, and the place of what is added: a file of the same name takes the place of the one before."""


async def add(app: App, path: Path, title: str, readers: Sequence[Principal]) -> str:
    """Add a file for these readers, each of whom may read it, and say what became of it.

    There is no default: whoever sits at a terminal is nobody that a platform knows, and "everyone" must be meant. Raises
    UserError for what cannot be read, and TransientError.
    """
    app.files.measure(path.name, (await asyncio.to_thread(path.stat)).st_size)
    offered = Offered(
        name=path.name,
        body=await asyncio.to_thread(path.read_bytes),
        access=Access(gates=(frozenset(readers),)),
        place=CLI,
        by=CLI,
        by_name="the command line",
        title=title,
    )
    # Nobody else may be there to index it.
    working = asyncio.create_task(app.worker.run())
    try:
        added = await app.adding.add(offered)
    finally:
        await cancelled(working)
    return f"{added.told} It is {added.upload.id}, for {', '.join(sorted(readers))}.".replace("`", "")


async def listed(app: App) -> list[Upload]:
    """All files that were added, the latest first."""
    return sorted(await app.uploads.all(), key=lambda file: file.at, reverse=True)


async def remove(app: App, id: str) -> str:
    """Remove a file by its id, and say so. Raises UserError when there is none."""
    file = await app.uploads.get(id)
    if file is None:
        raise UserError(f"nobody added a file with the id {id}: `footnote uploads` lists those that there are")
    await app.adding.remove(file, CLI)
    return f"{file.name} is removed: nothing of it is left"


def line(file: Upload) -> str:
    readers = " and ".join(sorted(", ".join(sorted(gate)) for gate in file.access.gates))
    return f"{file.id}  {file.size / 1e6:6.1f} MB  {file.at:%Y-%m-%d}  {file.name}  (by {file.by_name}, for {readers})"


def row(file: Upload) -> dict[str, Any]:
    """With plain JSON values."""
    gates = [sorted(gate) for gate in file.access.gates]
    return {**asdict(file), "at": file.at.isoformat(), "access": gates}
