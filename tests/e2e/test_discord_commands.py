"""Commands on Discord: acknowledged at once, seen by the right people, refused to the wrong ones."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.indexing.ledger import Row
from tests.e2e.discord_dialogue import Dialogue, dialogue, scene
from tests.emulators.discord_world import Json


@pytest.mark.parametrize("command", ["reindex", "footnote status", "footnote help", "forget"])
async def test_every_command_is_acknowledged_in_time_and_shown_to_its_giver_alone(command: str) -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, command, channel=talk.general)
        await talk.discord.finished(given)
        assert given.acknowledged_after is not None
        assert given.acknowledged_after < 1
        assert given.ephemeral
        assert talk.discord.seen_by(talk.ana, talk.general) == []


async def test_reindex_shows_its_progress_in_place_and_ends_with_the_report() -> None:
    async with dialogue() as talk:
        talk.jobs.steps, talk.jobs.pause = 30, 0.05
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook", full=True, dry_run=True)
        await talk.discord.until(lambda: "30" in "".join(given.texts), what="the report")
        [request] = talk.jobs.requests
        assert request.source == "handbook"
        assert request.dry_run
        assert given.original is not None
        times = [at for at, _ in given.original.edits]
        assert len(times) >= 2
        assert all((later - earlier).total_seconds() > 0.8 for earlier, later in pairwise(times))


async def test_reindex_of_an_unknown_source_is_refused_with_the_known_ones() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="nowhere")
        [text] = await talk.discord.finished(given)
        assert text.startswith("There is no source `nowhere` (there is `handbook`)")


BROKEN = {"handbook:broken.docx": Row(reason="it is no Word file", attempts=2)}


async def test_what_failed_is_listed_with_a_button_that_tries_it_again_and_shows_its_own_progress() -> None:
    async with dialogue() as talk:
        talk.jobs.failed = BROKEN
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook")
        await talk.discord.until(lambda: bool(given.follow_ups), what="the list of failures")
        [listed] = given.follow_ups
        assert "handbook:broken.docx" in listed.content
        assert "it is no Word file (tried 2 times" in listed.content
        talk.jobs.failed = {}
        pressed = await talk.discord.press(talk.root, listed, "Retry failed: handbook")
        await talk.discord.until(lambda: "done in" in "".join(pressed.texts), what="the report of the retry")
        assert pressed.acknowledged_after is not None
        assert pressed.acknowledged_after < 1
        assert pressed.ephemeral
        assert [(request.source, request.scope) for request in talk.jobs.requests] == [("handbook", None), ("handbook", "failed")]
        assert talk.discord.seen_by(talk.ana, talk.general) == []


async def test_a_button_works_after_a_restart_and_only_for_who_is_an_administrator_then() -> None:
    async with scene() as talk:
        talk.jobs.failed = BROKEN
        async with talk.running():
            given = await talk.discord.slash(talk.root, "footnote status", channel=talk.general)
            await talk.discord.finished(given)
            given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook")
            await talk.discord.until(lambda: bool(given.follow_ups), what="the list of failures")
        async with talk.running():
            pressed = await talk.discord.press(talk.root, given.follow_ups[0], "Retry failed: handbook")
            await talk.discord.until(lambda: "done in" in "".join(pressed.texts), what="the report of the retry")
        talk.admins.clear()
        async with talk.running():
            pressed = await talk.discord.press(talk.root, given.follow_ups[0], "Retry failed: handbook")
            [text] = await talk.discord.finished(pressed)
            assert "administrators" in text
        assert len(talk.jobs.requests) == 2


async def test_when_too_much_vanished_a_button_confirms_it() -> None:
    async with dialogue() as talk:
        talk.jobs.withheld = 61
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook")
        await talk.discord.until(lambda: bool(given.follow_ups), what="the button")
        await talk.discord.until(lambda: "61 vanished." in given.texts[0], what="the card")
        pressed = await talk.discord.press(talk.root, given.follow_ups[0], "Remove 61 documents: handbook")
        await talk.discord.finished(pressed)
        assert [request.prune for request in talk.jobs.requests] == [False, True]


async def test_a_part_is_asked_for_by_its_name_alone() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, scope="travel")
        await talk.discord.until(lambda: "done in" in "".join(given.texts), what="the report")
        assert [(request.source, request.scope) for request in talk.jobs.requests] == [("handbook", "travel")]


async def test_a_dry_run_names_what_would_change() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, dry_run=True)
        await talk.discord.until(lambda: bool(given.follow_ups), what="the list")
        assert "would index `handbook:new.md`" in given.texts[-1]
        assert "would remove `handbook:old.md`" in given.texts[-1]


async def test_a_plain_member_who_calls_a_hidden_command_is_refused() -> None:
    async with dialogue() as talk:
        with pytest.raises(AssertionError, match="does not offer"):
            await talk.discord.slash(talk.ana, "reindex", channel=talk.general)
        for command, options in (("reindex", {}), ("footnote status", {}), ("forget-document", {"document": "handbook:travel"})):
            given = await talk.discord.slash(talk.ana, command, channel=talk.general, hidden=True, **options)
            [text] = await talk.discord.finished(given)
            assert "administrators" in text
            assert given.ephemeral
        assert talk.jobs.requests == []


async def test_every_button_of_administrators_is_refused_to_who_is_none_any_more() -> None:
    async with scene() as talk:
        talk.jobs.withheld, talk.jobs.failed = 61, BROKEN
        async with talk.running():
            given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook")
            await talk.discord.until(lambda: bool(given.follow_ups), what="the buttons")
        talk.admins.clear()
        async with talk.running():
            for label in ("Remove 61 documents: handbook", "Retry failed: handbook"):
                pressed = await talk.discord.press(talk.root, given.follow_ups[0], label)
                [text] = await talk.discord.finished(pressed)
                assert "is for Footnote's administrators" in text
        assert len(talk.jobs.requests) == 1


async def test_forget_tells_how_much_was_forgotten_here_or_everywhere() -> None:
    async with dialogue() as talk:
        for what in ("here", "me"):
            given = await talk.discord.slash(talk.ana, "forget", channel=talk.general, what=what)
            [text] = await talk.discord.finished(given)
            assert text.startswith("Forgotten: 0")


async def test_an_administrator_has_a_document_forgotten_and_lets_it_come_back() -> None:
    async with dialogue() as talk:
        for wish, said in (({}, "Forgotten: `handbook:travel`."), ({"undo": True}, "No longer forgotten: `handbook:travel`.")):
            given = await talk.discord.slash(
                talk.root, "forget-document", channel=talk.general, document="handbook:travel", **wish
            )
            [text] = await talk.discord.finished(given)
            assert text.startswith(said)
            assert given.ephemeral
        assert [request.scope for request in talk.jobs.requests] == ["handbook:travel"] * 2


async def test_commands_work_in_a_direct_message() -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.ana, "footnote help")
        [text] = await talk.discord.finished(given)
        assert "Ask me" in text


async def test_commands_are_written_once_and_not_again_by_a_restart() -> None:
    async with scene() as talk:
        for _ in range(3):
            async with talk.running():
                pass
        assert talk.discord.rest.command_writes == 1


@pytest.mark.parametrize("change", ["description", "options", "removed", "permissions"])
async def test_commands_are_written_again_when_discord_has_others(change: str) -> None:
    def outdate(commands: list[Json]) -> None:
        ask = next(command for command in commands if command["name"] == "ask")
        reindex = next(command for command in commands if command["name"] == "reindex")
        match change:
            case "description":
                ask["description"] = "An older text"
            case "options":
                ask["options"] = ask["options"][:1]
            case "removed":
                commands.remove(ask)
            case "permissions":
                reindex["default_member_permissions"] = None

    async with scene() as talk:
        async with talk.running():
            pass
        outdate(talk.discord.rest.commands)
        async with talk.running():
            assert talk.discord.rest.command_writes == 2


async def test_commands_are_written_when_discord_does_not_say_which_it_has() -> None:
    async with scene() as talk:
        talk.discord.fail("GET", "/commands$", 404)
        async with talk.running():
            assert talk.discord.rest.command_writes == 1


async def test_a_command_that_discord_still_shows_but_the_bot_no_longer_has_is_explained() -> None:
    async with dialogue() as talk:
        talk.discord.rest.commands.append(
            {"id": "1", "type": 1, "name": "search", "description": "old", "default_member_permissions": None}
        )
        given = await talk.discord.slash(talk.ana, "search", channel=talk.general)
        [text] = await talk.discord.finished(given)
        assert "old version" in text
        assert given.ephemeral


async def test_without_the_right_to_write_commands_mentions_are_answered_all_the_same() -> None:
    def refuse(talk: Dialogue) -> None:
        talk.discord.fail("PUT", "/commands$", 403)

    async with dialogue(prepare=refuse) as talk:
        await talk.discord.answer_to(await talk.discord.mention(talk.ana, talk.general, "How many days?"))
