"""Commands on Discord: acknowledged at once, seen by the right people, refused to the wrong ones."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from bots.command import Command, CommandReply
from core.indexing.ledger import Row
from core.models import PUBLIC, Access
from tests.e2e.discord_dialogue import Dialogue, dialogue, scene
from tests.emulators.discord_world import Json


@pytest.mark.parametrize("command", ["reindex", "footnote status", "footnote help", "forget", "config"])
async def test_every_command_is_acknowledged_in_time_and_shown_to_its_giver_alone(command: str) -> None:
    async with dialogue() as talk:
        given = await talk.discord.slash(talk.root, command, channel=talk.general)
        await talk.discord.finished(given)
        assert given.acknowledged_after is not None
        assert given.acknowledged_after < 1
        assert given.ephemeral
        assert talk.discord.seen_by(talk.ana, talk.general) == []


def _all_commands(talk: Dialogue) -> dict[str, Json]:
    """By what is typed (``footnote help``), as Discord knows them."""
    found: dict[str, Json] = {}
    for command in talk.discord.rest.commands:
        if command["type"] == 1:
            below = [option for option in command.get("options", []) if option["type"] == 1]
            named = {f"{command['name']} {option['name']}": option for option in below} or {command["name"]: command}
            found |= {name: {**known, "hidden": bool(command["default_member_permissions"])} for name, known in named.items()}
    return found


def _required(talk: Dialogue, command: Json) -> dict[str, Any]:
    some = {3: "something", 11: talk.discord.file("notes.md", b"# Notes")}
    return {option["name"]: some[option["type"]] for option in command.get("options", []) if option.get("required")}


async def test_whatever_discord_offers_is_acknowledged_in_time_and_ends_in_one_reply() -> None:
    async with dialogue() as talk:
        for name, command in _all_commands(talk).items():
            given = await talk.discord.slash(talk.root, name, channel=talk.general, **_required(talk, command))
            await talk.discord.finished(given)
            assert given.acknowledged_after is not None, name
            assert given.acknowledged_after < 1, name
            assert given.ephemeral is (name != "ask"), name


async def test_whatever_discord_hides_from_plain_members_is_refused_to_those_who_give_it_all_the_same() -> None:
    async with dialogue() as talk:
        hidden = {name: command for name, command in _all_commands(talk).items() if command["hidden"]}
        assert set(hidden) == {"reindex", "forget-document", "config"}
        for name, command in hidden.items():
            wanted = _required(talk, command) | ({"policy": "mention"} if name == "config" else {})
            with pytest.raises(AssertionError, match="does not offer"):
                await talk.discord.slash(talk.ana, name, channel=talk.general, **wanted)
            given = await talk.discord.slash(talk.ana, name, channel=talk.general, hidden=True, **wanted)
            [text] = await talk.discord.finished(given)
            assert "administrators" in text or "may change them" in text
        assert talk.jobs.requests == []


async def test_what_an_expert_wrote_below_an_answer_is_kept_for_the_conversation_of_that_answer() -> None:
    async with scene() as talk:
        kept: list[Command] = []

        async def keep(command: Command, reply: CommandReply) -> None:
            kept.append(command)
            await reply.say("Kept.")

        talk.more["keep"] = keep
        async with talk.running():
            question = await talk.discord.mention(talk.ana, talk.general, "Where do I park?")
            answer = await talk.discord.answer_to(question)
            said = await talk.discord.say(talk.root, talk.general, "In the **basement**.", reply_to=answer)
            chosen = await talk.discord.menu(talk.root, "Keep as answer", said)
            assert await talk.discord.finished(chosen) == ["Kept."]
        [command] = kept
        assert command.text.endswith(f"/{said.id} channel:discord:{talk.general.id}\nIn the **basement**.")
        assert command.conversation_id == f"discord:{talk.general.id}:{question.id}"
        assert f"channel:discord:{talk.general.id}" in command.principals


async def test_it_is_installed_in_servers_and_not_in_the_accounts_of_people() -> None:
    async with dialogue() as talk:
        assert {tuple(command["integration_types"]) for command in talk.discord.rest.commands} == {(0,)}
        contexts = {command["name"]: command["contexts"] for command in talk.discord.rest.commands}
        assert contexts.pop("config") == [0]
        assert {tuple(where) for where in contexts.values()} == {(0, 1)}


async def test_reindex_shows_its_progress_in_place_and_ends_with_the_report() -> None:
    async with dialogue() as talk:
        talk.jobs.steps, talk.jobs.pause = 30, 0.02
        given = await talk.discord.slash(talk.root, "reindex", channel=talk.general, source="handbook", full=True, dry_run=True)
        await talk.discord.until(lambda: "30" in "".join(given.texts), what="the report")
        [request] = talk.jobs.requests
        assert request.source == "handbook"
        assert request.dry_run
        assert given.original is not None
        times = [at for at, _ in given.original.edits]
        assert len(times) >= 2
        assert all((later - earlier).total_seconds() > 0.8 * talk.edit_interval for earlier, later in pairwise(times))


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


async def test_who_types_a_source_is_offered_those_of_which_they_may_read_something() -> None:
    async with dialogue() as talk:
        talk.sources = {
            "handbook": PUBLIC,
            "hr-wiki": Access(gates=(frozenset({f"role:discord:{talk.people_ops.id}"}),)),
            "board": Access(gates=(frozenset({f"user:discord:{talk.root.id}"}),)),
        }
        typed = await talk.discord.type(talk.ana, "ask", "source", "", channel=talk.general)
        await talk.discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == ["handbook", "hr-wiki"]
        assert typed.acknowledged_after is not None
        assert typed.acknowledged_after < 1
        typed = await talk.discord.type(talk.ana, "ask", "source", "WIKI", channel=talk.general)
        await talk.discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == ["hr-wiki"]
        typed = await talk.discord.type(talk.root, "ask", "source", "boa")
        await talk.discord.until(lambda: typed.choices is not None, what="choices in a direct message")
        assert typed.choices == ["board"]


async def test_of_many_sources_the_best_fitting_are_offered() -> None:
    async with dialogue() as talk:
        talk.sources = {f"team-{number:02}": PUBLIC for number in range(40)} | {"a-team": PUBLIC, "x" * 101: PUBLIC}
        typed = await talk.discord.type(talk.ana, "ask", "source", "team", channel=talk.general)
        await talk.discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == [f"team-{number:02}" for number in range(25)]


@pytest.mark.fault
async def test_choices_that_cannot_be_told_in_time_are_none() -> None:
    async with dialogue() as talk:
        talk.sources_take = 30
        typed = await talk.discord.type(talk.ana, "ask", "source", "", channel=talk.general)
        await talk.discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == []
        assert typed.acknowledged_after is not None
        assert typed.acknowledged_after < 1


async def test_a_source_that_was_chosen_narrows_the_question_to_it() -> None:
    async with dialogue() as talk:
        asked = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", source="handbook")
        await talk.discord.finished(asked)
        [(message, _)] = talk.assistant.asked
        assert message.sources == ("handbook",)


async def test_of_a_source_that_somebody_may_not_read_they_do_not_learn_that_there_is_one() -> None:
    async with dialogue() as talk:
        talk.sources["board"] = Access(gates=(frozenset({f"user:discord:{talk.root.id}"}),))
        texts = []
        for source in ("board", "bored"):
            given = await talk.discord.slash(talk.ana, "ask", channel=talk.general, question="How many days?", source=source)
            [text] = await talk.discord.finished(given)
            texts.append(text.replace(source, "…"))
        assert texts[0] == texts[1]
        assert not talk.assistant.asked


async def test_who_sets_the_sources_of_a_channel_is_offered_one_after_the_other() -> None:
    async with dialogue() as talk:
        talk.sources = {"handbook": PUBLIC, "wiki": PUBLIC}
        typed = await talk.discord.type(talk.root, "config", "sources", "handbook,w", channel=talk.general)
        await talk.discord.until(lambda: typed.choices is not None, what="choices")
        assert typed.choices == ["handbook,wiki"]


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
