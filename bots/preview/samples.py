"""One of each kind of message that people get, as both platforms are told it. The pages are those of the demo's company."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bots import owners, reports
from bots.command import Button, CommandReply
from bots.commands.escalate import RESOLVED
from bots.commands.private import ASK, SHARE
from bots.commands.reindex import offers
from bots.responder import GREETING, RETRY
from core.channels import ChannelConfig, Policy
from core.evaluation.gaps import Gap
from core.models import Answer, AnswerMode, Citation, Coverage, Link, SyncReport, SyncState, SyncStatus

if TYPE_CHECKING:
    from bots.discord.cards import Card
    from bots.overview import Shelf
    from bots.slack.render import SlackMessage

Payload = Mapping[str, Any]

AT = datetime(2026, 6, 15, 9, 30, tzinfo=UTC)
_PAGES = "https://quillmoor.example/handbook/"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What both platforms are sent, message by message; a platform that has no such message is sent nothing."""

    name: str
    """Of files: ``answer-with-table``."""
    title: str
    about: str
    slack: Sequence[Payload] = ()
    discord: Sequence[Payload] = ()
    asked: str = ""
    alone: bool = False
    """Only the person who asked sees it."""
    names: Mapping[str, str] = field(default_factory=dict)


def citation(number: int, page: str, title: str, quote: str, *, day: int) -> Citation:
    return Citation(
        number=number,
        document_id=f"handbook:{page}",
        title=title,
        url=f"{_PAGES}{page}",
        quote=quote,
        updated_at=datetime(2026, 6, day, 8, 0, tzinfo=UTC),
    )


TRAVEL = citation(1, "travel-and-expenses", "Travel and expenses", "A hotel may cost up to 140 euros a night.", day=8)
ALLOWANCES = citation(2, "travel-allowances-2026", "Travel allowances 2026", "Norway: 97 euros.", day=2)

ANSWER = Answer(
    id="3f9a61c2d4e84b7fa0c5d8e6b7a91f20",
    question="What may a hotel in Oslo cost, and what do I get for meals?",
    text=(
        "A hotel may cost up to **180 euros** a night in Oslo, breakfast included, because it is a city of list A [1].\n\n"
        "For meals you receive a daily allowance instead of handing in receipts [1]:\n"
        "- **97 euros** a day in Norway [2]\n"
        "- half of it on the days of departure and return [1]"
    ),
    citations=(TRAVEL, ALLOWANCES),
    hits=(),
    mode=AnswerMode.GENERATED,
    model="openai:gpt-5-mini",
    prompt_version="1",
    timings={},
    follow_ups=("Who approves a trip?", "What is paid for meals with customers?", "May I travel first class?"),
    escalates=True,
)
TABLE = replace(
    ANSWER,
    question="Compare our support tiers, and show me how to read a gauge.",
    text=(
        "There are three tiers [1]:\n\n"
        "| Tier | First reply | Hours | Price a month |\n|---|---|---|---|\n"
        "| Harbour | 2 working days | 9–17 | included |\n"
        "| Channel | 4 hours | 8–20 | 240 € |\n"
        "| Open Sea | 30 minutes | always | 900 € |\n\n"
        "The last readings of a gauge come from the Almanac API [2]:\n\n"
        '```bash\ncurl -H "Authorization: Bearer $ALMANAC_TOKEN" \\\n  https://almanac.quillmoor.example/v2/gauges/heron-4711/readings\n```\n\n'
        "> Readings are kept for five years. [2]"
    ),
    citations=(
        citation(1, "support-tiers", "Support tiers", "There are three tiers.", day=3),
        citation(2, "almanac-api", "Almanac API", "Readings are kept for five years.", day=11),
    ),
    follow_ups=("What counts as an outage?",),
    escalates=False,
)
QUOTES = replace(
    ANSWER,
    question="How many days of leave do I have?",
    text="> Everybody has 28 days of leave a year, whatever their contract says about hours. [1]",
    citations=(citation(1, "leave", "Leave", "Everybody has 28 days of leave a year.", day=1),),
    mode=AnswerMode.QUOTES,
    notice="The model does not answer, so these are quotes from the documents.",
    follow_ups=(),
    escalates=False,
)
NOT_FOUND = replace(
    ANSWER,
    question="Which vaccinations do I need for Antarctica?",
    text="I did not find this in the documents. I searched for “Which vaccinations do I need for Antarctica?”. Try other words, "
    "or name the page, the team or the product that it is about.",
    citations=(),
    near=(
        Link(document_id="handbook:travel", title="Travel policy", url=f"{_PAGES}travel"),
        Link(document_id="handbook:insurance", title="Insurance abroad", url=f"{_PAGES}insurance"),
    ),
    mode=AnswerMode.NOT_FOUND,
    follow_ups=(),
    escalates=False,
)
STATES = {
    "handbook": SyncState(
        source="handbook",
        status=SyncStatus.DONE,
        finished_at=AT - timedelta(minutes=3),
        fresh_at=AT - timedelta(minutes=3),
        report=SyncReport(seen=20, unchanged=20, seconds=0.4),
    ),
    "confluence": SyncState(
        source="confluence",
        status=SyncStatus.DONE,
        finished_at=AT - timedelta(minutes=4),
        fresh_at=AT - timedelta(minutes=5),
        listed_at=AT - timedelta(minutes=5),
        report=SyncReport(
            seen=1252,
            indexed=12,
            unchanged=1228,
            failures=3,
            seconds=31.0,
            coverage=Coverage(
                in_source=1252, in_index=1240, skipped={"too large": 7, "unsupported type": 2}, failed=3, missing=0
            ),
        ),
    ),
}
RUNNING = SyncState(
    source="confluence",
    status=SyncStatus.RUNNING,
    started_at=AT - timedelta(seconds=17),
    report=SyncReport(seen=640, indexed=640, seconds=16.8, expected=1252),
)


