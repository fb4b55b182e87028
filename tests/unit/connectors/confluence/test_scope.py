"""What people paste, and which documents they mean."""

from __future__ import annotations

import pytest

from connectors.confluence.scope import Scope, parse_scope
from core.errors import UserError
from tests.unit.connectors.confluence.conftest import Acme

CLOUD = "https://acme.atlassian.net/wiki"
HOME = "https://wiki.acme.com/confluence"


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        ("ENG", Scope(space="ENG")),
        ("~712020abc", Scope(space="~712020abc")),
        ("confluence:123", Scope(id="123")),
        (" 123 ", Scope(id="123")),
        ("att77", Scope(id="att77")),
        ("confluence:comment:78", Scope(id="comment:78")),
        (f"{CLOUD}/spaces/ENG", Scope(space="ENG")),
        (f"{CLOUD}/spaces/ENG/overview?homepageId=5", Scope(id="5")),
        (f"{CLOUD}/spaces/ENG/overview", Scope(space="ENG")),
        (f"{CLOUD}/spaces/~712020%3Aabc/pages", Scope(space="~712020:abc")),
        (f"{CLOUD}/spaces/ENG/pages/123/Leave+policy", Scope(id="123", space="ENG")),
        (f"{CLOUD}/spaces/ENG/pages/123", Scope(id="123", space="ENG")),
        (f"{CLOUD}/spaces/ENG/pages/edit-v2/123?draftShareId=x", Scope(id="123", space="ENG")),
        (f"{CLOUD}/spaces/ENG/pages/123/2026?focusedCommentId=9#comment-9", Scope(id="123", space="ENG")),
        (f"{CLOUD}/spaces/ENG/blog/2026/11/02/124/We+won", Scope(id="124", space="ENG")),
        (f"{CLOUD}/spaces/ENG/blog/124/We+won", Scope(id="124", space="ENG")),
        (f"{CLOUD}/spaces/ENG/folder/125", Scope(id="125", space="ENG")),
        (f"{CLOUD}/pages/viewpage.action?pageId=123", Scope(id="123")),
        (f"{CLOUD}/pages/viewpageattachments.action?pageId=123&preview=%2F123%2F77%2Fa.pdf", Scope(id="att77")),
        (f"{CLOUD}/download/attachments/123/a.pdf?version=1", Scope(id="123")),
    ],
)
def test_addresses_keys_and_ids_of_cloud(said: str, scope: Scope):
    assert parse_scope(said, "confluence", CLOUD) == scope


@pytest.mark.parametrize(
    ("said", "scope"),
    [
        (f"{HOME}/display/ENG", Scope(space="ENG")),
        (f"{HOME}/display/ENG/Leave+policy", Scope(space="ENG", title="Leave policy")),
        (f"{HOME}/display/~ana/%C3%9Cber+mich", Scope(space="~ana", title="Über mich")),
        (f"{HOME}/pages/viewpage.action?pageId=123", Scope(id="123")),
        (f"{HOME}/pages/viewpage.action?spaceKey=ENG&title=Leave%3F", Scope(space="ENG", title="Leave?")),
        (f"{HOME}/spaces/ENG/pages/123/Leave", Scope(id="123", space="ENG")),
    ],
)
def test_addresses_of_a_data_center(said: str, scope: Scope):
    assert parse_scope(said, "confluence", HOME) == scope


@pytest.mark.parametrize(
    "said",
    [
        "",
        "two words",
        "../x",
        f"{CLOUD}/x/aBcD",
        f"{CLOUD}/people/712020",
        "https://elsewhere.example/wiki/spaces/ENG/pages/123",
        "https://acme.atlassian.net.evil.example/wiki/spaces/ENG",
        "https://[bad/wiki",
        "drive:abc def",
        "1" * 40 + "/",
    ],
)
def test_what_means_nothing_is_refused_with_what_can_be_said(said: str):
    with pytest.raises(UserError, match="key of a space"):
        parse_scope(said, "confluence", CLOUD)


class TestSelect:
    @pytest.fixture
    async def wiki(self, either: Acme) -> Acme:
        site = either.site
        above = site.page(either.eng, "Above", "<p>x</p>")
        page = site.page(either.eng, "Leave & more", "<p>x</p>", parent=above)
        site.attach(page, "a.txt", b"x")
        site.attach(page, "photo.png", b"x")
        site.reply(site.comment(page, "<p>x</p>"), "<p>x</p>")
        site.page(site.space("HR"), "Theirs", "<p>x</p>")
        return either

    async def select(self, wiki: Acme, scope: str) -> set[str]:
        """Titles."""
        found = set()
        async for id in wiki.source.select(scope):
            document = await wiki.source.fetch(id)
            assert document is not None
            found.add(document.title)
        return found

    async def test_a_space_is_all_that_is_in_it(self, wiki: Acme):
        expected = {"Above", "Leave & more", "a.txt", "Comment on Leave & more"}
        assert await self.select(wiki, "ENG") == expected
        assert await self.select(wiki, f"{wiki.api.base}/spaces/ENG") == expected

    async def test_a_page_comes_with_what_is_on_it(self, wiki: Acme):
        page = next(content for content in wiki.site.contents.values() if content.title == "Leave & more")
        expected = {"Leave & more", "a.txt", "Comment on Leave & more"}
        assert await self.select(wiki, page.id) == expected
        assert await self.select(wiki, (await wiki.documents())[page.title].url) == expected
        assert await self.select(wiki, f"{wiki.api.base}/display/ENG/Leave+%26+more") == expected

    async def test_an_attachment_and_a_thread_are_themselves(self, wiki: Acme):
        told = {change.id for change in (await wiki.documents()).values() if not change.id.partition(":")[2].isdecimal()}
        for id in told:
            assert [one async for one in wiki.source.select(id)] == [id]

    async def test_a_folder_is_what_is_below_it(self, acme: Acme):
        folder = acme.site.folder(acme.eng, "Folder")
        acme.site.page(acme.eng, "Below", "<p>x</p>", parent=acme.site.page(acme.eng, "In", "<p>x</p>", parent=folder))
        acme.site.page(acme.eng, "Beside", "<p>x</p>")
        assert await self.select(acme, f"{acme.api.base}/spaces/ENG/folder/{folder.id}") == {"In", "Below"}

    @pytest.mark.parametrize("scope", ["NOPE", "99999999", "att99999999", "comment:99999999"])
    async def test_what_is_not_there_is_refused(self, wiki: Acme, scope: str):
        with pytest.raises(UserError, match="not shared"):
            await self.select(wiki, scope)

    async def test_so_is_what_is_in_a_space_that_is_not_read(self, wiki: Acme):
        wiki.source = wiki.connect(spaces=("HR",))
        page = next(content for content in wiki.site.contents.values() if content.title == "Above")
        for scope in ("ENG", page.id):
            with pytest.raises(UserError):
                await self.select(wiki, scope)

    async def test_an_address_of_elsewhere_is_refused_without_a_request(self, wiki: Acme):
        wiki.api.forget()
        with pytest.raises(UserError):
            await self.select(wiki, "https://docs.google.com/document/d/1")
        assert wiki.api.requests == []
