"""What a running sync has counted so far."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from core.models import Coverage, SyncReport

NAMED = 100
"""Documents that a report names; the rest is counted."""


@dataclass(kw_only=True)
class Tally:
    dry_run: bool = False
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    access_changed: int = 0
    chunks: int = 0
    withheld: int = 0
    failures: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    would_index: list[str] = field(default_factory=list)
    would_remove: list[str] = field(default_factory=list)
    expected: int | None = None
    coverage: Coverage | None = None

    def fail(self, document_id: str, error: str) -> None:
        self.failures += 1
        if len(self.failed) < NAMED:
            self.failed[document_id] = error

    def report(self, seconds: float) -> SyncReport:
        """In a dry run ``indexed`` and ``removed`` count what would be."""
        return SyncReport(
            seen=self.indexed + self.unchanged + self.failures + self.skipped.total(),
            indexed=self.indexed,
            unchanged=self.unchanged,
            removed=self.removed,
            access_changed=self.access_changed,
            failed=dict(self.failed),
            failures=self.failures,
            skipped=dict(self.skipped),
            chunks=self.chunks,
            seconds=round(seconds, 3),
            withheld=self.withheld,
            dry_run=self.dry_run,
            would_index=tuple(self.would_index[:NAMED]),
            would_remove=tuple(self.would_remove[:NAMED]),
            expected=self.expected,
            coverage=self.coverage,
        )
