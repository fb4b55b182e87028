"""The list of gaps as administrators see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from bots.command import Button, Command
from bots.commands.gaps import SHOWN, GapList, Unanswered
from bots.commands.owner import OwnerAnswers
from bots.owners import OWNER, Owners
from core.errors import FootnoteError, TransientError, UserError
from core.evaluation.feedback import Answered, Cited
from core.evaluation.gaps import Gaps, Miss
from core.indexing.index import Owned
from core.models import ANYONE, PUBLIC, Access, Answer, AnswerMode, Audience, Chunk, Hit, Principal, Query, Reason, Retrieved
from core.ports import Search
from tests.fakes import NOON, RecordingReply, answer, groups, message
from tests.memory_index import WordEmbedder
from tests.unit.core.evaluation.test_gaps import asked

ADMIN = "slack:ROOT"
PAGES = {"Travel": PUBLIC, "Salaries of *all*": Access(gates=(frozenset({"user:root@acme.com"}),))}


OWNERS = ("user:ana@acme.com", "account:wiki:5b1")
GENERAL = "slack:T1:C1:1.1"
COMMAND = Command(
    name="gaps",
    text="",
    user=ADMIN,
    user_name="Root",
    principals=frozenset({ADMIN}),
    platform="slack",
    channel_id="C1",
    conversation_id=None,
)


class Letters:
    """A platform's direct messages: who has which address there, and which conversations they could open."""

    def __init__(self, name: str, people: Mapping[str, str], opens: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self.people = people
        self.opens = opens
        self.sent: list[tuple[str, str, Sequence[Button]]] = []
        self.refusal: FootnoteError | None = None

    async def reach(self, _principals: frozenset[Principal]) -> Letters:
        return self

    async def account(self, address: str) -> str | None:
        return self.people.get(address)

    async def sees(self, account: str, conversation_id: str) -> bool:
        return conversation_id in self.opens.get(account, ())

    async def write(self, account: str, text: str, page: Owned, buttons: Sequence[Button]) -> None:
        if self.refusal:
            raise self.refusal
        self.sent.append((account, text, buttons))


async def search(query: Query, audience: Audience, k: int) -> Retrieved:
    """The last page that the audience may read is the nearest one."""
    readable = [title for title, access in PAGES.items() if audience.may_read(access)]
    chunks = [
        Chunk(
            document_id=f"wiki:{title[:6]}",
            position=0,
            source="wiki",
            title=title,
            url="https://wiki.acme.com/x",
            headings=(),
            text="",
            updated_at=NOON,
            access=PAGES[title],
        )
        for title in reversed(readable)
    ]
    return Retrieved(hits=tuple(Hit(chunk=chunk, score=1.0) for chunk in chunks[:k]))


async def away(query: Query, audience: Audience, k: int) -> Retrieved:
    raise TransientError("away")


def not_found(question: str, id: str) -> Answer:
    return replace(answer(id=id, question=question), mode=AnswerMode.NOT_FOUND)


class Office:
    def __init__(self, redis: Redis) -> None:
        self.gaps = Gaps(redis, WordEmbedder(), near=0.8)
        self.unanswered = Unanswered(self.gaps)
        self.asked = self.ticks = 0
        self.groups = groups({"account:wiki:5b1": ("user:ben@acme.com",)})
        self.owned = {
            f"wiki:{title[:6]}": Owned(
                document_id=f"wiki:{title[:6]}",
                source="wiki",
                title=title,
                url="https://wiki.acme.com/x",
                owners=OWNERS,
                access=access,
            )
            for title, access in PAGES.items()
        }
        self.owners = Owners(self.gaps, self.groups, clock=self.clock)
        self.slack = Letters("slack", {"ana@acme.com": "slack:UANA", "ben@acme.com": "slack:UBEN"}, {"slack:UANA": [GENERAL]})
        self.owners.reached_by("slack", self.slack.reach)
        self.list = self.listing(search)
        self.answers = OwnerAnswers(self.gaps, clock=self.clock)

    def clock(self) -> datetime:
        self.ticks += 1
        return NOON + timedelta(minutes=30, seconds=self.ticks)

    def listing(self, search: Search) -> GapList:
        admins = frozenset({ADMIN})
        return GapList(self.gaps, search, self.groups, admins, documents=self.documents, owners=self.owners, clock=self.clock)

    async def documents(self, ids: Collection[str]) -> Mapping[str, Owned]:
        return {id: self.owned[id] for id in ids if id in self.owned}

    async def asks(self, question: str, id: str, user: str = "slack:ANA", *, private: bool = False, where: str = GENERAL) -> None:
        self.asked += 1
        at = NOON + timedelta(minutes=self.asked)
        asked = message(question, user=user, private=private, sent_at=at, conversation_id=where)
        self.unanswered(asked, not_found(question, id))
        await self.unanswered.settled()

    async def presses(self, button: Button, user: str) -> RecordingReply:
        """A button below what an owner was told."""
        name, _, text = button.command.partition(" ")
        assert (name, len(button.command) <= 90) == (OWNER, True)
        reply = RecordingReply()
        await self.answers.run(replace(COMMAND, name=name, text=text, user=user), reply)
        return reply

    async def says(self, text: str = "", user: str = ADMIN, *holds: str) -> RecordingReply:
        reply = RecordingReply()
        await self.list.run(replace(COMMAND, text=text, user=user, principals=frozenset({user, *holds})), reply)
        return reply


@pytest.fixture
def office(redis: Redis) -> Office:
    return Office(redis)


async def test_an_unanswered_question_is_on_the_list_and_an_answered_one_is_not(office: Office) -> None:
    assert "No gaps" in (await office.says()).replies[0]
    office.unanswered(message(), answer())
    await office.unanswered.settled()
    assert "No gaps" in (await office.says()).replies[0]
    await office.asks("bike parking", "a1")
    await office.asks("parking bike", "a2", "slack:BOB")
    [told] = (await office.says()).replies
    assert told.splitlines() == [
        "**1 gap**, what most people miss first",
        "1. **parking bike** · “bike parking”: 2 times by 2 people since 2026-11-02, last 2026-11-02; unanswered 2; "
        "nearest page: [Travel](https://wiki.acme.com/x); owner: ana@acme.com or ben@acme.com",
    ]


async def test_what_somebody_tells_in_a_thread_is_no_gap_and_a_question_or_a_few_words_are(office: Office) -> None:
    await office.asks("Bikes are parked in the basement, gate 3.", "a1")
    await office.asks("Great, thanks!", "a2")
    assert await office.gaps.gaps() == []
    await office.asks("bike parking", "a3")
    await office.asks("I have a question. Where do visitors leave their cars?", "a4")
    assert len(await office.gaps.gaps()) == 2


async def test_the_nearest_page_is_one_that_the_administrator_may_read_and_no_markup_is_taken_over(office: Office) -> None:
    await office.asks("what do *you* [earn](https://evil.example)", "a1")
    assert "Travel" in (await office.says()).replies[0]
    [told] = (await office.says("", ADMIN, "user:root@acme.com")).replies
    assert "nearest page: [Salaries of all](https://wiki.acme.com/x)" in told
    assert "**what do you earn(https://evil.example)**" in told
    office.list = office.listing(away)
    assert "nearest" not in (await office.says()).replies[0]


async def test_done_takes_a_gap_off_the_list_until_somebody_asks_again(office: Office) -> None:
    await office.asks("bike parking", "a1")
    button, telling = (await office.says()).buttons
    assert (button.label, telling.label) == ("Done: 1", "Tell the owner: 1")
    assert len(button.command) <= 90
    assert "comes back" in (await office.says(button.command.removeprefix("gaps "))).replies[0]
    assert "No gaps" in (await office.says()).replies[0]
    office.unanswered(message("bike parking", sent_at=NOON.replace(hour=13)), not_found("bike parking", "a2"))
    await office.unanswered.settled()
    assert "asked again after it was done" in (await office.says()).replies[0]
    with pytest.raises(UserError, match="no gap `unknown`"):
        await office.says("done unknown")


async def test_private_questions_are_counted_and_not_shown(office: Office) -> None:
    await office.asks("am I fired", "a1", private=True)
    await office.asks("promotion when", "a2", private=True)
    [told] = (await office.says()).replies
    assert "fired" not in told
    assert "promotion" not in told
    assert "Besides, 2 asked in private" in told
    rows = await office.list.rows(ANYONE)
    assert [(row["question"], row["asked"], row["nearest"]) for row in rows] == [(None, 1, None)] * 2


async def test_a_report_of_something_private_stands_first_with_the_documents_to_look_at(office: Office) -> None:
    for number in range(3):
        await office.asks("bike parking", f"b{number}", f"slack:U{number}")
    shown = asked("salaries", id="s1", private=True)
    await office.gaps.note(Miss(answered=shown, user="slack:ANA", at=NOON, reason=Reason.PRIVATE))
    lines = (await office.says()).replies[0].splitlines()
    assert lines[1].startswith("1. A question that was asked in private: once")
    assert "should not have read this; it was made from `folder:travel.md`" in lines[1]
    assert "ANA" not in "\n".join(lines)


async def test_a_long_list_is_cut_and_says_so(office: Office) -> None:
    for number in range(SHOWN + 2):
        await office.asks(chr(97 + number), f"a{number}")
    reply = await office.says()
    assert "and 2 more: `footnote gaps`" in reply.replies[0]
    assert len(reply.buttons) == 2 * SHOWN


async def test_only_administrators_see_it(office: Office) -> None:
    for text in ("", "done x", "tell x"):
        with pytest.raises(UserError, match="administrators"):
            await office.says(text, "slack:ANA")
    with pytest.raises(UserError, match="gaps done ID"):
        await office.says("everything")


async def test_a_queue_that_is_away_keeps_nobody_from_their_answer(redis: Redis) -> None:
    class Broken(Gaps):
        async def note(self, _miss: Miss) -> str:
            raise RuntimeError("no model")

    unanswered = Unanswered(Broken(redis, WordEmbedder()))
    unanswered(message(), not_found("What?", "a1"))
    await unanswered.settled()


async def test_the_json_holds_all_that_is_known_and_nobody(office: Office) -> None:
    await office.asks("bike parking", "a1")
    [row] = await office.list.rows(ANYONE)
    assert {"id", "question", "samples", "asked", "people", "reasons", "documents", "nearest", "first_at", "again"} <= row.keys()
    assert row["nearest"]["title"] == "Travel"
    assert "ANA" not in str(row)
    assert Answered.of(message(), answer()).documents == ()


async def _tells(office: Office, *holds: str) -> str:
    """Press the first *Tell the owner*; what the administrator is told."""
    button = next(button for button in (await office.says("", ADMIN, *holds)).buttons if button.label.startswith("Tell"))
    assert len(button.command) <= 90
    [told] = (await office.says(button.command.removeprefix("gaps "), ADMIN, *holds)).replies
    return told


async def test_the_owner_is_told_what_was_asked_and_how_often_and_never_by_whom(office: Office) -> None:
    await office.asks("bike *parking*", "a1")
    await office.asks("*parking* bike", "a2", "slack:BOB")
    assert await _tells(office) == "ana@acme.com is told, by a direct message."
    [(account, text, buttons)] = office.slack.sent
    assert account == "slack:UANA"
    head, _, *asked, _, foot = text.splitlines()
    assert head.startswith("People ask me something that “Travel” comes nearest to, and does not answer.")
    assert asked == ["> parking bike", "> bike parking"]
    assert foot.startswith("Asked 2 times by 2 people since 2026-11-02.")
    assert "BOB" not in text
    assert [button.label for button in buttons] == ["Done", "Not mine"]


async def test_each_owner_is_told_once_until_the_gap_is_done_and_open_again(office: Office) -> None:
    office.slack.opens = {"slack:UANA": [GENERAL], "slack:UBEN": [GENERAL]}
    await office.asks("bike parking", "a1")
    await _tells(office)
    assert "owner: ana@acme.com (told on 2026-11-02) or ben@acme.com" in (await office.says()).replies[0]
    assert await _tells(office) == "ben@acme.com is told, by a direct message."
    [done] = (await office.says()).buttons
    with pytest.raises(UserError, match="was told already"):
        await office.says(done.command.removeprefix("gaps ").replace("done", "tell"))
    await office.presses(office.slack.sent[0][2][0], "slack:UANA")
    assert "No gaps" in (await office.says()).replies[0]
    office.asked = 60
    await office.asks("bike parking", "a2")
    assert await _tells(office) == "ana@acme.com is told, by a direct message."


async def test_who_says_that_it_is_not_theirs_is_noted_and_the_next_one_is_asked(office: Office) -> None:
    office.slack.opens = {"slack:UANA": [GENERAL], "slack:UBEN": [GENERAL]}
    await office.asks("bike parking", "a1")
    await _tells(office)
    reply = await office.presses(office.slack.sent[0][2][1], "slack:UANA")
    assert reply.settled == ["Noted: it is not yours. The administrators see that in their list."]
    assert "ana@acme.com (told; says that it is not theirs) or ben" in (await office.says()).replies[0]
    await _tells(office)
    assert [account for account, _, _ in office.slack.sent] == ["slack:UANA", "slack:UBEN"]


async def test_nobody_else_presses_what_an_owner_was_told(office: Office) -> None:
    await office.asks("bike parking", "a1")
    await _tells(office)
    for button in office.slack.sent[0][2]:
        with pytest.raises(UserError, match="whoever I told"):
            await office.presses(button, "slack:UBEN")
    assert len(await office.gaps.gaps()) == 1


async def test_words_that_were_not_said_where_the_owner_reads_are_kept_from_them(office: Office) -> None:
    await office.asks("bike parking", "a1", where="slack:T1:CSECRET:1.1")
    await office.asks("parking bike", "a2")
    await _tells(office)
    assert "> parking bike" in office.slack.sent[0][1]
    assert "bike parking" not in office.slack.sent[0][1]


async def test_where_no_word_may_be_told_the_administrator_is_told_so(office: Office) -> None:
    await office.asks("bike parking", "a1", where="slack:T1:CSECRET:1.1")
    with pytest.raises(UserError, match=r"Nobody was told\. .*where ana@acme\.com could have read it.*where ben@acme\.com"):
        await _tells(office)
    assert office.slack.sent == []


async def test_what_was_asked_in_private_is_told_to_no_owner_even_where_its_words_are_kept(office: Office) -> None:
    private = asked("bike parking", id="p1", private=True, conversation_id=GENERAL)
    await office.gaps.note(Miss(answered=private, user=private.asked_by, at=NOON, reason=Reason.MISSING))
    with pytest.raises(UserError, match="may not tell them"):
        await _tells(office)


@pytest.mark.parametrize(
    ("owners", "why"),
    [
        ((), "Nobody is named as the owner of"),
        (("account:wiki:left",), "`account:wiki:left` has no e-mail address that wiki shows me"),
        (("user:eve@acme.com",), "eve@acme.com is nobody whom I can find on Slack"),
    ],
)
async def test_an_owner_who_cannot_be_reached_is_told_of_with_the_reason(
    office: Office, owners: tuple[str, ...], why: str
) -> None:
    office.owned["wiki:Travel"] = replace(office.owned["wiki:Travel"], owners=owners)
    await office.asks("bike parking", "a1")
    [gap] = await office.gaps.gaps()
    with pytest.raises(UserError, match=why):
        await office.says(f"tell {gap.id}")


async def test_an_owner_who_may_not_read_the_page_any_more_is_told_nothing(office: Office) -> None:
    await office.asks("what do you earn", "a1")
    with pytest.raises(UserError, match=r"ana@acme\.com may not read the page any more"):
        await _tells(office, "user:root@acme.com")


async def test_an_owner_who_takes_no_messages_can_be_told_again(office: Office) -> None:
    await office.asks("bike parking", "a1")
    office.slack.refusal = FootnoteError("Slack refused with `user_disabled`.")
    with pytest.raises(UserError, match=r"ana@acme\.com could not be written to: Slack refused with `user_disabled`"):
        await _tells(office)
    office.slack.refusal = None
    assert "ana@acme.com is told" in await _tells(office)


async def test_of_a_bad_answer_it_is_the_page_that_was_cited_and_no_page_that_the_administrator_may_not_read(
    office: Office,
) -> None:
    wrong = asked("bike parking", cited=(Cited(document_id="wiki:Salari", updated_at=NOON),), conversation_id=GENERAL)
    await office.gaps.note(Miss(answered=wrong, user="slack:ANA", at=NOON, reason=Reason.OUTDATED))
    assert "nearest page: [Travel]" in (await office.says()).replies[0]
    told = (await office.says("", ADMIN, "user:root@acme.com")).replies[0]
    assert "answered from: [Salaries of all](https://wiki.acme.com/x); owner: ana@acme.com or ben@acme.com" in told
    [row] = await office.list.rows(Audience.of({"user:root@acme.com"}))
    assert (row["nearest"], row["cited"]["document_id"]) == (None, "wiki:Salari")
    assert row["owners"][1] == {"owner": "ben@acme.com", "told_on": None, "theirs": None}


async def test_forgetting_a_person_forgets_that_they_were_told(office: Office) -> None:
    await office.asks("bike parking", "a1")
    await _tells(office)
    assert await office.gaps.forget_person("slack:UANA") == 1
    assert await office.gaps.tellings.all() == []
