"""The guarded process that reads hostile files: ``python -m core.indexing.parser_worker LIMITS``.

Asked over stdin, answers over stdout (see ``FRAME`` in :mod:`core.indexing.parsing`): a JSON head and the body
in, ``{"blocks": [[kind, text, level], ...]}`` or ``{"error": "..."}`` out. It cannot connect anywhere nor start
programs, its memory and the processor time of each document are limited by the kernel, and it ends with its parent.
"""

from __future__ import annotations

import ctypes
import json
import logging
import math
import os
import resource
import signal
import sys
import time
import warnings
from typing import Any, BinaryIO

_ENVIRONMENT = {
    # One document at a time on one core; pools of threads also reserve much address space.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_FORBIDDEN = (
    "socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
)  # fmt: skip
_LARGEST_FILE = 16 * 2**20
"""Bytes that it may write into one file. Compiled modules and temporary files are smaller; a disk is not filled."""


def _guard(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(_FORBIDDEN):
        raise PermissionError(f"the parser may not use {event}")


def _die_with_parent(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        sys.exit(0)


def _limit_memory(limit: int) -> None:
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    if sys.platform == "linux":  # elsewhere the kernel refuses it
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))


def _limit_time(seconds: float) -> None:
    """From now on. The kernel kills the process (SIGXCPU) wherever it is, in C code too."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    limit = math.ceil(time.process_time() + seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _read_frame(stdin: BinaryIO) -> bytes:
    from core.indexing.parsing import FRAME

    (length,) = FRAME.unpack(_exactly(stdin, FRAME.size))
    return _exactly(stdin, length)


def _exactly(stdin: BinaryIO, length: int) -> bytes:
    data = stdin.read(length)
    if len(data) < length:
        sys.exit(0)
    return data


def _answer(body: bytes, media_type: str) -> dict[str, Any]:
    from core.errors import DocumentError
    from core.indexing.readers.dispatch import read

    try:
        return {"blocks": [[block.kind, block.text, block.level] for block in read(body, media_type)]}
    except DocumentError as error:
        return {"error": str(error)}
    except (MemoryError, RecursionError):
        # Its heap is in pieces: a fresh process serves the next document.
        return {"error": "needs too much memory to parse: split it or store it in another format", "spent": True}
    except Exception as error:  # whatever a library lets through is the document's failure, not the sync's
        return {
            "error": f"could not be parsed ({type(error).__name__}), it may be damaged: export it or store it in another format"
        }


def main() -> None:
    limits = json.loads(sys.argv[1])
    _die_with_parent(limits["parent"])
    os.environ.update(_ENVIRONMENT)
    # What libraries have to say about a document is not for the terminal of whoever runs Footnote.
    warnings.simplefilter("ignore")
    logging.disable()
    sys.addaudithook(_guard)
    _limit_memory(limits["memory"])
    stdin, stdout = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not get between the answers.
    os.dup2(2, 1)
    from core.indexing.parsing import FRAME

    while True:
        head, body = json.loads(_read_frame(stdin)), _read_frame(stdin)
        _limit_time(limits["cpu"])
        answer = _answer(body, head["media_type"])
        del body
        data = json.dumps(answer).encode()
        stdout.write(FRAME.pack(len(data)) + data)
        stdout.flush()


if __name__ == "__main__":
    main()
