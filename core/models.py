"""The values that the three stories exchange. All are frozen; functions return new ones."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property

Principal = str
"""Who may read: ``everyone``, ``user:ana@acme.com``, ``group:confluence:eng``, ``domain:acme.com``, ``role:discord:123``."""

EVERYONE: Principal = "everyone"

_CHUNK_NAMESPACE = uuid.UUID("6f6f746e-6f74-4e65-8a1c-0c2f3d5b7e91")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Who may read a document: a reader passes who holds a principal of *every* gate.

    A gate without principals admits nobody, which is what an unknown access is. An access without
    gates would admit everybody by accident, so it cannot be made.
    """

    gates: tuple[frozenset[Principal], ...]

    def __post_init__(self) -> None:
        if not self.gates:
            raise ValueError("an Access needs at least one gate: use PUBLIC or NOBODY")

    def admits(self, principals: frozenset[Principal]) -> bool:
        return all(gate & principals for gate in self.gates)

    @cached_property
    def class_id(self) -> str:
        """Hash shared by all equal accesses (order and repetition of gates do not matter): 32 hex digits."""
        canonical = sorted({tuple(sorted(gate)) for gate in self.gates})
        return hashlib.sha256(json.dumps(canonical).encode()).hexdigest()[:32]


PUBLIC = Access(gates=(frozenset({EVERYONE}),))
NOBODY = Access(gates=(frozenset(),))


@dataclass(frozen=True, kw_only=True)
class Audience:
    """Who will see an answer: one set of principals per distinct reader.

    A document may be used only if every reader passes its access. No readers means that nobody is
    known to be there, and then nothing may be used.
    """

    readers: frozenset[frozenset[Principal]]

    @classmethod
    def of(cls, *readers: Iterable[Principal]) -> Audience:
        """An audience of these readers; everyone holds ``everyone``."""
        return cls(readers=frozenset(frozenset(reader) | {EVERYONE} for reader in readers))

    def may_read(self, access: Access) -> bool:
        return bool(self.readers) and all(access.admits(reader) for reader in self.readers)


ANYONE = Audience.of(())
"""A reader of whom nothing is known: sees what everyone may read."""


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that hangs on a message: where it is, not what it holds."""

    name: str
    size: int
    """Bytes, as its platform declares them."""
    address: str
    """Where its platform gives it to us."""
    url: str
    """Where people open it."""
    media_type: str = ""
    """As its platform declares it; empty when it does not."""
    place: Principal = ""
    """What everybody holds who sees the message: ``channel:slack:C1``. Empty where its author alone does."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a person said to the bot, its mention already stripped."""

    id: str
    """Unique on its platform; a redelivered event carries the same one (``slack:T1:C1:1700000000.000100``)."""
    platform: str
    conversation_id: str
    """The thread (Slack), reply chain or channel (Discord) whose turns belong together."""
    channel_id: str
    user: str
    """The person's id with its platform: ``slack:U123``, ``discord:456``, ``terminal:local``."""
    user_name: str
    text: str
    sent_at: datetime
    aliases: tuple[str, ...] = ()
    """Other ids under which the same utterance may be delivered again: Slack's event id and client_msg_id."""
    private: bool = False
    """True when only the person who asked sees the answer: a direct message, an ephemeral reply."""
    sources: tuple[str, ...] = ()
    """Answer from these only; from all without any."""
    files: tuple[Attachment, ...] = ()
    addressed: bool = True
    """False for a question that was put to nobody in particular: its person expects no reply, and gets an answer or nothing."""
    replaces: str = ""
    """The id of the message that this is a later wording of."""

    def __post_init__(self) -> None:
        # Half a surrogate pair, as a careless client sends it, can neither be kept nor sent on.
        for name in ("text", "user_name"):
            object.__setattr__(self, name, getattr(self, name).encode("utf-8", "replace").decode())

    @property
    def said_as(self) -> str:
        """The id that all wordings of it share."""
        return self.replaces or self.id


