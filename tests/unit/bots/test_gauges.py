"""How old the index is, and where every document is, as Prometheus reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import httpx
from prometheus_client import REGISTRY

from bots.gauges import measure
from bots.http import HttpServer
from core.models import Coverage, SyncReport, SyncState, SyncStatus
from tests.fakes import NOON

COVERED = Coverage(in_source=124, in_index=119, skipped={"too large": 3, "unsupported type": 1}, failed=1, missing=0)
DONE = SyncState(source="measured", fresh_at=NOON - timedelta(minutes=4), report=SyncReport(coverage=COVERED, withheld=2))


def documents(place: str) -> float | None:
    return REGISTRY.get_sample_value("footnote_source_documents", {"source": "measured", "place": place})


def test_the_age_is_that_of_the_last_whole_sync() -> None:
    measure([DONE, SyncState(source="never-read")], NOON)
    assert REGISTRY.get_sample_value("footnote_source_age_seconds", {"source": "measured"}) == 240
    assert REGISTRY.get_sample_value("footnote_source_age_seconds", {"source": "never-read"}) is None


def test_while_a_sync_runs_the_documents_of_the_last_one_are_shown() -> None:
    measure([DONE], NOON)
    measure([replace(DONE, status=SyncStatus.RUNNING, report=SyncReport(seen=3))], NOON)
    places = ("in_source", "in_index", "skipped", "failed", "missing", "withheld")
    assert [documents(place) for place in places] == [124, 119, 4, 1, 0, 2]


async def test_it_is_measured_when_somebody_asks() -> None:
    async def now() -> None:
        measure([replace(DONE, source="asked-for")], NOON)

    server = HttpServer("127.0.0.1", 0, {}, measure=now)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http:
            assert 'footnote_source_age_seconds{source="asked-for"} 240.0' in (await http.get("/metrics")).text
    finally:
        await server.stop()
