"""Questions on Discord: where they may be asked, what is seen of the answer, and by whom."""

from __future__ import annotations

import asyncio

import pytest

from core.errors import TransientError
from core.models import EVERYONE, Audience, Message
from tests.e2e.discord_dialogue import TRAVEL, Dialogue, dialogue, held, says, scene
from tests.emulators.discord_world import LOADING


async def test_a_mention_is_answered_by_a_reply_with_linked_footnotes() -> None:
    async with dialogue() as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days of leave do I have?")
        reply = await talk.discord.answer_to(question)
        assert reply.content == (
            "You have **30 days** [[1]](<https://wiki.acme.example/travel>).\n\n"
            "-# [1] [Travel policy](<https://wiki.acme.example/travel>) · updated <t:1793620800:d>"
        )
        [(asked, audience)] = talk.assistant.asked
        assert asked.text == "How many days of leave do I have?"
        assert asked.user == f"discord:{talk.ana.id}"
        assert audience == talk.members


async def test_the_bot_types_while_it_thinks_and_stops_when_it_has_answered() -> None:
    async with dialogue(says("Thirty.", seconds=0.3)) as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: talk.general.typing > 0, what="the typing indicator")
        await talk.discord.answer_to(question)
        typed = talk.general.typing
        await talk.discord.stays(lambda: talk.general.typing == typed)


async def test_ask_is_acknowledged_at_once_and_answered_for_everybody_in_the_channel() -> None:
    async with dialogue(says("Thirty days.", seconds=0.3)) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        await talk.discord.until(lambda: asked.loading, what="thinking…")
        assert await talk.discord.finished(asked) == ["Thirty days."]
        assert asked.acknowledged_after is not None
        assert asked.acknowledged_after < 1
        assert not asked.ephemeral
        assert talk.discord.seen_by(talk.root, talk.general) == ["Thirty days."]
        assert talk.assistant.asked[0][1] == talk.members


async def test_a_private_question_is_seen_by_the_asker_alone_and_answered_with_what_their_roles_may_read() -> None:
    async with dialogue() as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="Who earns what?", private=True)
        await talk.discord.finished(asked)
        assert asked.ephemeral
        assert talk.discord.seen_by(talk.root, talk.general) == []
        [(message, audience)] = talk.assistant.asked
        assert message.private
        [reader] = audience.readers
        assert {EVERYONE, f"user:discord:{talk.ana.id}", f"role:discord:{talk.people_ops.id}"} <= reader


async def test_a_direct_message_is_answered_with_what_the_person_may_read_through_groups() -> None:
    def found_people_ops(talk: Dialogue) -> None:
        talk.groups["group:people-ops"] = (f"user:discord:{talk.ana.id}",)

    async with dialogue(prepare=found_people_ops) as talk:
        await talk.discord.answer_to(await talk.discord.dm(talk.ana, "Who earns what?"))
        [(message, audience)] = talk.assistant.asked
        assert message.private
        [reader] = audience.readers
        assert "group:people-ops" in reader
        assert not any(principal.startswith("role:") for principal in reader)


async def test_a_reply_to_the_bot_continues_its_conversation_without_a_mention() -> None:
    async with dialogue() as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "How many days of leave do I have?")
        answer = await talk.discord.answer_to(question)
        further = await talk.discord.say(talk.ana, talk.general, "And in Spain?", reply_to=answer)
        second = await talk.discord.answer_to(further)
        last = await talk.discord.say(talk.root, talk.general, "And in France?", reply_to=second)
        await talk.discord.answer_to(last)
        conversations = {message.conversation_id for message, _ in talk.assistant.asked}
        assert conversations == {f"discord:{talk.general.id}:{question.id}"}


async def test_a_reply_chain_is_found_again_after_a_restart() -> None:
    async with scene() as talk:
        async with talk.running():
            question = await talk.discord.mention(talk.ana, talk.general, "How many days?")
            answer = await talk.discord.answer_to(question)
            further = await talk.discord.say(talk.ana, talk.general, "And in Spain?", reply_to=answer)
            second = await talk.discord.answer_to(further)
        async with talk.running():
            last = await talk.discord.say(talk.ana, talk.general, "And in France?", reply_to=second)
            await talk.discord.answer_to(last)
        conversations = {message.conversation_id for message, _ in talk.assistant.asked}
        assert conversations == {f"discord:{talk.general.id}:{question.id}"}


