"""Secrets that can be told from everything else, and the search for them in whatever an installation has written."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import quote

from qdrant_client import AsyncQdrantClient
from redis.asyncio import Redis


class Canaries:
    """One for each secret, by name. A part of a secret is no less secret: what is looked for is its random middle."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def hatch(self, name: str, around: str = "{}") -> str:
        """A new secret that looks like ``around``, which is no secret itself."""
        self.known[name] = secrets.token_hex(20)
        return around.format(self.known[name])

    def hatch_key(self, name: str, private_key: str) -> None:
        """Each line of a private key; the first ones and the last are much the same in all keys."""
        lines = [line for line in private_key.splitlines() if not line.startswith("-----")]
        self.known |= {f"{name}, line {number}": line for number, line in enumerate(lines) if 0 < number < len(lines) - 1}

    def in_text(self, text: str | bytes) -> set[str]:
        """Names of those that stand in it, in any spelling."""
        content = text.encode() if isinstance(text, str) else text
        return {name for name, canary in self.known.items() if any(spelling in content for spelling in _spellings(canary))}

    def in_files(self, folder: Path) -> set[str]:
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {f"{name} in {path}" for path in files for name in self.in_text(str(path).encode() + path.read_bytes())}

    def in_processes(self) -> set[str]:
        """In the command line of any process of this machine."""
        return {f"{name} in {line!r}" for line in _command_lines() for name in self.in_text(line)}

    async def in_redis(self, redis: Redis) -> set[str]:
        """In keys and values of every type. The server must not compress."""
        found = set()
        async for key in redis.scan_iter(count=1000):
            found |= {f"{name} in {key!r}" for name in self.in_text(key + (await redis.dump(key) or b""))}
        return found

    async def in_qdrant(self, client: AsyncQdrantClient) -> set[str]:
        return {f"{name} in {place}" async for place, payload in _payloads(client) for name in self.in_text(payload)}


def _spellings(canary: str) -> set[bytes]:
    plain = canary.encode()
    # In the middle of anything: without the first and last characters, which its neighbours have a part in.
    shifted = [base64.b64encode(bytes(before) + plain)[4:-4] for before in range(3)]
    return {plain, quote(canary, safe="").encode(), quote(canary, safe="").lower().encode(), *shifted} | {
        part.replace(b"+", b"-").replace(b"/", b"_") for part in shifted
    }


def _command_lines() -> Iterator[bytes]:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield entry.read_bytes()
        except OSError:
            continue


async def _payloads(client: AsyncQdrantClient) -> AsyncIterator[tuple[str, str]]:
    for collection in (await client.get_collections()).collections:
        records, _ = await client.scroll(collection.name, limit=10_000, with_payload=True)
        for record in records:
            yield f"{collection.name}/{record.id}", json.dumps(record.payload, ensure_ascii=False)
