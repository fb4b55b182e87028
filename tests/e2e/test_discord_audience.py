"""Who sees what on Discord: channels by their roles, people by their own rights, accounts by linked addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from bots.app import App, open_app
from bots.terminal import sync
from core.settings import ConfigFile, Settings
from tests.e2e.installation import Installation
from tests.emulators.discord import DiscordServer
from tests.emulators.discord_components import buttons_of
from tests.emulators.discord_permissions import ADMINISTRATOR, SEND, VIEW
from tests.emulators.discord_world import Channel, Interaction, Message, User

PAGES = {
    "leave.md": "# Leave\n\nEverybody has thirty days of paid leave a year.\n",
    "bonus.md": "---\naccess: [group:eng]\n---\n# Bonus\n\nThe bonus of an engineer is nine thousand euros.\n",
    "handover.md": "---\naccess: [user:ana@acme.com]\n---\n# Handover\n\nThe handover to Ana is on the ninth of May.\n",
}
BONUS, HANDOVER = "How high is the bonus of an engineer?", "When is the handover to Ana?"
NONSENSE = "How loud is the colour of a Tuesday?"
PRIVATELY, SHARE = "Answer with my access", "Share it here"


class Office:
    """A company with engineers, of whom Ana is one and Bob is none, and a channel that only engineers see."""

    def __init__(self, discord: DiscordServer) -> None:
        self.discord = discord
        self.engineers = discord.role("Engineers")
        self.guests = discord.role("Guests")
        self.ana = discord.user("Ana", roles=(self.engineers,))
        self.bob = discord.user("Bob", roles=(self.guests,))
        self.general = discord.channel("general")
        self.eng = discord.channel("eng", only_for=[self.engineers])
        # The owner of a server sees all of it.
        self.groups = {"group:eng": (f"role:discord:{self.engineers.id}", f"user:discord:{discord.owner.id}")}

    @asynccontextmanager
    async def open(self, home: Path) -> AsyncIterator[App]:
        pages = home / "pages"
        pages.mkdir()
        for name, text in PAGES.items():
            (pages / name).write_text(text)
        settings = Settings(
            _env_file=None,
            footnote_data_dir=home / "d",
            footnote_folder=pages,
            footnote_embeddings="local:wordllama",
            footnote_rate_limit=1000,
            discord_bot_token=self.discord.token,
            discord_api_url=self.discord.api_url,
            file=ConfigFile(groups=self.groups),
        )
        async with open_app(settings) as app:
            assert all(sync.succeeded(state) for state in await sync.run(app, (), quiet=True))
            assert app.discord is not None
            await app.discord.start()
            try:
                yield app
            finally:
                await app.discord.stop(drain=5)

    async def asked(self, person: User, channel: Channel, question: str = BONUS) -> Message:
        """The answer that all who see the channel see."""
        return await self.discord.answer_to(await self.discord.mention(person, channel, question))

    async def privately(self, person: User, question: str, channel: Channel | None = None) -> str:
        """What is answered to a person alone, in a channel or in a direct message."""
        if channel is None:
            return (await self.discord.answer_to(await self.discord.dm(person, question))).content
        given = await self.discord.slash(person, "ask", channel=channel, question=question, private=True)
        return "\n".join(await self.discord.finished(given))

    async def pressed(self, person: User, message: Message, label: str, shown: int = 1) -> Interaction:
        """A button's answer, once it has so many messages."""
        pressed = await self.discord.press(person, message, label)
        await self.discord.until(lambda: len(pressed.texts) >= shown, what=f"what {label!r} gives")
        assert pressed.ephemeral
        return pressed

    async def told(self, person: User, command: str, **options: str) -> str:
        given = await self.discord.slash(person, command, channel=self.general, **options)
        [text] = await self.discord.finished(given)
        assert given.ephemeral
        return text


@asynccontextmanager
async def office(home: Path) -> AsyncIterator[Office]:
    async with DiscordServer() as discord:
        office = Office(discord)
        async with office.open(home):
            yield office


