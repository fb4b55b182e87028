"""Tokens that expire, renewed in time and by one process alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bots.slack.client import UNANSWERED, failure, refused
from bots.slack.installations import Installations, Installed
from core.errors import AuthError, ConfigError, TransientError

log = structlog.get_logger(__name__)

_NO_CODE = "footnote-check"
"""A code that nobody was given: Slack looks at who asks before it looks at the code."""
_NO_APP = {"invalid_client_id", "bad_client_secret"}
_SAVES = 5


class Tokens:
    """oauth.v2.access, as the app that has this id and secret."""

    def __init__(
        self,
        client: AsyncWebClient,
        store: Installations,
        client_id: str,
        client_secret: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._store = store
        self._app = {"client_id": client_id, "client_secret": client_secret}
        self._clock = clock

    async def prove(self) -> None:
        """Raises ConfigError when Slack knows no such app, and what the client raises when it does not say."""
        try:
            await self._client.oauth_v2_access(**self._app, code=_NO_CODE)
        except SlackApiError as error:
            if failure(error) in _NO_APP:
                raise ConfigError(
                    f"SLACK_CLIENT_ID and SLACK_CLIENT_SECRET were refused by Slack ({failure(error)}): copy both from Basic "
                    "Information of the app"
                ) from error
            if not refused(error):
                raise

    async def renew(self, id: str, *, instead_of: str | None = None) -> Installed | None:
        """What is kept of a workspace, with a new token if it was time, or if it is one that Slack takes no more; None when
        nothing is kept any more.

        Raises AuthError when Slack does not give one, TransientError when it does not answer, or Redis.
        """
        async with self._store.renewing(id):
            kept = await self._store.find(id)
            if kept is None or not kept.refresh_token or not (kept.is_due(self._clock()) or kept.token == instead_of):
                return kept
            renewed = await self._renewed(kept)
            # Whatever happens to us: the former refresh token is used up.
            await asyncio.shield(self._save(renewed))
        log.info("token.renewed", workspace=id)
        return renewed

    async def _renewed(self, kept: Installed) -> Installed:
        try:
            answer = await self._client.oauth_v2_access(**self._app, grant_type="refresh_token", refresh_token=kept.refresh_token)
            now, lasts = self._clock(), answer.get("expires_in")
            return replace(
                kept,
                token=answer["access_token"],
                refresh_token=answer.get("refresh_token") or kept.refresh_token,
                at=now,
                expires_at=now + float(lasts) if lasts else None,
            )
        except UNANSWERED as error:
            if refused(error):
                raise AuthError(f"Slack does not renew the token of {kept.name} ({failure(error)})") from error
            raise TransientError(f"Slack did not renew the token of {kept.name} ({failure(error)})") from error

    async def _save(self, renewed: Installed) -> None:
        for attempt in range(_SAVES):
            try:
                await self._store.save(renewed)
            except TransientError:
                if attempt == _SAVES - 1:
                    log.error("token.not_kept", workspace=renewed.id, hint="after a restart it has to install Footnote again")
                    return
                await asyncio.sleep(2**attempt)
            else:
                return
