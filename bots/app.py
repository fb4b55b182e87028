"""The composition root: settings in, running parts out. The only place that names concrete classes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import asdict, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import structlog

from core.errors import ConfigError, TransientError
from core.models import ANYONE, Audience, Principal, now
from core.principals import expand
from core.redaction import address
from core.retry import retry
from core.settings import Settings

if TYPE_CHECKING:
    from aiohttp import web
    from langchain_core.language_models import BaseChatModel
    from redis.asyncio import Redis

    from bots.command import Command
    from bots.commands.config import ConfigCommand
    from bots.commands.forget import Forget
    from bots.commands.gaps import GapList, Unanswered
    from bots.commands.registry import Commands
    from bots.commands.reviewed import ReviewedAnswers
    from bots.commands.uploads import UploadCommands
    from bots.desk import AnswerDesk
    from bots.discord.client import DiscordBot
    from bots.files import Files
    from bots.http import Probe
    from bots.overview import Overview
    from bots.owners import Messenger, Owners
    from bots.pending import Pending
    from bots.platform import Platform
    from bots.push import Push
    from bots.responder import Responder
    from bots.slack.app import SlackBot
    from bots.slack.departed import Departed
    from bots.upload import Adding
    from core.answering.assistant import Assistant
    from core.answering.attached import Attached
    from core.answering.gate import Gate
    from core.answering.memory import Memory
    from core.answering.refusing.confidence import Rules
    from core.answering.reranking import HostedReranker
    from core.answering.understanding.understanding import Understanding
    from core.answering.understanding.vocabulary import Vocabulary
    from core.audit import Audit
    from core.channels import Channels
    from core.embedded.keeper import Engines
    from core.evaluation.feedback import FeedbackLog
    from core.evaluation.gaps import Gaps
    from core.groups import SourceGroups
    from core.indexing.index import Index, Owned
    from core.indexing.jobs import Jobs, Schedule, Worker
    from core.indexing.parsing import Parser
    from core.indexing.uploads import Uploads
    from core.links import Links
    from core.ports import Accesses, Embedder, Search, Source


log = structlog.get_logger(__name__)

_AWAITED = ("uploads",)
"""Sources that a worker takes up however many others it syncs: whoever added a file wants to ask about it now."""
_MEASURE_SECONDS = 3.0
"""Whoever scrapes does not wait longer for the freshness of the sources."""


class App:
    """The parts of one process. What is connected is made by :func:`open_app`, the rest when first asked for."""

    def __init__(
        self, settings: Settings, *, redis: Redis, index: Index, uploads: Uploads, embedder: Embedder, parser: Parser
    ) -> None:
        self.settings = settings
        self.redis = redis
        self.index = index
        self.uploads = uploads
        self.embedder = embedder
        self.parser = parser

    # A changed page becomes knowledge.

    @cached_property
    def sources(self) -> dict[str, Source]:
        from connectors.registry import build_sources
        from core.limits import RedisLimiter

        def limiter(credential: str, rate: float) -> RedisLimiter:
            return RedisLimiter(self.redis, credential, rate)

        return build_sources(self.settings, limiter, self.uploads)

    @cached_property
    def jobs(self) -> Jobs:
        from core.indexing.jobs import Jobs

        return Jobs(self.redis)

    @cached_property
    def worker(self) -> Worker:
        from core.indexing.jobs import Worker
        from core.indexing.sync import Syncer

        syncer = Syncer(self.index, self.parser, self.embedder)
        return Worker(self.jobs, self.sources, syncer, awaited=_AWAITED, audit=self.audit)

    @cached_property
    def schedule(self) -> Schedule:
        from core.indexing.jobs import Schedule

        return Schedule(self.jobs, self.sources, self.settings.footnote_sync_interval)

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs in a worker process until it is cancelled: the one that syncs, and the timer. Around one Redis server
        all such processes share the documents of a sync, and one timer.
        """
        url = self.settings.redis_url
        if url is None:
            return [self.worker.run(), self.schedule.run()]
        # It takes half a second to import.
        from core.indexing.jobs.docket import speaks

        if not speaks(url):
            log.info("fleet.without_docket", consequence="each source is synced by one worker alone")
            return [self.worker.run(), self.schedule.run()]
        from core.indexing.jobs import Worker
        from core.indexing.jobs.helping import Helping
        from core.indexing.jobs.ticks import Ticks
        from core.indexing.sync import Syncer

        helping = Helping(url, self.redis, self.index, self.parser, self.embedder.count)
        syncer = Syncer(self.index, self.parser, self.embedder, helpers=helping)
        log.info("fleet.joined")
        worker = Worker(self.jobs, self.sources, syncer, helping=helping, awaited=_AWAITED, audit=self.audit)
        return [worker.run(), Ticks(url, self.schedule).run()]

    @cached_property
    def push(self) -> Push | None:
        """What answers ``POST /push/{source}``; None without the secret that proves a notification."""
        if self.settings.footnote_push_secret is None:
            return None
        from bots.push import Push
        from connectors.registry import build_hints

        secret = self.settings.footnote_push_secret.get_secret_value()
        return Push(secret, self.sources.keys(), self.jobs.submit, build_hints(self.settings))

    async def measure(self) -> None:
        """Bring the metrics of the sources up to date; while the queue is away they stay as they are."""
        from bots.gauges import measure

        with suppress(TransientError, TimeoutError):
            async with asyncio.timeout(_MEASURE_SECONDS):
                states = await self.jobs.states()
            measure((state for name, state in states.items() if name in self.sources), now())

    # A file becomes knowledge.

    @cached_property
    def files(self) -> Files:
        """The platforms tell it how theirs are fetched."""
        from bots.files import Files

        return Files(self.parser, most=self.settings.footnote_upload_mb * 1_000_000)

    @cached_property
    def adding(self) -> Adding:
        from bots.upload import Adding

        return Adding(self.uploads, self.files, self.jobs, self.index, audit=self.audit)

    @cached_property
    def attached(self) -> Attached:
        """The files that conversations are about."""
        from core.answering.attached import Attached

        return Attached(self.redis, self.embedder, self.settings.footnote_memory_ttl)

    @cached_property
    def accesses(self) -> Accesses:
        """Who may read what answers were made from."""
        return self.attached.beside(self.index.accesses)

    @cached_property
    def upload_commands(self) -> UploadCommands:
        from bots.commands.uploads import UploadCommands

        return UploadCommands(
            self.adding,
            self.uploads,
            self.groups,
            channels=self.channels,
            allowed=self.settings.footnote_uploads,
            admins=self.settings.admins,
        )

    # A question becomes an answer.

    @cached_property
    def model(self) -> BaseChatModel | None:
        from core.answering.model import build_model

        return build_model(self.settings)

    @cached_property
    def memory(self) -> Memory:
        from core.answering.memory import Memory

        return Memory(
            self.redis,
            turns=self.settings.footnote_memory_turns,
            ttl=self.settings.footnote_memory_ttl,
            accesses=self.accesses,
        )

    @cached_property
    def gate(self) -> Gate:
        from core.answering.gate import Gate

        return Gate(self.redis, self.settings.footnote_rate_limit, self.settings.footnote_channel_rate_limit)

    @cached_property
    def search(self) -> Search:
        """As for answers: no address in what it finds that is not of the document's source."""
        from connectors.registry import build_hosts
        from core.addresses import at_own_hosts

        return at_own_hosts(self.index.search, build_hosts(self.settings))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        from core.answering.understanding.vocabulary import Vocabulary

        return Vocabulary(self.index.labels, self.index.classes)

    @cached_property
    def understanding(self) -> Understanding:
        from core.answering.understanding.understanding import Understanding

        return Understanding(accesses=self.accesses, vocabulary=self.vocabulary, standing=self.index.standing, people=self.groups)

    @cached_property
    def assistant(self) -> Assistant:
        from core.answering.assistant import Assistant
        from core.answering.budget import Budget
        from core.answering.freshness import Freshness
        from core.answering.grounding.context import Context
        from core.answering.grounding.judge import by_model
        from core.answering.refusing.confidence import Confidence

        judges = self.model is not None and self.settings.footnote_support == "model"
        return Assistant(
            search=self.search,
            accesses=self.accesses,
            model=self.model,
            memory=self.memory,
            model_timeout=self.settings.footnote_model_timeout,
            freshness=Freshness(self.jobs.states, self.settings.footnote_sync_interval),
            sources=self.index.sources,
            attached=self.attached,
            understanding=self.understanding,
            context=Context(neighbours=self.index.neighbours, tokens=self.settings.footnote_source_tokens),
            embed=self.embedder.embed_query if self.settings.footnote_embeddings.startswith("local") else None,
            confidence=Confidence(self.embedder.embed_query, self.rules),
            judge=by_model(self.model) if judges and self.model else None,
            rerank=self.reranker,
            budget=Budget(
                self.redis,
                daily=self.settings.footnote_daily_tokens,
                per_person=self.settings.footnote_daily_tokens_per_person,
            ),
        )

    @cached_property
    def reranker(self) -> HostedReranker | None:
        from core.answering.reranking import HostedReranker

        name, url, key = (getattr(self.settings, f"footnote_reranker{part}") for part in ("", "_url", "_key"))
        if not name:
            return None
        if url is None:
            raise ConfigError(f"FOOTNOTE_RERANKER is {name}, but where? Set FOOTNOTE_RERANKER_URL, or unset it for no reranking.")
        return HostedReranker(name, str(url), key.get_secret_value() if key else "")

    @cached_property
    def rules(self) -> Rules:
        """How sure an answer must be."""
        from core.answering.refusing.confidence import Rules

        return Rules(self.redis, self.embedder.name)

    @cached_property
    def responder(self) -> Responder:
        from bots.attached import FileQuestions
        from bots.responder import Responder

        return Responder(
            self.assistant,
            self.gate,
            desk=self.desk,
            pending=self.pending,
            channels=self.channels,
            memory=self.memory,
            unanswered=self.unanswered,
            uploads=self.upload_commands,
            files=FileQuestions(self.files, self.attached, self.embedder.count),
            audit=self.audit,
        )

    @cached_property
    def pending(self) -> Pending:
        from bots.pending import Pending

        return Pending(self.redis)

    @cached_property
    def channels(self) -> Channels:
        from core.channels import Channels

        return Channels(self.redis)

    @cached_property
    def desk(self) -> AnswerDesk:
        from bots.desk import AnswerDesk

        return AnswerDesk(self.redis, self.index.classes)

    @cached_property
    def feedback(self) -> FeedbackLog:
        from core.evaluation.feedback import FeedbackLog

        return FeedbackLog(self.redis)

    @cached_property
    def gaps(self) -> Gaps:
        from core.evaluation.gaps import Gaps

        return Gaps(self.redis, self.embedder)

    @cached_property
    def gap_list(self) -> GapList:
        from bots.commands.gaps import GapList

        return GapList(self.gaps, self.search, self.groups, self.settings.admins, documents=self.owned, owners=self.owners)

    async def owned(self, document_ids: Collection[str]) -> Mapping[str, Owned]:
        """Documents with who looks after them; as for answers, no address that is not of the document's source."""
        from connectors.registry import build_hosts
        from core.addresses import is_at

        hosts = build_hosts(self.settings)
        found = await self.index.owned(document_ids)
        return {id: one if is_at(one.url, hosts.get(one.source, ())) else replace(one, url="") for id, one in found.items()}

    @cached_property
    def owners(self) -> Owners:
        """The platforms tell it how theirs are reached."""
        from bots.owners import Owners

        return Owners(self.gaps, self.groups)

    @cached_property
    def reviewed(self) -> ReviewedAnswers:
        from bots.commands.reviewed import ReviewedAnswers

        return ReviewedAnswers(self.adding, self.uploads)

    @cached_property
    def unanswered(self) -> Unanswered:
        from bots.commands.gaps import Unanswered

        return Unanswered(self.gaps)

    @cached_property
    def terminal(self) -> Responder:
        """For the one person at the keyboard, who may ask as fast as they like."""
        from bots.responder import Responder
        from core.answering.gate import Gate

        return Responder(self.assistant, Gate(self.redis, rate_limit=sys.maxsize), audit=self.audit)

    @cached_property
    def commands(self) -> Commands:
        from bots.commands.config import CONFIG
        from bots.commands.escalate import ESCALATE, RESOLVED, Escalation
        from bots.commands.feedback import RATE, Ratings
        from bots.commands.gaps import GAPS
        from bots.commands.link import ISSUE, REDEEM, UNLINK, LinkCommands
        from bots.commands.memory import MEMORY, NEW, MemoryCommands
        from bots.commands.owner import OwnerAnswers
        from bots.commands.private import ASK, SHARE, PrivateAnswers
        from bots.commands.registry import Commands
        from bots.commands.retry import Retry
        from bots.commands.reviewed import KEEP, Keeping
        from bots.commands.uploads import ADD, LIST, REMOVE
        from bots.owners import OWNER
        from bots.responder import RETRY

        private = PrivateAnswers(self.desk, self.responder, self.groups, self.accesses)
        escalation = Escalation(self.channels, self.desk)
        links = LinkCommands(self.links)
        remembered = MemoryCommands(self.memory)
        return Commands(
            jobs=self.jobs,
            index=self.index,
            sources=self.sources,
            admins=self.settings.admins,
            interval=self.settings.footnote_sync_interval,
            audit=self.audit,
            more={
                ASK: private.ask,
                SHARE: private.share,
                ISSUE: links.issue,
                REDEEM: links.redeem,
                UNLINK: links.unlink,
                RETRY: Retry(self.pending).run,
                ESCALATE: escalation.escalate,
                RESOLVED: escalation.resolved,
                RATE: Ratings(self.desk, self.feedback, self.gaps, audit=self.audit).rate,
                GAPS: self.gap_list.run,
                OWNER: OwnerAnswers(self.gaps).run,
                KEEP: Keeping(self.reviewed, self.desk, self.gaps, self.channels, self.settings.admins).keep,
                "forget": self.forget.run,
                NEW: remembered.new,
                MEMORY: remembered.show,
                CONFIG: self.config.run,
                ADD: self.upload_commands.add,
                LIST: self.upload_commands.show,
                REMOVE: self.upload_commands.remove,
            },
        )

    @cached_property
    def config(self) -> ConfigCommand:
        from bots.commands.config import ConfigCommand

        return ConfigCommand(
            self.channels, self.sources_for, self.settings.admins, model=self.model is not None, audit=self.audit
        )

    async def sources_for(self, command: Command) -> frozenset[str]:
        """Those in which there is something that whoever gives the command may read; for an administrator all."""
        own = await self.index.sources(Audience.of(expand(command.principals, await self.groups())))
        return own if self.settings.admins.isdisjoint(command.principals) else own | self.sources.keys()

    @cached_property
    def forget(self) -> Forget:
        from bots.commands.forget import Forget

        return Forget(
            memory=self.memory,
            desk=self.desk,
            pending=self.pending,
            traces=self._forget_traces,
            files=self.attached.forget,
            discard=self.uploads.remove,
            feedback=self.feedback,
            gaps=self.gaps,
            repeating=self.reviewed.forget_made_from,
            jobs=self.jobs,
            index=self.index,
            sources=self.sources,
            admins=self.settings.admins,
            audit=self.audit,
        )

    async def _forget_traces(self, user: str) -> int:
        return await self.attached.forget_person(user) + await self._forget_wordings(user)

    async def _forget_wordings(self, user: str) -> int:
        if user.startswith("discord:"):
            from bots.discord import missed
            from bots.discord import wordings as discord

            await missed.forget_person(self.redis, user)
            return await discord.forget_person(self.redis, user)
        from bots.slack import wordings as slack

        return await slack.forget_person(self.redis, user)

    @cached_property
    def links(self) -> Links:
        from core.links import Links

        return Links(self.redis, self.settings.footnote_email_domains, audit=self.audit)

    @cached_property
    def source_groups(self) -> SourceGroups:
        from core.groups import SourceGroups

        return SourceGroups(self.redis, self.sources, self.settings.footnote_sync_interval)

    async def groups(self) -> Mapping[Principal, Iterable[Principal]]:
        """Who is in which group: as footnote.toml says, and as the sources told."""
        told = (await self.source_groups.read()).groups
        return {**told, **{name: {*members, *told.get(name, ())} for name, members in self.settings.file.groups.items()}}

    async def audience(self, readers: tuple[str, ...]) -> Audience:
        """The audience of these readers, each expanded as the platforms do; without any, what everyone may read."""
        if not readers:
            return ANYONE
        groups = await self.groups()
        return Audience.of(*(expand({reader}, groups) for reader in readers))

    # Platforms.

    @cached_property
    def overview(self) -> Overview:
        from bots.overview import Overview

        return Overview(self.index.counts_for, self.index.glimpses, self.jobs.states)

    @cached_property
    def slack(self) -> SlackBot | None:
        if self.settings.slack_bot_token is None and self.settings.slack_client_id is None:
            return None
        from bots.slack.app import SlackBot

        bot = SlackBot(
            self.settings,
            self.responder,
            self.commands,
            self.redis,
            self.groups,
            channels=self.channels,
            overview=self.overview,
            departed=self.departed,
            audit=self.audit,
        )
        self.files.fetched_by(bot.name, bot.fetch)
        self.owners.reached_by(bot.name, bot.messenger)
        return bot

    @cached_property
    def departed(self) -> Departed:
        from bots.slack.departed import Departed

        forget = (self.memory.forget_person, self.desk.forget_person, self.attached.forget_person, self.jobs.withdraw)
        return Departed(self.redis, self.adding, self.uploads, forget, told=(self.feedback, self.gaps))

    @cached_property
    def discord(self) -> DiscordBot | None:
        if self.settings.discord_bot_token is None:
            return None
        from bots.choices import Choices
        from bots.discord.client import DiscordBot

        bot = DiscordBot(
            self.settings,
            self.responder,
            self.commands,
            self.groups,
            self.links.of,
            channels=self.channels,
            choices=Choices(self.index.sources),
            redis=self.redis,
        )
        self.files.fetched_by(bot.name, bot.fetch)

        async def messenger(_principals: frozenset[Principal]) -> Messenger | None:
            return bot.messenger(self.links.accounts)

        self.owners.reached_by(bot.name, messenger)
        return bot

    @property
    def platforms(self) -> list[Platform]:
        return [platform for platform in (self.slack, self.discord) if platform is not None]

    @property
    def slack_events(self) -> Callable[[web.Request], Awaitable[web.StreamResponse]] | None:
        return self.slack.http_handler if self.slack else None

    @property
    def slack_pages(self) -> Mapping[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]:
        return self.slack.pages if self.slack else {}

    # The process.

    @cached_property
    def audit(self) -> Audit:
        from core.audit import Audit

        return Audit(self.settings.audit_log)

    async def close(self) -> None:
        """Let go of what was opened on the way."""
        if "unanswered" in vars(self):
            await self.unanswered.settled()
        if "vocabulary" in vars(self):
            await self.vocabulary.close()
        if reranker := vars(self).get("reranker"):
            await reranker.close()
        if "audit" in vars(self):
            await asyncio.to_thread(self.audit.close)
        if "sources" in vars(self):
            from connectors.registry import close_sources

            await close_sources(self.sources.values())

    async def warm(self) -> None:
        """Load what the first question would otherwise wait for."""
        await self.embedder.embed_query("warm")
        _ = self.assistant

    @property
    def probes(self) -> dict[str, Probe]:
        """The parts that every process depends on."""
        return {"qdrant": self.index.health, "redis": self.ping_redis}

    async def ping_redis(self) -> None:
        """Raises ConfigError when Redis refuses us, TransientError when it does not answer."""
        from bots.redis import probe_redis

        await probe_redis(self.redis)

    def require_servers(self) -> None:
        """Raises ConfigError unless this process can share its work with other machines."""
        for name in ("qdrant_url", "redis_url"):
            if getattr(self.settings, name) is None:
                raise ConfigError(
                    f"{name.upper()} is not set: `footnote bots` and `footnote worker` run on many machines and need a shared "
                    "Qdrant and Redis. On one machine use `footnote serve`."
                )


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[App]:
    """Connect to the servers, or start the embedded engines, and close everything in reverse order.

    Raises ConfigError when a data dir, an address or the collection does not fit the settings.
    """
    async with AsyncExitStack() as stack:
        engines: Engines | None = None
        if settings.qdrant_url is None or settings.redis_url is None:
            from core.embedded.keeper import attach

            engines = await attach(settings.footnote_data_dir)
            stack.push_async_callback(engines.release)

        # The engines' processes start while these are imported.
        from core.indexing.index import Index
        from core.indexing.parsing import Parser
        from core.indexing.qdrant import connect
        from core.indexing.uploads import Uploads

        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        socket = engines.qdrant_socket if engines and settings.qdrant_url is None else None
        client = connect(url=settings.qdrant_url, api_key=key, socket=socket)
        stack.push_async_callback(client.close)

        from bots.redis import connect_redis

        redis = connect_redis(settings.redis_url, engines.redis_socket if engines else None)
        stack.push_async_callback(redis.aclose)

        parser = Parser()
        stack.push_async_callback(parser.close)

        embedder = await build_embedder(settings)
        index = Index(client, embedder, embedder_of=partial(build_former_embedder, settings))
        uploads = Uploads(client)
        try:
            await retry(index.open, attempts=4, budget=25)
        except TransientError as error:
            if engines and socket:
                raise ConfigError(f"the embedded index does not answer: {engines.log} says why") from error
            raise ConfigError(
                f"QDRANT_URL {address(settings.qdrant_url)} does not answer: is the server running, and reachable from here?"
            ) from error
        if rebuild := await index.rebuild():
            log.info("index.rebuilding", **asdict(rebuild))
        app = App(settings, redis=redis, index=index, uploads=uploads, embedder=embedder, parser=parser)
        stack.push_async_callback(app.close)
        yield app


async def build_former_embedder(settings: Settings, model: str) -> Embedder:
    """The embedder of a collection that was made before FOOTNOTE_EMBEDDINGS was changed.

    Raises ConfigError when it cannot be had with these settings.
    """
    from core.indexing.embedding import bundled

    if ":" not in model:
        return await bundled(model)
    from core.answering.embeddings import LangChainEmbedder

    return await LangChainEmbedder.connect(model, settings)


async def build_embedder(settings: Settings) -> Embedder:
    """The bundled models by ``local`` and ``local:wordllama``; any LangChain embeddings by ``provider:model``."""
    name = settings.footnote_embeddings
    if name == "local" or name.startswith("local:"):
        from core.indexing.embedding import build_embedder as build_local

        return build_local(name)
    from core.answering.embeddings import LangChainEmbedder

    return await LangChainEmbedder.connect(name, settings)