async def test_a_reply_to_a_public_ask_continues_it() -> None:
    async with dialogue() as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        await talk.discord.finished(asked)
        assert asked.original is not None
        further = await talk.discord.say(talk.ana, talk.general, "And in Spain?", reply_to=asked.original)
        await talk.discord.answer_to(further)
        first, second = (message.conversation_id for message, _ in talk.assistant.asked)
        assert first == second


async def test_two_mentions_in_a_channel_are_two_conversations() -> None:
    async with dialogue() as talk:
        for text in ("How many days?", "Who is the CEO?"):
            await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, text))
        first, second = (message.conversation_id for message, _ in talk.assistant.asked)
        assert first != second


async def test_a_thread_is_one_conversation_and_answered_inside() -> None:
    async with dialogue() as talk:
        thread = talk.discord.thread(talk.general, "Leave in Spain")
        for text in ("How many days?", "And in Spain?"):
            reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, thread, text))
            assert reply.channel is thread
        assert {message.conversation_id for message, _ in talk.assistant.asked} == {f"discord:{thread.id}"}


async def test_a_private_question_in_a_thread_is_no_part_of_what_the_others_say_there() -> None:
    async with dialogue() as talk:
        thread = talk.discord.thread(talk.general, "Leave in Spain")
        asked = await talk.discord.slash(talk.ana, "ask", channel=thread, question="Am I to be dismissed?", private=True)
        await talk.discord.finished(asked)
        said = await talk.discord.say(talk.root, thread, "Does anybody know how many days we have?")
        await talk.discord.finished(await talk.discord.menu(talk.ana, "Ask about this", said))
        await talk.discord.answer_to(await talk.discord.mention(talk.root, thread, "What was asked here before?"))
        first, second, public = (message.conversation_id for message, _ in talk.assistant.asked)
        assert first == second != public


async def test_the_message_menu_asks_about_a_message_in_private() -> None:
    async with dialogue() as talk:
        said = await talk.discord.say(talk.root, talk.general, "Does anybody know how many days of leave we have?")
        chosen = await talk.discord.menu(talk.ana, "Ask about this", said)
        await talk.discord.finished(chosen)
        assert chosen.ephemeral
        assert talk.assistant.asked[0][0].text == said.content


async def test_asked_about_a_message_it_reads_what_people_see_of_it_its_names_and_its_files() -> None:
    async with dialogue() as talk:
        file = talk.discord.file("travel.md", b"Nights in Oslo may cost 190 euros.", "text/markdown")
        first = await talk.discord.say(talk.root, talk.general, f"{talk.ana.mention} how much is a night?", files=[file])
        bare = await talk.discord.say(talk.root, talk.general, "", files=[file])
        forwarded = await talk.discord.forward(talk.root, talk.discord.channel("elsewhere"), first)
        for message in (first, bare, forwarded):
            await talk.discord.finished(await talk.discord.menu(talk.ana, "Ask about this", message))
        named, unnamed, again = (message for message, _ in talk.assistant.asked)
        assert named.text == "@Ana how much is a night?"
        assert unnamed.text == "What does travel.md say?"
        assert again.text.endswith("how much is a night?")
        for asked, message in ((named, first), (unnamed, bare), (again, forwarded)):
            [read] = asked.files
            assert (read.name, read.address) == ("travel.md", file.url)
            assert read.url.endswith(str(message.id))
            assert read.place == f"channel:discord:{message.channel.id}"


async def test_asked_about_what_other_software_wrote_it_reads_the_frames_of_it() -> None:
    async with dialogue() as talk:
        alert = await talk.discord.say(talk.root, talk.general, "", webhook=True)
        alert.embeds = [{"type": "rich", "title": "Disk full", "description": "What to do when a disk is full?"}]
        await talk.discord.finished(await talk.discord.menu(talk.ana, "Ask about this", alert))
        [(asked, _)] = talk.assistant.asked
        assert asked.text == "Disk full\n\nWhat to do when a disk is full?"


