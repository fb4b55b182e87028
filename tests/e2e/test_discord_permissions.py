"""What the bot does on Discord with fewer rights than it was invited with."""

from __future__ import annotations

from tests.e2e.discord_dialogue import TRAVEL, dialogue, says
from tests.emulators.discord_components import buttons_of
from tests.emulators.discord_permissions import ALL, SEND, VIEW


async def test_to_see_and_to_send_is_all_that_an_answer_needs() -> None:
    async with dialogue(says("Thirty days [1].", TRAVEL)) as talk:
        await talk.set(talk.general, threads=True)
        talk.discord.overwrite(talk.general, talk.discord.bot, allow=VIEW | SEND, deny=ALL & ~(VIEW | SEND))
        await talk.discord.mention(talk.ana, talk.general, "How many days?")
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(talk.general)), what="the answer")
        [reply] = talk.discord.said_by_bot(talk.general)
        assert "Travel policy" in reply.content
        assert reply.reply_to is None, "that would need the right to read the history"
        assert buttons_of(reply.components)
        assert not any(call.body.get("embeds") for call in talk.discord.calls("POST", "/messages$"))


async def test_ask_is_answered_where_the_bot_itself_may_not_write() -> None:
    async with dialogue(says("Thirty days.")) as talk:
        talk.discord.overwrite(talk.general, talk.discord.bot, deny=SEND)
        for private in (False, True):
            asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", private=private)
            assert await talk.discord.finished(asked) == ["Thirty days."]
            assert asked.ephemeral is private
        assert talk.discord.dm_channel(talk.ana).messages == []
