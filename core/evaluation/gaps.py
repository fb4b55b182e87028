"""What the pages do not answer: a queue of gaps, each a cluster of questions that mean the same.

A question gets here by an answer that found nothing, or by a rating that says what was wrong. It joins the gap whose first
question is nearest in meaning, if that is near enough, else it opens a new one. A gap is nothing but its entries, one for each
answer and person: how often it was asked, by how many, since when and why are counted from them. So a rating can be taken
back, and forgetting a person takes their entries and nothing else.

**Questions that were asked in private** are personal, and administrators look at gaps. Such a question counts, and none of its
words are kept, unless the person who asked rated the answer as missing: they want something to be written. Nor is it kept which
documents it led to, unless somebody reports that they should not have read them.

Everything stands in Redis under ``footnote:{gaps}:``, which is one slot of a cluster, so that a script changes it in one step.
Any number of processes write: who opens a gap says which gaps it compared with, and looks again if there are new ones.
Losing it loses the queue, and nothing else. Whom we told of a gap stands beside it: see :mod:`core.evaluation.tellings`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from core.errors import TransientError
from core.evaluation.feedback import FEEDBACK_TTL, Answered
from core.evaluation.tellings import Tellings
from core.models import AnswerMode, Reason, now
from core.outage import Outage
from core.redis import text

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from redis.asyncio import Redis

    from core.ports import Embedder

GAP_TTL = timedelta(days=90)
"""A gap that nobody asked for during this time is no more."""
MOST_GAPS = 2_000
"""Those that were asked last: about 2 MB of vectors, and as much again of questions."""
MOST_ENTRIES = 50
"""Of a gap; the oldest ones are only counted."""
NEAR: Mapping[str, float] = {"all-MiniLM-L6-v2-int8": 0.55, "wordllama-l2-supercat-256": 0.48}
"""By model, the cosine from which on two questions mean the same.

Measured on 47 questions of a team that mean 15 things, and 12 that differ from one of them in a word (``test_near.py``). Here the
harmonic mean is highest of two shares: of the pairs that belong together, those that are together (0.77, and 0.66 for the second
model), and of those together, those that belong together (0.76, 0.66). More tears paraphrases apart, less has *book a room*
meet *cancel a room*; so the list shows other wordings, too.
"""
NEAR_ELSEWHERE = 0.8
"""For models that nobody measured: rather two gaps for one question than one for two."""
GAP_REASONS = frozenset({Reason.WRONG, Reason.OUTDATED, Reason.MISSING, Reason.PRIVATE})
"""A rating with one of these is work for somebody. What should not be read by who read it is the most urgent."""

_SAMPLES = 5
_DOCUMENTS = 3
_LONGEST = 300
"""Characters of a question: of what is longer, the beginning tells what it is about."""
_TRIES = 5
_TIMEOUT = 3.0
_ON_ITS_WAY = timedelta(hours=1)
"""A rating or an answer that was given before its person was forgotten is noted within this time, or never."""
_AT_ONCE = 200

_PREFIX = "footnote:{gaps}:"
_GAPS, _VERSION = f"{_PREFIX}gaps", f"{_PREFIX}version"

# KEYS: gaps (sorted by when they were asked last), version (of the set of gaps), vectors, the gap, where the answer went, and
# when those were forgotten who say so. A new gap is opened only while the version is the one that was compared with ('' is
# any); others must still be there. What was said before its person was forgotten goes nowhere.
_PLACE = """
local id, expected, vector, name, entry = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local at, ttl, answer_ttl, most, most_entries = tonumber(ARGV[6]), ARGV[7], ARGV[8], tonumber(ARGV[9]), tonumber(ARGV[10])
for i = 6, #KEYS do
  if at <= tonumber(redis.call('GET', KEYS[i]) or '-1') then return {redis.call('GET', KEYS[2]) or '0'} end
end
if vector ~= '' then
  if expected ~= '' and (redis.call('GET', KEYS[2]) or '0') ~= expected then return {} end
  redis.call('HSET', KEYS[3], id, vector)
  redis.call('INCR', KEYS[2])
