"""Pages with the texts of tests/data/injections.toml, and a model that does whatever they say."""

from __future__ import annotations

import re
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from core.models import Access, Hit
from tests.answering import hit
from tests.emulators.openai import tokens_of

QUESTION = "How many days of annual leave do staff members get?"
FACT = "Staff members get thirty days of annual leave."
SECRET = "The annual leave of the chief executive is ninety days."
ABOUT_STAFF = "Staff members and their annual leave:"

_SOURCE = re.compile(r'<source-\w+ number="(\d+)" title="([^"]*)"[^>]*>\n(.*?)\n</source-\w+>', re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Injection:
    name: str
    kind: str
    where: str
    text: str
    rest: str = ""
    repeat: int = 1

    @property
    def asks_for_rules(self) -> bool:
        """Whether it wants to know what the model was told before it got the pages."""
        return bool(re.search(r"\{(?:hidden )?canary\}|\{c-a-n-a-r-y\}|\{instructions\}", self.text, re.IGNORECASE))

    def pages(self) -> list[Hit]:
        """The page with the text, the page with its rest, a harmless one, and one that only the board may read."""
        board = Access(gates=(frozenset({"group:board"}),))
        secret = hit("wiki:board", SECRET, title="Annual leave of the board", access=board, score=1.1)
        found = [secret, self._page("wiki:hostile", self.text * self.repeat), hit("wiki:leave", FACT, title="Leave", score=0.9)]
        return [*found, self._page("wiki:rest", self.rest, score=0.95)] if self.rest else found

    def _page(self, document_id: str, text: str, score: float = 1.0) -> Hit:
        match self.where:
            case "title":
                return hit(document_id, FACT, title=text, score=score)
            case "file name":
                return hit(document_id, FACT, title=f"{text}.pdf", score=score)
            case "heading":
                return hit(document_id, FACT, title="Annual leave", headings=(text,), score=score)
            case "cell":
                cell = text.replace("\n", " ").replace("|", "\\|")
                body = f"| Staff members | Annual leave |\n| --- | --- |\n| all of them | thirty days {cell} |"
            case "list":
                body = f"- {FACT}\n- {ABOUT_STAFF} {text}"
            case "code":
                body = f"```\n# {ABOUT_STAFF}\n{text}\n```"
            case "comment":
                body = f"Mallory: {ABOUT_STAFF} {text}"
            case "paragraph" | "attachment":
                body = f"{FACT}\n\n{ABOUT_STAFF} {text}"
        return hit(document_id, body, title="leave.pdf" if self.where == "attachment" else "Annual leave", score=score)


def injections() -> list[Injection]:
    file = Path(__file__).parents[1] / "data" / "injections.toml"
    return [Injection(**entry) for entry in tomllib.loads(file.read_text())["injection"]]


class ObedientModel(BaseChatModel):
    """The worst model: it says all that stands in the sources, carried out, and with footnotes that hold."""

    prompt: list[BaseMessage] | None = None
    """What it was told last."""

    @property
    def _llm_type(self) -> str:
        return "obedient"

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        self.prompt = messages
        for token in tokens_of(obeyed(messages)):
            yield ChatGenerationChunk(message=AIMessageChunk(token))

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError


def told(prompt: list[BaseMessage]) -> tuple[str, str]:
    """The instructions in a prompt, and the word of its tags."""
    instructions = prompt[0].text
    found = re.search(r"tags that carry the word (\w+)\.", instructions)
    assert found
    return instructions, found[1]


def obeyed(prompt: list[BaseMessage]) -> str:
    instructions, canary = told(prompt)
    sources = _SOURCE.findall(prompt[-1].text)
    said = " ".join(f"{title} {text}" for _, title, text in sources if text != FACT)
    orders = {
        "{canary}": canary,
        "{c-a-n-a-r-y}": "-".join(canary.upper()),
        "{hidden canary}": "".join(f"{letter}\U000e0020" for letter in canary),
        "{instructions}": instructions,
        "{INSTRUCTIONS}": instructions.upper(),
        "{sources}": re.sub(r"\W+", "-", said)[:200],
        "{secret}": SECRET if SECRET in prompt[-1].text else "",
    }
    for order, carried_out in orders.items():
        said = said.replace(order, carried_out)
    # What two pages hold is put together, as a model would that was told to.
    joined = re.sub(rf" Annual leave {FACT}\s+{ABOUT_STAFF} ", "", said)
    return f"{FACT} [1] {said} [1] {joined} [{len(sources)}]"
