"""Small stand-ins that speak the ports: what a person sees, and parts whose behaviour a test decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime

from bots.command import Button
from bots.platform import Groups
from core.answering.line import Waiting, unheard
from core.channels import DEFAULT, ChannelConfig
from core.errors import UserError
from core.models import Answer, AnswerMode, Audience, Hit, Message, Principal

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)


def message(text: str = "How many days of leave do I have?", *, id: str = "test:1", **fields: object) -> Message:
    values = {
        "id": id,
        "platform": "test",
        "conversation_id": "test:thread",
        "channel_id": "test:channel",
        "user": "test:ana",
        "user_name": "Ana",
        "text": text,
        "sent_at": NOON,
    }
    return Message(**(values | fields))


def answer(
    text: str = "Thirty days [1].",
    question: str = "How many?",
    *,
    id: str = "a1",
    hits: tuple[Hit, ...] = (),
    documents: tuple[str, ...] = (),
) -> Answer:
    return Answer(
        id=id,
        question=question,
        text=text,
        citations=(),
        hits=hits,
        documents=documents,
        mode=AnswerMode.GENERATED,
        model="scripted",
        prompt_version="0",
        timings={"total": 1.0},
    )


class RecordingReply:
    """What the person saw, in order: ``("say", text)``, ``("answer", text)``, ..."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.buttons: list[Button] = []
        self.offered: list[str] = []
        """Answers of which a private one was offered."""
        self.published: list[Answer] = []
        self.called: list[tuple[str, str]] = []
        """Who, and with what text."""
        self.settled: list[str] = []

    async def working(self, before: int = 0) -> None:
        self.seen.append(("working", f"{before} before it" if before else ""))

    async def stream(self, text: str) -> None:
        self.seen.append(("stream", text))

    async def answer(self, answer: Answer) -> None:
        self.seen.append(("answer", answer.text))

    async def say(self, text: str) -> None:
        self.seen.append(("say", text))

    async def fail(self, text: str, again: str) -> None:
        self.seen.append(("fail", text))
        if again:
            self.buttons.append(Button(label="Try again", command=again))

    async def show(self, text: str) -> None:
        self.seen.append(("show", text))

    async def offer_private(self, answer_id: str) -> None:
        self.offered.append(answer_id)

    async def publish(self, answer: Answer) -> None:
        self.published.append(answer)

    async def call(self, who: str, text: str, buttons: Sequence[Button]) -> None:
        self.called.append((who, text))
        self.buttons += buttons

    async def settle(self, text: str) -> None:
        self.settled.append(text)

    async def offer(self, text: str, buttons: Sequence[Button]) -> None:
        self.seen.append(("say", text))
        self.buttons += buttons

    @property
    def replies(self) -> list[str]:
        return [text for kind, text in self.seen if kind in {"say", "fail", "answer"}]

    @property
    def shown(self) -> list[str]:
        return [text for kind, text in self.seen if kind == "show"]


Script = Callable[[Message, Audience], AsyncIterator[str | Answer]]


class ScriptedAssistant:
    """An assistant that says what its script says; remembers what it was asked, and for whom."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or _one_answer
        self.asked: list[tuple[Message, Audience]] = []
        self.withdrawn: list[str] = []
        """Messages that are remembered no longer."""
        self.waiting: Waiting = unheard
        """Tells whoever asked last how many questions come first."""

    async def withdraw(self, _conversation_id: str, said_as: str) -> None:
        self.withdrawn.append(said_as)

    def answer(
        self, message: Message, audience: Audience, config: ChannelConfig = DEFAULT, *, waiting: Waiting = unheard
    ) -> AsyncIterator[str | Answer]:
        self.asked.append((message, audience))
        self.waiting = waiting
        return self._script(message, audience)


async def _one_answer(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield "Thirty days"
    yield answer(question=message.text)


class MemoryGate:
    """A gate that keeps its claims in a set; ``refusal`` is raised for every message that asks to be admitted."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.claimed: set[str] = set()
        self._refusal = refusal

    async def claim(self, message: Message, *, taken_over: bool = False) -> bool:
        keys = {message.id, *message.aliases}
        if self.claimed & keys and not taken_over:
            return False
        self.claimed |= keys
        return True

    async def release(self, message: Message) -> None:
        self.claimed -= {message.id, *message.aliases}

    async def admit(self, _message: Message) -> None:
        if self._refusal:
            raise self._refusal


class ScopedSource:
    """A source of which only the parts that it knows matter; one that is ``broken`` raises that instead."""

    def __init__(self, name: str, *parts: str, broken: Exception | None = None) -> None:
        self.name = name
        self._parts = parts
        self._broken = broken

    async def select(self, scope: str) -> AsyncIterator[str]:
        if self._broken:
            raise self._broken
        if scope not in self._parts:
            raise UserError(f"{self.name} knows no {scope!r}.")
        yield f"{self.name}:{scope}"


def groups(members: Mapping[Principal, tuple[Principal, ...]]) -> Groups:
    """These groups, whenever they are asked for."""

    async def known() -> Mapping[Principal, tuple[Principal, ...]]:
        return members

    return known


class Unhurried:
    """A limiter that lets everybody pass."""

    async def acquire(self) -> None: ...

    async def pause(self, seconds: float) -> None: ...