elseif redis.call('EXISTS', KEYS[4]) == 0 then
  if redis.call('HDEL', KEYS[3], id) + redis.call('ZREM', KEYS[1], id) > 0 then redis.call('INCR', KEYS[2]) end
  return {}
end
redis.call('HSET', KEYS[4], name, entry)
local others = redis.call('HEXISTS', KEYS[4], 'done') + redis.call('HEXISTS', KEYS[4], 'older')
local over = redis.call('HLEN', KEYS[4]) - others - most_entries
if over > 0 then
  local oldest, oldest_at
  local fields = redis.call('HGETALL', KEYS[4])
  for i = 1, #fields, 2 do
    if string.sub(fields[i], 1, 6) == 'entry:' and fields[i] ~= name then
      local seen = cjson.decode(fields[i + 1]).at
      if not oldest_at or seen < oldest_at then oldest, oldest_at = fields[i], seen end
    end
  end
  if oldest then
    redis.call('HDEL', KEYS[4], oldest)
    redis.call('HINCRBY', KEYS[4], 'older', 1)
  end
end
redis.call('ZADD', KEYS[1], 'GT', at, id)
for _, key in ipairs({KEYS[1], KEYS[3], KEYS[4]}) do redis.call('EXPIRE', key, ttl) end
redis.call('SET', KEYS[5], id, 'EX', answer_ttl)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', at - ttl)
if redis.call('ZCARD', KEYS[1]) - #gone > most then
  gone = redis.call('ZRANGE', KEYS[1], 0, redis.call('ZCARD', KEYS[1]) - most - 1)
end
for _, old in ipairs(gone) do
  redis.call('DEL', ARGV[11] .. old)
  redis.call('HDEL', KEYS[3], old)
  redis.call('ZREM', KEYS[1], old)
end
if #gone > 0 then redis.call('INCR', KEYS[2]) end
return {redis.call('GET', KEYS[2]) or '0'}
"""
# KEYS: gaps, version, vectors, the gap. A gap without entries is none.
_DROP = """
for i = 1, #ARGV - 1 do redis.call('HDEL', KEYS[4], ARGV[i + 1]) end
for _, name in ipairs(redis.call('HKEYS', KEYS[4])) do
  if string.sub(name, 1, 6) == 'entry:' then return 0 end
