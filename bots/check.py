"""`footnote check`: every configured service is asked whether it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bots import reports
from core.errors import FootnoteError
from core.redaction import address, redact

if TYPE_CHECKING:
    from bots.app import App

_SECONDS = 15


@dataclass(frozen=True, kw_only=True)
class Checked:
    part: str
    ok: bool
    detail: str


async def check(app: App) -> list[Checked]:
    """Probe every configured service."""

    async def row(part: str, probe: Callable[[], Awaitable[str]]) -> Checked:
        try:
            async with asyncio.timeout(_SECONDS):
                return Checked(part=part, ok=True, detail=await probe())
        except FootnoteError as error:
            return Checked(part=part, ok=False, detail=redact(str(error)))
        except TimeoutError:
            return Checked(
                part=part, ok=False, detail=f"no answer within {_SECONDS} s: is the address right and reachable from here?"
            )

    async def qdrant() -> str:
        rebuild = await app.index.rebuild()
        rebuilding = f"; {reports.rebuilding(rebuild)}" if rebuild else ""
        return f"{address(app.settings.qdrant_url)}, {sum((await app.index.counts()).values())} documents{rebuilding}"

    async def redis() -> str:
        await app.ping_redis()
        return address(app.settings.redis_url)

    async def embeddings() -> str:
        vector = await app.embedder.embed_query("footnote")
        return f"{app.embedder.name}, {len(vector)} dimensions"

    async def model() -> str:
        from core.answering.model import check_model

        return await check_model(app.model)

    async def audit() -> str:
        return await asyncio.to_thread(app.audit.check)

    probes = {"qdrant": qdrant, "redis": redis, "embeddings": embeddings, "model": model, "audit": audit}
    probes |= {f"source {name}": source.check for name, source in app.sources.items()}
    probes |= {platform.name: platform.check for platform in app.platforms}
    return list(await asyncio.gather(*(row(part, probe) for part, probe in probes.items())))
