"""What can go wrong with calls of the Web API, a given number of times."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Fault:
    method: str
    """``*`` for all."""
    times: int
    status: int = 200
    error: str | None = None
    retry_after: int | None = None
    seconds: float = 0.0
    late: float = 0.0
    """The call takes effect, and its answer comes so many seconds later."""
    lost: bool = False
    """The call takes effect, then the connection breaks before the answer."""
    body: str | None = None
    """Answered in place of JSON."""
    content_type: str = "text/html"


class Faults:
    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.append(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, method: str) -> Fault | None:
        """The next fault that this call meets."""
        for fault in self._waiting:
            if fault.method in {method, "*"} and fault.times > 0:
                fault.times -= 1
                return fault
        return None
