"""Who may read a document as it is now: what was found a moment ago, or said an hour ago, may be somebody else's today."""

from __future__ import annotations

from collections.abc import Collection

from core.models import Audience
from core.ports import Accesses


async def readable(document_ids: Collection[str], audience: Audience, accesses: Accesses) -> frozenset[str]:
    """Those that are still there and that every reader may read. Raises TransientError while nobody knows."""
    known = await accesses(document_ids) if document_ids else {}
    return frozenset(document_id for document_id, access in known.items() if audience.may_read(access))