@dataclass(frozen=True, kw_only=True)
class Document:
    """A page or a file as its source has it. ``body`` is parsed only when its hash has changed."""

    id: str
    """Stable over renames and moves: ``confluence:123``, ``folder:handbook/travel.md``."""
    source: str
    title: str
    url: str
    body: str | bytes
    media_type: str
    """IANA type that tells the parser what ``body`` is: ``text/markdown``, ``application/pdf``, ..."""
    updated_at: datetime
    access: Access
    path: tuple[str, ...] = ()
    """Headings above the title: space and ancestor pages, folders. Outermost first."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    """The source's mark of this state: as long as it is equal, nothing of the rest has changed, access excepted. Empty:
    unknown."""
    owners: tuple[Principal, ...] = ()
    """Who looks after it, the likeliest first: ``user:ana@acme.com``, or an account of its source as its Groups tell it."""

    @cached_property
    def content_hash(self) -> str:
        """Hash of all that is searched. Who may read it, who looks after it, where it lies and when it was edited change
        without embedding.
        """
        body = self.body.encode() if isinstance(self.body, str) else self.body
        head = json.dumps([self.title, self.media_type])
        return hashlib.sha256(head.encode() + b"\0" + body).hexdigest()[:32]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """An indexed piece of a document. ``text`` is the body alone; ``headings`` stand in front of it when indexed."""

    document_id: str
    position: int
    source: str
    title: str
    url: str
    headings: tuple[str, ...]
    text: str
    updated_at: datetime
    access: Access

    @property
    def id(self) -> str:
        return str(uuid.uuid5(_CHUNK_NAMESPACE, f"{self.document_id}\n{self.position}"))

    @property
    def indexed_text(self) -> str:
        """What is embedded and searched: title and heading path in front of the text."""
        above = " > ".join((self.title, *self.headings))
        return f"{above}\n{self.text}"


@dataclass(frozen=True, kw_only=True)
class Hit:
    chunk: Chunk
    score: float
    """Fused score of the query; comparable within one result only."""
    named: bool = False
    """It has what the query is about, an identifier or a word that stands hardly anywhere else: no score cuts it off."""
    words: float | None = None
    """BM25 scores of the best chunks of its document, summed: comparable within one result only. None: not known."""


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a question is limited to, for certain. Empty: nothing."""

    people: tuple[Principal, ...] = ()
    """Documents that one of them looks after."""
    path: tuple[str, ...] = ()
    """Documents that lie below these headings: a space, a folder. Outermost first."""
    since: datetime | None = None
    until: datetime | None = None
    """Documents that were edited last within this time; the end is not in it."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for. A follow-up says by ``before`` and ``answered`` what it follows: they count less than ``text``."""

    text: str
    before: str = ""
    """What the same people asked before."""
    answered: str = ""
    """What was answered to that."""
    sources: tuple[str, ...] = ()
    """Of these only; of all without any."""
    scope: Scope = Scope()
    also: tuple[str, ...] = ()
    """Other words for what ``text`` means: what an acronym stands for, the spelling that is known here, the question as it
    was asked before it was rewritten. They count less than ``text``.
    """
    without: tuple[str, ...] = ()
    """Ids of documents that count as if they were not there: what would be found without them?"""


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a chunk is called in the index, and in what it lies. Not for people before it is known that they may read it."""

    document_id: str
    source: str
    access: str
    """Name of its access class."""
    title: str
    headings: tuple[str, ...] = ()
    """Those above it, outermost first."""
    path: tuple[str, ...] = ()
    """As of :class:`Document`; on its first chunk alone."""
    owners: tuple[Principal, ...] = ()
    """As of :class:`Document`; on its first chunk alone."""


@dataclass(frozen=True, kw_only=True)
class Signals:
    """How much what was found looks like an answer. What may not be read has no part in it."""

    coverage: float
    """The share of the query's words that the chunk has which is best by words (BM25); rare words count more."""
    agreement: float
    """Cosine of the query and the chunk that is best by words."""
    lead: float
    """Cosine of the query and the chunk that is best by meaning, less the mean of the best ten."""


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """What a search found, best first."""

    hits: tuple[Hit, ...] = ()
    signals: Signals | None = None
    """None when there is no embedding, or nothing was found."""
    looked_at: frozenset[str] = frozenset()
    """Ids of the documents that the signals were taken from: once one of them may not be read, they count no more."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A document as people open it."""

    document_id: str
    title: str
    url: str


