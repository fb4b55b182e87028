"""Which attachments are read."""

from __future__ import annotations

import os

from connectors.confluence.listing import Attachment
from core.indexing.parsing import MEDIA_TYPES

MAX_BYTES = 32 * 1024 * 1024

_VAGUE = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-zip-compressed", "application/zip"})
_READ = frozenset(MEDIA_TYPES.values())


def media_type(attachment: Attachment) -> str | None:
    """What it is parsed as: what Confluence says, or what its name says where that is vague; None when it cannot be."""
    said = attachment.media_type.partition(";")[0].strip().lower()
    named = MEDIA_TYPES.get(os.path.splitext(attachment.title)[1].lower())
    if said in _VAGUE or (said == "text/plain" and named is not None and named.startswith("text/")):
        return named
    return said if said in _READ or said.startswith("text/") else None


def skip_reason(attachment: Attachment) -> str | None:
    if media_type(attachment) is None:
        return "unsupported type"
    return "too large" if attachment.size > MAX_BYTES else None
