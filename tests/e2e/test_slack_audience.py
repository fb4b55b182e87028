"""Slack: a channel is told what all who read it may know, and one person what that person may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bots.app import App, open_app
from core.models import Access
from core.settings import ConfigFile, FolderConfig, Settings
from tests.contract.pages import document
from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import Post, Whisper

ANA, BEN, GUEST = "U1ANA", "U2BEN", "U3GUEST"
GENERAL, OPS = "C1GENERAL", "C2OPS"
BAND = "Which salary band has a principal engineer?"
NONSENSE = "Which zorblax has a quibbled fnord?"
LEAVE = "How many days of paid vacation are there in a year?"
OFFER, PRIVATELY, SHARE = "You may read more than everybody in this channel.", "Answer with my access", "Share it here"
PEOPLE_OPS = Access(gates=(frozenset({"group:people-ops"}),))
PAGES = [
    document("leave", "Everybody has thirty days of paid vacation in a year."),
    document("salaries", "A principal engineer is in the salary band E7, which no letter may say.", PEOPLE_OPS),
]


class Team:
    def __init__(self, slack: SlackServer, app: App) -> None:
        self.slack = slack
        self.app = app

    async def asks(self, user: str, channel: str, text: str, thread: Post | None = None) -> Post:
        """The channel's answer."""
        before = len(self.slack.replies(thread)) if thread else 0
        said = await self.slack.mention(user, channel, text, thread=thread)
        return await self.slack.until_reply(said, before + 1)

    async def presses(self, user: str, whisper: Whisper, label: str, *, shows: int) -> list[Whisper]:
        """What they alone are shown then."""
        before = len(self.slack.whispers(user))
        await self.slack.press(user, whisper, label)
        await self.slack.until_whisper(user, before + shows)
        return self.slack.whispers(user)[before:]


@asynccontextmanager
async def team(data_dir: Path, *, groups: Mapping[str, tuple[str, ...]] | None = None) -> AsyncIterator[Team]:
    """Ana is in people-ops, Ben is not; both are in #general, Ana alone in #ops, which is private."""
    async with SlackServer() as slack:
        slack.user(ANA, name="Ana", email="ana@acme.com")
        slack.user(BEN, name="Ben", email="ben@acme.com")
        slack.user(GUEST, name="Guest", email="guest@acme.com", is_restricted=True)
        slack.channel(GENERAL, ANA, BEN)
        slack.channel(OPS, ANA, private=True)
        settings = Settings(
            _env_file=None,
            footnote_data_dir=data_dir,
            slack_bot_token=slack.bot_token,
            slack_app_token=slack.app_token,
            slack_api_url=slack.url,
            file=ConfigFile(
                folders=(FolderConfig(name="wiki", path=data_dir, url="https://wiki.acme.com"),),
                groups={"group:people-ops": ("user:ana@acme.com",), **(groups or {})},
            ),
        )
        async with open_app(settings) as app:
            await app.index.upsert(PAGES)
            assert app.slack is not None
            await app.slack.start()
            try:
                yield Team(slack, app)
            finally:
                await app.slack.stop(5)
        assert slack.flaws == []


async def test_a_page_of_a_few_is_nonsense_to_a_channel_of_many(data_dir: Path) -> None:
    async with team(data_dir) as here:
        band, nonsense = await here.asks(BEN, GENERAL, BAND), await here.asks(BEN, GENERAL, NONSENSE)
        assert band.shown.replace(BAND, "…") == nonsense.shown.replace(NONSENSE, "…")
        assert "E7" not in band.shown
        assert "thirty days" in (await here.asks(BEN, GENERAL, LEAVE)).shown


async def test_a_public_channel_is_read_by_all_of_the_workspace_whoever_its_members_are(data_dir: Path) -> None:
    async with team(data_dir) as here:
        here.slack.channel(OPS, ANA)
        assert "E7" not in (await here.asks(ANA, OPS, BAND)).shown


