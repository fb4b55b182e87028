"""When the bot says nothing."""

from __future__ import annotations

from tests.e2e.discord_dialogue import Dialogue, dialogue


async def _nobody_is_answered(talk: Dialogue) -> None:
    """A question afterwards is answered, and it is the only one: events are taken in order."""
    await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "The only question"))
    assert [message.text for message, _ in talk.assistant.asked] == ["The only question"]


async def test_people_who_talk_among_themselves_are_left_alone() -> None:
    async with dialogue() as talk:
        said = await talk.discord.say(talk.ana, talk.general, "Is Footnote any good?")
        await talk.discord.say(talk.root, talk.general, "Very.", reply_to=said)
        await _nobody_is_answered(talk)


async def test_other_bots_webhooks_and_the_bot_itself_are_never_answered() -> None:
    async with dialogue() as talk:
        other = talk.discord.user("Other", bot=True)
        text = f"{talk.discord.bot.mention} how many days?"
        await talk.discord.say(other, talk.general, text)
        await talk.discord.say(other, talk.discord.dm_channel(other), text)
        await talk.discord.say(talk.ana, talk.general, text, webhook=True)
        await talk.discord.say(talk.discord.bot, talk.general, text)
        await _nobody_is_answered(talk)


async def test_a_mention_in_code_or_in_a_quote_speaks_about_the_bot_not_to_it() -> None:
    async with dialogue() as talk:
        mention = talk.discord.bot.mention
        for text in (f"type `{mention} how many days?`", f"```\n{mention} help\n```", f"> {mention} how many days?\nshe asked"):
            said = await talk.discord.say(talk.ana, talk.general, text)
            # Even if Discord took it for a mention.
            said.mentions = (talk.discord.bot,)
            talk.discord.deliver(said)
        await _nobody_is_answered(talk)


async def test_everyone_is_not_a_mention_of_the_bot() -> None:
    async with dialogue() as talk:
        await talk.discord.say(talk.ana, talk.general, "@everyone lunch? @here")
        await _nobody_is_answered(talk)


async def test_edits_and_deletions_are_not_answered() -> None:
    async with dialogue() as talk:
        said = await talk.discord.say(talk.ana, talk.general, "How many days?")
        await talk.discord.edit(said, f"{talk.discord.bot.mention} how many days?")
        await talk.discord.delete(said)
        await _nobody_is_answered(talk)


async def test_joining_members_and_pins_are_not_answered() -> None:
    async with dialogue() as talk:
        for kind in (6, 7, 8):
            await talk.discord.say(talk.ana, talk.general, f"{talk.discord.bot.mention}", kind=kind)
        await _nobody_is_answered(talk)


async def test_a_reply_without_a_ping_has_no_text_for_the_bot_and_is_left_alone() -> None:
    async with dialogue() as talk:
        question = await talk.discord.mention(talk.ana, talk.general, "The only question")
        answer = await talk.discord.answer_to(question)
        await talk.discord.say(talk.ana, talk.general, "thanks!", reply_to=answer, ping=False)
        await talk.discord.stays(lambda: len(talk.assistant.asked) == 1)