GAP = Gap(
    id="5f0c2a91d4",
    question="What may a hotel in Oslo cost?",
    samples=("What may a hotel in Oslo cost?", "hotel limits for Norway"),
    asked=7,
    people=4,
    reasons={"unanswered": 5, "missing": 2},
    documents=(ALLOWANCES.document_id,),
    first_at=AT - timedelta(days=11),
    last_at=AT,
)


async def samples() -> list[Sample]:
    """In the order in which people meet them."""
    from bots.discord.cards import payload
    from bots.discord.direct import letter
    from bots.slack.direct import render_letter
    from bots.slack.home import Home, render_home
    from bots.slack.modals import Origin, config_form, reason_form
    from bots.slack.render import render, render_call, render_card, render_error, render_offer, render_text

    origin = Origin(channel="C123", response_url="", answer=ANSWER.id)
    error = "Something went wrong on my side (error `9c41d07e`). If it happens again, give this id to your administrator."
    offer = "You may read more than everybody in this channel."
    shareable = (
        "Only you see this answer. It may come from pages that others here may not read: look at its sources before you share it."
    )
    own = Button(label="Answer with my access", command=f"{ASK} {ANSWER.id}")
    share = Button(label="Share it here", command=f"{SHARE} {ANSWER.id}")
    again = f"{RETRY} slack:T1:C1:1700000000.000100"
    done = Button(label="Mark resolved", command=f"{RESOLVED} {ANSWER.id}")
    told, answers = owners.letter(GAP, ALLOWANCES.title, GAP.samples)
    report = reports.status(STATES, {"handbook": 20, "confluence": 1240}, timedelta(minutes=10), AT)
    failed = offers(STATES["confluence"])
    moving = reports.progress(RUNNING, AT)
    config = ChannelConfig(
        policy=Policy.QUESTIONS, sources=("handbook",), tone="brief, for engineers", escalate_to="slack:U7INES"
    )
    return [
        Sample(
            name="greeting",
            title="Greeting",
            about="To a mention without a question.",
            slack=_slack(render_text(GREETING)),
            discord=await _discord(lambda reply: reply.say(GREETING)),
        ),
        await _answered("answer", "Answer", "Every statement has its footnote; what one can do about it stands below.", ANSWER),
        await _answered("answer-with-table", "Answer with a table, code and a quote", "Of a generated answer.", TABLE),
        await _answered("quotes", "Quotes", "Without a model, or while it is down.", QUOTES),
        await _answered(
            "not-found", "Nothing found", "The same text whether there is nothing, or nothing for these readers.", NOT_FOUND
        ),
        Sample(
            name="offer",
            title="Answer with my access",
            about="To who asked alone, if they may read more than the channel. On Discord the button stands below every answer.",
            slack=_slack(render_offer(offer, [own])),
            alone=True,
        ),
        Sample(
            name="private",
            title="A private answer, and sharing it",
            about="Made from what the person may read; its sources stand before it can be shared.",
            asked=QUOTES.question,
            slack=_slack([*render(QUOTES, follow_ups=False), *render_offer(shareable, [share])]),
            discord=[
                *await _discord(lambda reply: reply.answer(QUOTES)),
                *await _discord(lambda reply: reply.offer(shareable, [share])),
            ],
            alone=True,
        ),
        Sample(
            name="refusal",
            title="A reasoned refusal",
            about="Too long, too often, not allowed: what is wrong, and what helps.",
            slack=_slack(
                render_text("You asked 10 questions in the last minute, which is the limit. Please ask again in 24 seconds.")
            ),
            discord=await _discord(
                lambda reply: reply.say(
                    "You asked 10 questions in the last minute, which is the limit. Please ask again in 24 seconds."
                )
            ),
            alone=True,
        ),
        Sample(
            name="error",
            title="An error",
            about="Never the text of a foreign error: an id to find it by, and a way to try it again.",
            slack=_slack(render_error(error, [Button(label="Try again", command=again)])),
            discord=await _discord(lambda reply: reply.fail(error, again)),
            alone=True,
        ),
        Sample(
            name="rating",
            title="What was wrong?",
            about="Opened by 👎.",
            slack=[reason_form(origin)],
            discord=[_discord_form()],
        ),
        Sample(
            name="call",
            title="A person is called",
            about="Whom the channel's settings name: the one mention that ever pings.",
            slack=_slack([render_call("slack:U7INES", f"Ana asks for a person's answer to “{ANSWER.question}”.", [done])]),
            names={"U7INES": "Ines"},
        ),
        Sample(
            name="owner",
            title="The owner of a page is told",
            about="When an administrator wants it: what was asked where they could have read it, and never by whom.",
            slack=_slack(render_letter(told, ALLOWANCES.title, ALLOWANCES.url, answers)),
            discord=[payload(card) for card in letter(told, ALLOWANCES.title, ALLOWANCES.url, answers)],
            alone=True,
        ),
        Sample(
            name="progress",
            title="Progress of a sync",
            about="One message, edited at most once a second.",
            slack=_slack([render_card(moving)]),
            discord=await _discord(lambda reply: reply.say(moving)),
        ),
        Sample(
            name="status",
            title="Status",
            about="For administrators: where every document is, with a button for what can be done.",
            slack=_slack(render_offer(report, failed)),
            discord=await _discord(lambda reply: reply.offer(report, failed)),
            alone=True,
        ),
        Sample(
            name="config",
            title="How I behave in this channel",
            about="A form in Slack; on Discord a command with options, and this list.",
            slack=[config_form(config, ["confluence", "handbook", "drive"], origin)],
            discord=[_discord_policies(config.policy)],
            names={"U7INES": "Ines"},
        ),
        Sample(
            name="home",
            title="App Home",
            about="What I know that this person may read, and what I keep of them.",
            slack=[
                render_home(
                    Home(
                        user_name="Ana",
                        channel="D1",
                        shelves=_shelves(),
                        questions=ANSWER.follow_ups,
                        remembered_for=timedelta(days=7),
                        at=AT,
                    )
                )
            ],
        ),
    ]


