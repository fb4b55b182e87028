"""Points with every kind of payload, and every kind of filter over them."""

from __future__ import annotations

import random
import uuid
from typing import Any

from qdrant_client import models

WIDTH = 8
"""Dimension of the dense vectors."""

INDEXES = {
    "access": models.PayloadSchemaType.KEYWORD,
    "source": models.PayloadSchemaType.KEYWORD,
    "position": models.PayloadSchemaType.INTEGER,
    "size": models.PayloadSchemaType.FLOAT,
    "at": models.PayloadSchemaType.DATETIME,
    "done": models.PayloadSchemaType.BOOL,
}
WORDS = ("travel", "visa", "tax", "leave", "laptop", "badge")


def corpus(count: int = 120, seed: int = 7) -> list[models.PointStruct]:
    """Points with every kind of payload that a filter can ask for: some fields missing, some null, some lists."""
    dice = random.Random(seed)
    points = []
    for number in range(count):
        payload: dict[str, Any] = {
            "position": number % 10,
            "source": dice.choice(["folder", "confluence", "drive"]),
            "access": dice.sample(["a", "b", "c", "d"], dice.randint(1, 3)),
            "size": round(dice.uniform(0, 10), 3),
            "at": f"2026-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T10:00:00Z",
            "done": dice.random() < 0.5,
            "text": " ".join(dice.sample(WORDS, 3)),
            "author": {"name": dice.choice(["ana", "bo"]), "teams": teams(dice)},
            "tags": [] if number % 7 == 0 else ["x"],
        }
        if number % 5 == 0:
            payload["note"] = None
        elif number % 5 == 1:
            payload["note"] = "seen"
        key: int | str = str(uuid.UUID(int=dice.getrandbits(128), version=4)) if number % 2 else number
        points.append(models.PointStruct(id=key, vector=vectors(dice), payload=payload))
    return points


def teams(dice: random.Random) -> list[dict[str, Any]]:
    return [{"id": 1, "lead": True}, {"id": dice.randint(2, 3), "lead": False}]


def vectors(dice: random.Random) -> dict[str, Any]:
    indices = sorted(dice.sample(range(40), 6))
    return {
        "dense": [dice.gauss(0, 1) for _ in range(WIDTH)],
        "sparse": models.SparseVector(indices=indices, values=[round(dice.uniform(0.5, 2), 3) for _ in indices]),
    }


def field(key: str, **condition: Any) -> models.FieldCondition:
    return models.FieldCondition(key=key, **condition)


def match(key: str, value: Any) -> models.FieldCondition:
    return field(key, match=models.MatchValue(value=value))


FILTERS = {
    "one keyword": models.Filter(must=[match("source", "folder")]),
    "a keyword in a list": models.Filter(must=[match("access", "a")]),
    "any keyword": models.Filter(must=[field("access", match=models.MatchAny(any=["a", "b"]))]),
    "no keyword at all": models.Filter(must=[field("access", match=models.MatchAny(any=[]))]),
    "any integer": models.Filter(must=[field("position", match=models.MatchAny(any=[1, 2, 3]))]),
    "all but some keywords": models.Filter(must=[field("source", match=models.MatchExcept(**{"except": ["folder"]}))]),
    "an integer": models.Filter(must=[match("position", 3)]),
    "yes": models.Filter(must=[match("done", True)]),
    "no": models.Filter(must=[match("done", False)]),
    "a word in a text": models.Filter(must=[field("text", match=models.MatchText(text="visa"))]),
    "a range of numbers": models.Filter(must=[field("size", range=models.Range(gte=2.5, lt=7))]),
    "a range of dates": models.Filter(
        must=[field("at", range=models.DatetimeRange(gt="2026-03-01T00:00:00Z", lte="2026-09-01T00:00:00Z"))]
    ),
    "should": models.Filter(should=[match("position", 1), match("source", "drive")]),
    "must not": models.Filter(must_not=[match("source", "drive"), match("done", True)]),
    "at least two of three": models.Filter(
        min_should=models.MinShould(
            conditions=[match("done", True), match("source", "folder"), match("access", "d")], min_count=2
        )
    ),
    "a filter in a filter": models.Filter(
        must=[models.Filter(should=[match("position", 4), match("position", 5)]), match("done", True)]
    ),
    "empty": models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="note"))]),
    "an empty list": models.Filter(must=[models.IsEmptyCondition(is_empty=models.PayloadField(key="tags"))]),
    "null": models.Filter(must=[models.IsNullCondition(is_null=models.PayloadField(key="note"))]),
    "ids": models.Filter(must=[models.HasIdCondition(has_id=[0, 2, 4, 777])]),
    "no ids": models.Filter(must=[models.HasIdCondition(has_id=[])]),
    "a field in an object": models.Filter(must=[match("author.name", "ana")]),
    "one element that has both": models.Filter(
        must=[
            models.NestedCondition(
                nested=models.Nested(key="author.teams", filter=models.Filter(must=[match("id", 2), match("lead", False)]))
            )
        ]
    ),
    "no element has both": models.Filter(
        must=[
            models.NestedCondition(
                nested=models.Nested(key="author.teams", filter=models.Filter(must=[match("id", 2), match("lead", True)]))
            )
        ]
    ),
    "number of values": models.Filter(must=[field("access", values_count=models.ValuesCount(gte=2))]),
    "nothing asked": models.Filter(),
    "every part at once": models.Filter(
        must=[match("done", True)],
        should=[match("source", "folder"), match("source", "drive")],
        must_not=[match("position", 9)],
    ),
}
