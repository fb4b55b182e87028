"""Questions where a server has more than text channels: posts of a forum, announcements, and the chat of a voice channel."""

from __future__ import annotations

import pytest

from core.channels import Policy
from tests.e2e.discord_dialogue import TRAVEL, dialogue, says
from tests.e2e.test_discord_policies import all_ears
from tests.emulators.discord_world import STAGE, VOICE


async def test_a_post_is_answered_in_it_by_its_title_and_text_where_the_forum_wants_that() -> None:
    async with all_ears() as talk:
        forum = talk.discord.forum("help")
        await talk.set(forum, policy=Policy.QUESTIONS)
        post = await talk.discord.post(talk.ana, forum, "Leave in Spain", "I move to Madrid in May. How many days?")
        reply = await talk.discord.answer_to(post)
        assert reply.channel is post.channel
        [(asked, audience)] = talk.assistant.asked
        assert asked.text == "Leave in Spain\n\nI move to Madrid in May. How many days?"
        assert asked.conversation_id == f"discord:{post.channel.id}"
        assert audience.readers


async def test_whatever_a_person_posts_is_a_question_there() -> None:
    async with all_ears() as talk:
        forum = talk.discord.forum("help")
        await talk.set(forum, policy=Policy.QUESTIONS)
        await talk.discord.answer_to(await talk.discord.post(talk.ana, forum, "Leave in Spain", "Nothing is known to me."))


async def test_a_post_goes_on_without_a_mention_once_it_has_an_answer() -> None:
    async with all_ears(says("Thirty days.", TRAVEL)) as talk:
        forum = talk.discord.forum("help")
        await talk.set(forum, policy=Policy.QUESTIONS)
        post = await talk.discord.post(talk.ana, forum, "Leave", "How many days?")
        await talk.discord.answer_to(post)
        await talk.discord.answer_to(await talk.discord.say(talk.ana, post.channel, "And in Spain?"))
        assert {message.conversation_id for message, _ in talk.assistant.asked} == {f"discord:{post.channel.id}"}


async def test_a_post_that_is_delivered_twice_is_answered_once() -> None:
    async with all_ears() as talk:
        forum = talk.discord.forum("help")
        await talk.set(forum, policy=Policy.QUESTIONS)
        post = await talk.discord.post(talk.ana, forum, "Leave", "How many days?")
        talk.discord.deliver(post)
        await talk.discord.answer_to(post)
        talk.discord.deliver(post)
        await talk.discord.stays(lambda: len(talk.discord.said_by_bot(post.channel)) == 1)


async def test_a_post_without_an_answer_in_the_pages_is_left_to_people() -> None:
    async with all_ears(says("I did not find this.")) as talk:
        forum = talk.discord.forum("help")
        await talk.set(forum, policy=Policy.QUESTIONS)
        post = await talk.discord.post(talk.ana, forum, "Introduce yourselves", "I am Ana, and new here.")
        await talk.discord.until(lambda: len(talk.assistant.asked) == 1, what="the post to be heard")
        await talk.discord.stays(lambda: not talk.discord.said_by_bot(post.channel))


async def test_posts_are_left_alone_by_default_and_those_of_bots_always() -> None:
    async with all_ears() as talk:
        forum, other = talk.discord.forum("help"), talk.discord.forum("other")
        await talk.set(forum, policy=Policy.QUESTIONS)
        await talk.discord.post(talk.ana, other, "Leave", "How many days?")
        await talk.discord.post(talk.discord.user("Poster", bot=True), forum, "Leave", "How many days?")
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "The only question"))
        assert len(talk.assistant.asked) == 1


async def test_a_mention_in_a_post_is_answered_by_any_policy_and_without_the_privileged_intent() -> None:
    async with dialogue() as talk:
        forum = talk.discord.forum("help")
        post = await talk.discord.post(talk.ana, forum, "Leave in Spain", f"{talk.discord.bot.mention} how many days?")
        await talk.discord.answer_to(post)
        [(asked, _)] = talk.assistant.asked
        assert asked.text == "Leave in Spain\n\nhow many days?"
        assert asked.addressed


@pytest.mark.parametrize(("kind", "private"), [(VOICE, False), (VOICE, True), (STAGE, False)], ids=["voice", "alone", "stage"])
async def test_a_question_in_the_chat_of_a_voice_channel_is_answered_there(kind: int, private: bool) -> None:
    async with dialogue() as talk:
        lounge = talk.discord.voice("lounge", kind)
        asked = await talk.discord.slash(talk.ana, "ask", channel=lounge, question="How many days?", private=private)
        await talk.discord.finished(asked)
        assert asked.ephemeral is private
        reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, lounge, "How many days?"))
        assert reply.channel is lounge
        assert talk.assistant.asked[1][1].readers


async def test_in_a_channel_for_announcements_people_are_answered_also_in_threads_of_their_own() -> None:
    async with dialogue() as talk:
        news = talk.discord.news("news")
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, news, "How many days?"))
        await talk.set(news, threads=True)
        question = await talk.discord.mention(talk.ana, news, "And in Spain?")
        await talk.discord.until(lambda: question.id in talk.discord.channels, what="the thread")
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(talk.discord.channels[question.id])), what="the answer")
        assert talk.assistant.asked[1][1].readers


async def test_ask_works_in_a_post_and_belongs_to_its_conversation() -> None:
    async with dialogue() as talk:
        post = await talk.discord.post(talk.ana, talk.discord.forum("help"), "Leave", "Who knows?")
        await talk.discord.finished(await talk.discord.slash(talk.ana, "ask", channel=post.channel, question="How many days?"))
        assert [message.conversation_id for message, _ in talk.assistant.asked] == [f"discord:{post.channel.id}"]