async def test_a_channel_of_those_who_may_read_it_is_answered_until_one_joins_who_may_not(data_dir: Path) -> None:
    async with team(data_dir) as here:
        first = await here.asks(ANA, OPS, BAND)
        assert "E7" in first.shown
        assert not here.slack.whispers(ANA), "there is nothing more to be read in private"
        await here.slack.join(GUEST, OPS)
        await here.slack.settled()
        assert "E7" not in (await here.asks(ANA, OPS, BAND)).shown
        assert "E7" not in (await here.asks(ANA, OPS, "And what does no letter say?", thread=first)).shown
        await here.slack.leave(GUEST, OPS)
        await here.slack.settled()
        assert "E7" in (await here.asks(ANA, OPS, BAND)).shown


async def test_who_may_read_more_asks_in_private_sees_the_sources_and_shares_the_answer(data_dir: Path) -> None:
    async with team(data_dir) as here:
        public = await here.asks(ANA, GENERAL, BAND)
        offer = await here.slack.until_whisper(ANA)
        assert (offer.shown, offer.buttons, offer.thread_ts) == (f"{OFFER}\n{PRIVATELY}", [PRIVATELY], public.thread_ts)
        private, sharing = await here.presses(ANA, offer, PRIVATELY, shows=2)
        assert "E7" in private.shown
        assert "<https://wiki.acme.com/salaries|Salaries>" in private.shown
        assert sharing.buttons == [SHARE]
        assert {private.thread_ts, sharing.thread_ts} == {public.thread_ts}
        question = here.slack.workspace.thread(GENERAL, public.root)[0]
        assert here.slack.replies(question) == [public], "nobody else has seen anything"

        again = await here.asks(ANA, GENERAL, "And the salary band of a principal engineer is?", thread=question)
        assert "E7" not in again.shown, "what was answered in private is not remembered in the channel"

        await here.slack.press(ANA, sharing, SHARE)
        shared = await here.slack.until_reply(question, 3)
        assert "Shared by Ana." in shared.shown
        assert "E7" in shared.shown
        assert "<https://wiki.acme.com/salaries|Salaries>" in shared.shown


async def test_what_is_offered_depends_on_the_person_and_never_on_the_question(data_dir: Path) -> None:
    async with team(data_dir) as here:
        for question in (BAND, NONSENSE, LEAVE):
            await here.asks(BEN, GENERAL, question)
        for question in (NONSENSE, LEAVE):
            await here.asks(ANA, GENERAL, question)
        await here.slack.until_whisper(ANA, 2)
        assert [whisper.shown for whisper in here.slack.whispers(ANA)] == [f"{OFFER}\n{PRIVATELY}"] * 2
        assert not here.slack.whispers(BEN)


async def test_a_channel_that_is_shared_with_another_organisation_is_told_what_everybody_may_know(data_dir: Path) -> None:
    async with team(data_dir) as here:
        assert "E7" in (await here.asks(ANA, OPS, BAND)).shown
        await here.slack.share(OPS)
        await here.slack.settled()
        assert "E7" not in (await here.asks(ANA, OPS, BAND)).shown
        assert "thirty days" in (await here.asks(ANA, OPS, LEAVE)).shown


async def test_what_is_granted_to_a_channel_or_to_the_workspace_is_told_there(data_dir: Path) -> None:
    async with team(data_dir, groups={"group:people-ops": (f"channel:slack:{GENERAL}",)}) as here:
        here.slack.fail("conversations.members", error="missing_scope")
        assert "E7" in (await here.asks(BEN, GENERAL, BAND)).shown
        await here.slack.join(GUEST, GENERAL)
        await here.slack.settled()
        assert "E7" in (await here.asks(BEN, GENERAL, BAND)).shown
        here.slack.channel(OPS, ANA, BEN, private=True)
        assert "E7" not in (await here.asks(BEN, OPS, BAND)).shown


async def test_members_who_cannot_be_read_are_told_what_everybody_may_know(data_dir: Path) -> None:
    async with team(data_dir) as here:
        here.slack.fail("conversations.members", error="missing_scope")
        assert "E7" not in (await here.asks(ANA, OPS, BAND)).shown
        assert "E7" in (await here.asks(ANA, OPS, BAND)).shown, "it was for a moment"
