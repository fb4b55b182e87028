"""`keep`, over the real store, queue and index: what an expert wrote is told where it was written, and goes as it should."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest
from redis.asyncio import Redis

from bots.command import Command
from bots.commands.reviewed import LONGEST, Keeping, ReviewedAnswers
from bots.desk import AnswerDesk
from bots.files import Files
from bots.upload import Adding
from connectors.uploads.source import UploadSource
from core.channels import ChannelConfig, Channels
from core.embedded.keeper import Engines
from core.errors import UserError
from core.evaluation.feedback import Answered
from core.evaluation.gaps import Gaps, Miss
from core.indexing.index import Index
from core.indexing.jobs import Jobs, Worker
from core.indexing.qdrant import connect
from core.indexing.sync import Syncer
from core.indexing.uploads import Uploads
from core.models import Audience, Citation, Hit, SyncRequest, SyncStatus, now
from tests.answering import hits_of
from tests.fakes import RecordingReply, answer, message
from tests.memory_index import LineParser, WordEmbedder

ADMIN, ANA, EXPERT = "slack:ROOT", "slack:ANA", "slack:EVE"
CHANNEL, OTHER = "channel:slack:C1", "channel:slack:C2"
THREAD = "https://acme.slack.com/archives/C1/p1700000000000100"
HEAD = f"{THREAD} {CHANNEL}"
QUESTION = "Where do I park my bike?"
REPLY = "In the **basement**, gate 3. The code is on the door."


class House:
    def __init__(self, engines: Engines, redis: Redis) -> None:
        self.client = connect(socket=engines.qdrant_socket)
        self.index = Index(self.client, WordEmbedder())
        self.uploads, self.jobs, parser = Uploads(self.client), Jobs(redis), LineParser()
        self.time = now()
        self.source = UploadSource(self.uploads, clock=lambda: self.time)
        self.adding = Adding(self.uploads, Files(parser, most=1_000_000), self.jobs, self.index, clock=lambda: self.time)
        self.reviewed = ReviewedAnswers(self.adding, self.uploads)
        self.desk, self.gaps, self.channels = AnswerDesk(redis, self.index.classes), Gaps(redis, WordEmbedder()), Channels(redis)
        self.keeping = Keeping(self.reviewed, self.desk, self.gaps, self.channels, frozenset({ADMIN}), clock=lambda: self.time)
        worker = Worker(self.jobs, {"uploads": self.source}, Syncer(self.index, parser, WordEmbedder()))
        self.working = asyncio.create_task(worker.run())

    async def close(self) -> None:
        self.working.cancel()
        with suppress(asyncio.CancelledError):
            await self.working
        for collection in (await self.client.get_collections()).collections:
            await self.client.delete_collection(collection.name)
        await self.client.close()

    async def asked(self, *cited: str) -> None:
        citations = tuple(
            Citation(number=n, document_id=id, title="", url="", quote="", updated_at=self.time) for n, id in enumerate(cited)
        )
        await self.desk.answered(
            message(QUESTION, user=ANA, platform="slack", channel_id="C1", conversation_id="thread"),
            replace(answer(question=QUESTION), citations=citations),
        )

    async def keeps(
        self, text: str = f"{HEAD}\n{REPLY}", user: str = ADMIN, *, conversation: str | None = "thread", place: str = CHANNEL
    ) -> RecordingReply:
        reply = RecordingReply()
        command = Command(
            name="keep",
            text=text,
            user=user,
            user_name="Eve",
            principals=frozenset({user, place}),
            platform="slack",
            channel_id="C1",
            conversation_id=conversation,
        )
        await self.keeping.keep(command, reply)
        return reply

    async def found(self, *held: str) -> list[Hit]:
        return await hits_of(self.index, QUESTION, Audience.of(held), 5)

    async def sync(self) -> dict[str, int]:
        """Why documents were left out."""
        request = SyncRequest(id=f"r{self.time.timestamp()}", source="uploads", requested_by="cli", at=self.time)
        await self.jobs.submit(request)
        [*_, last] = [state async for state in self.jobs.follow(request)]
        assert last.status is SyncStatus.DONE, last.error
        return dict(last.report.skipped)


@pytest.fixture
async def house(shared_engines: Engines, redis: Redis) -> AsyncIterator[House]:
    house = House(shared_engines, redis)
    await house.index.open()
    await house.asked()
    yield house
    await house.close()


async def test_a_reply_is_an_answer_from_then_on_with_a_footnote_to_its_thread_for_those_who_see_the_channel(
    house: House,
) -> None:
    reply = await house.keeps()
    until = house.time + timedelta(days=180)
    assert f"Kept as the answer to “{QUESTION}” until {until:%Y-%m-%d}." in reply.replies[0]
    [hit] = await house.found(CHANNEL)
    assert hit.chunk.title == f"Reviewed answer: {QUESTION}"
    assert hit.chunk.url == THREAD
    assert "gate 3" in hit.chunk.text
    assert await house.found(OTHER) == []
    assert await house.found("user:ana@acme.com") == []


async def test_it_closes_the_gap_that_the_answer_left(house: House) -> None:
    answered = await house.desk.rated("a1")
    assert isinstance(answered, Answered)
    await house.gaps.note(Miss(answered=answered, user=ANA, at=house.time - timedelta(minutes=1)))
    await house.keeps()
    assert await house.gaps.gaps() == []


async def test_it_is_told_no_more_when_it_has_expired(house: House) -> None:
    await house.keeps(f"{HEAD} 30d\n{REPLY}")
    house.time += timedelta(days=29)
    await house.sync()
    assert await house.found(CHANNEL)
    house.time += timedelta(days=2)
    assert await house.sync() == {"expired": 1}
    assert await house.found(CHANNEL) == []
    await house.keeps()
    assert await house.found(CHANNEL), "kept once more, it is told once more"


async def test_a_message_that_is_kept_again_takes_its_own_place_and_another_one_stands_beside_it(house: House) -> None:
    await house.keeps()
    await house.keeps(f"{HEAD}\nIn the basement, gate 4 since May.")
    assert ["gate 4" in hit.chunk.text for hit in await house.found(CHANNEL)] == [True]
    await house.keeps(f"{THREAD}99 {CHANNEL}\nOr in the yard, if it is *small*.")
    assert len(await house.found(CHANNEL)) == 2


async def test_it_is_removed_by_the_button_below_it_and_with_a_page_that_it_repeats(house: House) -> None:
    await house.asked("wiki:parking")
    reply = await house.keeps()
    [button] = reply.buttons
    [upload] = await house.uploads.all()
    assert button.command == f"remove-upload {upload.id}"
    assert await house.reviewed.forget_made_from(["wiki:other"], "cli") == []
    assert await house.reviewed.forget_made_from(["wiki:parking"], "cli") == [upload.id]
    assert await house.found(CHANNEL) == []
    assert await house.uploads.all() == []
    await house.sync()
    assert await house.found(CHANNEL) == []


async def test_administrators_keep_and_whoever_is_called_in_the_channel_and_nobody_else(house: House) -> None:
    for user in (ANA, EXPERT):
        with pytest.raises(UserError, match="administrators"):
            await house.keeps(user=user)
    await house.channels.change("slack", "C1", ChannelConfig(escalate_to=EXPERT))
    await house.keeps(user=EXPERT)
    assert len(await house.found(CHANNEL)) == 1
    with pytest.raises(UserError, match="administrators"):
        await house.keeps(user=ANA)


async def test_it_is_refused_in_private_elsewhere_without_a_question_and_without_a_text(house: House) -> None:
    with pytest.raises(UserError, match="in a channel"):
        await house.keeps(place=OTHER)
    for conversation in (None, "another"):
        with pytest.raises(UserError, match="which question"):
            await house.keeps(conversation=conversation)
    for text in (HEAD, f"{HEAD} 30d\n  "):
        with pytest.raises(UserError, match="nothing to keep"):
            await house.keeps(text)
    for text in ("", REPLY):
        with pytest.raises(UserError, match="Keep as answer"):
            await house.keeps(text)
    with pytest.raises(UserError, match="should be a page"):
        await house.keeps(f"{HEAD}\n{'x' * (LONGEST + 1)}")
    for text in (f"{THREAD}\n{REPLY}", f"{THREAD} {OTHER}\n{REPLY}"):
        with pytest.raises(UserError, match="in a channel"):
            await house.keeps(text)
    assert await house.uploads.all() == []
