"""People work in a Confluence, a Drive and a chat; after each thing that they do and a sync, every person and every channel
finds what :class:`tests.property.company.Company` says that all of them may read: no more, and no less.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from core.models import Principal, SyncRequest
from core.ports import Source
from tests.property.chat import STATUSES
from tests.property.company import Company
from tests.property.installation import InMemory, Installation
from tests.virtual_time import VirtualTimeLoop

T = TypeVar("T")


def one_of(data: st.DataObject, things: Sequence[T]) -> T:
    return things[data.draw(st.integers(0, len(things) - 1))]


READERS = st.sampled_from(
    ["user:bob@acme.com", "user:cat@acme.com", "user:dan@other.org", "group:eng@acme.com", "group:all@acme.com"]
)
ANYBODY = READERS | st.sampled_from(["domain:acme.com", "anyone"])


def some_of(data: st.DataObject, things: Sequence[T]) -> list[T]:
    return [things[number] for number in sorted(data.draw(st.sets(st.integers(0, len(things) - 1), max_size=2)))]


class TwoPersonas(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = self.a_loop()
        self.sources: tuple[Source, ...] = ()

    def a_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualTimeLoop()

    def an_installation(self) -> Installation:
        return InMemory(self.sources, self.company.drive.now)

    @initialize(data_center=st.booleans())
    def a_company(self, data_center: bool) -> None:
        self.company = Company(data_center=data_center)
        self.sources = self.company.sources()
        self.footnote = self.an_installation()
        self.run(self.footnote.open())
        self.after_a_sync("confluence", "drive")

    def teardown(self) -> None:
        if self.sources:
            self.run(self.footnote.close())
        for source in self.sources:
            self.run(source.close())
        self.run(self.loop.shutdown_asyncgens())
        self.run(self.loop.shutdown_default_executor())
        self.loop.close()

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(what)

    # What is true after each step.

    def sync(self, *names: str, full: bool = False) -> None:
        for source in (source for source in self.sources if source.name in names):
            at = self.company.drive.now()
            request = SyncRequest(id=uuid.uuid4().hex, source=source.name, requested_by="cli", at=at, full=full, prune=True)
            report = self.run(self.footnote.sync(source, request))
            assert (report.failures, report.withheld) == (0, 0)

    def after_a_sync(self, *names: str, full: bool = False) -> None:
        self.sync(*names, full=full)
        self.everybody_finds_what_they_may_read()

    def everybody_finds_what_they_may_read(self) -> None:
        for (place, readable), found in zip(self.company.readable(), self.found(), strict=True):
            assert found == readable, place

    def found(self) -> list[set[str]]:
        """At each place of the company."""
        return self.run(self._found())

    async def _found(self) -> list[set[str]]:
        chat, settings, told = self.company.chat, self.company.settings(), await self.footnote.groups()

        async def groups() -> Mapping[Principal, Iterable[Principal]]:
            return {**told, **{name: {*members, *told.get(name, ())} for name, members in settings.items()}}

        places = self.company.places
        return await self.footnote.found([await chat.audience(each.asker.user, each.channel, groups) for each in places])

    @contextmanager
    def nothing_embedded_again(self) -> Iterator[None]:
        """But for what Footnote had not seen before."""
        embedded, known = self.footnote.embedded, self.company.documents().keys()
        yield
        assert self.footnote.embedded - embedded == len(self.company.documents().keys() - known)

    @contextmanager
    def nothing_written_to_the_index(self) -> Iterator[None]:
        written, embedded = self.run(self.footnote.written()), self.footnote.embedded
        yield
        assert self.run(self.footnote.written()) == written
        assert self.footnote.embedded == embedded

    def moment(self, **gap: float) -> None:
        self.company.drive.pass_time(timedelta(**(gap or {"seconds": 1})))

    # What people do with groups: not a document changes.

    @rule(data=st.data())
    def somebody_joins_or_leaves_a_group(self, data: st.DataObject) -> None:
        site, group = self.company.site, one_of(data, self.company.groups)
        account = one_of(data, self.company.accounts)
        with self.nothing_written_to_the_index():
            (site.leave if account.id in group.members else site.join)(group, account)
            self.after_a_sync("confluence")

    @rule(data=st.data())
    def an_account_is_deactivated_or_comes_back(self, data: st.DataObject) -> None:
        site, account = self.company.site, one_of(data, self.company.accounts)
        with self.nothing_written_to_the_index():
            (site.deactivate if account.active else site.reactivate)(account)
            self.after_a_sync("confluence")

    @rule(data=st.data())
    def somebody_hides_or_shows_their_address(self, data: st.DataObject) -> None:
        account = one_of(data, self.company.accounts)
        with self.nothing_written_to_the_index():
            self.company.site.show_email(account, not account.shows_email)
            # A Data Center is asked for it once a day.
            self.moment(days=1, seconds=1)
            self.sync("confluence")
        self.after_a_sync("drive")

    @rule(group=st.sampled_from(["eng", "all"]), member=READERS)
    def somebody_joins_or_leaves_a_google_group(self, group: str, member: str) -> None:
        """Groups may be in groups, in each other too."""
        drive, group = self.company.drive, f"group:{group}@acme.com"
        with self.nothing_written_to_the_index():
            (drive.leave if member in drive.groups[group] else drive.join)(group, member)
            self.after_a_sync("drive")

    @rule(member=READERS, role=st.sampled_from(["reader", "organizer"]))
    def somebody_joins_or_leaves_the_shared_drive(self, member: str, role: str) -> None:
        drive, handbook = self.company.drive, self.company.handbook
        self.moment()
        with self.nothing_written_to_the_index():
            if (member, None) in handbook.root.grants:
                drive.remove_member(handbook, member)
            else:
                drive.add_member(handbook, member, role)
            self.after_a_sync("drive")

    # Who may read: written without embedding.

    @rule(data=st.data())
    def a_space_is_opened_or_closed_to_somebody(self, data: st.DataObject) -> None:
        site, space = self.company.site, one_of(data, self.company.spaces)
        subject = one_of(data, self.company.subjects)
        with self.nothing_embedded_again():
            (site.forbid if any(grant.subject is subject for grant in space.grants) else site.permit)(space, subject)
            self.after_a_sync("confluence")

    @rule(data=st.data(), footnote=st.sampled_from([True, True, True, False]))
    def a_page_is_restricted(self, data: st.DataObject, footnote: bool) -> None:
        site, page = self.company.site, one_of(data, self.company.pages("page", "blogpost", "folder"))
        users = some_of(data, self.company.accounts)
        groups = some_of(data, self.company.groups)
        with self.nothing_embedded_again():
            site.restrict(page, users=[*users, *([site.bot] if footnote and (users or groups) else [])], groups=groups)
            self.after_a_sync("confluence")

    @rule(data=st.data(), principal=ANYBODY, discoverable=st.booleans(), hours=st.none() | st.integers(1, 3))
    def something_is_shared_or_not_any_more(
        self, data: st.DataObject, principal: str, discoverable: bool, hours: int | None
    ) -> None:
        drive, item = self.company.drive, one_of(data, [*self.company.folders, *self.company.files()])
        if item is self.company.handbook.root:
            return
        self.moment()
        with self.nothing_embedded_again():
            if (principal, None) in item.grants:
                drive.unshare(item, principal)
            else:
                named = not principal.startswith(("domain", "anyone"))
                expires = drive.now() + timedelta(hours=hours) if hours and named else None
                drive.share(item, principal, discoverable=discoverable or named, expires=expires)
            self.after_a_sync("drive")

    @rule(data=st.data())
    def a_folder_is_limited_or_not_any_more(self, data: st.DataObject) -> None:
        folder = one_of(data, [folder for folder in self.company.folders if folder.parent])
        self.moment()
        with self.nothing_embedded_again():
            self.company.drive.limit_access(folder, not folder.limited)
            self.after_a_sync("drive")

    @rule(hours=st.integers(1, 3))
    def hours_pass(self, hours: int) -> None:
        with self.nothing_embedded_again():
            self.moment(hours=hours)
            self.after_a_sync("drive")

    @rule(data=st.data())
    def a_google_account_is_deleted(self, data: st.DataObject) -> None:
        person = one_of(data, self.company.people)
        with self.nothing_embedded_again():
            self.company.drive.delete_user(person.email)
            self.after_a_sync("drive", full=True)

    # What people do with documents.

    @rule(data=st.data(), what=st.sampled_from(["page", "child", "blog", "file", "comment"]))
    def somebody_writes_in_confluence(self, data: st.DataObject, what: str) -> None:
        site, words = self.company.site, f"<p>{self.company.words()}</p>"
        above = one_of(data, self.company.pages("page"))
        self.moment()
        match what:
            case "child":
                site.page(above.space, "Child", words, parent=above)
            case "file":
                site.attach(above, f"{self.company.words()}.txt", words.encode())
            case "comment":
                site.comment(above, words)
            case _:
                (site.page if what == "page" else site.blog)(one_of(data, self.company.spaces), "Page", words)
        self.after_a_sync("confluence")

    @rule(data=st.data())
    def a_page_is_moved(self, data: st.DataObject) -> None:
        pages = self.company.pages("page")
        page = one_of(data, pages)
        targets = [one for one in pages if one not in page.subtree() and one.status == "current"]
        target = one_of(data, [*self.company.spaces, *targets])
        self.moment()
        if page.status == "current":
            where = {"space": target} if target in self.company.spaces else {"parent": target}
            self.company.site.move(page, **where)
        self.after_a_sync("confluence")

    @rule(data=st.data())
    def a_page_is_put_into_the_trash_or_restored(self, data: st.DataObject) -> None:
        page = one_of(data, self.company.pages("page", "blogpost"))
        self.moment()
        (self.company.site.trash if page.status == "current" else self.company.site.restore)(page)
        self.after_a_sync("confluence")

    @rule(data=st.data())
    def somebody_writes_a_page_and_closes_it(self, data: st.DataObject) -> None:
        page, account = (
            one_of(data, self.company.pages("page")),
            one_of(data, self.company.accounts),
        )
        self.moment()
        self.company.site.restrict(page, users=[account, self.company.site.bot])
        self.company.site.edit(page, body=f"<p>{self.company.words()}</p>")
        self.after_a_sync("confluence")

    @rule(data=st.data(), doc=st.booleans())
    def somebody_writes_in_drive(self, data: st.DataObject, doc: bool) -> None:
        folder = one_of(data, self.company.folders)
        self.moment()
        make, name = (self.company.drive.doc, "Leave") if doc else (self.company.drive.file, "leave.txt")
        make(name, folder, self.company.words())
        self.after_a_sync("drive")

    @rule(data=st.data())
    def something_is_moved_in_drive(self, data: st.DataObject) -> None:
        company = self.company
        item = one_of(data, [*company.files(), *(one for one in company.folders if one.parent)])
        target = one_of(data, company.folders)
        self.moment()
        if item is not target and item not in target.ancestors():
            company.drive.move(item, target)
        self.after_a_sync("drive")

    @rule(data=st.data())
    def something_is_put_into_the_trash_of_drive_or_restored(self, data: st.DataObject) -> None:
        company = self.company
        item = one_of(data, [*company.files(), *(one for one in company.folders if one.parent)])
        self.moment()
        (company.drive.restore if item.trashed_at else company.drive.trash)(item)
        self.after_a_sync("drive")

    # What happens in the chat: no sync has to tell.

    @rule(data=st.data())
    def somebody_joins_or_leaves_a_channel(self, data: st.DataObject) -> None:
        channel, person = one_of(data, self.company.chat.channels), one_of(data, self.company.people)
        channel.inside = (channel.inside or set()) ^ {person.user.id}
        self.everybody_finds_what_they_may_read()

    @rule(data=st.data(), status=st.sampled_from(sorted(STATUSES)))
    def somebody_becomes_another_in_the_chat(self, data: st.DataObject, status: str) -> None:
        one_of(data, self.company.people).user.flags = STATUSES[status]
        self.everybody_finds_what_they_may_read()

    @rule(data=st.data())
    def a_channel_is_shared_with_another_company_or_not_any_more(self, data: st.DataObject) -> None:
        channel = one_of(data, self.company.chat.channels)
        channel.shared = not channel.shared
        self.everybody_finds_what_they_may_read()

    @rule(data=st.data())
    def an_administrator_lets_a_channel_read_as_a_group_or_not_any_more(self, data: st.DataObject) -> None:
        channel, group = one_of(data, self.company.chat.channels), one_of(data, self.company.groups)
        if self.company.granted.pop(channel.id, None) is not group:
            self.company.granted[channel.id] = group
        self.everybody_finds_what_they_may_read()

    # What goes wrong.

    @rule(first=st.sampled_from(["confluence", "drive"]))
    def redis_is_wiped(self, first: str) -> None:
        """Closed until the next sync: who is who in Confluence, and in which group, only syncs tell."""
        self.run(self.footnote.lose_redis())
        public = self.company.public()
        for (place, readable), found in zip(self.company.readable(), self.found(), strict=True):
            assert found <= readable, place
            assert public <= found or not readable
            if place.channel is None or place.channel.id not in self.company.granted:
                assert {id for id in found - public if id.startswith("confluence:")} == set()
        with self.nothing_embedded_again():
            self.sync(first)
            for (place, readable), found in zip(self.company.readable(), self.found(), strict=True):
                assert found <= readable, place
            self.after_a_sync("drive" if first == "confluence" else "confluence")


TestTwoPersonas = TwoPersonas.TestCase
TestTwoPersonas.settings = settings(max_examples=15, stateful_step_count=6, report_multiple_bugs=False)
TestManyPersonas = pytest.mark.slow(pytest.mark.long(type("TestManyPersonas", (TwoPersonas.TestCase,), {})))
TestManyPersonas.settings = settings(max_examples=910, stateful_step_count=3, report_multiple_bugs=False)
