"""Embedding speaks to nobody and leaves nothing in anybody's home."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

EMBED = """
import asyncio
from core.indexing.embedding import build_embedder
asyncio.run(build_embedder("local").embed_query("leave"))
"""


async def test_the_model_runtime_keeps_no_record_of_its_use(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", EMBED, env={**os.environ, "HOME": str(tmp_path)})
    assert await process.wait() == 0
    assert not list(tmp_path.rglob("*"))