GAP = " … "
"""Between passages of one quote that do not follow each other."""


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A footnote: ``quote`` is the passage of the document that supports the statement."""

    number: int
    document_id: str
    title: str
    url: str
    quote: str
    """Passages of the document with ``GAP`` between those that do not follow each other there; a mark of more at its end."""
    updated_at: datetime
    also_at: tuple[Link, ...] = ()
    """Other documents in which the quote stands, too."""

    @property
    def passages(self) -> list[str]:
        return self.quote.removesuffix(GAP.rstrip()).split(GAP)


class AnswerMode(StrEnum):
    GENERATED = "generated"
    QUOTES = "quotes"
    """The best sentences themselves: no model is configured, or it could not be reached."""
    NOT_FOUND = "not_found"


@dataclass(frozen=True, kw_only=True)
class Answer:
    id: str
    question: str
    text: str
    """Markdown with markers ``[1]`` that match ``citations``."""
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    mode: AnswerMode
    model: str
    prompt_version: str
    timings: Mapping[str, float]
    """Milliseconds by step: condense, understand, line (waiting for a turn to search), retrieve, first_token, generate, total."""
    notice: str = ""
    """What the reader should know besides the answer: "the model could not be reached, these are quotes"."""
    taken_as: str = ""
    """What the question was taken to mean, for who asked it: the names in it may be of pages that others must not know of."""
    documents: tuple[str, ...] = ()
    """Ids of all that it was made from, cited or not, and of what the earlier answers were made from that it may repeat."""
    follow_ups: tuple[str, ...] = ()
    """Questions that its readers might ask next, and that can be answered: at most three."""
    escalates: bool = False
    """Whether a person can be called to it: somebody is named in the channel's settings."""
    near: tuple[Link, ...] = ()
    """Of a refusal: the nearest pages, best first, that every reader may read."""

    @property
    def grounded(self) -> bool:
        return bool(self.citations)

    @property
    def remarks(self) -> str:
        """All that is said besides the answer."""
        return f"{self.taken_as} {self.notice}".strip()


class Reason(StrEnum):
    """What was wrong with an answer."""

    WRONG = "wrong"
    OUTDATED = "outdated"
    MISSING = "missing"
    PRIVATE = "private"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """A person's rating of an answer; a later one of the same person takes its place."""

    answer_id: str
    user: str
    good: bool
    at: datetime
    reason: Reason | None = None
    comment: str = ""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A stored question and answer. It is replayed only to an audience that may read all that the answer was made from:
    as it was then, and as it is now.
    """

    question: str
    answer: str
    accesses: tuple[Access, ...]
    """As they were then."""
    asked_by: str
    asked_by_name: str
    at: datetime
    documents: tuple[str, ...] = ()
    """Their ids. A turn with accesses and without documents is not known well enough to be replayed."""
    said_as: str = ""
    """The id of the message that asked, in all its wordings."""
    people: tuple[str, ...] = ()
    """Of several turns that were condensed to this one: who asked."""
    messages: tuple[str, ...] = ()
    """Of those: the messages that asked."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """How a document stands with us: in the index, or among those that were left out of it for a reason."""

    version: str
    """As the source gave it with the document; empty when the document should be told again."""
    content_hash: str = ""
    """Empty when it is not in the index as a whole."""
    access_class: str = ""
    """Empty when it is not in the index."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """All that there is, after a listing that was provably complete: a known document that is not among them is gone.

    A source tells it before the documents themselves, so that what is gone goes first. What it skips or fails to read
    is listed, too.
    """

    document_ids: frozenset[str]
    expected: int | None = None
    """How many documents will be told after it, if that is known: progress is measured by it."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """The people and groups that accesses name: principal to members. It replaces what the source told before.

    An account without a known address is a group of nobody; with one, ``account:confluence:5b1`` has the member
    ``user:ana@acme.com``.
    """

    members: Mapping[Principal, frozenset[Principal]]


@dataclass(frozen=True, kw_only=True)
class Upsert:
    document: Document


@dataclass(frozen=True, kw_only=True)
class Remove:
    document_id: str


@dataclass(frozen=True, kw_only=True)
class AccessChanged:
    """The access of a document whose content is as it was told last. Otherwise it is an Upsert: the access of the new
    content says nothing about the old one.
    """

    document_id: str
    access: Access


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Seen and left alone on purpose, with the reason that the report counts (``unsupported type``)."""

    document_id: str
    reason: str
    version: str = ""
    """As of :class:`Document`: a document left out is not told again while it is equal."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    document_id: str
    error: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Everything before it may be considered done once it is in the index: the cursor may then be saved."""

    cursor: str


