"""The freshness of the sources as metrics, measured when somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from core.models import SyncState
from core.telemetry import SOURCE_AGE_SECONDS, SOURCE_DOCUMENTS


def measure(states: Iterable[SyncState], at: datetime) -> None:
    for state in states:
        if state.fresh_at is not None:
            SOURCE_AGE_SECONDS.labels(state.source).set((at - state.fresh_at).total_seconds())
        covered = state.report.coverage
        if covered is None:
            continue  # A sync is running, and what was covered before stays shown.
        places = {
            "in_source": covered.in_source,
            "in_index": covered.in_index,
            "skipped": sum(covered.skipped.values()),
            "failed": covered.failed,
            "missing": covered.missing,
            "withheld": state.report.withheld,
        }
        for place, count in places.items():
            SOURCE_DOCUMENTS.labels(state.source, place).set(count)
