"""Writing to one person, whom we know by their e-mail address."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from bots.command import Button
from bots.slack.channels import SlackChannels
from bots.slack.client import UNANSWERED, failure
from bots.slack.markup import link
from bots.slack.render import SlackMessage, actions, context, render_text

if TYPE_CHECKING:
    from bots.slack.workspace import Workspace
    from core.indexing.index import Owned

log = structlog.get_logger(__name__)

_RECENT_SECONDS = 3600.0


def render_letter(markdown: str, title: str, url: str, buttons: Sequence[Button]) -> list[SlackMessage]:
    """A notice with a link to the page that it is about, and buttons below."""
    *before, last = render_text(markdown)
    return [*before, SlackMessage(last.text, (*last.blocks, context(link(url, title)), actions(buttons)))]


class SlackMessenger:
    """See :class:`bots.owners.Messenger`."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._channels = SlackChannels(workspace.client, organisation=workspace.me.organisation)

    async def account(self, address: str) -> str | None:
        try:
            found = await self._workspace.client.users_lookupByEmail(email=address)
            id = str(found["user"]["id"])
        except UNANSWERED as error:
            log.info("person.not_found_by_address", error=failure(error))
            return None
        # An address counts only where Slack vouches for it.
        return f"slack:{id}" if (await self._workspace.people.find(id)).email == address else None

    async def sees(self, account: str, conversation_id: str) -> bool:
        team, channel_id = conversation_id.split(":")[1:3]
        person = await self._workspace.people.find(account.removeprefix("slack:"))
        if team != self._workspace.me.team or person.gone:
            return False
        try:
            channel = await self._channels.find(channel_id)
        except UNANSWERED as error:
            log.info("channel.not_found", error=failure(error))
            return False
        return (channel.public and person.colleague) or person.id in (channel.members or ())

    async def write(self, account: str, text: str, page: Owned, buttons: Sequence[Button]) -> None:
        key, after = f"direct:{secrets.token_hex(8)}", f"{time.time() - _RECENT_SECONDS:.6f}"
        for part, message in enumerate(render_letter(text, page.title, page.url, buttons)):
            # Slack takes a person's id for the conversation with them.
            await self._workspace.poster.post(
                message, channel=account.removeprefix("slack:"), thread=None, after=after, key=f"{key}/{part}"
            )
