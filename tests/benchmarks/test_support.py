"""What the support check finds out without a model, on sentences of our own that are labelled by what was done to them.

The bounds were chosen on this set: other pages and other lies will do worse. The table that is printed is what to watch.
"""

from __future__ import annotations

import re
import time
import tomllib
from pathlib import Path

import pytest

from core.answering.footnotes import FootnoteFilter
from core.answering.grounding.grounding import Grounding
from core.answering.grounding.meaning import Embed, Meaning
from core.indexing.embedding import LocalEmbedder
from tests.answering import evidence, hit

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

PAGES = tomllib.loads((Path(__file__).parents[1] / "data" / "support.toml").read_text())["page"]
HONEST = ("supported", "paraphrased", "translated")
LIES = ("number", "translated_number", "name", "negated", "invented")
PER_ANSWER_MS = 30.0


async def shown(page: dict[str, str], sentence: str, embed: Embed | None) -> bool:
    sources = evidence(hit("wiki:page", page["text"].strip(), title=page["title"]))
    footnotes = FootnoteFilter(sources)
    grounding = Grounding(sources, page["question"], footnotes.cited, meaning=Meaning(embed) if embed else None)
    said = f"{sentence.rstrip('.')} [1]."
    return bool(await grounding.feed(footnotes.feed(said) + footnotes.close()) + await grounding.close())


@pytest.mark.parametrize("by", ["words", "words and meaning"])
async def test_lies_are_left_out_and_honest_sentences_stay(by: str) -> None:
    embed = LocalEmbedder().embed_query if by == "words and meaning" else None
    if embed:
        await embed("warm")
    print(f"\nsupport check by {by}\n  {'label':<20}{'sentences':>10}{'shown':>8}{'share':>8}")
    share: dict[str, float] = {}
    counts: dict[str, tuple[int, int]] = {}
    for label in (*HONEST, *LIES):
        verdicts = [await shown(page, sentence, embed) for page in PAGES for sentence in page.get(label, ())]
        counts[label] = sum(verdicts), len(verdicts)
        share[label] = sum(verdicts) / len(verdicts)
        print(f"  {label:<20}{len(verdicts):>10}{sum(verdicts):>8}{share[label]:>8.2f}")
    lies_out = sum(counts[label][1] - counts[label][0] for label in LIES)
    honest_out = sum(counts[label][1] - counts[label][0] for label in HONEST)
    recall = lies_out / sum(counts[label][1] for label in LIES)
    print(f"  of the lies left out {recall:.3f}; of what is left out, lies {lies_out / (lies_out + honest_out):.3f}")
    assert share["number"] <= 0.05
    assert share["translated_number"] <= 0.05
    assert share["supported"] >= 0.95
    assert share["translated"] >= 0.95
    assert share["name"] <= 0.15
    assert share["negated"] <= 0.2
    if embed:
        assert share["paraphrased"] >= 0.95
        assert share["invented"] <= 0.1


async def test_the_check_of_an_answer_takes_at_most_thirty_milliseconds() -> None:
    """Of four sentences, one in other words, from six pages; the sources are read before the model says anything."""
    sources = evidence(*(hit(f"wiki:{index}", page["text"].strip(), title=page["title"]) for index, page in enumerate(PAGES)))
    embed = LocalEmbedder().embed_query
    await embed("warm")
    answers = [
        " ".join(f"{sentence.rstrip('.')} [{index}]." for sentence in (*page["supported"][:3], page["paraphrased"][0]))
        for index, page in enumerate(PAGES, 1)
    ]
    reading: list[float] = []
    checking: list[float] = []
    for text in answers * 3:
        footnotes = FootnoteFilter(sources)
        began = time.perf_counter()
        grounding = Grounding(sources, "What do I have to know?", footnotes.cited, meaning=Meaning(embed))
        reading.append(1000 * (time.perf_counter() - began))
        said = footnotes.feed(text) + footnotes.close()
        began = time.perf_counter()
        assert re.search(r"\[1\]", await grounding.feed(said) + await grounding.close())
        checking.append(1000 * (time.perf_counter() - began))
    middle = sorted(checking)[len(checking) // 2]
    print(
        f"\nsources read in {sorted(reading)[len(reading) // 2]:.1f} ms, answer checked in {middle:.1f} ms "
        f"(max {max(checking):.1f})"
    )
    assert middle <= PER_ANSWER_MS