Change = Listed | Groups | Upsert | Remove | AccessChanged | Skipped | Failed | Checkpoint


@dataclass(frozen=True, kw_only=True)
class SyncRequest:
    """Asked for by the timer, a push, a command or the command line alike."""

    id: str
    source: str
    requested_by: str
    """:data:`SCHEDULE`, :data:`PUSH`, ``cli`` or a person's id."""
    at: datetime
    full: bool = False
    """From the beginning, not from the cursor; unchanged documents are still skipped by hash."""
    force: bool = False
    """Embed unchanged documents again, and prune above the guarded share."""
    prune: bool = False
    """Somebody confirmed that what vanished may go, however much it is."""
    dry_run: bool = False
    scope: str | None = None
    """Only these documents: a space, a folder or an address, as the source understands it, or ``failed``."""


SCHEDULE, PUSH = "schedule", "push"

FAILED = "failed"
"""The scope of a request that tries again what failed before."""

FIRST_RETRY = timedelta(minutes=1)
"""From the end of a failed sync to the next."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Where every document of a source is, at the end of a sync: ``in_source`` = ``in_index`` + ``skipped`` + ``failed`` +
    ``missing``.
    """

    in_source: int
    in_index: int
    """Complete and up to date."""
    skipped: Mapping[str, int]
    """Reason to count."""
    failed: int
    """Not in the index, or with an older version."""
    missing: int
    """Nobody knows why: should be 0, and the next sync fetches them."""
    listed_at: datetime | None = None
    """When the source was last listed as a whole."""


@dataclass(frozen=True, kw_only=True)
class SyncReport:
    """Counts of documents. ``seen`` = indexed + unchanged + failures + skipped."""

    seen: int = 0
    indexed: int = 0
    unchanged: int = 0
    removed: int = 0
    access_changed: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)
    """Document id to what went wrong with it: the first hundred."""
    failures: int = 0
    """How many failed."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Reason to count."""
    chunks: int = 0
    seconds: float = 0.0
    withheld: int = 0
    """Documents that vanished and were kept, because so many at once need to be confirmed."""
    dry_run: bool = False
    would_index: tuple[str, ...] = ()
    would_remove: tuple[str, ...] = ()
    expected: int | None = None
    """How many documents the source will tell in this sync, if it says so: the share of them that is done is the progress."""
    coverage: Coverage | None = None
    """Set when the sync is over."""
    rebuilt: str = ""
    """The id of the collection that it brought up to date while another one still answers: that of another model."""


class SyncStatus(StrEnum):
    NEVER = "never"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    NEEDS_ATTENTION = "needs_attention"
    """The source refused our credentials: no retry helps until an operator acts."""
    NEEDS_CONFIRMATION = "needs_confirmation"
    """More documents vanished than may be pruned unasked; ``footnote reindex --prune`` confirms."""


@dataclass(frozen=True, kw_only=True)
class SyncState:
    source: str
    status: SyncStatus = SyncStatus.NEVER
    cursor: str | None = None
    request: SyncRequest | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    report: SyncReport = field(default_factory=SyncReport)
    error: str | None = None
    fresh_at: datetime | None = None
    """What the index holds of the source is at least as new as this: the start of the last sync that went well."""
    listed_at: datetime | None = None
    """When the source was last listed as a whole."""
    failures: int = 0
    """How many syncs of the whole source in a row failed."""

    def next_after(self, interval: timedelta) -> timedelta:
        """From the end of this sync to the next one: ``interval``, or sooner while it fails, twice as long each time."""
        # A source that is away for a while is soon back; 2^20 minutes are longer than any interval.
        return min(interval, FIRST_RETRY * (1 << min(self.failures - 1, 20))) if self.failures else interval


def now() -> datetime:
    """The default clock. Times are always aware and in UTC."""
    return datetime.now(UTC)
