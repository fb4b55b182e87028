"""The smallest example of a bot: lines of a terminal in, streamed text with footnotes out."""

from __future__ import annotations

import asyncio
import getpass
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import IO, Any

from bots.responder import Responder
from core.answering.visible import visible
from core.models import Answer, Audience, Message, now


def message(text: str, conversation_id: str) -> Message:
    return Message(
        id=f"terminal:{secrets.token_hex(8)}",
        platform="terminal",
        conversation_id=f"terminal:{visible(conversation_id)}",
        channel_id="terminal",
        user="terminal:local",
        user_name=_user_name(),
        text=text,
        sent_at=now(),
        private=True,
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a uid that has no name.
        return "you"


class TerminalReply:
    """Prints tokens as they come; footnotes follow the text, and what may be asked next."""

    def __init__(self, out: IO[str] | None = None, *, numbered: bool = False) -> None:
        """``numbered``: what may be asked next has numbers, by which it is asked."""
        self._out = out or sys.stdout
        self._numbered = numbered
        self._streamed = ""
        self.final: Answer | None = None
        self.notice = ""
        self.unwritable: OSError | None = None
        """Why nobody sees what is written: a closed pipe, a full disk."""

    @property
    def resolved(self) -> bool:
        return self.final is not None

    async def working(self, before: int = 0) -> None:
        return

    async def stream(self, text: str) -> None:
        self._streamed += text
        self._write(text)

    async def answer(self, answer: Answer) -> None:
        self.final = answer
        if self._streamed.strip() != answer.text.strip():
            # What was streamed did not survive the check of its footnotes: say so and show what holds.
            self._write("\n\n" * bool(self._streamed) + answer.text)
        self._write("\n")
        for citation in answer.citations:
            self._write(f"\n  [{citation.number}] {citation.title} ({citation.updated_at:%Y-%m-%d})")
            self._write(f"\n      {citation.url}" if citation.url else "")
            for place in citation.also_at:
                self._write(f"\n      also at {place.title}{f': {place.url}' if place.url else ''}")
        if answer.citations:
            self._write("\n")
        if answer.near:
            self._write("\n  Nearest pages:\n")
        for page in answer.near:
            self._write(f"    {page.title}{f': {page.url}' if page.url else ''}\n")
        if answer.remarks:
            self._write(f"\n  ({answer.remarks})\n")
        if answer.follow_ups:
            self._write(f"\n  Ask next{', by its number' if self._numbered else ''}:\n")
        for number, question in enumerate(answer.follow_ups, start=1):
            self._write(f"    {f'{number}.' if self._numbered else '-'} {question}\n")

    async def say(self, text: str) -> None:
        self.notice = text
        self._write(text + "\n")

    async def fail(self, text: str, again: str) -> None:
        await self.say(text)

    async def offer_private(self, answer_id: str) -> None:
        """Nobody else looks at this terminal."""

    async def show(self, text: str) -> None:
        self._write(text + "\n")

    def _write(self, text: str) -> None:
        if self.unwritable is None:
            try:
                self._out.write(text)
                self._out.flush()
            except OSError as error:
                self.unwritable = error


class JsonReply:
    """Keeps the answer for ``--json``."""

    def __init__(self) -> None:
        self.final: Answer | None = None
        self.notice = ""

    async def working(self, before: int = 0) -> None:
        return

    async def stream(self, text: str) -> None:
        return

    async def answer(self, answer: Answer) -> None:
        self.final = answer

    async def say(self, text: str) -> None:
        self.notice = text

    async def fail(self, text: str, again: str) -> None:
        self.notice = text

    async def offer_private(self, answer_id: str) -> None:
        return

    async def show(self, text: str) -> None:
        return

    @property
    def resolved(self) -> bool:
        return self.final is not None

    def result(self) -> dict[str, Any]:
        """``{answer, grounded, citations, follow_ups, hits, timings}``, or ``{error}`` when there is no answer."""
        if self.final is None:
            return {"error": self.notice}
        return {
            "answer": self.final.text,
            "grounded": self.final.grounded,
            "mode": self.final.mode.value,
            "notice": self.final.remarks,
            "citations": [
                {**asdict(citation), "updated_at": citation.updated_at.isoformat()} for citation in self.final.citations
            ],
            "near": [asdict(page) for page in self.final.near],
            "follow_ups": list(self.final.follow_ups),
            "hits": [
                {"document_id": hit.chunk.document_id, "chunk": hit.chunk.position, "score": hit.score} for hit in self.final.hits
            ],
            "timings": dict(self.final.timings),
        }


async def ask(
    responder: Responder, reply: TerminalReply | JsonReply, question: str, audience: Audience, conversation_id: str | None
) -> None:
    """One question; without a conversation it is remembered under one that nobody will name again.

    Raises OSError when the answer could not be written.
    """

    async def audience_of(_message: Message) -> Audience:
        return audience

    await responder.respond(message(question, conversation_id or secrets.token_hex(8)), reply, audience_of)
    if isinstance(reply, TerminalReply) and reply.unwritable is not None:
        raise reply.unwritable


async def chat(
    responder: Responder,
    audience: Audience,
    conversation_id: str,
    *,
    typed: Callable[[str], Awaitable[str]] | None = None,
    out: IO[str] | None = None,
) -> None:
    """Questions and answers until the end of input; the conversation is remembered. A number asks what was offered by it."""
    typed = typed or _typed
    offered: Sequence[str] = ()
    while True:
        text = (await typed("\n? ")).strip()
        if text.casefold() in {"", "exit", "quit"}:
            return
        reply = TerminalReply(out, numbered=True)
        await ask(responder, reply, _meant(text, offered), audience, conversation_id)
        offered = reply.final.follow_ups if reply.final else ()


def _meant(text: str, offered: Sequence[str]) -> str:
    numbered = {str(number): question for number, question in enumerate(offered, start=1)}
    return numbered.get(text.removesuffix("."), text)


async def _typed(prompt: str) -> str:
    """The next line, empty at the end of input. While a person types nothing blocks, so that Ctrl-C works at once."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    if not sys.stdin.isatty():
        return await asyncio.to_thread(sys.stdin.readline)
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    # A terminal hands over whole lines.
    loop.add_reader(sys.stdin, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sys.stdin)
    return sys.stdin.readline()
