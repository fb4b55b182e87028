"""Pages that give orders, and a model that obeys them all: what people see links, loads, pings and tells nothing foreign."""

from __future__ import annotations

import io
import re
import unicodedata
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.discord import render as discord
from bots.redis import connect_redis
from bots.slack import render as slack
from bots.terminal import TerminalReply
from core.answering.assistant import Assistant
from core.answering.chain import QUOTES_ONLY
from core.answering.memory import Memory
from core.embedded.keeper import Engines
from core.models import ANYONE, Answer, AnswerMode
from tests.answering import ScriptedSearch, asked
from tests.e2e.injections import FACT, QUESTION, SECRET, Injection, ObedientModel, injections, told
from tests.emulators.slack_rules import flaws, refusal, texts
from tests.fakes import message

SET = injections()
PAGES = {f"https://wiki.acme.com/{name}" for name in ("hostile", "rest", "leave")}
ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*:/+[^\s/]|www\.\w|(?:mailto|tel|data|javascript):\S)[^\s<>()|`*\"]*", re.IGNORECASE)
"""Whatever any program could take for an address that can be followed."""
BROKEN = "\u200b"
"""What we break mentions and marks with. No source and no model brings one."""
INVISIBLE = {"Cc", "Cf", "Co", "Cs"}


@dataclass
class Seen:
    """What the same answer looks like everywhere."""

    answer: Answer
    slack: list[str] = field(default_factory=list)
    discord: list[str] = field(default_factory=list)
    terminal: str = ""

    @property
    def everything(self) -> str:
        return "\n".join([*self.slack, *self.discord, self.terminal, self.answer.text, self.answer.notice])


class Office:
    def __init__(self, redis: Redis) -> None:
        self._memory_of = redis

    async def ask(self, injection: Injection, model: ObedientModel | None) -> Seen:
        search = ScriptedSearch(*injection.pages())
        assistant = Assistant(
            search=search,
            accesses=search.accesses,
            model=model,
            memory=Memory(self._memory_of, turns=1, ttl=timedelta(minutes=1), accesses=search.accesses),
        )
        pieces, answer = await asked(assistant, message(QUESTION, conversation_id=uuid.uuid4().hex), ANYONE)
        seen = Seen(answer=answer)
        for posted in slack.render(answer):
            assert refusal(posted.arguments()) is None
            assert flaws(posted.arguments()) == []
            assert all(part["verbatim"] is True for part in _mrkdwn(posted.blocks))
            seen.slack += [posted.text, *texts(posted.blocks)]
        seen.discord = discord.render(answer)
        out = io.StringIO()
        reply = TerminalReply(out)
        for piece in pieces:
            await reply.stream(piece)
        await reply.answer(answer)
        seen.terminal = out.getvalue()
        return seen


@pytest.fixture
async def office(shared_engines: Engines) -> AsyncIterator[Office]:
    redis = connect_redis(None, shared_engines.redis_socket)
    yield Office(redis)
    await redis.aclose()


def _mrkdwn(blocks: tuple[slack.Block, ...]) -> Iterator[dict[str, object]]:
    for block in blocks:
        yield from [block["text"]] if "text" in block else block["elements"]


def without_code(text: str) -> str:
    """Nothing links or pings inside code, neither in Slack nor in Discord."""
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.DOTALL)


def harms(seen: Seen) -> list[str]:
    """All that leads, loads or pings where it should not, and all that nobody can see."""
    found = []
    for text in (*map(without_code, (*seen.slack, *seen.discord)), without_code(seen.terminal)):
        found += [address for address in ADDRESS.findall(text) if address.rstrip(".,]") not in PAGES]
        found += re.findall(r"!\[[^\]]*\]\([^()]+\)", text)
    for text in seen.slack:
        found += [link for link in re.findall(r"<([^<>]*)>", text) if link.partition("|")[0] not in PAGES]
        found += re.findall(r"@(?:channel|here|everyone)\b", text, re.IGNORECASE)
    for text in map(without_code, seen.discord):
        found += re.findall(r"@(?:everyone|here)|<(?:@[!&]?|#|a?:\w+:|/\w+:)\d+>", text)
        found += [url for url in re.findall(r"\]\(<?([^)>]*)", text) if url not in PAGES]
    visible = seen.everything.replace(BROKEN, "").replace("\n", "")
    found += [repr(character) for character in visible if unicodedata.category(character) in INVISIBLE]
    found += [hex(ord(character)) for character in visible if 0xFE00 <= ord(character) <= 0xFE0E]
    return found


def letters(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def leaks(seen: Seen, model: ObedientModel) -> list[str]:
    """What the model was told and people were shown."""
    instructions, canary = told(model.prompt)
    said, rules = letters(seen.everything), letters(instructions)
    repeated = [rules[start : start + 64] for start in range(len(rules) - 64) if rules[start : start + 64] in said]
    return [*repeated, *([canary] if canary in said else [])]


@pytest.mark.parametrize("injection", SET, ids=lambda injection: injection.name)
async def test_a_model_that_obeys_a_page_harms_nobody(injection: Injection, office: Office) -> None:
    model = ObedientModel()
    seen = await office.ask(injection, model)
    assert harms(seen) == []
    assert leaks(seen, model) == []
    assert seen.answer.mode is (AnswerMode.QUOTES if injection.asks_for_rules else AnswerMode.GENERATED)
    assert FACT in seen.answer.text
    assert letters(SECRET) not in letters(seen.everything)
    assert SECRET not in model.prompt[-1].text
    assert {citation.url for citation in seen.answer.citations} <= PAGES
    markers = set(map(int, re.findall(r"\[(\d+)\]", without_code(seen.answer.text))))
    assert markers <= {citation.number for citation in seen.answer.citations}


@pytest.mark.parametrize("injection", SET, ids=lambda injection: injection.name)
async def test_quotes_from_a_page_that_gives_orders_harm_nobody(injection: Injection, office: Office) -> None:
    seen = await office.ask(injection, None)
    assert harms(seen) == []
    assert letters(SECRET) not in letters(seen.everything)
    assert seen.answer.mode is AnswerMode.QUOTES
    assert "thirty days" in seen.answer.text
    assert seen.answer.notice == QUOTES_ONLY


def test_the_set_is_large_and_each_of_its_texts_stands_for_itself() -> None:
    assert len(SET) >= 40
    assert len({injection.name for injection in SET}) == len({injection.text for injection in SET}) == len(SET)
    places = {"title", "file name", "heading", "paragraph", "cell", "list", "code", "comment", "attachment"}
    assert {injection.where for injection in SET} == places
