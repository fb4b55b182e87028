"""Embedding speaks to nobody and leaves nothing in anybody's home."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

EMBED = """
import asyncio
from core.indexing.embedding import build_embedder
asyncio.run(build_embedder("local").embed_query("leave"))
"""


def test_the_model_runtime_keeps_no_record_of_its_use(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", EMBED], env={**os.environ, "HOME": str(tmp_path)}, check=True)
    assert not list(tmp_path.rglob("*"))
