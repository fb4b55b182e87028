"""Which addresses of documents people can follow: those at a host of the source that the documents are of."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from core.models import Audience, Hit, Query, Retrieved
from core.ports import Search

Hosts = Mapping[str, Collection[str]]
"""By the name of a source: ``wiki.acme.com`` is a host, ``.acme.com`` all below it. An empty one stands for files of this
machine."""

_LOOPBACK = re.compile(r"localhost|127(?:\.\d{1,3}){3}")
_AUTHORITY = re.compile(r"([a-z0-9.-]+)(?::\d+)?", re.IGNORECASE)
"""No user, no password, and no letter that only looks like another."""
_UNSAFE = re.compile(r"[\s\\<>\"`\x00-\x1f\x7f-\x9f]")
"""Readers of addresses differ in what these mean."""


def at_own_hosts(search: Search, hosts: Hosts) -> Search:
    """``search``, with the addresses left out that are not of their source's hosts: those documents have a name, but no link."""

    async def found(query: Query, audience: Audience, k: int) -> Retrieved:
        retrieved = await search(query, audience, k)
        return replace(retrieved, hits=tuple(_checked(hit, hosts) for hit in retrieved.hits))

    return found


def is_at(url: str, hosts: Collection[str]) -> bool:
    """Whether ``url`` is https, http on this machine, or a file, and of one of these hosts."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if _UNSAFE.search(url):
        return False
    if parts.scheme == "file":
        return not parts.netloc and "" in hosts
    authority = _AUTHORITY.fullmatch(parts.netloc)
    host = authority[1].lower() if authority else ""
    if parts.scheme != "https" and not (parts.scheme == "http" and _LOOPBACK.fullmatch(host)):
        return False
    return bool(host) and any(host == known or (known.startswith(".") and host.endswith(known)) for known in hosts)


def _checked(hit: Hit, hosts: Hosts) -> Hit:
    if is_at(hit.chunk.url, hosts.get(hit.chunk.source, ())):
        return hit
    return replace(hit, chunk=replace(hit.chunk, url=""))
