"""A code links an account with an address, once; losing anything of it takes rights away and gives none."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis

from core.audit import Audit
from core.errors import TransientError, UserError
from core.links import CODE_LIFE, HOLD_SECONDS, LINK_LIFE, MOST_TRIES, Links

ANA, BO = "discord:456", "discord:789"
ADDRESS = "user:ana@acme.com"


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def linked(links: Links, account: str = ANA, address: str = "ana@acme.com") -> None:
    await links.redeem(account, await links.issue(address))


async def test_who_gives_the_code_is_known_by_the_address(redis: Redis) -> None:
    links = Links(redis)
    code = await links.issue(" Ana@ACME.com ")
    assert await links.of([ANA]) == {}
    assert await links.redeem(ANA, code.lower().replace("-", " ")) == ADDRESS
    assert await links.of([ANA, BO]) == {ANA: ADDRESS}


async def test_a_code_works_once_even_when_it_is_given_twice_at_the_same_time(redis: Redis) -> None:
    links = Links(redis)
    code = await links.issue("ana@acme.com")
    results = await asyncio.gather(*(links.redeem(account, code) for account in (ANA, BO)), return_exceptions=True)
    assert sorted(map(str, results))[1] == ADDRESS
    assert len(await links.of([ANA, BO])) == 1


async def test_wrong_used_void_and_expired_codes_are_refused_in_the_same_words(redis: Redis) -> None:
    links = Links(redis)
    used, void, expired = [await links.issue(f"{name}@acme.com") for name in ("used", "void", "expired")]
    await links.redeem(BO, used)
    await links.issue("void@acme.com")
    for key in await redis.keys("*:code:*"):
        assert timedelta(0) < timedelta(seconds=await redis.ttl(key)) <= CODE_LIFE
        await redis.expire(key, 0)
    said = set()
    for code in ("ACDE-FHJK", used, void, expired):
        with pytest.raises(UserError) as refusal:
            await links.redeem(ANA, code)
        said.add(str(refusal.value))
    assert len(said) == 1


async def test_after_five_wrong_codes_an_account_waits_an_hour_and_others_do_not(redis: Redis) -> None:
    links = Links(redis)
    code = await links.issue("ana@acme.com")
    for number in range(MOST_TRIES):
        with pytest.raises(UserError, match="works once, for ten minutes"):
            await links.redeem(BO, f"wrong {number}")
    with pytest.raises(UserError, match="in an hour"):
        await links.redeem(BO, code)
    [tries] = await redis.keys("*:tries:*")
    assert 3590 < await redis.ttl(tries) <= 3600
    assert await links.redeem(ANA, code) == ADDRESS


async def test_neither_the_code_nor_a_quick_hash_of_it_is_kept(redis: Redis) -> None:
    code = (await Links(redis).issue("ana@acme.com")).replace("-", "")
    kept = [(key, await redis.get(key)) for key in await redis.keys("*")]
    assert len(kept) == 2
    assert code not in repr(kept)


async def test_links_are_taken_away_by_address_or_by_account_with_their_count(redis: Redis) -> None:
    links = Links(redis)
    await linked(links, ANA)
    await linked(links, BO)
    assert [await links.unlink(ANA), await links.unlink(ANA)] == [1, 0]
    assert await links.of([ANA, BO]) == {BO: ADDRESS}
    code = await links.issue("ana@acme.com")
    assert [await links.unlink("ana@acme.com"), await links.unlink(ADDRESS)] == [1, 0]
    assert await links.of([ANA, BO]) == {}
    with pytest.raises(UserError):
        await links.redeem(ANA, code)


async def test_an_account_that_is_linked_elsewhere_since_is_left_alone(redis: Redis) -> None:
    links = Links(redis)
    await linked(links)
    await linked(links, address="ana@new.example")
    assert await links.unlink("ana@acme.com") == 0
    assert await links.of([ANA]) == {ANA: "user:ana@new.example"}


async def test_who_became_whom_stands_in_the_audit_log(redis: Redis, data_dir: Path) -> None:
    audit = Audit(data_dir / "audit.jsonl")
    await linked(Links(redis, audit=audit))
    audit.close()
    *_, line = map(json.loads, (data_dir / "audit.jsonl").read_text().splitlines())
    assert (line["event"], line["who"], line["facts"]) == ("account.linked", ANA, {"address": ADDRESS})


async def test_what_another_process_took_away_is_gone_within_a_minute(redis: Redis) -> None:
    clock = Clock()
    links = Links(redis, clock=clock)
    await linked(links)
    assert await links.of([ANA]) == {ANA: ADDRESS}
    await Links(redis).unlink(ANA)
    clock.seconds = HOLD_SECONDS
    assert await links.of([ANA]) == {}


async def test_a_link_ends_after_ninety_days(redis: Redis) -> None:
    await linked(Links(redis))
    for key in (*await redis.keys("*:account:*"), *await redis.keys("*:address:*")):
        assert LINK_LIFE - timedelta(minutes=1) < timedelta(seconds=await redis.ttl(key)) <= LINK_LIFE


async def test_only_addresses_of_the_configured_domains_count(redis: Redis) -> None:
    await linked(Links(redis))
    elsewhere = Links(redis, ["other.example"])
    assert await elsewhere.of([ANA]) == {}
    with pytest.raises(UserError, match="FOOTNOTE_EMAIL_DOMAINS"):
        await elsewhere.issue("ana@acme.com")


@pytest.mark.parametrize("address", ["", "ana", "@acme.com", "ana@", "user:", "group:eng@x", "a b@acme.com"])
async def test_what_is_no_address_is_refused(redis: Redis, address: str) -> None:
    with pytest.raises(UserError, match="no e-mail address"):
        await Links(redis).issue(address)


async def test_without_redis_nobody_is_linked_and_who_asks_is_told_to_come_back() -> None:
    away = Redis(unix_socket_path="/nowhere/redis.sock")
    links = Links(away)
    assert await links.of([ANA]) == {}
    for refused in (links.issue("ana@acme.com"), links.redeem(ANA, "ACDE-FHJK"), links.unlink(ANA)):
        with pytest.raises(TransientError, match="try again in a minute"):
            await refused
    await away.aclose()
