"""Random work of people on an emulated Confluence, Cloud and Data Center, faults of its API, and crashes between any two
steps: after a quiet sync the index holds what the account sees, for those who may read it, and at no moment does it show
a text to somebody who never could.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from connectors.confluence.source import ConfluenceSource
from core.indexing.cleaning import one_line
from core.indexing.tombstones import FORGOTTEN
from core.indexing.writes import PAUSES
from core.models import EVERYONE, PUBLIC, Access, Principal
from core.principals import expand
from core.settings import ConfluenceConfig
from tests.emulators.confluence_api import ConfluenceApi
from tests.emulators.confluence_site import Site
from tests.emulators.confluence_world import AccessClass, Account, Content
from tests.fakes import Unhurried
from tests.memory_index import LineParser
from tests.property.test_sync_state_machine import BODIES, Syncs, _texts
from tests.sources import NOON
from tests.virtual_time import VirtualTimeLoop

MOST = 8
"""Pages and blog posts at once: more of them find nothing new."""
SPACES = st.integers(0, 1)
WORDS = st.sampled_from(["granite", "basalt", "marble"])
TITLES = st.sampled_from(["Leave", "Travel", "\u202eevil\u0000 name"])
ROUTES = (
    *("GET */pages*", "GET */blogposts*", "GET */spaces*", "GET *attachment*", "GET *comments*", "GET */content*"),
    *("GET */group*", "*"),
)
TROUBLES = (
    {"status": 429, "retry_after": 2},
    {"status": 429},
    {"status": 500},
    {"status": 503},
    {"html": True},
    {"truncated": True},
    {"cut": True},
    {"lost": True},
)
FAULTS = st.tuples(st.sampled_from(ROUTES), st.sampled_from(TROUBLES), st.integers(1, 8), st.integers(0, 6))
KINDS = (
    *("edit", "rename", "move", "trash", "archive", "purge", "restrict", "restrict", "permit", "join", "file", "comment"),
    *("poison", "person", "secret"),
)
Deed = Callable[[], None]


def html(body: str) -> str:
    return "".join(f"<h1>{line[2:]}</h1>" if line.startswith("# ") else f"<p>{line}</p>" for line in body.splitlines())


class Confluence(Syncs):
    source: ConfluenceSource

    def __init__(self) -> None:
        super().__init__()
        self.loop.close()
        self.loop = VirtualTimeLoop()
        self.parser = LineParser()
        self.texts: dict[str, str] = {}
        """What was written into each content, by its id."""
        self.shown: set[tuple[str, str, str]] = set()
        """Document, line and account: who could ever read which text."""

    def teardown(self) -> None:
        self.loop.run_until_complete(self.source.close())
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        super().teardown()

    @initialize(data_center=st.booleans(), index_delay=st.sampled_from([0.0, 60.0]), empty_page_every=st.sampled_from([None, 4]))
    def a_site(self, data_center: bool, index_delay: float, empty_page_every: int | None) -> None:
        self.time = NOON
        self.site = site = Site(data_center=data_center, clock=lambda: self.time)
        self.api = ConfluenceApi(site, index_delay=index_delay, monotonic=self.loop.time)
        self.api.empty_page_every = empty_page_every
        self.people = [site.user(name) for name in ("Ana", "Bob", "Cat")]
        self.team = site.group("team", self.people[0], site.bot)
        self.spaces = [site.space("ENG"), site.space("HR", permit=[self.team])]
        config = ConfluenceConfig(url=self.api.url, email=None if data_center else self.api.email, api_token=self.api.token)
        self.source = ConfluenceSource(config, Unhurried(), transport=self.api, clock=lambda: self.time)
        above = site.page(self.spaces[0], "Handbook", "<p>all</p>")
        above = above if data_center else site.folder(self.spaces[0], "Folder", parent=above)
        page = site.page(self.spaces[0], "Leave", "<p>thirty</p>", parent=above)
        self.texts = {content.id: text for content, text in zip(self.contents("page"), ("all", "thirty"), strict=True)}
        self.write(site.attach(page, "days.txt", b"days"), "days")
        self.write(site.comment(page, "<p>why</p>"), "why")
        self.declare()

    # The oracle: the site itself.

    def contents(self, *kinds: str) -> list[Content]:
        return [content for content in self.site.contents.values() if content.kind in kinds]

    def present(self) -> set[str]:
        return {self.document_id(content) for content in self.site.visible_documents().values()}

    def text(self, content: Content) -> str:
        if content.kind != "comment":
            return self.texts[content.id]
        marked = f"> {content.marked}\n" if content.marked else ""
        replies = sorted((one for one in content.subtree() if one is not content), key=lambda one: one.number)
        return marked + "\n".join(self.texts[one.id] for one in (content, *replies))

    def document_id(self, content: Content) -> str:
        return f"confluence:{'comment:' if content.kind == 'comment' else ''}{content.id}"

    def access(self, content: Content) -> Access:
        gates = (frozenset(self.principal(name) for name in gate) for gate in self.site.readers(content))
        closed = tuple(gate for gate in gates if EVERYONE not in gate)
        return Access(gates=closed) if closed else PUBLIC

    def principal(self, name: str) -> Principal:
        kind, _, id = name.partition(":")
        return f"{kind}:confluence:{id}" if id else name

    def readers(self, content: Content) -> set[str]:
        return {person.id for person in self.people if self.site.may_read(person, content)}

    def admitted(self, access: Access) -> set[str]:
        """Whom an access in the index lets in, as far as we know the people."""
        return {person.id for person in self.people if access.admits(self.known(person))}

    def known(self, person: Account) -> frozenset[Principal]:
        return expand({f"user:{person.email}"}, self.ledger.members)

    def is_broken(self, content: Content) -> bool:
        return any(one.broken for one in (content.subtree() if content.kind == "comment" else [content]))

    def declare(self) -> None:
        """A group that somebody has left since it was last told still counts as theirs."""
        for content in self.contents("page", "blogpost", "attachment", "comment"):
            if content.kind == "comment" and content.parent is not None and content.parent.kind == "comment":
                continue
            for reader in self.readers(content) | self.admitted(self.access(content)):
                self.shown.update((self.document_id(content), line, reader) for line in _texts(self.text(content)))

    # What people do. A moment passes before each of it.

    def do(self, deed: Deed) -> None:
        self.time += timedelta(seconds=1)
        deed()
        self.declare()

    def one_of(self, data: st.DataObject, things: list[Any]) -> Any:
        return things[data.draw(st.integers(0, len(things) - 1))]

    def write(self, content: Content, body: str) -> Content:
        self.texts[content.id] = body
        return content

    @rule(data=st.data(), body=BODIES, title=TITLES, what=st.sampled_from(["page", "page", "child", "blog"]))
    def somebody_writes_a_page(self, data: st.DataObject, body: str, title: str, what: str) -> None:
        space = self.spaces[data.draw(SPACES)]
        above = [content for content in self.contents("page", "folder") if content.status == "current"]
        if len(self.contents("page", "blogpost")) >= MOST:
            return
        if what == "blog":
            self.do(lambda: self.write(self.site.blog(space, title, html(body)), body))
        elif what == "page" or not above:
            self.do(lambda: self.write(self.site.page(space, title, html(body)), body))
        else:
            parent = self.one_of(data, above)
            self.do(lambda: self.write(self.site.page(parent.space, title, html(body), parent=parent), body))

    @precondition(lambda self: not self.site.data_center)
    @rule(data=st.data())
    def somebody_makes_a_folder(self, data: st.DataObject) -> None:
        above = [content for content in self.contents("page", "folder") if content.status == "current"]
        if len(self.contents("folder")) < 2:
            parent = self.one_of(data, above) if above and data.draw(st.booleans()) else None
            self.do(lambda: self.site.folder(parent.space if parent else self.spaces[0], "Folder", parent=parent))

    @precondition(lambda self: self.contents("page", "blogpost"))
    @rule(data=st.data(), body=BODIES)
    def somebody_attaches_a_file(self, data: st.DataObject, body: str) -> None:
        page = self.one_of(data, self.contents("page", "blogpost"))
        if len(self.contents("attachment")) < 3:
            # Of one name there is one file on a page; another upload is its next version.
            name = f"notes {len(self.texts)}.txt"
            self.do(lambda: self.write(self.site.attach(page, name, body.encode()), body))

    @precondition(lambda self: self.contents("page", "blogpost"))
    @rule(data=st.data(), word=WORDS, inline=st.booleans(), reply=st.booleans())
    def somebody_comments(self, data: st.DataObject, word: str, inline: bool, reply: bool) -> None:
        comments = self.contents("comment")
        if len(comments) >= 4:
            return
        if reply and comments:
            comment = self.one_of(data, comments)
            self.do(lambda: self.write(self.site.reply(comment, f"<p>{word}</p>"), word))
        else:
            page = self.one_of(data, self.contents("page", "blogpost"))
            self.do(lambda: self.write(self.site.comment(page, f"<p>{word}</p>", inline=inline, marked="words"), word))

    def deed(self, data: st.DataObject) -> Deed:
        """Something that is done to what there is."""
        site, contents = self.site, self.contents("page", "blogpost", "folder")
        if not contents:
            return lambda: None
        content = self.one_of(data, contents)
        match data.draw(st.sampled_from(KINDS)):
            case "edit" if content.kind != "folder":
                body = data.draw(BODIES)
                return lambda: site.edit(self.write(content, body), body=html(body))
            case "rename":
                title = data.draw(TITLES)
                return lambda: site.edit(content, title=title)
            case "move" if content.kind != "blogpost" and content.status == "current":
                return self.move(data, content)
            case "trash" if content.kind != "folder":
                return lambda: (site.trash if content.status == "current" else site.restore)(content)
            case "archive" if content.kind == "page" and content.status == "current":
                return lambda: site.archive(content)
            case "purge" if content.kind != "folder":
                return lambda: site.purge(content)
            case "restrict":
                return self.restrict(data, content)
            case "secret" if content.kind != "folder":
                restrict = self.restrict(data, content)
                body = data.draw(BODIES)
                return lambda: (restrict(), site.edit(self.write(content, body), body=html(body)))[0]
            case "permit":
                space, who = self.spaces[data.draw(SPACES)], self.one_of(data, self.subjects())
                granted = any(grant.subject is who for grant in space.grants)
                return lambda: (site.forbid if granted else site.permit)(space, who)
            case "join":
                person = self.one_of(data, [*self.people, site.bot])
                inside = person.id in self.team.members
                return lambda: (site.leave if inside else site.join)(self.team, person)
            case "person":
                person = self.one_of(data, self.people)
                return lambda: (site.deactivate if person.active else site.reactivate)(person)
            case "file" if files := self.contents("attachment"):
                return self.handle(data, self.one_of(data, files))
            case "comment" if comments := self.contents("comment"):
                comment, word = self.one_of(data, comments), data.draw(WORDS)
                if data.draw(st.booleans()):
                    return lambda: site.delete(comment)
                return lambda: site.edit(self.write(comment, word), body=f"<p>{word}</p>")
            case "poison" if content.kind != "folder":
                return lambda: site.poison(content, not content.broken)
        return lambda: None

    def subjects(self) -> list:
        return [self.site.everybody, self.team, self.people[1], AccessClass.ANONYMOUS]

    def restrict(self, data: st.DataObject, content: Content) -> Deed:
        chosen = data.draw(st.sets(st.integers(0, len(self.people)), max_size=2))
        users = [[*self.people, self.site.bot][number] for number in chosen]
        groups = [self.team] if data.draw(st.booleans()) else []
        return lambda: self.site.restrict(content, users=users, groups=groups)

    def move(self, data: st.DataObject, page: Content) -> Deed:
        above = [one for one in self.contents("page", "folder") if one.status == "current" and one not in page.subtree()]
        if above and data.draw(st.booleans()):
            parent = self.one_of(data, above)
            return lambda: self.site.move(page, parent=parent)
        space = self.spaces[data.draw(SPACES)]
        return lambda: self.site.move(page, space=space)

    def handle(self, data: st.DataObject, file: Content) -> Deed:
        body = data.draw(BODIES)
        if data.draw(st.booleans()):
            return lambda: (self.site.trash if file.status == "current" else self.site.restore)(file)
        return lambda: self.site.replace(self.write(file, body), body.encode())

    @rule(data=st.data())
    def somebody_does_something(self, data: st.DataObject) -> None:
        self.do(self.deed(data))

    @rule(data=st.data())
    def somebody_does_something_more(self, data: st.DataObject) -> None:
        self.do(self.deed(data))

    @rule(hours=st.integers(1, 30))
    def hours_pass(self, hours: int) -> None:
        self.now += timedelta(hours=hours)
        self.time += timedelta(hours=hours)

    # What goes wrong.

    @rule(faults=st.lists(FAULTS, min_size=1, max_size=3), full=st.booleans())
    def a_sync_meets_faults(self, faults: list[tuple[str, dict, int, int]], full: bool) -> None:
        for route, what, times, after in faults:
            self.api.fail(route, times=times, after=after, **what)
        self.sync(full=full)
        self.api.faults.clear()

    @rule()
    def cursors_expire(self) -> None:
        self.api.expire_cursors()

    @rule(data=st.data(), number=st.integers(1, 3), after=st.integers(0, 15), steps=st.none() | st.integers(0, 20))
    def people_work_while_a_sync_runs(self, data: st.DataObject, number: int, after: int, steps: int | None) -> None:
        waiting = after

        def before_a_request(request: object) -> None:
            nonlocal waiting, number
            waiting -= 1
            if waiting < 0 < number:
                number -= 1
                self.do(self.deed(data))

        self.api.between = before_a_request
        self.sync(crash_after=steps)
        self.api.between = None

    @precondition(lambda self: self.contents("page", "blogpost"))
    @rule(data=st.data(), after=st.integers(8, 20))
    def somebody_closes_a_page_and_writes_a_secret_while_it_is_read(self, data: st.DataObject, after: int) -> None:
        page, number = self.one_of(data, self.contents("page", "blogpost")), 0

        def secret() -> None:
            self.site.restrict(page, users=[self.people[0], self.site.bot])
            self.site.edit(self.write(page, f"secret of {self.time}"), body=html(self.texts[page.id]))

        def before_a_request(request: object) -> None:
            nonlocal number
            number += 1
            if number == after:
                self.do(secret)

        self.api.between = before_a_request
        self.sync(full=True)
        self.api.between = None

    @rule()
    def a_quiet_sync_brings_the_index_in_step(self) -> None:
        self.catch_up()
        visible = {self.document_id(content): content for content in self.site.visible_documents().values()}
        truth = {id: content for id, content in visible.items() if id not in self.forgotten()}
        broken = {id for id, content in truth.items() if self.is_broken(content)}
        self.now += PAUSES[-1]
        if self.site.data_center:
            # Only its search tells of a further attachment or comment, as soon as it knows.
            self.time += timedelta(seconds=self.api.index_delay)
        given_up = any(attempts > len(PAUSES) for attempts in self.ledger.failed.values())
        report = self.sync(full=given_up, prune=True)
        assert report is not None
        assert self.index.documents - broken == truth.keys() - broken
        for document_id in self.index.documents:
            content = truth[document_id]
            admitted = self.admitted(self.index.access_of(document_id))
            if document_id in broken:
                # Of an older text only that it is shown to nobody who may not read the page now.
                assert admitted <= self.readers(content)
                continue
            words = [word for line in _texts(self.text(content)) for word in line.split()]
            assert self.index.text_of(document_id).split() == words
            title = f"Comment on {content.holder.title}" if content.kind == "comment" else content.title
            assert {point.title for key, point in self.index.points.items() if key[0] == document_id} == {one_line(title)}
            assert self.index.access_of(document_id).class_id == self.access(content).class_id
            assert admitted == self.readers(content)
        assert self.ledger.failed.keys() <= broken
        assert report.coverage.missing == 0
        assert report.coverage.skipped[FORGOTTEN] == len(visible) - len(truth)
        self.api.forget()
        again = self.sync()
        assert again is not None
        assert (again.indexed, again.removed, again.access_changed) == (0, 0, 0)

    @invariant()
    def nothing_is_shown_to_those_who_could_never_read_it(self) -> None:
        for point in self.index.points.values():
            for reader in self.admitted(point.access) if point.access else ():
                shown = {(point.document_id, line, reader) for line in _texts(point.text)}
                assert shown <= self.shown, point


TestConfluence = Confluence.TestCase
TestConfluence.settings = settings(max_examples=20, stateful_step_count=30, report_multiple_bugs=False, deadline=None)
TestConfluenceForLong = type(
    "TestConfluenceForLong",
    (Confluence.TestCase,),
    {"pytestmark": [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]},
)
TestConfluenceForLong.settings = settings(max_examples=500, stateful_step_count=25, report_multiple_bugs=False, deadline=None)