end
redis.call('DEL', KEYS[4])
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('INCR', KEYS[2])
return 1
"""


@dataclass(frozen=True, kw_only=True)
class Miss:
    """A question of one person that was not answered as it should have been."""

    answered: Answered
    user: str
    """Who says so: whoever rated the answer, or who asked when there was none."""
    at: datetime
    reason: Reason | None = None
    """None: nothing was found."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """What is told of a gap that is not done. Nobody's id is in it."""

    id: str
    question: str
    """In the words in which it was asked last; empty when all who asked did so in private."""
    samples: tuple[str, ...]
    """In other words, the latest first: at most five, the question among them."""
    asked: int
    """How many answers left it open, since it was done if it ever was."""
    people: int
    """How many different ones asked or said so; at least, where there are more than fifty answers."""
    reasons: Mapping[str, int]
    """``missing``, ``wrong`` ..., and ``unanswered`` where nothing was found: how often."""
    documents: tuple[str, ...]
    """Ids of what was cited or found most often: at most three."""
    first_at: datetime
    last_at: datetime
    done_at: datetime | None = None
    """When it was done, before it was asked again."""
    heard: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Of the samples that were asked in front of others, in which conversations they were: whoever sees one of those may be
    told the words."""

    @property
    def again(self) -> bool:
        """It was done, and was asked again."""
        return self.done_at is not None


@dataclass(frozen=True, kw_only=True)
class _Entry:
    at: float
    user: str
    asked_by: str
    answer: str
    text: str = ""
    reason: str = ""
    documents: tuple[str, ...] = ()
    conversation: str = ""


_ENTRY: TypeAdapter[_Entry] = TypeAdapter(_Entry)


@dataclass
class _Known:
    """The gaps of this model as this process saw them last: an entry of ``matrix`` for each id."""

    version: str = ""
    ids: list[str] = field(default_factory=list)
    matrix: NDArray[np.float32] | None = None


class Gaps:
    """Methods raise TransientError while Redis is away."""

    def __init__(
        self,
        redis: Redis,
        embedder: Embedder,
        *,
        near: float | None = None,
        most: int = MOST_GAPS,
        new_id: Callable[[], str] = lambda: secrets.token_hex(5),
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``near``: from which cosine on two questions mean the same, if not as measured for the model."""
        self._redis = redis
        self._embedder = embedder
        self._near = NEAR.get(embedder.name, NEAR_ELSEWHERE) if near is None else near
        self._most = most
        self._new_id = new_id
        self._clock = clock
        self._vectors = f"{_PREFIX}vectors:{embedder.name}"
        self._known = _Known()
        self.tellings = Tellings(redis)
        self._outage = Outage("gaps are neither noted nor told", timeout=_TIMEOUT)

    async def note(self, miss: Miss) -> str:
        """Let it be an entry of the gap that it is nearest to, or of a new one: the gap's id. A later word of the same person
        on the same answer takes the place of the earlier one. Embeds the question.
        """
        entry = _entry(miss)
        if (former := await self._place_of(miss.answered.id)) and await self._place(former, entry):
            return former
        vector = await self._embed(miss.answered.question)
        for _ in range(_TRIES):
            await self._catch_up()
            nearest = self._nearest(vector)
            if nearest is None:
                id = self._new_id()
                if version := await self._place(id, entry, _packed(vector), self._known.version):
                    self._learn(id, vector, version)
                    return id
            elif await self._place(nearest, entry):
                return nearest
        # In a storm of new gaps, one too many is better than a question that is lost.
        id = self._new_id()
        await self._place(id, entry, _packed(vector))
        return id

    async def withdraw(self, answer_id: str, user: str) -> None:
        """A person thinks otherwise of an answer now."""
        if id := await self._place_of(answer_id):
            await self._drop(id, [_name(answer_id, user)])

    async def gaps(self) -> list[Gap]:
        """Those that are not done: first what should not be read by who read it, then what most people miss most often."""
        found = [gap for id, fields in await self._all() if (gap := _gap(id, fields)) is not None]
        return sorted(
            found, key=lambda gap: (-gap.reasons.get(Reason.PRIVATE, 0), -gap.people, -gap.asked, -gap.last_at.timestamp())
        )

    async def find(self, id: str) -> Gap | None:
        """None when there is none, or it is done."""
        return next((gap for gap in await self.gaps() if gap.id == id), None)

    async def done(self, id: str, at: datetime) -> bool:
        """Something was written about it, or need not be: it is told no more until somebody asks again. False when there is no
        such gap.
        """
        key = _key(id)

        async def close() -> bool:
            if not await self._redis.exists(key):
                return False
            await cast("Any", self._redis.hset(key, mapping={"done": at.timestamp(), "older": 0}))
            return True

        return bool(await self._reach(close))

    async def answered(self, answer_id: str, at: datetime) -> bool:
        """The gap that this answer left is done; whether there was one."""
        id = await self._place_of(answer_id)
        return bool(id) and await self.done(id, at)

    async def people(self) -> frozenset[str]:
        """Whoever asked, or said, what is kept."""
        entries = [entry for _, fields in await self._all() for entry in _entries(fields).values()]
        return frozenset(user for entry in entries for user in (entry.user, entry.asked_by) if user)

    async def forget_person(self, user: str) -> int:
        """Delete all entries of a person, and those of others about what they asked, which hold their words, and what they were
        told of gaps: how many. What they said until now and is still on its way is not noted any more.
        """
        await self._reach(lambda: self._redis.set(_forgotten_key(user), self._clock().timestamp(), ex=_ON_ITS_WAY))
        forgotten = await self.tellings.forget_person(user)
        for id, fields in await self._all():
            entries = _entries(fields)
            if gone := [name for name, entry in entries.items() if user in {entry.user, entry.asked_by}]:
                await self._drop(id, gone)
                forgotten += len(gone)
        return forgotten

    def _nearest(self, vector: NDArray[np.float32]) -> str | None:
        if self._known.matrix is None or not self._known.ids:
            return None
        cosines = self._known.matrix @ vector
        best = int(cosines.argmax())
        return self._known.ids[best] if cosines[best] >= self._near else None

    async def _embed(self, question: str) -> NDArray[np.float32]:
        import numpy as np

        # As a document: questions that wait for an answer come first.
        [vector] = await self._embedder.embed_documents([" ".join(question.split())[:_LONGEST] or "?"])
        # As it is kept, so that a question is exactly as near to itself.
        return np.asarray(vector, dtype=np.float16).astype(np.float32)

    async def _catch_up(self) -> None:
        version = text(await self._reach(lambda: cast("Any", self._redis.get(_VERSION))) or "0")
        if version == self._known.version:
            return
        ids = [text(id) for id in await self._reach(lambda: cast("Any", self._redis.hkeys(self._vectors)))]
        new = sorted(set(ids).difference(self._known.ids))
        stored = await self._reach(lambda: cast("Any", self._redis.hmget(self._vectors, new))) if new else []
        self._known = await asyncio.to_thread(_known, version, self._known, ids, dict(zip(new, stored, strict=True)))

    def _learn(self, id: str, vector: NDArray[np.float32], version: str) -> None:
        """What we wrote ourselves need not be read, as long as nothing else happened."""
        import numpy as np

        if int(version) != int(self._known.version) + 1:
            return
        matrix = self._known.matrix
        row = vector[None, :]
        self._known = _Known(
            version=version, ids=[*self._known.ids, id], matrix=row if matrix is None else np.concatenate([matrix, row])
        )

    async def _place(self, id: str, entry: _Entry, vector: str = "", expected: str = "") -> str:
        """The version now, or nothing when there are other gaps than were known. An entry of somebody who was forgotten since is
        placed nowhere.
        """
        keys = [_GAPS, _VERSION, self._vectors, _key(id), _answer_key(entry.answer)]
        keys += [_forgotten_key(user) for user in dict.fromkeys((entry.user, entry.asked_by))]
        arguments = [
            *(id, expected, vector, _name(entry.answer, entry.user), _ENTRY.dump_json(entry).decode(), entry.at),
            *(int(GAP_TTL.total_seconds()), int(FEEDBACK_TTL.total_seconds()), self._most, MOST_ENTRIES, _key("")),
        ]
        placed = await self._reach(lambda: self._eval(_PLACE, keys, arguments))
        return text(placed[0]) if placed else ""

    async def _drop(self, id: str, names: Sequence[str]) -> None:
        await self._reach(lambda: self._eval(_DROP, [_GAPS, _VERSION, self._vectors, _key(id)], [id, *names]))

    async def _place_of(self, answer_id: str) -> str:
        return text(await self._reach(lambda: cast("Any", self._redis.get(_answer_key(answer_id)))) or "")

    async def _all(self) -> list[tuple[str, dict[str, str]]]:
        ids = [text(id) for id in await self._reach(lambda: self._redis.zrange(_GAPS, 0, -1))]
        found: list[tuple[str, dict[str, str]]] = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            stored = await self._reach(lambda some=some: self._read(some))  # type: ignore[misc]
            for id, fields in zip(some, stored, strict=True):
                found.append((id, {text(name): text(value) for name, value in fields.items()}))
        return found

    async def _read(self, ids: Sequence[str]) -> list[Any]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for id in ids:
                pipeline.hgetall(_key(id))
            return list(await pipeline.execute())

    async def _eval(self, script: str, keys: Sequence[str], arguments: Sequence[object]) -> Any:
        return await cast("Any", self._redis.eval(script, len(keys), *keys, *map(str, arguments)))

    async def _reach(self, call: Callable[[], Any]) -> Any:
        try:
            return await self._outage.reach(call)
        except TransientError as error:
            raise TransientError("I cannot look after gaps right now. Please try again in a minute.") from error


