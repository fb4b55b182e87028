"""Who may ask where on Discord, and what a whole server has set for its channels."""

from __future__ import annotations

from core.channels import DEFAULT, ChannelConfig, Policy
from tests.e2e.discord_dialogue import Dialogue, dialogue
from tests.e2e.test_discord_policies import all_ears
from tests.emulators.discord_permissions import MANAGE_CHANNELS
from tests.emulators.discord_world import Channel


async def _set_in(talk: Dialogue, channel: Channel) -> ChannelConfig:
    return await talk.channels.of("discord", str(channel.id))


async def test_what_a_server_sets_counts_in_each_channel_that_has_no_settings_of_its_own() -> None:
    async with dialogue() as talk:
        other = talk.discord.channel("other")
        await talk.set(other, language="Spanish")
        given = await talk.discord.slash(talk.root, "config", channel=talk.general, server=True, language="German", private=True)
        [text] = await talk.discord.finished(given)
        assert "Settings of this server" in text
        assert await _set_in(talk, talk.general) == ChannelConfig(language="German", private=True)
        assert await _set_in(talk, other) == ChannelConfig(language="Spanish")
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.discord.thread(talk.general, "Leave"), question="How?")
        await talk.discord.finished(asked)
        assert asked.ephemeral

        own = await talk.discord.slash(talk.root, "config", channel=talk.general, private=False)
        await talk.discord.finished(own)
        assert await _set_in(talk, talk.general) == ChannelConfig(language="German")
        back = await talk.discord.slash(talk.root, "config", channel=talk.general, clear="everything")
        await talk.discord.finished(back)
        assert (await _set_in(talk, talk.general)).private
        gone = await talk.discord.slash(talk.root, "config", channel=other, server=True, clear="everything")
        await talk.discord.finished(gone)
        assert await _set_in(talk, talk.general) == DEFAULT


async def test_a_channel_can_be_as_by_default_on_a_server_that_is_not() -> None:
    async with dialogue() as talk:
        other = talk.discord.channel("other")
        for settings in ({"server": True, "policy": "mention"}, {"policy": "sticky-thread"}):
            await talk.discord.finished(await talk.discord.slash(talk.root, "config", channel=talk.general, **settings))
        assert (await _set_in(talk, talk.general)).policy is Policy.STICKY
        assert (await _set_in(talk, other)).policy is Policy.MENTION


async def test_who_manages_a_channel_sets_nothing_for_the_server() -> None:
    async with dialogue() as talk:
        talk.discord.overwrite(talk.general, talk.ana, allow=MANAGE_CHANNELS)
        given = await talk.discord.slash(talk.ana, "config", channel=talk.general, hidden=True, server=True, policy="mention")
        [text] = await talk.discord.finished(given)
        assert "manage this server" in text
        assert await _set_in(talk, talk.general) == DEFAULT


async def test_where_some_roles_may_ask_others_are_told_which_and_get_no_answer_by_any_way() -> None:
    async with all_ears() as talk:
        bo = talk.discord.user("Bo")
        people = talk.people_ops.id
        await talk.set(talk.general, policy=Policy.QUESTIONS, threads=True, askers=(f"discord:role:{people}",))
        refused = await talk.discord.mention(bo, talk.general, "How many days?")
        assert "**People Ops**" in (await talk.discord.answer_to(refused)).content
        await talk.discord.edit(refused, f"{talk.discord.bot.mention} How many days of leave?")
        await talk.discord.say(bo, talk.general, "How many days of leave do we have?")
        asked = await talk.discord.slash(bo, "ask", channel=talk.general, question="How many days?")
        assert "**People Ops**" in "".join(await talk.discord.finished(asked))
        assert asked.ephemeral

        question = await talk.discord.say(talk.ana, talk.general, "How many days of leave do we have?")
        await talk.discord.until(lambda: question.id in talk.discord.channels, what="the thread of an answer")
        thread = talk.discord.channels[question.id]
        await talk.discord.until(lambda: bool(talk.discord.said_by_bot(thread)), what="the answer")
        pressed = await talk.discord.press(bo, talk.discord.said_by_bot(thread)[0], "Answer with my access")
        assert "**People Ops**" in "".join(await talk.discord.finished(pressed))
        assert [message.user for message, _ in talk.assistant.asked] == [f"discord:{talk.ana.id}"]
        await talk.discord.answer_to(await talk.discord.dm(bo, "How many days?"))


async def test_administrators_and_people_who_are_named_may_ask_and_config_names_them() -> None:
    async with dialogue() as talk:
        bo = talk.discord.user("Bo")
        named = f"{bo.mention} <@&{talk.people_ops.id}>"
        given = await talk.discord.slash(talk.root, "config", channel=talk.general, askers=named)
        await talk.discord.finished(given)
        assert (await _set_in(talk, talk.general)).askers == (f"discord:{bo.id}", f"discord:role:{talk.people_ops.id}")
        for person in (bo, talk.ana, talk.root):
            await talk.discord.answer_to(await talk.discord.mention(person, talk.general, "How many days?"))
        assert len(talk.assistant.asked) == 3
        await talk.discord.finished(await talk.discord.slash(talk.root, "config", channel=talk.general, clear="askers"))
        assert (await _set_in(talk, talk.general)).askers == ()
