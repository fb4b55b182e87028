"""Threads in which texts are embedded, so that questions never wait for documents."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

BATCH = 4
"""Texts in one run. Larger batches are no faster on a processor, take more memory and make others wait."""
THREADS = 4
"""At most so many runs at once; each uses one thread, so that all of them may be put behind the questions."""

QUESTIONS = 8
"""In one run, when they wait: fewer turns for the thread where the event loop is busy, and still over soon."""


class Lanes:
    """Threads for embedding: questions have one of their own, documents have the others, at a lower priority."""

    def __init__(self) -> None:
        self._questions = ThreadPoolExecutor(1, "embed-query")
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self._documents = ThreadPoolExecutor(min(cores, THREADS), "embed-documents", initializer=_step_back)

    async def questions(self, work: Callable[[Sequence[str]], Vectors], texts: Sequence[str]) -> list[list[float]]:
        vectors = await asyncio.get_running_loop().run_in_executor(self._questions, work, texts)
        found: list[list[float]] = vectors.tolist()
        return found

    async def documents(self, work: Callable[[Sequence[str]], Vectors], batches: Sequence[Sequence[str]]) -> list[Vectors]:
        loop = asyncio.get_running_loop()
        return await asyncio.gather(*(loop.run_in_executor(self._documents, work, batch) for batch in batches))


def _step_back() -> None:
    """On Linux a thread has its own priority; elsewhere questions only have their own thread."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
