"""A question on Discord that is edited or deleted: what was replied to it follows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from bots.discord.wordings import GONE, Wordings
from core.channels import Policy
from core.models import Answer, Audience, Message
from tests.e2e.discord_dialogue import TRAVEL, Dialogue, dialogue, held, says, scene
from tests.emulators.discord_permissions import SEND
from tests.emulators.discord_world import Message as Said
from tests.fakes import answer


async def _echo(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    yield answer(f"About: {message.text}", question=message.text)


async def _asked(talk: Dialogue, text: str = "How many days?") -> tuple[Said, Said]:
    question = await talk.discord.mention(talk.ana, talk.general, text)
    return question, await talk.discord.answer_to(question)


async def _edited(talk: Dialogue, question: Said, text: str) -> None:
    await talk.discord.edit(question, f"{talk.discord.bot.mention} {text}")


async def test_an_edited_question_is_answered_anew_in_the_same_message() -> None:
    async with dialogue(_echo) as talk:
        question, reply = await _asked(talk)
        await _edited(talk, question, "How many days in Spain?")
        await talk.discord.until(lambda: reply.content == "About: How many days in Spain?", what="the new answer")
        assert talk.discord.said_by_bot(talk.general) == [reply]
        first, second = (message for message, _ in talk.assistant.asked)
        assert second.replaces == first.id
        assert second.conversation_id == first.conversation_id


async def test_it_can_be_edited_again_and_back() -> None:
    async with dialogue(_echo) as talk:
        question, reply = await _asked(talk)
        await _edited(talk, question, "How many days in Spain?")
        await talk.discord.until(lambda: reply.content == "About: How many days in Spain?", what="the new answer")
        await _edited(talk, question, "How many days?")
        await talk.discord.until(lambda: reply.content == "About: How many days?", what="the first answer")
        assert talk.discord.said_by_bot(talk.general) == [reply]


async def test_a_preview_that_discord_adds_to_a_question_is_no_edit() -> None:
    async with dialogue(_echo) as talk:
        question, _ = await _asked(talk)
        await talk.discord.unfurl(question)
        await talk.discord.edit(question, question.content)
        await _asked(talk, "Another one?")
        assert len(talk.assistant.asked) == 2


async def test_a_question_that_is_edited_after_ten_minutes_keeps_its_answer() -> None:
    async with dialogue(_echo) as talk:
        question, reply = await _asked(talk)
        talk.discord.clock.advance(11 * 60)
        await _edited(talk, question, "How many days in Spain?")
        await _asked(talk, "Another one?")
        assert reply.content == "About: How many days?"


async def test_a_question_that_is_edited_while_it_is_answered_gets_one_answer() -> None:
    first, _released = held("Thirty days.")

    async def script(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        async for part in (first if "Spain" not in message.text else _echo)(message, audience):
            yield part

    async with dialogue(script) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        await _edited(talk, question, "How many days in Spain?")
        reply = await talk.discord.answer_to(question)
        assert reply.content == "About: How many days in Spain?"
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(talk.general)) == 1)


async def test_a_shorter_answer_leaves_nothing_of_a_longer_one() -> None:
    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        text = "Short." if "short" in message.text else "\n\n".join("Leave is granted by the team lead. " * 12 for _ in range(30))
        yield answer(text, question=message.text)

    async with dialogue(script) as talk:
        question, reply = await _asked(talk)
        await talk.discord.until(lambda: len(talk.discord.said_by_bot(talk.general)) > 2, what="a long answer")
        await talk.discord.stays(lambda: not talk.discord.calls("DELETE", "/messages/"))
        await _edited(talk, question, "In short?")
        await talk.discord.until(lambda: reply.content == "Short.", what="the new answer")
        assert talk.discord.said_by_bot(talk.general) == [reply]


async def test_an_edit_is_heard_after_a_restart() -> None:
    async with scene(_echo) as talk:
        async with talk.running():
            question, reply = await _asked(talk)
        async with talk.running():
            await _edited(talk, question, "How many days in Spain?")
            await talk.discord.until(lambda: reply.content == "About: How many days in Spain?", what="the new answer")
        assert talk.discord.said_by_bot(talk.general) == [reply]


async def test_two_processes_hear_of_an_edit_and_one_answers_it() -> None:
    async with scene(_echo) as talk, talk.running(), talk.running():
        question, reply = await _asked(talk)
        await _edited(talk, question, "How many days in Spain?")
        await talk.discord.until(lambda: reply.content == "About: How many days in Spain?", what="the new answer")
        await talk.discord.stays(lambda: talk.discord.said_by_bot(talk.general) == [reply])
        assert len(talk.assistant.asked) == 2


async def test_an_edit_is_answered_where_the_answer_stands() -> None:
    async with dialogue(_echo) as talk:
        await talk.set(talk.general, threads=True)
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: question.id in talk.discord.channels, what="the thread")
        thread = talk.discord.channels[question.id]
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(thread)), what="the answer in the thread")
        [reply] = talk.discord.said_by_bot(thread)
        await talk.discord.stays(lambda: not reply.deleted, 0.1)
        await _edited(talk, question, "How many days in Spain?")
        await talk.discord.until(lambda: reply.content == "About: How many days in Spain?", what="the new answer")
        assert talk.discord.said_by_bot(talk.general) == []
        await talk.discord.delete(question)
        await talk.discord.until(lambda: reply.deleted, what="the answer to be deleted")


async def test_where_each_is_answered_alone_an_edit_is_too() -> None:
    async with dialogue(_echo) as talk:
        await talk.set(talk.general, private=True)
        question = await talk.discord.mention(talk.ana, talk.general, "Who earns what?")
        direct = talk.discord.dm_channel(talk.ana)
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(direct)), what="a direct message")
        [reply] = talk.discord.said_by_bot(direct)
        await talk.discord.stays(lambda: not reply.deleted, 0.1)
        await _edited(talk, question, "Who earns more?")
        await talk.discord.until(lambda: "About: Who earns more?" in reply.content, what="the new answer")
        assert talk.discord.said_by_bot(talk.general) == []
        assert all(message.private for message, _ in talk.assistant.asked)


async def test_a_question_to_nobody_that_is_edited_into_none_loses_its_answer() -> None:
    async with scene(_knows_of_leave) as talk:
        talk.discord.grant_message_content()
        async with talk.running(talk.bot(discord_message_content=True)):
            await talk.set(talk.general, policy=Policy.QUESTIONS)
            question = await talk.discord.say(talk.ana, talk.general, "How many days of leave do we have?")
            reply = await talk.discord.answer_to(question)
            await talk.discord.stays(lambda: not reply.deleted, 0.1)
            await talk.discord.edit(question, "How loud is the colour of a Tuesday?")
            await talk.discord.until(lambda: reply.deleted, what="the answer to be deleted")


async def _knows_of_leave(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
    known = "leave" in message.text
    yield replace(answer("Thirty days." if known else "I did not find this."), citations=(TRAVEL,) if known else ())


async def test_a_deleted_question_takes_its_answer_along() -> None:
    async with dialogue() as talk:
        question, reply = await _asked(talk)
        await talk.discord.delete(question)
        await talk.discord.until(lambda: reply.deleted, what="the answer to be deleted")


async def test_a_deleted_direct_message_takes_its_answer_along() -> None:
    async with dialogue() as talk:
        question = await talk.discord.dm(talk.ana, "How many days?")
        reply = await talk.discord.answer_to(question)
        await talk.discord.delete(question)
        await talk.discord.until(lambda: reply.deleted, what="the answer to be deleted")


async def test_an_answer_that_went_to_a_direct_message_is_deleted_there() -> None:
    async with dialogue() as talk:
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=SEND)
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        messages = talk.discord.dm_channel(talk.ana).messages
        await talk.discord.until(lambda: bool(messages), what="a direct message")
        await talk.discord.stays(lambda: len(messages) == 1, 0.1)
        await talk.discord.delete(question)
        await talk.discord.until(lambda: messages[0].deleted, what="the answer to be deleted")


async def test_a_question_that_is_deleted_while_it_is_answered_gets_no_answer() -> None:
    script, released = held("Thirty days.")
    async with dialogue(script) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        await talk.discord.delete(question)
        await talk.discord.stays(lambda: not talk.discord.said_by_bot(talk.general))
        released.set()
        await talk.discord.stays(lambda: not talk.discord.said_by_bot(talk.general))


async def test_what_people_say_among_themselves_is_not_answered_when_they_edit_it() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        said = await talk.discord.say(talk.ana, talk.general, "How many days?")
        await _edited(talk, said, "How many days in Spain?")
        await talk.discord.stays(lambda: not talk.discord.said_by_bot(talk.general))


async def test_an_answer_that_the_next_process_gave_goes_with_its_question() -> None:
    script, released = held("Thirty days.")
    async with scene(script) as talk:
        async with talk.running(drain=0.1):
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        released.set()
        async with talk.running():
            reply = await talk.discord.answer_to(question)
            await talk.discord.stays(lambda: not reply.deleted, 0.2)
            await talk.discord.delete(question)
            await talk.discord.until(lambda: reply.deleted, what="the answer to be deleted")


async def test_a_question_that_was_left_behind_and_deleted_meanwhile_is_not_answered() -> None:
    script, released = held("Thirty days.")
    async with scene(script) as talk:
        async with talk.running(drain=0.1):
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the question to be heard")
        assert await Wordings(talk.redis).told(question.id, GONE)
        released.set()
        async with talk.running():
            await talk.discord.stays(lambda: not talk.discord.said_by_bot(talk.general), 1.5)
        assert len(talk.assistant.asked) == 1
