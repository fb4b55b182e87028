"""Slack: several workspaces install Footnote themselves, and what is one's never shows in another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bots.commands.config import CONFIG, ConfigCommand
from core.channels import ChannelConfig, Channels, Policy
from core.errors import ConfigError
from core.models import EVERYONE, Answer, Audience, Message
from tests.e2e.installation import Installation, ready
from tests.e2e.scripted_syncs import ScriptedJobs, commands_over
from tests.e2e.slack_dialogue import ANA, GENERAL
from tests.e2e.slack_installing import ACME, BOLT, GRID, KEY, MANIFEST, echo, installing, kept
from tests.e2e.test_slack_home import Library, known
from tests.e2e.test_slack_policies import LEAVE, knows_of_leave
from tests.e2e.test_uploads import QUESTION, travel
from tests.emulators.openai import OpenAIServer, Says
from tests.emulators.slack_browser import Browser, Page
from tests.emulators.slack_team import SlackTeam
from tests.fakes import answer

BOTH = ("app_uninstalled", "tokens_revoked")


def says_what_to_do(page: Page) -> bool:
    return 'href="/slack/install"' in page.html


# Installing it.


@pytest.mark.parametrize("socket", [False, True], ids=["HTTP", "Socket Mode"])
async def test_each_of_two_teams_is_answered_with_its_own_token(socket: bool) -> None:
    async with installing() as there, there.serving(socket=socket) as browser:
        await there.is_silent(there.acme)
        for team in (there.acme, there.bolt):
            page = await browser.install(team.id)
            assert (page.status, f"Footnote is in {team.workspace.home.name}" in page.shown) == (200, True)
        for team in (there.bolt, there.acme):
            await there.answers(team, f"what is {team.id}?")
            await team.until_reply(await team.dm(ANA, "and in private?"))
        for team in (there.acme, there.bolt):
            await team.command(ANA, GENERAL, "/footnote", "help")
            assert "You said `help`" in (await team.until_whisper(ANA)).shown
            assert [call.error for call in team.api.calls if call.error] == []
        assert len(there.slack.calls("oauth.v2.access")) == 3, "one of them to prove the app"


async def test_it_asks_for_what_the_manifest_names_and_sends_the_browser_where_slack_knows_it() -> None:
    async with installing() as there, there.serving() as browser:
        asked = await browser.get("/slack/install")
        assert asked.status in {302, 303}
        assert (await browser.get(asked.location)).status == 200
        assert there.slack.oauth.asked_for == [set(MANIFEST["oauth_config"]["scopes"]["bot"])]
        (cookie,) = [value for name, value in asked.headers.items() if name.lower() == "set-cookie"]
        assert all(flag in cookie for flag in ("Secure", "HttpOnly", "Path=/"))
        assert asked.headers["Cache-Control"] == "no-store"


async def test_who_does_not_allow_it_is_told_so_kindly_and_nothing_is_kept() -> None:
    async with installing() as there, there.serving() as browser:
        page = await browser.install(ACME, "cancel")
        assert (page.status, "did not allow it" in page.shown, says_what_to_do(page)) == (200, True, True)
        assert there.slack.oauth.installations == []
        assert (await browser.install(ACME)).status == 200, "who thinks better of it installs it all the same"


async def test_a_redirection_that_was_not_begun_here_is_refused_and_its_code_is_not_used() -> None:
    async with installing() as there, there.serving() as browser:
        async with Browser(browser.home) as stranger:
            address = await stranger.decide(await stranger.ask(), ACME)
            state = stranger.cookies["slack-app-oauth-state"]
        # Somebody is made to open what a stranger began: their workspace's questions would be the stranger's.
        for cookies in ({}, {"slack-app-oauth-state": "guessed"}, {"slack-app-oauth-state": ""}):
            browser.cookies = dict(cookies)
            page = await browser.get(address)
            assert (page.status, says_what_to_do(page)) == (400, True)
        browser.cookies = {"slack-app-oauth-state": "guessed"}
        assert (await browser.get("/slack/oauth_redirect?code=1.2&state=guessed")).status == 400
        browser.cookies = {"slack-app-oauth-state": state}
        for query in ("", "?state=", f"?state={state}x&code=1.2", "?code=1.2", "?error=<script>alert(1)</script>"):
            page = await browser.get(f"/slack/oauth_redirect{query}")
            assert (page.status in {200, 400}, "<script>" in page.html) == (True, False)
        assert there.slack.oauth.installations == []
        assert len(there.slack.calls("oauth.v2.access")) == 1, "that of the start"
        browser.cookies = {"slack-app-oauth-state": state}
        assert (await browser.get(address)).status == 200, "whoever began it can still end it"


async def test_a_redirection_is_good_once_and_for_ten_minutes() -> None:
    async with installing() as there, there.serving() as browser:
        address = await browser.decide(await browser.ask(), ACME)
        cookies = dict(browser.cookies)
        assert (await browser.get(address)).status == 200
        browser.cookies = dict(cookies)
        assert (await browser.get(address)).status == 400
        assert len(there.slack.calls("oauth.v2.access")) == 2
        late = await browser.decide(await browser.ask(), BOLT)
        states = [key async for key in there.redis.scan_iter("footnote:slack:state:*")]
        assert [0 < await there.redis.ttl(key) <= 600 for key in states] == [True]
        await there.redis.delete(*states)
        page = await browser.get(late)
        assert (page.status, "within ten minutes" in page.shown, says_what_to_do(page)) == (400, True, True)
        assert len(there.slack.calls("oauth.v2.access")) == 2


async def test_the_name_of_a_team_is_shown_as_it_is() -> None:
    async with installing() as there, there.serving() as browser:
        there.acme.workspace.home.name = "<b>A&B</b>"
        page = await browser.install(ACME)
        assert ("&lt;b&gt;A&amp;B&lt;/b&gt;" in page.html, "<b>" in page.html) == (True, False)


async def test_two_browsers_that_install_at_the_same_time_do_not_disturb_each_other() -> None:
    async with installing() as there, there.serving() as browser, Browser(browser.home) as other:
        pages = await asyncio.gather(browser.install(ACME), other.install(BOLT))
        assert [page.status for page in pages] == [200, 200]
        await there.answers(there.acme, "one?")
        await there.answers(there.bolt, "two?")


async def test_a_team_that_is_not_listed_cannot_install_it() -> None:
    async with installing() as there, there.serving(slack_teams=ACME) as browser:
        page = await browser.install(BOLT)
        assert (page.status, "SLACK_TEAMS" in page.shown) == (403, True)
        (installation,) = there.slack.oauth.installations
        assert installation.refused == "token_revoked", "the token is given back"
        there.bolt.installed = True
        await there.is_silent(there.bolt)
        assert not [key for key in await kept(there.redis) if "installations" in key]
        assert (await browser.install(ACME)).status == 200


async def test_a_team_that_is_listed_no_longer_is_not_answered_after_the_next_start() -> None:
    async with installing() as there:
        async with there.serving() as browser:
            await browser.install(ACME)
            await browser.install(BOLT)
        async with there.serving(slack_teams=ACME):
            await there.answers(there.acme, "still here?")
            await there.is_silent(there.bolt)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"slack_client_secret": "guessed"}, "bad_client_secret"), ({"slack_client_id": "7.7"}, "invalid_client_id")],
    ids=["secret", "id"],
)
async def test_an_app_that_slack_does_not_know_is_said_at_the_start(wrong: dict[str, Any], reason: str) -> None:
    async with installing() as there:
        with pytest.raises(ConfigError, match=rf"SLACK_CLIENT_ID and SLACK_CLIENT_SECRET were refused by Slack \({reason}\)"):
            async with there.serving(**wrong):
                pass


async def test_when_slack_does_not_give_a_token_the_page_says_so_and_nothing_is_kept() -> None:
    async with installing() as there, there.serving() as browser:
        address = await browser.decide(await browser.ask(), ACME)
        there.slack.oauth.client_secret = "another one since"
        page = await browser.get(address)
        assert (page.status, says_what_to_do(page)) == (400, True)
        assert not [key for key in await kept(there.redis) if "installations" in key]


# Nothing of one shows in another.


async def test_what_is_said_in_a_channel_of_the_same_id_at_the_same_time_is_told_apart() -> None:
    async with installing() as there, there.serving() as browser:
        for team in (there.acme, there.bolt):
            await browser.install(team.id)
        asked = await asyncio.gather(*(there.answers(team, f"what is {team.id}?") for team in (there.acme, there.bolt)))
        assert asked[0].ts == asked[1].ts
        (acme, acmes), (bolt, bolts) = sorted(there.talk.assistant.asked, key=lambda one: one[0].text)
        assert (acme.text, bolt.text) == (f"what is {ACME}?", f"what is {BOLT}?")
        for what in ("id", "conversation_id", "channel_id", "user"):
            assert getattr(acme, what) != getattr(bolt, what), what
        assert frozenset().union(*acmes.readers) & frozenset().union(*bolts.readers) == {EVERYONE}


async def test_a_thread_of_one_is_none_of_the_other_though_their_ids_are_equal() -> None:
    async with installing() as there, there.serving() as browser:
        for team in (there.acme, there.bolt):
            await browser.install(team.id)
        asked = await there.answers(there.acme, "what is this?")
        theirs = there.bolt.workspace.write(GENERAL, ANA, "lunch?")
        theirs.ts = asked.ts
        await there.bolt.say(ANA, GENERAL, "and where do we eat?", thread=theirs)
        await there.slack.settled()
        await there.acme.say(ANA, GENERAL, "and what is that?", thread=asked)
        await there.acme.until_reply(asked, 2)
        assert there.bolt.replies(theirs) == []


async def test_what_is_set_for_a_channel_of_one_does_not_count_in_the_other() -> None:
    async with installing(knows_of_leave) as there, there.serving() as browser:
        for team in (there.acme, there.bolt):
            await browser.install(team.id)
        await Channels(there.redis).change("slack", f"{ACME}:{GENERAL}", ChannelConfig(policy=Policy.QUESTIONS))
        asked = [await team.say(ANA, GENERAL, LEAVE) for team in (there.bolt, there.acme)]
        await there.acme.until_reply(asked[1])
        assert there.bolt.replies(asked[0]) == []


@pytest.mark.parametrize("place", [ACME, GRID])
async def test_windows_buttons_and_the_home_belong_to_the_team_that_they_are_opened_in(place: str) -> None:
    """For an organisation Slack tells them without the workspace."""
    async with installing() as there:
        here = there.slack.org(GRID, "T3EAST", "T4WEST").teams[0] if place == GRID else there.acme
        here.user(ANA, name="Ana", email="ana@acme.com")
        here.channel(GENERAL)
        there.talk.overview, channels = Library().overview, Channels(there.redis)
        admins = frozenset({f"slack:{place}:{ANA}"})
        config = ConfigCommand(channels, known, admins, model=True)
        there.talk.commands = commands_over(ScriptedJobs(), there.redis, admins=set(admins), more={CONFIG: config.run})
        async with there.serving(footnote_admins=f"slack:{place}:{ANA}") as browser:
            for installed in (place, BOLT):
                await browser.install(installed)
            await here.command(ANA, GENERAL, "/footnote", "config")
            await here.hands.until_modal(ANA)
            await here.hands.submit(ANA, policy="questions")
            assert "Saved" in (await here.until_whisper(ANA)).shown
            assert (await Channels(there.redis).of("slack", f"{place}:{GENERAL}")).policy is Policy.QUESTIONS
            await there.bolt.command(ANA, GENERAL, "/footnote", "config")
            told = (await there.bolt.until_whisper(ANA)).shown
            assert "sticky-thread" in told, "who is an administrator there is none here"
            await here.hands.open_home(ANA)
            await here.press(ANA, await here.hands.until_home(ANA), 'What does "Travel policy" say?')
            await here.until(lambda: len(here.posts(f"D{ANA}")) == 2, what="the answer")
            assert there.bolt.posts(f"D{ANA}") == []


# Tokens.


async def test_tokens_stand_nowhere_in_clear() -> None:
    with capture_logs() as logs:
        async with installing() as there:
            there.slack.oauth.rotating, there.slack.oauth.life = True, 1
            async with there.serving() as browser:
                await browser.install(ACME)
                await asyncio.sleep(1.0)
                there.slack.oauth.life = 43_200
                await there.answers(there.acme, "one?")
                await there.slack.until(lambda: there.slack.oauth.refreshed, what="a new token")
                there.slack.oauth.cut_off(ACME)
                await there.acme.mention(ANA, GENERAL, "two?")
                await there.slack.until(lambda: any(log["event"] == "workspace.paused" for log in logs), what="the pause")
                secrets = there.tokens() | {there.slack.oauth.client_secret, KEY}
                stored = await kept(there.redis)
            assert len(secrets) == 5
            assert any("installations" in key for key in stored)
            for text in (*stored, *stored.values(), *map(repr, logs)):
                assert not [secret for secret in secrets if secret in text], text


async def test_a_token_that_somebody_moves_to_another_team_does_not_open_it() -> None:
    async with installing() as there:
        async with there.serving() as browser:
            for team in (there.acme, there.bolt):
                await browser.install(team.id)
        (key,) = [key async for key in there.redis.scan_iter("footnote:slack:installations*")]
        acmes: Any = await there.redis.hget(key, ACME)
        await there.redis.hset(key, BOLT, acmes)
        async with there.serving():
            await there.answers(there.acme, "still here?")
            await there.is_silent(there.bolt)


async def test_keys_can_be_changed_and_a_lost_one_pauses_nobody_whose_token_was_written_with_another() -> None:
    newer = "another key of thirty-two characters or more"
    async with installing() as there:
        async with there.serving() as browser:
            await browser.install(ACME)
        async with there.serving(footnote_token_key=f"{newer},{KEY}"):
            await there.answers(there.acme, "with both?")
        async with there.serving(footnote_token_key=newer) as browser:
            await there.answers(there.acme, "with the newer one?")
        async with there.serving() as browser:
            await there.is_silent(there.acme)
            await browser.install(BOLT)
            await there.answers(there.bolt, "with the lost one?")
            await browser.install(ACME)
            await there.answers(there.acme, "once more?")


async def test_twenty_questions_at_once_renew_a_token_once_and_none_is_lost() -> None:
    async with installing() as there, there.serving() as browser:
        there.slack.oauth.rotating, there.slack.oauth.life = True, 1
        await browser.install(ACME)
        await asyncio.sleep(1.1)
        there.slack.oauth.life = 43_200
        there.slack.slow(0.2, "oauth.v2.access")
        await asyncio.gather(*(there.answers(there.acme, f"question {number}?") for number in range(20)))
        assert there.slack.oauth.refreshed == 1
        refused = [call for call in there.slack.calls("oauth.v2.access") if call.error and call.arguments.get("refresh_token")]
        assert refused == []


async def test_two_processes_renew_a_token_once() -> None:
    async with installing() as there, there.serving(socket=True) as browser, there.serving(socket=True):
        there.moved(browser.home, socket=True)
        there.slack.oauth.rotating, there.slack.oauth.life = True, 1
        await browser.install(ACME)
        await there.answers(there.acme, "one?")
        await there.answers(there.acme, "two?")
        await asyncio.sleep(1.1)
        there.slack.oauth.life = 43_200
        before = there.slack.oauth.refreshed
        await asyncio.gather(*(there.answers(there.acme, f"question {number}?") for number in range(10)))
        assert there.slack.oauth.refreshed == before + 1
        assert [call for call in there.slack.calls("oauth.v2.access") if call.error == "invalid_refresh_token"] == []


@pytest.mark.slow
async def test_a_token_is_renewed_before_it_expires_and_a_quiet_team_keeps_its_own() -> None:
    async with installing() as there, there.serving() as browser:
        there.slack.oauth.rotating, there.slack.oauth.life = True, 4
        await browser.install(ACME)
        await there.answers(there.acme, "at once?")
        assert there.slack.oauth.refreshed == 0
        await there.slack.until(lambda: there.slack.oauth.refreshed, timeout=8, what="a new token")
        there.slack.oauth.life = 43_200
        await there.slack.until(lambda: there.slack.oauth.refreshed >= 2, timeout=8, what="one that lasts")
        await there.answers(there.acme, "long after?")
        assert not [call for call in there.acme.api.calls if call.error == "token_expired"]


async def test_a_look_at_it_names_the_teams_that_are_paused_and_fails_when_all_are() -> None:
    async with installing() as there:
        async with there.serving() as browser:
            assert "no workspace has installed Footnote yet" in await there.check()
            for team in (there.acme, there.bolt):
                await browser.install(team.id)
        there.slack.oauth.cut_off(ACME)
        told = await there.check()
        assert (f"Acme ({ACME}) (paused: token_revoked)" in told, f"Bolt ({BOLT})" in told) == (True, True)
        there.slack.oauth.cut_off(BOLT)
        with pytest.raises(ConfigError, match="/slack/install"):
            await there.check()


async def test_a_question_that_comes_while_no_token_can_be_renewed_is_answered_when_it_can() -> None:
    async with installing() as there, there.serving() as browser:
        there.slack.oauth.rotating, there.slack.oauth.life = True, 1
        await browser.install(ACME)
        there.slack.fail("oauth.v2.access", times=100, status=500)
        await asyncio.sleep(1.1)
        asked = await there.acme.mention(ANA, GENERAL, "what is this?")
        await asyncio.sleep(3.0)
        there.slack.faults.clear()
        there.slack.oauth.life = 43_200
        await there.acme.until_shown(await there.acme.until_reply(asked, timeout=30), "You asked: what")


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "invalid_auth"])
async def test_a_revoked_token_pauses_its_team_alone_until_it_installs_again(error: str) -> None:
    with capture_logs() as logs:
        async with installing() as there, there.serving() as browser:
            for team in (there.acme, there.bolt):
                await browser.install(team.id)
                await there.answers(team, "before?")
            there.slack.oauth.cut_off(ACME, error)
            await there.is_silent(there.acme)
            await there.answers(there.bolt, "after?")
            calls = len(there.acme.api.calls)
            await there.is_silent(there.acme, "once more?")
            assert len(there.acme.api.calls) == calls, "Slack is not asked for what it refuses anyhow"
            assert (await browser.install(ACME)).status == 200
            await there.answers(there.acme, "awake?")
    paused = [log for log in logs if log["event"] == "workspace.paused"]
    assert [log["workspace"] for log in paused] == [ACME]
    assert error in paused[0]["reason"]


async def test_a_refresh_token_that_is_used_up_pauses_the_team_alone() -> None:
    async with installing() as there, there.serving() as browser:
        there.slack.oauth.rotating = True
        await browser.install(BOLT)
        there.slack.oauth.life = 1
        await browser.install(ACME)
        there.slack.oauth.at(ACME).refresh = "xoxe-1-somebody-was-faster"
        await asyncio.sleep(1.1)
        await there.is_silent(there.acme)
        await there.answers(there.bolt, "and you?")
        there.slack.oauth.life = 43_200
        await browser.install(ACME)
        await there.answers(there.acme, "awake?")


# Uninstalling it.


@pytest.mark.parametrize(
    "told",
    [("app_uninstalled", "tokens_revoked"), ("tokens_revoked", "app_uninstalled"), ("tokens_revoked",), ("app_uninstalled",)],
)
async def test_a_team_that_uninstalls_it_leaves_no_token_and_the_other_goes_on(told: tuple[str, ...]) -> None:
    async with installing() as there, there.serving() as browser:
        for team in (there.acme, there.bolt):
            await browser.install(team.id)
            await there.answers(team, "before?")
        there.slack.oauth.uninstall(ACME, told=told)
        await there.slack.settled()
        (key,) = [key async for key in there.redis.scan_iter("footnote:slack:installations*")]

        async def left() -> list[Any]:
            return list(await there.redis.hkeys(key))

        async with asyncio.timeout(10):
            while await left() != [BOLT.encode()]:
                await asyncio.sleep(0.02)
        await there.answers(there.bolt, "after?")
        assert (await browser.install(ACME)).status == 200
        await there.answers(there.acme, "back?")


async def test_word_of_an_end_that_comes_after_a_new_beginning_ends_nothing() -> None:
    async with installing() as there, there.serving() as browser:
        await browser.install(ACME)
        await there.answers(there.acme, "before?")
        there.slack.oauth.uninstall(ACME, told=())
        await browser.install(ACME)
        for event in ({"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U01ACMEBOT"]}}, {"type": "app_uninstalled"}):
            there.acme.emit(event)
        await there.slack.settled()
        await there.answers(there.acme, "still here?")


async def test_word_of_an_old_end_ends_nothing_while_slack_does_not_say_whether_the_token_works() -> None:
    async with installing() as there, there.serving() as browser:
        await browser.install(ACME)
        await there.answers(there.acme, "before?")
        there.slack.fail("auth.test", times=9, status=500)
        there.acme.emit({"type": "app_uninstalled"})
        await there.acme.until(lambda: any(call.error for call in there.acme.api.calls), what="asking Slack")
        await asyncio.sleep(0.2)
        there.slack.faults.clear()
        await there.answers(there.acme, "still here?")


@pytest.mark.slow
async def test_nothing_of_a_team_is_left_when_it_uninstalls_and_nothing_is_missing_in_another(data_dir: Path) -> None:
    async with installing() as there, there.whole(data_dir) as (app, browser):

        async def told(team: SlackTeam, what: str) -> str:
            await team.until(lambda: any(what in whisper.shown for whisper in team.whispers(ANA)), what=what)
            return next(whisper.shown for whisper in reversed(team.whispers(ANA)) if what in whisper.shown)

        async def asked(team: SlackTeam) -> str:
            return (await team.until_reply(await team.mention(ANA, GENERAL, QUESTION))).shown

        for team, amount in ((there.acme, "190"), (there.bolt, "230")):
            await browser.install(team.id)
            file = team.files.upload(ANA, f"{team.workspace.home.name}.pdf", travel(amount))
            await team.mention(ANA, GENERAL, "add this to what you know", files=[file])
            await told(team, "I read")
        for team, amount, other in ((there.acme, "190", "230"), (there.bolt, "230", "190")):
            answer = await asked(team)
            assert (f"{amount} euros" in answer, other in answer) == (True, False)
            await team.command(ANA, GENERAL, "/footnote", "uploads")
            assert ("Acme" in await told(team, "Files that were added")) == (team is there.acme)
            await team.until_reply(await team.mention(ANA, GENERAL, f"who is the king of {team.id}?"))
        await there.acme.command(ANA, GENERAL, "/footnote", "memory")
        await told(there.acme, "I remember 2 questions of yours")
        there.slack.oauth.uninstall(ACME)
        async with asyncio.timeout(20):
            while [file.name for file in await app.uploads.all()] != ["Bolt.pdf"]:
                await asyncio.sleep(0.05)

        async def names_it() -> list[str]:
            return [key for key, value in (await kept(app.redis)).items() if ACME in key or ACME in value]

        async with asyncio.timeout(20):
            while await names_it():
                await asyncio.sleep(0.2)
        assert "230 euros" in await asked(there.bolt)
        await there.bolt.command(ANA, GENERAL, "/footnote", "memory")
        await told(there.bolt, "I remember 3 questions of yours")
        await browser.install(ACME)
        assert "190" not in await asked(there.acme)


async def test_nothing_is_written_of_a_team_that_uninstalls_in_the_middle_of_an_answer() -> None:
    going_on = asyncio.Event()

    async def slowly(message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "You asked"
        await going_on.wait()
        yield answer(question=message.text)

    swept: list[str] = []

    async def sweeps(id: str) -> None:
        swept.append(id)
        for key in [key async for key in there.redis.scan_iter(f"*{id}*")]:
            await there.redis.delete(key)

    async with installing(slowly) as there, there.serving(departed=sweeps) as browser:
        await browser.install(ACME)
        await there.acme.mention(ANA, GENERAL, "what is this?")
        await there.slack.until(lambda: there.talk.assistant.asked, what="the question")
        there.slack.oauth.uninstall(ACME)
        await there.slack.until(lambda: swept, what="the end of it")
        going_on.set()
        await asyncio.sleep(0.5)
        assert [key for key in await kept(there.redis) if ACME in key] == []


# Processes come and go.


async def test_after_a_restart_the_installations_are_still_there() -> None:
    async with installing() as there:
        async with there.serving() as browser:
            for team in (there.acme, there.bolt):
                await browser.install(team.id)
        async with there.serving():
            for team in (there.acme, there.bolt):
                await there.answers(team, "still here?")
        assert len(there.slack.oauth.installations) == 2


async def test_what_is_installed_by_one_process_is_heard_by_another() -> None:
    async with installing() as there, there.serving(socket=True) as browser, there.serving(socket=True):
        there.moved(browser.home, socket=True)
        await browser.install(ACME)
        for number in range(4):
            await there.answers(there.acme, f"question {number}?")


async def test_a_question_that_one_process_left_is_finished_by_the_next_where_it_was_asked() -> None:
    async def never(_message: Message, _audience: Audience) -> AsyncIterator[str | Answer]:
        yield "You asked"
        await asyncio.Event().wait()

    async with installing(never) as there:
        async with there.serving(drain=0.5) as browser:
            for team in (there.acme, there.bolt):
                await browser.install(team.id)
            asked = await there.bolt.mention(ANA, GENERAL, "who finishes this?")
            await there.slack.until(lambda: there.talk.assistant.asked, what="the question")
        there.talk.assistant._script = echo
        async with there.serving():
            await there.bolt.until(
                lambda: "You asked: who" in "".join(post.shown for post in there.bolt.replies(asked)), timeout=20
            )
        assert len(there.bolt.replies(asked)) == 1
        assert there.acme.posts(GENERAL) == []


@pytest.mark.slow
@pytest.mark.fault
async def test_a_killed_process_leaves_its_question_to_the_next_and_no_secret_on_disk_or_in_its_log(data_dir: Path) -> None:
    pages = data_dir / "pages"
    pages.mkdir()
    (pages / "leave.md").write_text("# Leave\n\nEverybody has thirty days of paid leave a year.\n")
    async with installing() as there, OpenAIServer() as model:
        model.script(Says(text="Never mind [1].", first_token_after=60.0), Says(text="Thirty days of leave [1]."))
        there.slack.oauth.rotating = True
        footnote = Installation(data_dir, there.environment(data_dir, model))
        assert (await footnote.run("sync")).status == 0
        first = await footnote.start("serve")
        address = await ready(first)
        reading = asyncio.create_task(first.communicate())
        there.moved(address)
        async with Browser(address) as browser:
            for team in (there.acme, there.bolt):
                assert (await browser.install(team.id)).status == 200
        asked = await there.bolt.mention(ANA, GENERAL, "how many days of paid leave do I have?")
        await there.slack.until(lambda: model.requests, what="the question")
        first.kill()
        written = [*await reading]
        second = await footnote.start("serve")
        there.moved(await ready(second))
        reading = asyncio.create_task(second.communicate())
        await there.bolt.until_shown(await there.bolt.until_reply(asked), "Thirty days of leave")
        second.terminate()
        written += [*await reading, *await asyncio.to_thread(_read, data_dir)]
        assert second.returncode == 0
        assert len(there.bolt.replies(asked)) == 1
        assert there.acme.posts(GENERAL) == []
        secrets = {*there.tokens(), there.slack.oauth.client_secret, KEY}
        assert len(secrets) == 6
        assert not [secret for secret in secrets if any(secret.encode() in text for text in written)]


def _read(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


# Enterprise Grid.


@pytest.mark.parametrize("socket", [False, True], ids=["HTTP", "Socket Mode"])
async def test_one_installation_for_an_organisation_answers_in_its_workspaces(socket: bool) -> None:
    async with installing() as there, there.serving(socket=socket) as browser:
        org = there.slack.org(GRID, "T3EAST", "T4WEST")
        for number, team in enumerate(org.teams):
            team.user(f"W{number}", name="Ana", email=f"w{number}@grid.com")
            team.channel(f"C{number}")
        page = await browser.install(GRID)
        assert (page.status, f"{GRID} Corp" in page.shown) == (200, True)
        for number, team in enumerate(org.teams):
            question = await team.mention(f"W{number}", f"C{number}", "what is this?")
            reply = await team.until_reply(question)
            await team.until_shown(reply, "You asked: what")
            await team.until_reply(await team.dm(f"W{number}", "and in private?"))
            await team.command(f"W{number}", f"C{number}", "/footnote", "help")
            assert "You said `help`" in (await team.until_whisper(f"W{number}")).shown
            assert [(call.method, call.error) for call in team.api.calls if call.error] == []
        east, west = org.teams
        assert (len(east.posts("C0")), len(west.posts("C1"))) == (1, 1)


async def test_a_workspace_that_an_organisation_takes_away_is_silent_and_the_others_go_on() -> None:
    async with installing() as there, there.serving() as browser:
        org = there.slack.org(GRID, "T3EAST", "T4WEST")
        east, west = org.teams
        for number, team in enumerate(org.teams):
            team.user(f"W{number}", name="Ana", email=f"w{number}@grid.com")
            team.channel(f"C{number}")
        await browser.install(GRID)
        there.slack.oauth.withdraw(org, west)
        await there.slack.settled()
        question = await east.mention("W0", "C0", "and you?")
        await east.until_reply(question)
        there.slack.oauth.add(org, west)
        await there.slack.settled()
        await west.until_reply(await west.mention("W1", "C1", "back?"))


async def test_a_workspace_of_an_organisation_that_installs_it_alone_is_its_own() -> None:
    async with installing() as there, there.serving(slack_teams="T3EAST") as browser:
        org = there.slack.org(GRID, "T3EAST", "T4WEST")
        east, _ = org.teams
        east.user("W0", name="Ana", email="w0@grid.com")
        east.channel("C0")
        assert (await browser.install(GRID)).status == 403, "the organisation is not listed"
        assert (await browser.install("T3EAST")).status == 200
        await east.until_reply(await east.mention("W0", "C0", "what is this?"))
