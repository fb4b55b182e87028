"""Another embedding model: a collection of its own, filled while the one before answers, and put in its place in one step."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from qdrant_client import AsyncQdrantClient, models

from core.errors import ConfigError
from core.indexing.embedding import WordLlamaEmbedder
from core.indexing.index import Index
from core.models import ANYONE, NOBODY, PUBLIC, Audience
from tests.answering import hits_of
from tests.contract.pages import ANA, BOB, BONUS, EMBEDDER, ENG, LEAVE, PAY, PRINTER, document, found, records

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

WORDS = WordLlamaEmbedder()


class Unheard:
    """A model that only its own installation has."""

    name, dimension = "acme:vectors/2", 8

    async def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        return [[1.0] + [0.0] * 7 for _ in texts]

    async def embed_query(self, text: str) -> list[float]:
        return [1.0] + [0.0] * 7

    def count(self, text: str) -> int:
        return len(text.split())


@pytest.fixture
async def old(client: AsyncQdrantClient, name: str) -> Index:
    """An index that WordLlama made, with four pages."""
    index = Index(client, WORDS, name)
    await index.open()
    await index.upsert([LEAVE, PRINTER, PAY, BONUS])
    return index


@pytest.fixture
async def new(client: AsyncQdrantClient, name: str, old: Index) -> Index:
    """The same one, after the model was changed."""
    index = Index(client, EMBEDDER, name)
    await index.open()
    return index


async def answers_from(client: AsyncQdrantClient, name: str) -> str:
    [alias] = [known for known in (await client.get_aliases()).aliases if known.alias_name == name]
    return alias.collection_name


async def collections(client: AsyncQdrantClient, name: str) -> set[str]:
    return {known.name for known in (await client.get_collections()).collections if known.name.startswith(name)}


async def model_of(client: AsyncQdrantClient, name: str) -> str:
    return (await client.get_collection(name)).config.metadata["footnote_embeddings"]


class TestWhileItIsRebuilt:
    async def test_questions_are_answered_from_the_old_one_with_its_own_model(self, new: Index) -> None:
        assert (await found(new, "How long may I go on holiday?"))[0] == "wiki:leave"
        assert await new.counts() == {"wiki": 4}

    async def test_what_is_written_goes_to_the_new_one_alone(self, client: AsyncQdrantClient, old: Index, new: Index) -> None:
        await new.upsert([document("kites", "Kites are flown in autumn.")])
        assert (await client.count(new.name)).count == 1
        assert "wiki:kites" not in await found(new, "kites")
        assert await old.counts() == {"wiki": 4}

    async def test_a_model_that_cannot_be_had_here_leaves_the_words(self, client: AsyncQdrantClient, name: str) -> None:
        before = Index(client, Unheard(), name)
        await before.upsert([LEAVE, PRINTER])
        index = Index(client, EMBEDDER, name)
        await index.open()
        assert await found(index, "vacation") == ["wiki:leave"]
        assert await found(index, "holiday") == []
        assert (await index.rebuild()).by_words

    async def test_it_says_how_far_it_is(self, old: Index, new: Index) -> None:
        await new.upsert([LEAVE])
        rebuild = await new.rebuild()
        assert (rebuild.model, rebuild.former) == (EMBEDDER.name, WORDS.name)
        assert (rebuild.documents, rebuild.of, rebuild.by_words) == (1, 4, False)
        assert await old.rebuild() is None

    async def test_what_only_the_old_one_has_is_told_as_something_to_write(self, new: Index) -> None:
        await new.upsert([LEAVE])
        told = await records(new)
        assert told["wiki:leave"][0] == LEAVE[0].content_hash
        assert told["wiki:pay"][:2] == ("", PAY[0].access.class_id)


class TestLosses:
    async def test_a_removed_page_is_gone_from_both(self, client: AsyncQdrantClient, old: Index, new: Index) -> None:
        await new.upsert([LEAVE])
        await new.remove(["wiki:leave", "wiki:pay"])
        assert set(await found(new, "vacation salaries printer", Audience.of(ANA))) == {"wiki:printer", "wiki:bonus"}
        assert await records(new) == {
            "wiki:printer": ("", PUBLIC.class_id, 1),
            "wiki:bonus": ("", BONUS[0].access.class_id, 1),
        }
        assert (await client.count(new.name)).count == 0

    @pytest.mark.parametrize("written", [[], [LEAVE]], ids=["before", "after"])
    async def test_a_page_that_was_restricted_is_so_in_both(self, old: Index, new: Index, written: list[object]) -> None:
        await new.upsert(written)
        await new.set_access("wiki:leave", ENG, LEAVE[0].content_hash)
        assert "wiki:leave" not in await found(new, "vacation")
        assert "wiki:leave" in await found(new, "vacation", Audience.of(BOB))
        assert {(await records(index))["wiki:leave"][1] for index in (old, new)} == {ENG.class_id}

    async def test_the_access_of_new_content_opens_nothing_of_the_old(self, old: Index, new: Index) -> None:
        """It was edited first, and opened to everybody then: its former content was never meant for them."""
        edited = document("pay", "Salaries are published.", ENG)
        await new.upsert([edited])
        assert "wiki:pay" in await found(new, "salaries", Audience.of(BOB))
        await new.set_access("wiki:pay", PUBLIC, edited[0].content_hash)
        assert "wiki:pay" not in await found(new, "salaries of engineers", Audience.of(BOB))
        assert (await records(new))["wiki:pay"][1] == PUBLIC.class_id
        assert (await records(old))["wiki:pay"][1] == NOBODY.class_id

    async def test_a_page_hidden_before_its_new_content_is_written_is_hidden_in_both(self, old: Index, new: Index) -> None:
        await new.set_access("wiki:leave", PUBLIC, replace(LEAVE[0], body="Sixty days.").content_hash)
        assert "wiki:leave" not in await found(new, "vacation")

    async def test_an_old_one_that_another_process_has_deleted_holds_nothing_up(
        self, client: AsyncQdrantClient, name: str, new: Index
    ) -> None:
        await new.upsert([LEAVE])
        other = Index(client, EMBEDDER, name)
        await other.switch((await other.open()).id)
        await new.set_access("wiki:leave", ENG, LEAVE[0].content_hash)
        await new.remove(["wiki:pay"])
        assert (await records(new))["wiki:leave"][1] == ENG.class_id


class TestSwitch:
    async def test_the_new_one_answers_and_the_old_one_is_gone(self, client: AsyncQdrantClient, name: str, new: Index) -> None:
        await new.upsert([LEAVE, PAY])
        assert await answers_from(client, name) != new.name
        await new.switch((await new.open()).id)
        assert await answers_from(client, name) == new.name
        assert await collections(client, name) == {new.name}
        assert await found(new, "holiday") == ["wiki:leave"]
        assert await new.rebuild() is None

    async def test_every_process_follows_and_none_is_without_an_answer(
        self, client: AsyncQdrantClient, name: str, old: Index, new: Index
    ) -> None:
        await new.upsert([LEAVE, PAY])
        askers = [old, new, Index(client, EMBEDDER, name), Index(client, WORDS, name)]
        switched = asyncio.Event()

        async def ask(index: Index) -> None:
            while True:
                last = switched.is_set()
                assert "wiki:leave" in await found(index, "vacation days")
                assert "wiki:pay" in await found(index, "salaries", Audience.of(BOB))
                if last:
                    return
                await asyncio.sleep(0)

        async def switch() -> None:
            whole = (await new.open()).id
            await asyncio.gather(*(Index(client, EMBEDDER, name).switch(whole) for _ in range(3)))
            switched.set()

        await asyncio.gather(switch(), *(ask(index) for index in askers))
        assert await old.counts() == {"wiki": 2}

    async def test_one_that_was_made_anew_since_is_not_taken_for_the_whole_one(
        self, client: AsyncQdrantClient, name: str, new: Index
    ) -> None:
        whole = (await new.open()).id
        await client.delete_collection(new.name)
        await new.switch(whole)
        assert (await new.open()).id != whole
        assert "wiki:leave" in await found(new, "vacation")

    async def test_a_crash_before_the_old_one_is_deleted_is_mended_by_the_next_sync(
        self, client: AsyncQdrantClient, name: str, old: Index, new: Index
    ) -> None:
        moved = models.CreateAlias(collection_name=new.name, alias_name=name)
        await client.update_collection_aliases([models.CreateAliasOperation(create_alias=moved)])
        assert await collections(client, name) == {old.name, new.name}
        await new.open()
        await new.tidy()
        assert await collections(client, name) == {new.name}

    async def test_a_model_that_is_set_back_leaves_nothing_of_the_other(
        self, client: AsyncQdrantClient, name: str, old: Index, new: Index
    ) -> None:
        await new.upsert([LEAVE])
        assert (await old.open()).answers
        await old.tidy()
        assert await collections(client, name) == {old.name}
        assert await old.counts() == {"wiki": 4}

    async def test_collections_of_others_are_left_alone(self, client: AsyncQdrantClient, name: str, new: Index) -> None:
        config = {"dense": models.VectorParams(size=4, distance=models.Distance.DOT)}
        await client.create_collection(f"{name}-notes", vectors_config=config)
        await client.create_collection(f"{name}-backup", vectors_config=config, metadata={"footnote_embeddings": WORDS.name})
        await new.switch((await new.open()).id)
        assert await collections(client, name) == {new.name, f"{name}-notes", f"{name}-backup"}


class TestACollectionOfTheAliasesName:
    """So it was before there were generations."""

    @pytest.fixture
    async def plain(self, client: AsyncQdrantClient, name: str, old: Index) -> None:
        """The pages in such a collection."""
        points, _ = await client.scroll(old.name, limit=100, with_vectors=True)
        await client.delete_collection(old.name)
        await client.create_collection(
            name,
            vectors_config={"dense": models.VectorParams(size=WORDS.dimension, distance=models.Distance.COSINE)},
            sparse_vectors_config={"sparse": models.SparseVectorParams(modifier=models.Modifier.IDF)},
            metadata={"footnote_embeddings": WORDS.name},
        )
        kept = [models.PointStruct(id=point.id, vector=point.vector, payload=point.payload) for point in points]
        await client.upsert(name, kept, wait=True)
        await Index(client, WORDS, name).open()

    async def test_it_goes_on_as_it_is_with_the_same_model(self, client: AsyncQdrantClient, name: str, plain: None) -> None:
        index = Index(client, WORDS, name)
        assert (await index.open()).answers
        await index.tidy()
        await index.upsert([document("kites", "Kites are flown in autumn.")])
        assert await index.counts() == {"wiki": 5}
        assert await collections(client, name) == {name}

    async def test_another_model_takes_its_place(self, client: AsyncQdrantClient, name: str, plain: None) -> None:
        index, asker = Index(client, EMBEDDER, name), Index(client, EMBEDDER, name)
        opened = await index.open()
        assert not opened.answers
        await index.upsert([LEAVE])
        assert await found(asker, "printer") == ["wiki:printer", "wiki:leave"]
        await index.switch(opened.id)
        assert await answers_from(client, name) == index.name
        assert await found(asker, "holiday") == ["wiki:leave"]
        assert await model_of(client, name) == EMBEDDER.name

    async def test_a_crash_between_its_end_and_the_alias_is_mended_by_the_next(
        self, client: AsyncQdrantClient, name: str, plain: None
    ) -> None:
        index = Index(client, EMBEDDER, name)
        await index.upsert([LEAVE])
        await client.delete_collection(name)
        assert await found(Index(client, EMBEDDER, name), "holiday") == ["wiki:leave"]
        await Index(client, EMBEDDER, name).open()
        assert await answers_from(client, name) == index.name


async def test_every_model_has_a_name_of_its_own(client: AsyncQdrantClient, name: str) -> None:
    class Named(Unheard):
        def __init__(self, name: str, dimension: int = 8) -> None:
            self.name, self.dimension = name, dimension

    models_ = [Named("openai:a/b"), Named("openai:a-b"), Named("openai:a/b", 9), Named("ö" * 500), Named("Ä <b>")]
    names = [Index(client, model, name).name for model in models_]
    assert len(set(names)) == len(names)
    for index in (Index(client, model, name) for model in models_):
        await index.open()
    assert await collections(client, name) == set(names)


async def test_a_question_without_words_has_no_answer_by_words(client: AsyncQdrantClient, name: str) -> None:
    await Index(client, Unheard(), name).upsert([LEAVE])
    assert await hits_of(Index(client, EMBEDDER, name), "🙂", ANYONE, 3) == []


async def test_a_collection_that_is_not_ours_is_said_so_when_questions_are_asked(client: AsyncQdrantClient, name: str) -> None:
    await client.create_collection(name, vectors_config=models.VectorParams(size=4, distance=models.Distance.DOT))
    with pytest.raises(ConfigError, match="not made by Footnote"):
        await hits_of(Index(client, EMBEDDER, name), "vacation", ANYONE, 3)
