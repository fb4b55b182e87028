"""The chat model as a judge of the sentences that words cannot decide: one request an answer, within a time limit."""

from __future__ import annotations

import asyncio
import html
import re
import secrets
from collections.abc import Sequence
from contextlib import aclosing

import structlog
from langchain_core.language_models import BaseChatModel

from core.answering.grounding.grounding import Judge
from core.answering.model import stream
from core.answering.prompts import SUPPORTED
from core.answering.thoughts import without_thoughts
from core.errors import FootnoteError

log = structlog.get_logger(__name__)

SECONDS = 5.0
"""An answer waits no longer for it; then it is decided without."""
_LINE = re.compile(r"^\W*(\d{1,3})\W+(yes|no)\b", re.IGNORECASE | re.MULTILINE)


def by_model(model: BaseChatModel, seconds: float = SECONDS) -> Judge:
    """Judges by what the model says. A verdict that is missing or cannot be read is "no"; None when it said nothing in time."""

    async def judge(asked: Sequence[tuple[str, str]]) -> Sequence[bool] | None:
        fence = secrets.token_hex(8)
        pairs = "\n".join(
            f'<pair-{fence} number="{number}">\nPassages:\n{html.escape(passages)}\n'
            f"Sentence:\n{html.escape(said)}\n</pair-{fence}>"
            for number, (said, passages) in enumerate(asked, 1)
        )
        said = ""
        try:
            async with (
                asyncio.timeout(seconds),
                aclosing(stream(model, SUPPORTED.format_messages(fence=fence, pairs=pairs), seconds)) as pieces,
            ):
                async for piece in without_thoughts(pieces):
                    said += piece
        except (FootnoteError, TimeoutError) as error:
            log.warning("support.not_judged", reason=str(error) or type(error).__name__)
            return None
        verdicts = {int(number): word.casefold() == "yes" for number, word in _LINE.findall(said)}
        return [verdicts.get(number, False) for number in range(1, len(asked) + 1)] if verdicts else None

    return judge
