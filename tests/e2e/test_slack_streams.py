"""Slack: answers that are read while they are written, and stopped."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bots.slack.client import build_client, open_session
from bots.slack.place import Place
from bots.slack.poster import Poster
from bots.slack.render import render
from bots.slack.session import Sessions
from bots.slack.status import Status
from bots.slack.stream import StreamedMessage, Streams
from core.errors import TransientError
from core.models import Answer, Audience, Citation, Message
from tests.e2e.slack_dialogue import ANA, GENERAL, SECRET, Dialogue, dialogue
from tests.emulators.slack import SUBSCRIPTIONS
from tests.emulators.slack_workspace import Post
from tests.fakes import Script, answer

LEAVE = Citation(
    number=1,
    document_id="handbook:leave",
    title="Leave",
    url="https://wiki.acme.com/leave",
    quote="Everybody has thirty days.",
    updated_at=datetime(2026, 3, 3, tzinfo=UTC),
)
SENTENCES = tuple(f"Sentence {number} of the **answer** [1]. " for number in range(12))
WHOLE = "".join(SENTENCES).strip()


def writes(pieces: Sequence[str] = SENTENCES, *, pause: float = 0.2, then: Exception | None = None) -> Script:
    """An assistant that says one piece after the other, and then gives the whole answer."""

    async def script(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        for piece in pieces:
            yield piece
            await asyncio.sleep(pause)
        if then is not None:
            raise then
        yield replace(answer("".join(pieces).strip(), question=message.text), citations=(LEAVE,))

    return script


def rendered(text: str = WHOLE) -> tuple[str, list[dict[str, object]]]:
    (message,) = render(replace(answer(text), citations=(LEAVE,)))
    return message.text, list(message.blocks)


async def is_answered_once(talk: Dialogue, question: Post, text: str = WHOLE) -> Post:
    """Wait for the final answer: one message, exactly as if it had been posted whole, and nothing left hanging."""
    expected = rendered(text)

    def final() -> bool:
        return any((reply.text, reply.blocks) == expected for reply in talk.slack.replies(question))

    await talk.slack.until(final, timeout=30, what="the final answer")
    await talk.slack.until(lambda: talk.slack.session(question) != "processing", timeout=5, what="the session's end")
    await asyncio.sleep(0.2)
    (reply,) = talk.slack.replies(question)
    assert (reply.text, reply.blocks) == expected
    assert talk.slack.streams.open == []
    assert talk.slack.status(question) is None
    assert talk.slack.whispers(ANA) == []
    return reply


async def streaming(talk: Dialogue, question: Post) -> Post:
    """Wait until the answer is being read; the message that grows."""
    return await talk.slack.until_reply(question, timeout=5)


async def test_an_answer_streams_in_the_thread_and_ends_as_if_it_had_been_posted_whole() -> None:
    async with dialogue(writes()) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: talk.slack.status(question) == "is searching…", what="a status")
        post = await streaming(talk, question)
        assert talk.slack.status(question) is None
        assert talk.slack.session(question) == "processing"
        (stream,) = talk.slack.streams.open
        await talk.slack.until(lambda: len(stream.pieces) >= 3, what="more of it")
        assert post.text.replace("\u200b", "") == WHOLE[: len(post.text.replace("\u200b", ""))]
        assert await is_answered_once(talk, question) is post
        assert talk.slack.session(question) == "active"
        assert talk.slack.calls("chat.postMessage") == []


async def test_the_first_text_is_read_at_once_and_the_last_soon_after_it_is_written() -> None:
    times: dict[str, float] = {}

    async def script(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        times["first"] = time.monotonic()
        async for part in writes(SENTENCES[:5])(message, audience):
            times["last"] = time.monotonic()
            yield part

    async with dialogue(script) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        post = await is_answered_once(talk, question, "".join(SENTENCES[:5]).strip())
        assert post.at - times["first"] < 0.15
        assert post.edits[-1] - times["last"] < 0.3
        (stream,) = talk.slack.streams.all
        gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(stream.pieces)]
        assert min(gaps) > 0.45


async def test_an_answer_that_is_whole_at_once_is_posted_without_a_stream() -> None:
    async with dialogue(writes(SENTENCES, pause=0.0)) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question)
        assert talk.slack.streams.all == []


async def test_answers_stream_in_private_channels_and_direct_messages_too() -> None:
    async with dialogue(writes(SENTENCES[:4])) as talk, talk.running():
        asked = [await talk.slack.mention(ANA, SECRET, "how many days?"), await talk.slack.dm(ANA, "how many days?")]
        for question in asked:
            await is_answered_once(talk, question, "".join(SENTENCES[:4]).strip())
        assert len(talk.slack.streams.all) == 2


async def test_an_answer_of_30000_characters_arrives_whole_and_once() -> None:
    pieces = [f"Paragraph {number}. {'word ' * 190}\n\n" for number in range(30)]
    async with dialogue(writes(pieces, pause=0.05)) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "everything")
        last = "Paragraph 29."
        await talk.slack.until(lambda: any(last in reply.shown for reply in talk.slack.replies(question)), what="the end")
        await talk.slack.until(lambda: talk.slack.session(question) == "active", what="its end")
        shown = "\n".join(reply.shown for reply in talk.slack.replies(question))
        assert [shown.count(f"Paragraph {number}.") for number in range(30)] == [1] * 30
        assert [call for call in talk.slack.api.calls if call.error] == []


HOSTILE = [
    "Ask <@U2BEN>, <!here>, <#C1GENERAL|general>, <!sub",
    "team^S1> and @chan",
    "nel or @everyone. ![x](https://evil.example/a.png?q=1) See [this page]",
    "(https://evil.example/?q=2 'title') or https:",
    "//evil.example/?q=3, evil.exam",
    "ple, www.evil.example, mailto:a@evil.example, <https://evil.example|here> &",
    "lt;!channel&gt; [1]",
    ": https://evil.example\n\n<img src='https://evil.example/b.png'>\n\n```\n<!channel> [a](b)\n",
]


async def test_nothing_links_loads_or_pings_while_it_streams() -> None:
    async with dialogue(writes(HOSTILE, pause=0.6)) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await streaming(talk, question)
        await talk.slack.until(lambda: talk.slack.session(question) == "active", what="its end")
        (stream,) = talk.slack.streams.all
        assert len(stream.pieces) == len(HOSTILE)
        streamed = "".join(text for _, text in stream.pieces)
        assert "?q=1" not in streamed
        assert "?q=2" not in streamed
        assert "See [this page]" in streamed


@pytest.mark.fault
async def test_a_stream_that_slack_ends_after_two_seconds_loses_nothing() -> None:
    async with dialogue(writes(pause=0.4)) as talk, talk.running():
        talk.slack.streams.life = 2.0
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        post = await streaming(talk, question)
        await talk.slack.until(lambda: len(post.edits) >= 1, timeout=10, what="an edit of the broken message")
        assert "Sentence 4" in post.shown
        assert await is_answered_once(talk, question) is post


async def test_a_stream_is_ended_before_slack_would_end_it_and_goes_on_as_edits() -> None:
    async with dialogue() as talk, open_session() as session:
        patient = build_client(talk.slack.bot_token, talk.slack.url, session)
        hasty = build_client(talk.slack.bot_token, talk.slack.url, session, patient=False)
        question = talk.slack.workspace.write(GENERAL, ANA, "how many days?")
        place = Place(channel=GENERAL, thread=question.ts, ts=question.ts, user=ANA, private=False)
        streams = Streams(hasty, Poster(patient, session), "T0FOOT", life=1.0)
        status = Status(hasty, Sessions(hasty, patient), GENERAL, question.ts)

        async def stopped() -> None: ...

        message = StreamedMessage(streams, place, "key", place.spot(), status, stopped)
        message.feed("The beginning.")
        await talk.slack.until(lambda: talk.slack.streams.open, what="a stream")
        await talk.slack.until(lambda: not talk.slack.streams.open, timeout=5, what="its end")
        message.feed(" The end.")
        await talk.slack.until(lambda: "The end." in talk.slack.replies(question)[0].shown, timeout=5, what="an edit")
        assert await message.end() == talk.slack.replies(question)[0].ts


@pytest.mark.fault
async def test_a_message_that_somebody_deletes_while_it_streams_is_answered_anew() -> None:
    async with dialogue(writes()) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        talk.slack.workspace.posts.remove(await streaming(talk, question))
        await is_answered_once(talk, question)


@pytest.mark.fault
async def test_an_error_in_the_middle_leaves_nothing_half_said_in_the_channel() -> None:
    async with dialogue(writes(SENTENCES[:4], then=TransientError("The model did not answer."))) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await streaming(talk, question)
        whisper = await talk.slack.until_whisper(ANA)
        await talk.slack.until(lambda: talk.slack.session(question) == "active", what="its end")
        assert "The model did not answer." in whisper.shown
        assert talk.slack.replies(question) == []
        assert talk.slack.streams.open == []


@pytest.mark.fault
async def test_an_error_in_a_direct_message_takes_the_place_of_what_was_half_said() -> None:
    async with dialogue(writes(SENTENCES[:4], then=TransientError("The model did not answer."))) as talk, talk.running():
        question = await talk.slack.dm(ANA, "how many days?")
        await streaming(talk, question)
        await talk.slack.until(lambda: talk.slack.session(question) == "active", what="its end")
        (reply,) = talk.slack.replies(question)
        assert "The model did not answer." in reply.shown
        assert "Sentence" not in reply.shown


# What Slack does wrong.

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"status": 429, "retry_after": 1},
    "500": {"status": 500},
    "internal_error": {"error": "internal_error"},
    "html": {"status": 502, "body": "<html>bad gateway</html>"},
}
METHODS = ["chat.startStream", "chat.appendStream", "chat.stopStream", "chat.update", "agents.sessions.setStatus"]


@pytest.mark.fault
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_slack_refuses_once_the_answer_is_whole_and_there_once(method: str, fault: str) -> None:
    async with dialogue(writes(SENTENCES[:8])) as talk, talk.running():
        talk.slack.fail(method, **FAULTS[fault])
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:8]).strip())


@pytest.mark.fault
@pytest.mark.parametrize("method", METHODS)
async def test_whatever_answer_of_slack_is_lost_the_answer_is_whole_and_there_once(method: str) -> None:
    async with dialogue(writes(SENTENCES[:8])) as talk, talk.running():
        talk.slack.lose(method)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:8]).strip())


@pytest.mark.fault
async def test_two_streams_in_one_thread_whose_starts_lost_their_answers_are_told_apart() -> None:
    async def script(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        pieces = [f"About {message.text}: ", *SENTENCES[:6]]
        async for part in writes(pieces)(message, audience):
            yield part

    async with dialogue(script) as talk, talk.running():
        talk.slack.lose("chat.startStream", times=2)
        first = await talk.slack.mention(ANA, GENERAL, "apples")
        await talk.slack.mention(ANA, GENERAL, "pears", thread=first)
        texts = [rendered(f"About {fruit}: {''.join(SENTENCES[:6])}".strip())[0] for fruit in ("apples", "pears")]
        await talk.slack.until(lambda: sorted(reply.text for reply in talk.slack.replies(first)) == texts, what="both")
        await asyncio.sleep(0.5)
        assert len(talk.slack.replies(first)) == 2


@pytest.mark.fault
async def test_a_stream_whose_start_failed_does_not_take_over_one_that_says_the_same() -> None:
    async with dialogue(writes(SENTENCES[:8])) as talk, talk.running():
        first = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await streaming(talk, first)
        talk.slack.fail("chat.startStream", status=500)
        await talk.slack.mention(ANA, GENERAL, "how many days?", thread=first)
        expected = rendered("".join(SENTENCES[:8]).strip())[0]
        await talk.slack.until(lambda: [reply.text for reply in talk.slack.replies(first)] == [expected] * 2, what="both")


@pytest.mark.fault
async def test_a_stream_that_cannot_be_stopped_is_stopped_once_more_before_it_is_changed() -> None:
    async with dialogue(writes(SENTENCES[:4])) as talk, talk.running():
        talk.slack.fail("chat.stopStream", times=3, error="internal_error")
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:4]).strip())
        assert "streaming_state_conflict" in {call.error for call in talk.slack.calls("chat.update")}


@pytest.mark.fault
@pytest.mark.parametrize("error", ["msg_too_long", "message_not_in_streaming_state", "invalid_blocks", "message_not_found"])
@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_an_error_of_a_stream_costs_nothing_but_its_liveliness(method: str, error: str) -> None:
    async with dialogue(writes(SENTENCES[:5])) as talk, talk.running():
        talk.slack.fail(method, error=error)
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:5]).strip())


@pytest.mark.fault
async def test_an_answer_whose_message_cannot_be_changed_takes_its_place() -> None:
    async with dialogue(writes(SENTENCES[:4])) as talk, talk.running():
        talk.slack.fail("chat.update", error="invalid_blocks")
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:4]).strip())


# Where Slack does not stream.


@pytest.mark.parametrize("error", ["channel_type_not_supported", "unknown_method"])
async def test_where_slack_does_not_stream_one_message_is_edited_now_and_then_and_it_is_not_asked_again(error: str) -> None:
    async with dialogue(writes(pause=0.3)) as talk, talk.running():
        talk.slack.streams.refused_in["*"] = error
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        post = await streaming(talk, question)
        await talk.slack.until(lambda: len(post.edits) >= 2, what="two edits")
        assert "Sentence" in post.shown
        assert await is_answered_once(talk, question) is post
        # The last one is the answer, which waits for nothing.
        times = [post.at, *post.edits[:-1]]
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) > 1.0
        await is_answered_once(talk, await talk.slack.mention(ANA, GENERAL, "and again?"))
        assert len(talk.slack.calls("chat.startStream")) == 1


async def test_a_channel_that_does_not_stream_says_nothing_of_the_others() -> None:
    async with dialogue(writes(SENTENCES[:3])) as talk, talk.running():
        talk.slack.streams.refused_in[GENERAL] = "channel_type_not_supported"
        for channel in (GENERAL, SECRET):
            question = await talk.slack.mention(ANA, channel, "how many days?")
            await is_answered_once(talk, question, "".join(SENTENCES[:3]).strip())
        assert len(talk.slack.streams.all) == 1


@pytest.mark.fault
async def test_an_edited_message_whose_post_lost_its_answer_is_there_once() -> None:
    async with dialogue(writes(SENTENCES[:4])) as talk, talk.running():
        talk.slack.streams.refused_in["*"] = "unknown_method"
        talk.slack.lose("chat.postMessage")
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await is_answered_once(talk, question, "".join(SENTENCES[:4]).strip())


async def test_fifty_answers_at_once_stay_within_what_slack_allows_and_all_arrive() -> None:
    async with dialogue(writes(SENTENCES[:10], pause=0.5)) as talk, talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(50)]
        text = "".join(SENTENCES[:10]).strip()
        for question in questions:
            await is_answered_once(talk, question, text) if question is questions[-1] else await talk.slack.until_reply(question)
        assert all(len(talk.slack.replies(question)) == 1 for question in questions)
        assert len(talk.slack.calls("chat.startStream")) <= 21
        assert 20 < len(talk.slack.calls("chat.appendStream")) <= 100


# Stop.


async def stopped(talk: Dialogue, question: Post) -> float:
    """Press Stop, and wait until everything that hangs on the answer has ended: the seconds that it took."""
    began = time.monotonic()
    await talk.slack.stop(ANA, question)
    await talk.slack.until(lambda: talk.slack.session(question) == "active", timeout=5, what="the session's end")
    assert talk.slack.streams.open == []
    assert talk.slack.status(question) is None
    return time.monotonic() - began


async def test_stop_ends_the_work_and_the_message_says_so() -> None:
    ended: list[float] = []

    async def script(message: Message, audience: Audience) -> AsyncIterator[str | Answer]:
        try:
            async for part in writes(SENTENCES * 50)(message, audience):
                yield part
        finally:
            ended.append(time.monotonic())

    async with dialogue(script) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        post = await streaming(talk, question)
        pressed = time.monotonic()
        assert await stopped(talk, question) < 1
        assert ended[0] - pressed < 1
        (reply,) = talk.slack.replies(question)
        assert reply is post
        assert reply.shown.startswith("Stopped.")
        assert talk.slack.whispers(ANA) == []
        await talk.slack.until_reply(await talk.slack.mention(ANA, GENERAL, "another one"))


async def test_stop_reaches_the_process_that_answers_whichever_hears_of_it() -> None:
    async with dialogue(writes(SENTENCES * 50)) as talk, talk.running(), talk.running(), talk.running():
        questions = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(4)]
        for question in questions:
            await streaming(talk, question)
        for question in questions:
            await talk.slack.stop(ANA, question)

        def all_say_so() -> bool:
            return all("Stopped." in reply.shown for question in questions for reply in talk.slack.replies(question))

        await talk.slack.until(all_say_so, timeout=1.0, what="four stops")
        await talk.slack.until(lambda: set(talk.slack.streams.sessions.values()) == {"active"}, timeout=5, what="no session")
        assert [len(talk.slack.replies(question)) for question in questions] == [1] * 4


async def test_stop_before_the_first_word_is_told_to_the_person_alone() -> None:
    async with dialogue(writes(["", *SENTENCES], pause=5)) as talk, talk.running():
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        await talk.slack.until(lambda: talk.assistant.asked and talk.slack.session(question) == "processing", what="work")
        assert await stopped(talk, question) < 1.5
        assert "Stopped." in (await talk.slack.until_whisper(ANA)).shown
        assert talk.slack.replies(question) == []


async def test_stop_ends_only_what_is_written_in_its_own_thread() -> None:
    async with dialogue(writes(SENTENCES[:8])) as talk, talk.running():
        mine, other = [await talk.slack.mention(ANA, GENERAL, f"question {number}") for number in range(2)]
        await streaming(talk, mine)
        await streaming(talk, other)
        await talk.slack.stop(ANA, mine)
        await is_answered_once(talk, other, "".join(SENTENCES[:8]).strip())
        assert talk.slack.replies(mine)[0].shown.startswith("Stopped.")


@pytest.mark.fault
async def test_a_stop_whose_event_does_not_arrive_is_heard_of_when_the_next_text_is_refused() -> None:
    subscriptions = SUBSCRIPTIONS - {"agent_session_stopped"}
    async with dialogue(writes(SENTENCES * 50), subscriptions=subscriptions) as talk, talk.running():
        talk.slack.streams.stoppable = True  # Subscribed to, but nothing arrives.
        question = await talk.slack.mention(ANA, GENERAL, "how many days?")
        post = await streaming(talk, question)
        await stopped(talk, question)
        assert post.shown.startswith("Stopped.")


async def test_a_session_that_nobody_works_on_is_not_left_working() -> None:
    async with dialogue() as talk, talk.running():
        question = talk.slack.workspace.write(GENERAL, ANA, "how many days?")
        talk.slack.streams.sessions[GENERAL, question.ts] = "processing"
        await stopped(talk, question)
