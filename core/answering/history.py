"""A conversation as a LangChain chat history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from langchain_core.chat_history import BaseChatMessageHistory
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from core.answering.memory import Memory
from core.models import NOBODY, Audience, Turn


class ConversationHistory(BaseChatMessageHistory):
    """The turns of one conversation that ``audience`` may read, as pairs of a human's and an assistant's message.

    Who asked and when stand in the human message's ``additional_kwargs``, what the answer was made from in the
    assistant's. An answer that does not say what it was made from is stored, but replayed to nobody.
    """

    def __init__(self, memory: Memory, conversation_id: str, audience: Audience) -> None:
        self._memory = memory
        self._conversation_id = conversation_id
        self._audience = audience

    async def aget_messages(self) -> list[BaseMessage]:
        turns = await self._memory.read(self._conversation_id, self._audience)
        return [message for turn in turns for message in to_messages(turn)]

    async def aadd_messages(self, messages: Sequence[BaseMessage]) -> None:
        """Pairs of question and answer. Raises ValueError for anything else."""
        if len(messages) % 2:
            raise ValueError("a conversation is stored in pairs of a question and its answer")
        for question, answer in zip(messages[::2], messages[1::2], strict=True):
            await self._memory.add(self._conversation_id, to_turn(question, answer))

    async def aclear(self) -> None:
        await self._memory.forget(self._conversation_id)

    def clear(self) -> None:
        raise NotImplementedError("Footnote is asynchronous: await aclear()")


def to_messages(turn: Turn) -> tuple[HumanMessage, AIMessage]:
    asked = {
        "asked_by": turn.asked_by,
        "asked_by_name": turn.asked_by_name,
        "at": turn.at,
        "said_as": turn.said_as,
        "people": turn.people,
        "messages": turn.messages,
    }
    return (
        HumanMessage(turn.question, additional_kwargs=asked),
        AIMessage(turn.answer, additional_kwargs={"accesses": turn.accesses, "documents": turn.documents}),
    )


def to_turn(question: BaseMessage, answer: BaseMessage) -> Turn:
    if not isinstance(question, HumanMessage) or not isinstance(answer, AIMessage):
        raise ValueError("a turn is a human's message and then an assistant's")
    return Turn(
        question=question.text,
        answer=answer.text,
        accesses=tuple(answer.additional_kwargs.get("accesses", (NOBODY,))),
        asked_by=question.additional_kwargs.get("asked_by", ""),
        asked_by_name=question.additional_kwargs.get("asked_by_name", ""),
        documents=tuple(answer.additional_kwargs.get("documents", ())),
        at=question.additional_kwargs.get("at", datetime.now(UTC)),
        said_as=question.additional_kwargs.get("said_as", ""),
        people=question.additional_kwargs.get("people", ()),
        messages=question.additional_kwargs.get("messages", ()),
    )
