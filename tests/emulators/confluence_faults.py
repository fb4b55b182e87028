"""What can go wrong between Confluence and a client: which calls meet it, and how often."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import httpx

LOGIN = "<!DOCTYPE html><html><head><title>Log in with Atlassian account</title></head><body>Log in</body></html>"


@dataclass
class Fault:
    """``routes`` is a pattern of what :attr:`Route.name` says, such as ``GET */pages*``; ``path`` one of the path as asked.

    Of the calls that match, the first ``after`` are spared, and then every ``every``-th meets it, ``times`` times in all.
    """

    routes: str = "*"
    path: str = "*"
    status: int | None = None
    retry_after: float | None = None
    html: bool = False
    """A login page, with 200."""
    truncated: bool = False
    """Half of the body, as if that were all."""
    cut: bool = False
    """The connection breaks in the middle of the body."""
    lost: bool = False
    """The connection breaks before the answer."""
    empty: bool = False
    """A listing without results that says it is complete."""
    seconds: float = 0.0
    """Time that it takes, beside all else."""
    times: float = 1
    after: int = 0
    every: int = 1
    seen: int = field(default=0, init=False)
    met: int = field(default=0, init=False)

    def is_due(self, route: str, path: str) -> bool:
        """For this call, which is counted if it matches."""
        if self.met >= self.times or not fnmatchcase(route, self.routes) or not fnmatchcase(path, self.path):
            return False
        self.seen += 1
        return self.seen > self.after and (self.seen - self.after) % self.every == 0


class Faults:
    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._waiting: list[Fault] = []
        self._closed: tuple[float, float] = (0.0, 0.0)
        self.violations: list[str] = []
        """Calls that came although a 429 had told to wait longer."""
        self.grace = 0.1
        """Seconds in which calls that were on their way already may still come."""

    def add(self, fault: Fault) -> Fault:
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        self._waiting.clear()
        self._closed = (0.0, 0.0)

    def take(self, route: str, path: str) -> Fault | None:
        """The fault that this call meets."""
        since, until = self._closed
        at = self._monotonic()
        if since + self.grace < at < until:
            self.violations.append(f"{route} came {until - at:.3f} s too early")
            return Fault(status=429, retry_after=until - at)
        due = [fault for fault in self._waiting if fault.is_due(route, path)]
        if not due:
            return None
        fault = due[0]
        fault.met += 1
        if fault.status == 429 and fault.retry_after:
            self._closed = (at, at + fault.retry_after)
        return fault


class Broken(httpx.AsyncByteStream):
    """Half of a body, and then the connection is gone."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._content[: len(self._content) // 2]
        raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
