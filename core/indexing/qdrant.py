"""The wall to Qdrant: a client of it, and its errors as ours."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable
from pathlib import Path
from typing import TypeVar

import httpx
from qdrant_client import AsyncQdrantClient
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from core.errors import ConfigError, FootnoteError, TransientError

SEARCH_SECONDS = 5.0
REQUEST_SECONDS = 60

Result = TypeVar("Result")


class Missing(ConfigError):
    """The collection is gone: the next sync makes it again and fills it. Run `footnote sync`."""


class Conflict(FootnoteError):
    """There is one already."""


def connect(*, url: str | None = None, api_key: str | None = None, socket: Path | None = None) -> AsyncQdrantClient:
    """A client of a Qdrant server or cluster, or of the embedded engine behind a Unix socket. Connects on first use."""
    limits = httpx.Limits(max_connections=32, max_keepalive_connections=16)
    if socket is not None:
        transport = httpx.AsyncHTTPTransport(uds=str(socket), limits=limits)
        return AsyncQdrantClient(url="http://localhost", timeout=REQUEST_SECONDS, check_compatibility=False, transport=transport)
    if url is None:
        raise ConfigError(
            "neither QDRANT_URL nor the embedded engine's socket is given: set QDRANT_URL, or unset it to use the engine"
        )
    with warnings.catch_warnings():
        # It warns of every key over http://, which is usual where servers share a network of their own.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return AsyncQdrantClient(url=url, api_key=api_key, timeout=REQUEST_SECONDS, check_compatibility=False, limits=limits)


async def ask(request: Awaitable[Result], seconds: float = REQUEST_SECONDS) -> Result:
    """Raises TransientError while Qdrant does not answer, ConfigError for what an operator must mend, Missing, Conflict.

    What their errors say may carry secrets and stays out.
    """
    try:
        async with asyncio.timeout(seconds):
            return await request
    except (httpx.HTTPError, TimeoutError, ConnectionError) as error:
        raise _unreachable() from error
    except ResponseHandlingException as error:
        if isinstance(error.source, httpx.HTTPError):
            raise _unreachable() from error
        raise FootnoteError("what answers at QDRANT_URL is not Qdrant's REST API: check the address") from error
    except ResourceExhaustedResponse as error:
        raise TransientError("search is unavailable: Qdrant is over its limits", retry_after=error.retry_after_s) from error
    except UnexpectedResponse as error:
        raise _explained(error.status_code) from error
    except (ApiException, QdrantException) as error:
        raise FootnoteError(f"Qdrant's answer was not understood ({type(error).__name__})") from error
    except ValueError as error:
        # The in-memory engine of the client says so what a server says with 404 and 409.
        if "not found" in str(error):
            raise _explained(404) from error
        if "already exists" in str(error):
            raise _explained(409) from error
        raise


def _explained(status: int | None) -> FootnoteError:
    if status in {401, 403}:
        return ConfigError("Qdrant refused our key: set QDRANT_API_KEY to one that may read and write")
    if status == 404:
        return Missing()
    if status == 409:
        return Conflict()
    if status is None or status in {408, 429} or status >= 500:
        return TransientError(f"search is unavailable: Qdrant answered with status {status}")
    return FootnoteError(f"Qdrant refused a request with status {status}: the server may be older than 1.19")


def _unreachable() -> TransientError:
    return TransientError("search is unavailable: Qdrant does not answer. Check QDRANT_URL and the server; it is tried again.")