def _entry(miss: Miss) -> _Entry:
    answered = miss.answered
    told = not answered.private or (miss.reason is Reason.MISSING and miss.user == answered.asked_by)
    return _Entry(
        at=miss.at.timestamp(),
        user=miss.user,
        asked_by=answered.asked_by,
        answer=answered.id,
        text=" ".join(answered.question.split())[:_LONGEST] if told else "",
        reason=miss.reason.value if miss.reason else "",
        documents=answered.documents[:_DOCUMENTS] if told or miss.reason is Reason.PRIVATE else (),
        conversation="" if answered.private else answered.conversation_id,
    )


def unanswered(answered: Answered, at: datetime) -> Miss | None:
    """What an answer leaves open as such: something, if nothing was found."""
    if answered.mode is not AnswerMode.NOT_FOUND:
        return None
    return Miss(answered=answered, user=answered.asked_by, at=at)


def _gap(id: str, fields: Mapping[str, str]) -> Gap | None:
    """None when it is done."""
    done = float(fields.get("done", 0))
    entries = sorted((entry for entry in _entries(fields).values() if entry.at > done), key=lambda entry: -entry.at)
    if not entries:
        return None
    samples = tuple(dict.fromkeys(entry.text for entry in entries if entry.text))[:_SAMPLES]
    documents = Counter(document for entry in entries for document in entry.documents)
    return Gap(
        id=id,
        question=samples[0] if samples else "",
        samples=samples,
        asked=len({entry.answer for entry in entries}) + int(fields.get("older", 0)),
        people=len({user for entry in entries for user in (entry.user, entry.asked_by)}),
        reasons=dict(Counter(entry.reason or "unanswered" for entry in entries)),
        documents=tuple(document for document, _ in documents.most_common(_DOCUMENTS)),
        first_at=_at(entries[-1]),
        last_at=_at(entries[0]),
        done_at=datetime.fromtimestamp(done, UTC) if done else None,
        heard=_heard(samples, entries),
    )