def without(question: str, message: Message) -> str:
    return message.content.replace(question, "…")


async def test_a_page_for_a_role_is_found_where_only_that_role_listens(data_dir: Path) -> None:
    async with office(data_dir) as acme:
        in_general, nonsense = await acme.asked(acme.ana, acme.general), await acme.asked(acme.ana, acme.general, NONSENSE)
        assert without(BONUS, in_general) == without(NONSENSE, nonsense)
        assert "thirty days" in (await acme.asked(acme.bob, acme.general, "How many days of paid leave are there?")).content
        assert "nine thousand" in (await acme.asked(acme.ana, acme.eng)).content
        thread = acme.discord.thread(acme.eng, "Money")
        assert "nine thousand" in (await acme.asked(acme.ana, thread)).content
        secret = acme.discord.thread(acme.general, "Secret", invited=[acme.ana])
        assert without(BONUS, await acme.asked(acme.ana, secret)) == without(NONSENSE, nonsense)


@pytest.mark.slow
async def test_whoever_is_let_into_a_channel_is_reckoned_with_in_its_next_answer(data_dir: Path) -> None:
    async with office(data_dir) as acme:
        discord = acme.discord
        opened = partial(discord.overwrite, acme.eng)
        for let_in, shut_out in (
            (partial(opened, acme.guests, allow=VIEW), partial(opened, acme.guests)),
            (partial(opened, acme.bob, allow=VIEW), partial(opened, acme.bob)),
            (partial(opened, discord.everyone), partial(opened, discord.everyone, deny=VIEW)),
            (partial(discord.permit, acme.guests, ADMINISTRATOR), partial(discord.permit, acme.guests, 0)),
        ):
            assert "nine thousand" in (await acme.asked(acme.ana, acme.eng)).content
            let_in()
            assert discord.sees(acme.bob, acme.eng)
            assert "nine thousand" not in (await acme.asked(acme.ana, acme.eng)).content
            shut_out()
            assert not discord.sees(acme.bob, acme.eng)
        temporary = discord.role("Temporary", ADMINISTRATOR)
        assert "nine thousand" not in (await acme.asked(acme.ana, acme.eng)).content
        discord.delete_role(temporary)
        assert "nine thousand" in (await acme.asked(acme.ana, acme.eng)).content


@pytest.mark.slow
async def test_a_channel_follows_its_category_and_can_be_given_a_group_itself(data_dir: Path) -> None:
    async with DiscordServer() as discord:
        acme = Office(discord)
        engineering = discord.category("Engineering")
        discord.overwrite(engineering, discord.everyone, deny=VIEW)
        discord.overwrite(engineering, discord.bot, allow=VIEW)
        discord.overwrite(engineering, acme.engineers, allow=VIEW)
        backend, lounge = discord.channel("backend", category=engineering), discord.channel("lounge")
        acme.groups["group:eng"] += (f"channel:discord:{lounge.id}",)
        async with acme.open(data_dir):
            assert "nine thousand" in (await acme.asked(acme.ana, backend)).content
            discord.overwrite(engineering, acme.guests, allow=VIEW)
            assert "nine thousand" not in (await acme.asked(acme.ana, backend)).content
            assert "nine thousand" in (await acme.asked(acme.bob, lounge)).content
            assert "nine thousand" in await acme.privately(acme.bob, BONUS, lounge)
            assert "nine thousand" not in await acme.privately(acme.bob, BONUS, acme.general)


