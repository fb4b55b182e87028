"""What is remembered from one sync to the next: from where to read on, and what a quiet sync must still ask for."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

LISTED_EVERY = timedelta(days=1)
"""The feed does not prove that it told everything."""


@dataclass(frozen=True, kw_only=True)
class Cursor:
    token: str
    """Of Drive's feed of changes."""
    listed_at: datetime
    expires: datetime | None
    """When the first permission ends; nobody tells us then."""
    roots: tuple[str, ...]
    """Ids, sorted, as they were configured."""
    shared: tuple[str, ...]
    """Ids of shared drives and of items in them: who may read those is asked in every sync."""
    groups: tuple[str, ...]
    """Addresses of the Google groups that accesses name: their members are, too."""

    def is_due(self, at: datetime) -> bool:
        """Whether everything is to be listed again. A listing in the future was dated by a clock that was wrong."""
        return not timedelta() <= at - self.listed_at < LISTED_EVERY or (self.expires is not None and at >= self.expires)

    def encode(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat)


def decode_cursor(text: str | None) -> Cursor | None:
    """None for what is not, or no longer, understood: then everything is listed."""
    try:
        stored = json.loads(text or "")
        expires = stored["expires"]
        return Cursor(
            token=str(stored["token"]),
            listed_at=datetime.fromisoformat(stored["listed_at"]),
            expires=datetime.fromisoformat(expires) if expires else None,
            roots=tuple(stored["roots"]),
            shared=tuple(stored["shared"]),
            groups=tuple(stored["groups"]),
        )
    except (ValueError, KeyError, TypeError):
        return None