async def _answered(name: str, title: str, about: str, answer: Answer) -> Sample:
    from bots.slack.render import render

    return Sample(
        name=name,
        title=title,
        about=about,
        asked=answer.question,
        slack=_slack(render(answer)),
        discord=await _discord(lambda reply: reply.answer(answer), private=False),
    )


def _slack(messages: Sequence[SlackMessage]) -> list[Payload]:
    return [message.arguments() for message in messages]


async def _discord(write: Callable[[CommandReply], Awaitable[None]], *, private: bool = True) -> list[Payload]:
    """What a reply sends, in a place that notes it."""
    from bots.discord.cards import payload
    from bots.discord.reply import DiscordReply

    place = _Noted()
    reply = DiscordReply([place], private=private)
    await write(reply)
    await reply.close()
    return [payload(card) for card in place.cards]


class _Noted:
    """A place on Discord that takes everything."""

    name = "preview"

    def __init__(self) -> None:
        self.cards: list[Card] = []

    async def send(self, card: Card) -> _Stands:
        self.cards.append(card)
        return _Stands()


class _Stands:
    def __init__(self) -> None:
        from bots.discord.pace import Pace

        self.id = 1
        self.pace = Pace()

    async def edit(self, card: Card, *, hasty: bool = False) -> None:
        """Nothing here is streamed."""

    async def hand_over(self, card: Card) -> None:
        """Nothing here is streamed."""


def _discord_form() -> Payload:
    from bots.discord.modals import reason_form

    return reason_form(ANSWER.id).to_dict()


def _discord_policies(policy: Policy) -> Payload:
    from bots.discord.config import policies

    shown = "This channel: policy `questions`, sources `handbook`, tone “brief, for engineers”, escalates to **Ines**."
    return {"content": shown, "components": policies(policy).to_components()}


def _shelves() -> list[Shelf]:
    from bots.overview import Shelf

    fresh = AT - timedelta(minutes=3)
    return [
        Shelf(source="confluence", documents=1240, fresh_at=fresh),
        Shelf(source="handbook", documents=20, fresh_at=fresh),
        Shelf(source="drive", documents=311, fresh_at=None),
    ]
