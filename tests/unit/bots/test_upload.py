"""Adding, listing and removing files: what is understood, who may, and what people are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from qdrant_client import AsyncQdrantClient

from bots.command import Command
from bots.commands.uploads import UploadCommands
from bots.files import Fetched, Files
from bots.upload import Adding
from core.channels import ChannelConfig
from core.errors import TransientError, UserError
from core.indexing.uploads import Uploads
from core.models import PUBLIC, Access, Attachment, Audience, Message, SyncReport, SyncRequest, SyncState, SyncStatus
from tests.fakes import NOON, RecordingReply, groups, message
from tests.memory_index import LineParser

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect")

GENERAL, OTHER = "channel:slack:C1", "channel:slack:C2"
ANA, BEN, ROOT = "slack:U1", "slack:U2", "slack:U9"


@dataclass(frozen=True)
class Submitted:
    accepted: bool
    state: SyncState


class Jobs:
    """A worker that puts into ``index`` what it is asked to; with ``reason`` it fails, and while it ``hangs`` it does nothing."""

    def __init__(self, index: Index, uploads: Uploads) -> None:
        self.requests: list[SyncRequest] = []
        self.failing = ""
        self.hangs = False
        self._index = index
        self._uploads = uploads

    async def submit(self, request: SyncRequest) -> Submitted:
        self.requests.append(request)
        return Submitted(True, SyncState(source="uploads", status=SyncStatus.WAITING, request=request))

    async def follow(self, request: SyncRequest) -> AsyncIterator[SyncState]:
        while self.hangs:
            await asyncio.sleep(1)
        id = str(request.scope)
        failed = {id: self.failing} if self.failing else {}
        if not failed and await self._uploads.get(id):
            self._index.documents.add(id)
        yield SyncState(source="uploads", status=SyncStatus.DONE, request=request, report=SyncReport(failed=failed))


class Index:
    def __init__(self) -> None:
        self.documents: set[str] = set()
        self.tombstones: set[str] = set()

    async def accesses(self, ids: Collection[str]) -> Mapping[str, Access]:
        return {id: PUBLIC for id in ids if id in self.documents}

    async def forgotten(self, _source: str) -> Mapping[str, str]:
        return dict.fromkeys(self.tombstones, "")

    async def remove(self, ids: Collection[str]) -> None:
        self.documents -= set(ids)


class House:
    """Files in a memory; what is fetched is the address of the file."""

    def __init__(self, **how: Any) -> None:
        self.uploads = Uploads(AsyncQdrantClient(":memory:"))
        self.index = Index()
        self.jobs = Jobs(self.index, self.uploads)
        self.parser = LineParser()
        self.fetched: list[str] = []
        files = Files(self.parser, most=1_000)  # type: ignore[arg-type]  # it speaks the same

        async def fetch(file: Attachment, most: int) -> Fetched:
            self.fetched.append(file.name)
            if file.address == "lost":
                raise TransientError("Slack did not give it to me.")
            return Fetched(file, file.address.encode()[: most + 1])

        files.fetched_by("slack", fetch)
        parts: Any = (self.uploads, files, self.jobs, self.index)
        adding = Adding(*parts, clock=lambda: NOON, patience=0.05)
        self.commands = UploadCommands(adding, self.uploads, groups({"group:ops": ("user:ana@acme.com",)}), **how)

    async def added(self, *files: Attachment, user: str = ANA, text: str = "add this", private: bool = False) -> str:
        held = {"user:ana@acme.com", "workspace:slack:T1"} if user == ANA else {"workspace:slack:T1"}

        async def audience_of(asked: Message) -> Audience:
            assert asked.private
            return Audience.of(held)

        said = message(text, platform="slack", channel_id="C1", user=user, user_name=user, files=files, private=private)
        assert self.commands.wished(said)
        return await self.commands.of_message(said, audience_of)

    async def given(self, name: str, text: str = "", *files: Attachment, user: str = ANA, channel: str = "C1") -> RecordingReply:
        reply = RecordingReply()
        command = Command(
            name=name,
            text=text,
            user=user,
            user_name=user,
            principals=frozenset({user, f"channel:slack:{channel}"}),
            platform="slack",
            channel_id=channel,
            conversation_id=None,
            files=files,
        )
        run = {"add": self.commands.add, "uploads": self.commands.show, "remove-upload": self.commands.remove}[name]
        await run(command, reply)
        return reply


def file(
    name: str = "Travel.md", text: str = "A night may cost 190 euros.", *, place: str = GENERAL, **fields: Any
) -> Attachment:
    values = {"size": len(text), "address": text, "url": f"https://acme.slack.com/files/{name}"}
    return Attachment(name=name, place=place, **(values | fields))


@pytest.mark.parametrize(
    "text",
    [
        "add this",
        "Add this to what you know.",
        "please remember these files!",
        "can you add the attached documents to your knowledge, please?",
        "learn it",
        "read this",
        "Save this PDF for later",
    ],
)
def test_a_wish_to_have_files_known_is_understood(text: str) -> None:
    commands = House().commands
    assert commands.wished(message(text, files=(file(),)))
    assert not commands.wished(message(text)), "without a file there is nothing to add"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "you",
        "what does this say?",
        "add up the numbers in this",
        "read this and tell me what a night in Oslo costs",
        "Can you summarise the attached document?",
        "add this " * 100,
        "add " + "into" * 40 + "x",
    ],
)
def test_a_question_about_a_file_is_no_wish_to_have_it_known(text: str) -> None:
    assert not House().commands.wished(message(text, files=(file(),)))


async def test_a_file_is_read_by_those_alone_who_see_where_it_was_dropped() -> None:
    house = House()
    told = await house.added(file())
    assert told == "I read `Travel.md` (6 words). Everybody in this channel can ask me about it here."
    (kept,) = await house.uploads.all()
    assert kept.access == Access(gates=(frozenset({GENERAL}),))
    assert (kept.name, kept.title, kept.by, kept.at) == ("Travel.md", "Travel", ANA, NOON)
    assert await house.uploads.read(kept.id) == (kept, b"A night may cost 190 euros.")
    (request,) = house.jobs.requests
    assert (request.source, request.scope) == ("uploads", kept.id)


async def test_in_private_it_is_for_who_added_it_and_nobody_else() -> None:
    house = House()
    assert "Only you can ask me about it" in await house.added(file(place=""), private=True)
    (kept,) = await house.uploads.all()
    assert kept.access == Access(gates=(frozenset({"user:ana@acme.com"}),))
    with pytest.raises(UserError, match="do not know you by an address"):
        await house.added(file(place=""), user=BEN, private=True)


async def test_what_cannot_be_read_does_not_take_the_place_of_what_can() -> None:
    house = House()
    await house.added(file())
    house.parser.broken.add("Travel.md")
    with pytest.raises(UserError, match="I could not read it: damaged"):
        await house.added(file(text="newer"))
    (kept,) = await house.uploads.all()
    assert await house.uploads.read(kept.id) == (kept, b"A night may cost 190 euros.")


async def test_a_file_that_is_too_large_or_of_an_unknown_kind_is_not_even_fetched() -> None:
    house = House()
    with pytest.raises(UserError, match=r"has 2\.0 MB, and I read files of up to 0 MB"):
        await house.added(file(size=2_000_000))
    with pytest.raises(UserError, match=r"I cannot read `kite\.png`"):
        await house.added(file("kite.png"))
    assert house.fetched == []


async def test_a_file_that_is_larger_than_it_says_is_refused_too() -> None:
    house = House()
    with pytest.raises(UserError, match="I read files of up to"):
        await house.added(file(text="x" * 5_000, size=10))
    assert await house.uploads.all() == []


async def test_of_several_files_each_is_told_of() -> None:
    house = House()
    told = await house.added(file(), file("kite.png"), file("Lost.md", address="lost"), file("Leave.txt", "Thirty days."))
    assert [line.partition("`")[2].partition("`")[0] for line in told.splitlines()] == ["Travel.md", "Leave.txt", "kite.png", ""]
    assert "did not give it to me" in told


async def test_a_file_that_is_only_lost_for_a_moment_may_be_tried_again() -> None:
    with pytest.raises(TransientError):
        await House().added(file(address="lost"))


async def test_who_waits_too_long_is_told_to_ask_later() -> None:
    house = House()
    house.jobs.hangs = True
    assert "ask me about it in a few minutes" in await house.added(file())
    assert len(await house.uploads.all()) == 1


async def test_why_a_file_is_not_in_the_index_is_said() -> None:
    house = House()
    house.jobs.failing = "it is too long"
    with pytest.raises(UserError, match="not in the index: it is too long"):
        await house.added(file())


async def test_a_file_that_was_forgotten_is_not_taken_again() -> None:
    house = House()
    await house.added(file())
    (kept,) = await house.uploads.all()
    await house.given("remove-upload", kept.id)
    house.index.tombstones.add(kept.id)
    with pytest.raises(UserError, match=r"An administrator had `Travel\.md` forgotten"):
        await house.added(file())
    assert await house.uploads.all() == []


async def test_adding_can_be_left_to_administrators_or_switched_off() -> None:
    with pytest.raises(UserError, match="switched off here"):
        await House(allowed="off", admins={ANA}).added(file())
    closed = House(allowed="admins", admins={ROOT})
    with pytest.raises(UserError, match="Only Footnote's administrators"):
        await closed.added(file())
    assert "I read" in await closed.added(file(), user=ROOT)


async def test_people_see_the_files_that_they_may_read_and_can_remove_their_own() -> None:
    house = House(admins={ROOT})
    await house.added(file())
    await house.added(file("Other.md", place=OTHER), user=BEN)
    assert await buttons(house, ANA) == ["Remove Travel.md"]
    assert await buttons(house, BEN) == []
    assert await buttons(house, ROOT) == ["Remove Travel.md"]
    [text] = (await house.given("uploads", channel="C2")).replies
    assert "Other.md" in text
    assert "Travel.md" not in text
    with pytest.raises(UserError, match="Nobody added a file"):
        await house.given("uploads", channel="C3")


async def buttons(house: House, user: str) -> list[str]:
    return [button.label for button in (await house.given("uploads", user=user)).buttons]


async def test_a_file_is_removed_by_who_added_it_or_an_administrator_and_nobody_else_learns_of_it() -> None:
    house = House(admins={ROOT})
    await house.added(file())
    (kept,) = await house.uploads.all()
    with pytest.raises(UserError, match=r"`Travel\.md` was added by"):
        await house.given("remove-upload", kept.id, user=BEN)
    for channel, id in (("C2", kept.id), ("C1", "uploads:0"), ("C1", "")):
        with pytest.raises(UserError, match="There is no such file"):
            await house.given("remove-upload", id, user=BEN, channel=channel)
    assert kept.id in house.index.documents
    reply = await house.given("remove-upload", kept.id, user=ROOT, channel="C2")
    assert reply.replies == ["`Travel.md` is removed: nothing of it is left in what I know."]
    assert house.index.documents == set()
    assert await house.uploads.all() == []


async def test_the_buttons_fit_into_what_the_platforms_allow() -> None:
    house = House()
    await house.added(file("a very long name " * 10 + ".md"))
    [button] = (await house.given("uploads")).buttons
    assert len(button.label) <= 75
    assert len(button.command) <= 90


async def test_a_command_without_a_file_says_how_files_are_added() -> None:
    with pytest.raises(UserError, match=r"Add to Footnote"):
        await House().given("add")
    reply = await House().given("add", "Allowances 2026", file())
    assert "I read `Travel.md`" in reply.replies[0]


async def test_a_title_of_its_own_stands_in_the_footnote() -> None:
    house = House()
    await house.given("add", " Allowances  2026 ", file())
    (kept,) = await house.uploads.all()
    assert kept.title == "Allowances 2026"


async def test_a_channel_that_is_answered_from_other_sources_only_is_told_so() -> None:
    class Narrow:
        sources = ("wiki",)

        async def of(self, platform: str, channel: str) -> ChannelConfig:
            assert (platform, channel) == ("slack", "C1")
            return ChannelConfig(sources=self.sources)

    narrow = Narrow()
    house = House(channels=narrow)
    assert "this channel is answered from `wiki` only: add `uploads`" in await house.added(file())
    narrow.sources = ("wiki", "uploads")
    assert "Everybody in this channel" in await house.added(file())


async def test_a_name_cannot_break_out_of_what_is_said() -> None:
    house = House()
    told = await house.added(replace(file(), name="`@everyone`\n# [x](https://evil.example).md"))
    assert told.startswith("I read `'@everyone' # [x](https://evil.example).md` (")
    [listed] = (await house.given("uploads")).replies
    assert "](https://acme" not in listed
