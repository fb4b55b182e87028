"""A reply finds a place that takes it, and keeps its progress in one message."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import pairwise

from bots.command import Button
from bots.discord.cards import Card
from bots.discord.pace import Pace
from bots.discord.places import Closed
from bots.discord.reply import DiscordReply
from bots.discord.stream import Posted
from bots.pending import Spot
from tests.fakes import answer


class Wall:
    """A place that keeps what is written on it, until it is ``closed``."""

    name = "wall"

    def __init__(self, *, closed: bool = False, slow: float = 0.0, interval: float = 0.05) -> None:
        self.texts: list[str] = []
        self.cards: list[Card] = []
        self.edits: list[float] = []
        self.closed = closed
        self.handed_over: list[str] = []
        self.pace = Pace(interval=interval)
        self._slow = slow

    @property
    def buttons(self) -> list[list[str]]:
        return [[button.label for row in card.rows for button in row] for card in self.cards]

    async def send(self, card: Card) -> Note:
        await asyncio.sleep(self._slow)
        if self.closed:
            raise Closed("the wall is gone")
        self.texts.append(card.text)
        self.cards.append(card)
        return Note(self, len(self.texts) - 1)


class Note:
    def __init__(self, wall: Wall, at: int) -> None:
        self.id = at
        self.pace = wall.pace
        self._wall = wall

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        await asyncio.sleep(self._wall._slow)
        if self._wall.closed:
            raise Closed("the wall is gone")
        self._wall.texts[self.id] = card.text
        self._wall.cards[self.id] = card
        self._wall.edits.append(time.monotonic())

    async def hand_over(self, card: Card) -> None:
        self._wall.handed_over.append(card.text)


async def test_it_writes_in_the_first_place_that_is_open() -> None:
    first, second = Wall(closed=True), Wall()
    reply = DiscordReply([first, second])
    await reply.answer(answer("Thirty days."))
    await reply.close()
    assert second.texts == ["Thirty days."]


async def test_the_rest_of_a_long_answer_follows_where_the_beginning_found_its_place() -> None:
    first, second = Wall(closed=True), Wall()
    await DiscordReply([first, second]).say("word " * 900)
    assert len(second.texts) == 3


async def test_buttons_stand_below_the_end_of_a_notice() -> None:
    wall = Wall()
    await DiscordReply([wall]).offer("word " * 900, [Button(label="Retry", command="reindex wiki failed")])
    assert wall.buttons == [[], [], ["Retry"]]


async def test_when_every_place_is_closed_it_gives_up_in_peace() -> None:
    reply = DiscordReply([Wall(closed=True), Wall(closed=True)])
    await reply.say("Thirty days.")
    await reply.say("Is anybody there?")


async def test_what_is_said_stands_below_the_progress_that_was_shown_before() -> None:
    wall = Wall(slow=0.02)
    reply = DiscordReply([wall])
    await reply.show("one of two")
    await reply.say("By the way.")
    await reply.show("two of two")
    await reply.close()
    assert wall.texts == ["two of two", "By the way."]


async def test_progress_is_edited_at_intervals_and_its_last_state_is_always_shown() -> None:
    wall = Wall(interval=0.1)
    reply = DiscordReply([wall])
    for number in range(40):
        await reply.show(f"{number} of 39")
        await asyncio.sleep(0.01)
    await reply.close()
    assert wall.texts == ["39 of 39"]
    assert len(wall.edits) >= 2
    assert all(later - earlier >= 0.09 for earlier, later in pairwise(wall.edits))


async def test_many_who_report_at_once_share_one_message() -> None:
    wall = Wall(slow=0.02)
    reply = DiscordReply([wall])
    await asyncio.gather(*(reply.show(f"source {number}") for number in range(5)))
    await reply.close()
    assert wall.texts == ["source 4"]


async def test_progress_moves_to_the_next_place_when_its_own_closes() -> None:
    first, second = Wall(), Wall()
    reply = DiscordReply([first, second])
    await reply.show("half")
    first.closed = True
    await reply.show("done")
    await reply.close()
    assert (first.texts, second.texts) == (["half"], ["done"])


async def test_a_long_last_report_is_completed_below_its_card() -> None:
    wall = Wall()
    reply = DiscordReply([wall])
    await reply.show("word " * 900)
    await reply.close()
    assert len(wall.texts) == 3


async def test_others_are_served_while_a_very_long_answer_is_rendered() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    class Door(Wall):
        async def send(self, card: Card) -> Note:
            served.append(turns)
            return await super().send(card)

    served: list[int] = []
    serving = asyncio.create_task(others())
    await DiscordReply([Door()]).answer(answer("| a | b |\n| - | - |\n" + "| *x* | y |\n" * 2000))
    serving.cancel()
    assert served[0] > 3


async def test_a_reply_that_was_cut_off_before_it_was_shown_is_not_taken_for_given() -> None:
    wall = Wall(slow=60)
    reply = DiscordReply([wall])
    answering = asyncio.create_task(reply.answer(answer("Thirty days.")))
    await asyncio.sleep(0.05)
    answering.cancel()
    await asyncio.wait([answering])
    assert not wall.texts
    assert not reply.spoken


async def test_the_first_words_are_shown_at_once_and_the_whole_takes_their_place() -> None:
    wall = Wall()
    reply = DiscordReply([wall])
    await reply.stream("Thirty ")
    await asyncio.sleep(0.05)
    assert wall.texts == ["Thirty"]
    await reply.stream("days")
    await reply.answer(answer("Thirty days."))
    await reply.close()
    assert wall.texts == ["Thirty days."]
    assert wall.buttons == [["👍", "👎"]]


async def test_nothing_that_was_on_its_way_is_shown_after_the_whole() -> None:
    wall = Wall(slow=0.05, interval=0.01)
    reply = DiscordReply([wall])
    for word in ("Thirty ", "days ", "of ", "leave"):
        await reply.stream(word)
        await asyncio.sleep(0.03)
    await reply.answer(answer("Thirty days."))
    await asyncio.sleep(0.2)
    await reply.close()
    assert wall.texts == ["Thirty days."]


async def test_a_stream_goes_on_in_the_next_place_when_its_own_closes_and_leaves_word_there() -> None:
    first, second = Wall(), Wall()
    reply = DiscordReply([first, second])
    await reply.stream("Thirty ")
    await asyncio.sleep(0.05)
    first.closed = True
    await reply.stream("days ")
    await asyncio.sleep(0.2)
    await reply.answer(answer("Thirty days."))
    await reply.close()
    assert (first.texts, second.texts) == (["Thirty"], ["Thirty days."])
    assert first.handed_over == ["Thirty"]


async def test_a_reply_that_another_process_began_is_written_over_it() -> None:
    wall = Wall()
    stands = await wall.send(Card(text="Thir"))
    reply = DiscordReply([wall], standing=Posted(stands, wall))
    await reply.stream("Thirty ")
    await reply.answer(answer("Thirty days."))
    await reply.close()
    assert wall.texts == ["Thirty days."]


async def test_where_the_reply_stands_is_noted_once_for_who_may_have_to_finish_it() -> None:
    spot = Spot(channel="7")
    reply = DiscordReply([Wall()], spot=spot)
    await reply.stream("Thirty ")
    await asyncio.sleep(0.05)
    await reply.answer(answer("Thirty days. " * 400))
    await reply.close()
    assert spot.fields == {"channel": "7", "stands": "wall 0"}


async def test_a_question_that_is_too_long_for_a_button_is_not_offered() -> None:
    wall = Wall()
    asked = ("And in Spain?", "And in\nSpain?", "x" * 76, "And in France?")
    await DiscordReply([wall]).answer(replace(answer("Thirty days."), follow_ups=asked))
    assert wall.buttons == [["👍", "👎", "And in Spain?", "And in France?"]]
    assert all(len(button.command) <= 90 for row in wall.cards[0].rows for button in row)


async def test_an_error_is_a_card_with_its_id_in_small_print() -> None:
    wall = Wall()
    await DiscordReply([wall]).fail("It went wrong (error `0a1b2c3d`). Nothing was lost.", "retry discord:1")
    [card] = wall.cards
    assert (card.text, card.small, card.failed) == ("It went wrong. Nothing was lost.", "-# Error `0a1b2c3d`", True)
    assert wall.buttons == [["Try again"]]