async def test_below_each_answer_of_a_channel_is_a_button_for_ones_own_and_it_is_shared_on_purpose(data_dir: Path) -> None:
    async with office(data_dir) as acme:
        alone = await acme.discord.answer_to(await acme.discord.dm(acme.bob, BONUS))
        await acme.discord.until(lambda: bool(buttons_of(alone.components)), what="the buttons")
        assert PRIVATELY not in [button["label"] for button in buttons_of(alone.components)]
        answer = await acme.asked(acme.bob, acme.general)
        assert "nine thousand" not in answer.content
        mine = await acme.pressed(acme.ana, answer, PRIVATELY, shown=2)
        assert "nine thousand" in mine.texts[0]
        assert "[1] Bonus" in mine.texts[0]
        assert "look at its sources" in mine.texts[1]
        his = await acme.pressed(acme.bob, answer, PRIVATELY)
        assert without(BONUS, his.shown[0]) == without(BONUS, answer)
        assert not any("nine thousand" in text for text in acme.discord.seen_by(acme.bob, acme.general))

        shared = await acme.pressed(acme.ana, mine.shown[1], SHARE)
        assert shared.texts == ["It is in the channel now."]
        published = [said for said in acme.discord.said_by_bot(acme.general) if said.only_for is None][-1]
        assert all(text in published.content for text in ("nine thousand", "[1] Bonus", "Shared by Ana."))

        mine = await acme.pressed(acme.ana, answer, PRIVATELY, shown=2)
        acme.discord.overwrite(acme.general, acme.discord.bot, deny=SEND)
        [refused] = (await acme.pressed(acme.ana, mine.shown[1], SHARE)).texts
        assert refused == "It could not be shared here: I may not write in the channel."


@pytest.mark.slow
async def test_an_account_that_is_linked_by_code_reads_in_private_what_its_person_may(data_dir: Path) -> None:
    async with DiscordServer() as discord:
        acme = Office(discord)
        async with acme.open(data_dir) as app:
            assert "ninth of May" not in await acme.privately(acme.ana, HANDOVER)
            settings = {"FOOTNOTE_DATA_DIR": str(data_dir / "d"), "FOOTNOTE_EMBEDDINGS": "local:wordllama"}
            code = (await Installation(data_dir, settings).run("link", "Ana@acme.com")).out.strip()
            assert "known as ana@acme.com, for 90 days" in await acme.told(acme.ana, "link", code=code)
            assert "ninth of May" in await acme.privately(acme.ana, HANDOVER)
            assert "ninth of May" in await acme.privately(acme.ana, HANDOVER, acme.general)
            in_general = await acme.asked(acme.ana, acme.general, HANDOVER)
            assert "ninth of May" not in in_general.content
            assert "ninth of May" in (await acme.pressed(acme.ana, in_general, PRIVATELY, shown=2)).texts[0]
            used = await acme.told(acme.bob, "link", code=code)
            assert used == "This code is not valid. A code works once, for ten minutes: please get a new one."
            assert {await acme.told(acme.bob, "link", code=f"ACDE-FHJ{last}") for last in "ACDE"} == {used}
            new = await app.links.issue("ana@acme.com")
            assert "try again in an hour" in await acme.told(acme.bob, "link", code=new)

            assert (await acme.told(acme.ana, "unlink")).startswith("Links taken away: 1.")
            assert (await acme.told(acme.ana, "unlink")).startswith("Links taken away: 0.")
            assert "ninth of May" not in await acme.privately(acme.ana, HANDOVER)
            assert "known as ana@acme.com" in await acme.told(acme.ana, "link", code=new)
            gone = await Installation(data_dir, settings).run("unlink", "ana@acme.com")
            assert gone.out == "links taken away from ana@acme.com: 1\n"


async def test_a_source_is_offered_by_the_index_itself_and_a_question_narrowed_to_it(data_dir: Path) -> None:
    async with DiscordServer() as discord, (office := Office(discord)).open(data_dir):
        typed = await discord.type(office.bob, "ask", "source", "fo", channel=office.general)
        await discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == ["folder"]
        assert typed.acknowledged_after is not None
        assert typed.acknowledged_after < 1
        question = "How many days of paid leave does everybody have?"
        given = await discord.slash(office.bob, "ask", channel=office.general, question=question, source="folder")
        assert "thirty days" in "".join(await discord.finished(given))
