"""How long it takes to know who will see an answer in a channel of five hundred."""

from __future__ import annotations

import random
import statistics
import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bots.slack.audience import SlackAudience
from bots.slack.changes import SlackChanges
from bots.slack.channels import SlackChannels
from bots.slack.client import build_client, open_session
from bots.slack.people import SlackPeople
from bots.slack.translate import Identity
from core.indexing.classes import passed_by
from core.models import Access
from tests.emulators.slack import SlackServer
from tests.emulators.slack_workspace import BOT, BOT_USER, TEAM
from tests.fakes import groups, message

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(120)]

PEOPLE, MEMBERS, GROUPS, GROUPS_OF_ONE, CLASSES = 2000, 500, 400, 50, 1000
ALL = frozenset({"group:confluence:all"})
LIMIT_MS = 50.0


async def test_the_audience_of_five_hundred_members_is_known_at_once(redis: Redis) -> None:
    dice = random.Random(4)
    addresses = [f"user:u{number}@acme.com" for number in range(PEOPLE)]
    members: dict[str, set[str]] = {f"group:confluence:{number}": set() for number in range(GROUPS)}
    for address in addresses:
        for group in dice.sample(sorted(members), GROUPS_OF_ONE):
            members[group].add(address)
    members["group:confluence:all"] = set(addresses)
    async with SlackServer() as slack, open_session() as session:
        ids = [slack.user(f"U{number}", email=f"u{number}@acme.com").id for number in range(PEOPLE)]
        slack.channel("C1", *ids[:MEMBERS], private=True)
        client = build_client(slack.bot_token, slack.url, session)
        known = groups({group: frozenset(held) for group, held in members.items()})
        me = Identity(team=TEAM, user=BOT_USER, bot=BOT)
        audiences = SlackAudience(me, SlackPeople(client, TEAM), SlackChannels(client), SlackChanges(redis, TEAM), known)
        question = replace(message(channel_id="C1"), user=f"slack:{ids[0]}")

        began = time.perf_counter()
        audience = await audiences.of(question)
        asked = 1000 * (time.perf_counter() - began)
        calls = len(slack.api.calls)
        times = []
        for _ in range(100):
            began = time.perf_counter()
            again = await audiences.of(question)
            times.append(1000 * (time.perf_counter() - began))
        assert again == audience
        assert (len(audience.readers), len(slack.api.calls)) == (MEMBERS, calls)

    pages = [
        # Every other is for one person, or for one and everybody.
        Access(gates=(ALL, ALL | {address} if number % 2 else frozenset({address})))
        for number, address in enumerate(addresses[:CLASSES])
    ]
    began = time.perf_counter()
    readable = passed_by(audience, {page.class_id: page for page in pages})
    looked = 1000 * (time.perf_counter() - began)
    assert len(readable) == CLASSES // 2

    p95 = statistics.quantiles(times, n=20)[-1]
    print(
        f"\naudience of {MEMBERS} members of {PEOPLE} people, {GROUPS_OF_ONE} of {GROUPS} groups each: asked {asked:.0f} ms "
        f"({calls} calls), from cache p50={statistics.median(times):.1f} p95={p95:.1f} ms; "
        f"what of {CLASSES} access classes they may read {looked:.1f} ms"
    )
    assert p95 <= LIMIT_MS
    assert looked <= LIMIT_MS
