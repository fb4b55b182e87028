"""Syncs that follow a script, below the real commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bots.command import Action
from bots.commands.forget import Forget
from bots.commands.registry import Commands
from bots.desk import AnswerDesk
from bots.pending import Pending
from core.answering.memory import Memory
from core.evaluation.feedback import FeedbackLog
from core.evaluation.gaps import Gaps
from core.indexing.ledger import Row
from core.models import Audience, SyncReport, SyncRequest, SyncState, SyncStatus
from tests.answering import public
from tests.fakes import NOON, ScopedSource
from tests.memory_index import WordEmbedder


@dataclass(frozen=True)
class Submitted:
    accepted: bool
    state: SyncState


class ScriptedJobs:
    """A queue with one worker that counts to ``steps`` documents, ``pause`` seconds each."""

    def __init__(self, steps: int = 3, pause: float = 0.02) -> None:
        self.requests: list[SyncRequest] = []
        self.steps = steps
        self.pause = pause
        self.failed: dict[str, Row] = {}
        self.withheld = 0

    async def submit(self, request: SyncRequest) -> Submitted:
        self.requests.append(request)
        return Submitted(True, SyncState(source=request.source, status=SyncStatus.WAITING, request=request))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        state = SyncState(source=request.source, status=SyncStatus.RUNNING, request=request, started_at=NOON)
        for seen in range(1, self.steps + 1):
            await asyncio.sleep(self.pause)
            yield replace(state, report=SyncReport(seen=seen))
        report = SyncReport(
            seen=self.steps,
            indexed=self.steps,
            failures=len(self.failed),
            withheld=self.withheld,
            seconds=1,
            dry_run=request.dry_run,
        )
        if request.dry_run:
            report = replace(report, would_index=("handbook:new.md",), would_remove=("handbook:old.md",), removed=1)
        status = SyncStatus.NEEDS_CONFIRMATION if self.withheld else SyncStatus.DONE
        yield replace(
            state, status=status, finished_at=NOON, report=report, error=f"{self.withheld} vanished." if self.withheld else None
        )

    async def withdraw(self, requested_by: str) -> int:
        return 0

    async def rows(self, source: str) -> dict[str, Row]:
        return self.failed

    async def states(self) -> dict[str, SyncState]:
        return {"handbook": SyncState(source="handbook", status=SyncStatus.DONE, finished_at=NOON)}


class CountedIndex:
    async def counts(self) -> dict[str, int]:
        return {"handbook": 12}

    async def rebuild(self) -> None:
        return None

    async def source_of(self, document_id: str) -> str | None:
        return "handbook" if document_id == "handbook:travel" else None

    async def forget(self, document_ids: Sequence[str], _source: str, **_by: Any) -> set[str]:
        return set(document_ids)

    async def readmit(self, document_ids: Sequence[str]) -> set[str]:
        return set(document_ids)


def commands_over(jobs: ScriptedJobs, redis: Redis, *, admins: set[str], more: Mapping[str, Action] | None = None) -> Commands:
    parts: Any = {
        "jobs": jobs,
        "index": CountedIndex(),
        "sources": {"handbook": ScopedSource("handbook", "travel")},
        "admins": frozenset(admins),
    }
    memory = Memory(redis, turns=20, ttl=timedelta(days=1), accesses=public)
    forget = Forget(
        **parts,
        memory=memory,
        desk=AnswerDesk(redis, nothing),
        pending=Pending(redis),
        feedback=FeedbackLog(redis),
        gaps=Gaps(redis, WordEmbedder()),
    )
    return Commands(**parts, interval=timedelta(minutes=10), more={"forget": forget.run, **(more or {})})


async def nothing(_audience: Audience) -> list[str]:
    return []
