"""The questions that Slack offers at the beginning of a conversation in the app's Messages tab."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bots.prompts import MOST
from bots.slack.client import UNANSWERED, failure
from bots.slack.markup import cut

log = structlog.get_logger(__name__)

_TITLE = "Ask your team's pages"
_PROMPT = 75
"""Characters of a prompt's title; what is asked is never cut."""
ALWAYS = ("What can you help me with?",)
"""Where there is nothing to be read yet. It is answered by a greeting or by what the pages say."""


async def suggest(client: AsyncWebClient, channel: str, questions: Sequence[str]) -> None:
    """Offer up to four questions. It is decoration: no failure of it matters.

    In the agent view a ``thread_ts`` would make Slack ignore the call without a word, so none is sent.
    """
    prompts = [{"title": _title(question), "message": question} for question in (questions or ALWAYS)[:MOST]]
    try:
        await client.assistant_threads_setSuggestedPrompts(channel_id=channel, title=_TITLE, prompts=prompts)
    except UNANSWERED as error:
        log.info("prompts.not_set", reason=failure(error))


def _title(question: str) -> str:
    return question if len(question) <= _PROMPT else f"{next(cut(question, _PROMPT - 1))}…"