async def test_other_mentions_are_read_as_names_and_code_is_left_alone() -> None:
    async with dialogue() as talk:
        text = f"who is {talk.root.mention} and what does `<@{talk.discord.bot.id}>` mean?"
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, text))
        assert talk.assistant.asked[0][0].text == f"who is @Root and what does `<@{talk.discord.bot.id}>` mean?"


async def test_a_bare_mention_is_greeted() -> None:
    async with dialogue() as talk:
        reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, ""))
        assert "Ask me a question" in reply.content
        assert not talk.assistant.asked


async def test_an_emoji_and_a_very_long_question_are_refused_with_a_reason() -> None:
    async with dialogue() as talk:
        reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "🏖️"))
        assert "in words" in reply.content
        reply = await talk.discord.answer_to(await talk.discord.dm(talk.ana, "leave " * 800))
        assert "4,000 at most" in reply.content
        assert not talk.assistant.asked


async def test_when_the_answer_fails_the_asker_is_told_and_nothing_is_left_thinking() -> None:
    async def broken(_message: Message, _audience: Audience):
        raise TransientError("Search is unavailable.")
        yield ""

    async with dialogue(broken) as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?")
        [text] = await talk.discord.finished(asked)
        assert "Search is unavailable" in text
        assert asked.original is not None
        assert not asked.original.flags & LOADING


_PROGRAM = "\n".join(f"print('line {number} of a long program')" for number in range(150))


@pytest.mark.parametrize(
    "text",
    [
        "\n\n".join(f"Paragraph {number}. " + "Leave is granted by the team lead. " * 12 for number in range(30)),
        "Here it is:\n```python\n"
        + "\n".join(f"print('line {number} of a long program')" for number in range(150))
        + "\n```\nDone.",
        "wordwithoutanyspace" * 500,
        "😀" * 3000,
    ],
    ids=["paragraphs", "code", "one word", "emoji"],
)
async def test_a_long_answer_comes_whole_in_several_messages(text: str) -> None:
    async with dialogue(says(text, TRAVEL)) as talk:
        await talk.discord.mention(talk.ana, talk.general, "Tell me everything")
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="Tell me everything", private=True)
        await talk.discord.until(lambda: "Travel policy" in "".join(asked.texts), what="the end of the private answer")
        await talk.discord.until(
            lambda: any("Travel policy" in said.content for said in talk.discord.said_by_bot(talk.general) if not said.only_for),
            what="the end of the public answer",
        )
        public = [said.content for said in talk.discord.said_by_bot(talk.general) if said.only_for is None]
        assert public == asked.texts
        assert len(public) >= 2
        letters = "".join(filter(str.isalnum, "".join(public).replace("python", "").replace("Travel policy", "")))
        assert "".join(filter(str.isalnum, text.replace("python", ""))) in letters or text.startswith("😀")
        assert "".join(public).count("😀") == text.count("😀")
        assert all(content.count("```") % 2 == 0 for content in public)


async def test_twenty_questions_at_once_are_each_acknowledged_in_time_and_answered_once() -> None:
    script, released = held("Thirty days.")
    async with dialogue(script) as talk:
        asked = [
            await talk.discord.slash(talk.ana, "ask", channel=talk.general, question=f"Question {number}?")
            for number in range(20)
        ]
        await talk.discord.until(lambda: all(one.loading for one in asked), what="thinking…")
        released.set()
        await asyncio.gather(*(talk.discord.finished(one) for one in asked))
        assert all(one.acknowledged_after is not None and one.acknowledged_after < 1 for one in asked)
        assert all(one.texts == ["Thirty days."] for one in asked)


async def test_an_answer_pings_nobody_and_unfurls_nothing() -> None:
    text = "Ask @everyone, <@1234567890> or <@&1234567890> at https://evil.example/?q=secret or [here](https://evil.example)."
    async with dialogue(says(text, TRAVEL)) as talk:
        reply = await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "Whom do I ask?"))
        assert "@everyone" not in reply.content
        assert "<@1234567890>" not in reply.content
        assert "<@&1234567890>" not in reply.content
        assert "at `https://evil.example/?q=secret` or here." in reply.content
        assert reply.payload["allowed_mentions"] == {"parse": [], "replied_user": False}
