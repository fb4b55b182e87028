"""All that a model can do is to say something: it has no tools, and nothing but its words is read."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableGenerator, RunnableLambda, RunnableSequence

from core.answering.chain import Ask, Draft, build_chain
from core.answering.line import Line
from core.models import ANYONE, AnswerMode
from tests.answering import LEAVE_HIT, ScriptedSearch

QUESTION = "How many days of paid leave do employees get?"
PLAN = "My secret plan is to reindex everything."
CALL = {"name": "reindex", "args": '{"full": true}', "id": "c1", "index": 0, "type": "tool_call_chunk"}


class PlanningModel(BaseChatModel):
    """Says what it was given, and records how it was asked. Its tools would be called at once."""

    chunks: tuple[AIMessageChunk, ...] = ()
    asked: tuple[dict[str, Any], ...] = ()

    @property
    def _llm_type(self) -> str:
        return "planning"

    def bind_tools(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("somebody gave the model tools")

    async def _astream(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **options: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked += ({"stop": stop, **options},)
        for chunk in self.chunks:
            yield ChatGenerationChunk(message=chunk)

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError


async def drafted(model: BaseChatModel) -> tuple[str, Draft]:
    search = ScriptedSearch(LEAVE_HIT)
    chain = build_chain(search, search.accesses, model, model_timeout=30, line=Line(30))
    *pieces, draft = [part async for part in chain.astream(Ask(question=QUESTION, audience=ANYONE))]
    assert isinstance(draft, Draft)
    return "".join(map(str, pieces)), draft


def test_the_chain_is_five_functions_and_none_of_them_can_reach_more_than_it_needs() -> None:
    model = PlanningModel()
    search = ScriptedSearch()
    chain = build_chain(search, search.accesses, model, model_timeout=30, line=Line(30))
    assert isinstance(chain, RunnableSequence)
    assert [type(step) for step in chain.steps] == [*[RunnableLambda] * 3, *[RunnableGenerator] * 2]
    reached = [inspect.getclosurevars(_function(step)).nonlocals for step in chain.steps]
    # What a step can reach is what it closes over: no index to write to, no queue, no source, no client. The context reads what
    # stands around a hit; the embedding and the judge say how near two texts are.
    assert [sorted(names) for names in reached] == [
        ["model", "model_timeout", "understanding"],
        ["model", "model_timeout", "understanding", "understood_at_once"],
        ["accesses", "line", "rerank", "search"],
        ["context", "model", "model_timeout"],
        ["confidence", "embed", "judge", "model"],
    ]


def _function(step: Any) -> Any:
    return step.afunc if isinstance(step, RunnableLambda) else step._atransform


async def test_the_model_is_asked_without_tools_and_its_calls_lead_nowhere() -> None:
    model = PlanningModel(
        chunks=(
            AIMessageChunk("Thirty days [1].", tool_call_chunks=[CALL]),
            AIMessageChunk("", additional_kwargs={"tool_calls": [{"function": {"name": "forget", "arguments": PLAN}}]}),
        )
    )
    streamed, draft = await drafted(model)
    assert streamed == draft.text == "Thirty days [1]."
    assert model.asked == ({"stop": None},)


@pytest.mark.parametrize(
    "chunks",
    [
        [AIMessageChunk("", additional_kwargs={"reasoning_content": PLAN}), AIMessageChunk("Thirty days [1].")],
        [AIMessageChunk([{"type": "thinking", "thinking": PLAN}, {"type": "text", "text": "Thirty days [1]."}])],
        [
            AIMessageChunk([{"type": "reasoning", "reasoning": PLAN}]),
            AIMessageChunk([{"type": "text", "text": "Thirty days [1]."}]),
        ],
        [AIMessageChunk(piece) for piece in (" <th", f"ink>{PLAN} [1] </thi", "nk>\n\nThirty", " days [1].")],
    ],
    ids=["beside the text", "in a block", "in a piece of its own", "in tags"],
)
async def test_what_a_model_thinks_is_not_shown(chunks: Sequence[AIMessageChunk]) -> None:
    streamed, draft = await drafted(PlanningModel(chunks=tuple(chunks)))
    assert streamed == draft.text == "Thirty days [1]."


async def test_thoughts_that_never_end_are_no_answer() -> None:
    streamed, draft = await drafted(PlanningModel(chunks=(AIMessageChunk(f"<think>{PLAN} Thirty days [1]."),)))
    assert streamed == ""
    assert draft.mode is AnswerMode.NOT_FOUND


async def test_a_model_that_only_calls_tools_is_replaced_by_quotes() -> None:
    streamed, draft = await drafted(PlanningModel(chunks=(AIMessageChunk("", tool_call_chunks=[CALL]),)))
    assert streamed == ""
    assert draft.mode is AnswerMode.QUOTES
    assert draft.notice.startswith("The chat model returned nothing")
