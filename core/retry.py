"""The one retry policy. There is no retry inside a retry: only the outermost call to a foreign service uses it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import tenacity

from core.errors import TransientError

Result = TypeVar("Result")

_jitter = tenacity.wait_random_exponential(multiplier=0.5, max=60)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "retry_after", None)
    # A little more than asked for: clients that were all told the same second would otherwise meet again.
    return asked + tenacity.wait_random(0, 0.2 * asked)(state) if asked else _jitter(state)


async def retry(call: Callable[[], Awaitable[Result]], *, attempts: int = 5, budget: float = 300.0) -> Result:
    """Await ``call`` until it succeeds; repeat on TransientError, full jitter 0.5-60 s, Retry-After wins.

    Gives up after ``attempts`` calls, or rather than wait beyond ``budget`` seconds, and raises the last TransientError.
    """
    policy = tenacity.AsyncRetrying(
        retry=tenacity.retry_if_exception_type(TransientError),
        stop=tenacity.stop_after_attempt(attempts) | tenacity.stop_before_delay(budget),
        wait=_wait,
        reraise=True,
    )

    # It awaits only what it can tell to be a coroutine function; a lambda that returns an awaitable is none.
    async def attempt() -> Result:
        return await call()

    return await policy(attempt)
