"""``python -m core.embedded DATA_DIR``: the keeper, one process per data dir that owns both embedded engines.

Whoever first needs the engines starts it (see keeper.py). Every process that uses them holds a lease, an open
connection that the kernel closes when the process ends, however it ends. Without leases the keeper goes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from core.embedded.datadir import TAKEN, DataDir, listen, sign
from core.errors import ConfigError

_LINGER_SECONDS = 1.5
_FIRST_LEASE_SECONDS = 15.0
_TICK_SECONDS = 0.25

log = logging.getLogger("footnote.keeper")


class Undermined(Exception):
    """The data dir, or an engine's folder in it, was deleted while the engines ran."""


class Leases:
    """Counts the processes that use the engines, and tells each when they are ready, or why they never will be."""

    def __init__(self, whole: Callable[[], bool]) -> None:
        """``whole`` tells whether the engines still stand on what they were started on."""
        self._held = 0
        self._closed = False
        self.whole = whole
        self._outcome: asyncio.Future[dict[str, str]] = asyncio.get_running_loop().create_future()
        self._free_since: float | None = None

    def announce(self, outcome: dict[str, str]) -> None:
        self._outcome.set_result(outcome)

    async def hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            # Came as the keeper was going: it starts another one.
            writer.close()
            return
        self._held += 1
        try:
            outcome = json.dumps(await asyncio.shield(self._outcome)).encode() + b"\n"
            if self.whole():
                writer.write(outcome)
                await reader.read()
        except OSError:
            pass
        finally:
            self._held -= 1
            self._free_since = asyncio.get_running_loop().time()
            writer.close()

    async def all_gone(self, meanwhile: Callable[[], None]) -> None:
        """Until nobody has held a lease for a moment; the first holder has longer to come. Raises Undermined."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            if not self.whole():
                raise Undermined
            meanwhile()
            since, patience = (began, _FIRST_LEASE_SECONDS) if self._free_since is None else (self._free_since, _LINGER_SECONDS)
            if not self._held and clock() - since > patience:
                self._closed = True
                return


async def keep(data: DataDir) -> None:
    """Run both engines until no lease is left. Raises Undermined: then nothing more may be written."""
    sockets = data.make_sockets()
    foundations: list[object] = []
    leases = Leases(lambda: not foundations or foundations == [data.foundations()])
    door = await asyncio.start_unix_server(leases.hold, sock=listen(sockets / "lease.sock"))
    # Imported behind the open door: whoever attaches meanwhile waits instead of starting another keeper.
    from core.embedded.collections import Collections
    from core.embedded.qdrant import QdrantServer
    from core.embedded.redis import RedisServer

    redis = RedisServer(data.redis, sockets / "redis.sock")
    collections = Collections(data.qdrant)
    qdrant = QdrantServer(collections)
    try:
        data.check_room()
        await redis.start()
        collections.load()
        foundations.append(data.foundations())
        await qdrant.start(listen(sockets / "qdrant.sock"))
        await redis.ready()
    except (ConfigError, OSError) as error:
        log.exception("cannot run")
        leases.announce({"failed": str(error if isinstance(error, ConfigError) else data.unusable(error))})
        await asyncio.sleep(_TICK_SECONDS)
    else:
        log.info("ready")
        leases.announce({"ready": "yes"})
        await leases.all_gone(data.trim_log)
    finally:
        door.close()
        if leases.whole():
            (sockets / "lease.sock").unlink(missing_ok=True)
            try:
                await qdrant.stop()
            finally:
                await redis.stop()
                data.remove_sockets(sockets)
        else:
            # In its place may be the data dir of another keeper by now, with sockets and files of the same names.
            await redis.kill()
        log.info("gone")


def main(path: str) -> int:
    os.umask(0o077)
    # A terminal, a shell or a service manager may signal every process at once: the keeper outlives its users, then goes.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s keeper[%(process)d] %(levelname)s %(name)s: %(message)s"
    )
    data = DataDir(Path(path))
    try:
        if (lock := data.claim()) is None:
            return TAKEN
        if os.fork():
            # Whoever started it waits for this process only, and is no parent of the keeper, which outlives it.
            os._exit(0)
        sign(lock)
        asyncio.run(keep(data))
    except Undermined:
        log.critical("%s was deleted while the engines ran: they end without writing", data.path)
        # An orderly end would write what the engine has in its memory.
        os._exit(1)
    except OSError as error:
        log.critical("%s", data.unusable(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
