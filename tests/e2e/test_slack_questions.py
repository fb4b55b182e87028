"""Slack: who asks what where, and what they see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from core.errors import UserError
from core.models import ANYONE, Answer, AnswerMode, Audience, Citation, Message
from tests.e2e.slack_dialogue import ANA, BEN, GENERAL, dialogue, says
from tests.fakes import answer

LEAVE = Citation(
    number=1,
    document_id="handbook:leave",
    title="Leave & absence <2026>",
    url="https://wiki.acme.com/leave?a=1&b=2",
    quote="Everybody has thirty days.",
    updated_at=datetime(2026, 3, 3, tzinfo=UTC),
)


def cites(text: str, *citations: Citation, notice: str = "", mode: AnswerMode = AnswerMode.GENERATED) -> object:
    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield replace(answer(text, question=message.text), citations=citations, notice=notice, mode=mode)

    return script


async def test_a_mention_is_answered_in_its_thread() -> None:
    async with dialogue(says("Thirty **days** of leave.")) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days of leave do I have?")
        reply = await talk.slack.until_reply(question)
        assert reply.thread_ts == question.ts
        assert reply.shown == "Thirty *days* of leave."
        message, audience = talk.assistant.asked[0]
        assert (message.text, message.user, message.user_name) == ("how many days of leave do I have?", f"slack:{ANA}", "Ana")
        assert message.conversation_id == f"slack:T0FOOT:{GENERAL}:{question.ts}"
        assert audience == Audience.of({f"channel:slack:{GENERAL}"}), "Ben is a guest"


async def test_footnotes_are_links_in_the_text_and_a_list_below_it() -> None:
    async with dialogue(cites("Thirty days [1].", LEAVE)) as talk, talk.running():
        reply = await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "how many days?"))
        section, context, *_ = reply.blocks
        assert section["text"]["text"] == "Thirty days <https://wiki.acme.com/leave?a=1&amp;b=2|[1]>."
        assert context["elements"][0]["text"] == (
            "1. <https://wiki.acme.com/leave?a=1&amp;b=2|Leave &amp; absence &lt;2026&gt;> · 2026-03-03"
        )


async def test_quotes_look_like_quotes_and_say_so_first() -> None:
    script = cites("> Everybody has thirty days. [1]", LEAVE, notice="These are quotes.", mode=AnswerMode.QUOTES)
    async with dialogue(script) as talk, talk.running():
        reply = await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "how many days?"))
        assert [block["type"] for block in reply.blocks][:3] == ["context", "section", "context"]
        assert reply.shown.splitlines()[:2] == [
            "These are quotes.",
            "> Everybody has thirty days. <https://wiki.acme.com/leave?a=1&amp;b=2|[1]>",
        ]
        assert reply.text.startswith("> Everybody has thirty days.")


async def test_a_member_who_asks_in_a_direct_message_is_answered_from_what_they_may_read() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.groups = {"group:people-ops": ("user:ana@acme.com",), "group:all": ("domain:acme.com",), "group:x": ("user:b@c.d",)}
        async with talk.running():
            question = await talk.slack.dm(ANA, "how many days?")
            reply = await talk.slack.until_reply(question)
            assert reply.thread_ts == question.ts
            message, audience = talk.assistant.asked[0]
            assert message.private
            assert audience == Audience.of(
                {"user:ana@acme.com", "workspace:slack:T0FOOT", "domain:acme.com", "group:people-ops", "group:all"}
            )


@pytest.mark.parametrize(
    "stranger",
    [
        {"is_restricted": True},
        {"is_ultra_restricted": True},
        {"is_stranger": True},
        {"is_bot": True},
        {"deleted": True},
        {"team_id": "T0OTHER"},
        {"is_email_confirmed": False},
    ],
    ids=lambda flags: next(iter(flags)),
)
async def test_a_direct_message_of_anyone_but_a_full_member_gets_public_documents(
    stranger: dict[str, object],
) -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.user("U3EVE", name="Eve", email="eve@acme.com", **stranger)
        await talk.slack.until_reply(await talk.slack.dm("U3EVE", "how many days?"))
        assert talk.assistant.asked[0][1] == ANYONE


async def test_a_direct_message_is_answered_from_public_documents_when_slack_does_not_say_who_asks() -> None:
    async with dialogue() as talk, talk.running():
        talk.slack.fail("users.info", error="internal_error", times=99)
        await talk.slack.until_reply(await talk.slack.dm(ANA, "how many days?"))
        message, audience = talk.assistant.asked[0]
        assert (audience, message.user_name) == (ANYONE, ANA)


async def test_replies_in_a_thread_need_no_new_mention() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until_reply(question)
        await talk.slack.say(BEN, GENERAL, "and for part-timers?", thread=question)
        await talk.slack.until_reply(question, 2)
        first, second = (message for message, _ in talk.assistant.asked)
        assert second.text == "and for part-timers?"
        assert second.conversation_id == first.conversation_id


async def test_a_thread_is_still_known_after_a_restart() -> None:
    async with dialogue() as talk:
        async with talk.running():
            question = await talk.slack.mention(ANA, GENERAL, "how many days?")
            await talk.slack.until_reply(question)
        async with talk.running():
            await talk.slack.say(ANA, GENERAL, "and for part-timers?", thread=question)
            await talk.slack.until_reply(question, 2)


async def test_what_people_write_reaches_the_assistant_as_plain_text() -> None:
    async with dialogue() as talk, talk.running():
        await talk.slack.until_reply(
            await talk.slack.mention(
                ANA, GENERAL, f"is <https://a.b/c|this page> of <@{BEN}> &lt;old&gt; &amp; in <#C9|ops>? ask <mailto:x@y.z|x@y.z>"
            )
        )
        assert talk.assistant.asked[0][0].text == "is this page of @Ben <old> & in #ops? ask x@y.z"


async def test_a_question_with_a_file_is_a_question() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.say(ANA, f"D{ANA}", "what is this?", subtype="file_share", files=[{"id": "F1"}])
        await talk.slack.until_reply(question)


async def test_a_bare_mention_is_greeted_and_only_the_person_sees_it() -> None:
    async with dialogue() as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "")
        whisper = await talk.slack.until_whisper(ANA)
        assert whisper.shown.startswith("Hello! Ask me a question")
        assert whisper.thread_ts == question.ts
        assert talk.slack.replies(question) == []


async def test_a_refusal_in_a_channel_is_seen_by_the_person_alone_and_in_a_direct_message_in_the_thread() -> None:
    async def refuses(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await asyncio.sleep(0.1)
        raise UserError(f"I cannot answer `{message.text}`.")
        yield ""

    async with dialogue(refuses) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "this")
        assert (await talk.slack.until_whisper(ANA)).shown == "I cannot answer `this`."
        await talk.slack.until(lambda: talk.slack.status(question) is None, what="clearing the status")
        private = await talk.slack.dm(ANA, "that")
        assert (await talk.slack.until_reply(private)).shown == "I cannot answer `that`."


async def test_the_status_shows_at_once_and_goes_with_the_answer() -> None:
    seen = asyncio.Event()

    async def thinks(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await seen.wait()
        yield answer("Thirty days.", question=message.text)

    async with dialogue(thinks) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: talk.slack.status(question) == "is searching…", what="a status")
        seen.set()
        await talk.slack.until_reply(question)
        assert talk.slack.status(question) is None


async def test_who_waits_in_line_sees_how_many_questions_come_first() -> None:
    served = asyncio.Event()

    async def waits(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        await served.wait()
        yield answer("Thirty days.", question=message.text)

    async with dialogue(waits) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: talk.assistant.asked, what="the question")
        for before, shown in ((3, "is looking up 3 other questions first…"), (0, "is searching…")):
            await talk.assistant.waiting(before)
            await talk.slack.until(lambda shown=shown: talk.slack.status(question) == shown, what=shown)
        served.set()
        await talk.slack.until_reply(question)
        assert talk.slack.status(question) is None


async def test_twenty_parallel_questions_are_all_acknowledged_while_their_answers_are_thought_about() -> None:
    # Other tests use this machine: what is slow in each round is ours.
    rounds = [await slowest_acknowledgement_of_twenty()]
    while rounds[-1] >= 1 and len(rounds) < 3:
        rounds.append(await slowest_acknowledgement_of_twenty())
    assert min(rounds) < 1


async def slowest_acknowledgement_of_twenty() -> float:
    async with dialogue(says("Thirty days.", seconds=4.0)) as talk, talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(20)]
        for question in questions:
            await talk.slack.until_reply(question)
        await talk.slack.settled()
        assert {delivery.attempt for delivery in talk.slack.deliveries} == {0}
        return max(delivery.seconds or 9 for delivery in talk.slack.deliveries)


async def test_an_answer_of_12000_characters_arrives_whole_in_the_thread() -> None:
    code = "\n".join(f"line_{number} = {number} < {number + 1} && True" for number in range(150))
    prose = "\n\n".join(
        f"Paragraph {number} with **bold text** and a [link](https://a.b/{number}). " + "word " * 30 for number in range(40)
    )
    async with dialogue(says(f"{prose}\n\n```python\n{code}\n```\n\n{prose}")) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "everything")
        await talk.slack.until(lambda: any("Paragraph 39" in r.shown for r in talk.slack.replies(question)[2:]), what="the end")
        shown = "\n".join(reply.shown for reply in talk.slack.replies(question))
        assert len(shown) > 20_000
        for number in range(40):
            assert shown.count(f"Paragraph {number} with *bold text* and a link. ") == 2
        for number in range(150):
            assert f"line_{number} = {number} &lt; {number + 1} &amp;&amp; True" in shown


async def test_generated_text_cannot_ping_anybody() -> None:
    async with dialogue(says(f"Hey @channel, <!here>, <@{BEN}>, <!subteam^S1> and @everyone!")) as talk, talk.running():
        reply = await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "ping them"))
        assert "<!" not in reply.shown
        assert "<@" not in reply.shown
        assert "@channel" not in reply.shown
        assert f"&lt;@{BEN}&gt;" in reply.shown


async def test_events_over_http_are_answered_like_events_over_the_socket() -> None:
    async with dialogue(says("Thirty days.")) as talk, talk.running(talk.http_bot()) as bot:
        assert bot.connected
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        assert (await talk.slack.until_reply(question)).shown == "Thirty days."
        await talk.slack.settled()
        assert {delivery.status for delivery in talk.slack.deliveries} == {200}


async def test_the_workspace_is_named_by_the_check() -> None:
    async with dialogue() as talk:
        assert await talk.socket_bot().check() == "Footnote Inc, as @footnote, over Socket Mode"
        assert await talk.http_bot().check() == "Footnote Inc, as @footnote, over HTTP events"
