"""What the model is told: hits, what stands around them, and no more than the budget."""

from __future__ import annotations

from collections.abc import Sequence

from core.answering.evidence import collapse
from core.answering.grounding.context import Context, cut, tokens
from core.errors import TransientError
from core.models import ANYONE, NOBODY, Audience, Hit
from tests.answering import hit

TABLE = "Holidays:\n| Country | Days |\n| --- | --- |\n| Germany | 11 |\n| France | 10 |"
CODE = "Run this first.\n```sh\nmake all\nmake test\n```\nThen go home."


async def beside(hits: Sequence[Hit], audience: Audience) -> list[Hit]:
    return [
        hit(item.chunk.document_id, f"around {item.chunk.position + step}", position=item.chunk.position + step, url="x:y")
        for item in hits
        for step in (-1, 1)
        if item.chunk.position + step >= 0
    ]


async def test_neighbours_stand_around_their_hits_and_count_for_nothing() -> None:
    found = collapse([hit(position=4, score=0.9), hit("wiki:travel", "Trips.", position=0, score=0.8)])
    one, two = await Context(neighbours=beside).around(found, ANYONE)
    assert [item.chunk.position for item in one.hits] == [3, 4, 5]
    assert [item.score for item in one.hits] == [0.0, 0.9, 0.0]
    assert [item.chunk.position for item in two.hits] == [0, 1]
    assert one.url == found[0].url


async def test_a_neighbour_of_another_access_is_left_alone() -> None:
    async def hidden(hits: Sequence[Hit], audience: Audience) -> list[Hit]:
        return [hit(position=1, text="secret", access=NOBODY)]

    (one,) = await Context(neighbours=hidden).around(collapse([hit(position=0)]), ANYONE)
    assert [item.chunk.position for item in one.hits] == [0]


async def test_the_hits_alone_are_told_when_their_neighbours_cannot_be_fetched() -> None:
    async def down(hits: Sequence[Hit], audience: Audience) -> list[Hit]:
        raise TransientError("The index does not answer. Try again.")

    found = collapse([hit(position=4)])
    assert await Context(neighbours=down).around(found, ANYONE) == found


async def test_the_budget_goes_to_hits_first_and_to_the_best_document_first() -> None:
    long = "\n".join(f"Line {number} of a long page." for number in range(200))
    found = collapse([hit(text=long, position=1), hit("wiki:travel", long.replace("Line", "Row"), position=1, score=0.99)])
    one, two = await Context(neighbours=beside, tokens=tokens(long) + 100).around(found, ANYONE)
    assert one.hits == found[0].hits
    assert two.hits[0].chunk.text.startswith("Row 0")
    assert tokens(two.hits[0].chunk.text) <= 100


def test_neither_a_row_nor_a_block_of_code_is_cut_in_the_middle() -> None:
    for most in range(40):
        rows = cut(TABLE, most).splitlines()
        assert rows == TABLE.splitlines()[: len(rows)]
        assert cut(CODE, most).count("```") in {0, 2}