def _heard(samples: Sequence[str], entries: Sequence[_Entry]) -> dict[str, tuple[str, ...]]:
    found = {text: tuple(dict.fromkeys(e.conversation for e in entries if e.text == text and e.conversation)) for text in samples}
    return {text: conversations for text, conversations in found.items() if conversations}


def _at(entry: _Entry) -> datetime:
    return datetime.fromtimestamp(entry.at, UTC)


def _entries(fields: Mapping[str, str]) -> dict[str, _Entry]:
    return {name: _ENTRY.validate_json(value) for name, value in fields.items() if name.startswith("entry:")}


def _known(version: str, former: _Known, ids: Sequence[str], new: Mapping[str, Any]) -> _Known:
    """Of those that were known already, only these ``ids``; and the ``new`` ones, as they are stored."""
    import numpy as np

    there = set(ids)
    stay = [index for index, id in enumerate(former.ids) if id in there]
    rows = [former.matrix[stay]] if former.matrix is not None and stay else []
    # One may have gone between the two looks.
    added = {id: value for id, value in new.items() if value}
    rows += [np.frombuffer(base64.b64decode(value), dtype=np.float16).astype(np.float32)[None, :] for value in added.values()]
    if not rows:
        return _Known(version=version)
    return _Known(version=version, ids=[*(former.ids[index] for index in stay), *added], matrix=np.concatenate(rows))


def _packed(vector: NDArray[np.float32]) -> str:
    return base64.b64encode(vector.astype("float16").tobytes()).decode()


def _name(answer_id: str, user: str) -> str:
    return f"entry:{answer_id}|{user}"


def _key(id: str) -> str:
    return f"{_PREFIX}gap:{id}"


def _answer_key(answer_id: str) -> str:
    return f"{_PREFIX}answer:{answer_id}"


def _forgotten_key(user: str) -> str:
    # Not even that somebody is kept from being noted is kept under their name.
    return f"{_PREFIX}forgotten:{hashlib.sha256(user.encode()).hexdigest()}"
