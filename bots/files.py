"""Files that hang on messages: fetched by whoever knows their platform, and read in the guarded process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from core.errors import DocumentError, UserError
from core.indexing.parsing import MEDIA_TYPES
from core.models import PUBLIC, Attachment, Document, now

if TYPE_CHECKING:
    from core.indexing.blocks import Block
    from core.indexing.parsing import Parser


class Fetched(NamedTuple):
    file: Attachment
    """With all that its platform tells when it is asked."""
    body: bytes


Fetch = Callable[[Attachment, int], Awaitable[Fetched]]
"""A file with its bytes, of which those beyond so many may be missing. Raises UserError, worded for the person, or
TransientError.
"""

KINDS = "PDF, Word, PowerPoint, Excel, CSV, HTML, Markdown and plain text"
_NAME_LENGTH = 120


class Files:
    """``most`` are the bytes that a file may have."""

    def __init__(self, parser: Parser, *, most: int) -> None:
        self._parser = parser
        self._most = most
        self._fetches: dict[str, Fetch] = {}

    def fetched_by(self, platform: str, fetch: Fetch) -> None:
        """From now on the files of a platform are fetched so."""
        self._fetches[platform] = fetch

    async def fetch(self, platform: str, file: Attachment) -> Fetched:
        """Raises UserError for what could not be read anyway, before anything is fetched."""
        if file.name:
            media_type_of(file.name, file.media_type)
        self.measure(file.name, file.size)
        fetch = self._fetches.get(platform)
        if fetch is None:
            raise UserError(f"I cannot open files of {platform}.")
        fetched = await fetch(file, self._most)
        self.measure(fetched.file.name, len(fetched.body))
        return fetched

    def measure(self, name: str, size: int) -> None:
        """Raises UserError for a file that is too large."""
        if size > self._most:
            raise UserError(
                f"{shown(name)} has {size / 1e6:,.1f} MB, and I read files of up to {self._most / 1e6:,.0f} MB: split it, or "
                "store a smaller copy."
            )

    async def read(self, name: str, media_type: str, body: bytes) -> list[Block]:
        """What stands in it. Raises UserError that says why it cannot be read: damaged, protected, scanned ..."""
        document = Document(
            id=name, source="", title=shown(name), url="", body=body, media_type=media_type, updated_at=now(), access=PUBLIC
        )
        try:
            return await self._parser.parse(document)
        except DocumentError as error:
            raise UserError(f"I could not read it: {error}") from error


def media_type_of(name: str, declared: str = "") -> str:
    """By the suffix of the name, else as its platform declares it. Raises UserError for what is no text."""
    suffix = PurePosixPath(name).suffix.lower()
    declared = declared.partition(";")[0].strip().lower()
    if found := MEDIA_TYPES.get(suffix):
        return found
    if declared in MEDIA_TYPES.values():
        return declared
    raise UserError(f"I cannot read {shown(name)}: I read {KINDS}.")


def shown(name: str) -> str:
    """A file's name as it stands in what we say."""
    plain = " ".join("".join(char if char.isprintable() else " " for char in name).replace("`", "'").split()) or "untitled"
    return f"`{plain if len(plain) <= _NAME_LENGTH else plain[: _NAME_LENGTH - 1] + '…'}`"


def words(blocks: Sequence[Block]) -> int:
    return sum(len(block.text.split()) for block in blocks)
