"""The keeper as its users meet it: shared, replaced when killed, gone when nobody is left."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from redis.asyncio import Redis
from redis.exceptions import RedisError

from core.embedded.datadir import DataDir
from core.embedded.keeper import Engines, attach
from core.errors import ConfigError

USER = """
import asyncio, sys
from pathlib import Path
from core.embedded.keeper import attach

async def main():
    engines = await attach(Path(sys.argv[1]))
    print("attached", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await engines.release()

asyncio.run(main())
"""
"""A process that holds a lease until its input ends."""

NOBODY = """
import asyncio, os, sys
from pathlib import Path
from core.embedded.keeper import attach
from core.errors import ConfigError

if os.geteuid() == 0:
    os.setuid(65534)
try:
    asyncio.run(attach(Path(sys.argv[1])))
except ConfigError as error:
    print(f"ConfigError: {error}")
"""
"""A process that may write nowhere."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fn-", ignore_cleanup_errors=True) as path:
        yield Path(path)
        until(lambda: unused(Path(path)), "both engines are gone")


def until(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    asyncio.run(eventually(condition, what, seconds))


async def eventually(condition: Callable[[], bool], what: str, seconds: float = 90) -> None:
    clock = asyncio.get_running_loop().time
    deadline = clock() + seconds
    while not condition():
        assert clock() < deadline, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


def keeper_of(path: Path) -> int | None:
    holder = DataDir(path).claimed_by() if path.exists() else None
    return int(holder) if holder else None


def redis_of(path: Path) -> int | None:
    """The server's process id while it lives: it holds its lock for exactly as long."""
    lock = path / "redis" / "server.lock"
    if not lock.exists():
        return None
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(lock.read_text() or 0)
    return None


def unused(path: Path) -> bool:
    return keeper_of(path) is None and redis_of(path) is None


@asynccontextmanager
async def user(path: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", USER, str(path)), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def attached(process: asyncio.subprocess.Process) -> None:
    assert process.stdout is not None
    async with asyncio.timeout(90):
        assert await process.stdout.readline() == b"attached\n"


@asynccontextmanager
async def clients(engines: Engines) -> AsyncIterator[tuple[AsyncQdrantClient, Redis]]:
    transport = httpx.AsyncHTTPTransport(uds=str(engines.qdrant_socket))
    qdrant = AsyncQdrantClient(url="http://localhost", transport=transport, check_compatibility=False)
    redis = Redis(unix_socket_path=str(engines.redis_socket))
    try:
        yield qdrant, redis
    finally:
        await qdrant.close()
        await redis.aclose()


def keepers_in(path: Path) -> list[int]:
    """Process ids of all keepers of this folder, in use or not."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if entry.read_text().rstrip("\0").endswith(f"core.embedded\0{path}"):
                found.append(int(entry.parent.name))
    return found


def environment_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/environ").read_text()


async def make(qdrant: AsyncQdrantClient) -> None:
    await qdrant.create_collection("c", vectors_config=models.VectorParams(size=2, distance=models.Distance.DOT))


async def write(qdrant: AsyncQdrantClient, redis: Redis, number: int) -> None:
    await qdrant.upsert("c", [models.PointStruct(id=number, vector=[1.0, float(number)], payload={"n": number})])
    await redis.set(f"n{number}", number)


async def written(qdrant: AsyncQdrantClient, redis: Redis) -> tuple[set[int], set[int]]:
    records, _ = await qdrant.scroll("c", limit=100_000)
    keys = [int(key[1:]) for key in await redis.keys("n*")]
    return {int(record.id) for record in records}, set(keys)


async def answered(qdrant: AsyncQdrantClient, redis: Redis) -> None:
    """Until both engines answer again."""
    async with asyncio.timeout(90):
        while True:
            try:
                await qdrant.get_collections()
                await redis.ping()
            except (ResponseHandlingException, UnexpectedResponse, RedisError, OSError):
                await asyncio.sleep(0.05)
            else:
                return


async def test_both_engines_answer_on_private_sockets(folder: Path) -> None:
    engines = await attach(folder)
    async with clients(engines) as (qdrant, redis):
        await make(qdrant)
        await write(qdrant, redis, 1)
        assert await written(qdrant, redis) == ({1}, {1})
    for socket in (engines.qdrant_socket, engines.redis_socket):
        assert socket.stat().st_mode & 0o077 == 0
        assert socket.parent.stat().st_mode & 0o777 == 0o700
    await engines.release()


@pytest.mark.slow
async def test_two_processes_share_one_keeper_which_goes_after_the_last(folder: Path) -> None:
    async with user(folder) as first, user(folder) as second:
        await attached(first)
        keeper = keeper_of(folder)
        await attached(second)
        engines = await attach(folder)
        first.stdin.close()
        second.stdin.close()
        assert await first.wait() == await second.wait() == 0
        await asyncio.sleep(2.5)
        assert keeper_of(folder) == keeper is not None
        await engines.release()
        await eventually(lambda: unused(folder), "the keeper and its server are gone")
    assert not (folder / "run").exists()


async def test_a_path_too_long_for_a_socket_works_and_is_cleaned_up(folder: Path) -> None:
    deep = folder / ("long name, with ünïcode " * 3) / ("x" * 60)
    engines = await attach(deep)
    async with clients(engines) as (qdrant, redis):
        await make(qdrant)
        await write(qdrant, redis, 1)
    elsewhere = engines.qdrant_socket.parent
    assert len(os.fsencode(engines.qdrant_socket)) <= 100
    assert elsewhere.stat().st_mode & 0o777 == 0o700
    await engines.release()
    await eventually(lambda: unused(deep), "the keeper and its server are gone")
    assert not elsewhere.exists()


@pytest.mark.slow
async def test_data_is_there_again_after_a_quiet_end(folder: Path) -> None:
    for number in (1, 2):
        engines = await attach(folder)
        async with clients(engines) as (qdrant, redis):
            if number == 1:
                await make(qdrant)
            await write(qdrant, redis, number)
            assert await written(qdrant, redis) == (set(range(1, number + 1)),) * 2
        await engines.release()
        await eventually(lambda: unused(folder), "the keeper and its server are gone")


async def test_a_data_dir_that_is_a_file_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    for path in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(ConfigError, match=r"taken.*cannot be used.*FOOTNOTE_DATA_DIR"):
            await attach(path)


def test_a_data_dir_that_is_not_ours_to_write_is_refused_with_advice(tmp_path: Path) -> None:
    """In a process that gives up the rights of root, for whom nothing is read-only."""
    locked = tmp_path / "locked"
    locked.mkdir()
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents[:3]):
            folder.chmod(folder.stat().st_mode | 0o055)
    locked.chmod(0o555)
    said = subprocess.run([sys.executable, "-c", NOBODY, locked], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert said.startswith("ConfigError: The data dir")
    assert "Permission denied" in said
    assert "FOOTNOTE_DATA_DIR" in said


async def test_a_data_dir_held_by_something_else_is_refused_with_its_process(folder: Path) -> None:
    lock = DataDir(folder)
    lock.prepare()
    held = lock.claim()
    assert held is not None
    with pytest.raises(ConfigError, match=rf"held by the process {os.getpid()}, which does not answer.*FOOTNOTE_DATA_DIR"):
        await attach(folder, patience=1)
    os.close(held)


async def test_a_collection_that_cannot_be_opened_is_named(folder: Path) -> None:
    broken = folder / "qdrant" / "live" / "c"
    broken.mkdir(parents=True)
    (broken / "collection.json").write_text("{")
    with pytest.raises(ConfigError, match=r"qdrant/live/c cannot be opened.*Move that folder away"):
        await attach(folder)


async def test_the_keeper_knows_none_of_our_secrets(folder: Path) -> None:
    secret = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", USER, str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OPENAI_API_KEY": secret},
    )
    await attached(process)
    told = environment_of(keeper_of(folder))
    assert "PATH=" in told
    assert secret not in told
    process.kill()
    await process.wait()


def test_a_long_log_is_cut_and_one_old_copy_kept(tmp_path: Path) -> None:
    data = DataDir(tmp_path)
    with data.log.open("ab") as log:
        log.write(b"a" * 1_500_000)
        log.flush()
        data.trim_log()
        log.write(b"later")
    assert data.log.read_bytes() == b"later"
    assert (tmp_path / "keeper.log.1").read_bytes() == b"a" * 1_000_000


@pytest.mark.fault
class TestFaults:
    async def test_many_simultaneous_starts_end_with_one_keeper(self, folder: Path) -> None:
        async with user(folder) as a, user(folder) as b, user(folder) as c, user(folder) as d:
            for process in (a, b, c, d):
                await attached(process)
            assert keepers_in(folder) == [keeper_of(folder)]

    async def test_a_killed_user_leaves_no_process_behind(self, folder: Path) -> None:
        async with user(folder) as process:
            await attached(process)
            assert keeper_of(folder)
            assert redis_of(folder)
            process.kill()
            await eventually(lambda: unused(folder), "the keeper and its server are gone")

    async def test_a_killed_keeper_is_replaced_and_nothing_acknowledged_is_lost(self, folder: Path) -> None:
        engines = await attach(folder)
        async with clients(engines) as (qdrant, redis):
            await make(qdrant)
            acknowledged: set[int] = set()

            async def go_on_writing(start: int) -> None:
                for number in range(start, start + 100_000):
                    await write(qdrant, redis, number)
                    acknowledged.add(number)

            for round_ in range(3):
                keeper = keeper_of(folder)
                writing = asyncio.create_task(go_on_writing(1 + 100_000 * round_))
                enough = len(acknowledged) + 25
                await eventually(lambda enough=enough: len(acknowledged) >= enough, "some writes")
                assert keeper is not None
                os.kill(keeper, signal.SIGKILL)
                await eventually(lambda keeper=keeper: keeper_of(folder) not in {None, keeper}, "another keeper")
                # The write under way failed, or its client tried again until the next keeper took it.
                writing.cancel()
                with pytest.raises((asyncio.CancelledError, ResponseHandlingException, UnexpectedResponse, RedisError, OSError)):
                    await writing
                await answered(qdrant, redis)
                points, keys = await written(qdrant, redis)
                assert acknowledged <= points
                assert acknowledged <= keys
        await engines.release()

    async def test_killing_everything_at_once_loses_nothing_acknowledged(self, folder: Path) -> None:
        async with user(folder) as process:
            await attached(process)
            engines = await attach(folder)
            async with clients(engines) as (qdrant, redis):
                await make(qdrant)
                for number in range(200):
                    await write(qdrant, redis, number)
                # Let go first, so that nothing here starts another keeper meanwhile.
                await engines.release()
                for number in (process.pid, keeper_of(folder), redis_of(folder)):
                    os.kill(number, signal.SIGKILL)
        await eventually(lambda: unused(folder), "everything is gone")
        engines = await attach(folder)
        async with clients(engines) as (qdrant, redis):
            assert await written(qdrant, redis) == (set(range(200)), set(range(200)))
        await engines.release()

    async def test_a_killed_redis_server_is_started_again_with_its_data(self, folder: Path) -> None:
        engines = await attach(folder)
        async with clients(engines) as (qdrant, redis):
            await make(qdrant)
            await write(qdrant, redis, 1)
            killed = redis_of(folder)
            assert killed
            os.kill(killed, signal.SIGKILL)
            await eventually(lambda: redis_of(folder) not in {None, 0, killed}, "another server")
            await answered(qdrant, redis)
            assert await written(qdrant, redis) == ({1}, {1})
        await engines.release()

    async def test_signals_of_a_terminal_do_not_end_the_keeper_before_its_users(self, folder: Path) -> None:
        engines = await attach(folder)
        keeper = keeper_of(folder)
        assert keeper
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(keeper, number)
        await asyncio.sleep(1)
        async with clients(engines) as (qdrant, redis):
            await answered(qdrant, redis)
        assert keeper_of(folder) == keeper
        await engines.release()

    async def test_a_keeper_that_hangs_is_named_with_its_process(self, folder: Path) -> None:
        engines = await attach(folder)
        keeper = keeper_of(folder)
        assert keeper
        os.kill(keeper, signal.SIGSTOP)
        try:
            with pytest.raises(ConfigError, match=f"held by the process {keeper}, which does not answer"):
                await attach(folder, patience=1)
        finally:
            os.kill(keeper, signal.SIGCONT)
        await engines.release()

    async def test_a_server_that_outlived_its_keeper_is_ended_before_another_starts(self, folder: Path) -> None:
        """Where the system sends no signal when a parent dies, the old server still holds its folder."""
        (folder / "redis").mkdir()
        with (folder / "redis" / "server.lock").open("w+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            orphan = await asyncio.create_subprocess_exec("sleep", "60", pass_fds=(lock.fileno(),))
            lock.write(str(orphan.pid))
        engines = await attach(folder)
        assert await orphan.wait() == -signal.SIGTERM
        assert redis_of(folder) not in {None, orphan.pid}
        await engines.release()

    async def test_a_refused_update_does_not_appear_after_a_crash(self, folder: Path) -> None:
        engines = await attach(folder)
        async with clients(engines) as (qdrant, redis):
            await make(qdrant)
            good, bad = ([models.PointStruct(id=1, vector=[1.0, 1.0])], [models.PointStruct(id=2, vector=[1.0])])
            with pytest.raises(UnexpectedResponse, match="expected dim"):
                await qdrant.upsert("c", good + bad)
            keeper = keeper_of(folder)
            assert keeper
            os.kill(keeper, signal.SIGKILL)
            await eventually(lambda: keeper_of(folder) not in {None, keeper}, "another keeper")
            await answered(qdrant, redis)
            assert (await qdrant.count("c")).count == 0
        await engines.release()

    async def test_a_path_is_found_again_after_the_temporary_folder_was_swept(self, folder: Path) -> None:
        deep = folder / ("y" * 120)
        engines = await attach(deep)
        keeper = keeper_of(deep)
        assert keeper
        os.kill(keeper, signal.SIGKILL)
        shutil.rmtree(engines.qdrant_socket.parent)
        async with clients(engines) as (qdrant, redis):
            await answered(qdrant, redis)
        await engines.release()


@pytest.mark.fault
@pytest.mark.parametrize("deleted", ["", "qdrant"], ids=["the data dir", "the index in it"])
async def test_what_is_deleted_below_a_keeper_is_made_anew_for_whoever_comes_next(folder: Path, deleted: str) -> None:
    first = await attach(folder / "d")
    old = keeper_of(folder / "d")
    async with clients(first) as (qdrant, _):
        await qdrant.create_collection("notes", models.VectorParams(size=2, distance=models.Distance.DOT))
    await first.release()
    # At once, as somebody does who was told to: the keeper lingers for a moment.
    shutil.rmtree(folder / "d" / deleted)
    second = await attach(folder / "d")
    assert keeper_of(folder / "d") not in {None, old}
    await eventually(lambda: not Path(f"/proc/{old}").exists(), "the first keeper is gone")
    try:
        async with clients(second) as (qdrant, redis):
            assert not await qdrant.collection_exists("notes")
            await qdrant.create_collection("notes", models.VectorParams(size=2, distance=models.Distance.DOT))
            assert await redis.ping()
    finally:
        await second.release()
