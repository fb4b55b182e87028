"""The index over the embedded engine, Qdrant's own reference in memory, and a real server when QDRANT_URL is set."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from datetime import timedelta

import pytest
from qdrant_client import AsyncQdrantClient, models

from core.errors import ConfigError, TransientError
from core.indexing.index import WRITE, Index
from core.indexing.qdrant import connect
from core.models import ANYONE, NOBODY, PUBLIC, Audience
from tests.answering import hits_of
from tests.contract.pages import (
    ANA,
    BOB,
    BONUS,
    EMBEDDER,
    ENG,
    LEAVE,
    PAY,
    PRINTER,
    document,
    found,
    records,
)

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")


class NoEmbedder(type(EMBEDDER)):
    """The same model; whoever embeds with it fails."""

    async def embed_documents(self, texts):
        raise AssertionError("nothing is to be embedded")


@pytest.fixture
async def index(client: AsyncQdrantClient, name: str) -> Index:
    index = Index(client, EMBEDDER, name)
    await index.open()
    return index


async def test_what_was_indexed_is_found_by_meaning_and_by_words(index):
    assert await index.upsert([LEAVE, PRINTER, PAY]) == 3
    assert (await found(index, "How long may I go on holiday?"))[0] == "wiki:leave"
    assert (await found(index, "printer"))[0] == "wiki:printer"


async def test_nothing_is_written_once_the_guard_refuses_and_it_is_asked_after_the_embedding(client, name):
    lost = False

    class Loses(type(EMBEDDER)):
        async def embed_documents(self, texts):
            nonlocal lost
            vectors = await super().embed_documents(texts)
            lost = True
            return vectors

    async def guard() -> None:
        if lost:
            raise TransientError("another worker has it")

    index = Index(client, Loses(), name)
    await index.open()
    with pytest.raises(TransientError, match="another worker has it"):
        await index.upsert([LEAVE], guard)
    assert await records(index) == {}


async def test_a_hit_carries_the_chunk_as_it_was_written(index):
    await index.upsert([LEAVE, BONUS])
    hits = await hits_of(index, "bonus", Audience.of(ANA), 1)
    assert [hit.chunk for hit in hits] == [BONUS[1][0]]
    assert hits[0].score > 0


async def test_only_what_every_reader_may_read_is_found(index):
    await index.upsert([LEAVE, PAY, BONUS])
    query = "salaries and bonus of engineers"
    assert set(await found(index, query)) == {"wiki:leave"}
    assert set(await found(index, query, Audience.of(BOB))) == {"wiki:leave", "wiki:pay"}
    assert set(await found(index, query, Audience.of(ANA))) == {"wiki:leave", "wiki:pay", "wiki:bonus"}
    assert set(await found(index, query, Audience.of(ANA, BOB))) == {"wiki:leave", "wiki:pay"}
    assert await found(index, query, Audience(readers=frozenset())) == []


async def test_documents_that_may_not_be_read_do_not_crowd_out_those_that_may(index):
    secret = [document(f"secret {number}", "Vacation days and holiday leave in detail.", ENG) for number in range(120)]
    await index.upsert([*secret, LEAVE])
    assert await found(index, "vacation days", k=5) == ["wiki:leave"]


async def test_what_nobody_may_read_is_never_found(index):
    hidden = document("hidden", "Vacation of the board.", NOBODY)
    await index.upsert([hidden])
    assert await found(index, "vacation", Audience.of(ANA)) == []


async def test_a_change_of_access_counts_at_once_and_is_recorded(index):
    await index.upsert([PAY, LEAVE])
    await index.set_access("wiki:pay", PUBLIC, PAY[0].content_hash)
    assert "wiki:pay" in await found(index, "salaries")
    assert (await records(index))["wiki:pay"][1] == PUBLIC.class_id
    await index.set_access("wiki:pay", NOBODY, PAY[0].content_hash)
    assert "wiki:pay" not in await found(index, "salaries", Audience.of(ANA))


async def test_another_process_learns_of_new_accesses_from_the_index_alone(client, name, index):
    await index.upsert([PAY])
    other = Index(client, EMBEDDER, name)
    assert await found(other, "salaries", Audience.of(BOB)) == ["wiki:pay"]
    await index.upsert([BONUS])
    assert await found(other, "bonus", Audience.of(BOB)) == ["wiki:pay"]
    third = Index(client, EMBEDDER, name)
    assert set(await found(third, "bonus", Audience.of(ANA))) == {"wiki:pay", "wiki:bonus"}


async def test_an_access_class_without_its_gates_admits_nobody(client, name, index):
    """So it is while the first chunk of a document is not written yet."""
    await index.upsert([PAY])
    await client.delete_payload(name, ["gates"], models.Filter(must=[]), wait=True)
    assert await found(Index(client, EMBEDDER, name), "salaries", Audience.of(BOB)) == []


async def test_gates_cannot_be_passed_off_under_the_name_of_another_class(client, name, index):
    await index.upsert([PAY])
    await client.set_payload(name, {"gates": '[["everyone"]]'}, models.Filter(must=[]), wait=True)
    assert await found(Index(client, EMBEDDER, name), "salaries") == []


async def test_writing_again_changes_nothing(index):
    await index.upsert([LEAVE, PAY])
    before = await records(index)
    await index.upsert([PAY, LEAVE])
    assert await records(index) == before
    assert await index.counts() == {"wiki": 2}


async def test_a_document_that_got_shorter_leaves_nothing_behind(index):
    long = document("manual", "\n\n".join(f"Step {number}: turn wheel {number} to the left. " * 12 for number in range(6)))
    assert len(long[1]) > 3
    await index.upsert([long, LEAVE])
    short = document("manual", "Turn it off.")
    await index.upsert([short])
    assert await found(index, "turn wheel 5 to the left", k=50) == ["wiki:manual", "wiki:leave"]
    assert (await records(index))["wiki:manual"] == (short[0].content_hash, PUBLIC.class_id, 1)


async def test_a_document_longer_than_one_request_is_written_whole(index):
    long = document(
        "book", "\n\n".join(f"Chapter {number} tells of wheel number {number}. " * 10 for number in range(WRITE + 20))
    )
    assert len(long[1]) > WRITE
    assert await index.upsert([LEAVE, long, PAY]) == len(long[1]) + 2
    assert await index.counts() == {"wiki": 3}
    assert (await records(index))["wiki:book"][2] == len(long[1])


async def test_a_document_without_its_first_chunk_counts_as_not_written(client, name, index):
    pair = document("manual", "\n\n".join(f"Step {number}: turn wheel {number}. " * 15 for number in range(4)))
    await index.upsert([pair, LEAVE])
    await client.delete(name, [pair[1][0].id], wait=True)
    assert set(await records(index)) == {"wiki:leave"}
    await index.upsert([pair])
    assert set(await records(index)) == {"wiki:leave", "wiki:manual"}


class CutOff:
    """A client that loses its connection after so many operations of the next batch."""

    def __init__(self, client: AsyncQdrantClient, operations: int) -> None:
        self._client = client
        self._left = operations

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    async def batch_update_points(self, name, operations, **options):
        if self._left:
            await self._client.batch_update_points(name, operations[: self._left], **options)
        raise ConnectionResetError


async def everything(client: AsyncQdrantClient, name: str) -> dict[object, object]:
    points, _ = await client.scroll(name, limit=1000, with_payload=True)
    return {point.id: point.payload for point in points}


STEPS = "\n\n".join(f"Step {number}: turn wheel {number} to the left. " * 12 for number in range(4))


@pytest.mark.parametrize("operations", range(4))
@pytest.mark.parametrize(("before", "after"), [(STEPS, STEPS.replace("left", "right")), (STEPS, "Off."), ("Off.", STEPS)])
async def test_a_write_cut_off_anywhere_is_seen_and_repaired_by_the_next_whatever_it_is(
    client, name, index, before, after, operations
):
    old, new = document("manual", before), document("manual", after, ENG)
    await index.upsert([new])
    wanted_new = await everything(client, name)
    await index.upsert([old])
    wanted_old = await everything(client, name)
    for goal, wanted in ((new, wanted_new), (old, wanted_old)):
        with pytest.raises(TransientError):
            await Index(CutOff(client, operations), EMBEDDER, name).upsert([new])
        if operations:
            assert old[0].content_hash not in {hash for hash, _, _ in (await records(index)).values()}
        await index.upsert([goal])
        assert await everything(client, name) == wanted
        assert (await records(index))["wiki:manual"][0] == goal[0].content_hash
        await index.upsert([old])


@pytest.mark.parametrize("operations", [1, 2, 3])
async def test_a_new_document_cut_off_anywhere_is_known_so_that_it_can_be_removed(client, name, index, operations):
    with pytest.raises(TransientError):
        await Index(CutOff(client, operations), EMBEDDER, name).upsert([document("manual", STEPS)])
    assert (await records(index))["wiki:manual"][0] == ""
    with pytest.raises(TransientError):
        await Index(CutOff(client, 1), EMBEDDER, name).remove(["wiki:manual"])
    assert "wiki:manual" in await records(index)
    await index.remove(["wiki:manual"])
    assert await everything(client, name) == {}


@pytest.mark.parametrize("operations", range(5))
async def test_a_change_of_access_cut_off_anywhere_is_seen_and_repaired_by_the_next(client, name, index, operations):
    pair = document("manual", STEPS, ENG)
    await index.upsert([pair])
    wanted = await everything(client, name)
    with pytest.raises(TransientError):
        await Index(CutOff(client, operations), EMBEDDER, name).set_access("wiki:manual", PUBLIC, pair[0].content_hash)
    if operations:
        assert (await records(index))["wiki:manual"][0] == ""
    await index.set_access("wiki:manual", ENG, pair[0].content_hash)
    assert await everything(client, name) == wanted
    assert (await records(index))["wiki:manual"][:2] == (pair[0].content_hash, ENG.class_id)


async def test_a_document_that_lies_elsewhere_now_is_cited_there_without_being_embedded(client, name, index):
    pair = document("manual", STEPS, ENG)
    await index.upsert([pair])
    moved = replace(pair[0], url="https://wiki.example/elsewhere", updated_at=pair[0].updated_at + timedelta(days=9), version="8")
    with pytest.raises(TransientError):
        await Index(CutOff(client, 1), EMBEDDER, name).relabel(moved)
    assert {r.version async for r in index.records("wiki")} == {""}, "its version comes last"
    await index.relabel(moved)
    hits = await hits_of(index, "turn the wheel", Audience.of(ANA), 10)
    assert {(hit.chunk.url, hit.chunk.updated_at) for hit in hits} == {(moved.url, moved.updated_at)}
    assert [(r.version, r.content_hash) async for r in index.records("wiki")] == [("8", pair[0].content_hash)]


async def test_who_looks_after_a_document_is_known_and_changes_without_being_embedded(client, name, index):
    pair = document("manual", STEPS, ENG)
    await index.upsert([pair])
    assert (await index.owned(["wiki:manual", "wiki:gone"]))["wiki:manual"].owners == ()
    handed_over = replace(pair[0], owners=("user:ana@acme.com", "account:wiki:5b1"), version="8")
    await Index(client, NoEmbedder(), name).relabel(handed_over)
    [owned] = (await index.owned(["wiki:manual"])).values()
    assert (owned.owners, owned.title, owned.url, owned.access) == (handed_over.owners, pair[0].title, pair[0].url, ENG)


async def test_a_document_from_before_owners_were_asked_for_has_none(client, name, index):
    await index.upsert([LEAVE])
    collection = (await client.get_aliases()).aliases[0].collection_name
    await client.delete_payload(collection, ["owners"], points=models.Filter(must=[]), wait=True)
    assert [owned.owners for owned in (await index.owned(["wiki:leave"])).values()] == [()]


async def test_a_document_with_terms_of_an_older_kind_is_found_and_is_to_be_written_again(client, name, index):
    await index.upsert([LEAVE, PRINTER])
    [head] = [chunk.id for chunk in LEAVE[1] if chunk.position == 0]
    await client.delete_payload(name, ["terms"], points=[head])
    assert (await found(index, "vacation"))[0] == "wiki:leave"
    told = {record.document_id: record async for record in index.records("wiki")}
    assert told["wiki:leave"].content_hash == told["wiki:leave"].version == told["wiki:leave"].text_hash == ""
    assert told["wiki:printer"].content_hash


async def test_removed_documents_are_gone_and_unknown_ones_are_fine(index):
    await index.upsert([LEAVE, PAY])
    await index.remove(["wiki:leave", "wiki:never-was"])
    await index.remove([])
    assert set(await records(index)) == {"wiki:pay"}
    assert "wiki:leave" not in await found(index, "vacation")


async def test_sources_are_counted_and_listed_apart(index):
    await index.upsert([LEAVE, document("leave", "Thirty days.", source="drive"), document("pay", "Monthly.", source="drive")])
    assert await index.counts() == {"wiki": 1, "drive": 2}
    assert set(await records(index, "drive")) == {"drive:leave", "drive:pay"}
    assert await records(index, "nothing") == {}


async def test_a_search_may_be_kept_to_some_sources(index):
    await index.upsert(
        [
            LEAVE,
            PAY,
            document("leave", "Vacation days on paper: thirty days of holiday.", source="drive"),
            document("leave", "Vacation days in the old files.", source="files"),
        ]
    )
    everybody, query = Audience.of(ANA), "vacation days"

    async def of(*sources: str, audience: Audience = everybody) -> set[str]:
        return {hit.chunk.document_id for hit in await hits_of(index, query, audience, 10, sources)}

    assert await of() == {"wiki:leave", "wiki:pay", "drive:leave", "files:leave"}
    assert await of("drive") == {"drive:leave"}
    assert await of("drive", "wiki") == {"wiki:leave", "wiki:pay", "drive:leave"}
    assert await of("wiki", audience=ANYONE) == {"wiki:leave"}, "who may read counts all the same"
    assert await of("nowhere") == set()


async def test_other_sources_neither_crowd_out_nor_reorder_what_is_found_in_one(index):
    own = [
        document("code", "Error codes and what they mean.", source="drive"),
        document("lunch", "Lunch is at noon. Ask for QX9137 at the counter.", source="drive"),
        *(document(f"page {number}", f"Part {number} of the manual, about the counter.", source="drive") for number in range(8)),
    ]
    await index.upsert(own)
    query = "Where do I ask for QX9137?"
    alone = [(hit.chunk.id, round(hit.score, 4)) for hit in await hits_of(index, query, ANYONE, 10)]
    others = [document(f"note {number}", "Ask for QX9137. Where do I ask for it?") for number in range(120)]
    await index.upsert(others)
    kept = [(hit.chunk.id, round(hit.score, 4)) for hit in await hits_of(index, query, ANYONE, 10, ["drive"])]
    assert kept == alone


async def test_every_record_comes_once_however_many_there_are(index, client, name):
    many = [document(f"page {number}", "A short page.") for number in range(1100)]
    point = models.Batch(
        ids=[pair[1][0].id for pair in many],
        vectors={"dense": [[1.0] + [0.0] * 383] * len(many)},
        payloads=[
            {
                "document_id": pair[0].id,
                "source": "wiki",
                "position": 0,
                "content_hash": "0",
                "access": "0",
                "title": "",
                "chunks": 1,
            }
            for pair in many
        ],
    )
    await client.upsert(name, point, wait=True)
    assert sorted([record.document_id async for record in index.records("wiki")]) == sorted(pair[0].id for pair in many)


async def test_the_order_is_by_score_and_then_by_id_every_time(index):
    same = [document(f"twin {number}", "Exactly the same words.") for number in range(6)]
    await index.upsert([(made, [replace(chunks[0], title="Twin")]) for made, chunks in same])
    hits = await hits_of(index, "same words", ANYONE, 6)
    order = [(-hit.score, hit.chunk.id) for hit in hits]
    assert len(hits) == 6
    assert order == sorted(order)
    assert all([await hits_of(index, "same words", ANYONE, 6) == hits for _ in range(5)])


async def test_an_exact_code_beats_everything_that_only_sounds_alike(index):
    rest = [
        document(f"code {number}", f"Error codes and what they mean, part {number}. Look up the code here.")
        for number in range(60)
    ]
    needle = document("lunch", "Lunch is at noon. Ask for QX9137 at the counter.")
    await index.upsert([*rest, needle])
    assert (await found(index, "QX9137", k=3))[0] == "wiki:lunch"
    assert (await found(index, "error code QX9137", k=3))[0] == "wiki:lunch"


@pytest.mark.parametrize(
    "query", ["", "  \n", "the of and", "🙂", "?!", "x" * 20_000, "日本語の質問", "a\x00b", "half \ud83d a pair"]
)
async def test_no_question_makes_the_search_fail(index, query):
    await index.upsert([LEAVE])
    assert set(await found(index, query)) <= {"wiki:leave"}


async def test_a_question_is_read_as_documents_are(index):
    await index.upsert([LEAVE])
    plain = await hits_of(index, "Vacation days", ANYONE, 3)
    hidden = await hits_of(index, "V\u200bacation\u00a0\u202edays", ANYONE, 3)
    assert [(hit.chunk.id, hit.score) for hit in hidden] == [(hit.chunk.id, hit.score) for hit in plain]


async def test_no_hits_are_asked_for_or_there_are_none(index):
    assert await found(index, "vacation") == []
    await index.upsert([LEAVE])
    assert await found(index, "vacation", k=0) == []


async def test_an_access_holds_for_the_content_that_it_was_told_of_and_nobody_may_read_any_other(index):
    old, new = document("manual", STEPS, ENG), document("manual", STEPS.replace("left", "right"))
    await index.upsert([old])
    await index.set_access("wiki:manual", PUBLIC, new[0].content_hash)
    assert await found(index, "turn the wheel", Audience.of(ANA)) == []
    assert (await records(index))["wiki:manual"][1] == NOBODY.class_id
    await index.set_access("wiki:manual", PUBLIC, old[0].content_hash)
    assert set(await found(index, "turn the wheel")) == {"wiki:manual"}


async def test_a_collection_that_footnote_did_not_make_is_refused(client, name):
    await client.create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(ConfigError, match="not made by Footnote"):
        await Index(client, EMBEDDER, name).open()


async def test_opening_again_and_at_the_same_time_keeps_what_is_there(client, name, index):
    await index.upsert([LEAVE])
    await asyncio.gather(*(Index(client, EMBEDDER, name).open() for _ in range(3)))
    assert await index.counts() == {"wiki": 1}


async def test_several_processes_may_create_it_at_once(client, name):
    await asyncio.gather(*(Index(client, EMBEDDER, name).open() for _ in range(4)))
    await Index(client, EMBEDDER, name).health()


async def test_a_dropped_collection_is_said_to_be_gone(client, name, index):
    await client.delete_collection(index.name)
    with pytest.raises(ConfigError, match="is gone"):
        await index.health()


async def test_a_server_that_is_not_there_is_unavailable_for_now():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    client = connect(url=f"http://127.0.0.1:{port}")
    with pytest.raises(TransientError, match="search is unavailable"):
        await hits_of(Index(client, EMBEDDER), "vacation", ANYONE, 3)
    await client.close()


@pytest.mark.parametrize(
    ("status", "error"), [(401, ConfigError), (403, ConfigError), *((n, TransientError) for n in (429, 500, 503))]
)
async def test_refusals_of_a_server_say_who_must_act(status, error):
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {status} No\r\nContent-Type: application/json\r\nContent-Length: 2\r\nRetry-After: 7\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n{{}}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    client = connect(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(error, match="QDRANT_API_KEY" if error is ConfigError else "search is unavailable") as caught:
        await Index(client, EMBEDDER).health()
    if status == 429:
        assert caught.value.retry_after == 7
    await client.close()
    server.close()
