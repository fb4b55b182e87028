"""A model that cites what is not there, in every way: no footnote leads to nothing, and no changed fact is shown."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from core.answering.chain import Ask, Draft, build_chain
from core.answering.footnotes import plain
from core.answering.line import Line
from core.models import ANYONE, GAP, AnswerMode, Hit
from tests.answering import ScriptedSearch, hit
from tests.harm import without_markdown_code

PAGES = tomllib.loads((Path(__file__).parents[1] / "data" / "support.toml").read_text())["page"]
HITS = tuple(
    hit(f"wiki:{number}", page["text"].strip(), title=page["title"], score=1 - number / 100) for number, page in enumerate(PAGES)
)
TRUE = [sentence for page in PAGES for sentence in (*page["supported"], *page["paraphrased"])]
FALSE = [sentence for page in PAGES for sentence in page["number"]]
TALK = ["Sure!", "Here is how it works:", "Hope this helps!", "Anything else?", "## Summary", "The sources do not say more."]
MARKERS = [
    *("[1]", "[2]", "[3]", "[4]", "[5]", "[6]", "[1][2]", "[7]", "[0]", "[99]", "[-1]", "[1-9]", "[2–40]", "[1, 8, 3]"),
    *(
        "[[1]]",
        "[[9]1]",
        "[1[9]]",
        "[1]]",
        "[[2]",
        "【3】",
        "【13】",
        "［2］",
        "[^1]",
        "[^12]",
        "[Source 2]",
        "[source 20]",
        "(1)",
    ),
    *(
        "[١]",
        "[２]",
        "[३]",
        "[Ⅳ]",
        "[1.5]",
        "[1a]",
        "[ 1 ]",
        "[\u200b4]",
        "[4\u200b2]",
        "[1](https://evil.example/)",
        "\\[9\\]",
        "",
    ),
    *("`[3]`", "[", "]", "[1", "2]", "[see 1]", "[2024]", "[99999999999999999999]", "", ""),
]
BLOCKS = [
    "```sh\nacme deploy billing --region eu-west-1\necho [9]\n```",
    "```\nrm -rf [1] /\n```",
    "| Country | Public holidays |\n| --- | --- |\n| Germany | 11 [1] |\n| France | 12 [9] |",
    "> As it says there: “Everybody gets a car.” [1]",
    "[1]: https://evil.example/\n",
    "~~~\n[2]\n",
]


class LyingModel(BaseChatModel):
    """Says what it was told to, cut anywhere: a marker comes in halves."""

    said: str = ""
    cuts: int = 0

    @property
    def _llm_type(self) -> str:
        return "lying"

    async def _astream(self, messages: list[BaseMessage], *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        dice, position = random.Random(self.cuts), 0
        while position < len(self.said):
            size = dice.choice((1, 1, 2, 3, 5, 8, 40))
            yield ChatGenerationChunk(message=AIMessageChunk(self.said[position : position + size]))
            position += size

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError


def generated(number: int) -> str:
    """An answer of true and changed sentences with markers of all kinds, the same for the same number."""
    dice = random.Random(number)
    parts = []
    for _ in range(dice.randrange(1, 9)):
        kind = dice.random()
        if kind < 0.1:
            parts.append(f"\n\n{dice.choice(BLOCKS)}\n\n")
        elif kind < 0.2:
            parts.append(f"{dice.choice(TALK)}{dice.choice((' ', chr(10)))}")
        else:
            sentence = dice.choice(TRUE if dice.random() < 0.5 else FALSE)
            marker = dice.choice(MARKERS)
            said = dice.choice((f"{sentence.rstrip('.')} {marker}. ", f"{sentence} {marker} ", f"{marker} {sentence} "))
            parts.append(f"{dice.choice(('', '', '', chr(10) + '- ', chr(10) + '1. '))}{said}")
    return "".join(parts)


MANY = (pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(300))


async def drafted(said: str, cuts: int, hits: tuple[Hit, ...] = HITS) -> tuple[str, Draft]:
    search = ScriptedSearch(*hits)
    chain = build_chain(search, search.accesses, LyingModel(said=said, cuts=cuts), model_timeout=30, line=Line(30))
    ask = Ask(question="Tell me about leave, travel, the office, billing, support and incidents.", audience=ANYONE)
    *pieces, draft = [part async for part in chain.astream(ask)]
    assert isinstance(draft, Draft)
    return "".join(map(str, pieces)), draft


@pytest.mark.parametrize("answers", [60, pytest.param(2_000, marks=MANY)])
async def test_no_footnote_is_a_phantom_and_no_changed_fact_is_shown(answers: int) -> None:
    shown = {"answers": 0, "footnotes": 0, "true": 0, "changed": 0}
    texts = {hit.chunk.document_id: (hit.chunk.text, plain(hit.chunk.text)) for hit in HITS}
    for number in range(answers):
        said = generated(number)
        streamed, draft = await drafted(said, number)
        if draft.mode is AnswerMode.NOT_FOUND:
            assert streamed == ""
            continue
        assert streamed == draft.text
        shown["answers"] += 1
        markers = [int(digits) for digits in re.findall(r"\[(\d+)\]", without_markdown_code(draft.text))]
        assert set(markers) == {citation.number for citation in draft.citations}, said
        assert list(dict.fromkeys(markers)) == sorted(set(markers)), said
        shown["footnotes"] += len(markers)
        for citation in draft.citations:
            for passage in citation.quote.removesuffix(" …").split(GAP):
                assert any(_words(passage) in _words(text) for text in texts[citation.document_id]), (said, passage)
        words = _words(re.sub(r"\[\d+\]", "", draft.text))
        for sentence in FALSE:
            if _words(sentence) in words:
                shown["changed"] += 1
                raise AssertionError(f"{sentence!r} is shown in {draft.text!r}")
        shown["true"] += sum(_words(sentence) in words for sentence in TRUE)
    print(f"\n{answers} answers of a lying model: {shown}")
    assert shown["answers"] > answers / 2
    assert shown["true"] > answers / 2


def _words(text: str) -> str:
    return " ".join(re.findall(r"[\w.:,-]*\w", text.casefold()))
