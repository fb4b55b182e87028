"""Whoever sees a channel of Discord holds what one of the ways into it asks for."""

from __future__ import annotations

import discord
from discord.user import ClientUser
from hypothesis import given, settings
from hypothesis import strategies as st

from bots.discord.audience import MOST_WAYS, DiscordAudience, Ways
from core.models import ANYONE, Audience, Principal
from tests.emulators.discord import DiscordServer
from tests.emulators.discord_permissions import ADMINISTRATOR, MANAGE_THREADS, SEND, VIEW
from tests.emulators.discord_world import Channel
from tests.fakes import groups

permissions = st.sampled_from([0, VIEW, SEND, VIEW | SEND, MANAGE_THREADS, ADMINISTRATOR])


class Cache:
    """What discord.py knows of a server after the gateway told of it."""

    def __init__(self, server: DiscordServer) -> None:
        client = discord.Client(intents=discord.Intents(guilds=True), member_cache_flags=discord.MemberCacheFlags.none())
        state = client._connection
        state.user = ClientUser(state=state, data=server.bot.json())
        self.guild = discord.Guild(data=server.guild_json(), state=state)

    def channel(self, channel: Channel) -> discord.abc.GuildChannel | discord.Thread:
        found = self.guild.get_channel_or_thread(channel.id)
        assert found is not None
        return found

    def ways(self, channel: Channel) -> Ways:
        found = self.guild.get_channel(channel.id)
        assert found is not None
        return Ways.into(found)


def audience(members: dict[Principal, tuple[Principal, ...]] | None = None, **addresses: Principal) -> DiscordAudience:
    """``addresses`` by account, an underscore for its colon."""

    async def addresses_of(accounts: object) -> dict[str, Principal]:
        return {account.replace("_", ":"): address for account, address in addresses.items()}

    return DiscordAudience(groups(members or {}), addresses_of)


@settings(max_examples=500)
@given(st.data())
def test_everybody_who_sees_a_channel_came_by_one_of_its_ways_and_each_way_leads_there(data: st.DataObject) -> None:
    server = DiscordServer()
    server.permit(server.everyone, data.draw(permissions))
    roles = [server.role(f"role {number}", data.draw(permissions)) for number in range(data.draw(st.integers(0, 4)))]
    some_roles = st.lists(st.sampled_from(roles), unique=True).map(tuple) if roles else st.just(())
    people = [server.user(f"person {number}", roles=data.draw(some_roles)) for number in range(data.draw(st.integers(0, 5)))]
    channel = server.channel("somewhere")
    for holder in (server.everyone, *roles, *people, server.bot, *server.bot.roles):
        if data.draw(st.booleans()):
            server.overwrite(
                channel, holder, **data.draw(st.sampled_from([{"allow": VIEW}, {"deny": VIEW}, {"allow": SEND}, {}]))
            )
    threads = [server.thread(channel, "open"), server.thread(channel, "private", invited=[server.owner, *people[:2]])]

    ways = Cache(server).ways(channel)
    for person in (server.owner, *people):
        held = {server.guild_id, *(role.id for role in person.roles)}
        came = bool(ways.roles & held) or person.id in ways.people
        assert came or not any(server.sees(person, place) for place in (channel, *threads))
    by_id = {role.id: role for role in (server.everyone, *roles)}
    assert all(server.sees(server.user("newcomer", roles=(by_id[id],)), channel) for id in ways.roles)
    assert all(server.sees(server.users[id], channel) for id in ways.people)


async def test_an_open_channel_is_read_by_anybody_on_the_server() -> None:
    server = DiscordServer()
    general = server.channel("general")
    server.overwrite(general, server.role("Guests"), deny=VIEW)
    found = await audience().in_channel(Cache(server).channel(general))
    assert found == Audience.of([f"role:discord:{server.guild_id}", f"channel:discord:{general.id}"])


async def test_a_private_channel_is_read_by_its_roles_its_people_administrators_and_the_owner() -> None:
    server = DiscordServer()
    engineers, admins = server.role("Engineers"), server.role("Admins", ADMINISTRATOR)
    guest = server.user("Guest")
    private = server.channel("private", only_for=[engineers, guest])
    found = await audience().in_channel(Cache(server).channel(private))
    here = {f"role:discord:{server.guild_id}", f"channel:discord:{private.id}"}
    assert found == Audience.of(
        here | {f"role:discord:{engineers.id}"},
        here | {f"role:discord:{admins.id}"},
        here | {f"user:discord:{guest.id}"},
        here | {f"user:discord:{server.owner.id}"},
    )


async def test_a_thread_is_read_by_those_who_see_the_channel_around_it_and_has_a_name_of_its_own() -> None:
    server = DiscordServer()
    general = server.channel("general")
    thread = server.thread(general, "secret", invited=[server.user("Ana")])
    found = await audience().in_channel(Cache(server).channel(thread))
    assert found == Audience.of(
        [f"role:discord:{server.guild_id}", f"channel:discord:{general.id}", f"channel:discord:{thread.id}"]
    )


async def test_groups_are_entered_by_role_by_channel_and_by_a_linked_address() -> None:
    server = DiscordServer()
    engineers = server.role("Engineers")
    private = server.channel("private", only_for=[engineers])
    cache = Cache(server)
    eng = "group:confluence:eng"
    linked = {f"discord_{server.owner.id}": "user:owner@acme.com"}
    by_role = audience({eng: (f"role:discord:{engineers.id}", "domain:acme.com")}, **linked)
    by_channel = audience({eng: (f"channel:discord:{private.id}",)})
    for known in (by_role, by_channel):
        assert all(eng in reader for reader in (await known.in_channel(cache.channel(private))).readers)
    unlinked = audience({eng: (f"role:discord:{engineers.id}", "domain:acme.com")})
    assert not all(eng in reader for reader in (await unlinked.in_channel(cache.channel(private))).readers)


async def test_of_a_channel_with_too_many_ways_counts_what_everybody_in_it_holds() -> None:
    server = DiscordServer()
    private = server.channel("private", only_for=[server.role(f"team {number}") for number in range(MOST_WAYS)])
    found = await audience().in_channel(Cache(server).channel(private))
    assert found == Audience.of([f"role:discord:{server.guild_id}", f"channel:discord:{private.id}"])


async def test_a_channel_of_which_the_gateway_did_not_tell_may_be_seen_by_anyone() -> None:
    server = DiscordServer()
    server.channel("general")
    cache = Cache(server)
    hidden = server.channel("hidden")
    state = cache.guild._state
    for unknown in (
        None,
        discord.TextChannel(state=state, guild=cache.guild, data=hidden.json()),
        discord.Thread(state=state, guild=cache.guild, data=server.thread(hidden, "below").json()),
        discord.PartialMessageable(state=state, id=hidden.id, guild_id=cache.guild.id),
    ):
        assert await audience().in_channel(unknown) == ANYONE
    cache.guild.unavailable = True
    assert await audience().in_channel(cache.guild.text_channels[0]) == ANYONE
